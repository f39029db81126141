//! What can go wrong in the store.

use thiserror::Error;

/// The database cannot be asked, or answered what it never should.
#[derive(Debug, Error)]
#[error("the database: {0}")]
pub struct StoreError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl StoreError {
    /// An answer that somebody else was waiting for, too, and that did not come.
    #[must_use]
    pub fn interrupted() -> Self {
        Self("the question was not answered".into())
    }

    /// A row that does not read as what it should be.
    pub(super) fn corrupt(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(error.into())
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self(Box::new(error))
    }
}

impl From<serde_json::Error> for StoreError {
    fn from(error: serde_json::Error) -> Self {
        Self(Box::new(error))
    }
}

impl From<sqlx::migrate::MigrateError> for StoreError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        Self(Box::new(error))
    }
}
