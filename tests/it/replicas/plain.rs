//! All is well: three replicas, and everybody checks everywhere.

use std::time::Duration;

use super::trial::{Hammers, LATE, Verdict};
use crate::support::connection::Connection;
use crate::support::replicas::Replicas;

const ROUNDS: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_check_that_is_sent_after_the_answer_passes_on_any_replica() {
    let replicas = Replicas::start(3).await;
    let tokens = replicas.tokens(ROUNDS).await;
    let mut hammers = Hammers::new(&replicas, 2);
    let mut verdict = Verdict::default();
    for (round, token) in tokens.iter().enumerate() {
        let url = &replicas.servers[round % replicas.servers.len()].url;
        let record = hammers.round(token, async {
            // A moment that differs from round to round.
            tokio::time::sleep(Duration::from_micros(round as u64 * 137 % 9_000)).await;
            Connection::open(url).await.ask("DELETE", "/api/v1/self", token.secret.reveal()).await
        });
        verdict.add(&record.await);
    }
    println!("{:?} median, {:?} p99; {verdict:?}", verdict.percentile(50), verdict.percentile(99));
    assert_eq!((verdict.betrayed, verdict.strange.as_slice()), (0, [].as_slice()));
    assert!(verdict.passed_before > ROUNDS && verdict.late >= ROUNDS * LATE, "nothing was tried");
}
