//! What happened in one's account, and one's sessions.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use leptos::prelude::*;
use serde::Deserialize;

use super::super::form::Fields;
use super::super::params::Params;
use super::super::session::Visitor;
use super::super::{Web, page};
use super::{notice, unexpected};
use crate::domain::id::SessionId;
use crate::server::service::log::LogFilter;
use crate::server::service::tokens::TokenError;
use crate::server::ui::pages::ActivityPage;

/// Events on one page.
const SHOWN: u32 = 50;

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
pub(in crate::server::http) struct ActivityQuery {
    action: String,
    before: String,
    notice: String,
}

/// The page.
pub(in crate::server::http) async fn show(
    State(web): State<Web>,
    visitor: Visitor,
    Params(query): Params<ActivityQuery>,
) -> Response {
    let filter = LogFilter { action: query.action.clone(), ..LogFilter::default() };
    let before = query.before.parse().ok();
    let found = async {
        let events = web.log.own(&visitor.caller, &filter, before, SHOWN).await?;
        Ok::<_, TokenError>((events, web.sessions.list(visitor.caller.user.id).await?))
    };
    let (events, sessions) = match found.await {
        Ok(found) => found,
        Err(error) => return unexpected(&web, &visitor, &error).await,
    };
    let (own, now, notice) = (visitor.session.id, web.clock.now(), notice(&query.notice));
    let (is_later_page, next) = (before.is_some(), events.next);
    let view = move || {
        view! {
            <ActivityPage
                events=events.items.clone()
                next=next
                is_later_page=is_later_page
                action=query.action.clone()
                sessions=sessions.clone()
                own=own
                now=now
                notice=notice.clone()
            />
        }
    };
    page::render(&web, StatusCode::OK, Some(visitor.me()), "/activity", view).await
}

/// Ends one of one's other sessions, or all of them where none is named.
pub(in crate::server::http) async fn end_sessions(
    State(web): State<Web>,
    visitor: Visitor,
    fields: Fields,
) -> Response {
    let named = fields.get("session");
    let only = if named.is_empty() { None } else { Some(named.parse::<SessionId>()) };
    let ended = match only {
        Some(Err(_)) => return page::see_other("/activity"),
        only => web.sessions.end_others(&visitor.caller, visitor.session.id, only.and_then(Result::ok)).await,
    };
    match ended {
        Ok(()) => page::see_other("/activity?notice=sessions-ended"),
        Err(error) => unexpected(&web, &visitor, &error.into()).await,
    }
}
