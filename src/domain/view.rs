//! What may leave the server: the shapes that pages and the API are made of. None of them can hold a secret.

use serde::{Deserialize, Serialize};

use super::id::{SessionId, TokenId, UserId};
use super::scope::ScopeSet;
use super::secret::SecretId;
use super::time::Timestamp;
use super::token::{SecretState, Suspension, TokenState};
use super::user::Attributes;

/// A token as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenView {
    /// Its lasting id.
    pub id: TokenId,
    /// Its name.
    pub name: String,
    /// What it is for; may be empty.
    pub description: String,
    /// Scopes it was given.
    pub scopes: ScopeSet,
    /// Those of them that its owner may use now.
    pub effective_scopes: ScopeSet,
    /// Its present state.
    pub state: TokenState,
    /// Why it is suspended, when it is.
    pub suspension: Option<Suspension>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its current secret runs out under the present policy; never if absent.
    pub expires_at: Option<Timestamp>,
    /// Its last use.
    pub last_used_at: Option<Timestamp>,
    /// From where it was last used.
    pub last_used_ip: Option<String>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// The reason that was given.
    pub revoked_reason: Option<String>,
    /// Networks it may be used from (CIDR); from everywhere when empty.
    pub allowed_ips: Vec<String>,
    /// Its secrets, newest first.
    pub secrets: Vec<SecretView>,
    /// Counts its changes, for `If-Match`.
    pub version: i64,
}

/// One secret of a token, without the secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretView {
    /// Its public name.
    pub id: SecretId,
    /// Its state.
    pub state: SecretState,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ended or will end.
    pub ends_at: Option<Timestamp>,
    /// Its last use.
    pub last_used_at: Option<Timestamp>,
}

/// The person who is logged in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeView {
    /// The stable id.
    pub id: UserId,
    /// The name to show.
    pub username: String,
    /// E-mail, where known.
    pub email: Option<String>,
    /// Present roles.
    pub roles: Vec<String>,
    /// Present attributes.
    pub attributes: Attributes,
    /// Whether the admin panel is open to them.
    pub is_admin: bool,
}

/// A browser session as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionView {
    /// Its public id.
    pub id: SessionId,
    /// The login provider.
    pub provider: String,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last seen.
    pub last_seen_at: Timestamp,
}
