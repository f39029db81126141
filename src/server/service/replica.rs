//! Keeping up with what others do to the database: other replicas, an operator's shell, our own command line.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;

use super::live::{Live, LookError};
use super::signing::{Signer, SigningError};
use crate::server::store::{Db, StoreError};
use crate::server::telemetry::{Lines, Metrics};

/// Pause between two looks at a file: nobody says when there is something to see.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The same where changes are announced: a third of a lease, so that one look may fail.
const RENEW_EVERY: Duration = Duration::from_millis(300);
/// Pause before listening anew.
const LISTEN_AGAIN: Duration = Duration::from_millis(500);

/// Notices it, and says so to whoever waits for that.
#[derive(Clone, Debug)]
pub struct Replica {
    /// Has to forget what is no longer so.
    pub live: Live,
    /// Has to know of new keys.
    pub signer: Signer,
    /// The store.
    pub db: Db,
    /// Takes how well it keeps up.
    pub metrics: Metrics,
}

/// Why nothing was answered.
#[derive(Debug, Error)]
pub enum AnswerError {
    /// Memory does not know what was changed.
    #[error("{0}")]
    Look(#[from] LookError),
    /// The store cannot be asked.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The keys cannot be used.
    #[error("{0}")]
    Signing(#[from] SigningError),
}

impl Replica {
    /// Keeps up for as long as it is polled.
    pub async fn keep_up(self) {
        let announced = Arc::new(Notify::new());
        tokio::join!(self.listen(&announced), self.keep_looking(&announced));
    }

    /// Hears of changes as they are made. Only a hint: what is not heard is seen at the next look.
    async fn listen(&self, announced: &Notify) {
        loop {
            let ended = async {
                let mut announcements = self.db.announcements().await?;
                loop {
                    // Also once at the beginning: something may have been announced before.
                    announced.notify_one();
                    announcements.next().await?;
                }
            };
            let Err::<(), StoreError>(error) = ended.await else { return };
            tracing::warn!(%error, "changes are not announced; they are noticed a little later until they are again");
            tokio::time::sleep(LISTEN_AGAIN).await;
        }
    }

    async fn keep_looking(&self, announced: &Notify) {
        let period = if self.db.is_shared() { RENEW_EVERY } else { LOOK_EVERY };
        let mut tick = tokio::time::interval(period);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let complaints = Lines::per_second(NonZeroU32::MIN);
        // Somebody may have asked while no server was there.
        let mut asked = true;
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                () = announced.notified() => {}
            }
            let looked = self.live.look().await;
            match looked {
                Ok(found) => {
                    self.metrics.note_look(found);
                    asked |= found > 0;
                }
                Err(error) => {
                    if let Some(unsaid) = complaints.admit() {
                        tracing::warn!(%error, unsaid, "memory is not renewed; when it runs out, every check asks the database");
                    }
                    continue;
                }
            }
            if asked && !self.db.is_shared() {
                let answered = self.answer().await;
                asked = answered.is_err();
                if let Err(error) = answered {
                    tracing::warn!(%error, "whoever waits for a change to be noticed was not answered; it will be tried again");
                }
            }
        }
    }

    /// Answers who asks whether their changes were noticed.
    ///
    /// # Errors
    /// When the store does not let us; the questions stay.
    pub async fn answer(&self) -> Result<(), AnswerError> {
        let asked = self.db.list_notices().await?;
        if asked.is_empty() {
            return Ok(());
        }
        // Only now: what was written before these questions is seen by this look, if it was not by an earlier one.
        self.live.look().await?;
        self.signer.reload().await?;
        Ok(self.db.delete_notices(&asked).await?)
    }
}
