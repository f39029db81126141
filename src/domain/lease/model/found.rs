//! What is found when all orders of events are tried.

#[path = "../../../../tests/it/support/report.rs"]
mod report;

use stateright::{Checker as _, Model as _};

use super::{Cluster, Wrong};
use crate::domain::lease::Flaw;

fn discovered(wrong: Wrong) -> Vec<&'static str> {
    let checker = Cluster(wrong).checker().threads(2).spawn_dfs().join();
    let mut names: Vec<_> = checker.discoveries().into_keys().collect();
    names.sort_unstable();
    report::tell("model", &[format!("{wrong:?}"), checker.unique_state_count().to_string(), names.join(", ")]);
    names
}

const BETRAYED: &str = "no check that began after the answer passes";

#[test]
fn no_order_of_events_lets_a_check_pass_that_began_after_the_answer() {
    // What is kept before there is a lease is forgotten before there is one.
    for wrong in [Wrong::Nothing, Wrong::Program(Flaw::KeepsWithoutALease)] {
        assert_eq!(discovered(wrong), ["a check is answered from memory", "a revocation is answered"]);
    }
}

#[test]
fn every_mistake_is_found() {
    for wrong in Flaw::HARMFUL.into_iter().map(|(_, flaw)| Wrong::Program(flaw)).chain([Wrong::LosesCommits]) {
        assert!(discovered(wrong).contains(&BETRAYED), "{wrong:?} does no harm in the model");
    }
}
