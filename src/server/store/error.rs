//! What can go wrong in the store.

use thiserror::Error;

/// The database cannot be asked, or answered what it never should.
#[derive(Debug, Error)]
#[error("the database: {source}")]
pub struct StoreError {
    source: Box<dyn std::error::Error + Send + Sync>,
    is_unconfirmed: bool,
}

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

impl From<sqlx::migrate::MigrateError> for StoreError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        Self::corrupt(error)
    }
}
