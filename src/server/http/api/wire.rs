//! What the API takes and gives.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::domain::lifetime::{ExpiryRequest, parse_duration};
use crate::domain::scope::ScopeSet;
use crate::domain::time::Timestamp;
use crate::domain::view::{SecretView, TokenView};
use crate::server::service::tokens::Cursor;

/// Who is logged in.
#[derive(Serialize, ToSchema)]
pub(super) struct MeResponse {
    /// The stable id.
    pub id: String,
    /// The name to show; not unique.
    pub username: String,
    /// E-mail, where known.
    pub email: Option<String>,
    /// Present roles.
    pub roles: Vec<String>,
    /// Present attributes.
    pub attributes: BTreeMap<String, BTreeSet<String>>,
    /// Whether the admin panel is open to them.
    pub is_admin: bool,
}

/// A scope that may be granted.
#[derive(Serialize, ToSchema)]
pub(super) struct ScopeResponse {
    /// Its name.
    pub name: String,
    /// What it allows.
    pub description: String,
}

/// A token. Its secret is never part of it.
#[derive(Serialize, ToSchema)]
pub(super) struct TokenResponse {
    /// The lasting id (UUID).
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Scopes it was given.
    pub scopes: Vec<String>,
    /// Those of them that its owner may use now.
    pub effective_scopes: Vec<String>,
    /// `active`, `expired`, `revoked` or `suspended`.
    pub state: &'static str,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339; null is never.
    pub expires_at: Option<String>,
    /// RFC 3339.
    pub last_used_at: Option<String>,
    /// From where it was last used.
    pub last_used_ip: Option<String>,
    /// RFC 3339.
    pub revoked_at: Option<String>,
    /// The reason that was given.
    pub revoked_reason: Option<String>,
    /// Networks it may be used from (CIDR); from everywhere when empty.
    pub allowed_ips: Vec<String>,
    /// Its secrets, newest first.
    pub secrets: Vec<SecretResponse>,
    /// For `If-Match`.
    pub version: i64,
}

/// One secret of a token, without the secret.
#[derive(Serialize, ToSchema)]
pub(super) struct SecretResponse {
    /// The public part of the token's text.
    pub id: String,
    /// `active`, `waiting`, `superseded` or `ended`.
    pub state: &'static str,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339; null is never.
    pub ends_at: Option<String>,
    /// RFC 3339.
    pub last_used_at: Option<String>,
}

/// A token and the secret that was just made for it. The secret is shown here and never again.
#[derive(Serialize, ToSchema)]
pub(super) struct IssuedResponse {
    /// The token.
    pub token: TokenResponse,
    /// The secret in the clear.
    pub secret: String,
}

/// Part of a list.
#[derive(Serialize, ToSchema)]
pub(super) struct TokenListResponse {
    /// The tokens, newest first.
    pub items: Vec<TokenResponse>,
    /// To be given as `cursor` for the next part; null at the end.
    pub next_cursor: Option<String>,
}

/// Which tokens to list.
#[derive(Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct ListParams {
    /// `active`, `expired`, `revoked` or `suspended`; all when absent.
    pub state: Option<String>,
    /// Part of the name or description.
    pub q: Option<String>,
    /// Where an earlier list stopped.
    pub cursor: Option<String>,
    /// How many at most, 1 to 200; 50 when absent.
    #[param(value_type = Option<u16>)]
    pub limit: Option<String>,
}

/// A span: a text such as `30d`, a number of seconds, or `never`.
#[derive(Deserialize, ToSchema)]
#[serde(untagged, expecting = "expected a duration such as \"30d\" or a number of seconds")]
pub(super) enum Span {
    /// `30d`, `12h`, `never`
    Text(String),
    /// Seconds.
    Seconds(i64),
}

