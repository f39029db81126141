//! Choosing light or dark.

use leptos::prelude::*;

const KEY: &str = "theme";

/// The values that are stored, and the words for them. The empty one follows the system and is not stored.
const THEMES: [(&str, &str); 3] = [("", "System"), ("light", "Light"), ("dark", "Dark")];

/// Three buttons that choose the theme and remember it in this browser; `theme.js` applies it before the first paint.
#[island]
pub fn ThemeSwitch() -> impl IntoView {
    let live = RwSignal::new(false);
    let chosen = RwSignal::new(String::new());
    Effect::new(move |_| {
        chosen.set(stored().unwrap_or_default());
        live.set(true);
    });
    let button = move |(value, label): (&'static str, &'static str)| {
        let choose = move |_| {
            store(value);
            chosen.set(value.to_owned());
        };
        let pressed = move || if chosen.get() == value { "true" } else { "false" };
        view! {
            <button type="button" class="theme-option" aria-pressed=pressed on:click=choose>
                {label}
            </button>
        }
    };
    view! {
        <div role="group" aria-label="Theme" class="theme-switch" hidden=move || !live.get()>
            {THEMES.map(button).to_vec()}
        </div>
    }
}

fn stored() -> Option<String> {
    window().local_storage().ok().flatten()?.get_item(KEY).ok().flatten()
}

/// Applies a theme, and remembers it where the browser lets us.
fn store(theme: &str) {
    let follow_system = theme.is_empty();
    if let Some(root) = document().document_element() {
        let _ =
            if follow_system { root.remove_attribute("data-theme") } else { root.set_attribute("data-theme", theme) };
    }
    if let Some(storage) = window().local_storage().ok().flatten() {
        let _ = if follow_system { storage.remove_item(KEY) } else { storage.set_item(KEY, theme) };
    }
}
