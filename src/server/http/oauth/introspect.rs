//! `POST /oauth/introspect` (RFC 7662).

use std::collections::BTreeSet;
use std::net::IpAddr;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::super::Web;
use super::basic::AuthenticatedClient;
use super::error::OAuthError;
use super::form::Form;
use super::json;
use crate::domain::audit::Origin;
use crate::domain::time::Timestamp;
use crate::domain::user::Attributes;
use crate::server::config::IntrospectionClientConfig;
use crate::server::service::introspection::ActiveToken;

/// The client that every token was made with: Hallpass itself.
const CLIENT_ID: &str = "hallpass";

/// Says whether a token is good, and whose it is.
pub(super) async fn introspect(
    State(web): State<Web>,
    Extension(origin): Extension<Origin>,
    AuthenticatedClient(client): AuthenticatedClient,
    form: Form,
) -> Result<Response, OAuthError> {
    let token = form.require("token", "Please give the token.")?;
    let client_ip = client_ip(&client, &form)?;
    let answer = web.introspection.ask(&client, token, client_ip, &origin).await;
    let answer = answer.map_err(|_| OAuthError::Unavailable)?;
    Ok(match &answer {
        Some(token) => json(StatusCode::OK, &ActiveAnswer::of(token, web.signer.issuer())),
        None => json(StatusCode::OK, &InactiveAnswer { active: false }),
    })
}

/// Where the token came from. What a client says whose word does not count is not even read.
fn client_ip(client: &IntrospectionClientConfig, form: &Form) -> Result<Option<IpAddr>, OAuthError> {
    let Some(text) = form.get("client_ip").filter(|_| client.sends_client_ip) else { return Ok(None) };
    let ip = text.parse::<IpAddr>().map_err(|_| OAuthError::InvalidRequest("client_ip is not an address."))?;
    Ok(Some(ip.to_canonical()))
}

/// All that is ever said about a token that is not good, or not for the one who asks.
#[derive(Serialize)]
struct InactiveAnswer {
    active: bool,
}

/// A good token (RFC 7662, section 2.2), with the same names as in our JWTs for what the standard does not name.
#[derive(Serialize)]
struct ActiveAnswer<'a> {
    active: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    scope: String,
    client_id: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    username: &'a str,
    token_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<i64>,
    sub: String,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    aud: &'a [String],
    iss: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    roles: &'a BTreeSet<String>,
    attributes: &'a Attributes,
}

impl<'a> ActiveAnswer<'a> {
    fn of(token: &'a ActiveToken, issuer: &'a str) -> Self {
        let ActiveToken { pass, scopes, audiences } = token;
        let grant = pass.grant();
        Self {
            active: true,
            scope: scopes.to_string(),
            client_id: CLIENT_ID,
            username: &grant.profile.username,
            token_type: "Bearer",
            // Rounded down, so that nobody keeps it for longer than it is good.
            exp: grant.expires_at.map(Timestamp::as_seconds),
            iat: pass.issued_at().map(Timestamp::as_seconds),
            sub: grant.user.to_string(),
            aud: audiences,
            iss: issuer,
            token_id: grant.token.map(|id| id.to_string()),
            email: grant.profile.email.as_deref(),
            roles: &grant.profile.roles,
            attributes: &grant.profile.attributes,
        }
    }
}
