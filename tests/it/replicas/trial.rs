//! A revocation while everybody checks: what was asked when, and what was answered. The judge knows nothing of replicas.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hallpass::server::telemetry;
use tokio::task::JoinSet;

use crate::support::connection::Connection;
use crate::support::replicas::Replicas;
use crate::support::tokens::Token;

/// Checks of the revoked token that are sent after the answer in each round, on all connections together; as many again
/// after the trouble is over.
pub const LATE: usize = 100;
/// How long a check may take before the connection is given up.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long anybody goes on asking for what does not come.
const GIVE_UP: Duration = Duration::from_mins(1);
/// Pause of whoever checks the good token.
const WITNESS_EVERY: Duration = Duration::from_millis(5);

/// One check.
#[derive(Clone, Copy, Debug)]
struct Check {
    sent: Instant,
    status: u16,
}

/// What happened in a round.
#[derive(Debug)]
pub struct Record {
    /// Of the token that is revoked.
    checks: Vec<Check>,
    /// Of one that is good all the time.
    of_good: Vec<Check>,
    asked: Instant,
    answered: Instant,
}

/// What the judge found in many rounds.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    rounds: usize,
    checks: usize,
    /// Checks that passed before the answer: without them nothing was tried.
    passed_before: usize,
    /// Checks that were sent after it.
    late: usize,
    /// … and passed. There must be none.
    betrayed: usize,
    /// Checks of a good token, and how many of them were not answered by yes.
    of_good: usize,
    unavailable: usize,
    /// Answers that there must not be.
    strange: Vec<(&'static str, u16)>,
    /// Times from asking to the answer.
    answers: Vec<Duration>,
    /// Times from the end of the trouble until every replica passes a good token again.
    recoveries: Vec<Duration>,
}

impl Verdict {
    pub fn add(&mut self, record: &Record) {
        self.rounds += 1;
        self.answers.push(record.answered - record.asked);
        self.checks += record.checks.len();
        self.of_good += record.of_good.len();
        for check in &record.checks {
            let is_late = check.sent > record.answered;
            self.late += usize::from(is_late);
            match check.status {
                200 if is_late => self.betrayed += 1,
                200 => self.passed_before += 1,
                401 if check.sent + PATIENCE > record.asked => {}
                503 => {}
                other => self.strange.push(("revoked", other)),
            }
        }
        for check in &record.of_good {
            match check.status {
                200 => {}
                503 => self.unavailable += 1,
                other => self.strange.push(("good", other)),
            }
        }
    }

    pub fn add_recovery(&mut self, recovery: Duration) {
        self.recoveries.push(recovery);
    }

    /// Whether a check passed that must not.
    pub fn is_betrayed(&self) -> bool {
        self.betrayed > 0
    }

    /// Says what was found, and insists that there was something to find and no betrayal.
    #[track_caller]
    #[expect(clippy::print_stdout, reason = "what was counted is worth seeing")]
    pub fn insist(&mut self, what: &str, rounds: usize, answer_within: Duration) {
        self.answers.sort_unstable();
        self.recoveries.sort_unstable();
        let median = self.answers[self.answers.len() / 2];
        let worst = *self.answers.last().unwrap();
        let recovery = self.recoveries.last().copied().unwrap_or_default();
        let Self { rounds: done, checks, passed_before, late, betrayed, of_good, unavailable, .. } = self;
        let found = format!(
            "{what}: {done} rounds, {checks} checks of revoked tokens ({passed_before} passed before the answer, \
             {late} sent after it, {betrayed} of those passed), {of_good} of a good one ({unavailable} × 503); \
             answers {median:?} median, {worst:?} worst; recovery {recovery:?} worst"
        );
        println!("{found}");
        assert_eq!((*betrayed, self.strange.as_slice()), (0, [].as_slice()));
        assert!(*done >= rounds && *late >= rounds * LATE && *passed_before > rounds, "too little was tried");
        assert!(worst <= answer_within, "a revocation took {worst:?}");
        assert!(recovery <= Duration::from_secs(5), "recovery took {recovery:?}");
    }
}

