//! Reading rows for many checks at once.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::domain::lease::Flaw;
use crate::domain::secret::SecretId;
use crate::server::store::{CheckRow, Db, StoreError};
use crate::server::telemetry::Lines;

use super::memory::Memory;

/// Most rows in one question.
const BATCH: usize = 256;
/// How long a check waits. Where the store is gone, each question finds that out in its own time, and many wait for the next.
const PATIENCE: Duration = Duration::from_millis(1_800);

/// Most complaints in a second that rows cannot be read.
const COMPLAINTS: NonZeroU32 = NonZeroU32::MIN;

type Answer = Result<Option<CheckRow>, StoreError>;
type Waiting = HashMap<SecretId, Vec<oneshot::Sender<Answer>>>;

/// Reads rows of tokens. Where the store is far away, checks that come while one question is under way share the next
/// one: it begins after all of them have come, so each is answered by the state that it found or a later one.
#[derive(Clone)]
pub(super) struct Readings {
    db: Db,
    memory: Arc<Memory>,
    queue: Arc<Mutex<Queue>>,
    complaints: Arc<Lines>,
}

#[derive(Default)]
struct Queue {
    waiting: Waiting,
    /// Those for whom a question is under way.
    asked: Waiting,
    /// Whether somebody asks for those who wait.
    is_served: bool,
}

impl Readings {
    pub(super) fn new(db: Db, memory: Arc<Memory>) -> Self {
        Self { db, memory, queue: Arc::default(), complaints: Arc::new(Lines::per_second(COMPLAINTS)) }
    }

    /// The row of a secret, as it is after this was called.
    pub(super) async fn read(&self, id: SecretId) -> Answer {
        if !self.db.is_shared() {
            return self.db.lookup_check(id).await.inspect_err(|error| self.complain(error));
        }
        let (sender, answer) = oneshot::channel();
        if self.join(id, sender) {
            // A task of its own: whoever asked first may go away while others wait.
            tokio::spawn(Service(self.clone()).run());
        }
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Err(StoreError::interrupted()),
        }
    }

    /// Not for each check: there may be thousands.
    fn complain(&self, error: &StoreError) {
        if let Some(unsaid) = self.complaints.admit() {
            tracing::error!(%error, unsaid, "tokens cannot be read: their checks are answered by 503");
        }
    }

    /// Waits for the next question. Whether somebody has to ask it.
    fn join(&self, id: SecretId, sender: oneshot::Sender<Answer>) -> bool {
        let mut queue = self.queue();
        if self.memory.has(Flaw::JoinsAQuestion)
            && let Some(asked) = queue.asked.get_mut(&id)
        {
            asked.push(sender);
            return false;
        }
        queue.waiting.entry(id).or_default().push(sender);
        !std::mem::replace(&mut queue.is_served, true)
    }

    /// The secrets to ask for next.
    fn take(&self) -> Vec<SecretId> {
        let mut queue = self.queue();
        // Nobody asks for those who have given up.
        queue.waiting.retain(|_, senders| senders.iter().any(|sender| !sender.is_closed()));
        queue.asked = if queue.waiting.len() <= BATCH {
            std::mem::take(&mut queue.waiting)
        } else {
            let ids: Vec<_> = queue.waiting.keys().take(BATCH).copied().collect();
            ids.iter().filter_map(|id| queue.waiting.remove_entry(id)).collect()
        };
        queue.asked.keys().copied().collect()
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks for those who wait until nobody does.
struct Service(Readings);

impl Service {
    async fn run(self) {
        loop {
            let ids = self.0.take();
            if !ids.is_empty() {
                self.serve(&ids).await;
            } else if self.rest() {
                return;
            }
        }
    }

    async fn serve(&self, ids: &[SecretId]) {
        let rows = self.ask(ids).await;
        if let Err(error) = &rows {
            self.0.complain(error);
        }
        let asked = std::mem::take(&mut self.0.queue().asked);
        for (id, senders) in asked {
            let row = match rows.as_ref().map(|rows| rows.get(&id)) {
                Ok(Some(Ok(row))) => Some(Some(row.clone())),
                Ok(None) => Some(None),
                Ok(Some(Err(error))) => {
                    tracing::error!(%error, secret_id = %id, "what is stored of a token cannot be understood");
                    None
                }
                Err(_) => None,
            };
            for sender in senders {
                // Whoever went away needs no answer.
                let _ = sender.send(row.clone().ok_or_else(StoreError::interrupted));
            }
        }
    }

    async fn ask(&self, ids: &[SecretId]) -> Result<HashMap<SecretId, Result<CheckRow, StoreError>>, StoreError> {
        let Readings { db, memory, .. } = &self.0;
        memory.vouched(|seen, warrant| db.lookup_checks(ids, seen, warrant)).await
    }

    /// Whether nobody came meanwhile.
    fn rest(&self) -> bool {
        let mut queue = self.0.queue();
        queue.is_served = !queue.waiting.is_empty();
        !queue.is_served
    }
}

impl Drop for Service {
    /// However this ended: who waits must not wait for ever, and the next one to come must be served.
    fn drop(&mut self) {
        let mut queue = self.0.queue();
        if queue.is_served && std::thread::panicking() {
            *queue = Queue::default();
        }
    }
}
