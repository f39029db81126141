//! Every order in which a replica, the database and whoever revokes can act, tried out. The replicas' and the
//! revoker's steps are the functions of this module themselves; only the database and time are made up.

use std::collections::BTreeMap;
use std::time::Duration;

use stateright::{Checker as _, Model, Property};

use super::{
    Flaw, Head, History, Holder, Mark, Moment, Point, Renewal, Seq, Settlement, Standing, Terms, Ticket, Written,
};

const REPLICAS: usize = 1;
/// Moments of real time that are looked at.
const END: u64 = 4;
/// A lease, in microseconds of the holder's clock. Its clock is the slow one, and goes on by 2 in a moment of real time …
const LEASE: u64 = 6;
const TERMS: Terms = Terms::new(Duration::from_micros(LEASE), 50);
const SLOW: u64 = 2;
/// … and the revoker's is the fast one: as far apart as is allowed.
const FAST: u64 = 3;

/// What may be wrong. Each has to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    Nothing,
    /// Something in the program, which then does so here as in a server.
    Program(Flaw),
    /// A standby takes over that has not seen the last commit: why commits have to wait for one.
    LosesCommits,
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
    /// It has said that it applied the change, and still has to forget what that touches.
    is_late: bool,
    /// The moment that its timer noted last, where one is believed.
    noted: Moment,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Sent {
    Asked(Renewal),
    /// With the last change there was.
    Written(Renewal, Head),
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
    head: Head,
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
    /// A standby takes over. What was not written yet is lost.
    FailOver,
    Commit,
    ReadLeases,
    HearReplicas,
    Answer,
    AskToRenew(usize),
    DatabaseRenews(usize),
    HearOfRenewal(usize),
    LoseRenewal(usize),
    Apply(usize),
    ReadRow(usize),
    KeepRow(usize),
    ForgetLate(usize),
    RunTimer(usize),
    BeginCheck(usize),
    DecideCheck(usize),
}

struct Cluster(Wrong);

impl Cluster {
    fn holders_clock(world: &World) -> Moment {
        Moment::from_micros(world.time * SLOW)
    }

    fn revokers_clock(world: &World) -> Moment {
        Moment::from_micros(world.time * FAST)
    }

    fn is_good(world: &World) -> bool {
        world.head.point.seq == Seq::default()
    }

    fn terms(&self) -> Terms {
        match self.0 {
            Wrong::Program(flaw) => TERMS.flawed(flaw),
            Wrong::Nothing | Wrong::LosesCommits => TERMS,
        }
    }

    fn has_a_timer(&self) -> bool {
        self.0 == Wrong::Program(Flaw::BelievesATimer)
    }

    /// The moment that a replica compares with the end of its lease.
    fn believed_clock(&self, world: &World, id: usize) -> Moment {
        if self.has_a_timer() { world.replicas[id].noted } else { Self::holders_clock(world) }
    }

    fn standings(world: &World) -> BTreeMap<usize, Standing> {
        let known = world.leases.iter().enumerate();
        known.filter_map(|(id, applied)| Some((id, Standing { applied: (*applied)?, heard: 0 }))).collect()
    }

