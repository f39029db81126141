//! What others do to the database: an operator's shell, our own command line.

use std::time::Duration;

use thiserror::Error;

use super::live::Live;
use super::signing::{Signer, SigningError};
use crate::server::store::{Db, StoreError};

/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Notices it, and says so to whoever waits for that.
#[derive(Clone, Debug)]
pub struct Outside {
    /// Has to forget what is no longer so.
    pub live: Live,
    /// Has to know of new keys.
    pub signer: Signer,
    /// The store.
    pub db: Db,
}

/// Why nothing was answered.
#[derive(Debug, Error)]
pub enum OutsideError {
    /// The store cannot be asked.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The keys cannot be used.
    #[error("{0}")]
    Signing(#[from] SigningError),
}

impl Outside {
    /// Looks at the outside for as long as it is polled.
    pub async fn keep_looking(self) {
        let mut tick = tokio::time::interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // Somebody may have asked while no server was there.
        let mut asked = true;
        loop {
            tick.tick().await;
            match self.live.look().await {
                Ok(changed) => asked |= changed,
                Err(error) => {
                    tracing::warn!(%error, "the database does not say whether it was changed; every check asks it until it does");
                    continue;
                }
            }
            if asked {
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
    pub async fn answer(&self) -> Result<(), OutsideError> {
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
