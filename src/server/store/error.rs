//! What can go wrong in the store.

use std::time::Duration;

use sqlx::migrate::MigrateError;
use thiserror::Error;

/// What PostgreSQL says when `lock_timeout` is over.
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// The database cannot be asked, or answered what it never should.
#[derive(Debug, Error)]
#[error("the database: {source}")]
pub struct StoreError {
    source: Box<dyn std::error::Error + Send + Sync>,
    is_unconfirmed: bool,
}

/// The database may still answer, but nobody waits for it any more.
#[derive(Debug, Error)]
#[error("no answer within {} ms", .0.as_millis())]
pub(super) struct Late(pub Duration);

/// Somebody else does what has to be done first.
#[derive(Debug, Error)]
#[error(
    "its schema has to be brought up to date, and another server is doing that and has not finished (session {} of the \
    database): this one has to wait for it",
    .0.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
)]
pub(super) struct Migrating(pub Vec<i64>);

/// It would be unsafe to go on.
#[derive(Debug, Error)]
#[error("commits do not wait for a standby, which database.require_sync demands")]
pub(super) struct NoStandby;

impl StoreError {
    /// An answer that somebody else was waiting for, too, and that did not come.
    #[must_use]
    pub fn interrupted() -> Self {
        Self::corrupt("the question was not answered")
    }

    /// Whether a change may have been made all the same: its commit was sent, and not answered.
    #[must_use]
    pub const fn is_unconfirmed(&self) -> bool {
        self.is_unconfirmed
    }

    /// Whether the database was only too slow, so that it may do what it is asked the next time.
    #[must_use]
    pub fn is_late(&self) -> bool {
        let error = match self.source.downcast_ref() {
            Some(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) => Some(error),
            _ => self.source.downcast_ref(),
        };
        match error {
            None => self.source.is::<Late>() || self.source.is::<Migrating>(),
            Some(sqlx::Error::PoolTimedOut) => true,
            Some(error) => {
                let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
                code.is_some_and(|code| code == LOCK_NOT_AVAILABLE)
            }
        }
    }

    /// Whether it is refused because commits wait for no standby.
    #[must_use]
    pub fn lacks_standby(&self) -> bool {
        self.source.is::<NoStandby>()
    }

    /// The same of a commit that was sent.
    pub(super) fn unconfirmed(self) -> Self {
        Self { is_unconfirmed: true, ..self }
    }

    /// A row that does not read as what it should be.
    pub(super) fn corrupt(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { source: error.into(), is_unconfirmed: false }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::corrupt(error)
    }
}

impl From<serde_json::Error> for StoreError {
    fn from(error: serde_json::Error) -> Self {
        Self::corrupt(error)
    }
}

impl From<MigrateError> for StoreError {
    fn from(error: MigrateError) -> Self {
        Self::corrupt(error)
    }
}
