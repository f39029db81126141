//! What a token may do with itself.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::super::Web;
use super::auth::TokenCaller;
use super::wire::TokenResponse;
use super::{ApiError, answer};
use crate::server::service::tokens::By;

/// The token that the request carries
#[utoipa::path(get, path = "/api/v1/self", tag = "self", responses(
    (status = 200, body = TokenResponse),
    (status = 401, description = "The token is not good", content_type = "application/problem+json"),
))]
pub(super) async fn show(State(web): State<Web>, caller: TokenCaller) -> Response {
    answer(&web, async {
        let token = web.tokens.get_by_grant(&caller.grant).await?;
        Ok::<_, ApiError>(Json(TokenResponse::from(token)))
    })
    .await
}

/// Revoke the token that the request carries
///
/// For ever. From the moment of the answer the token is refused.
#[utoipa::path(delete, path = "/api/v1/self", tag = "self", responses(
    (status = 204, description = "The token is revoked"),
    (status = 401, description = "The token is not good", content_type = "application/problem+json"),
))]
pub(super) async fn revoke(State(web): State<Web>, caller: TokenCaller) -> Response {
    answer(&web, async {
        web.tokens.revoke_itself(&caller.grant, &By::Holder, &caller.origin).await?;
        Ok::<_, ApiError>(StatusCode::NO_CONTENT)
    })
    .await
}
