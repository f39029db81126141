//! Everybody's tokens.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::super::super::Web;
use super::super::super::params::{Params, PathId};
use super::super::super::session;
use super::super::auth::ApiAdmin;
use super::super::body::Body;
use super::super::list::{cursor, limit, wrong};
use super::super::tokens::{if_match, token_id};
use super::super::{ApiError, answer};
use super::wire::{
    AdminRevokeRequest, BulkRequest, BulkResponse, IdentifyRequest, IdentifyResponse, InventoryParams,
    InventoryResponse, OwnedResponse, read_mark, write_mark,
};
use crate::domain::reason::Reason;
use crate::server::service::admin::{Bulk, ListInventory, Order, OwnedView, OwnerView};

/// List everybody's tokens
#[utoipa::path(get, path = "/api/v1/admin/tokens", tag = "administration", params(InventoryParams), responses(
    (status = 200, body = InventoryResponse),
    (status = 422, description = "A parameter cannot be accepted", content_type = "application/problem+json"),
))]
pub(in super::super) async fn list(
    State(web): State<Web>,
    ApiAdmin(administrator): ApiAdmin,
    Params(params): Params<InventoryParams>,
) -> Response {
    answer(&web, async {
        let order = order(params.sort.as_deref())?;
        let after = cursor(params.cursor.as_deref(), |text| read_mark(order, text))?;
        let wanted = ListInventory {
            filter: params.filter().read(&web, &administrator).await?,
            order,
            after,
            limit: limit(params.limit.as_deref())?,
        };
        let found = web.admin.list_tokens(&administrator, &wanted).await?;
        Ok::<_, ApiError>(Json(InventoryResponse {
            items: found.items.into_iter().map(OwnedResponse::from).collect(),
            next_cursor: found.next.as_ref().map(|mark| write_mark(order, mark)),
        }))
    })
    .await
}

fn order(text: Option<&str>) -> Result<Order, ApiError> {
    match text.unwrap_or_default() {
        "" | "created" => Ok(Order::Age),
        "name" => Ok(Order::Name),
        "unused" => Ok(Order::Use),
        _ => Err(wrong("sort", "Please give one of: created, name, unused.").into()),
    }
}

/// Anybody's token
#[utoipa::path(get, path = "/api/v1/admin/tokens/{id}", tag = "administration", params(("id" = String, Path, description = "The token's id")), responses(
    (status = 200, body = OwnedResponse),
    (status = 404, description = "There is no such token", content_type = "application/problem+json"),
))]
pub(in super::super) async fn get(
    State(web): State<Web>,
    ApiAdmin(administrator): ApiAdmin,
    PathId(id): PathId,
) -> Response {
    answer(&web, async {
        let (token, owner) = web.tokens.get_anybodys(&administrator, token_id(&id)?).await?;
        let view = OwnedView { token, owner: OwnerView::from(&owner) };
        Ok::<_, ApiError>(Json(OwnedResponse::from(view)))
    })
    .await
}

/// Revoke anybody's token
///
/// For ever; also answered like this when it was revoked before. From the moment of the answer the token is refused. The
/// owner is shown the reason.
#[utoipa::path(post, path = "/api/v1/admin/tokens/{id}/revoke", tag = "administration", request_body = AdminRevokeRequest, params(("id" = String, Path, description = "The token's id")), responses(
    (status = 204, description = "The token is revoked"),
    (status = 404, description = "There is no such token", content_type = "application/problem+json"),
    (status = 412, description = "If-Match names another version", content_type = "application/problem+json"),
    (status = 422, description = "The reason is missing", content_type = "application/problem+json"),
))]
pub(in super::super) async fn revoke(
    State(web): State<Web>,
    ApiAdmin(administrator): ApiAdmin,
    PathId(id): PathId,
    headers: HeaderMap,
    Body(body): Body<AdminRevokeRequest>,
) -> Response {
    answer(&web, async {
        let reason = required_reason(body.reason.as_deref())?;
        web.tokens.revoke_anybodys(&administrator, token_id(&id)?, Some(reason), if_match(&headers)?).await?;
        Ok::<_, ApiError>(StatusCode::NO_CONTENT)
    })
    .await
}

fn required_reason(text: Option<&str>) -> Result<Reason, ApiError> {
    let reason = Reason::parse(text.unwrap_or_default()).map_err(|error| wrong("reason", &error.to_string()))?;
    reason.ok_or_else(|| wrong("reason", Reason::MISSING).into())
}

/// Revoke many tokens
///
/// For ever. With `dry_run` nothing is changed. One request revokes at most 2,000 tokens: repeat it until nothing
/// matches. Needs a fresh login.
#[utoipa::path(post, path = "/api/v1/admin/tokens/revoke", tag = "administration", request_body = BulkRequest, responses(
    (status = 200, body = BulkResponse),
    (status = 403, description = "The login is not fresh enough; `login_url` says where to log in again", content_type = "application/problem+json"),
    (status = 422, description = "The filter is empty or a value cannot be accepted", content_type = "application/problem+json"),
    (status = 503, description = "It stopped in the middle; `detail` says how many are revoked", content_type = "application/problem+json"),
))]
pub(in super::super) async fn revoke_all(
    State(web): State<Web>,
    ApiAdmin(administrator): ApiAdmin,
    Body(body): Body<BulkRequest>,
) -> Response {
    answer(&web, async {
        let bulk = Bulk {
            filter: body.filter.read(&web, &administrator).await?,
            reason: required_reason(body.reason.as_deref())?,
            confirmed: None,
        };
        let outcome = if body.dry_run {
            let matched = web.admin.count(&administrator, &bulk.filter).await;
            matched.map(|matched| BulkResponse { matched, revoked: 0 })
        } else {
            let outcome = web.admin.revoke_all(&administrator, &bulk).await;
            outcome.map(|outcome| BulkResponse { matched: outcome.matched, revoked: outcome.revoked })
        };
        let provider = administrator.caller().map(|caller| caller.user.provider.clone()).unwrap_or_default();
        let login = || session::fresh_login_path(&provider, "/admin/tokens");
        outcome.map(Json).map_err(|error| ApiError::with_login(error, &web, login))
    })
    .await
}

/// Whose token is this?
///
/// Takes a token, a log line with one, or an id. The text is neither kept nor logged.
#[utoipa::path(post, path = "/api/v1/admin/identify", tag = "administration", request_body = IdentifyRequest, responses(
    (status = 200, body = IdentifyResponse),
))]
pub(in super::super) async fn identify(
    State(web): State<Web>,
    ApiAdmin(administrator): ApiAdmin,
    Body(body): Body<IdentifyRequest>,
) -> Response {
    answer(&web, async {
        let found = web.admin.identify(&administrator, &body.token).await?.into_iter().next();
        Ok::<_, ApiError>(Json(IdentifyResponse::from(found)))
    })
    .await
}
