//! Everybody's tokens.

use leptos::prelude::*;
use leptos_meta::Title;
use serde::Deserialize;

use super::heading;
use crate::domain::error::FieldErrors;
use crate::domain::time::Timestamp;
use crate::server::service::admin::OwnedView;
use crate::server::ui::components::filters::{Filter, buttons, carried, choice, narrowing, search};
use crate::server::ui::components::notice::{ErrorSummary, Notice};
use crate::server::ui::components::paging::{address, paging};
use crate::server::ui::components::scopes::tag;
use crate::server::ui::components::status::life;

pub(super) const PATH: &str = "/admin/tokens";

/// What the list is narrowed to, as it stands in the address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct InventoryForm {
    /// Anything that is known of a token.
    pub q: String,
    /// The name of a state.
    pub state: String,
    /// The name of a scope.
    pub scope: String,
    /// The owner's id or name.
    pub user: String,
    /// A span or a date.
    pub unused_since: String,
    /// A span or a date.
    pub created_before: String,
    /// A span.
    pub expires_within: String,
    /// The order.
    pub sort: String,
}

impl InventoryForm {
    /// Whether it narrows anything.
    #[must_use]
    pub fn is_set(&self) -> bool {
        let Self { q, state, scope, user, unused_since, created_before, expires_within, .. } = self;
        [q, state, scope, user, unused_since, created_before, expires_within].iter().any(|field| !field.is_empty())
    }

    /// Its parameters.
    #[must_use]
    pub fn parameters(&self) -> Vec<(&str, &str)> {
        vec![
            ("q", &self.q),
            ("state", &self.state),
            ("scope", &self.scope),
            ("user", &self.user),
            ("unused_since", &self.unused_since),
            ("created_before", &self.created_before),
            ("expires_within", &self.expires_within),
            ("sort", &self.sort),
        ]
    }
}

/// The page of everybody's tokens.
#[component]
pub fn InventoryPage(
    /// The tokens that the filter leaves.
    tokens: Vec<OwnedView>,
    /// The filter.
    form: InventoryForm,
    /// The name of the owner to whom it narrows.
    owner: Option<String>,
    /// What is wrong with it; then nothing was searched.
    errors: FieldErrors,
    /// Names of the scopes that are offered.
    scopes: Vec<String>,
    /// Whether tokens before these were left out.
    is_later_page: bool,
    /// Where the list goes on.
    next: Option<String>,
    /// The present.
    now: Timestamp,
    /// Something that has just succeeded.
    notice: Option<String>,
) -> impl IntoView {
    let title = if errors.is_empty() { "Tokens of everybody" } else { "Please check: Tokens of everybody" };
    let first = is_later_page.then(|| address(PATH, &form.parameters()));
    let next = next.map(|cursor| {
        let mut parameters = form.parameters();
        parameters.push(("cursor", &cursor));
        address(PATH, &parameters)
    });
    let goes_on = next.is_some();
    let found = if !errors.is_empty() {
        view! { <ErrorSummary errors=errors.clone() nothing="Nothing was searched."/> }.into_any()
    } else if tokens.is_empty() {
        (narrowed(&form, owner), nothing(&form, goes_on)).into_any()
    } else {
        (narrowed(&form, owner), table(&tokens, &form, now)).into_any()
    };
    view! {
        <Title text=title/>
        <Notice message=notice/>
        {heading("Tokens of everybody", PATH)}
        {filters(&form, &scopes, &errors)}
        {found}
        {paging(first, next)}
    }
    .into_any()
}

fn filters(form: &InventoryForm, scopes: &[String], errors: &FieldErrors) -> AnyView {
    let states = [
        ("", "All states"),
        ("active", "Active"),
        ("suspended", "Suspended"),
        ("expired", "Expired"),
        ("revoked", "Revoked"),
    ];
    let unused = [
        ("", "Used or not"),
        ("30d", "Unused for 30 days"),
        ("90d", "Unused for 90 days"),
        ("365d", "Unused for a year"),
    ];
    let orders = [("", "Newest first"), ("unused", "Longest unused first"), ("name", "By name")];
    let mut offered = vec![("", "All scopes")];
    offered.extend(scopes.iter().map(|scope| (scope.as_str(), scope.as_str())));
    let field = |name, label, value: &str| Filter::new(name, label, value).checked(errors);
    view! {
        <form method="get" action=PATH role="search" class="filters">
            {search(field("q", "Name, owner, e-mail or id", &form.q))}
            {choice(field("state", "State", &form.state), &states)}
            {choice(field("scope", "Scope", &form.scope), &offered)}
            {choice(field("unused_since", "Last use", &form.unused_since), &unused)}
            {choice(field("sort", "Order", &form.sort), &orders)}
            {carried(field("user", "User", &form.user))}
            {carried(field("created_before", "Made before", &form.created_before))}
            {carried(field("expires_within", "Expires within", &form.expires_within))}
            {buttons("Search", form.is_set().then_some(PATH))}
        </form>
    }
    .into_any()
}

