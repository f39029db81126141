//! A revocation while everybody checks: what was asked when, and what was answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use hallpass::server::telemetry;
use tokio::task::JoinSet;

use super::judge::{Check, Deed, IN_A_ROW, LATE, Record};
use crate::support::connection::Connection;
use crate::support::replicas::Replicas;
use crate::support::tokens::Token;

/// How long a check may take before the connection is given up.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long anybody goes on asking for what does not come.
const GIVE_UP: Duration = Duration::from_mins(1);
/// Pause of whoever checks the good token …
const WITNESS_EVERY: Duration = Duration::from_millis(20);
/// … and of whoever checks the other one, so that there is something left for the servers of other trials …
const PAUSE: Duration = Duration::from_millis(5);
/// … and of both when nobody answers.
const UNREACHABLE: Duration = Duration::from_millis(20);

/// Whoever checks, at all replicas.
pub struct Hammers {
    ways: Vec<Way>,
    replicas: usize,
    good: String,
    path: &'static str,
}

/// Where a connection leads, whether it is for the good token, and how long to wait between checks.
#[derive(Clone)]
struct Way {
    replica: usize,
    url: String,
    is_witness: bool,
    pause: Duration,
}

impl Hammers {
    /// So many to each replica, and one more for a token that stays good.
    pub fn new(replicas: &Replicas, each: usize, good: &Token) -> Self {
        Self::at("/check", replicas, each, good)
    }

    /// The same with another question.
    pub fn at(path: &'static str, replicas: &Replicas, each: usize, good: &Token) -> Self {
        let mut ways = Vec::new();
        for (replica, server) in replicas.servers.iter().enumerate() {
            let way = |is_witness, pause| Way { replica, url: server.url.clone(), is_witness, pause };
            ways.extend(vec![way(false, PAUSE); each]);
            ways.push(way(true, WITNESS_EVERY));
        }
        Self { ways, replicas: replicas.servers.len(), good: good.secret.reveal().to_owned(), path }
    }

    /// The same with other pauses between checks of the token that is revoked, by the numbers of the connections.
    pub fn pausing(mut self, pause: impl Fn(u32) -> Duration) -> Self {
        let ways = self.ways.iter_mut().filter(|way| !way.is_witness);
        (0..).zip(ways).for_each(|(number, way)| way.pause = pause(number));
        self
    }

    /// The same without taking breath.
    pub fn without_pause(self) -> Self {
        self.pausing(|_| Duration::ZERO)
    }

    /// Checks a token on all connections until it was revoked, and for a while after that: until everybody is well again,
    /// if the trouble is over.
    pub async fn round(&self, token: &Token, deed: impl Future<Output = Deed>) -> Record {
        let round = Arc::new(Round::of(self.replicas));
        let mut hammers = JoinSet::new();
        for way in &self.ways {
            let secret = if way.is_witness { &self.good } else { token.secret.reveal() };
            let (way, secret, round) = (way.clone(), secret.to_owned(), Arc::clone(&round));
            let hammer = Hammer { way, path: self.path, secret, round, connection: None };
            hammers.spawn(hammer.run());
        }
        let deed = deed.await;
        round.end(deed.healed.is_some()).await;
        let checks = hammers.join_all().await.concat();
        Record { checks, deed }
    }
}

/// What all connections have to know of a round.
#[derive(Default)]
struct Round {
    /// Whether the token is revoked, and nothing else will happen.
    is_done: AtomicBool,
    is_over: AtomicBool,
    /// Checks of the revoked token since it is done that were answered.
    late: AtomicUsize,
    /// … or not, at each replica.
    tried: Vec<AtomicUsize>,
    /// How often a good token has passed in a row, at each replica.
    in_a_row: Vec<AtomicUsize>,
}

impl Round {
    fn of(replicas: usize) -> Self {
        let none = || (0..replicas).map(|_| AtomicUsize::new(0)).collect();
        Self { tried: none(), in_a_row: none(), ..Self::default() }
    }

