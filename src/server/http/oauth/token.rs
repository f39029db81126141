//! `POST /oauth/token`: the token exchange of RFC 8693 and no other grant.

use std::net::IpAddr;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::super::Web;
use super::error::OAuthError;
use super::form::Form;
use super::json;
use crate::domain::audit::Origin;
use crate::domain::scope::ScopeSet;
use crate::server::service::check::Sender;
use crate::server::service::exchange::{ExchangeError, Wish};

const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// The types of section 3 that concern us. Our JWTs are both.
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// A JWT in exchange (section 2.2.1).
#[derive(Serialize)]
struct TokenResponse<'a> {
    access_token: &'a str,
    issued_token_type: &'static str,
    token_type: &'static str,
    expires_in: u64,
    scope: String,
}

/// Gives a JWT for a token. The token authenticates: there are no clients here.
pub(super) async fn exchange(
    State(web): State<Web>,
    Extension(origin): Extension<Origin>,
    form: Form,
) -> Result<Response, OAuthError> {
    let issued_token_type = require_exchange(&form)?;
    let token = form.require("subject_token", "Please give the token as subject_token.")?;
    let scopes = form.get("scope").map(ScopeSet::parse).transpose().map_err(|_| OAuthError::InvalidScope)?;
    let from = Sender { ip: origin.ip, origin: &|| origin.clone() };
    let wish = Wish { token, audience: form.get("audience"), scopes: scopes.as_ref(), from };
    let exchanged = web.exchange.exchange(wish).await.map_err(|error| refused(&web, origin.ip, error))?;
    let response = TokenResponse {
        access_token: exchanged.jwt.reveal(),
        issued_token_type,
        token_type: "Bearer",
        expires_in: exchanged.lifetime.as_secs(),
        scope: exchanged.scopes.to_string(),
    };
    Ok(json(StatusCode::OK, &response))
}

/// Whether an exchange is asked for that we know, and the type of what it gives. What would change its meaning is
/// refused and never overlooked.
fn require_exchange(form: &Form) -> Result<&'static str, OAuthError> {
    if form.require("grant_type", "Please give a grant_type.")? != TOKEN_EXCHANGE {
        return Err(OAuthError::UnsupportedGrantType);
    }
    if form.require("subject_token_type", "Please give a subject_token_type.")? != ACCESS_TOKEN {
        return Err(OAuthError::InvalidRequest("The subject_token_type must be that of an access token."));
    }
    if form.get("actor_token").is_some() || form.get("actor_token_type").is_some() {
        return Err(OAuthError::InvalidRequest("An actor_token is not taken: nobody acts for somebody else here."));
    }
    if form.get("resource").is_some() {
        return Err(OAuthError::InvalidTarget);
    }
    match form.get("requested_token_type") {
        None | Some(ACCESS_TOKEN) => Ok(ACCESS_TOKEN),
        Some(JWT) => Ok(JWT),
        Some(_) => {
            Err(OAuthError::InvalidRequest("The requested_token_type must be that of an access token or a JWT."))
        }
    }
}

/// The answer to a wish that is not granted. A token that is not good is `invalid_request` here, by section 2.2.2, and
/// counts like one that `/check` refuses.
fn refused(web: &Web, ip: Option<IpAddr>, error: ExchangeError) -> OAuthError {
    match error {
        ExchangeError::Audience => OAuthError::InvalidTarget,
        ExchangeError::Scope => OAuthError::InvalidScope,
        ExchangeError::Address => OAuthError::InvalidRequest("The subject_token may not be used from this address."),
        ExchangeError::Invalid => match ip.map_or(Ok(()), |ip| web.failures.count(ip)) {
            Ok(()) => {
                tracing::info!(?ip, "a token that is not good was to be exchanged");
                OAuthError::InvalidRequest("The subject_token is not good.")
            }
            Err(excess) => OAuthError::TooManyRefused { wait: excess.wait },
        },
        ExchangeError::Unavailable => OAuthError::Unavailable,
    }
}
