//! All is well: three replicas, and everybody checks everywhere.

use std::time::Duration;

use super::trial::{Hammers, Verdict, revoke};
use crate::support::replicas::Replicas;

const ROUNDS: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_check_that_is_sent_after_the_answer_passes_on_any_replica() {
    let replicas = Replicas::start(3).await;
    let tokens = replicas.tokens(ROUNDS + 1).await;
    let (good, tokens) = tokens.split_first().unwrap();
    let mut hammers = Hammers::new(&replicas, 2, good);
    let mut verdict = Verdict::default();
    for (round, token) in tokens.iter().enumerate() {
        let url = &replicas.servers[round % replicas.servers.len()].url;
        let record = hammers.round(
            token,
            async {
                // A moment that differs from round to round.
                tokio::time::sleep(Duration::from_micros(round as u64 * 137 % 9_000)).await;
                revoke(url, token).await;
            },
            async {},
        );
        verdict.add(&record.await);
    }
    verdict.insist("all is well", ROUNDS, Duration::from_secs(2));
}
