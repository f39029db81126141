//! Rows of tokens in memory, and whether they may be believed.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use quick_cache::sync::Cache;

use crate::domain::id::{TokenId, UserId};
use crate::domain::lease::{
    Deadline, Flaw, Gap, Head, Holder, Moment, Point, Renewal, SteadyClock, Terms, Ticket, Written,
};
use crate::domain::scope::ScopeSet;
use crate::domain::secret::SecretId;
use crate::domain::user::Profile;
use crate::server::credential::pat::{KnownToken, Recalled};
use crate::server::store::{Changes, StoreError, Touched, Warrant, Watcher};

use super::pool::Pool;

/// Most tokens that are held.
const KNOWN_MAX: usize = 50_000;
/// Most ids that are remembered as unknown: enough against a repeated mistake, little for somebody who guesses.
const UNKNOWN_MAX: usize = 4_096;
/// Most profiles and sets of scopes that are shared between tokens.
const SHARED_MAX: usize = 10_000;

/// Rows of tokens by the public names of their secrets.
pub struct Memory {
    known: Cache<SecretId, Arc<KnownToken>>,
    pub(super) profiles: Pool<Profile>,
    pub(super) scopes: Pool<ScopeSet>,
    unknown: Cache<SecretId, ()>,
    /// The right to believe what is here. Rows come in under its read lock, so that none can slip in between a change of
    /// its generation and the forgetting.
    holder: RwLock<Holder>,
    /// Its deadline in microseconds, for checks: they take no lock.
    deadline: AtomicU64,
    clock: Arc<dyn SteadyClock>,
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memory").field("known", &self.known.len()).finish_non_exhaustive()
    }
}

impl Memory {
    /// Empty, and not believed until the first renewal.
    #[must_use]
    pub fn new(terms: Terms, clock: Arc<dyn SteadyClock>) -> Self {
        Self {
            known: Cache::new(KNOWN_MAX),
            profiles: Pool::new(SHARED_MAX),
            scopes: Pool::new(SHARED_MAX),
            unknown: Cache::new(UNKNOWN_MAX),
            holder: RwLock::new(Holder::new(terms)),
            deadline: AtomicU64::new(0),
            clock,
        }
    }

    pub(super) fn ticket(&self) -> Ticket {
        self.read(Holder::ticket)
    }

    /// Keeps what was read under a ticket, unless something was forgotten since.
    pub(super) fn keep(&self, ticket: Ticket, id: SecretId, row: Option<&Arc<KnownToken>>) {
        self.read(|holder| match row {
            _ if !holder.may_keep(ticket, self.clock.moment()) => {}
            Some(token) => self.known.insert(id, Arc::clone(token)),
            None => self.unknown.insert(id, ()),
        });
    }

    pub(super) fn recall(&self, id: SecretId) -> Recalled {
        if !self.is_believed() {
            Recalled::Unsure
        } else if let Some(token) = self.known.get(&id) {
            Recalled::Known(token)
        } else if self.unknown.get(&id).is_some() {
            Recalled::Unknown
        } else {
            Recalled::Unsure
        }
    }

    /// Whether what is here may be believed by a check that comes now.
    #[must_use]
    pub fn is_believed(&self) -> bool {
        let deadline = Deadline::at(Moment::from_micros(self.deadline.load(Ordering::Acquire)));
        deadline.covers(self.clock.moment())
    }

    /// What can speak for an answer of the database to a question that is asked now.
    pub(super) fn warrant(&self) -> Warrant {
        if self.is_believed() { Warrant::Lease } else { Warrant::Commit }
    }

    /// Asks the database what a verdict depends on: what it must know of, and what speaks for its answer. A lease has to run
    /// from before the question to after the answer; else the question is asked again, with a commit.
    pub(super) async fn vouched<T, F: Future<Output = Result<T, StoreError>>>(
        &self,
        ask: impl Fn(Point, Warrant) -> F,
    ) -> Result<T, StoreError> {
        // Before anything else: a lease that begins only after it was read what the database must know would speak for one
        // whose place was taken in between, and which knows no more than that.
        let warrant = self.warrant();
        let answer = ask(self.applied(), warrant).await?;
        if warrant == Warrant::Commit || self.is_believed() {
            return Ok(answer);
        }
        ask(self.applied(), Warrant::Commit).await
    }

