//! What the API for administrators takes and gives.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::wire::TokenResponse;
use super::filter::FilterText;
use crate::domain::id::UserId;
use crate::domain::time::Timestamp;
use crate::server::service::admin::{Identified, Mark, MarkKey, Order, OwnedView, OwnerView, Person};

/// Which of everybody's tokens to list.
#[derive(Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(in super::super) struct InventoryParams {
    /// The owner: id (UUID) or name.
    pub user: Option<String>,
    /// Part of the name or purpose, the owner's name or e-mail, or the beginning of an id.
    pub q: Option<String>,
    /// `active`, `expired`, `revoked` or `suspended`; all when absent.
    pub state: Option<String>,
    /// A scope.
    pub scope: Option<String>,
    /// Made before this: RFC 3339, a date, or a span such as `90d` before now.
    pub created_before: Option<String>,
    /// Not used since this.
    pub unused_since: Option<String>,
    /// Good, and running out within this span, such as `7d`.
    pub expires_within: Option<String>,
    /// `created` (newest first), `name`, or `unused` (longest unused first); `created` when absent.
    pub sort: Option<String>,
    /// Where an earlier list stopped.
    pub cursor: Option<String>,
    /// How many at most, 1 to 200; 50 when absent.
    #[param(value_type = Option<u16>)]
    pub limit: Option<String>,
}

impl InventoryParams {
    pub fn filter(&self) -> FilterText {
        FilterText {
            ids: None,
            user: self.user.clone(),
            q: self.q.clone(),
            state: self.state.clone(),
            scope: self.scope.clone(),
            created_before: self.created_before.clone(),
            unused_since: self.unused_since.clone(),
            expires_within: self.expires_within.clone(),
        }
    }
}

/// A token with its owner.
#[derive(Serialize, ToSchema)]
pub(in super::super) struct OwnedResponse {
    /// The token.
    #[serde(flatten)]
    pub token: TokenResponse,
    /// Its owner.
    pub owner: OwnerResponse,
}

/// Whose a token is.
#[derive(Serialize, ToSchema)]
pub(in super::super) struct OwnerResponse {
    /// The stable id (UUID).
    pub id: String,
    /// The name to show; not unique.
    pub username: String,
    /// E-mail, where known.
    pub email: Option<String>,
}

/// Part of everybody's tokens.
#[derive(Serialize, ToSchema)]
pub(in super::super) struct InventoryResponse {
    /// The tokens. There may be fewer than asked for, and still more behind them.
    pub items: Vec<OwnedResponse>,
    /// To be given as `cursor` for the next part; null at the end.
    pub next_cursor: Option<String>,
}

/// Why a token is revoked.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct AdminRevokeRequest {
    /// `leaked`, `superseded`, `no_longer_needed`, `owner_left`, `policy` or your own words; both as `leaked: words`. The
    /// owner is shown it.
    #[serde(default)]
    #[schema(required = true, nullable = false)]
    pub reason: Option<String>,
}

/// Why a user is locked out.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(in super::super) struct DisableRequest {
    /// In your own words.
    pub reason: Option<String>,
}

/// Which tokens to revoke.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct BulkRequest {
    /// Which.
    #[serde(default)]
    #[schema(required = true)]
    pub filter: FilterText,
    /// Why; the owners are shown it.
    #[serde(default)]
    #[schema(required = true, nullable = false)]
    pub reason: Option<String>,
    /// Only say how many there are.
    #[serde(default)]
    pub dry_run: bool,
}

/// What became of it.
#[derive(Serialize, ToSchema)]
pub(in super::super) struct BulkResponse {
    /// Tokens that fit and were not revoked before.
    pub matched: usize,
    /// Those of them that are revoked now; at most 2,000 with one request.
    pub revoked: usize,
}

/// A text that may name a token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct IdentifyRequest {
    /// A token, a log line with one, or an id. It is not kept.
    pub token: String,
}

/// Whose token it is.
#[derive(Serialize, ToSchema)]
pub(in super::super) struct IdentifyResponse {
    /// Whether there is such a token.
    pub found: bool,
    /// The token.
    pub token: Option<TokenResponse>,
    /// The secret that was named: the public part of its text.
    pub secret_id: Option<String>,
    /// `active`, `waiting`, `superseded` or `ended`.
    pub secret_state: Option<&'static str>,
    /// The owner.
    pub owner: Option<OwnerResponse>,
}

