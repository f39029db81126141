//! Ending many tokens at once.

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use leptos::prelude::*;

use super::super::super::api::FilterText;
use super::super::super::form::Fields;
use super::super::super::session::AdminVisitor;
use super::super::super::{Web, page};
use super::super::new_token::log_in_again;
use super::token::chosen;
use super::{failed, owner_name, problem_of, tokens};
use crate::domain::error::FieldErrors;
use crate::server::service::admin::{Bulk, InventoryFilter};
use crate::server::service::tokens::TokenError;
use crate::server::ui::pages::admin::bulk::{BulkPage, BulkPreview};
use crate::server::ui::pages::{FormProblem, ReasonForm, address};

/// Tokens that the page names.
const SHOWN: usize = 20;
/// The fields of a filter besides ids.
const FIELDS: [&str; 7] = ["q", "state", "scope", "user", "unused_since", "created_before", "expires_within"];

/// What was typed besides the filter.
#[derive(Default)]
struct Typed {
    reason: ReasonForm,
    count: String,
    errors: FieldErrors,
    problem: Option<FormProblem>,
}

/// What would end.
pub(in crate::server::http) async fn preview(
    State(web): State<Web>,
    admin: AdminVisitor,
    RawQuery(query): RawQuery,
) -> Response {
    let fields = Fields::parse(query.unwrap_or_default().as_bytes());
    ask(&web, &admin, &fields, Typed::default()).await
}

/// Ends them, if the number that was typed is theirs.
pub(in crate::server::http) async fn revoke(State(web): State<Web>, admin: AdminVisitor, fields: Fields) -> Response {
    let mut typed = Typed {
        reason: ReasonForm { code: fields.get("reason"), words: fields.get("words") },
        count: fields.get("confirm").trim().to_owned(),
        ..Typed::default()
    };
    let filter = match filter(&web, &admin, &fields).await {
        Ok(filter) => filter,
        Err(page) => return page,
    };
    let reason = match chosen(&typed.reason) {
        Ok(reason) => reason,
        Err(errors) => {
            typed.errors = errors;
            return ask(&web, &admin, &fields, typed).await;
        }
    };
    // What is no number is none of tokens.
    let confirmed = typed.count.replace(',', "").parse().unwrap_or(usize::MAX);
    let bulk = Bulk { filter, reason, confirmed: Some(confirmed) };
    match web.admin.revoke_all(&admin.administrator, &bulk).await {
        Ok(outcome) => page::see_other(&format!("/admin/tokens?notice=revoked-{}", outcome.revoked)),
        Err(error) => refused(&web, &admin, &fields, typed, error).await,
    }
}

/// The form again, with what stands against it.
async fn refused(web: &Web, admin: &AdminVisitor, fields: &Fields, mut typed: Typed, error: TokenError) -> Response {
    typed.problem = Some(match error {
        error @ TokenError::Partly { .. } => FormProblem { message: error.to_string(), link: None },
        TokenError::StaleLogin => return stale(web, admin, fields).await,
        TokenError::Invalid(errors) => {
            typed.errors = errors;
            return ask(web, admin, fields, typed).await;
        }
        error => return failed(web, admin, &error).await,
    });
    ask(web, admin, fields, typed).await
}

/// Without a fresh login nothing is even counted.
async fn stale(web: &Web, admin: &AdminVisitor, fields: &Fields) -> Response {
    let again = address("/admin/tokens/revoke", &parameters(fields));
    let mut problem = log_in_again(&admin.visitor, &again);
    "Your login is a while ago. Ending many tokens needs a recent one.".clone_into(&mut problem.message);
    render(web, admin, StatusCode::FORBIDDEN, None, Typed { problem: Some(problem), ..Typed::default() }).await
}

async fn ask(web: &Web, admin: &AdminVisitor, fields: &Fields, typed: Typed) -> Response {
    let filter = match filter(web, admin, fields).await {
        Ok(filter) => filter,
        Err(page) => return page,
    };
    let (matched, first) = match web.admin.preview(&admin.administrator, &filter, SHOWN).await {
        Ok(found) => found,
        Err(TokenError::StaleLogin) => return stale(web, admin, fields).await,
        Err(error) => return failed(web, admin, &error).await,
    };
    let again = parameters(fields).into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    let words = words(fields, owner_name(web, admin, &filter).await);
    let preview = BulkPreview { matched, first, fields: again.collect(), words };
    let status = match (&typed.problem, typed.errors.is_empty()) {
        (Some(_), _) => StatusCode::SERVICE_UNAVAILABLE,
        (None, false) => StatusCode::UNPROCESSABLE_ENTITY,
        (None, true) => StatusCode::OK,
    };
    render(web, admin, status, Some(preview), typed).await
}

async fn render(
    web: &Web,
    admin: &AdminVisitor,
    status: StatusCode,
    preview: Option<BulkPreview>,
    typed: Typed,
) -> Response {
    let Typed { reason, count, errors, problem } = typed;
    let now = web.clock.now();
    let view = move || {
        view! {
            <BulkPage
                preview=preview.clone()
                form=reason.clone()
                typed=count.clone()
                errors=errors.clone()
                problem=problem.clone()
                now=now
            />
        }
    };
    page::render(web, status, Some(admin.visitor.me()), "/admin/tokens", view).await
}

/// The filter that the fields make. Where they make none, there is nothing to end, and the list says more.
async fn filter(web: &Web, admin: &AdminVisitor, fields: &Fields) -> Result<InventoryFilter, Response> {
    let given = |name| Some(fields.get(name)).filter(|text: &String| !text.is_empty());
    let ids = fields.all("id");
    let text = FilterText {
        ids: Some(ids).filter(|ids| !ids.is_empty()),
        q: given("q"),
        state: given("state"),
        scope: given("scope"),
        user: given("user"),
        unused_since: given("unused_since"),
        expires_within: given("expires_within"),
        created_before: given("created_before"),
    };
    match tokens::filter(&text, web, admin).await {
        Ok(filter) if filter == InventoryFilter::default() => Err(nothing_chosen(fields)),
        Ok(filter) => Ok(filter),
        Err(error) => Err(match problem_of(error, web, admin).await {
            Ok(_) => page::see_other(&address("/admin/tokens", &parameters(fields))),
            Err(page) => page,
        }),
    }
}

/// Back to the list, as it was.
fn nothing_chosen(fields: &Fields) -> Response {
    let list = fields.get("list");
    let list = Fields::parse(list.as_bytes());
    let mut again = parameters(&list);
    again.push(("notice", "none-chosen"));
    page::see_other(&address("/admin/tokens", &again))
}

/// The fields that make a filter.
fn parameters(fields: &Fields) -> Vec<(&str, &str)> {
    fields.iter().filter(|(name, value)| !value.is_empty() && (*name == "id" || FIELDS.contains(name))).collect()
}

/// The same for people.
fn words(fields: &Fields, owner: Option<String>) -> String {
    let ids = fields.all("id").len();
    let mut words: Vec<String> = Vec::new();
    if ids > 0 {
        words.push("those that you chose".to_owned());
    }
    let mut say = |name: &str, before: &str, after: &str| {
        let named = owner.clone().filter(|_| name == "user");
        let value = named.unwrap_or_else(|| fields.get(name));
        if !value.is_empty() {
            words.push(format!("{before}{value}{after}"));
        }
    };
    say("q", "found by “", "”");
    say("state", "in the state ", "");
    say("scope", "with the scope ", "");
    say("user", "of the user ", "");
    say("unused_since", "unused for or since ", "");
    say("created_before", "made before ", "");
    say("expires_within", "expiring within ", "");
    words.join(", ")
}
