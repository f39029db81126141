//! When a replica may answer from memory, and when a change is known to hold on all of them.
//!
//! Several servers share one database. Each holds rows in memory under a short *lease*: a right that it takes for a
//! span of its own clock, and renews by a write in which the database tells it the number of the last change; only who
//! has applied that one is renewed. A server that made a change answers its caller only when every replica has said
//! that it applied the change, or when no lease that could have been granted before it can still run.
//!
//! A single server of a SQLite file is the same with one replica: looking whether somebody else wrote is its renewal.
//!
//! Nothing here reads a clock, waits or sends. Clocks are never compared with each other: what is assumed of them is
//! only that over the length of a lease they run at nearly the same rate ([`Terms::patience`]).

mod flaw;
#[cfg(test)]
mod model;
mod order;
mod settlement;

use std::time::Duration;

pub use flaw::Flaw;
pub use order::{Head, History, Mark, Point, Seq};
pub use settlement::{Settlement, Standing};

/// A moment on the clock of one process, in microseconds since some moment of its own. The clock has to go on while the
/// machine sleeps, and nobody can set it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Moment(u64);

/// Says which moment it is.
pub trait SteadyClock: std::fmt::Debug + Send + Sync {
    /// The present moment; never before an earlier one.
    fn moment(&self) -> Moment;
}

impl Moment {
    /// So many microseconds since the clock's own beginning.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the clock's own beginning.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// The moment that comes this much later.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_micros()).unwrap_or(u64::MAX)))
    }

    /// How much later this is than another moment; nothing if it is not.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

/// What became of a wish to renew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// Memory may be believed for longer.
    Renewed,
    /// There are changes that were not applied.
    Behind,
    /// The database goes on in another history. There is no lease any more, and all of memory has to be forgotten.
    Elsewhere,
}

/// What all replicas agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Terms {
    length: Duration,
    drift_percent: u32,
    flaw: Option<Flaw>,
}

impl Terms {
    /// How long a lease is, and how much faster one clock may run than another, in parts of a hundred.
    #[must_use]
    pub const fn new(length: Duration, drift_percent: u32) -> Self {
        Self { length, drift_percent, flaw: None }
    }

    /// How long a lease is.
    #[must_use]
    pub const fn length(self) -> Duration {
        self.length
    }

    /// How long to wait, on one's own clock, until every lease that was granted before has run out on its holder's clock.
    #[must_use]
    pub fn patience(self) -> Duration {
        let drift_percent = if self.has(Flaw::IgnoresDrift) { 0 } else { self.drift_percent };
        self.length * (100 + drift_percent) / 100
    }
}

/// Whether a replica that has applied all changes up to one may have its lease renewed when `head` is the last: only if
/// it is the same. The database reads `head` while the order of changes is locked, so that a renewal is either before a
/// change or has seen it.
#[must_use]
pub fn is_renewable(applied: Point, head: Point) -> bool {
    applied == head
}

/// The first moment that a lease does not cover.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Deadline(Moment);

impl Deadline {
    /// The first moment that is not covered.
    #[must_use]
    pub const fn at(moment: Moment) -> Self {
        Self(moment)
    }

    /// The first moment that is not covered.
    #[must_use]
    pub const fn moment(self) -> Moment {
        self.0
    }

    /// Whether memory may be believed by a check that has come at `now`. To be asked for each check: a flag that a timer
    /// clears would still be set in a process that was stopped and goes on.
    #[must_use]
    pub fn covers(self, now: Moment) -> bool {
        now < self.0
    }
}

/// A wish to renew, made at a moment of the holder's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Renewal {
    asked: Moment,
    /// What had been applied by then.
    pub applied: Point,
}

/// The state of memory at the moment before a row is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket(u64);

/// There are changes between the last one that was applied and this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap;

/// One replica's right to answer from memory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Holder {
    terms: Terms,
    deadline: Deadline,
    applied: Point,
    history: Option<History>,
    generation: u64,
}

