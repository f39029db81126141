//! Waiting for a change to hold everywhere.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Flaw, Moment, Seq, Terms};

/// What the database knows of a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Standing {
    /// Up to where it has applied changes.
    pub applied: Seq,
    /// Grows with every sign of life.
    pub heard: u64,
}

impl Standing {
    /// A mistake: what stands where signs of life are counted is taken for the moment at which the lease ends.
    fn is_believed_over(self, terms: Terms, now: Moment) -> bool {
        terms.has(Flaw::BelievesStoredTimes) && now >= Moment::from_micros(self.heard)
    }
}

/// Waiting for a change to hold everywhere, by the one who made it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Settlement<Id: Ord> {
    terms: Terms,
    change: Seq,
    over: Moment,
    behind: Option<Behind<Id>>,
}

/// Who has not said yet that it applied the change, and how often each had been heard of when they were first looked at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Behind<Id: Ord> {
    since: Moment,
    replicas: BTreeMap<Id, u64>,
}

impl<Id: Ord + Clone> Settlement<Id> {
    /// For a change that was begun and committed before these moments on the clock of whoever waits. A lease that was
    /// granted before the commit was asked for before it, too; so none can still run when this wait is over. While the
    /// change was only begun, leases were still granted.
    #[must_use]
    pub fn begin(terms: Terms, change: Seq, begun: Moment, committed: Moment) -> Self {
        let since = if terms.has(Flaw::CountsFromTheBeginning) { begun } else { committed };
        Self { terms, change, over: since.after(terms.patience()), behind: None }
    }

    /// Takes in what the database says at `now` of all replicas. Who is not among them has no lease from before the
    /// change: it gave it up, it was silent for too long, or it came later and began with the change.
    pub fn hear(&mut self, standings: &BTreeMap<Id, Standing>, now: Moment) {
        let (change, terms) = (self.change, self.terms);
        let is_behind = |id: &Id| {
            let standing = standings.get(id).filter(|standing| standing.applied < change);
            standing.is_some_and(|standing| !standing.is_believed_over(terms, now))
        };
        if let Some(behind) = &mut self.behind {
            behind.replicas.retain(|id, _| is_behind(id));
            return;
        }
        let replicas = standings.iter().filter(|(id, _)| is_behind(id));
        let replicas = replicas.map(|(id, standing)| (id.clone(), standing.heard)).collect();
        self.behind = Some(Behind { since: now, replicas });
    }

    /// Whether the change holds everywhere, so that it may be answered.
    #[must_use]
    pub fn is_settled(&self, now: Moment) -> bool {
        now >= self.over || self.behind.as_ref().is_some_and(|behind| behind.replicas.is_empty())
    }

    /// How long it can take at most until then, whatever the database says.
    #[must_use]
    pub const fn at_most(&self, now: Moment) -> Duration {
        self.over.since(now)
    }

    /// Whether a mistake is to be made.
    #[must_use]
    pub fn has(&self, flaw: Flaw) -> bool {
        self.terms.has(flaw)
    }

    /// Whether somebody has not said that they applied the change.
    #[must_use]
    pub fn is_anybody_behind(&self) -> bool {
        self.behind.as_ref().is_some_and(|behind| !behind.replicas.is_empty())
    }

    /// From when on whoever is behind has no lease, unless they were heard of.
    #[must_use]
    pub fn silence_ends(&self) -> Option<Moment> {
        self.behind.as_ref().map(|behind| behind.since.after(self.terms.patience()))
    }

    /// Replicas whose lease has run out if they were not heard of since: nobody has to wait for them again.
    pub fn silent(&self, now: Moment) -> impl Iterator<Item = (&Id, u64)> {
        let long_enough = |behind: &&Behind<Id>| now >= behind.since.after(self.terms.patience());
        let behind = self.behind.as_ref().filter(long_enough);
        behind.into_iter().flat_map(|behind| behind.replicas.iter().map(|(id, heard)| (id, *heard)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms::new(Duration::from_micros(100), 10);

    fn at(micros: u64) -> Moment {
        Moment::from_micros(micros)
    }

    fn standings<const N: usize>(applied: [(&'static str, u64); N]) -> BTreeMap<&'static str, Standing> {
        applied.into_iter().map(|(id, applied)| (id, Standing { applied: Seq::new(applied), heard: 5 })).collect()
    }

    #[test]
    fn a_change_is_settled_when_everybody_has_applied_it_or_is_gone() {
        let mut settlement = Settlement::begin(TERMS, Seq::new(3), at(900), at(1_000));
        assert!(!settlement.is_settled(at(1_000)), "nobody was asked yet");
        settlement.hear(&standings([("a", 2), ("b", 3), ("c", 0)]), at(1_001));
        assert!(!settlement.is_settled(at(1_001)));
        settlement.hear(&standings([("a", 3), ("b", 3), ("c", 2)]), at(1_002));
        assert!(!settlement.is_settled(at(1_002)));
        settlement.hear(&standings([("a", 3), ("b", 3), ("d", 3)]), at(1_003));
        assert!(settlement.is_settled(at(1_003)));
    }

    #[test]
    fn nobody_is_waited_for_longer_than_a_lease_can_run() {
        let mut settlement = Settlement::begin(TERMS, Seq::new(3), at(900), at(1_000));
        assert!(!settlement.is_settled(at(1_109)));
        assert_eq!(settlement.at_most(at(1_109)), Duration::from_micros(1));
        assert_eq!(settlement.at_most(at(1_111)), Duration::ZERO);
        assert!(settlement.is_settled(at(1_110)), "even if the database says nothing");
        settlement.hear(&standings([("a", 2), ("b", 4)]), at(1_050));
        assert!(settlement.is_settled(at(1_110)));
        assert_eq!(settlement.silent(at(1_110)).count(), 0, "it may have been heard of just before it was looked at");
        assert_eq!(settlement.silent(at(1_160)).collect::<Vec<_>>(), [(&"a", 5)]);
    }
}
