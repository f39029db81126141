//! Tokens that somebody who searches public places has found: secret scanning, in the form of GitHub's partner programme.

use std::sync::Arc;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use thiserror::Error;

use crate::domain::audit::Origin;
use crate::domain::text::sanitised;
use crate::server::config::{LeakAction, LeakIntakeConfig};

use super::revocation::Revocation;
use super::tokens::TokenError;

/// Most tokens in one message.
const TOKENS_MAX: usize = 1_000;
/// Longest place that is told, in characters.
const PLACE_MAX: usize = 300;

/// Takes messages from those whose keys are known.
#[derive(Clone)]
pub struct Leaks {
    config: Arc<LeakIntakeConfig>,
    revocation: Revocation,
}

impl std::fmt::Debug for Leaks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Leaks").finish_non_exhaustive()
    }
}

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LeakError {
    /// Nobody may send any.
    #[error("no key is configured")]
    Closed,
    /// It was not signed with a key that is known here.
    #[error("the signature is not one of a known key")]
    Unsigned,
    /// It is not a list of tokens.
    #[error("the message is not a list of tokens")]
    Malformed,
    /// It cannot be done now.
    #[error("it cannot be done now")]
    Unavailable,
}

/// One token in a message.
#[derive(Deserialize)]
struct Found {
    token: String,
    #[serde(default)]
    url: Option<String>,
}

impl Leaks {
    /// As configured.
    #[must_use]
    pub fn new(config: LeakIntakeConfig, revocation: Revocation) -> Self {
        Self { config: Arc::new(config), revocation }
    }

    /// Ends every token that a message names, or tells their owners, as configured.
    ///
    /// # Errors
    /// When it was not signed by somebody who is known, or cannot be taken. What was done before stays done.
    pub async fn take(&self, key: &str, signature: &str, body: &[u8], origin: &Origin) -> Result<(), LeakError> {
        if self.config.keys.is_empty() {
            return Err(LeakError::Closed);
        }
        if !self.is_signed(key, signature, body) {
            return Err(LeakError::Unsigned);
        }
        let found: Vec<Found> = serde_json::from_slice(body).map_err(|_| LeakError::Malformed)?;
        if found.len() > TOKENS_MAX {
            return Err(LeakError::Malformed);
        }
        for each in found {
            self.note(&each, origin).await.map_err(|_| LeakError::Unavailable)?;
        }
        Ok(())
    }

    /// Over the body as it came: whoever reads it first may read something else than was signed.
    fn is_signed(&self, key: &str, signature: &str, body: &[u8]) -> bool {
        let Ok(signature) = STANDARD.decode(signature) else { return false };
        let key = self.config.keys.iter().find(|known| known.id == key);
        key.is_some_and(|key| {
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &key.point).verify(body, &signature).is_ok()
        })
    }

    async fn note(&self, found: &Found, origin: &Origin) -> Result<(), TokenError> {
        // Some places have the token in their address.
        let place = found.url.as_deref().map(|url| sanitised(url.trim(), PLACE_MAX));
        let place = place.filter(|url| !url.is_empty());
        let place = place.map_or_else(|| "found by secret scanning".to_owned(), |url| format!("found at {url}"));
        match self.config.action {
            LeakAction::Revoke => self.revocation.revoke_leaked(&found.token, place, origin).await,
            LeakAction::Notify => self.revocation.note_leaked(&found.token, place, origin).await,
        }
    }
}