    fn replica_steps(&self, world: &World, id: usize, steps: &mut Vec<Step>) {
        let replica = &world.replicas[id];
        if self.has_a_timer() {
            steps.push(Step::RunTimer(id));
        }
        if replica.is_late {
            steps.push(Step::ForgetLate(id));
        }
        match replica.renewing {
            None => steps.push(Step::AskToRenew(id)),
            Some(Sent::Asked(_)) => steps.extend([Step::DatabaseRenews(id), Step::LoseRenewal(id)]),
            Some(Sent::Written(..)) => steps.extend([Step::HearOfRenewal(id), Step::LoseRenewal(id)]),
        }
        if replica.holder.applied().seq < world.head.point.seq {
            steps.push(Step::Apply(id));
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
                world.leases[id] = world.leases[id].max(Some(renewal.applied.seq));
            }
            Step::HearOfRenewal(id) => {
                let replica = &mut world.replicas[id];
                let Some(Sent::Written(renewal, head)) = replica.renewing.take() else { return None };
                if replica.holder.written(renewal, head, now) == Written::Elsewhere {
                    replica.memory = None;
                    replica.holder.forgot();
                }
            }
            Step::LoseRenewal(id) => world.replicas[id].renewing = None,
            Step::Apply(id) => {
                let (head, replica) = (world.head.point, &mut world.replicas[id]);
                if replica.holder.has(Flaw::AcknowledgesEarly) {
                    replica.is_late = true;
                } else {
                    replica.memory = None;
                }
                replica.holder.apply(head).ok()?;
            }
            Step::ForgetLate(id) => {
                let replica = &mut world.replicas[id];
                (replica.memory, replica.is_late) = (None, false);
                replica.holder.forgot();
            }
            Step::ReadRow(id) => {
                let row = Self::is_good(world);
                let replica = &mut world.replicas[id];
                replica.reading = Some((replica.holder.ticket(), row));
            }
            Step::KeepRow(id) => {
                let replica = &mut world.replicas[id];
                let (ticket, row) = replica.reading.take()?;
                if replica.holder.may_keep(ticket, now) {
                    replica.memory = Some(row);
                }
            }
            Step::RunTimer(id) => world.replicas[id].noted = now,
            Step::BeginCheck(id) => world.replicas[id].check = Some((self.believed_clock(world, id), answered)),
            Step::DecideCheck(id) => {
                let replica = &mut world.replicas[id];
                let (began, was_answered) = replica.check.take()?;
                // Without memory the row is read now, and tells the truth.
                let passes = replica.holder.deadline().covers(began) && replica.memory == Some(true);
                world.betrayed |= passes && was_answered;
            }
            _ => return None,
        }
        Some(())
    }

    fn fail_over(&self, world: &mut World) {
        world.head.history.timeline += 1;
        if self.0 == Wrong::LosesCommits {
            world.head.point = Point::default();
        }
        for replica in &mut world.replicas {
            replica.renewing = replica.renewing.take().filter(|sent| matches!(sent, Sent::Written(..)));
        }
    }

    fn step_of_revoker(&self, world: &mut World, step: Step) -> Option<()> {
        let now = Self::revokers_clock(world);
        world.revoker = match (step, world.revoker.clone()) {
            (Step::Commit, Revoker::Idle) => {
                world.head.point = Point { seq: world.head.point.seq.next(), mark: Mark::new(1) };
                // The commit took a moment of the revoker's time, or none.
                Revoker::Committed(Moment::from_micros(now.0.saturating_sub(FAST)))
            }
            (Step::ReadLeases, Revoker::Committed(before)) => {
                Revoker::Waiting(Settlement::begin(self.terms(), world.head.point.seq, before, now))
            }
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
        let holder = Holder::new(self.terms());
        let noted = Moment::default();
        let replica =
            Replica { holder, memory: None, reading: None, renewing: None, check: None, is_late: false, noted };
        vec![World {
            time: 0,
            head: Head { point: Point::default(), history: History::default() },
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
        // The other mistakes are found without it, and sooner.
        if world.head.history.timeline == 0 && matches!(self.0, Wrong::Nothing | Wrong::LosesCommits) {
            steps.push(Step::FailOver);
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
            Step::FailOver => self.fail_over(&mut next),
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

fn discovered(wrong: Wrong) -> Vec<&'static str> {
    let checker = Cluster(wrong).checker().threads(2).spawn_dfs().join();
    let mut names: Vec<_> = checker.discoveries().into_keys().collect();
    names.sort_unstable();
    println!("{wrong:?}: {} states, found {names:?}", checker.unique_state_count());
    names
}

const BETRAYED: &str = "no check that began after the answer passes";

#[test]
fn no_order_of_events_lets_a_check_pass_that_began_after_the_answer() {
    assert_eq!(discovered(Wrong::Nothing), ["a check is answered from memory", "a revocation is answered"]);
}

#[test]
fn every_mistake_is_found() {
    for wrong in Flaw::ALL.into_iter().map(|(_, flaw)| Wrong::Program(flaw)).chain([Wrong::LosesCommits]) {
        assert!(discovered(wrong).contains(&BETRAYED), "{wrong:?} does no harm in the model");
    }
}
