//! Trouble of every kind while tokens are revoked.

use std::time::Duration;

use hallpass::server::telemetry;

use super::stage::{ROUNDS, Stage, with_a_wire};
use super::trial::{Hammers, recovery, revoke, revoke_once};
use crate::support::cluster;
use crate::support::replicas::Replicas;
use crate::support::wire::Mode;

/// Longest time until a revocation is answered while something is broken: a lease, asking again, and a machine that is
/// busy with many tests. How long it takes where nothing else runs is measured, not tested.
const PATIENCE: Duration = Duration::from_secs(5);
const BLACK_HOLE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_was_stopped_wakes_up_without_its_lease() {
    let mut stage = Stage::with(Replicas::start(3).await).await;
    for round in 0..ROUNDS {
        let heal = async |replicas: &Replicas| {
            tokio::time::sleep(Duration::from_secs(4)).await;
            replicas.servers[2].signal("CONT");
        };
        stage.round(round, async |replicas: &Replicas| replicas.servers[2].signal("STOP"), heal).await;
    }
    stage.verdict.insist("a replica is stopped for 5 s", ROUNDS, PATIENCE);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_does_not_hear_announcements_notices_all_the_same() {
    let mut stage = Stage::with(Replicas::start(3).await).await;
    for round in 0..ROUNDS {
        let deafen = async |replicas: &Replicas| {
            let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE datname = current_database() AND query LIKE 'LISTEN%'";
            replicas.execute(sql).await;
        };
        stage.round(round, deafen, async |_: &Replicas| {}).await;
    }
    stage.verdict.insist("listening connections are terminated", ROUNDS, PATIENCE);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_connection_that_is_terminated_is_made_anew() {
    let mut stage = Stage::with(Replicas::start(3).await).await;
    for round in 0..ROUNDS {
        let terminate = async |replicas: &Replicas| {
            let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid()";
            replicas.execute(sql).await;
        };
        stage.round(round, terminate, async |_: &Replicas| {}).await;
    }
    stage.verdict.insist("all connections are terminated", ROUNDS, PATIENCE);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_killed_while_it_revokes_loses_nothing_that_was_answered() {
    let mut stage = Stage::with(Replicas::start(3).await).await;
    for round in 0..ROUNDS {
        let (replicas, token) = (&mut stage.replicas, &stage.tokens[round]);
        let url = replicas.servers[0].url.clone();
        let doomed = replicas.servers.pop().unwrap();
        let dead = doomed.url.clone();
        let kill = async {
            // It may be killed before, within and after the revocation that it was asked for.
            let asked = revoke_once(&dead, token);
            let killed = async {
                tokio::time::sleep(Duration::from_millis(20 + round as u64 * 5)).await;
                drop(doomed);
            };
            let (status, ()) = tokio::join!(asked, killed);
            if status != Some(204) {
                revoke(&url, token).await;
            }
        };
        let record = stage.hammers.round(token, kill, async {}).await;
        stage.verdict.add(&record);
        stage.replicas.add(&stage.replicas.database.clone());
        stage.hammers = Hammers::new(&stage.replicas, 1, &stage.good);
        stage.verdict.add_recovery(recovery(&stage.replicas, &stage.good).await);
    }
    stage.verdict.insist("a replica is killed", ROUNDS, PATIENCE);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_crashes_forgets_no_revocation() {
    let database = cluster::new_database_of("crashing").await;
    let ways = vec![database.clone(); 3];
    let mut stage = Stage::with(Replicas::start_through(database, &ways)).await;
    for round in 0..ROUNDS {
        stage.round(round, async |_: &Replicas| cluster::crash("crashing"), async |_: &Replicas| {}).await;
    }
    stage.verdict.insist("the database crashes", ROUNDS, PATIENCE * 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_only_reads_ends_no_tokens_and_vouches_for_none() {
    let database = cluster::new_database_of("reading").await;
    let ways = vec![database.clone(); 3];
    let mut stage = Stage::with(Replicas::start_through(database, &ways)).await;
    for round in 0..ROUNDS {
        let read_only = async |replicas: &Replicas| {
            replicas.execute("ALTER SYSTEM SET default_transaction_read_only = on").await;
            replicas.execute("SELECT pg_reload_conf()").await;
            tokio::time::sleep(Duration::from_millis(100)).await;
            tokio::time::sleep(Duration::from_millis(1_200)).await;
            let writable =
                ["SET default_transaction_read_only = off", "ALTER SYSTEM RESET default_transaction_read_only"];
            replicas.execute_each(&writable).await;
            replicas.execute("SELECT pg_reload_conf()").await;
        };
        stage.round(round, read_only, async |_: &Replicas| {}).await;
    }
    stage.verdict.insist("the primary only reads", ROUNDS, PATIENCE);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_free_connection_checks_are_answered_503() {
    let mut stage = Stage::with(Replicas::start(3).await).await;
    for round in 0..ROUNDS {
        let hold = async |replicas: &Replicas| {
            // Whoever renews a lease or reads a token waits, and with it its connection.
            let held = "BEGIN; LOCK TABLE change_head, secrets IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(3); COMMIT";
            replicas.execute(held).await;
        };
        stage.round(round, hold, async |_: &Replicas| {}).await;
    }
    stage.verdict.insist("no connection is free for 3 s", ROUNDS, PATIENCE);
}

async fn broken_wire(what: &str, mode: Mode, span: Duration) {
    let (mut stage, wire) = with_a_wire().await;
    for round in 0..ROUNDS {
        let heal = async |_: &Replicas| {
            tokio::time::sleep(span).await;
            wire.set(Mode::Whole);
        };
        stage.round(round, async |_: &Replicas| wire.set(mode), heal).await;
    }
    stage.verdict.insist(what, ROUNDS, PATIENCE);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_whose_connections_are_reset_answers_503_and_recovers() {
    broken_wire("connections of a replica are reset", Mode::Reset, Duration::from_secs(2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_whose_connections_are_refused_answers_503_and_recovers() {
    broken_wire("connections of a replica are refused", Mode::Refused, Duration::from_secs(2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_whose_messages_are_late_does_not_believe_its_memory() {
    broken_wire("messages of a replica take 2 s", Mode::Slow(Duration::from_secs(2)), Duration::from_secs(3)).await;
}

/// Half a minute, in which many tokens are revoked elsewhere; twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_whose_messages_are_lost_for_long_answers_503_and_recovers() {
    let (mut stage, wire) = with_a_wire().await;
    for half in 0..2 {
        let began = telemetry::now();
        wire.set(Mode::BlackHole);
        for round in 0..ROUNDS / 2 {
            stage.lone_round(half * ROUNDS / 2 + round).await;
        }
        tokio::time::sleep(BLACK_HOLE.saturating_sub(began.elapsed())).await;
        wire.set(Mode::Whole);
        stage.recover().await;
    }
    stage.verdict.insist("messages of a replica are lost for 30 s", ROUNDS, PATIENCE);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_overtake_each_other_revive_no_token() {
    let uneven = Mode::Uneven(Duration::from_millis(200));
    broken_wire("messages of a replica overtake each other", uneven, Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shell_that_keeps_everybody_waiting_uses_up_no_connections() {
    let replicas = Replicas::start(3).await;
    let mut shell = replicas.connection().await;
    sqlx::raw_sql("BEGIN; SELECT seq FROM change_head FOR UPDATE").execute(&mut shell).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = replicas.backends().await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let after = replicas.backends().await;
    assert!(after <= before + 4, "{before} connections became {after}");
}