impl Holder {
    /// Without a lease, and with an empty memory.
    #[must_use]
    pub fn new(terms: Terms) -> Self {
        Self { terms, deadline: Deadline::default(), applied: Point::default(), history: None, generation: 0 }
    }

    /// Up to where changes were applied.
    #[must_use]
    pub const fn applied(&self) -> Point {
        self.applied
    }

    /// Until when memory may be believed.
    #[must_use]
    pub const fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// A wish to renew, to be sent after `now`.
    #[must_use]
    pub fn ask(&mut self, now: Moment) -> Renewal {
        let renewal = Renewal { asked: now, applied: self.applied };
        if self.terms.has(Flaw::HoldsWhatItAskedFor) {
            self.deadline = self.deadline.max(Deadline(self.end(renewal, now)));
        }
        renewal
    }

    /// The database has written down the wish, when `head` was the last change; that is known at `now`. A lease counts from
    /// before the wish was sent, because nobody knows when it was written.
    pub fn written(&mut self, renewal: Renewal, head: Head, now: Moment) -> Written {
        let before = self.history.replace(head.history);
        if before.is_some_and(|before| before != head.history) && !self.terms.has(Flaw::IgnoresTheHistory) {
            self.give_up();
            return Written::Elsewhere;
        }
        if !self.is_renewable(renewal.applied, head.point) {
            return Written::Behind;
        }
        self.deadline = self.deadline.max(Deadline(self.end(renewal, now)));
        Written::Renewed
    }

    fn is_renewable(&self, applied: Point, head: Point) -> bool {
        let is_overlooked = self.terms.has(Flaw::RenewsWhoIsBehind)
            || self.terms.has(Flaw::IgnoresTheHistory) && applied.seq == head.seq;
        is_renewable(applied, head) || is_overlooked
    }

    fn end(&self, renewal: Renewal, now: Moment) -> Moment {
        if self.terms.has(Flaw::NeverEnds) {
            return flaw::NEVER;
        }
        let since = if self.terms.has(Flaw::CountsFromTheAnswer) { now } else { renewal.asked };
        since.after(self.terms.length)
    }

    /// Gives the lease up at once: something is in doubt.
    pub fn give_up(&mut self) {
        self.deadline = Deadline::default();
    }

    /// To be called after memory has forgotten something, for whatever reason.
    pub const fn forgot(&mut self) {
        self.generation += 1;
    }

    /// To be called with each change, after memory has forgotten what it touches. Those that were applied before are
    /// none.
    ///
    /// # Errors
    /// When there is a gap before it: then all of memory has to be forgotten, see [`Holder::forgot_all`].
    pub fn apply(&mut self, change: Point) -> Result<(), Gap> {
        let next = self.applied.seq.next();
        if change.seq > next {
            return Err(Gap);
        }
        if change.seq == next {
            self.applied = change;
            self.forgot();
        }
        Ok(())
    }

    /// To be called after all of memory was forgotten, with a head that had been read before that.
    pub fn forgot_all(&mut self, head: Point) {
        if head.seq >= self.applied.seq {
            self.applied = head;
        }
        self.forgot();
    }

    /// Whether it makes a mistake.
    #[must_use]
    pub fn has(&self, flaw: Flaw) -> bool {
        self.terms.has(flaw)
    }

    /// To be taken before a row is read.
    #[must_use]
    pub const fn ticket(&self) -> Ticket {
        Ticket(self.generation)
    }

