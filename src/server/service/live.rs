//! What may be held in memory of tokens, and when it may be believed.
//!
//! A check that starts after the answer to a change was sent has to be decided by the new state. Memory keeps that
//! promise by three rules:
//!
//! 1. *Our own changes* are forgotten in the same step in which they are written, before anybody is told of them
//!    ([`Watcher::touched`](crate::server::store::Watcher::touched)).
//! 2. *Reading while something changes*: whoever reads a row takes a ticket first, and the row is kept only if nothing
//!    was forgotten since. So an old row cannot come in behind its own forgetting.
//! 3. *Changes of others* (replicas, an operator's shell, our own command line) are told by [`Db::list_changes`]. Memory
//!    is believed only under a [lease](crate::domain::lease), which is renewed by seeing that there are none that were
//!    not applied; else every check reads its row.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use thiserror::Error;

use crate::domain::id::ReplicaId;
use crate::domain::lease::{Flaw, Point, Seq};
use crate::domain::scope::Catalogue;
use crate::domain::secret::SecretId;
use crate::domain::time::Timestamp;
use crate::domain::token::TokenPolicy;
use crate::domain::user::{ExternalIdentity, User};
use crate::domain::verdict::{Grant, Method};
use crate::server::credential::oidc::People;
use crate::server::credential::pat::{KnownToken, Recalled, Rows};
use crate::server::keys::Keys;
use crate::server::store::{Changes, CheckRow, Db, Doubt, Lost, Noted, StoreError, Touched, Warrant, Watcher as _};

use super::memory::Memory;
use super::readings::Readings;

/// How often a renewal is tried when others keep changing something.
const TRIES: u32 = 5;
/// How late a mistake is made up for.
const LATE: Duration = Duration::from_millis(500);
/// Changes that are remembered.
const RECENT: usize = 1_000;

/// Rows of tokens, from memory where it may be believed and else from the store.
#[derive(Clone)]
pub struct Live(Arc<Parts>);

struct Parts {
    replica: ReplicaId,
    memory: Arc<Memory>,
    db: Db,
    readings: Readings,
    facts: Facts,
    /// Memory is never believed, whatever could be proved.
    strict: bool,
    /// The database has gone back, and nobody has looked at it yet.
    stopped: AtomicBool,
    /// A renewal now would be waited for by everybody.
    has_left: AtomicBool,
    /// One look at a time: a second one must not be believed before the first has made forget.
    seen: tokio::sync::Mutex<Seen>,
}

/// What was seen of the database.
#[derive(Default)]
struct Seen {
    recent: VecDeque<Noted>,
    /// That the database has gone back is written down.
    is_rewind_noted: bool,
}

impl Seen {
    /// Remembers the latest changes, so that they can be named if the database forgets them.
    fn note(&mut self, changes: &Changes) {
        self.recent.extend(&changes.noted);
        let surplus = self.recent.len().saturating_sub(RECENT);
        self.recent.drain(..surplus);
    }

    /// What was touched by other changes than these.
    fn touched_but(&self, known: &BTreeSet<Seq>) -> Lost {
        let (mut tokens, mut users) = (BTreeSet::new(), BTreeSet::new());
        for noted in self.recent.iter().filter(|noted| !known.contains(&noted.point.seq)) {
            match noted.touched {
                Touched::Token(id) => _ = tokens.insert(id),
                Touched::Owner(id) => _ = users.insert(id),
                Touched::Nothing | Touched::Everything => {}
            }
        }
        Lost { tokens: tokens.into_iter().collect(), users: users.into_iter().collect() }
    }
}

/// What turns the words of the store into what a check needs.
struct Facts {
    keys: Arc<Keys>,
    catalogue: Arc<Catalogue>,
    policy: TokenPolicy,
}

/// Why memory is not believed.
#[derive(Debug, Error)]
pub enum LookError {
    /// Nobody says what was changed.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The database is older than what was seen of it.
    #[error(
        "the database has gone back: its last change is number {head}, and it does not know number {applied} as it was seen",
        head = head.number(),
        applied = applied.number()
    )]
    Rewound {
        /// Its last change.
        head: Seq,
        /// The last change that was seen.
        applied: Seq,
    },
    /// Others have seen what the database does not know.
    #[error("the database has gone back, and nobody has acknowledged that: please see `hallpass restore-ack`")]
    Unacknowledged,
    /// There were changes all the time.
    #[error("others change so much that it could not be kept up with")]
    Behind,
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live").field("memory", &self.0.memory).finish_non_exhaustive()
    }
}

