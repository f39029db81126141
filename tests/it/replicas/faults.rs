//! Trouble of every kind while tokens are revoked: it begins before somebody asks for a revocation, and in the middle of it.

use std::time::Duration;

use hallpass::server::telemetry;
use sqlx::{Connection as _, PgConnection};
use tokio::task::JoinSet;

use super::failover::uses_up_no_connections;
use super::judge::{Deed, Expected};
use super::stage::{ROUNDS, Stage, with_a_wire, with_wires};
use super::trial::{Hammers, recovery, revoke, revoke_once};
use crate::support::cluster;
use crate::support::replicas::Replicas;
use crate::support::wire::{Mode, Wire};

/// Longest time until a revocation is answered while something is broken: a lease, asking again, and a machine that is
/// busy with many tests. How long it takes where nothing else runs is measured, not tested.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a replica is stopped.
const STOP: Duration = Duration::from_secs(5);
const BLACK_HOLE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_was_stopped_wakes_up_without_its_lease() {
    let mut stage = Stage::with(Replicas::start(3).await).await;
    for round in 0..ROUNDS {
        // Now and then it is the one that revokes.
        let is_the_first = round % 5 == 4;
        let stop = async |replicas: &Replicas| {
            let stopped = &replicas.servers[if is_the_first { 0 } else { 2 }];
            stopped.signal("STOP");
            tokio::time::sleep(STOP).await;
            stopped.signal("CONT");
        };
        if is_the_first { stage.hindered_round(round, stop).await } else { stage.round(round, stop).await }
    }
    let expected = Expected { are_stopped: STOP, ..Expected::of(ROUNDS, PATIENCE) };
    stage.insist_on("a replica is stopped for 5 s", expected).await;
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
        stage.round(round, deafen).await;
    }
    stage.insist("listening connections are terminated", PATIENCE).await;
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
        stage.hindered_round(round, terminate).await;
    }
    stage.insist("all connections are terminated", PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_killed_while_it_revokes_loses_nothing_that_was_answered() {
    let mut stage = Stage::with(Replicas::start(3).await).await;
    for round in 0..ROUNDS {
        let (replicas, token) = (&mut stage.replicas, &stage.tokens[round]);
        let url = replicas.servers[0].url.clone();
        let last = replicas.servers.pop().unwrap();
        let its_url = last.url.clone();
        let deed = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let asked = telemetry::now();
            let revoked = async { (revoke_once(&its_url, token).await, telemetry::now()) };
            // It may be killed before, within and after the revocation that it was asked for.
            let killed = async {
                tokio::time::sleep(Duration::from_millis(round as u64 * 2)).await;
                drop(last);
            };
            let ((status, answered), ()) = tokio::join!(revoked, killed);
            if status == Some(204) {
                return Deed::new(asked, answered);
            }
            Deed { asked, ..revoke(&url, token).await }
        };
        let record = stage.hammers.round(token, deed).await;
        stage.verdict.add(&record);
        stage.replicas.add(&stage.replicas.database.clone());
        stage.hammers = Hammers::new(&stage.replicas, 1, &stage.good);
        stage.verdict.add_recovery(recovery(&stage.replicas, &stage.good).await);
    }
    let expected = Expected { replicas: 2, are_killed: true, ..Expected::of(ROUNDS, PATIENCE) };
    stage.insist_on("a replica is killed", expected).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_crashes_forgets_no_revocation() {
    let database = cluster::new_database_of("crashing").await;
    let ways = vec![database.clone(); 3];
    let mut stage = Stage::with(Replicas::start_through(database, &ways)).await;
    for round in 0..ROUNDS {
        let crash = async |_: &Replicas| tokio::task::block_in_place(|| cluster::crash("crashing"));
        stage.hindered_round(round, crash).await;
    }
    stage.insist("the database crashes", PATIENCE).await;
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
            tokio::time::sleep(Duration::from_millis(1_300)).await;
            let writable =
                ["SET default_transaction_read_only = off", "ALTER SYSTEM RESET default_transaction_read_only"];
            replicas.execute_each(&writable).await;
            replicas.execute("SELECT pg_reload_conf()").await;
        };
        stage.hindered_round(round, read_only).await;
    }
    stage.insist("the primary only reads", PATIENCE).await;
}

/// Keeps everybody from a table for a while.
fn held(table: &str) -> String {
    format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(3); COMMIT")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_free_connection_checks_are_answered_503() {
    let mut replicas = Replicas::start(0).await;
    let way = replicas.database.clone();
    for _ in 0..3 {
        // One renews a lease, the other reads: then there is none for anybody else.
        replicas.add_with(&way, &[("HALLPASS_DATABASE__MAX_CONNECTIONS", "2")]);
    }
    let mut stage = Stage::with(replicas).await;
    for round in 0..ROUNDS {
        let hold = async |replicas: &Replicas| {
            // Whoever renews a lease or reads a token waits, and with it its connection. Nobody holds both tables: readers
            // and writers take them in different orders, and would wait for each other in a circle.
            let (head, secrets) = (held("change_head"), held("secrets"));
            tokio::join!(replicas.execute(&head), replicas.execute(&secrets));
        };
        stage.hindered_round(round, hold).await;
    }
    stage.insist("no connection is free for 3 s", PATIENCE).await;
}

