//! Whether a log is what was written: every event in its place, as it was, and nothing missing.

use std::collections::BTreeMap;

use thiserror::Error;

use super::{Action, Checkpoint, Digest, Event, VALUES};

/// The first place at which a log is not what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("event {seq} {fault}")]
pub struct Broken {
    /// The number of the event.
    pub seq: i64,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// There is none with this number.
    #[error("is missing")]
    Missing,
    /// It has a number that no event gets.
    #[error("stands before the beginning")]
    Early,
    /// It was not written after the one before it.
    #[error("does not continue the one before it")]
    Link,
    /// It is not what was written.
    #[error("was changed")]
    Content,
    /// A personal value beside it is not the one that was written.
    #[error("has a personal value that was changed")]
    Value,
    /// A personal value beside it is gone: nobody was erased after it, or more are gone than were removed then.
    #[error("has lost a personal value that nobody erased")]
    ValueGone,
    /// It is another one than at the time of a checkpoint.
    #[error("is not the one that a checkpoint names")]
    Checkpoint,
}

/// What was found of a log that is whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Events.
    pub events: i64,
    /// Personal values that were erased.
    pub erased: u64,
    /// Checkpoints that agree.
    pub checkpoints: usize,
}

/// Goes through a log from its beginning.
#[derive(Clone, Debug, Default)]
pub struct Verifier {
    last: i64,
    hash: Digest,
    checkpoints: BTreeMap<i64, Digest>,
    agreed: usize,
    /// Values that erasures removed, as they say themselves.
    removed: u64,
    /// Values that are gone, from before the last erasure …
    erased: u64,
    /// … and after it, with the first event of each that lacks one.
    gone: u64,
    first_erased: Option<i64>,
    first_gone: Option<i64>,
}

impl Verifier {
    /// With what is known of the log from elsewhere.
    #[must_use]
    pub fn new(checkpoints: impl IntoIterator<Item = Checkpoint>) -> Self {
        let checkpoints = checkpoints.into_iter().map(|checkpoint| (checkpoint.seq, checkpoint.hash)).collect();
        Self { checkpoints, ..Self::default() }
    }

    /// The last event that was looked at.
    #[must_use]
    pub const fn last(&self) -> i64 {
        self.last
    }

    /// Looks at the next event, with the hash and the digests of the personal values that stand beside it.
    ///
    /// # Errors
    /// When it is not what was written.
    pub fn look(&mut self, event: &Event, hash: Digest, values: &BTreeMap<String, Digest>) -> Result<(), Broken> {
        let expected = self.last + 1;
        let broken = |seq, fault| Err(Broken { seq, fault });
        if event.seq < 1 {
            return broken(event.seq, Fault::Early);
        }
        if event.seq != expected {
            return broken(expected, Fault::Missing);
        }
        if event.prev_hash != self.hash {
            return broken(expected, Fault::Link);
        }
        if event.hash() != hash {
            return broken(expected, Fault::Content);
        }
        if values.iter().any(|(field, digest)| event.personal.get(field) != Some(digest)) {
            return broken(expected, Fault::Value);
        }
        match self.checkpoints.remove(&expected) {
            Some(known) if known != hash => return broken(expected, Fault::Checkpoint),
            Some(_) => self.agreed += 1,
            None => {}
        }
        self.count_gone(event, values);
        (self.last, self.hash) = (expected, hash);
        Ok(())
    }

    /// Values may be missing only where somebody was erased later.
    fn count_gone(&mut self, event: &Event, values: &BTreeMap<String, Digest>) {
        if event.action == Action::UserErased.as_str() {
            let removed = event.changes.get(VALUES).and_then(|(_, count)| count.as_ref()?.parse::<u64>().ok());
            self.removed += removed.unwrap_or(0);
            self.erased += std::mem::take(&mut self.gone);
            self.first_erased = self.first_erased.or(self.first_gone.take());
        }
        let gone = event.personal.keys().filter(|field| !values.contains_key(*field)).count() as u64;
        if gone > 0 {
            self.gone += gone;
            self.first_gone = self.first_gone.or(Some(event.seq));
        }
    }

    /// There are no more events.
    ///
    /// # Errors
    /// When there should be.
    pub fn finish(self) -> Result<Verified, Broken> {
        if !self.checkpoints.is_empty() {
            return Err(Broken { seq: self.last + 1, fault: Fault::Missing });
        }
        let too_many = self.first_erased.filter(|_| self.erased > self.removed);
        if let Some(seq) = too_many.or(self.first_gone) {
            return Err(Broken { seq, fault: Fault::ValueGone });
        }
        Ok(Verified { events: self.last, erased: self.erased, checkpoints: self.agreed })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::audit::{Draft, Origin, Party, Place, SALT_LEN};
    use crate::domain::id::{EventId, UserId};
    use crate::domain::time::Timestamp;

    #[derive(Clone, Debug, PartialEq)]
    struct Row {
        event: Event,
        hash: Digest,
        values: BTreeMap<String, Digest>,
    }

    fn log(length: u8) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        for index in 0..length {
            let user = UserId::from_random([index; 16]);
            let action = [Action::UserLoggedIn, Action::TokenCreated, Action::TokenRevoked][usize::from(index) % 3];
            let name = format!("somebody {index}");
            let draft = Draft::new(action, Party::user(user, &name), Party::SYSTEM, &Origin::default());
            append(&mut rows, &draft);
        }
        rows
    }

