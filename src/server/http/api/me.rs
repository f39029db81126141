//! Who is logged in, and what they may grant.

use axum::Json;
use axum::extract::State;

use super::super::Web;
use super::auth::ApiCaller;
use super::wire::{MeResponse, ScopeResponse};

/// Who is logged in
#[utoipa::path(get, path = "/api/v1/me", tag = "account", responses(
    (status = 200, body = MeResponse),
    (status = 401, description = "Nobody is logged in", content_type = "application/problem+json"),
))]
pub(super) async fn me(ApiCaller(visitor): ApiCaller) -> Json<MeResponse> {
    let me = visitor.me();
    Json(MeResponse {
        id: me.id.to_string(),
        username: me.username,
        email: me.email,
        roles: me.roles,
        attributes: me.attributes,
        is_admin: me.is_admin,
    })
}

/// Scopes that the caller may grant
#[utoipa::path(get, path = "/api/v1/scopes", tag = "account", responses(
    (status = 200, body = Vec<ScopeResponse>),
    (status = 401, description = "Nobody is logged in", content_type = "application/problem+json"),
))]
pub(super) async fn scopes(State(web): State<Web>, ApiCaller(visitor): ApiCaller) -> Json<Vec<ScopeResponse>> {
    let entries = web.tokens.grantable(&visitor.caller.user).into_iter();
    Json(entries.map(|entry| ScopeResponse { name: entry.name.to_string(), description: entry.description }).collect())
}
