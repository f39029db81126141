//! Anybody's token, and ending it.

use leptos::prelude::*;
use leptos_meta::Title;

use super::heading;
use super::tokens::PATH;
use crate::domain::error::FieldErrors;
use crate::domain::reason::Reason;
use crate::domain::time::Timestamp;
use crate::domain::view::TokenView;
use crate::server::service::admin::{OwnedView, OwnerView};
use crate::server::service::log::EventView;
use crate::server::ui::components::events::{Reader, events};
use crate::server::ui::components::facts::{Fact, When, last_use_sentence, when_or};
use crate::server::ui::components::notice::{ErrorSummary, Notice};
use crate::server::ui::components::reason::{ReasonFields, ReasonForm};
use crate::server::ui::components::scopes::tag;
use crate::server::ui::components::status::{Expiry, State, secret_state};

/// The page of anybody's token.
#[component]
pub fn AnyTokenPage(
    /// The token and its owner.
    owned: OwnedView,
    /// What happened to it, newest first.
    history: Vec<EventView>,
    /// The present.
    now: Timestamp,
    /// Something that has just succeeded.
    notice: Option<String>,
) -> impl IntoView {
    let OwnedView { token, owner } = &owned;
    let revoke = token.revoked_at.is_none().then(|| {
        view! { <a class="btn btn-error btn-outline" href=format!("{PATH}/{}/revoke", token.id)>"Revoke …"</a> }
    });
    let log = format!("/admin/audit?object={}", token.id);
    view! {
        <Title text=token.name.clone()/>
        <Notice message=notice/>
        {heading(&token.name, PATH)}
        <p class="mt-1 whitespace-pre-line text-muted">{token.description.clone()}</p>
        <div class="form-width mt-8 flex flex-col gap-10">
            <dl class="border-t border-base-300">
                {owner_fact(owner)}
                {facts(token, now)}
            </dl>
            {secrets(token, now)}
            <section>
                <h2 class="mb-3">"History"</h2>
                {events(&history, Reader::Administrator, now)}
                <p class="mt-3">
                    <a class="link" href=log>
                        "All of it in the audit log"
                    </a>
                </p>
            </section>
            {revoke.map(|revoke| view! { <div>{revoke}</div> })}
        </div>
    }
    .into_any()
}

fn owner_fact(owner: &OwnerView) -> AnyView {
    let OwnerView { id, username, email } = owner.clone();
    view! {
        <Fact term="Owner">
            <a class="link" href=format!("/admin/users/{id}")>
                {username}
            </a>
            {email.map(|email| format!(" · {email}"))}
        </Fact>
    }
    .into_any()
}

fn facts(token: &TokenView, now: Timestamp) -> AnyView {
    let used = match (token.last_used_at, token.last_used_ip.clone()) {
        (Some(at), Some(ip)) => view! { <When at now/> {format!(" from {ip}")} }.into_any(),
        (at, _) => when_or(at, now, "never"),
    };
    let revoked = token.revoked_at.map(|at| {
        let reason = token.revoked_reason.as_deref().and_then(|text| Reason::parse(text).ok().flatten());
        view! { <Fact term="Revoked"><When at now/> {reason.map(|reason| format!(": {}", reason.words()))}</Fact> }
    });
    let expires = token.revoked_at.is_none().then(|| {
        let token = token.clone();
        view! { <Fact term="Expires"><Expiry token now/></Fact> }
    });
    let networks = if token.allowed_ips.is_empty() { "everywhere".to_owned() } else { token.allowed_ips.join(", ") };
    let scopes: Vec<_> =
        token.scopes.iter().map(|name| tag(name, token.effective_scopes.contains(name.as_str()))).collect();
    let (state, created, id) = (token.state, token.created_at, token.id.to_string());
    view! {
        <Fact term="State"><State state/></Fact>
        {revoked}
        {expires}
        <Fact term="Scopes"><span class="flex flex-wrap gap-1">{scopes}</span></Fact>
        <Fact term="Last used">{used}</Fact>
        <Fact term="Created"><When at=created now/></Fact>
        <Fact term="Usable from">{networks}</Fact>
        <Fact term="Id"><span class="prose-code">{id}</span></Fact>
    }
    .into_any()
}

fn secrets(token: &TokenView, now: Timestamp) -> AnyView {
    let rows: Vec<_> = token
        .secrets
        .iter()
        .map(|secret| {
            view! {
                <li class="border-b border-base-300 py-3">
                    <p class="prose-code">{secret.id.to_string()}</p>
                    <p class="text-sm text-muted">
                        {secret_state(secret.state)} ", made " <When at=secret.created_at now/> ", last used "
                        {when_or(secret.last_used_at, now, "never")}
                    </p>
                </li>
            }
        })
        .collect();
    view! {
        <section>
            <h2 class="mb-3">"Secrets"</h2>
            <ul class="border-t border-base-300">{rows}</ul>
        </section>
    }
    .into_any()
}

/// The page that asks before anybody's token is revoked.
#[component]
pub fn RevokeAnyPage(
    /// The token and its owner.
    owned: OwnedView,
    /// The reason as it was chosen and typed.
    form: ReasonForm,
    /// What is wrong with it.
    errors: FieldErrors,
    /// The present.
    now: Timestamp,
) -> impl IntoView {
    let OwnedView { token, owner } = &owned;
    let title = format!("Revoke {} of {}?", token.name, owner.username);
    let back = format!("{PATH}/{}", token.id);
    let document_title = if errors.is_empty() { title.clone() } else { format!("Please check: {title}") };
    view! {
        <Title text=document_title/>
        {heading(&title, PATH)}
        <div class="form-width mt-6">
            <ErrorSummary errors=errors.clone() nothing="Nothing was changed."/>
            <div class="mb-8 flex flex-col gap-2">
                <p>{last_use_sentence(token, now)}</p>
                <p>
                    "Requests with it will be refused from the moment you revoke it. This cannot be undone. "
                    {format!("{} sees that an administrator did it, and why.", owner.username)}
                </p>
            </div>
            <form method="post" action=format!("{back}/revoke") class="flex flex-col gap-8">
                <ReasonFields form errors/>
                <div class="actions">
                    <button type="submit" class="btn btn-error">
                        "Revoke token"
                    </button>
                    <a class="place" href=back.clone()>
                        "Keep it"
                    </a>
                </div>
            </form>
        </div>
    }
    .into_any()
}
