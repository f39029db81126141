//! Browser sessions, as a list.

use leptos::prelude::*;

use super::facts::When;
use crate::domain::id::SessionId;
use crate::domain::time::Timestamp;
use crate::domain::view::SessionView;

/// Open sessions, each with a way to end it. `own` is the one that looks.
#[must_use]
pub fn sessions(sessions: &[SessionView], own: Option<SessionId>, action: &str, now: Timestamp) -> AnyView {
    let rows: Vec<_> = (1..).zip(sessions).map(|(place, session)| row(session, place, own, action, now)).collect();
    view! { <ul class="border-t border-base-300">{rows}</ul> }.into_any()
}

fn row(session: &SessionView, place: usize, own: Option<SessionId>, action: &str, now: Timestamp) -> AnyView {
    let is_own = own == Some(session.id);
    let what = if is_own { "This browser" } else { "Another browser" };
    let what = if own.is_none() { "Browser session" } else { what };
    let id = session.id.to_string();
    let label = format!("End session {place}, from {}", session.created_at.exact());
    let end = (!is_own).then(|| {
        view! {
            <form method="post" action=action.to_owned()>
                <input type="hidden" name="session" value=id/>
                <button type="submit" class="btn btn-plain" aria-label=label>
                    "End"
                </button>
            </form>
        }
    });
    view! {
        <li class="flex flex-wrap items-center justify-between gap-x-6 gap-y-2 border-b border-base-300 py-3">
            <div class="min-w-0">
                <p class="font-medium">{what}</p>
                <p class="text-sm text-muted">
                    "Logged in " <When at=session.created_at now/> " through " {session.provider.clone()} ", last seen "
                    <When at=session.last_seen_at now/>
                </p>
            </div>
            {end}
        </li>
    }
    .into_any()
}
