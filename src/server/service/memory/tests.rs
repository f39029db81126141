use std::sync::{Mutex, Weak};
use std::time::Duration;

use super::*;
use crate::domain::lease::{History, Mark, Seq};
use crate::domain::time::Timestamp;
use crate::domain::token::{SecretFacts, SecretState, TokenFacts};
use crate::domain::verdict::{Grant, Method};
use crate::server::store::Noted;

const TERMS: Terms = Terms::new(Duration::from_micros(250), 0);

/// A clock that does not go on; but when it is looked at for the first time, somebody else applies a change.
#[derive(Debug, Default)]
struct Meanwhile(Mutex<Option<Weak<Memory>>>);

impl SteadyClock for Meanwhile {
    fn moment(&self) -> Moment {
        let memory = self.0.lock().unwrap().take();
        if let Some(memory) = memory.and_then(|memory| memory.upgrade()) {
            memory.skip_to(point(1));
        }
        Moment::default()
    }
}

#[tokio::test]
async fn what_a_lease_speaks_for_knows_all_that_was_applied_when_it_was_looked_at() {
    let clock = Arc::new(Meanwhile::default());
    let memory = Arc::new(Memory::new(TERMS, clock.clone()));
    assert!(memory.written(memory.ask(), head(0)));
    *clock.0.lock().unwrap() = Some(Arc::downgrade(&memory));
    let asked = memory.vouched(async |seen, warrant| Ok((seen, warrant))).await.unwrap();
    assert_eq!(asked, (point(1), Warrant::Lease));
}

#[tokio::test]
async fn a_lease_that_ends_before_the_answer_comes_speaks_for_nothing() {
    let clock = Arc::new(ByHand::default());
    let memory = Memory::new(TERMS, clock.clone());
    assert!(memory.written(memory.ask(), head(0)));
    let asked = Mutex::new(Vec::new());
    let ask = async |_, warrant| {
        asked.lock().unwrap().push(warrant);
        clock.0.store(250, Ordering::Relaxed);
        Ok(warrant)
    };
    assert_eq!(memory.vouched(ask).await.unwrap(), Warrant::Commit);
    assert_eq!(*asked.lock().unwrap(), [Warrant::Lease, Warrant::Commit]);
}

/// A clock that is set by hand.
#[derive(Debug, Default)]
struct ByHand(AtomicU64);

impl SteadyClock for ByHand {
    fn moment(&self) -> Moment {
        Moment::from_micros(self.0.load(Ordering::Relaxed))
    }
}

fn secret(number: u8) -> SecretId {
    format!("{number:016}").parse().unwrap()
}

fn token_id(number: u8) -> TokenId {
    TokenId::from_random([number; 16])
}

/// Tokens 1 and 2 belong to user 1, the others to user 2.
fn owner(number: u8) -> UserId {
    UserId::from_random([if number <= 2 { 1 } else { 2 }; 16])
}

fn row(number: u8) -> Arc<KnownToken> {
    let now = Timestamp::from_seconds(1);
    let facts =
        SecretFacts { state: SecretState::Active, created_at: now, expires_at: None, ends_at: None, expired_at: None };
    let token = TokenFacts { revoked_at: None, last_used_at: None, owner_disabled_at: None, owner_last_login_at: now };
    let grant = Grant {
        method: Method::Pat,
        user: owner(number),
        profile: Arc::default(),
        token: Some(token_id(number)),
        scopes: Arc::default(),
        expires_at: None,
    };
    Arc::new(KnownToken::new(secret(number), token, facts, grant, Vec::new(), None, String::new()))
}

fn point(seq: u64) -> Point {
    Point { seq: Seq::new(seq), mark: Mark::default() }
}

fn head(seq: u64) -> Head {
    Head { point: point(seq), history: History::default() }
}

fn memory() -> Memory {
    let memory = Memory::new(TERMS, Arc::new(ByHand::default()));
    assert!(memory.written(memory.ask(), head(0)));
    for number in 1..=3 {
        memory.keep(memory.ticket(), secret(number), Some(&row(number)));
    }
    memory.keep(memory.ticket(), secret(9), None);
    memory
}

fn held(memory: &Memory) -> Vec<u8> {
    (1..=9).filter(|number| !matches!(memory.recall(secret(*number)), Recalled::Unsure)).collect()
}

