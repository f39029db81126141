//! Events of the audit log, as a list.

use leptos::prelude::*;

use super::facts::When;
use crate::domain::audit::Action;
use crate::domain::reason::Reason;
use crate::domain::time::Timestamp;
use crate::server::service::log::{EventView, PartyView};

/// Whose eyes a list is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// Somebody who looks at their own account.
    Owner,
    /// An administrator.
    Administrator,
}

/// What an action is called where people read of it.
const fn words(action: Action) -> &'static str {
    match action {
        Action::TokenCreated => "Token created",
        Action::TokenEdited => "Token edited",
        Action::TokenRegenerated => "Token regenerated",
        Action::TokenRevoked => "Token revoked",
        Action::TokenReported => "Token reported as leaked",
        Action::TokenUsedAfterEnd => "Token used after its end",
        Action::TokenExpired => "Token expired",
        Action::UserLoggedIn => "Logged in",
        Action::UserLoginRefused => "Login refused",
        Action::UserLoggedOut => "Logged out",
        Action::UserDisabled => "User disabled",
        Action::UserEnabled => "User enabled",
        Action::UserErased => "Personal data erased",
        Action::SessionEnded => "Session ended",
        Action::ChecksRefused => "Checks refused",
        Action::KeyRotated => "Signing key rotated",
        Action::KeyWithdrawn => "Signing key withdrawn",
        Action::AuditExported => "Log exported",
        Action::SettingsChanged => "Settings changed",
        Action::RestoreAcknowledged => "Restore acknowledged",
        Action::StoreMigrated => "Moved to another database",
    }
}

/// The same for a name, which a later version may have given.
#[must_use]
pub fn action_words(name: &str) -> String {
    Action::named(name).map_or_else(|| name.to_owned(), |action| words(action).to_owned())
}

/// Actions to choose from.
pub fn action_options(actions: impl Iterator<Item = Action>) -> Vec<(&'static str, &'static str)> {
    actions.map(|action| (action.as_str(), words(action))).collect()
}

/// What stands in place of events where none fits.
#[must_use]
pub const fn nothing(is_more: bool) -> &'static str {
    if is_more {
        "Nothing of that kind is among the newest of very many events. “More” looks further back."
    } else {
        "Nothing of that kind has happened."
    }
}

/// Events in the order in which they are given.
#[must_use]
pub fn events(events: &[EventView], reader: Reader, now: Timestamp) -> AnyView {
    let rows: Vec<_> = events.iter().map(|event| row(event, reader, now)).collect();
    view! { <ol class="border-t border-base-300">{rows}</ol> }.into_any()
}

fn row(event: &EventView, reader: Reader, now: Timestamp) -> AnyView {
    let refused = (event.result == "refused").then(|| view! { <span class="text-error">" · refused"</span> });
    let details: Vec<_> = details(event, reader).into_iter().map(|text| view! { <p>{text}</p> }).collect();
    view! {
        <li class="grid gap-x-6 border-b border-base-300 py-3 sm:grid-cols-[10rem_1fr]">
            <span class="text-muted"><When at=event.time now/></span>
            <div class="min-w-0">
                <p>
                    <span class="font-medium">{action_words(&event.action)}</span>
                    {object(event, reader)}
                    {whose(event, reader)}
                    {refused}
                </p>
                <div class="text-sm text-muted">{details}</div>
            </div>
        </li>
    }
    .into_any()
}

/// What it was done to, with a way there.
fn object(event: &EventView, reader: Reader) -> AnyView {
    let PartyView { kind, id, name } = &event.object;
    let Some(name) = name.clone().or_else(|| (kind == "user").then(|| id.clone()).flatten()) else {
        return ().into_any();
    };
    let is_actor = kind == "user" && *id == event.actor.id;
    let base = match (kind.as_str(), reader) {
        _ if is_actor => None,
        ("token", Reader::Owner) => Some("/tokens"),
        ("token", Reader::Administrator) => Some("/admin/tokens"),
        ("user", Reader::Administrator) => Some("/admin/users"),
        _ => None,
    };
    match (base, id) {
        (Some(base), Some(id)) => view! { ": " <a class="link" href=format!("{base}/{id}")>{name}</a> }.into_any(),
        _ if is_actor => ().into_any(),
        _ => format!(": {name}").into_any(),
    }
}

/// Whose it was, where somebody else has done it.
fn whose(event: &EventView, reader: Reader) -> AnyView {
    let (Some(id), Some(name), Reader::Administrator) = (&event.on_behalf_of, &event.on_behalf_of_name, reader) else {
        return ().into_any();
    };
    if event.actor.id.as_ref() == Some(id) || event.object.id.as_ref() == Some(id) {
        return ().into_any();
    }
    view! { " of " <a class="link" href=format!("/admin/users/{id}")>{name.clone()}</a> }.into_any()
}

/// Who did it, from where, why, and what changed; a line each.
fn details(event: &EventView, reader: Reader) -> Vec<String> {
    let mut lines = Vec::new();
    let who = [actor(event, reader), event.ip.clone()];
    let who: Vec<_> = who.into_iter().flatten().collect();
    if !who.is_empty() {
        lines.push(who.join(" · "));
    }
    if let Some(reason) = &event.reason {
        let words = Reason::parse(reason).ok().flatten().map(|reason| reason.words());
        lines.push(format!("Reason: {}", words.unwrap_or_else(|| reason.replace('_', " "))));
    }
    // An id says nothing to people; whoever asks what a session did reads it in a file.
    let told = event.changes.iter().filter(|(field, _)| *field != "session");
    let changes: Vec<_> = told.map(|(field, (from, to))| change(field, from.as_deref(), to.as_deref())).collect();
    if !changes.is_empty() {
        lines.push(changes.join(" · "));
    }
    lines
}

fn actor(event: &EventView, reader: Reader) -> Option<String> {
    let name = event.actor.name.clone();
    match (event.actor.kind.as_str(), reader) {
        ("user", Reader::Administrator) => Some(name.unwrap_or_else(|| "somebody whose name was erased".to_owned())),
        ("administrator", _) => Some("An administrator".to_owned()),
        ("operator", _) => Some("An operator, at the command line".to_owned()),
        ("token", _) if event.by_finder => Some("Somebody who found the token".to_owned()),
        ("token", _) => Some("With the token itself".to_owned()),
        _ => None,
    }
}

fn change(field: &str, from: Option<&str>, to: Option<&str>) -> String {
    let words = match field {
        "expires_at" => "expires".to_owned(),
        "allowed_ips" => "usable from".to_owned(),
        "secret" => "secret id".to_owned(),
        "provider" => "login provider".to_owned(),
        field => field.replace('_', " "),
    };
    let value = |value: &str| if field == "attributes" { value.replace(" = ", ": ") } else { spoken(value) };
    let values = match (from.map(value), to.map(value)) {
        (Some(from), Some(to)) => format!("{from} → {to}"),
        (None, Some(to)) => to,
        (Some(from), None) => format!("{from} → nothing"),
        (None, None) => return words,
    };
    // Attributes say themselves what they are.
    if field == "attributes" { values } else { format!("{words}: {values}") }
}

/// Instants as people write them; everything else as it is.
fn spoken(value: &str) -> String {
    Timestamp::parse_rfc3339(value).map_or_else(|| value.to_owned(), Timestamp::short_date)
}
