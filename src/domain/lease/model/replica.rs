//! What a replica does, and the database for it.

use super::world::{Sent, World};
use super::{Cluster, Course, END, Step, Wrong};
use crate::domain::lease::{Flaw, Moment, Point, Written};

impl Cluster {
    /// The moment that a replica compares with the end of its lease.
    fn believed_clock(&self, world: &World, id: usize) -> Moment {
        if self.is(Flaw::BelievesATimer) { world.replicas[id].noted } else { world.holders_clock(id) }
    }

    pub(super) fn replica_steps(&self, world: &World, id: usize, steps: &mut Vec<Step>) {
        let replica = &world.replicas[id];
        if self.is(Flaw::BelievesATimer) {
            steps.push(Step::RunTimer(id));
        }
        if self.is(Flaw::StandsStillInSleep) && world.time < END {
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
        // It looks at one thing at a time.
        if replica.renewing.is_none() && self.wrong == Wrong::Nothing && self.course == Course::Alone {
            steps.push(Step::Leave(id));
        }
        if replica.holder.applied().seq < world.head.point.seq && world.zombie.is_none() {
            steps.push(Step::Apply(id));
        }
        steps.push(if replica.reading.is_none() { Step::ReadRow(id) } else { Step::KeepRow(id) });
        // Checks change nothing, and nobody is promised anything of those that began before the answer.
        if replica.check.is_some() {
            steps.push(Step::DecideCheck(id));
        } else if world.is_answered() {
            steps.push(Step::BeginCheck(id));
        }
    }

    pub(super) fn step_of_replica(&self, world: &mut World, step: Step) -> Option<()> {
        match step {
            Step::AskToRenew(id) => {
                let now = world.holders_clock(id);
                let replica = &mut world.replicas[id];
                replica.renewing = Some(Sent::Asked(replica.holder.ask(now)));
            }
            Step::DatabaseRenews(id) => {
                let Some(Sent::Asked(renewal)) = world.replicas[id].renewing.clone() else { return None };
                world.replicas[id].renewing = Some(Sent::Written(renewal, world.head));
                world.hear_of(id, renewal);
                if self.is(Flaw::BelievesStoredTimes) {
                    world.store_end(id);
                }
            }
            Step::ZombieRenews(id) => {
                let Some(Sent::Asked(renewal)) = world.replicas[id].renewing.clone() else { return None };
                world.replicas[id].renewing = Some(Sent::Written(renewal, world.zombie?));
            }
            Step::HearOfRenewal(id) => hear_of_renewal(world, id)?,
            Step::LoseRenewal(id) => world.replicas[id].renewing = None,
            Step::Leave(id) => {
                world.replicas[id].holder.give_up();
                world.leases[id] = None;
            }
            Step::Apply(id) => apply(world, id),
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
                let now = world.holders_clock(id);
                let replica = &mut world.replicas[id];
                let (ticket, row) = replica.reading.take()?;
                if replica.holder.may_keep(ticket, now) {
                    replica.memory = Some(row);
                }
            }
            Step::RunTimer(id) => world.replicas[id].noted = world.holders_clock(id),
            Step::Sleep(id) => {
                world.time += 1;
                world.replicas[id].slept += 1;
            }
            Step::BeginCheck(id) => {
                world.replicas[id].check = Some(self.believed_clock(world, id));
            }
            Step::DecideCheck(id) => self.decide(world, id)?,
            _ => return None,
        }
        Some(())
    }

    fn decide(&self, world: &mut World, id: usize) -> Option<()> {
        let replica = &mut world.replicas[id];
        let began = replica.check.take()?;
        // Without memory the row is read now, and tells the truth; unless somebody asked before.
        let is_told = self.is(Flaw::JoinsAQuestion) && matches!(replica.reading, Some((_, true)));
        world.betrayed |= is_told || replica.holder.deadline().covers(began) && replica.memory == Some(true);
        Some(())
    }

    pub(super) fn fail_over(&self, world: &mut World) {
        let before = world.head;
        world.head.history.timeline += 1;
        if self.is(Flaw::RenewsWithoutAStandby) {
            world.zombie = Some(before);
            return;
        }
        if self.wrong == Wrong::LosesCommits {
            (world.head.point, world.is_revoked) = (Point::default(), false);
        }
        for replica in &mut world.replicas {
            replica.renewing = replica.renewing.take().filter(|sent| matches!(sent, Sent::Written(..)));
        }
    }
}

fn hear_of_renewal(world: &mut World, id: usize) -> Option<()> {
    let now = world.holders_clock(id);
    let replica = &mut world.replicas[id];
    let Some(Sent::Written(renewal, head)) = replica.renewing.take() else { return None };
    if replica.holder.written(renewal, head, now) == Written::Elsewhere {
        replica.memory = None;
        replica.holder.forgot();
    }
    Some(())
}

fn apply(world: &mut World, id: usize) {
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
