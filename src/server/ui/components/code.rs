//! Commands and other text to copy.

use leptos::prelude::*;

use crate::islands::CopyButton;

/// A command with a button that copies it.
#[component]
pub fn CodeBlock(
    /// What it is, for the button: "Copy {what}".
    #[prop(into)]
    what: String,
    /// The text.
    #[prop(into)]
    code: String,
) -> impl IntoView {
    view! {
        <div class="flex flex-col gap-2" data-copyable="">
            <pre class="code" data-copy="" tabindex="0" role="group" aria-label=what.clone()>
                {code}
            </pre>
            <CopyButton>{format!("Copy {what}")}</CopyButton>
        </div>
    }
    .into_any()
}