/// What narrows the list besides what the fields show.
fn narrowed(form: &InventoryForm, owner: Option<String>) -> AnyView {
    let user = owner.unwrap_or_else(|| form.user.clone());
    let parts = [
        ("of ", user),
        ("made before ", form.created_before.clone()),
        ("expiring within ", form.expires_within.clone()),
    ];
    let parts =
        parts.into_iter().filter(|(_, value)| !value.is_empty()).map(|(words, value)| format!("{words}{value}"));
    narrowing("Only tokens ", parts.collect())
}

fn nothing(form: &InventoryForm, goes_on: bool) -> AnyView {
    if goes_on {
        return nothing_yet(form);
    }
    let text = if form.is_set() {
        "No token matches. Try fewer letters, or all states."
    } else {
        "Nobody has made a token yet."
    };
    view! { <p class="py-8 text-muted">{text}</p> }.into_any()
}

/// There are so many tokens that only some were looked at. What is no longer good is seldom among the newest.
fn nothing_yet(form: &InventoryForm) -> AnyView {
    let other_end = form.sort.is_empty().then(|| {
        let href = address(PATH, &InventoryForm { sort: "unused".to_owned(), ..form.clone() }.parameters());
        view! {
            " Or begin with those that are "
            <a class="link" href=href>
                "longest unused"
            </a>
            "."
        }
    });
    view! {
        <p class="py-8 text-muted">"Nothing among the tokens that were looked at. There are more: go on below." {other_end}</p>
        <p>{revoke_all(form, "link text-error")}</p>
    }
    .into_any()
}

/// Not without a filter: nobody means all there are.
fn revoke_all(form: &InventoryForm, class: &'static str) -> Option<AnyView> {
    let href = address("/admin/tokens/revoke", &form.parameters());
    let link = view! {
        <a class=class href=href>
            "Revoke all that match …"
        </a>
    };
    form.is_set().then(|| link.into_any())
}

fn table(tokens: &[OwnedView], form: &InventoryForm, now: Timestamp) -> AnyView {
    let rows: Vec<_> = tokens.iter().map(|owned| row(owned, now)).collect();
    let chooses = tokens.iter().any(|owned| owned.token.revoked_at.is_none());
    let list = address("", &form.parameters()).trim_start_matches('?').to_owned();
    let revoke_chosen = chooses.then(|| {
        view! {
            <input type="hidden" name="list" value=list/>
            <button type="submit" class="btn btn-plain">
                "Revoke chosen …"
            </button>
        }
    });
    view! {
        <form method="get" action="/admin/tokens/revoke">
            <table class="rows inventory" role="table">
                <caption class="sr-only">"Tokens of everybody"</caption>
                <thead role="rowgroup">
                    <tr role="row">
                        <th role="columnheader" scope="col">
                            <span class="sr-only">"Choose"</span>
                        </th>
                        <th role="columnheader" scope="col">"Name"</th>
                        <th role="columnheader" scope="col">"Owner"</th>
                        <th role="columnheader" scope="col">"Scopes"</th>
                        <th role="columnheader" scope="col">"Last used"</th>
                        <th role="columnheader" scope="col">"Expires"</th>
                        <th role="columnheader" scope="col">"State"</th>
                    </tr>
                </thead>
                <tbody role="rowgroup">{rows}</tbody>
            </table>
            <div class="actions mt-4">
                {revoke_chosen}
                {revoke_all(form, "place text-error")}
            </div>
        </form>
    }
    .into_any()
}

fn row(owned: &OwnedView, now: Timestamp) -> AnyView {
    let OwnedView { token, owner } = owned;
    let scopes: Vec<_> =
        token.scopes.iter().map(|name| tag(name, token.effective_scopes.contains(name.as_str()))).collect();
    let choose = token.revoked_at.is_none().then(|| {
        view! {
            <label class="tick">
                <input type="checkbox" class="checkbox" name="id" value=token.id.to_string()/>
                <span class="sr-only">{format!("Choose {} of {}", token.name, owner.username)}</span>
            </label>
        }
    });
    view! {
        <tr role="row">
            <td role="cell">{choose}</td>
            <td role="cell">
                <a class="token-name" href=format!("{PATH}/{}", token.id)>
                    {token.name.clone()}
                </a>
            </td>
            <td role="cell" data-label="Owner">
                <a class="link" href=format!("/admin/users/{}", owner.id)>
                    {owner.username.clone()}
                </a>
            </td>
            <td role="cell" data-label="Scopes">
                <div class="flex min-w-0 flex-wrap gap-1">{scopes}</div>
            </td>
            {life(token, now)}
        </tr>
    }
    .into_any()
}
