//! Whether this server can answer.

use std::time::Duration;

use crate::server::store::Db;

/// Longest wait for the store.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks the store.
#[derive(Clone, Debug)]
pub struct Readiness {
    db: Db,
}

impl Readiness {
    /// For a store.
    #[must_use]
    pub const fn new(db: Db) -> Self {
        Self { db }
    }

    /// Whether the store answers in time.
    pub async fn is_ready(&self) -> bool {
        matches!(tokio::time::timeout(PATIENCE, self.db.ping()).await, Ok(Ok(())))
    }
}
