//! The outcome of one check.

use std::sync::Arc;

use super::id::{TokenId, UserId};
use super::requirement::Insufficient;
use super::scope::ScopeSet;
use super::time::Timestamp;
use super::user::Profile;

/// A good credential that meets every requirement: who it is and what it may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// How the credential was proved.
    pub method: Method,
    /// The owner.
    pub user: UserId,
    /// The owner's profile as of the last login.
    pub profile: Arc<Profile>,
    /// The token, where the credential is one.
    pub token: Option<TokenId>,
    /// Scopes that the owner may use now.
    pub scopes: Arc<ScopeSet>,
    /// When the credential stops being good; never if absent.
    pub expires_at: Option<Timestamp>,
}

/// The kind of credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// A personal access token.
    Pat,
    /// An access token of a login provider.
    Oidc,
}

impl Method {
    /// The name that headers and metrics use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pat => "pat",
            Self::Oidc => "oidc",
        }
    }
}

/// Why a check does not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denial {
    /// There was no credential.
    NoCredential,
    /// The credential is not good. Why is for logs and metrics only: the answer is the same for all.
    Invalid(Invalid),
    /// The credential is good but does not suffice.
    Insufficient {
        /// What is missing.
        missing: Insufficient,
        /// The required scopes, for the challenge.
        scope: String,
    },
    /// The credential is good but not from this address.
    AddressRefused,
    /// Nobody can say now.
    Unavailable,
}

/// Why a credential is not good. Never told to whoever presented it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// More than one credential in a request.
    Several,
    /// No kind of credential has this shape, or its checksum is wrong.
    Malformed,
    /// No such secret, or nobody here whom the credential names.
    Unknown,
    /// The id exists, the secret is another.
    WrongSecret,
    /// Signed by nobody who is trusted here, or not made for this place.
    Untrusted,
    /// The token was revoked.
    Revoked,
    /// The secret was replaced.
    Ended,
    /// The secret ran out.
    Expired,
    /// Suspended, or its owner is disabled.
    Suspended,
}

impl Invalid {
    /// The reason's lasting name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Several => "several",
            Self::Malformed => "malformed",
            Self::Unknown => "unknown",
            Self::WrongSecret => "wrong_secret",
            Self::Untrusted => "untrusted",
            Self::Revoked => "revoked",
            Self::Ended => "ended",
            Self::Expired => "expired",
            Self::Suspended => "suspended",
        }
    }
}

impl Denial {
    /// The outcome's name in metrics and logs.
    #[must_use]
    pub const fn outcome(&self) -> &'static str {
        match self {
            Self::NoCredential => "no_credential",
            Self::Invalid(_) => "invalid_token",
            Self::Insufficient { .. } => "insufficient",
            Self::AddressRefused => "address_refused",
            Self::Unavailable => "unavailable",
        }
    }
}
