//! Finding a scope among many.

use leptos::prelude::*;
use leptos::web_sys::Element;

use super::dom;

/// A field that hides the `data-scope` choices whose text does not contain what is typed, and the `data-scope-group`s
/// that are left without one. Chosen scopes stay in sight.
#[island]
pub fn ScopeFilter() -> impl IntoView {
    let live = RwSignal::new(false);
    let result = RwSignal::new(String::new());
    Effect::new(move |_| live.set(true));
    view! {
        <div class="flex flex-col gap-1" hidden=move || !live.get()>
            <label class="text-sm font-medium" for="scope-filter">"Find a scope"</label>
            <input
                id="scope-filter"
                type="search"
                class="input"
                autocomplete="off"
                // Enter would send the form around it.
                on:keydown=move |event| if event.key() == "Enter" { event.prevent_default() }
                on:input:target=move |event| result.set(apply(&event.target().value()))
            />
            <p role="status" class="text-sm text-muted">{move || result.get()}</p>
        </div>
    }
}

/// Shows what matches, and says how much that is.
fn apply(typed: &str) -> String {
    let wanted = typed.trim().to_lowercase();
    let scopes = dom::all("[data-scope]");
    let mut shown = 0;
    for scope in &scopes {
        let text = scope.text_content().unwrap_or_default().to_lowercase();
        let visible = text.contains(&wanted) || is_chosen(scope);
        shown += u32::from(visible);
        dom::show(scope, visible);
    }
    for group in dom::all("[data-scope-group]") {
        let left = group.query_selector("[data-scope]:not([hidden])").ok().flatten();
        dom::show(&group, left.is_some());
    }
    if wanted.is_empty() { String::new() } else { shown.to_string() + " of " + &scopes.len().to_string() + " shown" }
}

fn is_chosen(scope: &Element) -> bool {
    scope.query_selector("input:checked").ok().flatten().is_some()
}
