//! Copying a text to the clipboard.

use std::time::Duration;

use leptos::html::Button;
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos::web_sys::js_sys::futures::JsFuture;

/// How long "Copied" stays.
const SHOWN_FOR: Duration = Duration::from_secs(3);

/// A button that copies the text of the `data-copy` element within the nearest `data-copyable` around it. Its
/// children name it.
#[island]
pub fn CopyButton(children: Children) -> impl IntoView {
    let button = NodeRef::<Button>::new();
    let live = RwSignal::new(false);
    let outcome = RwSignal::new("");
    Effect::new(move |_| live.set(window().is_secure_context()));
    let copy = move |_| {
        let Some(text) = button.get_untracked().and_then(|button| text_near(&button)) else { return };
        spawn_local(async move {
            let written = JsFuture::from(window().navigator().clipboard().write_text(&text)).await;
            outcome.set(if written.is_ok() { "Copied" } else { "Please copy it by hand" });
            set_timeout(move || outcome.set(""), SHOWN_FOR);
        });
    };
    view! {
        <span class="flex flex-wrap items-center gap-3" hidden=move || !live.get()>
            <button node_ref=button type="button" class="btn btn-plain" on:click=copy>
                {children()}
            </button>
            <span role="status" class="text-sm text-primary">
                {move || outcome.get()}
            </span>
        </span>
    }
}

fn text_near(button: &leptos::web_sys::Element) -> Option<String> {
    let around = button.closest("[data-copyable]").ok().flatten()?;
    let text = around.query_selector("[data-copy]").ok().flatten()?.text_content()?;
    Some(text.trim().to_owned())
}
