//! What owners do with their tokens.

mod change;
mod make;
mod read;
mod view;

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::domain::entropy::Entropy;
use crate::domain::error::FieldErrors;
use crate::domain::id::TokenId;
use crate::domain::lifetime::ExpiryRequest;
use crate::domain::scope::Catalogue;
use crate::domain::secret::{PlainToken, Prefix};
use crate::domain::time::{Clock, Timestamp};
use crate::domain::token::{TokenPolicy, TokenState};
use crate::domain::view::TokenView;
use crate::server::credential::argon::{ArgonError, Hasher};
use crate::server::keys::Keys;
use crate::server::store::{Db, StoreError};

use super::Caller;

pub(super) use change::revoked;
pub use change::{By, Ended, TOLD_FOR};
pub use read::HistoryEntry;

/// The use cases of owners.
#[derive(Clone)]
pub struct Tokens {
    parts: Arc<TokenParts>,
}

/// What the use cases are made of.
pub struct TokenParts {
    /// The store.
    pub db: Db,
    /// Keys of fast proofs.
    pub keys: Arc<Keys>,
    /// Maker of durable proofs.
    pub hasher: Hasher,
    /// Scopes on offer.
    pub catalogue: Arc<Catalogue>,
    /// What new tokens begin with.
    pub prefix: Prefix,
    /// When tokens are good.
    pub policy: TokenPolicy,
    /// Most active tokens of one user.
    pub max_active: u32,
    /// How recent a login must be to make a secret, or to end many.
    pub fresh_login: Option<Duration>,
    /// The present time.
    pub clock: Arc<dyn Clock>,
    /// Randomness of tokens.
    pub entropy: Arc<dyn Entropy>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

/// A token that is asked for.
#[derive(Clone, Debug, Default)]
pub struct CreateToken {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Names of scopes.
    pub scopes: Vec<String>,
    /// When it shall expire.
    pub expiry: ExpiryRequest,
    /// Networks it may be used from (CIDR).
    pub allowed_ips: Vec<String>,
    /// The one-use key of the form.
    pub form_key: Option<String>,
}

/// A change of a token; absent parts stay.
#[derive(Clone, Debug, Default)]
pub struct EditToken {
    /// Name.
    pub name: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// Scopes: a part of the present ones.
    pub scopes: Option<Vec<String>>,
    /// The version that the change was decided on.
    pub if_version: Option<i64>,
}

/// A new secret that is asked for. The earlier ones end at once.
#[derive(Clone, Debug, Default)]
pub struct RegenerateToken {
    /// When it shall expire.
    pub expiry: ExpiryRequest,
    /// The version that the change was decided on.
    pub if_version: Option<i64>,
    /// The one-use key of the form.
    pub form_key: Option<String>,
}

/// Which tokens to list.
#[derive(Clone, Debug, Default)]
pub struct ListTokens {
    /// Only those in this state.
    pub state: Option<TokenState>,
    /// Part of the name or description.
    pub search: String,
    /// Where an earlier list stopped.
    pub after: Option<Cursor>,
    /// How many at most.
    pub limit: usize,
}

/// The place of a token in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// When it was made.
    pub created_at: Timestamp,
    /// Its id.
    pub id: TokenId,
}

/// Part of a list.
#[derive(Clone, Debug)]
pub struct TokenList {
    /// The tokens.
    pub items: Vec<TokenView>,
    /// Where the next part begins, if there is one.
    pub next: Option<Cursor>,
}

/// A token with the secret that was just made for it: the only time that both meet.
#[derive(Debug)]
pub struct Issued {
    /// The token.
    pub token: TokenView,
    /// Its secret in the clear.
    pub secret: PlainToken,
}

/// Why something could not be done.
#[derive(Debug, Error)]
pub enum TokenError {
    /// Some values are wrong.
    #[error("Some of the values cannot be accepted.")]
    Invalid(FieldErrors),
    /// There is no such token, or it is somebody else's.
    #[error("There is no such token.")]
    NotFound,
    /// There is no such user.
    #[error("There is no such user.")]
    NoSuchUser,
    /// Some of several tokens are revoked, and others are not.
    #[error("{done} of {all} tokens are revoked. The others could not be; please repeat this in a moment.")]
    Partly {
        /// So many are.
        done: usize,
        /// So many should be.
        all: usize,
    },
    /// As many active tokens as are allowed.
    #[error("You have {0} active tokens, the most that is allowed here. Please revoke one that you no longer need.")]
    LimitReached(u32),
    /// The state of the token does not allow it.
    #[error("{0}")]
    Conflict(String),
    /// The token is no longer what the change was decided on.
    #[error("The token was changed meanwhile. Please look at it again.")]
    VersionMismatch,
    /// The login is too long ago.
    #[error("Please log in again: this needs a recent login.")]
    StaleLogin,
    /// The form was used before and led to this token.
    #[error("This form was used already.")]
    FormUsed(TokenId),
    /// Nobody can say or do it now.
    #[error("This cannot be done right now. Nothing has changed; please try again in a moment.")]
    Unavailable,
    /// It may have been done.
    #[error("The database did not confirm this in time, so it may have been done or not. Please look, and try again.")]
    Unconfirmed,
}

impl TokenError {
    /// Names what is wrong with an expiry by the field that it was given in.
    #[must_use]
    pub fn about_expiry(self, field: &'static str) -> Self {
        match self {
            Self::Invalid(errors) => Self::Invalid(errors.renamed(make::EXPIRY, field)),
            other => other,
        }
    }
}

impl From<StoreError> for TokenError {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the database could not be asked");
        if error.is_unconfirmed() { Self::Unconfirmed } else { Self::Unavailable }
    }
}

impl From<ArgonError> for TokenError {
    fn from(error: ArgonError) -> Self {
        tracing::warn!(%error, "a secret could not be made");
        Self::Unavailable
    }
}

impl Tokens {
    /// From their parts.
    #[must_use]
    pub fn new(parts: TokenParts) -> Self {
        Self { parts: Arc::new(parts) }
    }

    /// The scopes on offer.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.parts.catalogue
    }

    /// The rules of lifetimes and suspensions.
    #[must_use]
    pub fn policy(&self) -> &TokenPolicy {
        &self.parts.policy
    }

    /// Whether a login is recent enough to make a secret, or to end many.
    ///
    /// # Errors
    /// [`TokenError::StaleLogin`]
    pub fn require_fresh_login(&self, caller: &Caller) -> Result<(), TokenError> {
        let age = self.parts.clock.now().since(caller.auth_time);
        if self.parts.fresh_login.is_some_and(|limit| age > limit) { Err(TokenError::StaleLogin) } else { Ok(()) }
    }
}
