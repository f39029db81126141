//! Making the next key and forgetting old ones. Any server and the command line may do it, at the same time.

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::domain::audit::{Action, Draft, Origin, Party};
use crate::domain::signing::{Algorithm, KeyFacts, KeyStanding, KeyState, Schedule};
use crate::domain::time::{Clock, Timestamp};
use crate::server::keys::Keys;
use crate::server::keys::signing::{Pkcs8, SigningKey, SigningKeyError};
use crate::server::store::{Db, NewSigningKey, SigningKeyRow, StoreError};

/// Why keys cannot be looked after.
#[derive(Debug, Error)]
pub enum SigningError {
    /// The store cannot be asked.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// A key cannot be made or read.
    #[error("{0}")]
    Key(#[from] SigningKeyError),
    /// A key does not open under the present secret key.
    #[error("the signing key {0} was sealed with another secret key")]
    Sealed(String),
}

/// Looks after the keys.
#[derive(Clone)]
pub struct Rotation {
    /// The store.
    pub db: Db,
    /// Seals private halves.
    pub keys: Arc<Keys>,
    /// How new keys sign.
    pub algorithm: Algorithm,
    /// How long their JWTs live.
    pub ttl: Duration,
    /// The present time.
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Rotation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rotation").finish_non_exhaustive()
    }
}

/// Who wants a next key.
#[derive(Clone, Copy)]
enum Cause {
    Schedule,
    Operator,
}

impl Rotation {
    /// Opens the private half of a key.
    ///
    /// # Errors
    /// When it was sealed with another secret key.
    pub(super) fn open(&self, row: &SigningKeyRow) -> Result<SigningKey, SigningError> {
        let key = &row.facts;
        let pkcs8 = self.keys.open_signing_key(&key.kid, key.algorithm, &row.sealed);
        let pkcs8 = pkcs8.ok_or_else(|| SigningError::Sealed(key.kid.clone()))?;
        Ok(SigningKey::read(key.algorithm, &pkcs8)?)
    }

    /// Withdraws keys that were sealed with another secret key: it was lost, or replaced because others saw it, and the
    /// database was told to forget it. Then nothing can be signed with them, and nothing should be.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub(super) async fn withdraw_sealed(&self) -> Result<(), SigningError> {
        for row in self.db.list_signing_keys().await? {
            if let Err(error) = self.open(&row) {
                tracing::warn!(%error, "it is withdrawn");
                self.withdraw(&row.facts, self.clock.now()).await?;
            }
        }
        Ok(())
    }

    async fn withdraw(&self, key: &KeyFacts, now: Timestamp) -> Result<(), SigningError> {
        let draft = draft(Action::KeyWithdrawn, Party::SYSTEM, &key.kid);
        Ok(self.db.withdraw_signing_key(&key.kid, &draft, now).await?)
    }

    /// Withdraws keys that nobody needs any more, and makes the next one when it is time.
    ///
    /// # Errors
    /// When the store cannot be asked or a key cannot be made.
    pub async fn tend(&self) -> Result<(), SigningError> {
        // Keys never come back, and the next one signs from a time that nobody can change.
        let now = self.db.surely(self.clock.now()).await?;
        let rows = self.db.list_signing_keys().await?;
        if rows.iter().any(|row| row.facts.longest_ttl < self.ttl) {
            self.db.raise_longest_ttl(self.ttl).await?;
        }
        let schedule = schedule(&rows);
        for (key, standing) in schedule.standings(now) {
            if standing.state == KeyState::Withdrawn {
                self.withdraw(key, now).await?;
            }
        }
        if schedule.due(self.algorithm, now).is_some() {
            self.make(Cause::Schedule, now).await?;
        }
        Ok(())
    }

    /// Makes the next key at an operator's word, unless one waits already. Whether it was made.
    ///
    /// # Errors
    /// When the store cannot be asked or a key cannot be made.
    pub async fn rotate(&self) -> Result<bool, SigningError> {
        self.make(Cause::Operator, self.db.surely(self.clock.now()).await?).await
    }

    /// The keys that are published, with what each is for.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn list(&self) -> Result<Vec<(KeyFacts, KeyStanding)>, SigningError> {
        let schedule = schedule(&self.db.list_signing_keys().await?);
        let standings = schedule.standings(self.clock.now());
        let published = standings.filter(|(_, standing)| standing.state != KeyState::Withdrawn);
        Ok(published.map(|(key, standing)| (key.clone(), standing)).collect())
    }

    async fn make(&self, cause: Cause, now: Timestamp) -> Result<bool, SigningError> {
        let algorithm = self.algorithm;
        let (key, pkcs8) = generate(algorithm).await?;
        let sealed = self.keys.seal_signing_key(key.kid(), algorithm, &pkcs8).ok_or(SigningKeyError)?;
        let new =
            NewSigningKey { kid: key.kid(), algorithm, public_jwk: key.public_jwk(), sealed: &sealed, ttl: self.ttl };
        // Asked again where nobody else can write: another process may have made one in the meantime.
        let decide = |schedule: &Schedule| match cause {
            Cause::Schedule => schedule.due(algorithm, now),
            Cause::Operator => schedule.successor(now),
        };
        let event = |before: &KeyFacts| {
            let actor = match cause {
                Cause::Schedule => Party::SYSTEM,
                Cause::Operator => Party::OPERATOR,
            };
            let from = before.algorithm.to_string();
            draft(Action::KeyRotated, actor, key.kid())
                .changed("key", Some(before.kid.clone()), Some(key.kid().to_owned()))
                .changed("algorithm", Some(from), Some(algorithm.to_string()))
        };
        Ok(self.db.add_signing_key(&new, decide, event, now).await?)
    }
}

pub(super) fn schedule(rows: &[SigningKeyRow]) -> Schedule {
    Schedule::new(rows.iter().map(|row| row.facts.clone()).collect())
}

fn draft(action: Action, actor: Party, kid: &str) -> Draft {
    Draft::new(action, actor, Party::key(kid), &Origin::default())
}

async fn generate(algorithm: Algorithm) -> Result<(SigningKey, Pkcs8), SigningKeyError> {
    let made = tokio::task::spawn_blocking(move || SigningKey::generate(algorithm)).await;
    made.unwrap_or(Err(SigningKeyError))
}
