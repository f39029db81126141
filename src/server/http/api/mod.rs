//! The JSON API under `/api/v1`.

mod admin;
mod audit;
mod auth;
mod body;
mod list;
mod me;
mod own;
mod tokens;
mod wire;

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::Value;
use utoipa::OpenApi;

use super::Web;
use super::problem::{Problem, Slug};
use crate::server::service::StoreError;
use crate::server::service::tokens::TokenError;

use auth::Person;

pub(super) use admin::filter::FilterText;
pub(super) use admin::{read_mark, read_person, write_mark, write_person};
pub(super) use audit::EventResponse;
pub(super) use auth::ApiAdmin;
pub(super) use list::{moment, user_id};

/// The routes.
pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/api/v1/me", get(me::me))
        .route("/api/v1/scopes", get(me::scopes))
        .route("/api/v1/tokens", get(tokens::list).post(tokens::create))
        .route("/api/v1/tokens/{id}", get(tokens::get).patch(tokens::edit))
        .route("/api/v1/tokens/{id}/regenerate", post(tokens::regenerate))
        .route("/api/v1/tokens/{id}/revoke", post(tokens::revoke))
        .route("/api/v1/self", get(own::show).delete(own::revoke))
        .route("/api/v1/audit", get(audit::own))
        .merge(admin::routes())
        .route("/api/v1/openapi.json", get(openapi))
}

/// The API in the form of OpenAPI 3.1.
#[derive(OpenApi)]
#[openapi(
    info(title = "Hallpass API", description = "Personal access tokens: make, list, narrow, regenerate and revoke them."),
    paths(
        me::me,
        me::scopes,
        tokens::list,
        tokens::create,
        tokens::get,
        tokens::edit,
        tokens::regenerate,
        tokens::revoke,
        own::show,
        own::revoke,
        audit::own,
        admin::tokens::list,
        admin::tokens::get,
        admin::tokens::revoke,
        admin::tokens::revoke_all,
        admin::tokens::identify,
        admin::users::list,
        admin::users::disable,
        admin::users::enable,
        audit::all
    ),
    components(schemas(super::problem::ProblemBody, super::problem::FieldProblem)),
    tags(
        (name = "account", description = "Who is logged in and what they may grant."),
        (name = "tokens", description = "The tokens of whoever is logged in."),
        (name = "audit", description = "What happened in one's account."),
        (name = "administration", description = "Everybody's tokens, users and events. Only with the browser session of an administrator; for all others there is nothing here."),
        (name = "self", description = "What a token may do with itself: the only thing that takes a token.")
    )
)]
struct ApiDocument;

/// The OpenAPI document of this installation.
pub(super) fn document(web: &Web) -> Value {
    let mut document = serde_json::to_value(ApiDocument::openapi()).unwrap_or_default();
    document["servers"] = serde_json::json!([{ "url": web.public_url.as_str() }]);
    document
}

async fn openapi(State(web): State<Web>) -> Response {
    axum::Json(document(&web)).into_response()
}

/// An error of the API, with what is needed to tell it well.
pub(in crate::server::http) enum ApiError {
    /// From the service.
    Token(TokenError),
    /// From the service, where a fresh login may help.
    Stale {
        /// Where to log in.
        login_url: String,
    },
    /// Of another kind.
    Problem(Problem),
}

impl From<TokenError> for ApiError {
    fn from(error: TokenError) -> Self {
        Self::Token(error)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::Token(error.into())
    }
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl ApiError {
    /// Where the caller can log in again, if that is what is missing.
    fn for_caller(error: TokenError, visitor: &Person, web: &Web) -> Self {
        Self::with_login(error, web, || visitor.fresh_login_path("/tokens"))
    }

    fn with_login(error: TokenError, web: &Web, path: impl FnOnce() -> String) -> Self {
        match error {
            TokenError::StaleLogin => Self::Stale { login_url: web.public_url.join(&path()) },
            error => Self::Token(error),
        }
    }

    fn respond(self, web: &Web) -> Response {
        match self {
            Self::Token(error) => token_problem(error, web),
            Self::Stale { login_url } => Problem::new(Slug::LoginNotFresh).login_url(login_url).respond(web),
            Self::Problem(problem) => problem.respond(web),
        }
    }
}

fn token_problem(error: TokenError, web: &Web) -> Response {
    let detail = error.to_string();
    let slug = match error {
        TokenError::Invalid(errors) => return Problem::invalid(&errors).respond(web),
        TokenError::Unavailable => return Problem::new(Slug::Unavailable).respond(web),
        TokenError::Partly { .. } | TokenError::Unconfirmed => Slug::Unavailable,
        TokenError::NotFound | TokenError::NoSuchUser => Slug::NotFound,
        TokenError::LimitReached(_) | TokenError::Conflict(_) | TokenError::FormUsed(_) => Slug::Conflict,
        TokenError::VersionMismatch => Slug::VersionMismatch,
        TokenError::StaleLogin => Slug::LoginNotFresh,
    };
    Problem::new(slug).detail(detail).respond(web)
}

/// Runs an operation and answers its error.
async fn answer<T: IntoResponse>(web: &Web, operation: impl Future<Output = Result<T, ApiError>>) -> Response {
    match operation.await {
        Ok(answer) => ([(header::CACHE_CONTROL, "no-store")], answer).into_response(),
        Err(error) => error.respond(web),
    }
}
