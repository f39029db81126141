//! How long trouble may last at most.

use std::time::Duration;

use hallpass::server::telemetry;

use super::trial::{recovery, revoke_once};
use crate::support::cluster;
use crate::support::replicas::Replicas;
use crate::support::wire::{Mode, Wire, target};

/// Longer than a lease with what clocks may differ, shorter than a second question after that.
const ONE_LEASE: Duration = Duration::from_millis(1_500);

/// Where one waits for a replica that says nothing, and is cut off itself: it is known how long that takes, so no question
/// that nobody answers makes it longer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_cut_off_while_waiting_for_others_waits_no_longer_than_one_lease() {
    let database = cluster::new_database().await;
    let wire = Wire::to(target(&database)).await;
    let replicas = Replicas::start_through(database.clone(), &[wire.lead(&database), database.clone()]);
    let mut tokens = replicas.tokens(6).await;
    let good = tokens.pop().unwrap();
    let mut quickest = Duration::MAX;
    for token in tokens {
        recovery(&replicas, &good).await;
        while replicas.ids().await.len() < 2 {}
        replicas.servers[1].signal("STOP");
        let (url, id) = (replicas.servers[0].url.clone(), token.id);
        let revoked = tokio::spawn(async move { (revoke_once(&url, &token).await, telemetry::now()) });
        let committed =
            format!("SELECT clock_timestamp()::TEXT FROM tokens WHERE id = '{id}' AND revoked_at IS NOT NULL");
        let since = loop {
            if let Some(since) = replicas.column(&committed).await.pop() {
                break since;
            }
        };
        // Who asks from there on has been told that it is committed.
        let waits = format!(
            "SELECT pid::TEXT FROM pg_stat_activity WHERE datname = current_database()
                AND query LIKE '%LEFT JOIN replicas%' AND query_start > '{since}' AND pid <> pg_backend_pid()"
        );
        while replicas.column(&waits).await.is_empty() {}
        wire.set(Mode::BlackHole);
        let cut = telemetry::now();
        let (status, answered) = revoked.await.unwrap();
        assert_eq!(status, Some(204));
        quickest = quickest.min(answered - cut);
        wire.set(Mode::Whole);
        replicas.servers[1].signal("CONT");
    }
    println!("whoever is cut off has answered after {quickest:?}");
    assert!(quickest < ONE_LEASE, "{quickest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_for_announcements_that_died_in_silence_is_made_anew() {
    let database = cluster::new_database().await;
    let wire = Wire::to(target(&database)).await;
    let mut replicas = Replicas::start_through(database.clone(), &[]);
    replicas.add_with(&database, &[("HALLPASS_DATABASE__LISTEN_URL", &wire.lead(&database))]);
    let listening = async || {
        let sql = "SELECT pid::TEXT FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'";
        replicas.column(sql).await
    };
    while listening().await.is_empty() {}
    let before = listening().await;
    assert_eq!(before.len(), 1);
    wire.forget();
    let again = async { while listening().await.iter().all(|pid| before.contains(pid)) {} };
    tokio::time::timeout(Duration::from_secs(20), again).await.expect("nobody listens any more");
}
