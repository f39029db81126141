//! The tokens of whoever is logged in.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::super::Web;
use super::super::params::{Params, PathId};
use super::super::problem::{Problem, Slug};
use super::auth::ApiCaller;
use super::body::{Body, OptionalBody};
use super::list::{cursor, limit, state};
use super::wire::{
    CreateRequest, EditRequest, IssuedResponse, ListParams, RegenerateRequest, RevokeRequest, TokenListResponse,
    TokenResponse, TwoExpiries, expiry, read_cursor, write_cursor,
};
use super::{ApiError, answer};
use crate::domain::id::TokenId;
use crate::server::service::tokens::{CreateToken, EditToken, Issued, ListTokens, RegenerateToken, TokenError};

/// List tokens
#[utoipa::path(get, path = "/api/v1/tokens", tag = "tokens", params(ListParams), responses(
    (status = 200, body = TokenListResponse),
    (status = 422, description = "A parameter cannot be accepted", content_type = "application/problem+json"),
))]
pub(super) async fn list(
    State(web): State<Web>,
    ApiCaller(visitor): ApiCaller,
    Params(params): Params<ListParams>,
) -> Response {
    answer(&web, async {
        let wanted = wanted_list(params)?;
        let list = web.tokens.list(&visitor.caller.user, &wanted).await?;
        Ok(Json(TokenListResponse {
            items: list.items.into_iter().map(TokenResponse::from).collect(),
            next_cursor: list.next.map(write_cursor),
        }))
    })
    .await
}

fn wanted_list(params: ListParams) -> Result<ListTokens, Problem> {
    Ok(ListTokens {
        limit: limit(params.limit.as_deref())?,
        state: state(params.state.as_deref())?,
        after: cursor(params.cursor.as_deref(), read_cursor)?,
        search: params.q.unwrap_or_default().trim().to_owned(),
    })
}

/// Create a token
///
/// The answer shows the secret, once.
#[utoipa::path(post, path = "/api/v1/tokens", tag = "tokens", request_body = CreateRequest, responses(
    (status = 201, body = IssuedResponse),
    (status = 403, description = "The login is not fresh enough; `login_url` says where to log in again", content_type = "application/problem+json"),
    (status = 409, description = "The limit of active tokens is reached", content_type = "application/problem+json"),
    (status = 422, description = "A value cannot be accepted", content_type = "application/problem+json"),
))]
pub(super) async fn create(
    State(web): State<Web>,
    ApiCaller(visitor): ApiCaller,
    Body(body): Body<CreateRequest>,
) -> Response {
    let field = expiry_field(body.expires_at.as_ref());
    answer(&web, async {
        let request = CreateToken {
            name: body.name,
            description: body.description.unwrap_or_default(),
            scopes: body.scopes,
            expiry: expiry(body.expires_in, body.expires_at).map_err(two_expiries)?,
            allowed_ips: body.allowed_ips.unwrap_or_default(),
            form_key: None,
        };
        let issued = web.tokens.create(&visitor.caller, &request).await;
        let issued = issued.map_err(|error| ApiError::for_caller(error.about_expiry(field), &visitor, &web))?;
        let location = [(header::LOCATION, format!("/api/v1/tokens/{}", issued.token.id))];
        Ok((StatusCode::CREATED, location, issued_json(issued)))
    })
    .await
}

/// One token
#[utoipa::path(get, path = "/api/v1/tokens/{id}", tag = "tokens", params(("id" = String, Path, description = "The token's id")), responses(
    (status = 200, body = TokenResponse),
    (status = 404, description = "There is no such token, or it is somebody else's", content_type = "application/problem+json"),
))]
pub(super) async fn get(State(web): State<Web>, ApiCaller(visitor): ApiCaller, PathId(id): PathId) -> Response {
    answer(&web, async {
        let token = web.tokens.get(&visitor.caller.user, token_id(&id)?).await?;
        let tag = [(header::ETAG, format!("\"{}\"", token.version))];
        Ok::<_, ApiError>((tag, Json(TokenResponse::from(token))))
    })
    .await
}

