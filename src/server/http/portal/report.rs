//! Ending a token that somebody found. The answer is the same for good, ended and unknown ones.

use axum::Extension;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::Response;
use leptos::prelude::*;

use super::super::form::Fields;
use super::super::session::{MaybeVisitor, Visitor};
use super::super::{Web, page};
use crate::domain::audit::Origin;
use crate::server::service::failures::Excess;
use crate::server::service::revocation::REPORTED_MAX;
use crate::server::ui::pages::FormProblem;
use crate::server::ui::pages::ReportPage;

/// What came of a report.
enum Outcome {
    Asked,
    Taken,
    TooLong,
    TooMany(Excess),
    Failed,
}

/// The form.
pub(in crate::server::http) async fn ask(State(web): State<Web>, visitor: MaybeVisitor) -> Response {
    render(&web, visitor, Outcome::Asked).await
}

/// Revokes every token in the text.
pub(in crate::server::http) async fn take(
    State(web): State<Web>,
    Extension(origin): Extension<Origin>,
    visitor: MaybeVisitor,
    fields: Fields,
) -> Response {
    let text = fields.get("text");
    let report = web.revocation.read_report(&text);
    let count = |times: usize| origin.ip.map_or(Ok(()), |ip| (0..times).try_for_each(|_| web.failures.count(ip)));
    if report.count() > REPORTED_MAX {
        // None is looked up, but reading them is work, too.
        let outcome = count(1).map_or_else(Outcome::TooMany, |()| Outcome::TooLong);
        return render(&web, visitor, outcome).await;
    }
    let done = web.revocation.end_reported(&report, &origin).await;
    // Counted whatever they were: else the answer would tell. What was good is revoked all the same.
    let outcome = match (done, count(report.count().max(1))) {
        (Err(_), _) => Outcome::Failed,
        (Ok(()), Err(excess)) => Outcome::TooMany(excess),
        (Ok(()), Ok(())) => Outcome::Taken,
    };
    render(&web, visitor, outcome).await
}

async fn render(web: &Web, MaybeVisitor(visitor): MaybeVisitor, outcome: Outcome) -> Response {
    let problem = |message: &str| Some(FormProblem { message: message.to_owned(), link: None });
    let (status, problem) = match &outcome {
        Outcome::Asked | Outcome::Taken => (StatusCode::OK, None),
        Outcome::TooMany(_) => {
            let message = "Too many reports came from your address. Please wait a moment and send it again.";
            (StatusCode::TOO_MANY_REQUESTS, problem(message))
        }
        Outcome::TooLong => {
            let message = "There are more than 50 tokens in this text, and none was ended. Please send it in parts.";
            (StatusCode::UNPROCESSABLE_ENTITY, problem(message))
        }
        Outcome::Failed => {
            let message = "This cannot be done right now. The token may still work; please send it again in a moment.";
            (StatusCode::SERVICE_UNAVAILABLE, problem(message))
        }
    };
    let (reported, prefix) = (matches!(outcome, Outcome::Taken), web.prefix.clone());
    let view = move || view! { <ReportPage prefix=prefix.clone() reported=reported problem=problem.clone()/> };
    let mut response = page::render(web, status, visitor.as_ref().map(Visitor::me), "/report", view).await;
    let wait = match outcome {
        Outcome::TooMany(excess) => Some(excess.wait),
        Outcome::Failed => Some(5),
        Outcome::Asked | Outcome::Taken | Outcome::TooLong => None,
    };
    if let Some(wait) = wait {
        response.headers_mut().insert(header::RETRY_AFTER, wait.into());
    }
    response
}
