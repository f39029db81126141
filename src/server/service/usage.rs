//! What checks leave behind, written after them: a check itself never writes and never waits.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::time::Duration;

use metrics::Counter;
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use super::ended::{EndedUse, EndedUses};
use crate::domain::id::TokenId;
use crate::domain::secret::SecretId;
use crate::domain::time::Timestamp;
use crate::server::store::{Db, HmacBackfill, StoreError, Use};

/// Notes that wait at most. Past that they are dropped and counted: a check never waits for its own footprint.
const CAPACITY: usize = 8_192;
/// Pause between two writes.
const PERIOD: Duration = Duration::from_secs(3);
/// So many secrets that wait are written at once: memory is for tokens.
const EARLY: usize = 4 * BATCH;
/// Uses in one transaction. Whoever revokes a token waits for no more than that.
const BATCH: usize = 256;
/// What takes a transaction each is written so many at a time: then it is the turn of uses again.
const SINGLY: usize = 50;
/// How long, and how far apart, what cannot be written is tried again before the end: a server that is told to stop has
/// ten seconds, of which requests in flight may need eight.
pub(super) const LAST_PATIENCE: Duration = Duration::from_millis(1_500);
pub(super) const LAST_PAUSE: Duration = Duration::from_millis(50);

/// What a check leaves behind.
#[derive(Debug)]
pub enum Footprint {
    /// A token was used.
    Used {
        /// The token.
        token: TokenId,
        /// The secret.
        secret: SecretId,
        /// When.
        at: Timestamp,
        /// From where.
        ip: Option<IpAddr>,
    },
    /// A secret was found to have run out.
    Expired {
        /// The secret.
        secret: SecretId,
        /// When it was found.
        at: Timestamp,
    },
    /// A token that is over was used.
    Ended(Box<EndedUse>),
    /// A fast proof was made again.
    Backfill(HmacBackfill),
    /// Write everything now and say so.
    Flush(oneshot::Sender<()>),
}

/// Where checks leave their footprints.
#[derive(Clone, Debug)]
pub struct Usage {
    sender: mpsc::Sender<Footprint>,
    dropped: Counter,
}

impl Usage {
    /// Starts the writer; it ends after its last sender is gone and everything is written. `dropped` counts what found
    /// no room.
    pub fn start(db: Db, dropped: Counter) -> (Self, tokio::task::JoinHandle<()>) {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        let writer = Writer { db, pending: Pending::default() };
        (Self { sender, dropped }, tokio::spawn(writer.run(receiver)))
    }

    /// Leaves a footprint, or drops it when there is no room.
    pub fn leave(&self, footprint: Footprint) {
        if self.sender.try_send(footprint).is_err() {
            self.dropped.increment(1);
        }
    }

    /// Waits until everything left so far is written, as far as the database takes it.
    pub async fn flush(&self) {
        let (done, wait) = oneshot::channel();
        if self.sender.send(Footprint::Flush(done)).await.is_ok() {
            let _ = wait.await;
        }
    }
}

/// Footprints of one period, the latest of each secret.
#[derive(Default)]
struct Pending {
    uses: HashMap<SecretId, Use>,
    expired: HashMap<SecretId, Timestamp>,
    backfills: HashMap<SecretId, HmacBackfill>,
    ended: EndedUses,
}

struct Writer {
    db: Db,
    pending: Pending,
}

impl Writer {
    async fn run(mut self, mut receiver: mpsc::Receiver<Footprint>) {
        let mut tick = tokio::time::interval(PERIOD);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                footprint = receiver.recv() => match footprint {
                    Some(footprint) => self.take(footprint).await,
                    None => break,
                },
                _ = tick.tick() => if self.write().await && self.pending.waits_singly() {
                    tick.reset_immediately();
                },
            }
        }
        self.finish().await;
    }

    /// What others are changing just now will soon be free, and a database that is late may still answer.
    async fn finish(&mut self) {
        let finished = async {
            loop {
                let is_written = self.write().await;
                if self.pending.is_empty() {
                    break;
                }
                if !is_written || !self.pending.waits_singly() {
                    tokio::time::sleep(LAST_PAUSE).await;
                }
            }
        };
        if tokio::time::timeout(LAST_PATIENCE, finished).await.is_err() {
            tracing::warn!(uses = self.pending.uses.len(), "last uses of tokens are not written yet");
        }
    }

    async fn take(&mut self, footprint: Footprint) {
        match footprint {
            Footprint::Used { token, secret, at, ip } => {
                let is_new = self.pending.note_use(token, secret, at, ip);
                // Not with each one from there on: what cannot be written now must not be tried all the time.
                if is_new && self.pending.uses.len().is_multiple_of(EARLY) {
                    self.write().await;
                }
            }
            Footprint::Expired { secret, at } => {
                self.pending.expired.entry(secret).or_insert(at);
            }
            Footprint::Ended(used) => self.pending.ended.note(*used),
            Footprint::Backfill(backfill) => {
                self.pending.backfills.insert(backfill.secret, backfill);
            }
            Footprint::Flush(done) => {
                self.finish().await;
                let _ = done.send(());
            }
        }
    }

    /// Writes the uses, and some of what is written singly. What cannot be written stays for the next time; whether nothing
    /// failed.
    async fn write(&mut self) -> bool {
        let written = self.try_write().await;
        if let Err(error) = &written {
            tracing::warn!(%error, "last uses could not be written; they will be tried again");
        }
        written.is_ok()
    }

    async fn try_write(&mut self) -> Result<(), StoreError> {
        self.write_uses().await?;
        let Pending { expired, backfills, ended, .. } = &mut self.pending;
        for (secret, at) in expired.iter().take(SINGLY).map(|(secret, at)| (*secret, *at)).collect::<Vec<_>>() {
            self.db.latch_expiry(secret, at).await?;
            expired.remove(&secret);
        }
        for secret in backfills.keys().take(SINGLY).copied().collect::<Vec<_>>() {
            self.db.backfill_hmac(&backfills[&secret]).await?;
            backfills.remove(&secret);
        }
        ended.write(&self.db, SINGLY).await
    }

    /// What somebody else is changing just now stays, and so does everything when this is given up.
    async fn write_uses(&mut self) -> Result<(), StoreError> {
        let uses: Vec<Use> = self.pending.uses.values().copied().collect();
        for batch in uses.chunks(BATCH) {
            let left = self.db.mark_used(batch).await?;
            for written in batch.iter().filter(|one| !left.contains(one)) {
                self.pending.uses.remove(&written.secret);
            }
        }
        self.pending.uses.shrink_to(BATCH);
        Ok(())
    }
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.uses.is_empty() && !self.waits_singly()
    }

    /// Whether something waits that is written singly.
    fn waits_singly(&self) -> bool {
        !(self.expired.is_empty() && self.backfills.is_empty() && self.ended.is_empty())
    }

    /// Whether nothing was waiting of that secret.
    fn note_use(&mut self, token: TokenId, secret: SecretId, at: Timestamp, ip: Option<IpAddr>) -> bool {
        let latest = Use { token, secret, at, ip };
        match self.uses.entry(secret) {
            Entry::Vacant(place) => {
                place.insert(latest);
                true
            }
            Entry::Occupied(mut known) => {
                if known.get().at < at {
                    known.insert(latest);
                }
                false
            }
        }
    }
}
