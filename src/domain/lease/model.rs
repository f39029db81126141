//! Every order in which a replica, the database and whoever revokes can act, tried out. The replicas' and the
//! revoker's steps are the functions of this module themselves; only the database and time are made up.

mod found;
mod replica;
mod revoker;
mod world;

use std::time::Duration;

use stateright::{Model, Property};

use super::{Flaw, Terms};
use world::{Revoker, World};

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

/// What happens besides one revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    /// A standby takes over, and replicas leave.
    Alone,
    /// Whoever made an earlier change still has to take who was silent from the list.
    AfterAnother,
    /// It is asked for again, of another server.
    Twice,
    /// The database was put back to before a change that the replica has applied.
    PutBack,
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
    /// The steps of who is asked again.
    FindDone,
    HearAgain,
    AnswerAgain,
    /// The steps of who made an earlier change.
    MissReplicas,
    ForgetSilent,
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
    Leave(usize),
    BeginCheck(usize),
    DecideCheck(usize),
}

struct Cluster {
    wrong: Wrong,
    course: Course,
}

impl Cluster {
    /// Where a mistake does harm.
    const fn of(wrong: Wrong) -> Self {
        let course = match wrong {
            Wrong::Program(Flaw::ForgetsWhoWasHeard) => Course::AfterAnother,
            Wrong::Program(Flaw::AnswersWhatIsDone) => Course::Twice,
            Wrong::Program(Flaw::IgnoresTheHistory) => Course::PutBack,
            _ => Course::Alone,
        };
        Self { wrong, course }
    }

    fn is(&self, flaw: Flaw) -> bool {
        self.wrong == Wrong::Program(flaw)
    }

    const fn terms(&self) -> Terms {
        match self.wrong {
            Wrong::Program(flaw) => TERMS.flawed(flaw),
            Wrong::Nothing | Wrong::LosesCommits => TERMS,
        }
    }

    /// Whether a standby may take over. Most mistakes are found without it, and sooner.
    fn has_a_standby(&self) -> bool {
        let is_needed =
            matches!(self.wrong, Wrong::Nothing | Wrong::LosesCommits | Wrong::Program(Flaw::RenewsWithoutAStandby));
        self.course == Course::Alone && is_needed
    }
}

impl Model for Cluster {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(self.terms(), self.course)]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        if world.time < END {
            steps.push(Step::TimePasses);
        }
        if world.head.history.timeline == 0 && self.has_a_standby() {
            steps.push(Step::FailOver);
        }
        self.revokers_steps(world, steps);
        (0..REPLICAS).for_each(|id| self.replica_steps(world, id, steps));
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        let mut next = world.clone();
        match step {
            Step::TimePasses => next.time += 1,
            Step::FailOver => self.fail_over(&mut next),
            _ => self.step_of_revoker(&mut next, step).or_else(|| self.step_of_replica(&mut next, step))?,
        }
        (next != *world).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no check that began after the answer passes", |_, world: &World| !world.betrayed),
            Property::sometimes("a revocation is answered", |_, world: &World| world.revoker == Revoker::Answered),
            Property::sometimes("a check is answered from memory", |_, world: &World| {
                world.replicas.iter().enumerate().any(|(id, each)| {
                    each.memory == Some(true) && each.holder.deadline().covers(world.holders_clock(id))
                })
            }),
        ]
    }
}
