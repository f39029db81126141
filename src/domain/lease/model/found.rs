//! What is found when all orders of events are tried.

#[path = "../../../../tests/it/support/report.rs"]
mod report;

use stateright::{Checker as _, Model as _};

use super::{Cluster, Course, Wrong};
use crate::domain::lease::Flaw;

fn discovered(cluster: Cluster) -> Vec<&'static str> {
    let name = format!("{:?}, {:?}", cluster.course, cluster.wrong);
    let checker = cluster.checker().threads(2).spawn_dfs().join();
    let mut names: Vec<_> = checker.discoveries().into_keys().collect();
    names.sort_unstable();
    report::tell("model", &[name, checker.unique_state_count().to_string(), names.join(", ")]);
    names
}

const BETRAYED: &str = "no check that began after the answer passes";
const ANSWERED: &str = "a revocation is answered";
const FROM_MEMORY: &str = "a check is answered from memory";

#[test]
fn no_order_of_events_lets_a_check_pass_that_began_after_the_answer() {
    for course in [Course::Alone, Course::AfterAnother, Course::Twice] {
        assert_eq!(discovered(Cluster { wrong: Wrong::Nothing, course }), [FROM_MEMORY, ANSWERED]);
    }
    // What is kept before there is a lease is forgotten before there is one.
    assert_eq!(discovered(Cluster::of(Wrong::Program(Flaw::KeepsWithoutALease))), [FROM_MEMORY, ANSWERED]);
}

#[test]
fn what_was_applied_in_another_history_lets_nothing_pass() {
    assert_eq!(discovered(Cluster { wrong: Wrong::Nothing, course: Course::PutBack }), [ANSWERED]);
}

#[test]
fn every_mistake_is_found() {
    for wrong in Flaw::HARMFUL.into_iter().map(|(_, flaw)| Wrong::Program(flaw)).chain([Wrong::LosesCommits]) {
        assert!(discovered(Cluster::of(wrong)).contains(&BETRAYED), "{wrong:?} does no harm in the model");
    }
}
