//! The panel of administrators.

mod audit;
mod bulk;
mod identify;
mod overview;
mod token;
mod tokens;
mod users;

use axum::Router;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};

use super::super::api::ApiError;
use super::super::session::AdminVisitor;
use super::super::{Web, page};
use super::unexpected;
use crate::domain::error::FieldErrors;
use crate::domain::id::UserId;
use crate::server::service::admin::InventoryFilter;
use crate::server::service::tokens::TokenError;

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/admin", get(overview::show))
        .route("/admin/tokens", get(tokens::list))
        .route("/admin/tokens/revoke", get(bulk::preview).post(bulk::revoke))
        .route("/admin/tokens/{id}", get(token::show))
        .route("/admin/tokens/{id}/revoke", get(token::confirm).post(token::revoke))
        .route("/admin/users", get(users::list))
        .route("/admin/users/{id}", get(users::show))
        .route("/admin/users/{id}/disable", get(users::confirm).post(users::disable))
        .route("/admin/users/{id}/enable", post(users::enable))
        .route("/admin/users/{id}/sessions", post(users::end_sessions))
        .route("/admin/audit", get(audit::show))
        .route("/admin/audit/export", post(audit::export))
        .route("/admin/identify", get(identify::ask).post(identify::answer))
}

/// The fields of a filter of tokens that may be wrong.
const FILTER_FIELDS: [&str; 8] =
    ["ids", "user", "q", "state", "scope", "created_before", "unused_since", "expires_within"];

/// What is wrong with a filter in an address; an error of another kind is a page of its own.
async fn problem_of(error: ApiError, web: &Web, admin: &AdminVisitor) -> Result<FieldErrors, Response> {
    match error {
        ApiError::Problem(problem) => Ok(problem.about(&FILTER_FIELDS)),
        ApiError::Token(error) => Err(unexpected(web, &admin.visitor, &error).await),
        ApiError::Stale { login_url } => Err(axum::response::Redirect::to(&login_url).into_response()),
    }
}

/// The name of the user to whom a filter narrows, for people.
async fn owner_name(web: &Web, admin: &AdminVisitor, filter: &InventoryFilter) -> Option<String> {
    user_name(web, admin, filter.owner?).await
}

async fn user_name(web: &Web, admin: &AdminVisitor, id: UserId) -> Option<String> {
    let user = web.admin.person(&admin.administrator, id).await;
    user.ok().map(|user| user.profile.username)
}

/// The page for an error that is not about a field.
async fn failed(web: &Web, admin: &AdminVisitor, error: &TokenError) -> Response {
    match error {
        TokenError::NoSuchUser => {
            page::missing(web, Some(admin.visitor.me()), admin.visitor.caller.origin.request_id.clone()).await
        }
        error => unexpected(web, &admin.visitor, error).await,
    }
}
