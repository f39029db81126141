//! Keys that sign JWTs: made, listed and withdrawn, never changed.

use std::time::Duration;

use super::query::query;
use super::{Db, StoreError, Touched, row};
use crate::domain::audit::Draft;
use crate::domain::signing::{Algorithm, KeyFacts, Schedule};
use crate::domain::time::Timestamp;

pub(super) const LIST_SIGNING_KEYS: &str = "
    SELECT kid, algorithm, sealed, created_at, signs_from, longest_ttl
    FROM signing_keys WHERE withdrawn_at IS NULL ORDER BY signs_from, created_at, kid";
pub(super) const ADD_SIGNING_KEY: &str = "
    INSERT INTO signing_keys (kid, algorithm, public_jwk, sealed, created_at, signs_from, longest_ttl)
    VALUES ($1, $2, $3, $4, $5, $6, $7)";
pub(super) const RAISE_TTL: &str =
    "UPDATE signing_keys SET longest_ttl = $1 WHERE withdrawn_at IS NULL AND longest_ttl < $1";
pub(super) const WITHDRAW_SIGNING_KEY: &str =
    "UPDATE signing_keys SET sealed = NULL, withdrawn_at = $2 WHERE kid = $1 AND withdrawn_at IS NULL";

/// A key that is still needed.
pub struct SigningKeyRow {
    /// What the rules know of it.
    pub facts: KeyFacts,
    /// The private half, sealed.
    pub sealed: Vec<u8>,
}

/// A key that was made and may be needed.
pub struct NewSigningKey<'a> {
    /// Its name.
    pub kid: &'a str,
    /// How it signs.
    pub algorithm: Algorithm,
    /// The public half as it is published.
    pub public_jwk: &'a str,
    /// The private half, sealed.
    pub sealed: &'a [u8],
    /// The longest life of a JWT that it may sign.
    pub ttl: Duration,
}

#[derive(sqlx::FromRow)]
struct KeyColumns {
    kid: String,
    algorithm: String,
    sealed: Vec<u8>,
    created_at: i64,
    signs_from: i64,
    longest_ttl: i64,
}

impl Db {
    /// The keys that are still needed, in the order in which they sign.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn list_signing_keys(&self) -> Result<Vec<SigningKeyRow>, StoreError> {
        let asked = query(LIST_SIGNING_KEYS);
        asked.fetch_all(self.reader()).await?.into_iter().map(key_row).collect()
    }

    /// Adds a key that signs from when `decide` says, looking at the keys as they are when it is added: of several
    /// processes that want a next key, one makes it. The event that `draft` makes is written with it; the very first key
    /// comes with the database and needs none. Whether it was added.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn add_signing_key(
        &self,
        key: &NewSigningKey<'_>,
        decide: impl FnOnce(&Schedule) -> Option<Timestamp>,
        draft: impl FnOnce(&KeyFacts) -> Draft,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let columns = query(LIST_SIGNING_KEYS).fetch_all(&mut tx).await?;
        let rows = columns.into_iter().map(key_row).collect::<Result<Vec<_>, _>>()?;
        let schedule = Schedule::new(rows.into_iter().map(|row| row.facts).collect());
        let Some(signs_from) = decide(&schedule) else { return Ok(false) };
        query(ADD_SIGNING_KEY)
            .bind(key.kid)
            .bind(key.algorithm.as_str())
            .bind(key.public_jwk)
            .bind(key.sealed)
            .bind(now.as_micros())
            .bind(signs_from.as_micros())
            .bind(micros(key.ttl))
            .execute(&mut tx)
            .await?;
        if let Some(before) = schedule.last() {
            self.append(&mut tx, &draft(before), now).await?;
        }
        self.commit(tx, Touched::Nothing).await?;
        Ok(true)
    }

    /// Notes that the keys may sign JWTs that live this long.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn raise_longest_ttl(&self, ttl: Duration) -> Result<(), StoreError> {
        query(RAISE_TTL).bind(micros(ttl)).execute(self.writer()).await?;
        Ok(())
    }

    /// Forgets the private half of a key that nobody needs any more, with the event; nothing where that was done.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn withdraw_signing_key(&self, kid: &str, draft: &Draft, now: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let withdrawal = query(WITHDRAW_SIGNING_KEY).bind(kid).bind(now.as_micros());
        if withdrawal.execute(&mut tx).await? == 0 {
            return Ok(());
        }
        self.append(&mut tx, draft, now).await?;
        self.commit(tx, Touched::Nothing).await
    }
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

fn key_row(columns: KeyColumns) -> Result<SigningKeyRow, StoreError> {
    let longest_ttl = u64::try_from(columns.longest_ttl).map_err(StoreError::corrupt)?;
    Ok(SigningKeyRow {
        facts: KeyFacts {
            kid: columns.kid,
            algorithm: row::parse(&columns.algorithm)?,
            created_at: row::time(columns.created_at),
            signs_from: row::time(columns.signs_from),
            longest_ttl: Duration::from_micros(longest_ttl),
        },
        sealed: columns.sealed,
    })
}
