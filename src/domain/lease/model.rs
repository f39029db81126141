//! Every order in which a replica, the database and whoever revokes can act, tried out. The replicas' and the
//! revoker's steps are the functions of this module themselves; only the database and time are made up.

use std::collections::BTreeMap;
use std::time::Duration;

use stateright::{Checker as _, Model, Property};

use super::{Deadline, Holder, Moment, Renewal, Seq, Settlement, Standing, Terms, Ticket};

const REPLICAS: usize = 1;
/// Moments of real time that are looked at.
const END: u64 = 4;
/// A lease, in microseconds of the holder's clock. Its clock is the slow one, and goes on by 2 in a moment of real time …
const LEASE: u64 = 6;
const TERMS: Terms = Terms { length: Duration::from_micros(LEASE), drift_percent: 50 };
const SLOW: u64 = 2;
/// … and the revoker's is the fast one: as far apart as is allowed.
const FAST: u64 = 3;

/// What may be wrong. Each has to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    None,
    /// A replica says that it has applied a change before memory has forgotten.
    AcknowledgesEarly,
    /// A row is kept whatever was forgotten since it was read.
    KeepsWhatItRead,
    /// A lease never ends.
    NeverEnds,
    /// The holder counts from when it hears that its lease was renewed.
    CountsFromTheAnswer,
    /// Whoever is behind may renew.
    RenewsWhoIsBehind,
    /// The revoker counts from before the change was committed.
    CountsFromBeforeTheCommit,
    /// The revoker waits no longer than the lease itself.
    IgnoresDrift,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Replica {
    holder: Holder,
    /// What memory holds of the one token: whether it is good.
    memory: Option<bool>,
    reading: Option<(Ticket, bool)>,
    renewing: Option<Sent>,
    /// A check that began at this moment of the replica's clock, and whether the revocation had been answered by then.
    check: Option<(Moment, bool)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Sent {
    Asked(Renewal),
    /// With the last change there was.
    Written(Renewal, Seq),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Revoker {
    Idle,
    /// The change is committed; the moment is from before that.
    Committed(Moment),
    Waiting(Settlement<usize>),
    Answered,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    time: u64,
    head: Seq,
    /// What the database knows of each replica: how far it is.
    leases: [Option<Seq>; REPLICAS],
    replicas: [Replica; REPLICAS],
    revoker: Revoker,
    /// A check that began after the answer was let through.
    betrayed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Step {
    TimePasses,
    Commit,
    ReadLeases,
    HearReplicas,
    Answer,
    AskToRenew(usize),
    DatabaseRenews(usize),
    HearOfRenewal(usize),
    LoseRenewal(usize),
    Apply(usize),
    Acknowledge(usize),
    ReadRow(usize),
    KeepRow(usize),
    BeginCheck(usize),
    DecideCheck(usize),
}

struct Cluster(Flaw);

impl Cluster {
    fn holders_clock(world: &World) -> Moment {
        Moment::from_micros(world.time * SLOW)
    }

    fn revokers_clock(world: &World) -> Moment {
        Moment::from_micros(world.time * FAST)
    }

    fn is_good(world: &World) -> bool {
        world.head == Seq::default()
    }

    fn may_answer(&self, deadline: Deadline, now: Moment) -> bool {
        match self.0 {
            Flaw::NeverEnds => deadline > Deadline::default(),
            _ => deadline.covers(now),
        }
    }

    fn settlement(&self, world: &World, before: Moment) -> Settlement<usize> {
        let now = Self::revokers_clock(world);
        let (terms, since) = match self.0 {
            Flaw::CountsFromBeforeTheCommit => (TERMS, before),
            Flaw::IgnoresDrift => (Terms { drift_percent: 0, ..TERMS }, now),
            _ => (TERMS, now),
        };
        Settlement::begin(terms, world.head, since)
    }

    fn standings(world: &World) -> BTreeMap<usize, Standing> {
        let known = world.leases.iter().enumerate();
        known.filter_map(|(id, applied)| Some((id, Standing { applied: (*applied)?, heard: 0 }))).collect()
    }

    fn replica_steps(&self, world: &World, id: usize, steps: &mut Vec<Step>) {
        let replica = &world.replicas[id];
        match replica.renewing {
            None => steps.push(Step::AskToRenew(id)),
            Some(Sent::Asked(_)) => steps.extend([Step::DatabaseRenews(id), Step::LoseRenewal(id)]),
            Some(Sent::Written(..)) => steps.extend([Step::HearOfRenewal(id), Step::LoseRenewal(id)]),
        }
        if replica.holder.applied() < world.head {
            steps.push(Step::Apply(id));
        }
        let early = self.0 == Flaw::AcknowledgesEarly;
        if world.leases[id].is_some_and(|known| known < if early { world.head } else { replica.holder.applied() }) {
            steps.push(Step::Acknowledge(id));
        }
        steps.push(if replica.reading.is_none() { Step::ReadRow(id) } else { Step::KeepRow(id) });
        steps.push(if replica.check.is_none() { Step::BeginCheck(id) } else { Step::DecideCheck(id) });
    }

    fn step_of_replica(&self, world: &mut World, step: Step) -> Option<()> {
        let now = Self::holders_clock(world);
        let answered = world.revoker == Revoker::Answered;
        match step {
            Step::AskToRenew(id) => {
                let replica = &mut world.replicas[id];
                replica.renewing = Some(Sent::Asked(replica.holder.ask(now)));
            }
            Step::DatabaseRenews(id) => {
                let Some(Sent::Asked(renewal)) = world.replicas[id].renewing.clone() else { return None };
                world.replicas[id].renewing = Some(Sent::Written(renewal, world.head));
                world.leases[id] = world.leases[id].max(Some(renewal.applied));
            }
            Step::HearOfRenewal(id) => {
                let replica = &mut world.replicas[id];
                let Some(Sent::Written(mut renewal, mut head)) = replica.renewing.take() else { return None };
                match self.0 {
                    Flaw::CountsFromTheAnswer => renewal.asked = now,
                    Flaw::RenewsWhoIsBehind => head = renewal.applied,
                    _ => {}
                }
                replica.holder.written(renewal, head);
            }
            Step::LoseRenewal(id) => world.replicas[id].renewing = None,
            Step::Apply(id) => {
                let replica = &mut world.replicas[id];
                replica.memory = None;
                replica.holder.apply(replica.holder.applied().next()).ok()?;
            }
            Step::Acknowledge(id) => {
                let early = self.0 == Flaw::AcknowledgesEarly;
                world.leases[id] = Some(if early { world.head } else { world.replicas[id].holder.applied() });
            }
            Step::ReadRow(id) => {
                let row = Self::is_good(world);
                let replica = &mut world.replicas[id];
                replica.reading = Some((replica.holder.ticket(), row));
            }
            Step::KeepRow(id) => {
                let replica = &mut world.replicas[id];
                let (ticket, row) = replica.reading.take()?;
                if replica.holder.may_keep(ticket, now) || self.0 == Flaw::KeepsWhatItRead {
                    replica.memory = Some(row);
                }
            }
            Step::BeginCheck(id) => world.replicas[id].check = Some((now, answered)),
            Step::DecideCheck(id) => {
                let replica = &mut world.replicas[id];
                let (began, was_answered) = replica.check.take()?;
                // Without memory the row is read now, and tells the truth.
                let passes = self.may_answer(replica.holder.deadline(), began) && replica.memory == Some(true);
                world.betrayed |= passes && was_answered;
            }
            _ => return None,
        }
        Some(())
    }

    fn step_of_revoker(&self, world: &mut World, step: Step) -> Option<()> {
        let now = Self::revokers_clock(world);
        world.revoker = match (step, world.revoker.clone()) {
            (Step::Commit, Revoker::Idle) => {
                world.head = world.head.next();
                // The commit took a moment of the revoker's time, or none.
                Revoker::Committed(Moment::from_micros(now.0.saturating_sub(FAST)))
            }
            (Step::ReadLeases, Revoker::Committed(before)) => Revoker::Waiting(self.settlement(world, before)),
            (Step::HearReplicas, Revoker::Waiting(mut settlement)) => {
                settlement.hear(&Self::standings(world), now);
                Revoker::Waiting(settlement)
            }
            (Step::Answer, Revoker::Waiting(settlement)) if settlement.is_settled(now) => Revoker::Answered,
            _ => return None,
        };
        Some(())
    }
}

impl Model for Cluster {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        let holder = Holder::new(TERMS);
        let replica = Replica { holder, memory: None, reading: None, renewing: None, check: None };
        vec![World {
            time: 0,
            head: Seq::default(),
            leases: [None; REPLICAS],
            replicas: std::array::from_fn(|_| replica.clone()),
            revoker: Revoker::Idle,
            betrayed: false,
        }]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        if world.time < END {
            steps.push(Step::TimePasses);
        }
        match &world.revoker {
            Revoker::Idle => steps.push(Step::Commit),
            Revoker::Committed(_) => steps.push(Step::ReadLeases),
            Revoker::Waiting(_) => steps.extend([Step::HearReplicas, Step::Answer]),
            Revoker::Answered => {}
        }
        (0..REPLICAS).for_each(|id| self.replica_steps(world, id, steps));
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        let mut next = world.clone();
        match step {
            Step::TimePasses => next.time += 1,
            Step::Commit | Step::ReadLeases | Step::HearReplicas | Step::Answer => {
                self.step_of_revoker(&mut next, step)?;
            }
            _ => self.step_of_replica(&mut next, step)?,
        }
        (next != *world).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no check that began after the answer passes", |_, world: &World| !world.betrayed),
            Property::sometimes("a revocation is answered", |_, world: &World| world.revoker == Revoker::Answered),
            Property::sometimes("a check is answered from memory", |_, world: &World| {
                let now = Cluster::holders_clock(world);
                world.replicas.iter().any(|each| each.memory == Some(true) && each.holder.deadline().covers(now))
            }),
        ]
    }
}

fn discovered(flaw: Flaw) -> Vec<&'static str> {
    let checker = Cluster(flaw).checker().threads(2).spawn_dfs().join();
    let mut names: Vec<_> = checker.discoveries().into_keys().collect();
    names.sort_unstable();
    println!("{flaw:?}: {} states, found {names:?}", checker.unique_state_count());
    names
}

const BETRAYED: &str = "no check that began after the answer passes";

#[test]
fn no_order_of_events_lets_a_check_pass_that_began_after_the_answer() {
    assert_eq!(discovered(Flaw::None), ["a check is answered from memory", "a revocation is answered"]);
}

#[test]
fn every_flaw_is_found() {
    let flaws = [
        Flaw::AcknowledgesEarly,
        Flaw::KeepsWhatItRead,
        Flaw::NeverEnds,
        Flaw::CountsFromTheAnswer,
        Flaw::RenewsWhoIsBehind,
        Flaw::CountsFromBeforeTheCommit,
        Flaw::IgnoresDrift,
    ];
    for flaw in flaws {
        assert!(discovered(flaw).contains(&BETRAYED), "{flaw:?} does no harm in the model");
    }
}
