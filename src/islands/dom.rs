//! Reading and changing the page around an island.

use leptos::prelude::*;
use leptos::wasm_bindgen::JsCast;
use leptos::web_sys::{Element, HtmlInputElement};

/// The elements that a selector finds, in document order; none where the selector is wrong.
#[must_use]
pub fn all(selector: &str) -> Vec<Element> {
    let Ok(found) = document().query_selector_all(selector) else { return Vec::new() };
    (0..found.length()).filter_map(|index| found.item(index)?.dyn_into().ok()).collect()
}

/// The first element that a selector finds.
#[must_use]
pub fn first(selector: &str) -> Option<Element> {
    document().query_selector(selector).ok().flatten()
}

/// The same as a form field.
#[must_use]
pub fn input(selector: &str) -> Option<HtmlInputElement> {
    first(selector)?.dyn_into().ok()
}

/// Replaces the text of the element that a selector finds, and shows it. Text that stays the same is left alone, so
/// that screen readers do not repeat it.
pub fn say(selector: &str, text: &str) {
    let Some(element) = first(selector) else { return };
    if element.text_content().as_deref() != Some(text) {
        element.set_text_content(Some(text));
    }
    show(&element, true);
}

/// Shows or hides an element.
pub fn show(element: &Element, visible: bool) {
    // The outcome of an attribute with a constant name cannot be an error.
    let _ = if visible { element.remove_attribute("hidden") } else { element.set_attribute("hidden", "") };
}
