//! One token: what it is, what it may do, what happened to it, and the two ways to end what it is now.

use leptos::prelude::*;
use leptos_meta::Title;

use crate::domain::reason::Reason;
use crate::domain::scope::{Catalogue, ScopeName};
use crate::domain::time::Timestamp;
use crate::domain::token::TokenState;
use crate::domain::view::{SecretView, TokenView};
use crate::server::ui::components::facts::{Fact, When, when_or};
use crate::server::ui::components::icon::Icon;
use crate::server::ui::components::notice::Notice;
use crate::server::ui::components::scopes::{loss, tag};
use crate::server::ui::components::status::{Expiry, State, secret_state, suspension_advice};

/// Something that happened to a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryEntry {
    /// When.
    pub time: Timestamp,
    /// What, as a sentence.
    pub what: String,
    /// From where, where known.
    pub origin: Option<String>,
}

/// The page of a token.
#[component]
pub fn TokenPage(
    /// The token.
    token: TokenView,
    /// All scopes that are offered.
    catalogue: Catalogue,
    /// What happened to it, newest first.
    history: Vec<HistoryEntry>,
    /// The present.
    now: Timestamp,
    /// Something that has just succeeded.
    notice: Option<String>,
) -> impl IntoView {
    view! {
        <Title text=token.name.clone()/>
        <div class="form-width flex flex-col gap-10">
            <div>
                <Notice message=notice/>
                {heading(&token)}
            </div>
            {facts(&token, now)}
            {scopes(&token, &catalogue)}
            {secrets(&token.secrets, now)}
            {past(history, now)}
            {(token.state != TokenState::Revoked).then(|| endings(&token))}
        </div>
    }
    .into_any()
}

fn heading(token: &TokenView) -> AnyView {
    let edit = (token.state != TokenState::Revoked).then(|| {
        view! { <a class="btn btn-plain" href=format!("/tokens/{}/edit", token.id)>"Edit"</a> }
    });
    let advice = token.suspension.filter(|_| token.state == TokenState::Suspended).map(|suspension| {
        view! {
            <p class="mt-4 flex gap-3 rounded-box bg-warning-tint px-4 py-3">
                <span class="lead-icon text-warning">{Icon::Pause.view()}</span>
                <span>"This token is suspended. " {suspension_advice(suspension)}</span>
            </p>
        }
    });
    let expired = (token.state == TokenState::Expired).then(|| {
        view! {
            <p class="mt-4 flex gap-3 rounded-box bg-base-200 px-4 py-3">
                <span class="lead-icon text-muted">{Icon::Hourglass.view()}</span>
                <span>"This token has expired. Regenerate it to use it again."</span>
            </p>
        }
    });
    view! {
        <a class="place -ms-2" href="/tokens">
            "Tokens"
        </a>
        <div class="flex flex-wrap items-start justify-between gap-4">
            <div class="min-w-0 flex-1">
                <h1 class="min-w-0">{token.name.clone()}</h1>
                <p class="mt-1 whitespace-pre-line text-muted">{token.description.clone()}</p>
            </div>
            {edit}
        </div>
        {advice}
        {expired}
    }
    .into_any()
}

fn facts(token: &TokenView, now: Timestamp) -> AnyView {
    let used = match (token.last_used_at, token.last_used_ip.clone()) {
        (Some(at), Some(ip)) => view! { <When at now/> {format!(" from {ip}")} }.into_any(),
        (at, _) => when_or(at, now, "never"),
    };
    let networks = if token.allowed_ips.is_empty() { "everywhere".to_owned() } else { token.allowed_ips.join(", ") };
    let revoked = token.revoked_at.map(|at| {
        let reason = token.revoked_reason.as_deref().and_then(|text| Reason::parse(text).ok().flatten());
        view! {
            <Fact term="Revoked">
                <When at now/>
                {reason.map(|reason| format!(": {}", reason.words()))}
            </Fact>
        }
    });
    let expires = token.revoked_at.is_none().then(|| {
        let exactly =
            token.expires_at.map(|at| view! { <span class="text-muted">{format!(", {}", at.exact())}</span> });
        let token = token.clone();
        view! { <Fact term="Expires"><Expiry token now/> {exactly}</Fact> }
    });
    let (state, created, id) = (token.state, token.created_at, token.id.to_string());
    view! {
        <dl class="border-t border-base-300">
            <Fact term="State"><State state/></Fact>
            {revoked}
            {expires}
            <Fact term="Last used">{used}</Fact>
            <Fact term="Created"><When at=created now/></Fact>
            <Fact term="Usable from">{networks}</Fact>
            <Fact term="Id"><span class="prose-code">{id}</span></Fact>
        </dl>
    }
    .into_any()
}

