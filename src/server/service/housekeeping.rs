//! What has to be done now and then: noticing expiries, forgetting old sessions and form keys.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::time::Clock;
use crate::server::config::SessionConfig;
use crate::server::store::{Db, StoreError};

/// Pause between two rounds.
const PERIOD: Duration = Duration::from_mins(1);
/// Expiries noticed in one round.
const BATCH: u32 = 500;
/// How long a used form is remembered.
const FORM_MEMORY: Duration = Duration::from_hours(168);

/// Does the rounds for as long as it is polled.
pub async fn run(db: Db, limits: SessionConfig, clock: Arc<dyn Clock>) {
    let mut tick = tokio::time::interval(PERIOD);
    loop {
        tick.tick().await;
        if let Err(error) = round(&db, limits, &*clock).await {
            tracing::warn!(%error, "housekeeping did not finish; it will be tried again");
        }
    }
}

/// One round.
///
/// # Errors
/// When the store cannot be asked.
pub async fn round(db: &Db, limits: SessionConfig, clock: &dyn Clock) -> Result<(), StoreError> {
    let now = clock.now();
    for secret in db.find_overdue(now, BATCH).await? {
        db.latch_expiry(secret, now).await?;
    }
    db.delete_old_sessions(now.minus(limits.absolute)).await?;
    db.delete_old_form_keys(now.minus(FORM_MEMORY)).await
}
