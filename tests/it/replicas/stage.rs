//! Replicas, tokens to revoke, and everybody who checks.

use std::time::Duration;

use super::trial::{Hammers, Verdict, recovery, revoke};
use crate::support::cluster;
use crate::support::replicas::Replicas;
use crate::support::tokens::Token;
use crate::support::wire::{Wire, target};

/// Revocations for each kind of trouble.
pub const ROUNDS: usize = 20;

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
        let revoke = async {
            // The others answer from memory before they are told.
            tokio::time::sleep(Duration::from_millis(50)).await;
            revoke(url, token).await;
        };
        let record = self.hammers.round(token, revoke, async {}).await;
        self.verdict.add(&record);
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

    /// Breaks something, revokes at the first replica, makes it whole again.
    pub async fn round(&mut self, round: usize, wreck: impl AsyncFnOnce(&Replicas), heal: impl AsyncFnOnce(&Replicas)) {
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
pub async fn with_a_wire() -> (Stage, Wire) {
    let database = cluster::new_database().await;
    let wire = Wire::to(target(&database)).await;
    let ways = [database.clone(), database.clone(), wire.lead(&database)];
    (Stage::with(Replicas::start_through(database, &ways)).await, wire)
}
