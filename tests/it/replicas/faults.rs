//! Trouble of every kind while tokens are revoked.

use std::time::Duration;

use super::trial::{Hammers, Verdict, recovery, revoke};
use crate::support::cluster;
use crate::support::replicas::Replicas;
use crate::support::tokens::Token;
use crate::support::wire::{Mode, Wire, target};

const ROUNDS: usize = 20;
/// A lease and what clocks may differ by, and the work around it.
const LEASE: Duration = Duration::from_millis(1_100);

/// Three replicas, tokens to revoke and one that stays good.
struct Stage {
    replicas: Replicas,
    good: Token,
    tokens: Vec<Token>,
    hammers: Hammers,
    verdict: Verdict,
}

impl Stage {
    async fn with(replicas: Replicas) -> Self {
        let mut tokens = replicas.tokens(ROUNDS + 1).await;
        let good = tokens.pop().unwrap();
        let hammers = Hammers::new(&replicas, 1, &good);
        let stage = Self { replicas, good, tokens, hammers, verdict: Verdict::default() };
        recovery(&stage.replicas, &stage.good).await;
        stage
    }

    /// Breaks something, revokes at the first replica, makes it whole again.
    async fn round(&mut self, round: usize, wreck: impl AsyncFnOnce(&Replicas), heal: impl AsyncFnOnce(&Replicas)) {
        let (replicas, token) = (&self.replicas, &self.tokens[round]);
        let record = self.hammers.round(
            token,
            async {
                tokio::time::sleep(Duration::from_millis(20 + round as u64 * 7 % 50)).await;
                wreck(replicas).await;
                revoke(&replicas.servers[0].url, token).await;
            },
            heal(replicas),
        );
        let record = record.await;
        self.verdict.add(&record);
        self.verdict.add_recovery(recovery(replicas, &self.good).await);
    }
}

/// Three replicas, of which the last has a way of its own to the database.
async fn with_a_wire() -> (Stage, Wire) {
    let database = cluster::new_database().await;
    let wire = Wire::to(target(&database)).await;
    let ways = [database.clone(), database.clone(), wire.lead(&database)];
    (Stage::with(Replicas::start_through(database, &ways)).await, wire)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_was_stopped_wakes_up_without_its_lease() {
    let mut stage = Stage::with(Replicas::start(3).await).await;
    for round in 0..ROUNDS {
        let heal = async |replicas: &Replicas| {
            tokio::time::sleep(Duration::from_secs(5).saturating_sub(LEASE)).await;
            replicas.servers[2].signal("CONT");
        };
        stage.round(round, async |replicas: &Replicas| replicas.servers[2].signal("STOP"), heal).await;
    }
    stage.verdict.insist("a replica is stopped for 5 s", ROUNDS, LEASE + Duration::from_millis(400));
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
    stage.verdict.insist("listening connections are terminated", ROUNDS, Duration::from_secs(2));
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
    stage.verdict.insist("all connections are terminated", ROUNDS, Duration::from_secs(5));
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
    stage.verdict.insist(what, ROUNDS, LEASE + Duration::from_millis(400));
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_whose_messages_are_lost_answers_503_and_recovers() {
    broken_wire("messages of a replica are lost", Mode::BlackHole, Duration::from_secs(4)).await;
}