/// Takes every connection that the server has to give, also those that others had.
async fn crowd(database: &str) -> Vec<PgConnection> {
    let url = format!("{database}?application_name=crowd");
    let mut crowd = vec![PgConnection::connect(&url).await.unwrap()];
    let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name <> 'crowd'";
    for _ in 0..3 {
        sqlx::raw_sql(others).execute(&mut crowd[0]).await.unwrap();
        while let Ok(connection) = PgConnection::connect(&url).await {
            crowd.push(connection);
        }
    }
    crowd
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_has_no_connection_left_to_give_vouches_for_nothing() {
    let database = cluster::new_database_of("crowded").await;
    let ways = vec![database.clone(); 3];
    let mut stage = Stage::with(Replicas::start_through(database, &ways)).await;
    for round in 0..ROUNDS {
        let crowded = async |replicas: &Replicas| {
            let crowd = crowd(&replicas.database).await;
            tokio::time::sleep(Duration::from_secs(2)).await;
            drop(crowd);
        };
        stage.hindered_round(round, crowded).await;
    }
    stage.insist("the database gives no connections for 2 s", PATIENCE).await;
}

/// Whose way is broken: another replica's, that of the one that revokes, everybody's.
async fn broken_wires(what: &str, break_it: impl Fn(&Wire), span: Duration) {
    let (mut stage, wires) = with_wires().await;
    for round in 0..ROUNDS {
        let broken = [&wires[2..], &wires[..1], &wires[..]][round % 3];
        let trouble = async |_: &Replicas| {
            for wire in broken {
                break_it(wire);
            }
            tokio::time::sleep(span).await;
            for wire in broken {
                wire.set(Mode::Whole);
            }
        };
        if round % 3 == 0 { stage.round(round, trouble).await } else { stage.hindered_round(round, trouble).await }
    }
    stage.insist(what, PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_whose_connections_are_reset_answer_503_and_recover() {
    broken_wires("connections are reset for 2 s", |wire| wire.set(Mode::Reset), Duration::from_secs(2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_whose_connections_are_refused_answer_503_and_recover() {
    broken_wires("connections are refused for 2 s", |wire| wire.set(Mode::Refused), Duration::from_secs(2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_whose_messages_are_late_do_not_believe_their_memory() {
    let late = |wire: &Wire| wire.set(Mode::Slow(Duration::from_secs(2)));
    broken_wires("messages take 2 s, for 3 s", late, Duration::from_secs(3)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_whose_messages_are_lost_answer_503_and_recover() {
    broken_wires("messages are lost for 3 s", |wire| wire.set(Mode::BlackHole), Duration::from_secs(3)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_dead_without_anybody_saying_so_are_given_up() {
    broken_wires("connections die in silence", Wire::forget, Duration::ZERO).await;
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
    stage.insist("messages of a replica are lost for 30 s", PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_overtake_each_other_revive_no_token() {
    let (mut stage, wire) = with_a_wire().await;
    wire.set(Mode::Uneven(Duration::from_millis(200)));
    for round in 0..ROUNDS {
        stage.lone_round(round).await;
    }
    stage.insist("messages of a replica overtake each other", PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shell_that_keeps_everybody_waiting_uses_up_no_connections() {
    let replicas = Replicas::start(3).await;
    let mut shell = replicas.connection().await;
    sqlx::raw_sql("BEGIN; SELECT seq FROM change_head FOR UPDATE").execute(&mut shell).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    uses_up_no_connections(&replicas).await;
}

/// Changes take turns. However many of them wait for somebody who holds theirs, checks need none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_that_wait_for_their_turn_leave_connections_to_checks() {
    let replicas = Replicas::start(1).await;
    let mut tokens = replicas.tokens(61).await;
    let good = tokens.pop().unwrap();
    recovery(&replicas, &good).await;
    let mut shell = replicas.connection().await;
    sqlx::raw_sql("BEGIN; SELECT seq FROM change_head FOR UPDATE").execute(&mut shell).await.unwrap();
    let url = replicas.servers[0].url.clone();
    let (mut patient, mut impatient) = (JoinSet::new(), JoinSet::new());
    for (index, token) in tokens.into_iter().enumerate() {
        let url = url.clone();
        // Some wait for their answer, and others go away at once and come back.
        if index % 2 == 0 {
            patient.spawn(async move { while revoke_once(&url, &token).await != Some(204) {} });
        } else {
            let hurry = Duration::from_millis(50);
            impatient.spawn(async move {
                loop {
                    _ = tokio::time::timeout(hurry, revoke_once(&url, &token)).await;
                }
            });
        }
    }
    let waits = "SELECT pid::TEXT FROM pg_stat_activity WHERE datname = current_database()
        AND wait_event_type = 'Lock' AND query LIKE '%change_head FOR UPDATE%'";
    while replicas.column(waits).await.len() < 3 {}
    // Longer than a lease, so that each check asks the database.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    for _ in 0..20 {
        assert_eq!(replicas.check(0, &good).await, 200, "it waits for those who wait");
        let waiting = replicas.column(waits).await.len();
        assert!(waiting <= 5, "{waiting} of ten connections wait");
    }
    sqlx::raw_sql("COMMIT").execute(&mut shell).await.unwrap();
    impatient.shutdown().await;
    tokio::time::timeout(4 * PATIENCE, patient.join_all()).await.expect("changes go on");
}
