//! The list of one's tokens.

use leptos::prelude::*;
use leptos_meta::Title;

use crate::domain::reason::Reason;
use crate::domain::scope::Catalogue;
use crate::domain::time::Timestamp;
use crate::domain::token::TokenState;
use crate::domain::view::TokenView;
use crate::server::service::log::EventView;
use crate::server::ui::components::facts::When;
use crate::server::ui::components::icon::{Icon, Mark};
use crate::server::ui::components::notice::Notice;
use crate::server::ui::components::scopes::tags;
use crate::server::ui::components::status::{expires_soon, is_over, life};

/// Acts of others that are told one by one.
const TOLD: usize = 3;

/// What the list is narrowed to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListFilter {
    /// Text in name or description.
    pub q: String,
    /// The name of a state; all when empty.
    pub state: String,
}

impl ListFilter {
    fn is_set(&self) -> bool {
        !self.q.is_empty() || !self.state.is_empty()
    }
}

/// The list page.
#[component]
pub fn TokensPage(
    /// The tokens that the filter leaves.
    tokens: Vec<TokenView>,
    /// What others did to them lately.
    acts: Vec<EventView>,
    /// The filter.
    filter: ListFilter,
    /// All scopes that are offered.
    catalogue: Catalogue,
    /// The present.
    now: Timestamp,
    /// Something that has just succeeded.
    notice: Option<String>,
) -> impl IntoView {
    let teach = tokens.is_empty() && !filter.is_set();
    view! {
        <Title text="Tokens"/>
        <Notice message=notice/>
        {acts_of_others(&acts, now)}
        <div class="flex flex-wrap items-center justify-between gap-4">
            <h1>"Tokens"</h1>
            {(!teach).then(|| view! { <a class="btn btn-primary" href="/tokens/new">"New token"</a> })}
        </div>
        {if teach { first_steps() } else { list(tokens, &filter, &catalogue, now) }}
    }
    .into_any()
}

/// What others did to one's tokens is said before anything else.
fn acts_of_others(acts: &[EventView], now: Timestamp) -> AnyView {
    if acts.is_empty() {
        return ().into_any();
    }
    let rows: Vec<_> = acts
        .iter()
        .take(TOLD)
        .map(|event| {
            let verb = if event.action == "token.reported" { " reported " } else { " revoked " };
            let who = match event.actor.kind.as_str() {
                "token" => "Somebody who found it",
                "operator" => "An operator",
                _ => "An administrator",
            };
            let reason = event.reason.as_deref().and_then(|reason| Reason::parse(reason).ok().flatten());
            let reason = reason.map(|reason| format!(" Reason: {}.", reason.words().trim_end_matches('.')));
            let href = format!("/tokens/{}", event.object.id.clone().unwrap_or_default());
            let name = event.object.name.clone().unwrap_or_else(|| "a token".to_owned());
            view! {
                <li>
                    {who} {verb} <a class="link" href=href>{name}</a> " " <When at=event.time now/> "." {reason}
                </li>
            }
        })
        .collect();
    let more = acts.len().saturating_sub(TOLD);
    let more = (more > 0).then(|| view! { <li>{format!("Others ended {more} more.")}</li> });
    view! {
        <div role="note" class="mb-6 flex gap-3 rounded-box bg-warning-tint px-4 py-3">
            <span class="lead-icon text-warning">{Icon::Warning.view()}</span>
            <div class="min-w-0">
                <ul class="flex flex-col gap-1">
                    {rows}
                    {more}
                </ul>
                <p class="mt-1 text-sm">
                    <a class="link" href="/activity">
                        "All that happened in your account"
                    </a>
                </p>
            </div>
        </div>
    }
    .into_any()
}

fn first_steps() -> AnyView {
    view! {
        <section class="mt-8 flex max-w-column flex-col items-start gap-4 rounded-box border border-base-300 p-6 sm:p-10">
            <Mark class="size-12 text-primary"/>
            <h2>"You have no tokens yet"</h2>
            <p>
                "A token lets a script or a program work with our APIs in your name, without your password. "
                "You choose what it may do and for how long, and you can revoke it at any time."
            </p>
            <div class="mt-2 flex flex-wrap items-center gap-x-6 gap-y-2">
                <a class="btn btn-primary" href="/tokens/new">
                    "New token"
                </a>
                <a class="place link" href="/help">
                    "How tokens work"
                </a>
            </div>
        </section>
    }
    .into_any()
}

