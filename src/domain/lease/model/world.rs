//! What there is: a database, those who hold rows of it in memory, and those who revoke.

use std::collections::BTreeMap;

use super::{Course, FAST, REPLICAS, SLOW, TERMS};
use crate::domain::lease::{
    Head, History, Holder, Mark, Moment, Point, Renewal, Seq, Settlement, Standing, Terms, Ticket,
};

/// The change that revokes the token.
const REVOCATION: Mark = Mark::new(1);
/// One that was there before.
const EARLIER: Point = Point { seq: Seq::new(1), mark: Mark::new(7) };

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Replica {
    pub holder: Holder,
    /// What memory holds of the one token: whether it is good.
    pub memory: Option<bool>,
    pub reading: Option<(Ticket, bool)>,
    pub renewing: Option<Sent>,
    /// A check that began at this moment of the replica's clock, after the revocation had been answered.
    pub check: Option<Moment>,
    /// It has said that it applied the change, and still has to forget what that touches.
    pub is_late: bool,
    /// The moment that its timer noted last, where one is believed.
    pub noted: Moment,
    /// For how many moments its clock stood still, where it does.
    pub slept: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Sent {
    Asked(Renewal),
    /// With the last change there was.
    Written(Renewal, Head),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Revoker {
    Idle,
    /// The change has its number, and is not committed.
    Numbered,
    /// The change is committed; the moment is from before that.
    Committed(Moment),
    Waiting(Settlement<usize>),
    Answered,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct World {
    pub time: u64,
    pub head: Head,
    /// Whether the token is revoked.
    pub is_revoked: bool,
    /// The last change of a primary whose place another has taken, and that has not noticed. Replicas are left with it.
    pub zombie: Option<Head>,
    /// What the database knows of each replica.
    pub leases: [Option<Standing>; REPLICAS],
    pub replicas: [Replica; REPLICAS],
    pub revoker: Revoker,
    /// Who is asked to revoke the token again.
    pub repeater: Revoker,
    /// Waiting for the earlier change, where there is one.
    pub earlier: Option<Settlement<usize>>,
    /// A check that began after the answer was let through.
    pub betrayed: bool,
}

impl World {
    pub(super) fn new(terms: Terms, course: Course) -> Self {
        let world = Self {
            time: 0,
            head: Head { point: Point::default(), history: History::default() },
            is_revoked: false,
            zombie: None,
            leases: [None; REPLICAS],
            replicas: std::array::from_fn(|_| Replica::new(terms)),
            revoker: Revoker::Idle,
            repeater: Revoker::Idle,
            earlier: None,
            betrayed: false,
        };
        match course {
            Course::Alone | Course::Twice => world,
            Course::AfterAnother => world.after_another(terms),
            Course::PutBack => world.put_back(),
        }
    }

    /// Another change was just committed. The replica was there before, and has not applied it.
    fn after_another(mut self, terms: Terms) -> Self {
        self.head.point = EARLIER;
        self.leases = [Some(Standing { applied: Seq::default(), heard: 0 }); REPLICAS];
        self.earlier = Some(Settlement::begin(terms, EARLIER.seq, Moment::default(), Moment::default()));
        self
    }

    /// The replica has a change that the database has no more, and holds what it read then. To put a database back
    /// takes longer than any lease runs.
    fn put_back(mut self) -> Self {
        let was = Head { point: EARLIER, ..self.head };
        for replica in &mut self.replicas {
            replica.holder.forgot_all(was.point);
            let renewal = replica.holder.ask(Moment::default());
            replica.holder.written(renewal, was, Moment::default());
            replica.holder.give_up();
            replica.memory = Some(true);
        }
        self.head.history.timeline += 1;
        self
    }

    pub(super) fn holders_clock(&self, id: usize) -> Moment {
        Moment::from_micros((self.time - self.replicas[id].slept) * SLOW)
    }

    pub(super) fn revokers_clock(&self) -> Moment {
        Moment::from_micros(self.time * FAST)
    }

    pub(super) fn standings(&self) -> BTreeMap<usize, Standing> {
        let known = self.leases.iter().enumerate();
        known.filter_map(|(id, standing)| Some((id, (*standing)?))).collect()
    }

    /// Whether somebody was told that the token is revoked.
    pub(super) fn is_answered(&self) -> bool {
        self.revoker == Revoker::Answered || self.repeater == Revoker::Answered
    }

    /// The change that revokes, if it is the next one.
    pub(super) const fn revocation(&self) -> Point {
        Point { seq: self.head.point.seq.next(), mark: REVOCATION }
    }

    /// Whether the database knows a change that a replica has applied.
    pub(super) fn knows(&self, applied: Point) -> bool {
        applied == self.head.point || applied.seq < self.head.point.seq
    }

    /// A sign of life. Those since the earlier change began to wait for them are others than those before.
    pub(super) fn hear_of(&mut self, id: usize, renewal: Renewal) {
        let applied = if self.knows(renewal.applied) { renewal.applied.seq } else { Seq::default() };
        let is_missed = self.earlier.as_ref().is_some_and(|earlier| earlier.silence_ends().is_some());
        let before = self.leases[id].unwrap_or(Standing { applied, heard: 0 });
        let heard = before.heard.max(u64::from(is_missed));
        self.leases[id] = Some(Standing { applied: before.applied.max(applied), heard });
    }

    /// Where such a time is believed: when the lease ends, on the replica's clock.
    pub(super) fn store_end(&mut self, id: usize) {
        let end = self.holders_clock(id).after(TERMS.length());
        if let Some(standing) = &mut self.leases[id] {
            standing.heard = end.as_micros();
        }
    }
}

impl Replica {
    fn new(terms: Terms) -> Self {
        Self {
            holder: Holder::new(terms),
            memory: None,
            reading: None,
            renewing: None,
            check: None,
            is_late: false,
            noted: Moment::default(),
            slept: 0,
        }
    }
}
