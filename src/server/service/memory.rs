//! Rows of tokens in memory, and whether they may be believed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use quick_cache::sync::Cache;

use crate::domain::lease::{
    Deadline, Flaw, Gap, Head, Holder, Moment, Point, Renewal, SteadyClock, Terms, Ticket, Written,
};
use crate::domain::scope::ScopeSet;
use crate::domain::secret::SecretId;
use crate::domain::user::Profile;
use crate::server::credential::pat::{KnownToken, Recalled};
use crate::server::store::{Changes, Touched, Warrant, Watcher};

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

    /// Whether that speaks for the answer, now that it is there: a lease has to run to the end.
    pub(super) fn speaks_for(&self, warrant: Warrant) -> bool {
        warrant == Warrant::Commit || self.is_believed()
    }

    /// Up to where changes were applied.
    pub(super) fn applied(&self) -> Point {
        self.read(Holder::applied)
    }

    /// A wish to renew, to be sent after this.
    pub(super) fn ask(&self) -> Renewal {
        let now = self.clock.moment();
        self.read(|holder| holder.ask(now))
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

    /// Forgets what changes touch, in their order; everything, where some are missing.
    pub(super) fn apply(&self, changes: &Changes) {
        for change in changes.noted.chunk_by(|one, next| one.point == next.point) {
            for noted in change {
                self.touched(noted.touched);
            }
            if change.first().is_some_and(|noted| self.write(|holder| holder.apply(noted.point)) == Err(Gap)) {
                break;
            }
        }
        if self.applied() != changes.head {
            self.touched(Touched::Everything);
            self.skip_to(changes.head);
        }
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
        if what == Touched::Nothing {
            return;
        }
        self.write(Holder::forgot);
        // A new secret may be one that was asked for before it was there.
        self.unknown.clear();
        match what {
            Touched::Nothing => {}
            Touched::Token(id) => self.known.retain(|_, token| token.grant.token != Some(id)),
            Touched::Owner(id) => self.known.retain(|_, token| token.grant.user != id),
            Touched::Everything => self.known.clear(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::id::{TokenId, UserId};
    use crate::domain::lease::{History, Mark, Seq};
    use crate::domain::time::Timestamp;
    use crate::domain::token::{SecretFacts, SecretState, TokenFacts};
    use crate::domain::verdict::{Grant, Method};
    use crate::server::store::Noted;

    const TERMS: Terms = Terms::new(Duration::from_micros(250), 0);

    /// A clock that is set by hand.
    #[derive(Debug, Default)]
    struct ByHand(AtomicU64);

    impl SteadyClock for ByHand {
        fn moment(&self) -> Moment {
            Moment::from_micros(self.0.load(Ordering::Relaxed))
        }
    }

    fn secret(number: u8) -> SecretId {
        format!("{number:016}").parse().unwrap()
    }

    fn token_id(number: u8) -> TokenId {
        TokenId::from_random([number; 16])
    }

    /// Tokens 1 and 2 belong to user 1, the others to user 2.
    fn owner(number: u8) -> UserId {
        UserId::from_random([if number <= 2 { 1 } else { 2 }; 16])
    }

    fn row(number: u8) -> Arc<KnownToken> {
        let now = Timestamp::from_seconds(1);
        let facts = SecretFacts {
            state: SecretState::Active,
            created_at: now,
            expires_at: None,
            ends_at: None,
            expired_at: None,
        };
        let token =
            TokenFacts { revoked_at: None, last_used_at: None, owner_disabled_at: None, owner_last_login_at: now };
        let grant = Grant {
            method: Method::Pat,
            user: owner(number),
            profile: Arc::default(),
            token: Some(token_id(number)),
            scopes: Arc::default(),
            expires_at: None,
        };
        Arc::new(KnownToken::new(secret(number), token, facts, grant, Vec::new(), None, String::new()))
    }

    fn point(seq: u64) -> Point {
        Point { seq: Seq::new(seq), mark: Mark::default() }
    }

    fn head(seq: u64) -> Head {
        Head { point: point(seq), history: History::default() }
    }

    fn memory() -> Memory {
        let memory = Memory::new(TERMS, Arc::new(ByHand::default()));
        assert!(memory.written(memory.ask(), head(0)));
        for number in 1..=3 {
            memory.keep(memory.ticket(), secret(number), Some(&row(number)));
        }
        memory.keep(memory.ticket(), secret(9), None);
        memory
    }

    fn held(memory: &Memory) -> Vec<u8> {
        (1..=9).filter(|number| !matches!(memory.recall(secret(*number)), Recalled::Unsure)).collect()
    }

    #[test]
    fn what_is_touched_is_forgotten_and_so_is_every_unknown_id() {
        let table = [
            (Touched::Nothing, vec![1, 2, 3, 9]),
            (Touched::Token(token_id(1)), vec![2, 3]),
            (Touched::Owner(owner(1)), vec![3]),
            (Touched::Everything, vec![]),
        ];
        for (touched, left) in table {
            let memory = memory();
            assert!(matches!(memory.recall(secret(9)), Recalled::Unknown));
            memory.touched(touched);
            assert_eq!(held(&memory), left, "{touched:?}");
        }
    }

    #[test]
    fn a_row_that_was_read_before_a_change_does_not_come_in_after_it() {
        let memory = memory();
        let ticket = memory.ticket();
        memory.touched(Touched::Token(token_id(3)));
        memory.keep(ticket, secret(3), Some(&row(3)));
        memory.keep(ticket, secret(8), None);
        assert_eq!(held(&memory), [1, 2]);
        memory.keep(memory.ticket(), secret(3), Some(&row(3)));
        assert_eq!(held(&memory), [1, 2, 3]);
    }

    #[test]
    fn memory_is_believed_only_under_a_lease_that_is_compared_with_the_clock_each_time() {
        let clock = Arc::new(ByHand::default());
        let memory = Memory::new(TERMS, clock.clone());
        let at = |micros| {
            clock.0.store(micros, Ordering::Relaxed);
            memory.is_believed()
        };
        assert!(!at(0), "before the first renewal");
        let (first, later) = (memory.ask(), head(0));
        assert!(memory.written(first, later));
        assert!(at(249));
        assert!(!at(250));
        assert!(memory.written(memory.ask(), later));
        // A renewal that took long and ends after a later one takes nothing back.
        assert!(memory.written(first, later));
        assert!(at(499));
        memory.give_up();
        assert!(!at(499));
    }

    fn changes<const N: usize>(head: u64, noted: [(u64, Touched); N]) -> Changes {
        let noted = noted.map(|(seq, touched)| Noted { point: point(seq), touched });
        Changes { head: point(head), noted: noted.into(), doubt: None }
    }

    #[test]
    fn in_another_history_everything_is_forgotten() {
        let memory = memory();
        let other = Head { history: History { system: 0, timeline: 2 }, ..head(0) };
        assert!(!memory.written(memory.ask(), other));
        assert!(!memory.is_believed());
        assert!(memory.written(memory.ask(), other));
        assert_eq!(held(&memory), [0; 0]);
    }

    #[test]
    fn changes_of_others_are_forgotten_one_by_one() {
        let memory = memory();
        memory.apply(&changes(2, [(1, Touched::Token(token_id(1))), (2, Touched::Token(token_id(3)))]));
        assert_eq!((held(&memory), memory.applied()), (vec![2], point(2)));
        assert!(!memory.written(memory.ask(), head(3)), "there is one more");
    }

    #[test]
    fn where_changes_are_missing_everything_is_forgotten() {
        let one = || (2, Touched::Token(token_id(1)));
        let (missing_before, missing_after) = (changes(2, [one()]), changes(4, [(1, Touched::Nothing), one()]));
        for incomplete in [missing_before, missing_after, changes(7, [])] {
            let memory = memory();
            memory.apply(&incomplete);
            assert_eq!((held(&memory), memory.applied()), (vec![], incomplete.head));
        }
        let memory = memory();
        memory.apply(&changes(0, []));
        assert_eq!(held(&memory), [1, 2, 3, 9], "there was nothing");
    }

    #[test]
    fn a_row_that_was_read_before_a_change_of_somebody_else_does_not_come_in_after_it() {
        let memory = memory();
        let ticket = memory.ticket();
        memory.apply(&changes(1, [(1, Touched::Token(token_id(3)))]));
        memory.keep(ticket, secret(3), Some(&row(3)));
        assert_eq!(held(&memory), [1, 2]);
    }
}