impl Live {
    /// With the memory that watches the store.
    #[must_use]
    pub fn new(
        replica: ReplicaId,
        memory: Arc<Memory>,
        db: Db,
        keys: Arc<Keys>,
        catalogue: Arc<Catalogue>,
        policy: TokenPolicy,
        strict: bool,
    ) -> Self {
        let readings = Readings::new(db.clone(), Arc::clone(&memory));
        let facts = Facts { keys, catalogue, policy };
        Self(Arc::new(Parts {
            replica,
            memory,
            db,
            readings,
            facts,
            strict,
            stopped: AtomicBool::new(false),
            has_left: AtomicBool::new(false),
            seen: tokio::sync::Mutex::default(),
        }))
    }

    /// Notices what others have changed, and believes memory again for a while. How many changes there were.
    ///
    /// # Errors
    /// When that cannot be found out; then memory is believed no longer than before.
    pub async fn look(&self) -> Result<u64, LookError> {
        let mut seen = self.0.seen.lock().await;
        if self.0.strict {
            return self.catch_up(&mut seen).await;
        }
        let mut found = 0;
        for _ in 0..TRIES {
            if self.0.has_left.load(Ordering::Acquire) {
                return Ok(found);
            }
            found += self.catch_up(&mut seen).await?;
            if self.renew().await? {
                return Ok(found);
            }
        }
        Err(LookError::Behind)
    }

    /// Forgets what was changed since the last look. How many changes there were.
    async fn catch_up(&self, seen: &mut Seen) -> Result<u64, LookError> {
        let Parts { memory, db, .. } = &*self.0;
        let applied = memory.applied();
        let changes = db.list_changes(applied).await?;
        match changes.doubt {
            Some(Doubt::Forgotten { is_noted }) => {
                // It may have been put back once more, to before that was written down.
                seen.is_rewind_noted &= is_noted;
                return Err(self.stop(seen, changes.head.seq, applied).await);
            }
            Some(Doubt::Unacknowledged) => return Err(self.stop_with_others()),
            Some(Doubt::Acknowledged) => self.part(seen, applied).await?,
            None => {}
        }
        seen.note(&changes);
        let found = changes.head.seq.number().saturating_sub(applied.seq.number());
        self.apply(changes);
        self.go_on(seen);
        Ok(found)
    }

    /// Forgets what changes touch, before anybody is told that they were applied; unless that is the mistake to be made.
    fn apply(&self, changes: Changes) {
        let memory = &self.0.memory;
        if memory.has(Flaw::AcknowledgesEarly) {
            memory.skip_to(changes.head);
            let memory = Arc::clone(memory);
            tokio::spawn(async move {
                tokio::time::sleep(LATE).await;
                memory.apply(&changes);
            });
        } else {
            memory.apply(&changes);
        }
    }

    /// The database has gone back. Nobody knows what it has forgotten, so nothing is answered until somebody has looked
    /// at it.
    async fn stop(&self, seen: &mut Seen, head: Seq, applied: Point) -> LookError {
        self.answer_nothing();
        if !seen.is_rewind_noted {
            match self.note_rewind(seen, applied).await {
                Ok(is_gone) => seen.is_rewind_noted = is_gone,
                Err(error) => tracing::error!(%error, "that could not be written down for `hallpass restore-ack`"),
            }
        }
        LookError::Rewound { head, applied: applied.seq }
    }

    /// Somebody has taken the present state of the database for the true one. What only we know of the other one must not
    /// be forgotten in silence: we may have been away when it was asked for.
    async fn part(&self, seen: &mut Seen, applied: Point) -> Result<(), StoreError> {
        if !seen.is_rewind_noted && self.note_rewind(seen, applied).await? {
            tracing::error!("that was acknowledged without being known: please see `hallpass restore-ack` again");
        }
        seen.recent.clear();
        Ok(())
    }

