//! Every order in which a replica, the database and whoever revokes can act, tried out. The replicas' and the
//! revoker's steps are the functions of this module themselves; only the database and time are made up.

mod found;

use std::collections::BTreeMap;
use std::time::Duration;

use stateright::{Model, Property};

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

impl Wrong {
    fn is(self, flaw: Flaw) -> bool {
        self == Self::Program(flaw)
    }
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
    /// For how many moments its clock stood still, where it does.
    slept: u64,
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
    /// The change has its number, and is not committed.
    Numbered,
    /// The change is committed; the moment is from before that.
    Committed(Moment),
    Waiting(Settlement<usize>),
    Answered,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    time: u64,
    head: Head,
    /// Whether the token is revoked.
    is_revoked: bool,
    /// The last change of a primary whose place another has taken, and that has not noticed. Replicas are left with it.
    zombie: Option<Head>,
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
    /// A change gets its number before it can be committed, and another one overtakes it.
    TakeNumber,
    Overtake,
    Commit,
    ReadLeases,
    HearReplicas,
    Answer,
    AskToRenew(usize),
    DatabaseRenews(usize),
    ZombieRenews(usize),
    HearOfRenewal(usize),
    LoseRenewal(usize),
    Apply(usize),
    ReadRow(usize),
    KeepRow(usize),
    ForgetLate(usize),
    RunTimer(usize),
    Sleep(usize),
    BeginCheck(usize),
    DecideCheck(usize),
}

struct Cluster(Wrong);

impl Cluster {
    fn holders_clock(world: &World, id: usize) -> Moment {
        Moment::from_micros((world.time - world.replicas[id].slept) * SLOW)
    }

    fn revokers_clock(world: &World) -> Moment {
        Moment::from_micros(world.time * FAST)
    }

    fn terms(&self) -> Terms {
        match self.0 {
            Wrong::Program(flaw) => TERMS.flawed(flaw),
            Wrong::Nothing | Wrong::LosesCommits => TERMS,
        }
    }

    fn has_a_timer(&self) -> bool {
        self.0.is(Flaw::BelievesATimer)
    }

    /// The moment that a replica compares with the end of its lease.
    fn believed_clock(&self, world: &World, id: usize) -> Moment {
        if self.has_a_timer() { world.replicas[id].noted } else { Self::holders_clock(world, id) }
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
        if self.0.is(Flaw::StandsStillInSleep) && world.time < END {
            steps.push(Step::Sleep(id));
        }
        if replica.is_late {
            steps.push(Step::ForgetLate(id));
        }
        match replica.renewing {
            None => steps.push(Step::AskToRenew(id)),
            Some(Sent::Asked(_)) => {
                let renews = if world.zombie.is_some() { Step::ZombieRenews(id) } else { Step::DatabaseRenews(id) };
                steps.extend([renews, Step::LoseRenewal(id)]);
            }
            Some(Sent::Written(..)) => steps.extend([Step::HearOfRenewal(id), Step::LoseRenewal(id)]),
        }
        if replica.holder.applied().seq < world.head.point.seq && world.zombie.is_none() {
            steps.push(Step::Apply(id));
        }
        steps.push(if replica.reading.is_none() { Step::ReadRow(id) } else { Step::KeepRow(id) });
        steps.push(if replica.check.is_none() { Step::BeginCheck(id) } else { Step::DecideCheck(id) });
    }