/// Rename a token or take scopes from it
///
/// Scopes can be removed, never added. `If-Match` with the token's version refuses the change when somebody else was
/// faster.
#[utoipa::path(patch, path = "/api/v1/tokens/{id}", tag = "tokens", request_body = EditRequest, params(("id" = String, Path, description = "The token's id")), responses(
    (status = 200, body = TokenResponse),
    (status = 404, description = "There is no such token, or it is somebody else's", content_type = "application/problem+json"),
    (status = 409, description = "The token is revoked or was changed meanwhile", content_type = "application/problem+json"),
    (status = 412, description = "If-Match names another version", content_type = "application/problem+json"),
    (status = 422, description = "A value cannot be accepted", content_type = "application/problem+json"),
))]
pub(super) async fn edit(
    State(web): State<Web>,
    ApiCaller(visitor): ApiCaller,
    PathId(id): PathId,
    headers: HeaderMap,
    Body(body): Body<EditRequest>,
) -> Response {
    answer(&web, async {
        let request = EditToken {
            name: body.name,
            description: body.description,
            scopes: body.scopes,
            if_version: if_match(&headers)?,
        };
        let token = web.tokens.edit(&visitor.caller, token_id(&id)?, &request).await?;
        Ok::<_, ApiError>(Json(TokenResponse::from(token)))
    })
    .await
}

/// Give a token a new secret
///
/// The answer shows it, once. With the mode `now` the old secret stops working in the same moment.
#[utoipa::path(post, path = "/api/v1/tokens/{id}/regenerate", tag = "tokens", request_body = RegenerateRequest, params(("id" = String, Path, description = "The token's id")), responses(
    (status = 200, body = IssuedResponse),
    (status = 404, description = "There is no such token, or it is somebody else's", content_type = "application/problem+json"),
    (status = 409, description = "The token is revoked or was changed meanwhile", content_type = "application/problem+json"),
    (status = 412, description = "If-Match names another version", content_type = "application/problem+json"),
    (status = 422, description = "A value cannot be accepted", content_type = "application/problem+json"),
))]
pub(super) async fn regenerate(
    State(web): State<Web>,
    ApiCaller(visitor): ApiCaller,
    PathId(id): PathId,
    headers: HeaderMap,
    Body(body): Body<RegenerateRequest>,
) -> Response {
    let field = expiry_field(body.expires_at.as_ref());
    answer(&web, async {
        if body.mode != "now" || body.grace_seconds.is_some() {
            let message = "Please give \"now\": other modes are not available in this version.";
            return Err(Problem::new(Slug::Invalid).field("mode", message).into());
        }
        let request = RegenerateToken {
            expiry: expiry(body.expires_in, body.expires_at).map_err(two_expiries)?,
            if_version: if_match(&headers)?,
            form_key: None,
        };
        let issued = web.tokens.regenerate(&visitor.caller, token_id(&id)?, &request).await;
        issued.map(issued_json).map_err(|error| ApiError::for_caller(error.about_expiry(field), &visitor, &web))
    })
    .await
}

/// Revoke a token
///
/// For ever; also answered like this when it was revoked before. From the moment of the answer the token is refused.
#[utoipa::path(post, path = "/api/v1/tokens/{id}/revoke", tag = "tokens", request_body = RevokeRequest, params(("id" = String, Path, description = "The token's id")), responses(
    (status = 204, description = "The token is revoked"),
    (status = 404, description = "There is no such token, or it is somebody else's", content_type = "application/problem+json"),
    (status = 412, description = "If-Match names another version", content_type = "application/problem+json"),
))]
pub(super) async fn revoke(
    State(web): State<Web>,
    ApiCaller(visitor): ApiCaller,
    PathId(id): PathId,
    headers: HeaderMap,
    OptionalBody(body): OptionalBody<RevokeRequest>,
) -> Response {
    answer(&web, async {
        let version = if_match(&headers)?;
        web.tokens.revoke(&visitor.caller, token_id(&id)?, body.reason.as_deref(), version).await?;
        Ok::<_, ApiError>(StatusCode::NO_CONTENT)
    })
    .await
}

/// The field that an expiry was given in.
const fn expiry_field(expires_at: Option<&String>) -> &'static str {
    if expires_at.is_some() { "expires_at" } else { "expires_in" }
}

fn issued_json(issued: Issued) -> impl IntoResponse {
    let secret = issued.secret.reveal().to_owned();
    Json(IssuedResponse { token: issued.token.into(), secret })
}

/// What is no id is the id of nothing.
pub(super) fn token_id(text: &str) -> Result<TokenId, TokenError> {
    text.parse().map_err(|_| TokenError::NotFound)
}

/// The version in `If-Match` (RFC 9110, section 13.1.1).
pub(super) fn if_match(headers: &HeaderMap) -> Result<Option<i64>, TokenError> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    text.trim_matches('"').parse().map(Some).map_err(|_| TokenError::VersionMismatch)
}

fn two_expiries(_: TwoExpiries) -> Problem {
    Problem::new(Slug::Invalid).field("expires_at", "Please give either expires_in or expires_at.")
}
