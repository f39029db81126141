//! All is well: three replicas, and everybody checks everywhere.

use std::time::Duration;

use super::judge::{Expected, Verdict};
use super::trial::{Hammers, revoke};
use crate::support::replicas::Replicas;

const ROUNDS: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_check_that_is_sent_after_the_answer_passes_on_any_replica() {
    let replicas = Replicas::start(3).await;
    let tokens = replicas.tokens(ROUNDS + 1).await;
    let (good, tokens) = tokens.split_first().unwrap();
    let hammers = Hammers::new(&replicas, 2, good).without_pause();
    let mut verdict = Verdict::default();
    for (round, token) in tokens.iter().enumerate() {
        let url = &replicas.servers[round % replicas.servers.len()].url;
        let deed = async {
            // A moment that differs from round to round.
            tokio::time::sleep(Duration::from_micros(round as u64 * 137 % 9_000)).await;
            revoke(url, token).await
        };
        let record = hammers.round(token, deed).await;
        verdict.add(&record);
    }
    verdict.insist("all is well", Expected::of(ROUNDS, Duration::from_secs(2)));
}