fn list(tokens: Vec<TokenView>, filter: &ListFilter, catalogue: &Catalogue, now: Timestamp) -> AnyView {
    let (over, mut current): (Vec<_>, Vec<_>) = tokens.into_iter().partition(is_over);
    current.sort_by_key(|token| urgency(token, now));
    let nothing = over.is_empty() && current.is_empty();
    let unfold = filter.is_set();
    view! {
        {filter_form(filter)}
        {nothing.then(no_match)}
        {(!current.is_empty()).then(|| table("Tokens in use", current, catalogue, now))}
        {(!over.is_empty()).then(|| ended(over, unfold, catalogue, now))}
    }
    .into_any()
}

/// Active ones first, then those that need attention.
fn urgency(token: &TokenView, now: Timestamp) -> u8 {
    match token.state {
        TokenState::Active if !expires_soon(token, now) => 0,
        TokenState::Active => 1,
        _ => 2,
    }
}

fn filter_form(filter: &ListFilter) -> AnyView {
    let states = [
        ("", "All states"),
        ("active", "Active"),
        ("suspended", "Suspended"),
        ("expired", "Expired"),
        ("revoked", "Revoked"),
    ];
    let options = states.map(|(value, label)| {
        view! { <option value=value selected=filter.state == value>{label}</option> }
    });
    view! {
        <form method="get" action="/tokens" role="search" class="mt-6 mb-4 flex flex-wrap gap-2">
            <label class="sr-only" for="q">
                "Search by name or purpose"
            </label>
            <input id="q" name="q" type="search" class="input sm:w-80!" placeholder="Search by name or purpose" value=filter.q.clone()/>
            <label class="sr-only" for="state">
                "State"
            </label>
            <select id="state" name="state" class="select flex-1 sm:w-auto! sm:flex-none">
                {options.to_vec()}
            </select>
            <button type="submit" class="btn btn-plain">
                "Search"
            </button>
            {filter.is_set().then(|| view! { <a class="place" href="/tokens">"Show all"</a> })}
        </form>
    }
    .into_any()
}

fn no_match() -> AnyView {
    view! { <p class="py-8 text-muted">"No token matches. Try fewer letters, or all states."</p> }.into_any()
}

fn ended(tokens: Vec<TokenView>, open: bool, catalogue: &Catalogue, now: Timestamp) -> AnyView {
    let label = match tokens.len() {
        1 => "1 ended token".to_owned(),
        count => format!("{count} ended tokens"),
    };
    view! {
        <details class="mt-4" open=open>
            <summary class="fold">{label}</summary>
            {table("Ended tokens", tokens, catalogue, now)}
        </details>
    }
    .into_any()
}

fn table(caption: &'static str, tokens: Vec<TokenView>, catalogue: &Catalogue, now: Timestamp) -> AnyView {
    let rows: Vec<_> = tokens.into_iter().map(|token| row(token, catalogue, now)).collect();
    view! {
        <table class="rows tokens" role="table">
            <caption class="sr-only">{caption}</caption>
            <thead role="rowgroup">
                <tr role="row">
                    <th role="columnheader" scope="col">"Name"</th>
                    <th role="columnheader" scope="col">"Scopes"</th>
                    <th role="columnheader" scope="col">"Last used"</th>
                    <th role="columnheader" scope="col">"Expires"</th>
                    <th role="columnheader" scope="col">"State"</th>
                </tr>
            </thead>
            <tbody role="rowgroup">{rows}</tbody>
        </table>
    }
    .into_any()
}

fn row(token: TokenView, catalogue: &Catalogue, now: Timestamp) -> AnyView {
    let href = format!("/tokens/{}", token.id);
    view! {
        <tr role="row">
            <td role="cell">
                <a class="token-name" href=href>
                    {token.name.clone()}
                </a>
                <p class="line-clamp-2 text-sm text-muted">{token.description.clone()}</p>
            </td>
            <td role="cell" data-label="Scopes">
                <div class="min-w-0">{tags(&token, catalogue)}</div>
            </td>
            {life(&token, now)}
        </tr>
    }
    .into_any()
}
