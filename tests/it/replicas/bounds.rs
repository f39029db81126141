//! How long trouble may last at most.

use std::time::Duration;

use hallpass::server::telemetry;
use tokio::task::JoinSet;

use super::trial::{recovery, revoke_once};
use crate::support::cluster;
use crate::support::connection::Connection;
use crate::support::replicas::Replicas;
use crate::support::tokens::Token;
use crate::support::wire::{Mode, Wire, target};

/// Longer than a lease with what clocks may differ, shorter than a second question after that.
const ONE_LEASE: Duration = Duration::from_millis(1_500);
/// Tokens that are asked for at once: several times as many as one question takes.
const MANY: usize = 1_500;
/// Sooner than all their questions could be found unanswered, one after the other.
const ALL_THE_OTHERS: Duration = Duration::from_millis(4_500);

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
        while replicas.column(&waits).await.is_empty() && !revoked.is_finished() {}
        wire.set(Mode::BlackHole);
        let cut = telemetry::now();
        let (status, answered) = revoked.await.unwrap();
        assert_eq!(status, Some(204));
        // Who was looked for too late was answered already.
        if let Some(waited) = answered.checked_duration_since(cut) {
            quickest = quickest.min(waited);
        }
        wire.set(Mode::Whole);
        replicas.servers[1].signal("CONT");
    }
    println!("whoever is cut off has answered after {quickest:?}");
    assert!(quickest < ONE_LEASE, "{quickest:?}");
}

/// Whoever asks for a change waits for its turn in a transaction that is about to begin. If they go away then, nobody may be
/// left with the turn, least of all a connection that waits to be used again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_goes_away_while_their_change_waits_for_its_turn_keeps_nobody_waiting() {
    let replicas = Replicas::start(2).await;
    let mut tokens = replicas.tokens(21).await;
    let other = tokens.pop().unwrap();
    recovery(&replicas, &other).await;
    let mut turns = replicas.connection().await;
    sqlx::raw_sql("BEGIN; SELECT seq FROM change_head FOR SHARE").execute(&mut turns).await.unwrap();
    let url = replicas.servers[0].url.clone();
    let mut impatient: JoinSet<_> = tokens.into_iter().map(|token| ask_again_and_again(url.clone(), token)).collect();
    let waiting =
        "SELECT pid::TEXT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while replicas.column(waiting).await.len() < 3 {}
    impatient.shutdown().await;
    sqlx::raw_sql("COMMIT").execute(&mut turns).await.unwrap();
    let asked = telemetry::now();
    assert_eq!(revoke_once(&replicas.servers[1].url, &other).await, Some(204));
    assert!(asked.elapsed() < ONE_LEASE, "{:?}", asked.elapsed());
    let idle = "SELECT pid::TEXT FROM pg_stat_activity
        WHERE datname = current_database() AND state LIKE 'idle in transaction%' AND state_change < now() - INTERVAL '300 ms'";
    assert!(replicas.column(idle).await.is_empty(), "somebody has the turn, and does nothing");
}

async fn ask_again_and_again(url: String, token: Token) {
    loop {
        revoke_once(&url, &token).await;
    }
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

/// Rows are read for many checks at once, but not for any number of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_all_the_others_where_the_store_is_gone() {
    let database = cluster::new_database().await;
    let wire = Wire::to(target(&database)).await;
    let replicas = Replicas::start_through(database.clone(), &[wire.lead(&database)]);
    let good = replicas.tokens(1).await.pop().unwrap();
    recovery(&replicas, &good).await;
    wire.set(Mode::BlackHole);
    let url = &replicas.servers[0].url;
    let asked: JoinSet<_> = (0..MANY).map(|_| ask_of_a_stranger(url.clone())).collect();
    for (status, took) in asked.join_all().await {
        assert!(status == Some(503) && took < ALL_THE_OTHERS, "{status:?} after {took:?}");
    }
}

async fn ask_of_a_stranger(url: String) -> (Option<u16>, Duration) {
    let mut connection = Connection::open(&url).await;
    let asked = telemetry::now();
    let status = connection.try_ask("GET", "/check", Token::new().secret.reveal()).await;
    (status, asked.elapsed())
}
