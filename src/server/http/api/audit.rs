//! The audit log.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::Web;
use super::super::params::Params;
use super::super::problem::Problem;
use super::auth::{ApiAdmin, ApiCaller};
use super::list::{cursor, limit, moment, user_id, wrong};
use super::{ApiError, answer};
use crate::domain::audit::Action;
use crate::domain::time::Timestamp;
use crate::server::service::log::{EventView, Events, LogFilter, PartyView};

/// Which events to list.
#[derive(Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct AuditParams {
    /// For administrators: about this user (UUID).
    pub user: Option<String>,
    /// Such as `token.revoked`.
    pub action: Option<String>,
    /// The id of who did it.
    pub actor: Option<String>,
    /// The id of what it was done to.
    pub object: Option<String>,
    /// `done` or `refused`.
    pub result: Option<String>,
    /// Not before this: RFC 3339, a date, or a span such as `7d` before now.
    pub since: Option<String>,
    /// Before this.
    pub until: Option<String>,
    /// Where an earlier list stopped.
    pub cursor: Option<String>,
    /// How many at most, 1 to 200; 50 when absent.
    #[param(value_type = Option<u16>)]
    pub limit: Option<String>,
}

/// Something that happened.
#[derive(Serialize, ToSchema)]
pub(in crate::server::http) struct EventResponse {
    /// Its number; there are no gaps.
    seq: i64,
    /// Its id (UUID).
    id: String,
    /// RFC 3339.
    time: String,
    /// Such as `token.revoked`.
    action: String,
    /// Who did it.
    actor: PartyResponse,
    /// The user for whom it was done, if not by themselves.
    on_behalf_of: Option<String>,
    /// What it was done to.
    object: PartyResponse,
    /// `done` or `refused`.
    result: String,
    /// A code, words, or both.
    reason: Option<String>,
    /// Names the request in logs and on error pages.
    request_id: Option<String>,
    /// From where.
    ip: Option<String>,
    /// With what.
    user_agent: Option<String>,
    /// What was before and after: `{field: [from, to]}`.
    #[schema(value_type = BTreeMap<String, Vec<Option<String>>>)]
    changes: BTreeMap<String, (Option<String>, Option<String>)>,
}

/// Somebody or something in an event.
#[derive(Serialize, ToSchema)]
pub(in crate::server::http) struct PartyResponse {
    /// `user`, `token`, `session` and the like.
    #[serde(rename = "type")]
    kind: String,
    /// Its id, where it has one.
    id: Option<String>,
    /// Its name at the time.
    name: Option<String>,
}

/// Part of the log, newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct EventListResponse {
    /// The events.
    items: Vec<EventResponse>,
    /// To be given as `cursor` for the next part; null at the end.
    next_cursor: Option<String>,
}

/// Your own events
///
/// What you did, and what was done to what is yours.
#[utoipa::path(get, path = "/api/v1/audit", tag = "audit", params(AuditParams), responses(
    (status = 200, body = EventListResponse),
    (status = 422, description = "A parameter cannot be accepted", content_type = "application/problem+json"),
))]
pub(super) async fn own(
    State(web): State<Web>,
    ApiCaller(person): ApiCaller,
    Params(params): Params<AuditParams>,
) -> Response {
    answer(&web, async {
        let Wanted { filter, before, limit } = wanted(&params, web.clock.now())?;
        let events = web.log.own(&person.caller, &filter, before, limit).await?;
        Ok::<_, ApiError>(Json(EventListResponse::from(events)))
    })
    .await
}

/// Everybody's events
#[utoipa::path(get, path = "/api/v1/admin/audit", tag = "administration", params(AuditParams), responses(
    (status = 200, body = EventListResponse),
    (status = 422, description = "A parameter cannot be accepted", content_type = "application/problem+json"),
))]
pub(super) async fn all(
    State(web): State<Web>,
    ApiAdmin(administrator): ApiAdmin,
    Params(params): Params<AuditParams>,
) -> Response {
    answer(&web, async {
        let Wanted { filter, before, limit } = wanted(&params, web.clock.now())?;
        let events = web.log.all(&administrator, &filter, before, limit).await?;
        Ok::<_, ApiError>(Json(EventListResponse::from(events)))
    })
    .await
}

struct Wanted {
    filter: LogFilter,
    before: Option<i64>,
    limit: u32,
}

fn wanted(params: &AuditParams, now: Timestamp) -> Result<Wanted, Problem> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default().trim().to_owned();
    let result = text(&params.result);
    if !matches!(result.as_str(), "" | "done" | "refused") {
        return Err(wrong("result", "Please give one of: done, refused."));
    }
    let action = text(&params.action);
    if !action.is_empty() && Action::named(&action).is_none() {
        return Err(wrong("action", "Nothing is called that. Please give an action such as token.revoked."));
    }
    Ok(Wanted {
        filter: LogFilter {
            user: user_id(&text(&params.user))?,
            in_their_place: false,
            action,
            actor: text(&params.actor),
            object: text(&params.object),
            result,
            since: moment("since", params.since.as_deref(), now)?,
            until: moment("until", params.until.as_deref(), now)?,
        },
        before: cursor(params.cursor.as_deref(), |text| text.parse().ok())?,
        limit: u32::try_from(limit(params.limit.as_deref())?).unwrap_or(u32::MAX),
    })
}

impl From<Events> for EventListResponse {
    fn from(events: Events) -> Self {
        let items = events.items.into_iter().map(EventResponse::from).collect();
        Self { items, next_cursor: events.next.map(|seq| seq.to_string()) }
    }
}

impl From<EventView> for EventResponse {
    fn from(event: EventView) -> Self {
        Self {
            seq: event.seq,
            id: event.id,
            time: event.time.rfc3339(),
            action: event.action,
            actor: event.actor.into(),
            on_behalf_of: event.on_behalf_of,
            object: event.object.into(),
            result: event.result,
            reason: event.reason,
            request_id: event.request_id,
            ip: event.ip,
            user_agent: event.user_agent,
            changes: event.changes,
        }
    }
}

impl From<PartyView> for PartyResponse {
    fn from(PartyView { kind, id, name }: PartyView) -> Self {
        Self { kind, id, name }
    }
}
