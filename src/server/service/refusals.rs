//! How many checks were refused and why, written down now and then: one event for many, so that nobody can fill the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::domain::audit::{Action, Draft, Event, Origin, Party};
use crate::domain::time::Clock;
use crate::domain::verdict::{Denial, Invalid};
use crate::server::store::{Db, StoreError};
use crate::server::telemetry;

use super::usage::{LAST_PATIENCE, LAST_PAUSE};

/// Pause between two events.
const PERIOD: Duration = Duration::from_mins(5);
/// What is counted, each by itself.
const KINDS: [&str; 9] = [
    "malformed",
    "unknown",
    "wrong_secret",
    "untrusted",
    "over",
    "suspended",
    "insufficient",
    "address_refused",
    LIMITED,
];
/// Those of them that were answered with 429.
const LIMITED: &str = "limited";

/// Counts refused checks.
#[derive(Clone)]
pub struct Refusals {
    counts: Arc<[AtomicU64; KINDS.len()]>,
    db: Db,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Refusals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Refusals").finish_non_exhaustive()
    }
}

impl Refusals {
    /// For a store.
    #[must_use]
    pub fn new(db: Db, clock: Arc<dyn Clock>) -> Self {
        Self { counts: Arc::default(), db, clock }
    }

    /// Counts one. Whoever brings nothing, and our own trouble, are none.
    pub fn count(&self, denial: &Denial) {
        if let Some(kind) = kind(denial) {
            self.add(kind);
        }
    }

    /// Notes that one of those that were counted was answered with 429.
    pub fn count_limited(&self) {
        self.add(LIMITED);
    }

    fn add(&self, kind: &str) {
        if let Some(place) = KINDS.iter().position(|known| *known == kind) {
            self.counts[place].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Writes for as long as it is polled.
    pub async fn keep_writing(self) {
        let mut tick = tokio::time::interval(PERIOD);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            if let Err(error) = self.write().await {
                tracing::warn!(%error, "refused checks could not be written down; they will be with the next");
            }
        }
    }

    /// Writes down what was counted since the last time, if anything was.
    ///
    /// # Errors
    /// When the store cannot be asked; then it is counted on.
    pub async fn write(&self) -> Result<(), StoreError> {
        let counts: Vec<_> = self.counts.iter().map(|count| count.swap(0, Ordering::Relaxed)).collect();
        if counts.iter().all(|count| *count == 0) {
            return Ok(());
        }
        let draft = Draft::new(Action::ChecksRefused, Party::SYSTEM, Party::SYSTEM, &Origin::default());
        let counted = KINDS.iter().zip(&counts).filter(|(_, count)| **count > 0);
        let note =
            |draft: Draft, (kind, count): (&&'static str, &u64)| draft.changed(kind, None, Some(count.to_string()));
        let draft = counted.fold(draft.refused("counted"), note);
        let written = self.db.record(&draft, self.clock.now()).await;
        if written.is_err() {
            for (count, lost) in self.counts.iter().zip(counts) {
                count.fetch_add(lost, Ordering::Relaxed);
            }
        }
        written
    }

    /// The same for the last time: what others are changing just now will soon be free.
    ///
    /// # Errors
    /// When the store could not be asked for too long.
    pub async fn finish(&self) -> Result<(), StoreError> {
        let deadline = telemetry::now() + LAST_PATIENCE;
        loop {
            match self.write().await {
                Err(_) if telemetry::now() < deadline => tokio::time::sleep(LAST_PAUSE).await,
                written => return written,
            }
        }
    }
}

/// How many checks an event tells of.
#[must_use]
pub fn total(event: &Event) -> i64 {
    // What was refused for its number alone has a kind of its own besides.
    let kinds = event.changes.iter().filter(|(kind, _)| *kind != LIMITED);
    kinds.filter_map(|(_, (_, count))| count.as_ref()?.parse::<i64>().ok()).sum()
}

const fn kind(denial: &Denial) -> Option<&'static str> {
    Some(match denial {
        Denial::Invalid(Invalid::Several | Invalid::Malformed) => "malformed",
        Denial::Invalid(Invalid::Unknown) => "unknown",
        Denial::Invalid(Invalid::WrongSecret) => "wrong_secret",
        Denial::Invalid(Invalid::Untrusted) => "untrusted",
        Denial::Invalid(Invalid::Revoked | Invalid::Ended | Invalid::Expired) => "over",
        Denial::Invalid(Invalid::Suspended) => "suspended",
        Denial::Insufficient { .. } => "insufficient",
        Denial::AddressRefused => "address_refused",
        Denial::NoCredential | Denial::Unavailable => return None,
    })
}
