//! One user.

use leptos::prelude::*;
use leptos_meta::Title;

use super::heading;
use super::users::{PATH, access};
use crate::domain::error::FieldErrors;
use crate::domain::id::SessionId;
use crate::domain::time::Timestamp;
use crate::domain::user::User;
use crate::domain::view::SessionView;
use crate::server::service::log::EventView;
use crate::server::ui::components::events::{Reader, events as event_list};
use crate::server::ui::components::facts::{Fact, When};
use crate::server::ui::components::field::{Text, TextField};
use crate::server::ui::components::notice::{ErrorSummary, FormAlert, FormProblem, Notice};
use crate::server::ui::components::sessions::sessions as session_list;

/// The page of a user.
#[component]
pub fn UserPage(
    /// The user.
    user: User,
    /// Open sessions.
    sessions: Vec<SessionView>,
    /// What happened, newest first.
    events: Vec<EventView>,
    /// The session that looks, where it is one of theirs.
    own: Option<SessionId>,
    /// The present.
    now: Timestamp,
    /// Something that has just succeeded.
    notice: Option<String>,
) -> impl IntoView {
    let base = format!("{PATH}/{}", user.id);
    let name = user.profile.username.clone();
    view! {
        <Title text=name.clone()/>
        <Notice message=notice/>
        {heading(&name, PATH)}
        <div class="form-width mt-8 flex flex-col gap-10">
            {facts(&user, now)}
            {open_sessions(&sessions, own, &base, now)}
            <section>
                <h2 class="mb-3">"What happened"</h2>
                {event_list(&events, Reader::Administrator, now)}
                <p class="mt-3">
                    <a class="link" href=format!("/admin/audit?user={}", user.id)>
                        "All of it in the audit log"
                    </a>
                </p>
            </section>
            {standing(&user, &base, own.is_some())}
        </div>
    }
    .into_any()
}

fn facts(user: &User, now: Timestamp) -> AnyView {
    let profile = &user.profile;
    let list = |items: Vec<String>| if items.is_empty() { "none".to_owned() } else { items.join(", ") };
    let roles = list(profile.roles.iter().cloned().collect());
    let attribute = |(name, values): (&String, &std::collections::BTreeSet<String>)| {
        format!("{name}: {}", values.iter().cloned().collect::<Vec<_>>().join(" "))
    };
    let attributes = list(profile.attributes.iter().map(attribute).collect());
    let tokens = format!("/admin/tokens?user={}", user.id);
    let disabled = user.disabled_at.map(|at| view! { <Fact term="Disabled"><When at now/></Fact> });
    let (login, provider, id) = (user.last_login_at, user.provider.clone(), user.id.to_string());
    let email = profile.email.clone().unwrap_or_else(|| "not known".to_owned());
    let is_disabled = user.disabled_at.is_some();
    view! {
        <dl class="border-t border-base-300">
            <Fact term="State">{access(is_disabled)}</Fact>
            {disabled}
            <Fact term="E-mail">{email}</Fact>
            <Fact term="Roles">{roles}</Fact>
            <Fact term="Attributes">{attributes}</Fact>
            <Fact term="Last login"><When at=login now/> {format!(" through {provider}")}</Fact>
            <Fact term="Tokens">
                <a class="link" href=tokens>
                    "Show all tokens"
                </a>
            </Fact>
            <Fact term="Id"><span class="prose-code">{id}</span></Fact>
        </dl>
    }
    .into_any()
}

fn open_sessions(sessions: &[SessionView], own: Option<SessionId>, base: &str, now: Timestamp) -> AnyView {
    let action = format!("{base}/sessions");
    let some_end = sessions.iter().any(|session| Some(session.id) != own);
    let words = if own.is_some() { "End all other sessions" } else { "End all sessions" };
    let body = if sessions.is_empty() {
        view! { <p class="text-muted">"Not logged in anywhere."</p> }.into_any()
    } else {
        view! {
            {session_list(sessions, own, &action, now)}
            {some_end.then(|| view! {
                <form method="post" action=action.clone() class="mt-4">
                    <button type="submit" class="btn btn-plain">
                        {words}
                    </button>
                </form>
            })}
        }
        .into_any()
    };
    let title = if own.is_some() { "Where you are logged in" } else { "Where they are logged in" };
    view! { <section><h2 class="mb-3">{title}</h2> {body}</section> }.into_any()
}

fn standing(user: &User, base: &str, is_self: bool) -> AnyView {
    if is_self {
        return view! { <p class="text-muted">"This is you. Nobody can disable themselves."</p> }.into_any();
    }
    let (title, consequence, button) = if user.disabled_at.is_some() {
        let enable = view! {
            <form method="post" action=format!("{base}/enable")>
                <button type="submit" class="btn btn-plain">
                    "Enable"
                </button>
            </form>
        };
        ("Enable", "Lets them log in again. Tokens that were not revoked meanwhile work again.", enable.into_any())
    } else {
        let disable = view! { <a class="btn btn-error btn-outline" href=format!("{base}/disable")>"Disable …"</a> };
        (
            "Disable",
            "Logs them out everywhere and refuses their tokens, until they are enabled again.",
            disable.into_any(),
        )
    };
    view! {
        <section class="flex flex-wrap items-center justify-between gap-4 border-t border-base-300 pt-6">
            <div class="min-w-0 flex-1 basis-64">
                <h2>{title}</h2>
                <p class="text-muted">{consequence}</p>
            </div>
            {button}
        </section>
    }
    .into_any()
}

/// The page that asks before a user is locked out.
#[component]
pub fn DisableUserPage(
    /// The user.
    user: User,
    /// Whether it is the administrator who asks; nobody disables themselves.
    is_self: bool,
    /// The reason that was typed.
    reason: String,
    /// What is wrong with it.
    errors: FieldErrors,
    /// What is wrong with all of it.
    problem: Option<FormProblem>,
) -> impl IntoView {
    let title = format!("Disable {}?", user.profile.username);
    let document_title = if errors.is_empty() { title.clone() } else { format!("Please check: {title}") };
    let base = format!("{PATH}/{}", user.id);
    let field = Text {
        field: "reason",
        label: "Why, if you like",
        hint: "It stays in the log.",
        value: reason,
        max: Some(crate::domain::text::REASON_MAX),
        required: false,
    };
    let body = if is_self {
        view! { <a class="btn btn-plain" href=base>"Back to the user"</a> }.into_any()
    } else {
        disabling(field, errors.clone(), &base)
    };
    view! {
        <Title text=document_title/>
        {heading(&title, PATH)}
        <div class="form-width mt-6">
            <FormAlert problem/>
            <ErrorSummary errors nothing="Nothing was changed."/>
            {body}
        </div>
    }
    .into_any()
}

fn disabling(field: Text, errors: FieldErrors, base: &str) -> AnyView {
    view! {
        <p class="mb-8">
            "All their sessions end, and requests with their tokens are refused from that moment on. Nothing is deleted: "
            "once they are enabled again, tokens that were not revoked meanwhile work again."
        </p>
        <form method="post" action=format!("{base}/disable") class="flex flex-col gap-8">
            <TextField text=field errors/>
            <div class="actions">
                <button type="submit" class="btn btn-error">
                    "Disable user"
                </button>
                <a class="place" href=base.to_owned()>
                    "Leave as it is"
                </a>
            </div>
        </form>
    }
    .into_any()
}
