//! The audit log, and taking it away as a file.

use std::io;
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
use super::super::super::params::{NUL_REFUSED, Params};
use super::super::super::problem::Problem;
use super::super::super::session::AdminVisitor;
use super::super::super::{Web, page};
use super::{failed, user_name};
use crate::domain::audit::Action;
use crate::domain::error::FieldErrors;
use crate::domain::time::Timestamp;
use crate::server::service::log::{Events, LogFilter};
use crate::server::ui::pages::address;
use crate::server::ui::pages::admin::audit::{LogForm, LogPage, RESULTS};

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
    let (events, errors) = match filter(&form, web.clock.now()) {
        Ok(filter) => match web.log.all_named(&admin.administrator, &filter, before, SHOWN).await {
            Ok(events) => (events, FieldErrors::default()),
            Err(error) => return failed(&web, &admin, &error.into()).await,
        },
        Err(errors) => (Events::default(), errors),
    };
    let user = match form.user.parse() {
        Ok(id) => user_name(&web, &admin, id).await,
        Err(_) => None,
    };
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let (now, next, is_later_page) = (web.clock.now(), events.next, before.is_some());
    let view = move || {
        view! {
            <LogPage
                events=events.items.clone()
                form=form.clone()
                user=user.clone()
                errors=errors.clone()
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
    let body = Body::from_stream(lines(Export { web, admin, filter, format }, first));
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

/// A file on its way.
struct Export {
    web: Web,
    admin: AdminVisitor,
    filter: LogFilter,
    format: Format,
}

/// What comes next in a file.
enum Part {
    /// These events.
    Read(Events),
    /// Those before this one.
    Before(i64),
}

impl Export {
    /// A file may take long: whoever asked for it may have lost the right to it meanwhile.
    async fn read(&self, part: Part) -> io::Result<Events> {
        let before = match part {
            Part::Read(events) => return Ok(events),
            Part::Before(seq) => seq,
        };
        if !self.web.admin.may_go_on(&self.admin.administrator).await.map_err(io::Error::other)? {
            return Err(io::Error::other("whoever asked for it may not read the log any more"));
        }
        let events = self.web.log.export(&self.admin.administrator, &self.filter, Some(before), BATCH).await;
        events.map_err(io::Error::other)
    }

    fn text(&self, events: &Events) -> Bytes {
        let text: String = events.items.iter().map(|event| self.format.line(event)).collect();
        Bytes::from(text)
    }
}

/// The lines of a file, a batch at a time. When one cannot be read the file ends in the middle, and so does the answer.
fn lines(export: Export, first: Events) -> impl futures_util::Stream<Item = io::Result<Bytes>> {
    let head = Ok(Bytes::from(export.format.head().unwrap_or_default()));
    let rest = stream::unfold((export, Some(Part::Read(first))), |(export, part)| async move {
        let (item, next) = match export.read(part?).await {
            Ok(events) => (Ok(export.text(&events)), events.next.map(Part::Before)),
            Err(error) => {
                tracing::error!(%error, "an export of the audit log stopped in the middle");
                (Err(error), None)
            }
        };
        Some((item, (export, next)))
    });
    stream::StreamExt::chain(stream::iter([head]), rest)
}

/// What the log is narrowed to, or everything that is wrong with that.
fn filter(form: &LogForm, now: Timestamp) -> Result<LogFilter, FieldErrors> {
    let mut errors = unknown_names(form);
    for (name, _) in form.parameters().into_iter().filter(|(_, value)| value.contains('\0')) {
        errors.push(name, NUL_REFUSED);
    }
    let mut wrong = |problem: Problem| errors.extend(problem.about(&["user", "since", "until"]));
    let user = user_id(&form.user).unwrap_or_else(|problem| {
        wrong(problem);
        None
    });
    let since = moment("since", Some(&form.since), now).unwrap_or_else(|problem| {
        wrong(problem);
        None
    });
    let until = last_moment(&form.until, now).unwrap_or_else(|problem| {
        wrong(problem);
        None
    });
    if let (Some(since), Some(until)) = (since, until)
        && until <= since
    {
        errors.push("until", "This has to be after “From”.");
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let (action, result) = (form.action.clone(), form.result.clone());
    let (actor, object) = (form.actor.clone(), form.object.clone());
    Ok(LogFilter { user, in_their_place: false, action, actor, object, result, since, until })
}

/// Names that no event has.
fn unknown_names(form: &LogForm) -> FieldErrors {
    let mut errors = FieldErrors::default();
    if !form.action.is_empty() && Action::named(&form.action).is_none() {
        errors.push("action", format!("Nothing is called “{}”. Please choose one.", form.action));
    }
    if !form.result.is_empty() && RESULTS.iter().all(|(name, _)| *name != form.result) {
        errors.push("result", "Please choose one.");
    }
    errors
}

/// A date that ends a time stands for its whole day.
fn last_moment(text: &str, now: Timestamp) -> Result<Option<Timestamp>, Problem> {
    match Timestamp::parse_end_of_date(text) {
        Some(end) => Ok(Some(end.plus(Duration::from_secs(1)))),
        None => moment("until", Some(text), now),
    }
}
