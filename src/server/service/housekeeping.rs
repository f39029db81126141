//! What has to be done now and then: noticing what has run out, forgetting what nobody needs any more, counting.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::time::Clock;
use crate::server::config::SessionConfig;
use crate::server::service::live::Live;
use crate::server::service::overview::Overview;
use crate::server::store::{Db, StoreError};
use crate::server::telemetry::Metrics;

/// Pause between two rounds.
const PERIOD: Duration = Duration::from_mins(1);
/// Expiries noticed in one round.
const BATCH: u32 = 500;
/// How long a used form is remembered.
const FORM_MEMORY: Duration = Duration::from_hours(7 * 24);

/// Does the rounds.
pub struct Housekeeper {
    /// The store.
    pub db: Db,
    /// Limits of sessions.
    pub sessions: SessionConfig,
    /// The present time.
    pub clock: Arc<dyn Clock>,
    /// What is held in memory.
    pub live: Live,
    /// Takes what administrators are told first.
    pub overview: Overview,
    /// Takes the number of tokens.
    pub metrics: Metrics,
}

impl std::fmt::Debug for Housekeeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Housekeeper").finish_non_exhaustive()
    }
}

impl Housekeeper {
    /// Does the rounds for as long as it is polled.
    pub async fn run(self) {
        let mut tick = tokio::time::interval(PERIOD);
        loop {
            tick.tick().await;
            if let Err(error) = self.round().await {
                tracing::warn!(%error, "housekeeping did not finish; it will be tried again");
            }
        }
    }

    /// One round.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn round(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        // What runs out is over for ever, and what is forgotten is gone for everybody.
        let surely = self.db.surely(now).await?;
        self.db.delete_old_sessions(surely.minus(self.sessions.absolute)).await?;
        self.live.forget_old_passports(now);
        self.db.delete_old_form_keys(surely.minus(FORM_MEMORY)).await?;
        for secret in self.db.find_overdue(surely, BATCH).await? {
            self.db.latch_expiry(secret, surely).await?;
        }
        let counted = self.count().await;
        // Whatever takes too long must not keep the other from being done, time after time.
        self.db.delete_old_changes().await?;
        counted
    }

    async fn count(&self) -> Result<(), StoreError> {
        if !self.overview.is_due() {
            return Ok(());
        }
        let census = self.overview.count().await?.census;
        let by_state = [census.active, census.expired, census.revoked, census.suspended];
        self.metrics.note_tokens(by_state, census.expiring);
        Ok(())
    }
}