    fn append(rows: &mut Vec<Row>, draft: &Draft) {
        let seq = i64::try_from(rows.len()).unwrap() + 1;
        let place = Place {
            seq,
            prev_hash: rows.last().map_or([0; 32], |row| row.hash),
            id: EventId::from_random([u8::try_from(seq).unwrap(); 16]),
            time: Timestamp::from_seconds(1_800_000_000 + seq),
            replica: "r",
            version: "1",
        };
        let (event, values) = Event::place(draft, place, || [7; SALT_LEN]);
        let values = values.into_iter().map(|value| (value.field.clone(), value.digest())).collect();
        rows.push(Row { hash: event.hash(), event, values });
    }

    fn verify(rows: &[Row], checkpoint: &Row) -> Result<Verified, Broken> {
        let at = Checkpoint { seq: checkpoint.event.seq, hash: checkpoint.hash, time: checkpoint.event.time };
        let mut verifier = Verifier::new([at]);
        rows.iter().try_for_each(|row| verifier.look(&row.event, row.hash, &row.values))?;
        verifier.finish()
    }

    /// Writes a row's hash anew, as somebody would who covers their tracks, and those of all that follow.
    fn cover(rows: &mut [Row], from: usize) {
        for index in from..rows.len() {
            if index > 0 {
                rows[index].event.prev_hash = rows[index - 1].hash;
            }
            rows[index].hash = rows[index].event.hash();
        }
    }

    /// Does one of the things that somebody may do to a log.
    fn tamper(rows: &mut Vec<Row>, deed: u8, at: usize, other: usize) {
        match deed {
            0 => rows[at].event.action.push('x'),
            1 => rows[at].event.time = Timestamp::from_seconds(1),
            2 => {
                rows[at].event.actor.1 = None;
                rows[at].hash = rows[at].event.hash();
            }
            3 => {
                rows[at].event.result.push('x');
                cover(rows, at);
            }
            4 => drop(rows.remove(at)),
            5 => {
                rows.remove(at);
                for (index, row) in rows.iter_mut().enumerate() {
                    row.event.seq = i64::try_from(index).unwrap() + 1;
                }
                cover(rows, 0);
            }
            6 => rows.swap(at, other),
            7 => {
                let mut copy = rows[other].clone();
                copy.event.seq = rows[at].event.seq;
                rows[at] = copy;
            }
            8 => rows.insert(at, rows[other].clone()),
            9 => rows.truncate(at),
            10 => drop(rows[at].values.insert("actor_name".to_owned(), [9; 32])),
            11 => rows[at].values.clear(),
            _ => rows[at].hash[other % 32] ^= 1,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn whatever_is_done_to_a_log_is_found(deed in 0_u8..13, at in 0_usize..40, other in 0_usize..40) {
            let written = log(40);
            let mut rows = written.clone();
            tamper(&mut rows, deed, at, other);
            prop_assume!(rows != written);
            let found = verify(&rows, written.last().unwrap());
            prop_assert!(found.is_err(), "{deed} at {at}");
            // The first place that is wrong, unless everything after it was written anew.
            if ![3, 5].contains(&deed) {
                let first = i64::try_from(if deed == 6 { at.min(other) } else { at }).unwrap() + 1;
                let seq = found.unwrap_err().seq;
                prop_assert!(seq == first || ([2, 8].contains(&deed) && seq == first + 1), "{seq}, {deed} at {at}");
            }
        }
    }

    #[test]
    fn a_log_that_nobody_touched_is_whole() {
        let rows = log(9);
        assert_eq!(verify(&rows, &rows[4]), Ok(Verified { events: 9, erased: 0, checkpoints: 1 }));
        assert_eq!(Verifier::default().finish(), Ok(Verified::default()));
    }

    #[test]
    fn nothing_stands_before_the_first_event() {
        for seq in [0, -1, i64::MIN] {
            let mut rows = log(3);
            let mut early = rows[0].clone();
            early.event.seq = seq;
            rows.insert(0, early);
            assert_eq!(verify(&rows, &rows[3]), Err(Broken { seq, fault: Fault::Early }));
        }
    }

    #[test]
    fn values_may_be_gone_where_somebody_was_erased_after_them() {
        let mut rows = log(5);
        rows[1].values.clear();
        assert_eq!(verify(&rows, &rows[4]), Err(Broken { seq: 2, fault: Fault::ValueGone }));
        let erased = Draft::new(Action::UserErased, Party::OPERATOR, Party::SYSTEM, &Origin::default());
        append(&mut rows, &erased.removing(1));
        assert_eq!(verify(&rows, &rows[4]), Ok(Verified { events: 6, erased: 1, checkpoints: 1 }));
        append(&mut rows, &Draft::new(Action::UserLoggedIn, Party::stranger("x"), Party::SYSTEM, &Origin::default()));
        rows[6].values.clear();
        assert_eq!(verify(&rows, &rows[4]).unwrap_err().seq, 7, "that one came later");
        rows.truncate(6);
        rows[3].values.clear();
        assert_eq!(verify(&rows, &rows[4]).unwrap_err().fault, Fault::ValueGone, "more than were removed");
    }
}