    /// Whether a row that was read under a ticket may be kept: only if nothing was forgotten since, and only under a
    /// lease, because nobody waits for a replica that has none.
    #[must_use]
    pub fn may_keep(&self, ticket: Ticket, now: Moment) -> bool {
        if self.terms.has(Flaw::KeepsWhatItRead) {
            return true;
        }
        ticket.0 == self.generation && (self.deadline.covers(now) || self.terms.has(Flaw::KeepsWithoutALease))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms::new(Duration::from_micros(100), 10);

    fn at(micros: u64) -> Moment {
        Moment::from_micros(micros)
    }

    fn point(seq: u64) -> Point {
        Point { seq: Seq::new(seq), mark: Mark::default() }
    }

    fn head(seq: u64) -> Head {
        Head { point: point(seq), history: History::default() }
    }

    /// What becomes of a wish that is written down a moment after it was made.
    fn renew(holder: &mut Holder, asked: u64, head: Head) -> Written {
        let renewal = holder.ask(at(asked));
        holder.written(renewal, head, at(asked + 1))
    }

    #[test]
    fn a_lease_counts_from_before_it_was_asked_for_and_never_shrinks() {
        let mut holder = Holder::new(TERMS);
        assert!(!holder.deadline().covers(at(0)));
        let (early, late) = (holder.ask(at(10)), holder.ask(at(50)));
        assert_eq!(holder.written(late, head(0), at(60)), Written::Renewed);
        assert_eq!(holder.written(early, head(0), at(70)), Written::Renewed);
        assert!(holder.deadline().covers(at(149)));
        assert!(!holder.deadline().covers(at(150)));
        holder.give_up();
        assert!(!holder.deadline().covers(at(51)));
    }

    #[test]
    fn whoever_is_behind_is_not_renewed() {
        let mut holder = Holder::new(TERMS);
        let renewal = holder.ask(at(0));
        assert_eq!(holder.written(renewal, head(1), at(1)), Written::Behind);
        assert!(!holder.deadline().covers(at(0)));
        // It catches up, but the wish was from before.
        assert_eq!(holder.apply(point(1)), Ok(()));
        assert_eq!(holder.written(renewal, head(1), at(1)), Written::Behind);
        assert_eq!(renew(&mut holder, 0, head(1)), Written::Renewed);
    }

    #[test]
    fn a_change_with_the_same_number_and_another_mark_is_another_change() {
        let mut holder = Holder::new(TERMS);
        holder.forgot_all(point(5));
        let renewal = holder.ask(at(0));
        let other = Point { mark: Mark::new(1), ..point(5) };
        assert_eq!(holder.written(renewal, Head { point: other, ..head(5) }, at(1)), Written::Behind);
        assert_eq!(holder.written(renewal, head(4), at(1)), Written::Behind, "the database has gone back");
        assert_eq!(holder.written(renewal, head(5), at(1)), Written::Renewed);
    }

    #[test]
    fn another_history_ends_the_lease() {
        let mut holder = Holder::new(TERMS);
        renew(&mut holder, 0, head(0));
        for other in [History { system: 1, timeline: 0 }, History { system: 1, timeline: 1 }] {
            let head = Head { history: other, ..head(0) };
            assert_eq!(renew(&mut holder, 1, head), Written::Elsewhere);
            assert!(!holder.deadline().covers(at(1)));
            assert_eq!(renew(&mut holder, 2, head), Written::Renewed);
        }
    }

    #[test]
    fn changes_are_applied_in_order_without_gaps() {
        let mut holder = Holder::new(TERMS);
        assert_eq!(holder.apply(point(2)), Err(Gap));
        assert_eq!(holder.applied(), point(0));
        for change in [1, 2, 1] {
            assert_eq!(holder.apply(point(change)), Ok(()));
        }
        assert_eq!(holder.applied(), point(2));
        holder.forgot_all(point(7));
        holder.forgot_all(point(5));
        assert_eq!(holder.applied(), point(7));
    }

    #[test]
    fn a_row_is_kept_only_under_a_lease_and_if_nothing_was_forgotten_since_it_was_read() {
        let mut holder = Holder::new(TERMS);
        assert!(!holder.may_keep(holder.ticket(), at(0)), "without a lease");
        renew(&mut holder, 0, head(0));
        let ticket = holder.ticket();
        assert!(holder.may_keep(ticket, at(99)));
        assert!(!holder.may_keep(ticket, at(100)), "after the lease");
        holder.apply(point(1)).unwrap();
        assert!(!holder.may_keep(ticket, at(1)), "after a change");
        let ticket = holder.ticket();
        holder.apply(point(1)).unwrap();
        assert!(holder.may_keep(ticket, at(1)), "after a change that was known");
        holder.forgot();
        assert!(!holder.may_keep(ticket, at(1)), "after something was forgotten");
    }
}
