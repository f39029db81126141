//! Times, and pairs of a word and what it says.

use leptos::prelude::*;

use crate::domain::time::Timestamp;
use crate::domain::view::TokenView;

/// An instant as people say it, with the exact one in a tooltip.
#[component]
pub fn When(
    /// The instant.
    at: Timestamp,
    /// The present.
    now: Timestamp,
) -> impl IntoView {
    view! {
        <time datetime=at.rfc3339() title=at.exact()>
            {at.relative_to(now)}
        </time>
    }
    .into_any()
}

/// The same where there may be no instant.
#[must_use]
pub fn when_or(at: Option<Timestamp>, now: Timestamp, otherwise: &'static str) -> AnyView {
    match at {
        Some(at) => view! { <When at now/> }.into_any(),
        None => otherwise.into_any(),
    }
}

/// One pair of a description list.
#[component]
pub fn Fact(
    /// The word.
    term: &'static str,
    /// What it says.
    children: Children,
) -> impl IntoView {
    view! {
        <div class="grid gap-x-6 border-b border-base-300 py-3 sm:grid-cols-[10rem_1fr]">
            <dt class="text-muted">{term}</dt>
            <dd class="min-w-0">{children()}</dd>
        </div>
    }
    .into_any()
}

/// `nightly-backup was used 4 minutes ago from 10.2.0.7.`
#[must_use]
pub fn last_use_sentence(token: &TokenView, now: Timestamp) -> String {
    match (token.last_used_at, &token.last_used_ip) {
        (Some(at), Some(ip)) => format!("{} was used {} from {ip}.", token.name, at.relative_to(now)),
        (Some(at), None) => format!("{} was used {}.", token.name, at.relative_to(now)),
        (None, _) => format!("{} was never used.", token.name),
    }
}
