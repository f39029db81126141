//! What those do who change something, and wait for it to hold everywhere.

use super::world::{Revoker, World};
use super::{Cluster, Course, FAST, Step};
use crate::domain::lease::{Flaw, Mark, Moment, Point, Seq, Settlement};

impl Cluster {
    pub(super) fn revokers_steps(&self, world: &World, steps: &mut Vec<Step>) {
        match &world.revoker {
            Revoker::Idle if self.is(Flaw::NumbersOutOfTurn) => steps.push(Step::TakeNumber),
            Revoker::Idle => steps.push(Step::Commit),
            Revoker::Numbered => steps.extend([Step::Overtake, Step::Commit]),
            Revoker::Committed(_) => steps.push(Step::ReadLeases),
            Revoker::Waiting(_) => steps.extend([Step::HearReplicas, Step::Answer]),
            Revoker::Answered => {}
        }
        if self.course == Course::Twice {
            match &world.repeater {
                Revoker::Waiting(_) => steps.extend([Step::HearAgain, Step::AnswerAgain]),
                Revoker::Answered => {}
                _ if world.is_revoked => steps.push(Step::FindDone),
                _ => {}
            }
        }
        if world.earlier.is_some() {
            steps.extend([Step::MissReplicas, Step::ForgetSilent]);
        }
    }

    pub(super) fn step_of_revoker(&self, world: &mut World, step: Step) -> Option<()> {
        match step {
            Step::FindDone | Step::HearAgain | Step::AnswerAgain => self.step_of_repeater(world, step),
            Step::MissReplicas | Step::ForgetSilent => forget(world, step),
            _ => self.revoke(world, step),
        }
    }

    fn revoke(&self, world: &mut World, step: Step) -> Option<()> {
        let now = world.revokers_clock();
        world.revoker = match (step, world.revoker.clone()) {
            (Step::TakeNumber, Revoker::Idle) => Revoker::Numbered,
            (Step::Overtake, Revoker::Numbered) => {
                world.head.point = Point { seq: Seq::default().next().next(), mark: Mark::new(2) };
                Revoker::Numbered
            }
            (Step::Commit, Revoker::Idle) => {
                world.head.point = world.revocation();
                committed(world)
            }
            (Step::Commit, Revoker::Numbered) => {
                if world.head.point == Point::default() {
                    world.head.point = world.revocation();
                }
                committed(world)
            }
            (Step::ReadLeases, Revoker::Committed(before)) => {
                Revoker::Waiting(Settlement::begin(self.terms(), world.head.point.seq, before, now))
            }
            (Step::HearReplicas, Revoker::Waiting(settlement)) => heard(settlement, world),
            (Step::Answer, Revoker::Waiting(settlement)) if settlement.is_settled(now) => Revoker::Answered,
            _ => return None,
        };
        Some(())
    }

    /// Finds the token revoked, and waits for the last change there is.
    fn step_of_repeater(&self, world: &mut World, step: Step) -> Option<()> {
        let now = world.revokers_clock();
        world.repeater = match (step, world.repeater.clone()) {
            (Step::FindDone, Revoker::Idle) if self.is(Flaw::AnswersWhatIsDone) => Revoker::Answered,
            (Step::FindDone, Revoker::Idle) => {
                Revoker::Waiting(Settlement::begin(self.terms(), world.head.point.seq, now, now))
            }
            (Step::HearAgain, Revoker::Waiting(settlement)) => heard(settlement, world),
            (Step::AnswerAgain, Revoker::Waiting(settlement)) if settlement.is_settled(now) => Revoker::Answered,
            _ => return None,
        };
        Some(())
    }
}

/// The commit took a moment of the revoker's time, or none.
fn committed(world: &mut World) -> Revoker {
    world.is_revoked = true;
    Revoker::Committed(Moment::from_micros(world.revokers_clock().as_micros().saturating_sub(FAST)))
}

fn heard(mut settlement: Settlement<usize>, world: &World) -> Revoker {
    settlement.hear(&world.standings(), world.revokers_clock());
    Revoker::Waiting(settlement)
}

/// Looks who has not applied the earlier change, and takes those from the list who are not heard of for too long.
fn forget(world: &mut World, step: Step) -> Option<()> {
    let (now, mut earlier) = (world.revokers_clock(), world.earlier.clone()?);
    if step == Step::MissReplicas {
        earlier.hear(&world.standings(), now);
        world.earlier = Some(earlier);
        return Some(());
    }
    if earlier.silence_ends()? > now {
        return None;
    }
    for (id, then) in earlier.silent(now) {
        let is_silent = world.leases[*id].is_some_and(|standing| standing.heard == then);
        if is_silent || earlier.has(Flaw::ForgetsWhoWasHeard) {
            world.leases[*id] = None;
        }
    }
    world.earlier = None;
    Some(())
}
