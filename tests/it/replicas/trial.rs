//! A revocation while everybody checks: what was asked when, and what was answered. The judge knows nothing of replicas.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hallpass::server::telemetry;
use tokio::task::JoinSet;

use crate::support::connection::Connection;
use crate::support::replicas::Replicas;
use crate::support::tokens::Token;

/// Checks that are sent after the answer in each round, on all connections together.
pub const LATE: usize = 100;
/// A round in which nothing is answered any more.
const GIVE_UP: Duration = Duration::from_secs(30);

/// One check.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    pub sent: Instant,
    pub status: u16,
}

/// What happened in a round.
#[derive(Debug, Default)]
pub struct Record {
    pub checks: Vec<Check>,
    /// When the revocation was asked for and answered, and how.
    pub revocation: Option<(Instant, Instant, u16)>,
}

/// What the judge found in many rounds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    pub rounds: usize,
    pub checks: usize,
    /// Checks that passed before the answer: without them nothing was tried.
    pub passed_before: usize,
    /// Checks that were sent after it.
    pub late: usize,
    /// … and passed. There must be none.
    pub betrayed: usize,
    /// Neither good nor bad: 503.
    pub unavailable: usize,
    /// Answers that there must not be.
    pub strange: Vec<u16>,
    /// Times from asking to the answer, sorted.
    pub answered_in: Vec<Duration>,
}

impl Verdict {
    pub fn add(&mut self, record: &Record) {
        let (asked, answered, status) = record.revocation.unwrap();
        assert_eq!(status, 204, "the revocation was not answered well");
        self.rounds += 1;
        self.answered_in.push(answered - asked);
        self.answered_in.sort_unstable();
        for check in &record.checks {
            let is_late = check.sent > answered;
            self.checks += 1;
            self.late += usize::from(is_late);
            match check.status {
                200 if is_late => self.betrayed += 1,
                200 => self.passed_before += 1,
                401 if check.sent > asked || record.passes_later_than(check.sent) == 0 => {}
                503 => self.unavailable += 1,
                other => self.strange.push(other),
            }
        }
    }

    /// The time within which so many of a hundred revocations were answered.
    pub fn percentile(&self, percent: usize) -> Duration {
        self.answered_in[(self.answered_in.len() * percent / 100).min(self.answered_in.len() - 1)]
    }
}

impl Record {
    fn passes_later_than(&self, moment: Instant) -> usize {
        self.checks.iter().filter(|check| check.sent > moment && check.status == 200).count()
    }
}

/// Connections to replicas, to be used round after round.
pub struct Hammers {
    urls: Vec<String>,
    connections: Vec<Option<Connection>>,
}

impl Hammers {
    /// So many to each replica.
    pub fn new(replicas: &Replicas, each: usize) -> Self {
        let urls: Vec<_> = replicas.servers.iter().flat_map(|server| vec![server.url.clone(); each]).collect();
        Self { connections: urls.iter().map(|_| None).collect(), urls }
    }

    /// Checks a token on all connections until it was revoked and long enough after that. `revoke` says how the
    /// revocation was answered.
    pub async fn round(&mut self, token: &Token, revoke: impl Future<Output = u16>) -> Record {
        let over = Arc::new(AtomicBool::new(false));
        let late = Arc::new(AtomicUsize::new(0));
        let mut hammers = JoinSet::new();
        for (index, (url, connection)) in self.urls.iter().zip(&mut self.connections).enumerate() {
            let hammer = Hammer {
                url: url.clone(),
                secret: token.secret.reveal().to_owned(),
                over: Arc::clone(&over),
                late: Arc::clone(&late),
            };
            let connection = connection.take();
            hammers.spawn(async move { (index, hammer.run(connection).await) });
        }
        let asked = telemetry::now();
        let status = revoke.await;
        let answered = telemetry::now();
        over.store(true, Ordering::SeqCst);
        let mut record = Record { checks: Vec::new(), revocation: Some((asked, answered, status)) };
        for (index, (connection, checks)) in hammers.join_all().await {
            self.connections[index] = connection;
            record.checks.extend(checks);
        }
        record
    }
}

struct Hammer {
    url: String,
    secret: String,
    over: Arc<AtomicBool>,
    late: Arc<AtomicUsize>,
}

impl Hammer {
    async fn run(self, mut connection: Option<Connection>) -> (Option<Connection>, Vec<Check>) {
        let mut checks = Vec::new();
        let started = telemetry::now();
        while self.late.load(Ordering::SeqCst) < LATE && started.elapsed() < GIVE_UP {
            let is_late = self.over.load(Ordering::SeqCst);
            let sent = telemetry::now();
            match self.check(&mut connection).await {
                Some(status) => {
                    checks.push(Check { sent, status });
                    self.late.fetch_add(usize::from(is_late), Ordering::SeqCst);
                }
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
        (connection, checks)
    }

    /// The status of one check; nothing where the replica cannot be reached at present.
    async fn check(&self, connection: &mut Option<Connection>) -> Option<u16> {
        if connection.is_none() {
            *connection = Connection::try_open(&self.url).await;
        }
        let answer =
            tokio::time::timeout(Duration::from_secs(10), connection.as_mut()?.try_ask("GET", "/check", &self.secret));
        let status = answer.await.ok().flatten();
        if status.is_none() {
            *connection = None;
        }
        status
    }
}
