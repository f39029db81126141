//! Servers that make a mistake on purpose: the trials must notice each.

use std::time::Duration;

use super::stage::{ROUNDS, with_a_wire};
use crate::support::replicas::{Flaw, Replicas};
use crate::support::wire::Mode;

/// Whether the trials notice a mistake while the last replica has this trouble.
async fn is_noticed(name: &'static str, mode: Mode) -> bool {
    let program = std::env::var("HALLPASS_FLAWED_BIN").expect("the path of a program that was built with flaws");
    let (mut stage, wire) = with_a_wire(Some(Flaw { name, program: program.leak() })).await;
    for round in 0..ROUNDS {
        // From the start, or what is read then would be there in no time.
        if matches!(mode, Mode::SlowRows(_)) {
            wire.set(mode);
        }
        let wreck = async |_: &Replicas| {
            wire.set(mode);
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let heal = async |_: &Replicas| {
            tokio::time::sleep(Duration::from_millis(500)).await;
            wire.set(Mode::Whole);
        };
        stage.round(round, wreck, heal).await;
        if stage.verdict.is_betrayed() {
            return true;
        }
    }
    false
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a program that was built with flaws: scripts/test makes one"]
async fn a_replica_that_acknowledges_before_it_has_applied_is_noticed() {
    assert!(is_noticed("acknowledges-early", Mode::Slow(Duration::from_millis(150))).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a program that was built with flaws: scripts/test makes one"]
async fn a_replica_that_keeps_rows_without_asking_what_was_forgotten_is_noticed() {
    assert!(is_noticed("keeps-what-it-read", Mode::SlowRows(Duration::from_millis(400))).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a program that was built with flaws: scripts/test makes one"]
async fn a_replica_whose_lease_never_ends_is_noticed() {
    assert!(is_noticed("never-ends", Mode::Reset).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a program that was built with flaws: scripts/test makes one"]
async fn the_same_program_without_a_mistake_keeps_the_promise() {
    assert!(!is_noticed("none", Mode::SlowRows(Duration::from_millis(400))).await);
}
