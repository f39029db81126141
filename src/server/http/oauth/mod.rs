//! The OAuth endpoints for tokens: introspection (RFC 7662), revocation (RFC 7009) and exchange (RFC 8693).
//!
//! Forms by POST only. A cookie is never an authentication here; requests that bring one still have to come from our
//! own pages, like every other change.

mod basic;
mod error;
mod form;
mod introspect;
mod revoke;
mod token;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use serde::Serialize;

use super::{BODY_MAX, Web};
use error::OAuthError;

/// The routes.
pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/oauth/introspect", post(introspect::introspect))
        .route("/oauth/revoke", post(revoke::revoke))
        .route("/oauth/token", post(token::exchange))
        .method_not_allowed_fallback(async || OAuthError::MethodNotAllowed)
        .layer(DefaultBodyLimit::max(BODY_MAX))
}

/// A JSON answer that nobody may keep (RFC 6749, section 5.1).
fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let text = serde_json::to_string(body).unwrap_or_default();
    let mut response = (status, text).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    forbid_keeping(response.headers_mut());
    response
}

fn forbid_keeping(headers: &mut HeaderMap) {
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
}
