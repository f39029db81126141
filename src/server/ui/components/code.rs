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
    // A broken line of a command is still understood; one of a file is not.
    let lines = code.contains('\n');
    view! {
        <div class="flex flex-col gap-2" data-copyable="">
            <pre class="code" class:code-lines=lines data-copy="" tabindex="0" role="group" aria-label=what.clone()>
                {code}
            </pre>
            <CopyButton>{format!("Copy {what}")}</CopyButton>
        </div>
    }
    .into_any()
}
