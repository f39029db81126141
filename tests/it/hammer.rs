//! The promise of a revocation, put to the program itself over real connections: no check that is sent after the answer
//! passes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;

use crate::support::connection::Connection;
use crate::support::installation::Installation;

const ROUNDS: usize = 200;
const CONNECTIONS: usize = 4;
/// Checks on each connection that are sent after the answer.
const LATE: usize = 25;

/// Checks a token until some time after `ended`: how many passed, and how many of those were sent after it.
async fn hammer(mut connection: Connection, secret: String, ended: Arc<AtomicBool>) -> (Connection, usize, usize) {
    let (mut passed, mut late_passed, mut late) = (0, 0, 0);
    while late < LATE {
        let is_late = ended.load(Ordering::SeqCst);
        let accepted = connection.ask("GET", "/check", &secret).await == 200;
        passed += usize::from(accepted);
        late += usize::from(is_late);
        late_passed += usize::from(accepted && is_late);
    }
    (connection, passed, late_passed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_check_that_is_sent_after_the_answer_to_a_revocation_passes() {
    let installation = Installation::with("check.failure_limit = \"off\"");
    let url = &installation.server.url;
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push(Connection::open(url).await);
    }
    let mut own = Connection::open(url).await;
    let (mut passed, mut late) = (0, 0);
    for (round, token) in installation.tokens::<ROUNDS>().await.iter().enumerate() {
        let (secret, ended) = (token.secret.reveal().to_owned(), Arc::new(AtomicBool::new(false)));
        let hammers: JoinSet<_> =
            connections.drain(..).map(|each| hammer(each, secret.clone(), Arc::clone(&ended))).collect();
        // A moment that differs from round to round.
        tokio::time::sleep(Duration::from_micros(round as u64 * 37 % 3_000)).await;
        assert_eq!(own.ask("DELETE", "/api/v1/self", &secret).await, 204);
        ended.store(true, Ordering::SeqCst);
        for (connection, all, after) in hammers.join_all().await {
            connections.push(connection);
            passed += all;
            late += after;
        }
    }
    assert_eq!(late, 0, "checks passed that were sent after the answer, of {passed}");
    assert!(passed > ROUNDS, "only {passed} checks passed before their revocations: nothing was hammered");
}