#[test]
fn what_is_touched_is_forgotten_and_so_is_every_unknown_id() {
    let table = [
        (Touched::Nothing, vec![1, 2, 3, 9]),
        (Touched::Token(token_id(1)), vec![2, 3]),
        (Touched::Owner(owner(1)), vec![3]),
        (Touched::Everything, vec![]),
    ];
    for (touched, left) in table {
        let memory = memory();
        assert!(matches!(memory.recall(secret(9)), Recalled::Unknown));
        memory.touched(touched);
        assert_eq!(held(&memory), left, "{touched:?}");
    }
}

#[test]
fn a_row_that_was_read_before_a_change_does_not_come_in_after_it() {
    let memory = memory();
    let ticket = memory.ticket();
    memory.touched(Touched::Token(token_id(3)));
    memory.keep(ticket, secret(3), Some(&row(3)));
    memory.keep(ticket, secret(8), None);
    assert_eq!(held(&memory), [1, 2]);
    memory.keep(memory.ticket(), secret(3), Some(&row(3)));
    assert_eq!(held(&memory), [1, 2, 3]);
}

#[test]
fn memory_is_believed_only_under_a_lease_that_is_compared_with_the_clock_each_time() {
    let clock = Arc::new(ByHand::default());
    let memory = Memory::new(TERMS, clock.clone());
    let at = |micros| {
        clock.0.store(micros, Ordering::Relaxed);
        memory.is_believed()
    };
    assert!(!at(0), "before the first renewal");
    let (first, later) = (memory.ask(), head(0));
    assert!(memory.written(first, later));
    assert!(at(249));
    assert!(!at(250));
    assert!(memory.written(memory.ask(), later));
    // A renewal that took long and ends after a later one takes nothing back.
    assert!(memory.written(first, later));
    assert!(at(499));
    memory.give_up();
    assert!(!at(499));
}

fn changes<const N: usize>(head: u64, noted: [(u64, Touched); N]) -> Changes {
    let noted = noted.map(|(seq, touched)| Noted { point: point(seq), touched });
    Changes { head: point(head), noted: noted.into(), doubt: None }
}

#[test]
fn in_another_history_everything_is_forgotten() {
    let memory = memory();
    let other = Head { history: History { system: 0, timeline: 2 }, ..head(0) };
    assert!(!memory.written(memory.ask(), other));
    assert!(!memory.is_believed());
    assert!(memory.written(memory.ask(), other));
    assert_eq!(held(&memory), [0; 0]);
}

#[test]
fn changes_of_others_are_forgotten_one_by_one() {
    let memory = memory();
    memory.apply(&changes(2, [(1, Touched::Token(token_id(1))), (2, Touched::Token(token_id(3)))]));
    assert_eq!((held(&memory), memory.applied()), (vec![2], point(2)));
    assert!(!memory.written(memory.ask(), head(3)), "there is one more");
}

#[test]
fn many_changes_are_forgotten_together_and_a_row_that_was_read_before_any_of_them_does_not_come_in() {
    let memory = memory();
    let ticket = memory.ticket();
    let touched = [Touched::Nothing, Touched::Token(token_id(3)), Touched::Owner(owner(1)), Touched::Nothing];
    memory.apply(&changes(3, [(1, touched[0]), (1, touched[1]), (2, touched[2]), (3, touched[3])]));
    assert_eq!((held(&memory), memory.applied()), (vec![], point(3)));
    memory.keep(ticket, secret(3), Some(&row(3)));
    assert_eq!(held(&memory), [0; 0]);
    memory.keep(memory.ticket(), secret(3), Some(&row(3)));
    memory.apply(&changes(4, [(4, Touched::Everything)]));
    assert_eq!((held(&memory), memory.applied()), (vec![], point(4)));
}

#[test]
fn where_changes_are_missing_everything_is_forgotten() {
    let one = || (2, Touched::Token(token_id(1)));
    let (missing_before, missing_after) = (changes(2, [one()]), changes(4, [(1, Touched::Nothing), one()]));
    for incomplete in [missing_before, missing_after, changes(7, [])] {
        let memory = memory();
        memory.apply(&incomplete);
        assert_eq!((held(&memory), memory.applied()), (vec![], incomplete.head));
    }
    let memory = memory();
    memory.apply(&changes(0, []));
    assert_eq!(held(&memory), [1, 2, 3, 9], "there was nothing");
}

#[test]
fn a_row_that_was_read_before_a_change_of_somebody_else_does_not_come_in_after_it() {
    let memory = memory();
    let ticket = memory.ticket();
    memory.apply(&changes(1, [(1, Touched::Token(token_id(3)))]));
    memory.keep(ticket, secret(3), Some(&row(3)));
    assert_eq!(held(&memory), [1, 2]);
}