    async fn note_rewind(&self, seen: &Seen, applied: Point) -> Result<bool, StoreError> {
        let Parts { replica, db, .. } = &*self.0;
        let points: Vec<_> = seen.recent.iter().map(|noted| noted.point).collect();
        let lost = seen.touched_but(&db.known_changes(&points).await?);
        tracing::error!(?lost, "the database has forgotten changes of these, and maybe of others");
        db.note_rewind(*replica, applied, &lost).await
    }

    /// Others have seen what the database does not know. What we have seen of it may all be there, and still be wrong.
    fn stop_with_others(&self) -> LookError {
        self.answer_nothing();
        LookError::Unacknowledged
    }

    fn answer_nothing(&self) {
        self.0.memory.give_up();
        self.0.stopped.store(true, Ordering::Release);
    }

    /// Somebody has looked at it.
    fn go_on(&self, seen: &mut Seen) {
        if self.0.stopped.load(Ordering::Acquire) {
            self.0.memory.touched(Touched::Everything);
            seen.is_rewind_noted = false;
            self.0.stopped.store(false, Ordering::Release);
        }
    }

    async fn renew(&self) -> Result<bool, StoreError> {
        let wish = self.0.memory.ask();
        let head = self.0.db.renew(self.0.replica, wish.applied).await?;
        Ok(self.0.memory.written(wish, head))
    }

    /// Believes memory no more, and lets the others know that nobody has to wait for this replica.
    ///
    /// # Errors
    /// When they cannot be told; then they find out when the lease has run out.
    pub async fn leave(&self) -> Result<(), StoreError> {
        self.0.has_left.store(true, Ordering::Release);
        let _seen = self.0.seen.lock().await;
        self.0.memory.give_up();
        self.0.db.leave(self.0.replica).await
    }

    /// What can speak for an answer of the database to a question that is asked now.
    #[must_use]
    pub fn warrant(&self) -> Warrant {
        self.0.memory.warrant()
    }

    /// Whether checks are answered from memory at present.
    #[must_use]
    pub fn is_believed(&self) -> bool {
        self.0.memory.is_believed()
    }

    /// Whether checks are answered by what the database says: from memory under a lease, or by asking it each time.
    #[must_use]
    pub fn is_up_to_date(&self) -> bool {
        self.0.memory.is_believed() || (self.0.strict && !self.is_stopped())
    }

    fn is_stopped(&self) -> bool {
        self.0.stopped.load(Ordering::Acquire)
    }

    /// That the database is not one that has gone back.
    fn require_truth(&self) -> Result<(), StoreError> {
        if self.is_stopped() { Err(StoreError::interrupted()) } else { Ok(()) }
    }

    /// Lets go of passports that have to be renewed anyway.
    pub fn forget_old_passports(&self, now: Timestamp) {
        self.0.memory.tokens().for_each(|token| token.issued.forget_old(now));
    }

    fn known(&self, id: SecretId, row: CheckRow) -> KnownToken {
        let Parts { memory, facts, .. } = &*self.0;
        let grant = Grant {
            method: Method::Pat,
            user: row.owner.id,
            token: Some(row.token_id),
            scopes: memory.scopes.share(facts.catalogue.effective(&row.scopes, &row.owner.profile.roles)),
            expires_at: facts.policy.deadline(&row.secret),
            profile: memory.profiles.share(row.owner.profile),
        };
        let hmac = row.hmac.filter(|(key, _)| key == facts.keys.id()).map(|(_, proof)| proof);
        let known = KnownToken::new(id, row.token, row.secret, grant, row.allowed_ips, hmac, row.phc);
        known.noted(row.secret_last_used_at)
    }
}

#[async_trait]
impl People for Live {
    async fn find(&self, identity: &ExternalIdentity) -> Result<Option<User>, StoreError> {
        self.require_truth()?;
        let Parts { memory, db, .. } = &*self.0;
        memory.vouched(|seen, warrant| db.find_user_soundly(identity, seen, warrant)).await
    }
}

#[async_trait]
impl Rows for Live {
    fn recall(&self, id: SecretId) -> Recalled {
        self.0.memory.recall(id)
    }

    async fn read(&self, id: SecretId) -> Result<Option<Arc<KnownToken>>, StoreError> {
        self.require_truth()?;
        let ticket = self.0.memory.ticket();
        let row = self.0.readings.read(id).await?;
        let token = row.map(|row| Arc::new(self.known(id, row)));
        self.0.memory.keep(ticket, id, token.as_ref());
        Ok(token)
    }
}