    /// Waits until enough was checked.
    async fn end(&self, is_healed: bool) {
        if is_healed {
            self.in_a_row.iter().for_each(|count| count.store(0, Ordering::SeqCst));
        }
        self.is_done.store(true, Ordering::SeqCst);
        let started = telemetry::now();
        // Whoever does not come to an end is judged all the same.
        while !(self.is_checked() && (!is_healed || self.is_well())) && started.elapsed() < GIVE_UP {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.is_over.store(true, Ordering::SeqCst);
    }

    fn is_checked(&self) -> bool {
        let is_tried = self.tried.iter().all(|count| count.load(Ordering::SeqCst) > 0);
        is_tried && self.late.load(Ordering::SeqCst) >= LATE
    }

    fn is_well(&self) -> bool {
        self.in_a_row.iter().all(|count| count.load(Ordering::SeqCst) >= IN_A_ROW)
    }

    fn note(&self, check: &Check, is_late: bool) {
        if !check.is_of_good {
            self.tried[check.replica].fetch_add(usize::from(is_late), Ordering::SeqCst);
            self.late.fetch_add(usize::from(is_late && check.status.is_some()), Ordering::SeqCst);
        } else if check.status == Some(200) {
            self.in_a_row[check.replica].fetch_add(1, Ordering::SeqCst);
        } else {
            self.in_a_row[check.replica].store(0, Ordering::SeqCst);
        }
    }
}

struct Hammer {
    way: Way,
    path: &'static str,
    secret: String,
    round: Arc<Round>,
    connection: Option<Connection>,
}

impl Hammer {
    async fn run(mut self) -> Vec<Check> {
        let Way { replica, is_witness, pause, .. } = self.way;
        let mut checks = Vec::new();
        let mut wait = pause;
        loop {
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            if self.round.is_over.load(Ordering::SeqCst) {
                break;
            }
            let is_late = self.round.is_done.load(Ordering::SeqCst);
            let sent = telemetry::now();
            let status = self.check().await;
            let check = Check { replica, is_of_good: is_witness, sent, ended: telemetry::now(), status };
            self.round.note(&check, is_late);
            checks.push(check);
            wait = if status.is_none() { UNREACHABLE } else { pause };
        }
        checks
    }

    /// The status of one check; nothing where the replica cannot be reached at present.
    async fn check(&mut self) -> Option<u16> {
        if self.connection.is_none() {
            self.connection = Connection::try_open(&self.way.url).await;
        }
        let asked = self.connection.as_mut()?.try_ask("GET", self.path, &self.secret);
        let status = tokio::time::timeout(PATIENCE, asked).await.ok().flatten();
        if status.is_none() {
            self.connection = None;
        }
        status
    }
}

/// Revokes a token with itself, asking again until it is answered that it is revoked.
pub async fn revoke(url: &str, token: &Token) -> Deed {
    let asked = telemetry::now();
    loop {
        assert!(asked.elapsed() < GIVE_UP, "the revocation is never answered well");
        let is_done = match revoke_once(url, token).await {
            Some(204) => true,
            // An answer got lost: it was revoked all the same, and whoever asks is told only when that holds.
            Some(401) => is_confirmed(url, token).await,
            _ => false,
        };
        if is_done {
            return Deed::new(asked, telemetry::now());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Asks once to revoke a token with itself, and gives the status of the answer.
pub async fn revoke_once(url: &str, token: &Token) -> Option<u16> {
    let mut connection = Connection::try_open(url).await?;
    let asked = connection.try_ask("DELETE", "/api/v1/self", token.secret.reveal());
    tokio::time::timeout(PATIENCE, asked).await.ok().flatten()
}

/// Whether revocation (RFC 7009), which answers alike for good and bad tokens, confirms that a token has ended.
pub async fn is_confirmed(url: &str, token: &Token) -> bool {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let form = [("token", token.secret.reveal())];
    let answer = client.post(format!("{url}/oauth/revoke")).form(&form).timeout(PATIENCE).send().await;
    answer.is_ok_and(|answer| answer.status() == 200)
}

/// How long it takes until every replica passes a good token, each several times in a row.
pub async fn recovery(replicas: &Replicas, good: &Token) -> Duration {
    let started = telemetry::now();
    for server in &replicas.servers {
        let mut in_a_row = 0;
        while in_a_row < 5 && started.elapsed() < Duration::from_mins(1) {
            let Some(mut connection) = Connection::try_open(&server.url).await else { continue };
            let asked = connection.try_ask("GET", "/check", good.secret.reveal());
            let status = tokio::time::timeout(PATIENCE, asked).await.ok().flatten();
            in_a_row = if status == Some(200) { in_a_row + 1 } else { 0 };
        }
    }
    started.elapsed()
}
