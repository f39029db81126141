//! Looking at tokens, and revoking them.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use leptos::prelude::*;
use serde::Deserialize;
use url::form_urlencoded::Serializer;

use super::super::form::Fields;
use super::super::params::Params;
use super::super::session::Visitor;
use super::super::{Web, page};
use super::{OwnToken, notice, unexpected};
use crate::domain::audit::Action;
use crate::domain::id::TokenId;
use crate::domain::token::TokenState;
use crate::server::service::StoreError;
use crate::server::service::log::{EventView, LogFilter};
use crate::server::service::tokens::{ListTokens, TOLD_FOR, TokenError};
use crate::server::ui::pages::{HistoryEntry, ListFilter, RevokePage, TokenPage, TokensPage};

/// Most tokens that the page shows; the search finds the others.
const SHOWN_MAX: usize = 500;
/// Most acts of others of one kind that are told there.
const TOLD_MAX: u32 = 200;

#[derive(Deserialize)]
pub(in crate::server::http) struct ListQuery {
    #[serde(default)]
    q: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    notice: String,
}

#[derive(Deserialize)]
pub(in crate::server::http) struct NoticeQuery {
    #[serde(default)]
    pub notice: String,
}

/// The token of their own that somebody pasted where they search.
async fn own_pasted(web: &Web, visitor: &Visitor, text: &str) -> Result<Option<TokenId>, TokenError> {
    match web.admin.pasted(text) {
        Some(secret) => web.tokens.find_by_secret(&visitor.caller.user, secret).await,
        None => Ok(None),
    }
}

/// The list.
pub(in crate::server::http) async fn list(
    State(web): State<Web>,
    visitor: Visitor,
    Params(query): Params<ListQuery>,
) -> Response {
    match own_pasted(&web, &visitor, &query.q).await {
        Ok(Some(id)) => return page::see_other(&format!("/tokens/{id}")),
        Ok(None) => {}
        Err(error) => return unexpected(&web, &visitor, &error).await,
    }
    let wanted = ListTokens {
        state: query.state.parse::<TokenState>().ok(),
        search: query.q.trim().to_owned(),
        after: None,
        limit: SHOWN_MAX,
    };
    let list = match web.tokens.list(&visitor.caller.user, &wanted).await {
        Ok(list) => list.items,
        Err(error) => return unexpected(&web, &visitor, &error).await,
    };
    let acts = match acts_of_others(&web, &visitor).await {
        Ok(acts) => acts,
        Err(error) => return unexpected(&web, &visitor, &error.into()).await,
    };
    let filter =
        ListFilter { q: wanted.search, state: wanted.state.map(|state| state.to_string()).unwrap_or_default() };
    let (catalogue, now, notice) = (web.tokens.catalogue().clone(), web.clock.now(), notice(&query.notice));
    let view = move || {
        view! {
            <TokensPage
                tokens=list.clone()
                acts=acts.clone()
                filter=filter.clone()
                catalogue=catalogue.clone()
                now=now
                notice=notice.clone()
            />
        }
    };
    page::render(&web, StatusCode::OK, Some(visitor.me()), "/tokens", view).await
}

/// What others did to the visitor's tokens lately, and what they say of them.
async fn acts_of_others(web: &Web, visitor: &Visitor) -> Result<Vec<EventView>, StoreError> {
    let since = web.clock.now().minus(TOLD_FOR);
    let mut acts = Vec::new();
    for action in [Action::TokenRevoked, Action::TokenReported] {
        let filter = LogFilter {
            action: action.as_str().to_owned(),
            since: Some(since),
            in_their_place: true,
            ..LogFilter::default()
        };
        let part = web.log.own(&visitor.caller, &filter, None, TOLD_MAX).await?;
        acts.extend(part.items.into_iter().filter(is_of_another));
    }
    acts.sort_by_key(|event| std::cmp::Reverse(event.seq));
    Ok(acts)
}

/// Whoever ends a token with itself is its owner, unless they say that it leaked.
fn is_of_another(event: &EventView) -> bool {
    match event.actor.kind.as_str() {
        "user" => false,
        "token" => event.by_finder,
        _ => true,
    }
}

/// One token.
pub(in crate::server::http) async fn show(
    State(web): State<Web>,
    OwnToken { visitor, token }: OwnToken,
    Params(query): Params<NoticeQuery>,
) -> Response {
    let history = match web.tokens.history(&visitor.caller.user, token.id).await {
        Ok(history) => history.into_iter(),
        Err(error) => return unexpected(&web, &visitor, &error).await,
    };
    let history: Vec<_> =
        history.map(|entry| HistoryEntry { time: entry.time, what: entry.what, origin: entry.origin }).collect();
    let (catalogue, now, notice) = (web.tokens.catalogue().clone(), web.clock.now(), notice(&query.notice));
    let view = move || {
        view! {
            <TokenPage
                token=token.clone()
                catalogue=catalogue.clone()
                history=history.clone()
                now=now
                notice=notice.clone()
            />
        }
    };
    page::render(&web, StatusCode::OK, Some(visitor.me()), "/tokens", view).await
}

/// Says what a revocation will do before it is done.
pub(in crate::server::http) async fn confirm_revoke(
    State(web): State<Web>,
    OwnToken { visitor, token }: OwnToken,
) -> Response {
    if token.revoked_at.is_some() {
        return page::see_other(&format!("/tokens/{}", token.id));
    }
    let now = web.clock.now();
    let view = move || view! { <RevokePage token=token.clone() now=now action="/ui/revoke_token".to_owned()/> };
    page::render(&web, StatusCode::OK, Some(visitor.me()), "/tokens", view).await
}

/// Hands the form to the server function, which finds who asks in its context. What is handed on is made anew from the
/// fields: nothing else of the request, its referrer least of all, decides where the answer leads.
pub(in crate::server::http) async fn revoke(State(web): State<Web>, visitor: Visitor, fields: Fields) -> Response {
    let tokens = web.tokens.clone();
    let form = Serializer::new(String::new()).append_pair("id", &fields.get("id")).finish();
    let request = Request::post("/ui/revoke_token")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::ACCEPT, "text/html")
        .body(Body::from(form));
    let Ok(request) = request else { return page::unavailable(&web, visitor.caller.origin.request_id).await };
    let context = move || {
        provide_context(tokens.clone());
        provide_context(visitor.caller.clone());
    };
    leptos_axum::handle_server_fns_with_context(context, request).await.into_response()
}
