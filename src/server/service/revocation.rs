//! Token revocation (RFC 7009): whoever holds a secret can end its token.

use crate::domain::audit::Origin;
use crate::domain::secret::TokenText;
use crate::domain::token::{Standing, TokenPolicy};
use crate::domain::verdict::Invalid;
use crate::server::credential::Unproven;
use crate::server::credential::pat::{KnownToken, PatValidator};
use crate::server::store::Touched;

use super::tokens::{By, TokenError, Tokens};

/// Most tokens in one report: anybody may send one, and each may cost a look into the database.
pub const REPORTED_MAX: usize = 50;

/// What somebody reported, once it was read.
pub struct Report<'t>(Vec<TokenText<'t>>);

impl Report<'_> {
    /// How many tokens there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

impl std::fmt::Debug for Report<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Report").field("count", &self.count()).finish()
    }
}

/// What holders of tokens can do.
#[derive(Clone)]
pub struct Revocation {
    pat: PatValidator,
    policy: TokenPolicy,
    tokens: Tokens,
}

impl std::fmt::Debug for Revocation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Revocation").finish_non_exhaustive()
    }
}

impl Revocation {
    /// From its parts.
    #[must_use]
    pub const fn new(pat: PatValidator, policy: TokenPolicy, tokens: Tokens) -> Self {
        Self { pat, policy, tokens }
    }

    /// Sees to it that a text is no good token afterwards. What is none is none already, and nothing changes.
    ///
    /// # Errors
    /// [`TokenError::Unavailable`] and its like when that could not be done: the token may still be good.
    pub async fn revoke(&self, credential: &str, origin: &Origin) -> Result<(), TokenError> {
        self.end(credential, &By::Holder, origin).await
    }

    /// The same for a token that somebody found at a place.
    ///
    /// # Errors
    /// As [`Revocation::revoke`].
    pub async fn revoke_leaked(&self, credential: &str, place: String, origin: &Origin) -> Result<(), TokenError> {
        self.end(credential, &By::Scanner { place }, origin).await
    }

    /// Tells the owner of a token where somebody found it, and leaves it as it is.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn note_leaked(&self, credential: &str, place: String, origin: &Origin) -> Result<(), TokenError> {
        match self.pat.prove(credential).await {
            Ok(token) if self.may_become_good(&token.known).await? => {
                self.tokens.note_leak(&token.known.grant, &By::Scanner { place }, origin).await
            }
            Ok(_) | Err(Unproven::Invalid(_)) => Ok(()),
            Err(Unproven::Unavailable) => Err(TokenError::Unavailable),
        }
    }

    /// The tokens in a text that somebody found where they should not be, good or not.
    #[must_use]
    pub fn read_report<'t>(&self, text: &'t str) -> Report<'t> {
        Report(self.pat.tokens_in(text))
    }

    /// Sees to it that none of them is good afterwards; at most [`REPORTED_MAX`] are looked at.
    ///
    /// # Errors
    /// As [`Revocation::revoke`].
    pub async fn end_reported(&self, report: &Report<'_>, origin: &Origin) -> Result<(), TokenError> {
        for token in report.0.iter().take(REPORTED_MAX) {
            self.end(token.reveal(), &By::Finder, origin).await?;
        }
        Ok(())
    }

    async fn end(&self, credential: &str, by: &By, origin: &Origin) -> Result<(), TokenError> {
        match self.pat.prove(credential).await {
            Ok(token) => self.end_proven(&token.known, by, origin).await,
            // Somebody else may have ended it just now.
            Err(Unproven::Invalid(Invalid::Ended)) => self.tokens.settled(Touched::Nothing).await,
            Err(Unproven::Invalid(_)) => Ok(()),
            Err(Unproven::Unavailable) => Err(TokenError::Unavailable),
        }
    }

    async fn may_become_good(&self, token: &KnownToken) -> Result<bool, TokenError> {
        let standing = self.policy.standing(&token.token_facts(), &token.facts, self.tokens.surely().await?);
        Ok(matches!(standing, Standing::Good | Standing::Suspended(_)))
    }

    /// A secret that is over for ever says nothing any more about the token, which may have another one.
    async fn end_proven(&self, token: &KnownToken, by: &By, origin: &Origin) -> Result<(), TokenError> {
        let now = self.tokens.surely().await?;
        match self.policy.standing(&token.token_facts(), &token.facts, now) {
            // A suspension passes, so a suspended token is worth ending.
            Standing::Good | Standing::Suspended(_) => self.tokens.revoke_itself(&token.grant, by, origin).await,
            Standing::Expired => self.tokens.expire(token.secret, now).await,
            // Somebody else may have ended it just now.
            Standing::Revoked | Standing::Ended => {
                self.tokens.settled(token.grant.token.map_or(Touched::Nothing, Touched::Token)).await
            }
        }
    }
}
