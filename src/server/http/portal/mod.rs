//! The pages: each handler loads what a page shows and renders it, or takes what a form posts.

mod activity;
mod admin;
mod edit;
mod help;
mod lifetime;
mod new_token;
mod regenerate;
mod report;
mod tokens;

use axum::Router;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::{get, post};
use leptos::prelude::*;

use super::session::{MaybeVisitor, Visitor};
use super::{Web, page};
use crate::domain::id::TokenId;
use crate::domain::secret::PlainToken;
use crate::domain::view::TokenView;
use crate::server::service::tokens::TokenError;
use crate::server::ui::pages::ShownOncePage;

/// The routes.
pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/", get(home))
        .route("/tokens", get(tokens::list))
        .route("/tokens/new", get(new_token::show).post(new_token::submit))
        .route("/tokens/{id}", get(tokens::show))
        .route("/tokens/{id}/edit", get(edit::show).post(edit::submit))
        .route("/tokens/{id}/regenerate", get(regenerate::show).post(regenerate::submit))
        .route("/tokens/{id}/revoke", get(tokens::confirm_revoke))
        .route("/ui/revoke_token", post(tokens::revoke))
        .route("/activity", get(activity::show))
        .route("/activity/sessions", post(activity::end_sessions))
        .merge(admin::routes())
        .route("/report", get(report::ask).post(report::take))
        .route("/help", get(help::help))
        .route("/api/docs", get(help::api_docs))
        .route("/problems/{slug}", get(help::problem))
}

async fn home(MaybeVisitor(visitor): MaybeVisitor) -> Response {
    page::see_other(if visitor.is_some() { "/tokens" } else { "/login" })
}

/// A token that is named in the path. What is not an id, and what is somebody else's, is not there.
struct OwnToken {
    visitor: Visitor,
    token: TokenView,
}

impl FromRequestParts<Web> for OwnToken {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Response> {
        let visitor = Visitor::from_request_parts(parts, web).await?;
        let id =
            Path::<String>::from_request_parts(parts, web).await.ok().and_then(|Path(id)| id.parse::<TokenId>().ok());
        let found = match id {
            Some(id) => web.tokens.get(&visitor.caller.user, id).await,
            None => Err(TokenError::NotFound),
        };
        match found {
            Ok(token) => Ok(Self { visitor, token }),
            Err(error) => Err(unexpected(web, &visitor, &error).await),
        }
    }
}

/// The page for an error that is not about a field.
async fn unexpected(web: &Web, visitor: &Visitor, error: &TokenError) -> Response {
    let id = visitor.caller.origin.request_id.clone();
    match error {
        TokenError::NotFound => page::missing(web, Some(visitor.me()), id).await,
        _ => page::unavailable(web, id).await,
    }
}

/// The one page that shows a secret.
async fn shown_once(
    web: &Web,
    visitor: &Visitor,
    token: TokenView,
    secret: &PlainToken,
    regenerated: bool,
) -> Response {
    let public_url = web.public_url.to_string();
    let secret = secret.reveal().to_owned();
    let view = move || {
        view! {
            <ShownOncePage
                token=token.clone()
                secret=secret.clone()
                public_url=public_url.clone()
                regenerated=regenerated
            />
        }
    };
    page::render(web, axum::http::StatusCode::OK, Some(visitor.me()), "/tokens", view).await
}

/// What a page says about what has just happened: only these sentences can be asked for by an address.
fn notice(code: &str) -> Option<String> {
    let text = match code {
        "saved" => "Your changes are saved.",
        "revoked" => "The token is revoked. Requests with it are refused from now on.",
        "sessions-ended" => "The sessions have ended. Those browsers are logged out.",
        "disabled" => "The user is disabled. Their sessions have ended, and their tokens are refused from now on.",
        "enabled" => "The user is enabled. Tokens that were not revoked work again.",
        "not-revoked" => {
            "The token could not be revoked right now, or nobody said so in time. It may still work; please try again."
        }
        "not-found" => "That token is not there any more.",
        _ => return None,
    };
    Some(text.to_owned())
}

/// The one-use key of a form.
fn new_form_key(web: &Web) -> String {
    crate::server::keys::hex(&crate::domain::entropy::bytes::<16>(&*web.entropy))
}

/// The key of a posted form; a form without one is not ours.
fn posted_form_key(fields: &super::form::Fields) -> Option<String> {
    let key = fields.get("form_key");
    (key.len() == 32 && key.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(key)
}
