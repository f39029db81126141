//! Replicas, tokens to revoke, and everybody who checks.

use std::time::Duration;

use hallpass::server::telemetry;

use super::judge::{Deed, Expected, Verdict};
use super::trial::{Hammers, recovery, revoke};
use crate::support::cluster;
use crate::support::replicas::Replicas;
use crate::support::tokens::Token;
use crate::support::wire::{Wire, target};

/// Revocations for each kind of trouble.
pub const ROUNDS: usize = 20;
/// Until everybody answers from memory.
const WARM: Duration = Duration::from_millis(50);

/// Three replicas, tokens to revoke and one that stays good.
pub struct Stage {
    pub replicas: Replicas,
    pub good: Token,
    pub tokens: Vec<Token>,
    pub hammers: Hammers,
    pub verdict: Verdict,
}

impl Stage {
    pub async fn with(replicas: Replicas) -> Self {
        let mut tokens = replicas.tokens(ROUNDS + 1).await;
        let good = tokens.pop().unwrap();
        let hammers = Hammers::new(&replicas, 1, &good);
        let stage = Self { replicas, good, tokens, hammers, verdict: Verdict::default() };
        recovery(&stage.replicas, &stage.good).await;
        stage
    }

    /// Revokes at the first replica, while whatever is broken stays so.
    pub async fn lone_round(&mut self, round: usize) {
        let (url, token) = (&self.replicas.servers[0].url, &self.tokens[round]);
        let deed = async {
            // The others answer from memory before they are told.
            tokio::time::sleep(WARM).await;
            revoke(url, token).await
        };
        let record = self.hammers.round(token, deed).await;
        self.verdict.add(&record);
    }

    /// Revokes at the first replica while there is trouble, which ends by itself. In every other round it begins before
    /// somebody asks, and in the others soon after.
    pub async fn round(&mut self, round: usize, trouble: impl AsyncFnOnce(&Replicas)) {
        self.round_with(round, trouble, false).await;
    }

    /// The same where that replica has the trouble, too.
    pub async fn hindered_round(&mut self, round: usize, trouble: impl AsyncFnOnce(&Replicas)) {
        self.round_with(round, trouble, true).await;
    }

    async fn round_with(&mut self, round: usize, trouble: impl AsyncFnOnce(&Replicas), is_hindered: bool) {
        let (replicas, token) = (&self.replicas, &self.tokens[round]);
        let (before, within) = if round.is_multiple_of(2) { (20 + round as u64, 0) } else { (0, round as u64 / 2) };
        let revoked = async {
            tokio::time::sleep(Duration::from_millis(before)).await;
            revoke(&replicas.servers[0].url, token).await
        };
        let healed = async {
            tokio::time::sleep(Duration::from_millis(within)).await;
            Box::pin(trouble(replicas)).await;
            telemetry::now()
        };
        let deed = async {
            tokio::time::sleep(WARM).await;
            let (deed, healed) = tokio::join!(revoked, healed);
            Deed { healed: Some(healed), is_hindered, ..deed }
        };
        let record = Box::pin(self.hammers.round(token, deed)).await;
        self.verdict.add(&record);
    }

    /// Says what was found, and insists that there was something to find and no betrayal; and that nobody gave up.
    pub async fn insist(&mut self, what: &str, answer_within: Duration) {
        let replicas = self.replicas.servers.len();
        self.insist_on(what, Expected { replicas, ..Expected::of(ROUNDS, answer_within) }).await;
    }

    pub async fn insist_on(&mut self, what: &str, expected: Expected) {
        self.verdict.insist(what, expected);
        for server in &mut self.replicas.servers {
            let ended = server.child.try_wait().unwrap();
            assert!(ended.is_none(), "{what}: a replica has ended: {ended:?}");
        }
        // Whoever takes locks in another order than the others is found out sooner or later.
        let deadlocks = "SELECT deadlocks::TEXT FROM pg_stat_database WHERE datname = current_database()";
        let count = self.replicas.column(deadlocks).await;
        assert_eq!(count, ["0"], "{what}: deadlocks\n{}", cluster::deadlocks(&self.replicas.database).await);
    }

    /// Ends the replica that has run longest, and puts another one behind the others.
    pub async fn replace_first(&mut self, way: &str, env: &[(&str, &str)]) {
        self.replicas.servers.remove(0);
        self.replicas.add_with(way, env);
        self.hammers = Hammers::new(&self.replicas, 1, &self.good);
        recovery(&self.replicas, &self.good).await;
    }

    /// Waits until every replica passes the good token again.
    pub async fn recover(&mut self) {
        self.verdict.add_recovery(recovery(&self.replicas, &self.good).await);
    }
}

/// Three replicas, of which the last has a way of its own to the database.
pub async fn with_a_wire() -> (Stage, Wire) {
    let database = cluster::new_database().await;
    let wire = Wire::to(target(&database)).await;
    let ways = [database.clone(), database.clone(), wire.lead(&database)];
    (Stage::with(Replicas::start_through(database, &ways)).await, wire)
}

/// Three replicas, each with a way of its own to the database.
pub async fn with_wires() -> (Stage, Vec<Wire>) {
    let database = cluster::new_database().await;
    let mut wires = Vec::new();
    for _ in 0..3 {
        wires.push(Wire::to(target(&database)).await);
    }
    let ways: Vec<_> = wires.iter().map(|wire| wire.lead(&database)).collect();
    (Stage::with(Replicas::start_through(database, &ways)).await, wires)
}
