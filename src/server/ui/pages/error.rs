//! What is shown when there is nothing else to show: a way back, and a request id.

use leptos::prelude::*;
use leptos_meta::Title;

/// A page for 403, 404, 500 and 503.
#[component]
pub fn ErrorPage(
    /// The status, small above the title.
    status: u16,
    /// What happened.
    title: String,
    /// What to do.
    advice: String,
    /// What an administrator needs to find it in the log.
    request_id: Option<String>,
) -> impl IntoView {
    view! {
        <Title text=title.clone()/>
        <div class="form-width flex flex-col items-start gap-4 py-8 sm:py-16">
            <p class="font-mono text-sm text-muted">{status.to_string()}</p>
            <h1>{title}</h1>
            <p>{advice}</p>
            {request_id.map(|id| view! {
                <p class="text-sm text-muted">"Request id: " <span class="prose-code">{id}</span></p>
            })}
            <a class="btn btn-primary mt-4" href="/">
                "Back to your tokens"
            </a>
        </div>
    }
    .into_any()
}
