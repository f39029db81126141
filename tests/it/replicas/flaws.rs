//! Servers that make a mistake on purpose: the trials must notice each.

use std::time::Duration;

use super::failover::schism;
use super::restores::passes_in_another_history;
use super::stage::{ROUNDS, Stage};
use super::theatre::{Theatre, Trouble, made};
use super::trial::Hammers;
use crate::support::cluster;
use crate::support::replicas::Replicas;
use crate::support::report;
use crate::support::wire::{Mode, Wire, target};

/// Says in which round a mistake was noticed.
fn tell(flaw: &str, round: usize) {
    report::tell("flaws", &[flaw.to_owned(), (round + 1).to_string()]);
}

/// Whether the trials notice a mistake while the last replica has this trouble.
async fn is_noticed(flaw: &'static str, trouble: Trouble) -> bool {
    let mut theatre = Theatre::with(flaw).await;
    for round in 0..ROUNDS {
        theatre.round(round, trouble).await;
        if theatre.stage.verdict.is_betrayed() {
            tell(flaw, round);
            return true;
        }
    }
    false
}

macro_rules! trials {
    ($($test:ident: $flaw:literal, $trouble:expr;)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        #[ignore = "needs a program that was built with flaws: scripts/test makes one"]
        async fn $test() {
            assert!(is_noticed($flaw, $trouble).await);
        }
    )*};
}

trials! {
    a_replica_that_acknowledges_before_it_has_applied_is_noticed:
        "acknowledges-early", Trouble::Way(Mode::Whole);
    a_replica_that_keeps_rows_without_asking_what_was_forgotten_is_noticed:
        "keeps-what-it-read", Trouble::WayFromTheStart(Mode::SlowRows(Duration::from_millis(400)));
    a_replica_whose_lease_never_ends_is_noticed:
        "never-ends", Trouble::Way(Mode::Reset);
    a_replica_that_counts_its_lease_from_the_answer_is_noticed:
        "counts-from-the-answer", Trouble::LateRenewal(Duration::from_millis(800));
    a_replica_that_renews_its_lease_though_it_is_behind_is_noticed:
        "renews-who-is-behind", Trouble::LateNews(Duration::from_millis(750));
    a_replica_that_believes_a_timer_instead_of_the_clock_is_noticed:
        "believes-a-timer", Trouble::Stopped;
    a_wait_that_counts_from_before_the_change_was_begun_is_noticed:
        "counts-from-the-beginning", Trouble::LateTurn;
    a_wait_that_takes_all_clocks_for_equally_fast_is_noticed:
        "ignores-drift", Trouble::FreshRenewal;
    a_clock_that_stands_still_while_the_machine_sleeps_is_noticed:
        "stands-still-in-sleep", Trouble::Stopped;
    changes_that_take_their_numbers_out_of_turn_are_noticed:
        "numbers-out-of-turn", Trouble::Overtaken;
    a_lease_that_is_held_before_anybody_knows_of_it_is_noticed:
        "holds-what-it-asked-for", Trouble::UnwrittenRenewal;
    a_replica_that_is_forgotten_though_it_was_heard_of_is_noticed:
        "forgets-who-was-heard", Trouble::HeardAgain;
    a_revocation_that_is_called_done_while_the_first_one_waits_is_noticed:
        "answers-what-is-done", Trouble::AskedTwice;
    a_wait_that_ends_when_a_time_in_the_database_is_over_is_noticed:
        "believes-stored-times", Trouble::Way(Mode::BlackHole);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a program that was built with flaws: scripts/test makes one"]
async fn renewals_that_wait_for_no_standby_are_noticed() {
    let mut schism = schism(Some(made("renews-without-a-standby")), true).await;
    for round in 0..ROUNDS {
        schism.stage.lone_round(round).await;
        if schism.stage.verdict.is_betrayed() {
            tell("renews-without-a-standby", round);
            return;
        }
    }
    panic!("nothing was noticed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a program that was built with flaws: scripts/test makes one"]
async fn a_check_that_takes_the_answer_of_an_older_question_is_noticed() {
    let flaw = made("joins-a-question");
    let database = cluster::new_database().await;
    let wire = Wire::to(target(&database)).await;
    let mut replicas = Replicas::start_with(Some(flaw), database.clone(), std::slice::from_ref(&database));
    replicas.add_with(&wire.lead(&database), &[("HALLPASS_CHECK__MODE", "strict")]);
    let mut stage = Stage::with(replicas).await;
    // Several, and not in step: one asks before the revocation, and others come after it while that question is under way.
    let pause = |number| Duration::from_millis(90) * (number % 4);
    stage.hammers = Hammers::new(&stage.replicas, 4, &stage.good).pausing(pause);
    wire.set(Mode::SlowRows(Duration::from_millis(400)));
    for round in 0..ROUNDS {
        stage.lone_round(round).await;
        if stage.verdict.is_betrayed() {
            tell(flaw.name, round);
            return;
        }
    }
    panic!("nothing was noticed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a program that was built with flaws: scripts/test makes one"]
async fn a_change_that_is_taken_for_another_one_with_its_number_is_noticed() {
    let flaw = made("ignores-the-history");
    let mut round = 0;
    while !passes_in_another_history(&Replicas::start_of(Some(flaw), 1).await).await {
        round += 1;
        assert!(round < ROUNDS, "nothing was noticed");
    }
    tell(flaw.name, round);
    assert!(!passes_in_another_history(&Replicas::start_of(Some(made("none")), 1).await).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a program that was built with flaws: scripts/test makes one"]
async fn the_same_program_without_a_mistake_keeps_the_promise() {
    let troubles = [
        Trouble::Way(Mode::BlackHole),
        Trouble::WayFromTheStart(Mode::SlowRows(Duration::from_millis(400))),
        Trouble::LateRenewal(Duration::from_millis(800)),
        Trouble::FreshRenewal,
        Trouble::LateNews(Duration::from_millis(750)),
        Trouble::LateTurn,
        Trouble::Stopped,
        Trouble::Overtaken,
        Trouble::UnwrittenRenewal,
        Trouble::HeardAgain,
        Trouble::AskedTwice,
    ];
    let mut theatre = Theatre::with("none").await;
    for round in 0..ROUNDS {
        theatre.round(round, troubles[round % troubles.len()]).await;
    }
    assert!(!theatre.stage.verdict.is_betrayed());
}
