//! Going on in a list.

use leptos::prelude::*;

/// Back to the beginning, and on. Nothing where the whole list is there.
#[must_use]
pub fn paging(first: Option<String>, next: Option<String>) -> AnyView {
    if first.is_none() && next.is_none() {
        return ().into_any();
    }
    let first = first.map(|href| view! { <a class="btn btn-plain" href=href>"To the beginning"</a> });
    let next = next.map(|href| view! { <a class="btn btn-plain" href=href rel="next">"More"</a> });
    view! { <nav aria-label="Pages of the list" class="mt-6 flex flex-wrap gap-2">{first} {next}</nav> }.into_any()
}

/// An address with the parameters that say something.
#[must_use]
pub fn address(path: &str, parameters: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(parameters.iter().filter(|(_, value)| !value.is_empty()));
    let query = query.finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}