    fn step_of_replica(&self, world: &mut World, step: Step) -> Option<()> {
        let answered = world.revoker == Revoker::Answered;
        match step {
            Step::AskToRenew(id) => {
                let now = Self::holders_clock(world, id);
                let replica = &mut world.replicas[id];
                replica.renewing = Some(Sent::Asked(replica.holder.ask(now)));
            }
            Step::DatabaseRenews(id) => {
                let Some(Sent::Asked(renewal)) = world.replicas[id].renewing.clone() else { return None };
                world.replicas[id].renewing = Some(Sent::Written(renewal, world.head));
                world.leases[id] = world.leases[id].max(Some(renewal.applied.seq));
            }
            Step::ZombieRenews(id) => {
                let Some(Sent::Asked(renewal)) = world.replicas[id].renewing.clone() else { return None };
                world.replicas[id].renewing = Some(Sent::Written(renewal, world.zombie?));
            }
            Step::HearOfRenewal(id) => {
                let now = Self::holders_clock(world, id);
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
                if replica.holder.apply(head).is_err() {
                    replica.holder.forgot_all(head);
                }
            }
            Step::ForgetLate(id) => {
                let replica = &mut world.replicas[id];
                (replica.memory, replica.is_late) = (None, false);
                replica.holder.forgot();
            }
            Step::ReadRow(id) => {
                let row = !world.is_revoked;
                let replica = &mut world.replicas[id];
                replica.reading = Some((replica.holder.ticket(), row));
            }
            Step::KeepRow(id) => {
                let now = Self::holders_clock(world, id);
                let replica = &mut world.replicas[id];
                let (ticket, row) = replica.reading.take()?;
                if replica.holder.may_keep(ticket, now) {
                    replica.memory = Some(row);
                }
            }
            Step::RunTimer(id) => world.replicas[id].noted = Self::holders_clock(world, id),
            Step::Sleep(id) => {
                world.time += 1;
                world.replicas[id].slept += 1;
            }
            Step::BeginCheck(id) => world.replicas[id].check = Some((self.believed_clock(world, id), answered)),
            Step::DecideCheck(id) => {
                let replica = &mut world.replicas[id];
                let (began, was_answered) = replica.check.take()?;
                // Without memory the row is read now, and tells the truth; unless somebody asked before.
                let is_told = self.0.is(Flaw::JoinsAQuestion) && matches!(replica.reading, Some((_, true)));
                let passes = is_told || replica.holder.deadline().covers(began) && replica.memory == Some(true);
                world.betrayed |= passes && was_answered;
            }
            _ => return None,
        }
        Some(())
    }

    fn fail_over(&self, world: &mut World) {
        let before = world.head;
        world.head.history.timeline += 1;
        if self.0.is(Flaw::RenewsWithoutAStandby) {
            world.zombie = Some(before);
            return;
        }
        if self.0 == Wrong::LosesCommits {
            (world.head.point, world.is_revoked) = (Point::default(), false);
        }
        for replica in &mut world.replicas {
            replica.renewing = replica.renewing.take().filter(|sent| matches!(sent, Sent::Written(..)));
        }
    }

    fn step_of_revoker(&self, world: &mut World, step: Step) -> Option<()> {
        let now = Self::revokers_clock(world);
        world.revoker = match (step, world.revoker.clone()) {
            (Step::TakeNumber, Revoker::Idle) => Revoker::Numbered,
            (Step::Overtake, Revoker::Numbered) => {
                world.head.point = Point { seq: Seq::default().next().next(), mark: Mark::new(2) };
                Revoker::Numbered
            }
            (Step::Commit, Revoker::Idle | Revoker::Numbered) => {
                let own = Point { seq: Seq::default().next(), mark: Mark::new(1) };
                if world.head.point.seq < own.seq {
                    world.head.point = own;
                }
                world.is_revoked = true;
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
        let replica = Replica {
            holder,
            memory: None,
            reading: None,
            renewing: None,
            check: None,
            is_late: false,
            noted,
            slept: 0,
        };
        vec![World {
            time: 0,
            head: Head { point: Point::default(), history: History::default() },
            is_revoked: false,
            zombie: None,
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
        let is_needed =
            matches!(self.0, Wrong::Nothing | Wrong::LosesCommits | Wrong::Program(Flaw::RenewsWithoutAStandby));
        if world.head.history.timeline == 0 && is_needed {
            steps.push(Step::FailOver);
        }
        match &world.revoker {
            Revoker::Idle if self.0.is(Flaw::NumbersOutOfTurn) => steps.push(Step::TakeNumber),
            Revoker::Idle => steps.push(Step::Commit),
            Revoker::Numbered => steps.extend([Step::Overtake, Step::Commit]),
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
            Step::TakeNumber | Step::Overtake | Step::Commit | Step::ReadLeases | Step::HearReplicas | Step::Answer => {
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
                world.replicas.iter().enumerate().any(|(id, each)| {
                    let now = Cluster::holders_clock(world, id);
                    each.memory == Some(true) && each.holder.deadline().covers(now)
                })
            }),
        ]
    }
}
