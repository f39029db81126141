//! The relying party of OpenID Connect Core 1.0: authorization code flow with PKCE (RFC 7636), state and nonce. And
//! the resource server of RFC 9068, for access tokens as credentials. The protocol only; what a login or a token means
//! here is decided elsewhere.

pub mod access;
pub mod claims;
mod discovery;
mod fetch;
mod jwt_values;
mod keys;
mod protocol;
mod provider;
mod verify;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::domain::time::Timestamp;
use crate::domain::user::{ExternalIdentity, Profile};

pub use fetch::{Fetch, FetchError};
pub use provider::{Provider, Providers};

/// A person whom a provider vouches for.
#[derive(Clone, Debug)]
pub struct VerifiedLogin {
    /// The provider's configured name.
    pub provider: String,
    /// Who.
    pub identity: ExternalIdentity,
    /// What the provider says about them.
    pub profile: Profile,
    /// The provider's own session (`sid`).
    pub provider_sid: Option<String>,
    /// When they proved who they are, if the provider says.
    pub auth_time: Option<Timestamp>,
}

/// A login that a browser was sent away for. Kept, encrypted, in a cookie of that browser.
#[derive(Clone, Serialize, Deserialize)]
pub struct PendingLogin {
    /// The provider's configured name.
    pub provider: String,
    /// Ties the answer to this browser.
    pub state: String,
    /// Ties the ID token to this login.
    pub nonce: String,
    /// Proves to the token endpoint that both requests are ours.
    pub verifier: String,
    /// Where the browser wanted to go: a local path.
    pub return_to: String,
    /// The oldest login that is fresh enough, in seconds, if a fresh one was asked for.
    pub max_age: Option<u64>,
    /// When the browser was sent away.
    pub started_at: Timestamp,
}

/// What a provider's redirect brings back (OpenID Connect Core, section 3.1.2.5; RFC 9207).
#[derive(Clone, Debug, Default, Deserialize)]
pub struct CallbackParams {
    /// The authorization code.
    pub code: Option<String>,
    /// Our state.
    pub state: Option<String>,
    /// The issuer, where the provider sends it.
    pub iss: Option<String>,
    /// An error code instead of a code.
    pub error: Option<String>,
    /// What the provider says about the error.
    pub error_description: Option<String>,
}

/// Why a login did not come about.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LoginError {
    /// The provider does not answer, or not as it should.
    #[error("the provider cannot be used: {0}")]
    ProviderUnavailable(String),
    /// The provider answered with an error.
    #[error("the provider refused: {0}")]
    ProviderRefused(String),
    /// The answer does not belong to a login that this browser started.
    #[error("the answer does not belong to a login of this browser")]
    NotStartedHere,
    /// The login took too long.
    #[error("the login took too long")]
    TooLate,
    /// What the provider says about the person cannot be believed.
    #[error("the identity cannot be verified: {0}")]
    Unverified(String),
    /// The provider did not ask the person again although we wanted it to.
    #[error("the provider did not ask {} for a fresh login", who.username)]
    NotFresh {
        /// Who.
        who: Refused,
    },
    /// The person may not log in here.
    #[error("{} may not log in: {reason}", who.username)]
    NotAllowed {
        /// Who.
        who: Refused,
        /// A code: `required_roles` or `required_claims`.
        reason: &'static str,
    },
    /// The provider left the groups out because there are too many.
    #[error("the provider did not list the groups of {} because there are too many", who.username)]
    TooManyGroups {
        /// Who.
        who: Refused,
    },
}

/// Somebody who was verified and is not let in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// The name to show.
    pub username: String,
    /// `sub`
    pub subject: String,
}

impl LoginError {
    /// The code under which a refusal of a verified person is recorded; `None` where nobody was verified.
    #[must_use]
    pub const fn refusal(&self) -> Option<&'static str> {
        match self {
            Self::NotAllowed { reason, .. } => Some(reason),
            Self::TooManyGroups { .. } => Some("too_many_groups"),
            Self::NotFresh { .. } => Some("not_fresh"),
            _ => None,
        }
    }

    /// Who was refused.
    #[must_use]
    pub const fn who(&self) -> Option<&Refused> {
        match self {
            Self::NotAllowed { who, .. } | Self::TooManyGroups { who } | Self::NotFresh { who } => Some(who),
            _ => None,
        }
    }
}