/// Which users to list.
#[derive(Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(in super::super) struct PeopleParams {
    /// Part of the name or e-mail.
    pub q: Option<String>,
    /// `enabled` or `disabled`; all when absent.
    pub state: Option<String>,
    /// Where an earlier list stopped.
    pub cursor: Option<String>,
    /// How many at most, 1 to 200; 50 when absent.
    #[param(value_type = Option<u16>)]
    pub limit: Option<String>,
}

/// A user.
#[derive(Serialize, ToSchema)]
pub(in super::super) struct PersonResponse {
    /// The stable id (UUID).
    pub id: String,
    /// The name to show; not unique.
    pub username: String,
    /// E-mail, where known.
    pub email: Option<String>,
    /// The login provider.
    pub provider: String,
    /// Roles as of the last login.
    pub roles: Vec<String>,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339.
    pub last_login_at: String,
    /// RFC 3339; null when not disabled.
    pub disabled_at: Option<String>,
    /// Tokens that have not run out and were not revoked; 101 where there are more than 100.
    pub tokens: i64,
    /// Open browser sessions.
    pub sessions: i64,
}

/// Part of all users, by name.
#[derive(Serialize, ToSchema)]
pub(in super::super) struct PeopleResponse {
    /// The users.
    pub items: Vec<PersonResponse>,
    /// To be given as `cursor` for the next part; null at the end.
    pub next_cursor: Option<String>,
}

impl From<OwnedView> for OwnedResponse {
    fn from(owned: OwnedView) -> Self {
        Self { token: owned.token.into(), owner: owned.owner.into() }
    }
}

impl From<OwnerView> for OwnerResponse {
    fn from(owner: OwnerView) -> Self {
        Self { id: owner.id.to_string(), username: owner.username, email: owner.email }
    }
}

impl From<Option<Identified>> for IdentifyResponse {
    fn from(found: Option<Identified>) -> Self {
        let Some(Identified { owned, secret }) = found else {
            return Self { found: false, token: None, secret_id: None, secret_state: None, owner: None };
        };
        Self {
            found: true,
            secret_id: secret.as_ref().map(|secret| secret.id.to_string()),
            secret_state: secret.map(|secret| secret.state.as_str()),
            token: Some(owned.token.into()),
            owner: Some(owned.owner.into()),
        }
    }
}

impl From<Person> for PersonResponse {
    fn from(person: Person) -> Self {
        let Person { user, created_at, tokens, sessions } = person;
        Self {
            id: user.id.to_string(),
            username: user.profile.username,
            email: user.profile.email,
            provider: user.provider,
            roles: user.profile.roles.into_iter().collect(),
            created_at: created_at.rfc3339(),
            last_login_at: user.last_login_at.rfc3339(),
            disabled_at: user.disabled_at.map(Timestamp::rfc3339),
            tokens,
            sessions,
        }
    }
}

/// A place in everybody's tokens as opaque text, with the order in which it is one.
pub(in crate::server::http) fn write_mark(order: Order, mark: &Mark) -> String {
    let key = match &mark.key {
        MarkKey::Micros(micros) => micros.to_string(),
        MarkKey::Name(name) => name.clone(),
    };
    URL_SAFE_NO_PAD.encode(format!("{}{}{key}", mark.id, letter(order)))
}

/// Reads what [`write_mark`] wrote, for the same order: in another one it is no place.
pub(in crate::server::http) fn read_mark(order: Order, text: &str) -> Option<Mark> {
    let plain = opened(text)?;
    let (id, key) = plain.split_at_checked(36)?;
    let key = key.strip_prefix(letter(order))?;
    let key = match order {
        Order::Age | Order::Use => MarkKey::Micros(key.parse().ok()?),
        Order::Name => MarkKey::Name(key.to_owned()),
    };
    Some(Mark { key, id: id.parse().ok()? })
}

const fn letter(order: Order) -> char {
    match order {
        Order::Age => 'm',
        Order::Name => 'n',
        Order::Use => 'u',
    }
}

/// The text in a cursor. No text has a NUL, and not every database takes one.
fn opened(cursor: &str) -> Option<String> {
    let plain = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    (!plain.contains('\0')).then_some(plain)
}

/// A place in the list of users as opaque text.
pub(in crate::server::http) fn write_person((name, id): &(String, UserId)) -> String {
    URL_SAFE_NO_PAD.encode(format!("{id}{name}"))
}

/// Reads what [`write_person`] wrote.
pub(in crate::server::http) fn read_person(text: &str) -> Option<(String, UserId)> {
    let plain = opened(text)?;
    let (id, name) = plain.split_at_checked(36)?;
    Some((name.to_owned(), id.parse().ok()?))
}