    /// Up to where changes were applied.
    pub(super) fn applied(&self) -> Point {
        self.read(Holder::applied)
    }

    /// A wish to renew, to be sent after this.
    pub(super) fn ask(&self) -> Renewal {
        let now = self.clock.moment();
        self.write(|holder| holder.ask(now))
    }

    /// The store has written down the wish, when `head` was the last change. Whether memory is believed for longer.
    pub(super) fn written(&self, renewal: Renewal, head: Head) -> bool {
        let now = self.clock.moment();
        let written = self.write(|holder| holder.written(renewal, head, now));
        if written == Written::Elsewhere {
            tracing::warn!(?head, "the database goes on in another history; memory begins anew");
            self.touched(Touched::Everything);
        }
        written == Written::Renewed
    }

    /// Believes nothing any more.
    pub(super) fn give_up(&self) {
        self.write(Holder::give_up);
    }

    /// Forgets what changes touch, and only then counts them as applied, in their order; everything, where some are missing.
    pub(super) fn apply(&self, changes: &Changes) {
        self.forget(changes.noted.iter().map(|noted| noted.touched));
        for change in changes.noted.chunk_by(|one, next| one.point == next.point) {
            if change.first().is_some_and(|noted| self.write(|holder| holder.apply(noted.point)) == Err(Gap)) {
                break;
            }
        }
        if self.applied() != changes.head {
            self.touched(Touched::Everything);
            self.skip_to(changes.head);
        }
    }

    /// All at once: to look through what is held takes as long for one as for a thousand.
    fn forget(&self, what: impl Iterator<Item = Touched>) {
        let Stale { is_all, tokens, owners } = what.collect();
        if !is_all && tokens.is_empty() && owners.is_empty() {
            return;
        }
        // First of all: what was read before this must not come in behind it.
        self.write(Holder::forgot);
        // A new secret may be one that was asked for before it was there.
        self.unknown.clear();
        if is_all {
            self.known.clear();
            return;
        }
        self.known.retain(|_, row| {
            let is_touched = row.grant.token.is_some_and(|token| tokens.contains(&token));
            !is_touched && !owners.contains(&row.grant.user)
        });
    }

    /// Counts as applied whatever was changed up to there: all of it has been forgotten.
    pub(super) fn skip_to(&self, head: Point) {
        self.write(|holder| holder.forgot_all(head));
    }

    /// Whether a mistake is to be made.
    pub(super) fn has(&self, flaw: Flaw) -> bool {
        Flaw::CAN_BE_MADE && self.read(|holder| holder.has(flaw))
    }

    /// All rows that are held.
    pub(super) fn tokens(&self) -> impl Iterator<Item = Arc<KnownToken>> {
        self.known.iter().map(|(_, token)| token)
    }

    fn read<T>(&self, look: impl FnOnce(&Holder) -> T) -> T {
        look(&self.holder.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, change: impl FnOnce(&mut Holder) -> T) -> T {
        let mut holder = self.holder.write().unwrap_or_else(PoisonError::into_inner);
        let outcome = change(&mut holder);
        self.deadline.store(holder.deadline().moment().as_micros(), Ordering::Release);
        outcome
    }
}

impl Watcher for Memory {
    fn touched(&self, what: Touched) {
        self.forget(std::iter::once(what));
    }
}

/// What changes have touched.
#[derive(Default)]
struct Stale {
    is_all: bool,
    tokens: HashSet<TokenId>,
    owners: HashSet<UserId>,
}

impl FromIterator<Touched> for Stale {
    fn from_iter<I: IntoIterator<Item = Touched>>(touched: I) -> Self {
        let mut stale = Self::default();
        for what in touched {
            match what {
                Touched::Nothing => {}
                Touched::Token(id) => _ = stale.tokens.insert(id),
                Touched::Owner(id) => _ = stale.owners.insert(id),
                Touched::Everything => stale.is_all = true,
            }
        }
        stale
    }
}

#[cfg(test)]
mod tests;
