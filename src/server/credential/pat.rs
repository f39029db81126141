//! Personal access tokens.
//!
//! The order matters: shape → checksum → row → HMAC. Only a proven secret learns anything about the token's state,
//! because the id in a token is public; argon2 runs only where the HMAC cannot answer.

use std::sync::Arc;

use crate::domain::secret::{PlainToken, Prefix, SecretId, has_prefix};
use crate::domain::token::SecretState;
use crate::domain::verdict::Invalid;
use crate::server::keys::Keys;
use crate::server::store::{CheckRow, Db, HmacBackfill};

use super::Unproven;
use super::argon::Hasher;

/// Proves personal access tokens.
#[derive(Clone, Debug)]
pub struct PatValidator {
    db: Db,
    keys: Arc<Keys>,
    hasher: Hasher,
    prefixes: Arc<[Prefix]>,
}

/// A token whose secret was proved, with the row it was proved against.
#[derive(Debug)]
pub struct ProvenToken {
    /// The secret's public name.
    pub secret: SecretId,
    /// What is known about it.
    pub row: CheckRow,
    /// A fast proof that was made again and should be kept.
    pub backfill: Option<HmacBackfill>,
}

impl PatValidator {
    /// A validator for tokens with these prefixes.
    #[must_use]
    pub fn new(db: Db, keys: Arc<Keys>, hasher: Hasher, prefixes: Arc<[Prefix]>) -> Self {
        Self { db, keys, hasher, prefixes }
    }

    /// Whether a credential claims to be a token.
    #[must_use]
    pub fn owns(&self, credential: &str) -> bool {
        self.prefixes.iter().any(|prefix| has_prefix(credential, prefix))
    }

    /// Proves a token.
    ///
    /// # Errors
    /// When it is malformed, unknown or has the wrong secret, or when the store or the hasher cannot answer.
    pub async fn prove(&self, credential: &str) -> Result<ProvenToken, Unproven> {
        let token = PlainToken::parse(credential, &*self.prefixes).map_err(|_| invalid(Invalid::Malformed))?;
        let row = self.db.lookup_check(token.id()).await?.ok_or_else(|| invalid(Invalid::Unknown))?;
        let backfill = match &row.hmac {
            Some((key, proof)) if key == self.keys.id() => {
                if !self.keys.verify(&token, proof) {
                    return Err(invalid(Invalid::WrongSecret));
                }
                None
            }
            _ => Some(self.prove_slowly(&token, &row).await?),
        };
        Ok(ProvenToken { secret: token.id(), row, backfill })
    }

    /// The way without a fast proof of the present key. Ended secrets are not worth the work.
    async fn prove_slowly(&self, token: &PlainToken, row: &CheckRow) -> Result<HmacBackfill, Unproven> {
        if row.secret.state == SecretState::Ended || row.token.revoked_at.is_some() {
            return Err(invalid(Invalid::Ended));
        }
        match self.hasher.verify(token, &row.phc).await {
            Ok(true) => {
                Ok(HmacBackfill { secret: token.id(), hmac: self.keys.prove(token), key_id: self.keys.id().to_owned() })
            }
            Ok(false) => Err(invalid(Invalid::WrongSecret)),
            Err(error) => {
                tracing::warn!(%error, secret_id = %token.id(), "a token could not be proved");
                Err(Unproven::Unavailable)
            }
        }
    }
}

const fn invalid(reason: Invalid) -> Unproven {
    Unproven::Invalid(reason)
}
