//! The audit log, and taking it away as a file.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use leptos::prelude::*;
use serde::Deserialize;

use super::super::super::api::{moment, user_id};
use super::super::super::export::Format;
use super::super::super::form::Fields;
use super::super::super::params::Params;
use super::super::super::problem::Problem;
use super::super::super::session::AdminVisitor;
use super::super::super::{Web, page};
use super::{failed, user_name};
use crate::domain::time::Timestamp;
use crate::server::service::log::{Events, LogFilter};
use crate::server::ui::pages::address;
use crate::server::ui::pages::admin::audit::{LogForm, LogPage};

/// Events on one page.
const SHOWN: u32 = 50;
/// Events that an export reads at once.
const BATCH: u32 = 500;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(in crate::server::http) struct LogQuery {
    #[serde(flatten)]
    form: LogForm,
    before: String,
}

/// The page.
pub(in crate::server::http) async fn show(
    State(web): State<Web>,
    admin: AdminVisitor,
    Params(LogQuery { form, before }): Params<LogQuery>,
) -> Response {
    let before = before.parse().ok();
    let (events, problem) = match filter(&form, web.clock.now()) {
        Ok(filter) => match web.log.all(&admin.administrator, &filter, before, SHOWN).await {
            Ok(events) => (events, None),
            Err(error) => return failed(&web, &admin, &error.into()).await,
        },
        Err(problem) => (Events { items: Vec::new(), next: None }, Some(problem.message())),
    };
    let user = match form.user.parse() {
        Ok(id) => user_name(&web, &admin, id).await,
        Err(_) => None,
    };
    let status = if problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let (now, next, is_later_page) = (web.clock.now(), events.next, before.is_some());
    let view = move || {
        view! {
            <LogPage
                events=events.items.clone()
                form=form.clone()
                user=user.clone()
                problem=problem.clone()
                is_later_page=is_later_page
                next=next
                now=now
            />
        }
    };
    page::render(&web, status, Some(admin.visitor.me()), "/admin/audit", view).await
}

/// A file with everything that a filter leaves, as it is read.
pub(in crate::server::http) async fn export(State(web): State<Web>, admin: AdminVisitor, fields: Fields) -> Response {
    let form = LogForm {
        action: fields.get("action"),
        result: fields.get("result"),
        user: fields.get("user"),
        actor: fields.get("actor"),
        object: fields.get("object"),
        since: fields.get("since"),
        until: fields.get("until"),
    };
    let format = if fields.get("format") == "csv" { Format::Csv } else { Format::JsonLines };
    let Ok(filter) = filter(&form, web.clock.now()) else {
        // The page says what is wrong.
        return page::see_other(&address("/admin/audit", &form.parameters()));
    };
    // The first part before the answer begins: what cannot be read is an error, not half a file.
    let first = match web.log.export(&admin.administrator, &filter, None, BATCH).await {
        Ok(first) => first,
        Err(error) => return failed(&web, &admin, &error.into()).await,
    };
    let body = Body::from_stream(lines(web, admin, filter, first, format));
    let disposition = HeaderValue::from_static(match format {
        Format::Csv => "attachment; filename=\"audit.csv\"",
        Format::JsonLines => "attachment; filename=\"audit.jsonl\"",
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(format.content_type())),
        (header::CONTENT_DISPOSITION, disposition),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, body).into_response()
}

/// The lines of a file, a batch at a time. When one cannot be read the file ends in the middle, and so does the answer.
fn lines(
    web: Web,
    admin: AdminVisitor,
    filter: LogFilter,
    first: Events,
    format: Format,
) -> impl futures_util::Stream<Item = Result<Bytes, std::io::Error>> {
    let head = Ok(Bytes::from(format.head().unwrap_or_default()));
    let rest = stream::unfold(Some((web, admin, filter, first)), move |state| async move {
        let (web, admin, filter, events) = state?;
        let text: String = events.items.iter().map(|event| format.line(event)).collect();
        let Some(before) = events.next else { return Some((Ok(Bytes::from(text)), None)) };
        match web.log.export(&admin.administrator, &filter, Some(before), BATCH).await {
            Ok(next) => Some((Ok(Bytes::from(text)), Some((web, admin, filter, next)))),
            Err(error) => {
                tracing::error!(%error, "an export of the audit log stopped in the middle");
                Some((Err(std::io::Error::other(error)), None))
            }
        }
    });
    stream::StreamExt::chain(stream::iter([head]), rest)
}

fn filter(form: &LogForm, now: Timestamp) -> Result<LogFilter, Problem> {
    Ok(LogFilter {
        user: user_id(&form.user)?,
        action: form.action.clone(),
        actor: form.actor.clone(),
        object: form.object.clone(),
        result: form.result.clone(),
        since: moment("since", Some(&form.since), now)?,
        until: last_moment(&form.until, now)?,
    })
}

/// A date that ends a time stands for its whole day.
fn last_moment(text: &str, now: Timestamp) -> Result<Option<Timestamp>, Problem> {
    match Timestamp::parse_end_of_date(text) {
        Some(end) => Ok(Some(end.plus(Duration::from_secs(1)))),
        None => moment("until", Some(text), now),
    }
}
