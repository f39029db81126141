//! Tokens and their secrets.

mod change;
mod list;
mod lookup;
pub(super) mod sql;

use ipnet::IpNet;

use crate::domain::id::{TokenId, UserId};
use crate::domain::scope::ScopeSet;
use crate::domain::secret::SecretId;
use crate::domain::time::Timestamp;
use crate::domain::token::{SecretFacts, TokenFacts};
use crate::domain::user::User;

pub use change::{AddOutcome, ChangeOutcome, Edit, NewSecret, NewToken};
pub use list::TokenPage;
pub(super) use list::{TokenColumns, exact_pattern, group, like_pattern};

/// A token of somebody: whoever names another's token names nothing.
#[derive(Clone, Copy, Debug)]
pub struct TokenKey {
    /// The token.
    pub id: TokenId,
    /// Its owner.
    pub owner: UserId,
}

/// Everything that one check needs, in one row.
#[derive(Clone, Debug)]
pub struct CheckRow {
    /// The token.
    pub token_id: TokenId,
    /// What its standing depends on.
    pub token: TokenFacts,
    /// The secret that was presented.
    pub secret: SecretFacts,
    /// When that one was last used, as far as it is written down.
    pub secret_last_used_at: Option<Timestamp>,
    /// Its durable proof.
    pub phc: String,
    /// Its fast proof and the key that made it.
    pub hmac: Option<(String, Vec<u8>)>,
    /// Scopes of the token.
    pub scopes: ScopeSet,
    /// Networks it may be used from.
    pub allowed_ips: Vec<IpNet>,
    /// Its owner.
    pub owner: User,
}

/// A token with its secrets, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRow {
    /// Its id.
    pub id: TokenId,
    /// Its name.
    pub name: String,
    /// Its description.
    pub description: String,
    /// Its scopes.
    pub scopes: ScopeSet,
    /// Networks it may be used from.
    pub allowed_ips: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// Why.
    pub revoked_reason: Option<String>,
    /// Its last use.
    pub last_used_at: Option<Timestamp>,
    /// From where.
    pub last_used_ip: Option<String>,
    /// Counts its changes.
    pub version: i64,
    /// Its secrets; there is always one.
    pub secrets: Vec<SecretRow>,
}

/// A secret, without its proofs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretRow {
    /// Its public name.
    pub id: SecretId,
    /// What its standing depends on.
    pub facts: SecretFacts,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Its last use.
    pub last_used_at: Option<Timestamp>,
}
