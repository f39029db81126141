//! Whether this server can answer.

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::domain::time::Clock;
use crate::server::store::{Db, StoreError};

use super::live::Live;

/// Longest wait for the store.
const PATIENCE: Duration = Duration::from_secs(2);
/// How far our clock may be from the database's: expiries must mean the same on every replica.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(2);

/// Asks the store.
#[derive(Clone)]
pub struct Readiness {
    db: Db,
    live: Live,
    clock: Arc<dyn Clock>,
}

/// Why this server cannot answer.
#[derive(Debug, Error)]
pub enum NotReady {
    /// The store answers badly.
    #[error("the database cannot be used")]
    Store(#[from] StoreError),
    /// The store does not answer.
    #[error("the database does not answer")]
    Silent,
    /// Times would mean something else here.
    #[error("the clocks of this server and of the database differ by {} s", .0.as_secs())]
    Clock(Duration),
    /// Others have changed something, or may have.
    #[error("this replica cannot prove that it is up to date")]
    Behind,
}

impl std::fmt::Debug for Readiness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Readiness").finish_non_exhaustive()
    }
}

impl Readiness {
    /// For a store and what is held of it.
    #[must_use]
    pub fn new(db: Db, live: Live, clock: Arc<dyn Clock>) -> Self {
        Self { db, live, clock }
    }

    /// Whether checks are answered from memory at present.
    #[must_use]
    pub fn is_believed(&self) -> bool {
        self.live.is_believed()
    }

    /// Whether checks can be answered.
    ///
    /// # Errors
    /// With the reason why not.
    pub async fn examine(&self) -> Result<(), NotReady> {
        let asked = tokio::time::timeout(PATIENCE, self.db.examine(self.live.warrant())).await;
        let theirs = asked.map_err(|_| NotReady::Silent)?.inspect_err(|error| {
            tracing::warn!(%error, "this server is not ready");
        })?;
        let ours = self.clock.now();
        let apart = theirs.map_or(Duration::ZERO, |theirs| ours.since(theirs).max(theirs.since(ours)));
        if apart > CLOCK_TOLERANCE {
            return Err(NotReady::Clock(apart));
        }
        if self.live.is_up_to_date() { Ok(()) } else { Err(NotReady::Behind) }
    }
}
