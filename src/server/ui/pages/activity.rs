//! What happened in one's account, and where one is logged in.

use leptos::prelude::*;
use leptos_meta::Title;

use crate::domain::audit::Action;
use crate::domain::id::SessionId;
use crate::domain::time::Timestamp;
use crate::domain::view::SessionView;
use crate::server::service::log::EventView;
use crate::server::ui::components::events::{Reader, action_options, events as event_list, nothing};
use crate::server::ui::components::filters::{Filter, buttons, choice};
use crate::server::ui::components::notice::Notice;
use crate::server::ui::components::paging::{address, paging};
use crate::server::ui::components::sessions::sessions as session_list;

const PATH: &str = "/activity";

/// The page of one's own events and sessions.
#[component]
pub fn ActivityPage(
    /// Events, newest first.
    events: Vec<EventView>,
    /// Where older events begin.
    next: Option<i64>,
    /// Whether newer ones were left out.
    is_later_page: bool,
    /// The action that the list is narrowed to; all when empty.
    action: String,
    /// Open sessions.
    sessions: Vec<SessionView>,
    /// The session that looks.
    own: SessionId,
    /// The present.
    now: Timestamp,
    /// Something that has just succeeded.
    notice: Option<String>,
) -> impl IntoView {
    view! {
        <Title text="Activity"/>
        <div class="form-width flex flex-col gap-10">
            <div>
                <Notice message=notice/>
                <h1>"Activity"</h1>
                <p class="mt-1 text-muted">"What happened in your account, and where you are logged in."</p>
            </div>
            {logged_in(&sessions, own, now)}
            <section>
                <h2 class="mb-3">"What happened"</h2>
                {narrowing(&action)}
                {past(&events, &action, next.is_some(), now)}
                {paging(
                    is_later_page.then(|| address(PATH, &[("action", &action)])),
                    next.map(|next| address(PATH, &[("action", &action), ("before", &next.to_string())])),
                )}
            </section>
        </div>
    }
    .into_any()
}

fn logged_in(sessions: &[SessionView], own: SessionId, now: Timestamp) -> AnyView {
    let others = sessions.iter().any(|session| session.id != own);
    let end_others = others.then(|| {
        view! {
            <form method="post" action="/activity/sessions" class="mt-4">
                <button type="submit" class="btn btn-plain">
                    "End all other sessions"
                </button>
            </form>
        }
    });
    view! {
        <section>
            <h2 class="mb-1">"Where you are logged in"</h2>
            <p class="mb-3 text-muted">
                "Ending a session logs that browser out. Your tokens keep working."
            </p>
            {session_list(sessions, Some(own), "/activity/sessions", now)}
            {end_others}
        </section>
    }
    .into_any()
}

fn narrowing(action: &str) -> AnyView {
    let mut options = vec![("", "Everything")];
    options.extend(action_options(Action::ALL.iter().copied().filter(|action| action.is_of_a_user())));
    view! {
        <form method="get" action=PATH class="filters filters-few mt-0!">
            {choice(Filter::new("action", "What happened", action), &options)}
            {buttons("Show", None)}
        </form>
    }
    .into_any()
}

fn past(events: &[EventView], action: &str, is_more: bool, now: Timestamp) -> AnyView {
    if !events.is_empty() {
        return event_list(events, Reader::Owner, now);
    }
    let nothing = if action.is_empty() { "Nothing has happened yet." } else { nothing(is_more) };
    view! { <p class="py-4 text-muted">{nothing}</p> }.into_any()
}