/// Connections to replicas, to be used round after round.
pub struct Hammers {
    /// Where each leads, and whether it is for the good token.
    ways: Vec<(String, bool)>,
    connections: Vec<Option<Connection>>,
    good: String,
}

impl Hammers {
    /// So many to each replica, and one more for a token that stays good.
    pub fn new(replicas: &Replicas, each: usize, good: &Token) -> Self {
        let mut ways = Vec::new();
        for server in &replicas.servers {
            ways.extend(vec![(server.url.clone(), false); each]);
            ways.push((server.url.clone(), true));
        }
        Self { connections: ways.iter().map(|_| None).collect(), ways, good: good.secret.reveal().to_owned() }
    }

    /// Checks a token on all connections until it was revoked, what was broken is whole again, and for a while after
    /// that.
    pub async fn round(
        &mut self,
        token: &Token,
        revoke: impl Future<Output = ()>,
        heal: impl Future<Output = ()>,
    ) -> Record {
        let round = Arc::new(Round::default());
        let mut hammers = JoinSet::new();
        for (index, ((url, is_witness), connection)) in self.ways.iter().zip(&mut self.connections).enumerate() {
            let secret = if *is_witness { &self.good } else { token.secret.reveal() };
            let hammer = Hammer {
                url: url.clone(),
                secret: secret.to_owned(),
                is_witness: *is_witness,
                round: Arc::clone(&round),
                connection: connection.take(),
            };
            hammers.spawn(async move { (index, hammer.run().await) });
        }
        let asked = telemetry::now();
        revoke.await;
        let answered = telemetry::now();
        round.is_over.store(true, Ordering::SeqCst);
        heal.await;
        round.late.store(0, Ordering::SeqCst);
        round.is_healed.store(true, Ordering::SeqCst);
        let mut record = Record { checks: Vec::new(), of_good: Vec::new(), asked, answered };
        for (index, (connection, checks)) in hammers.join_all().await {
            self.connections[index] = connection;
            if self.ways[index].1 { record.of_good.extend(checks) } else { record.checks.extend(checks) }
        }
        record
    }
}

#[derive(Default)]
struct Round {
    is_over: AtomicBool,
    is_healed: AtomicBool,
    late: AtomicUsize,
}

impl Round {
    fn goes_on(&self) -> bool {
        !self.is_healed.load(Ordering::SeqCst) || self.late.load(Ordering::SeqCst) < LATE
    }
}

struct Hammer {
    url: String,
    secret: String,
    is_witness: bool,
    round: Arc<Round>,
    connection: Option<Connection>,
}

impl Hammer {
    async fn run(mut self) -> (Option<Connection>, Vec<Check>) {
        let mut checks = Vec::new();
        while self.round.goes_on() {
            let is_late = self.round.is_over.load(Ordering::SeqCst);
            let sent = telemetry::now();
            let Some(status) = self.check().await else {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            checks.push(Check { sent, status });
            if self.is_witness {
                tokio::time::sleep(WITNESS_EVERY).await;
            } else {
                self.round.late.fetch_add(usize::from(is_late), Ordering::SeqCst);
            }
        }
        (self.connection, checks)
    }

    /// The status of one check; nothing where the replica cannot be reached at present.
    async fn check(&mut self) -> Option<u16> {
        if self.connection.is_none() {
            self.connection = Connection::try_open(&self.url).await;
        }
        let asked = self.connection.as_mut()?.try_ask("GET", "/check", &self.secret);
        let status = tokio::time::timeout(PATIENCE, asked).await.ok().flatten();
        if status.is_none() {
            self.connection = None;
        }
        status
    }
}

/// Revokes a token with itself, asking again until it is answered that it is revoked.
pub async fn revoke(url: &str, token: &Token) {
    let started = telemetry::now();
    loop {
        assert!(started.elapsed() < GIVE_UP, "the revocation is never answered well");
        match revoke_once(url, token).await {
            Some(204) => return,
            // An answer got lost: it was revoked all the same, and whoever asks is told only when that holds.
            Some(401) if is_confirmed(url, token).await => return,
            _ => {}
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