/// A token that is asked for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateRequest {
    /// Its name.
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub description: Option<String>,
    /// Names of scopes, at least one.
    pub scopes: Vec<String>,
    /// Its lifetime; the default lifetime when absent.
    #[serde(default)]
    pub expires_in: Option<Span>,
    /// RFC 3339, instead of `expires_in`.
    #[serde(default)]
    pub expires_at: Option<String>,
    /// Networks it may be used from (CIDR).
    #[serde(default)]
    pub allowed_ips: Option<Vec<String>>,
}

/// A change of a token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EditRequest {
    /// A new name.
    #[serde(default)]
    pub name: Option<String>,
    /// A new description.
    #[serde(default)]
    pub description: Option<String>,
    /// A part of the present scopes.
    #[serde(default)]
    pub scopes: Option<Vec<String>>,
}

/// A new secret that is asked for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RegenerateRequest {
    /// What becomes of the old secret: `now` ends it at once.
    pub mode: String,
    /// For a mode with a grace period.
    #[serde(default)]
    pub grace_seconds: Option<i64>,
    /// The new secret's lifetime; the default lifetime when absent.
    #[serde(default)]
    pub expires_in: Option<Span>,
    /// RFC 3339, instead of `expires_in`.
    #[serde(default)]
    pub expires_at: Option<String>,
}

/// Why a token is revoked.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RevokeRequest {
    /// In your own words.
    pub reason: Option<String>,
}

/// Both an `expires_in` and an `expires_at` were given.
pub(super) struct TwoExpiries;

/// When a secret shall expire.
pub(super) fn expiry(span: Option<Span>, at: Option<String>) -> Result<ExpiryRequest, TwoExpiries> {
    match (span, at) {
        (Some(_), Some(_)) => Err(TwoExpiries),
        (None, None) => Ok(ExpiryRequest::Default),
        (None, Some(at)) => Ok(Timestamp::parse_rfc3339(&at).map_or(ExpiryRequest::Unreadable, ExpiryRequest::At)),
        (Some(Span::Seconds(seconds)), None) => {
            Ok(ExpiryRequest::In(Duration::from_secs(u64::try_from(seconds).unwrap_or_default())))
        }
        (Some(Span::Text(text)), None) if text == "never" => Ok(ExpiryRequest::Never),
        (Some(Span::Text(text)), None) => {
            Ok(parse_duration(&text).map_or(ExpiryRequest::Unreadable, ExpiryRequest::In))
        }
    }
}

impl From<TokenView> for TokenResponse {
    fn from(token: TokenView) -> Self {
        Self {
            id: token.id.to_string(),
            name: token.name,
            description: token.description,
            scopes: names(&token.scopes),
            effective_scopes: names(&token.effective_scopes),
            state: token.state.as_str(),
            created_at: token.created_at.rfc3339(),
            expires_at: text(token.expires_at),
            last_used_at: text(token.last_used_at),
            last_used_ip: token.last_used_ip,
            revoked_at: text(token.revoked_at),
            revoked_reason: token.revoked_reason,
            allowed_ips: token.allowed_ips,
            secrets: token.secrets.into_iter().map(SecretResponse::from).collect(),
            version: token.version,
        }
    }
}

impl From<SecretView> for SecretResponse {
    fn from(secret: SecretView) -> Self {
        Self {
            id: secret.id.to_string(),
            state: secret.state.as_str(),
            created_at: secret.created_at.rfc3339(),
            ends_at: text(secret.ends_at),
            last_used_at: text(secret.last_used_at),
        }
    }
}

fn names(scopes: &ScopeSet) -> Vec<String> {
    scopes.iter().map(ToString::to_string).collect()
}

fn text(at: Option<Timestamp>) -> Option<String> {
    at.map(Timestamp::rfc3339)
}

/// A place in a list as opaque text.
pub(super) fn write_cursor(cursor: Cursor) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}:{}", cursor.created_at.as_micros(), cursor.id))
}

/// Reads what [`write_cursor`] wrote.
pub(super) fn read_cursor(text: &str) -> Option<Cursor> {
    let plain = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    let (micros, id) = plain.split_once(':')?;
    Some(Cursor { created_at: Timestamp::from_micros(micros.parse().ok()?), id: id.parse().ok()? })
}
