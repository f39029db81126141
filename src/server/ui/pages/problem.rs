//! The page behind the `type` of a problem (RFC 9457, section 3.1.1).

use leptos::prelude::*;
use leptos_meta::Title;

/// Explains one kind of problem to whoever calls the API.
#[component]
pub fn ProblemPage(
    /// The last part of its address.
    slug: String,
    /// Its title.
    title: String,
    /// What it means and what to do; paragraphs are parted by empty lines.
    text: String,
) -> impl IntoView {
    let paragraphs: Vec<_> = text
        .split("\n\n")
        .map(|paragraph| view! { <p class="whitespace-pre-line">{paragraph.to_owned()}</p> })
        .collect();
    view! {
        <Title text=title.clone()/>
        <div class="form-width flex flex-col items-start gap-4">
            <p class="prose-code text-sm text-muted">{slug}</p>
            <h1>{title}</h1>
            {paragraphs}
            <a class="place -ms-2 mt-4" href="/api/docs">
                "All operations of the API"
            </a>
        </div>
    }
    .into_any()
}
