//! Users.

use leptos::prelude::*;
use leptos_meta::Title;
use serde::Deserialize;

use super::heading;
use crate::domain::time::Timestamp;
use crate::server::service::admin::{COUNTED_MAX, Person};
use crate::server::ui::components::facts::When;
use crate::server::ui::components::filters::{Filter, buttons, choice, search};
use crate::server::ui::components::icon::Icon;
use crate::server::ui::components::paging::{address, paging};

pub(super) const PATH: &str = "/admin/users";

/// What the list is narrowed to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct UsersForm {
    /// Part of the name or e-mail.
    pub q: String,
    /// `enabled` or `disabled`; all when empty.
    pub state: String,
}

/// The page of users.
#[component]
pub fn UsersPage(
    /// The users that the filter leaves.
    people: Vec<Person>,
    /// The filter.
    form: UsersForm,
    /// Whether users before these were left out.
    is_later_page: bool,
    /// Where the list goes on.
    next: Option<String>,
    /// The present.
    now: Timestamp,
) -> impl IntoView {
    let parameters = [("q", form.q.as_str()), ("state", form.state.as_str())];
    let first = is_later_page.then(|| address(PATH, &parameters));
    let next = next.map(|cursor| address(PATH, &[&parameters[..], &[("cursor", &cursor)]].concat()));
    let states = [("", "Everybody"), ("enabled", "Enabled"), ("disabled", "Disabled")];
    let body = if people.is_empty() {
        view! { <p class="py-8 text-muted">"Nobody matches. Users appear here with their first login."</p> }.into_any()
    } else {
        table(&people, now)
    };
    view! {
        <Title text="Users"/>
        {heading("Users", PATH)}
        <form method="get" action=PATH role="search" class="filters filters-few">
            {search(Filter::new("q", "Name or e-mail", &form.q))}
            {choice(Filter::new("state", "State", &form.state), &states)}
            {buttons("Search", (form != UsersForm::default()).then_some(PATH))}
        </form>
        {body}
        {paging(first, next)}
    }
    .into_any()
}

fn table(people: &[Person], now: Timestamp) -> AnyView {
    let rows: Vec<_> = people.iter().map(|person| row(person, now)).collect();
    view! {
        <table class="rows people" role="table">
            <caption class="sr-only">"Users"</caption>
            <thead role="rowgroup">
                <tr role="row">
                    <th role="columnheader" scope="col">"Name"</th>
                    <th role="columnheader" scope="col">"Roles"</th>
                    <th role="columnheader" scope="col">"Last login"</th>
                    <th role="columnheader" scope="col">"Tokens"</th>
                    <th role="columnheader" scope="col">"Sessions"</th>
                    <th role="columnheader" scope="col">"State"</th>
                </tr>
            </thead>
            <tbody role="rowgroup">{rows}</tbody>
        </table>
    }
    .into_any()
}

/// Whether somebody may come in.
pub(super) fn access(disabled: bool) -> AnyView {
    if disabled {
        view! { <span class="inline-flex items-center gap-1.5 font-medium text-error">{Icon::Cross.view()} "Disabled"</span> }
            .into_any()
    } else {
        view! { <span class="inline-flex items-center gap-1.5 font-medium text-primary">{Icon::Check.view()} "Enabled"</span> }
            .into_any()
    }
}

fn counted(tokens: i64) -> String {
    let most = i64::from(COUNTED_MAX);
    if tokens > most { format!("over {most}") } else { tokens.to_string() }
}

fn row(person: &Person, now: Timestamp) -> AnyView {
    let user = &person.user;
    let roles: Vec<_> =
        user.profile.roles.iter().map(|role| view! { <span class="tag">{role.clone()}</span> }).collect();
    let roles = if roles.is_empty() { "none".into_any() } else { roles.into_any() };
    view! {
        <tr role="row">
            <td role="cell">
                <a class="token-name" href=format!("{PATH}/{}", user.id)>
                    {user.profile.username.clone()}
                </a>
                <p class="text-sm text-muted">{user.profile.email.clone()}</p>
            </td>
            <td role="cell" data-label="Roles">
                <div class="flex min-w-0 flex-wrap gap-1">{roles}</div>
            </td>
            <td role="cell" data-label="Last login">
                <span><When at=user.last_login_at now/></span>
            </td>
            <td role="cell" data-label="Tokens">
                <span>{counted(person.tokens)}</span>
            </td>
            <td role="cell" data-label="Sessions">
                <span>{person.sessions}</span>
            </td>
            <td role="cell" data-label="State">
                <span>{access(user.disabled_at.is_some())}</span>
            </td>
        </tr>
    }
    .into_any()
}
