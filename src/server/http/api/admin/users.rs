//! Users.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::super::super::Web;
use super::super::super::params::{Params, PathId};
use super::super::auth::ApiAdmin;
use super::super::body::OptionalBody;
use super::super::list::{cursor, limit, wrong};
use super::super::{ApiError, answer};
use super::wire::{DisableRequest, PeopleParams, PeopleResponse, PersonResponse, read_person, write_person};
use crate::domain::id::UserId;
use crate::domain::reason::Reason;
use crate::server::service::admin::PeopleFilter;
use crate::server::service::tokens::TokenError;

/// List users
#[utoipa::path(get, path = "/api/v1/admin/users", tag = "administration", params(PeopleParams), responses(
    (status = 200, body = PeopleResponse),
    (status = 422, description = "A parameter cannot be accepted", content_type = "application/problem+json"),
))]
pub(in super::super) async fn list(
    State(web): State<Web>,
    ApiAdmin(administrator): ApiAdmin,
    Params(params): Params<PeopleParams>,
) -> Response {
    answer(&web, async {
        let filter = PeopleFilter {
            text: params.q.unwrap_or_default().trim().to_owned(),
            disabled: match params.state.as_deref().unwrap_or_default() {
                "" => None,
                "enabled" => Some(false),
                "disabled" => Some(true),
                _ => return Err(wrong("state", "Please give one of: enabled, disabled.").into()),
            },
            after: cursor(params.cursor.as_deref(), read_person)?,
            limit: u32::try_from(limit(params.limit.as_deref())?).unwrap_or(u32::MAX),
        };
        let people = web.admin.list_people(&administrator, &filter).await?;
        Ok::<_, ApiError>(Json(PeopleResponse {
            items: people.items.into_iter().map(PersonResponse::from).collect(),
            next_cursor: people.next.as_ref().map(write_person),
        }))
    })
    .await
}

/// Lock a user out
///
/// Their sessions end, and their tokens are refused from the moment of the answer, until they are let in again.
#[utoipa::path(post, path = "/api/v1/admin/users/{id}/disable", tag = "administration", request_body = DisableRequest, params(("id" = String, Path, description = "The user's id")), responses(
    (status = 204, description = "The user is disabled"),
    (status = 404, description = "There is no such user", content_type = "application/problem+json"),
    (status = 409, description = "It is you", content_type = "application/problem+json"),
))]
pub(in super::super) async fn disable(
    State(web): State<Web>,
    ApiAdmin(administrator): ApiAdmin,
    PathId(id): PathId,
    OptionalBody(body): OptionalBody<DisableRequest>,
) -> Response {
    answer(&web, async {
        let reason = Reason::parse(body.reason.as_deref().unwrap_or_default());
        let reason = reason.map_err(|error| wrong("reason", &error.to_string()))?;
        web.admin.disable(&administrator, user_id(&id)?, reason.as_ref()).await?;
        Ok::<_, ApiError>(StatusCode::NO_CONTENT)
    })
    .await
}

/// Let a user in again
///
/// Tokens that were not revoked meanwhile are good again.
#[utoipa::path(post, path = "/api/v1/admin/users/{id}/enable", tag = "administration", params(("id" = String, Path, description = "The user's id")), responses(
    (status = 204, description = "The user is not disabled"),
    (status = 404, description = "There is no such user", content_type = "application/problem+json"),
))]
pub(in super::super) async fn enable(
    State(web): State<Web>,
    ApiAdmin(administrator): ApiAdmin,
    PathId(id): PathId,
) -> Response {
    answer(&web, async {
        web.admin.enable(&administrator, user_id(&id)?).await?;
        Ok::<_, ApiError>(StatusCode::NO_CONTENT)
    })
    .await
}

fn user_id(text: &str) -> Result<UserId, TokenError> {
    text.parse().map_err(|_| TokenError::NoSuchUser)
}