fn scopes(token: &TokenView, catalogue: &Catalogue) -> AnyView {
    let rows: Vec<_> = token
        .scopes
        .iter()
        .map(|name| scope(name, token.effective_scopes.contains(name.as_str()), catalogue))
        .collect();
    view! {
        <section>
            <h2 class="mb-3">"Scopes"</h2>
            <ul class="border-t border-base-300">{rows}</ul>
        </section>
    }
    .into_any()
}

fn scope(name: &ScopeName, usable: bool, catalogue: &Catalogue) -> AnyView {
    let words = if usable {
        catalogue.get(name).map(|entry| entry.description.clone()).unwrap_or_default()
    } else {
        format!("You may not use this any more: {}.", loss(name, catalogue))
    };
    view! {
        <li class="grid gap-x-6 border-b border-base-300 py-3 sm:grid-cols-[16rem_1fr]">
            <span class="min-w-0">{tag(name, usable)}</span>
            <span class="min-w-0 text-muted">{words}</span>
        </li>
    }
    .into_any()
}

fn secrets(secrets: &[SecretView], now: Timestamp) -> AnyView {
    let rows: Vec<_> = secrets.iter().map(|secret| secret_row(secret, now)).collect();
    view! {
        <section>
            <h2>"Secrets"</h2>
            <p class="mb-2 text-muted">
                "Each regeneration gives the token a new secret. Logs name secrets by these ids."
            </p>
            <table class="rows" role="table">
                <caption class="sr-only">"Secrets of this token"</caption>
                <thead role="rowgroup">
                    <tr role="row">
                        <th role="columnheader" scope="col">"Id"</th>
                        <th role="columnheader" scope="col">"State"</th>
                        <th role="columnheader" scope="col">"Made"</th>
                        <th role="columnheader" scope="col">"Last used"</th>
                        <th role="columnheader" scope="col">"Ends"</th>
                    </tr>
                </thead>
                <tbody role="rowgroup">{rows}</tbody>
            </table>
        </section>
    }
    .into_any()
}

fn secret_row(secret: &SecretView, now: Timestamp) -> AnyView {
    view! {
        <tr role="row">
            <td role="cell" data-label="Id">
                <span class="prose-code">{secret.id.as_str().to_owned()}</span>
            </td>
            <td role="cell" data-label="State">
                <span>{secret_state(secret.state)}</span>
            </td>
            <td role="cell" data-label="Made">
                <span><When at=secret.created_at now/></span>
            </td>
            <td role="cell" data-label="Last used">
                <span>{when_or(secret.last_used_at, now, "never")}</span>
            </td>
            <td role="cell" data-label="Ends">
                <span>{when_or(secret.ends_at, now, "never")}</span>
            </td>
        </tr>
    }
    .into_any()
}

fn past(history: Vec<HistoryEntry>, now: Timestamp) -> AnyView {
    if history.is_empty() {
        return ().into_any();
    }
    let entries: Vec<_> = history
        .into_iter()
        .map(|entry| {
            view! {
                <li class="grid gap-x-6 border-b border-base-300 py-3 sm:grid-cols-[10rem_1fr]">
                    <span class="text-muted"><When at=entry.time now/></span>
                    <span class="min-w-0">
                        {entry.what}
                        {entry.origin.map(|origin| view! { <span class="text-muted">{format!(" · {origin}")}</span> })}
                    </span>
                </li>
            }
        })
        .collect();
    view! {
        <section>
            <h2 class="mb-3">"History"</h2>
            <ol class="border-t border-base-300">{entries}</ol>
        </section>
    }
    .into_any()
}

fn endings(token: &TokenView) -> AnyView {
    let base = format!("/tokens/{}", token.id);
    view! {
        <section class="flex flex-col gap-6">
            <h2>"End or replace it"</h2>
            {ending(
                "Regenerate",
                "Gives it a new secret and a new lifetime. Its name, scopes and history stay.",
                view! { <a class="btn btn-plain" href=format!("{base}/regenerate")>"Regenerate"</a> }.into_any(),
            )}
            {ending(
                "Revoke",
                "Ends it for ever. Requests with it are refused at once.",
                view! { <a class="btn btn-error btn-outline" href=format!("{base}/revoke")>"Revoke"</a> }.into_any(),
            )}
        </section>
    }
    .into_any()
}

fn ending(title: &'static str, consequence: &'static str, button: AnyView) -> AnyView {
    view! {
        <div class="flex flex-wrap items-center justify-between gap-4 border-t border-base-300 pt-6">
            <div class="min-w-0 flex-1 basis-64">
                <h3>{title}</h3>
                <p class="text-muted">{consequence}</p>
            </div>
            {button}
        </div>
    }
    .into_any()
}
