//! Who compares what was asked and answered, and when, with what was promised. It knows nothing of replicas but their
//! number.

use std::time::{Duration, Instant};

use hallpass::server::telemetry;

use crate::support::report;

/// Checks of the revoked token in each round that are sent after the answer, at all replicas together.
pub const LATE: usize = 100;
/// Good answers in a row with which a replica counts as recovered.
pub const IN_A_ROW: usize = 5;
/// How soon after the trouble everybody has to be well again.
const RECOVERS_WITHIN: Duration = Duration::from_secs(5);
/// How soon whoever asks is told something, be it that nobody knows.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// How soon a revocation is answered, asked for again and again, where the replica that is asked has the trouble itself.
const ANSWERS_IN_TROUBLE_WITHIN: Duration = Duration::from_secs(15);

/// One check, as whoever sent it wrote it down.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    pub replica: usize,
    /// Whether it is of a token that is good all the time, and not of the one that is revoked.
    pub is_of_good: bool,
    pub sent: Instant,
    pub ended: Instant,
    /// Nothing where the connection broke, or nobody answered for long.
    pub status: Option<u16>,
}

impl Check {
    /// Whether it is one of those that must not pass.
    fn is_late(&self, deed: &Deed) -> bool {
        !self.is_of_good && self.sent > deed.answered
    }
}

/// A revocation.
#[derive(Clone, Copy, Debug)]
pub struct Deed {
    /// When somebody asked for it first.
    pub asked: Instant,
    /// When they heard that it was done.
    pub answered: Instant,
    /// When the trouble was over; nothing where there was none, or it goes on.
    pub healed: Option<Instant>,
    /// Whether the trouble was that of the replica that was asked, too.
    pub is_hindered: bool,
    /// What checks of the token are answered with from then on.
    pub denial: u16,
}

impl Deed {
    /// One without trouble.
    pub const fn new(asked: Instant, answered: Instant) -> Self {
        Self { asked, answered, healed: None, is_hindered: false, denial: 401 }
    }

    /// The trouble was over just now.
    pub fn healed_now(self) -> Self {
        Self { healed: Some(telemetry::now()), ..self }
    }
}

/// What happened in a round.
#[derive(Debug)]
pub struct Record {
    pub checks: Vec<Check>,
    pub deed: Deed,
}

/// What was found in many rounds.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    rounds: usize,
    /// Checks of revoked tokens.
    checks: usize,
    /// Checks that passed before the answer: without them nothing was tried.
    passed_before: usize,
    /// Checks that were sent after it and answered, at each replica.
    late: Vec<usize>,
    /// … and passed. There must be none.
    betrayed: usize,
    /// Checks of a good token, and how many of them were answered with 503.
    of_good: usize,
    unavailable: usize,
    /// Checks that nobody answered.
    unanswered: usize,
    slowest: Duration,
    /// Rounds in which too few checks were answered that began after the answer.
    thin: usize,
    /// What there must not be.
    strange: Vec<String>,
    /// Times from asking first to the answer, at a replica without trouble and at others.
    answers: Vec<Duration>,
    hindered: Vec<Duration>,
    /// Times from the end of the trouble until every replica passes a good token again.
    recoveries: Vec<Duration>,
}

/// What a trial has to show.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    pub rounds: usize,
    /// Replicas that answer to the end.
    pub replicas: usize,
    /// How soon a revocation is answered where the replica that is asked has no trouble.
    pub answer_within: Duration,
    /// Whether replicas are killed, and so answer nothing.
    pub are_killed: bool,
    /// How long replicas are stopped, and so answer nothing.
    pub are_stopped: Duration,
}

impl Expected {
    /// Three replicas that go on all the time.
    pub const fn of(rounds: usize, answer_within: Duration) -> Self {
        Self { rounds, replicas: 3, answer_within, are_killed: false, are_stopped: Duration::ZERO }
    }
}

impl Verdict {
    pub fn add(&mut self, record: &Record) {
        let Record { checks, deed } = record;
        self.rounds += 1;
        let late = checks.iter().filter(|check| check.is_late(deed) && check.status.is_some()).count();
        self.thin += usize::from(late < LATE);
        let answers = if deed.is_hindered { &mut self.hindered } else { &mut self.answers };
        answers.push(deed.answered - deed.asked);
        for check in checks {
            self.slowest = self.slowest.max(check.ended - check.sent);
            self.unanswered += usize::from(check.status.is_none());
            if check.is_of_good { self.judge_good(check) } else { self.judge(check, deed) }
        }
        if let Some(healed) = deed.healed {
            let replicas = checks.iter().map(|check| check.replica + 1).max().unwrap_or_default();
            (0..replicas).for_each(|replica| self.judge_recovery(checks, replica, healed));
        }
    }

    fn judge(&mut self, check: &Check, deed: &Deed) {
        let is_late = check.is_late(deed);
        self.checks += 1;
        if is_late && check.status.is_some() {
            self.late.resize(self.late.len().max(check.replica + 1), 0);
            self.late[check.replica] += 1;
        }
        match check.status {
            Some(200) if is_late => self.betrayed += 1,
            Some(200) => self.passed_before += 1,
            Some(status) if status == deed.denial => {
                if check.ended < deed.asked {
                    self.strange.push("refused before anybody asked for it".to_owned());
                }
            }
            None | Some(503) => {}
            Some(other) => self.strange.push(format!("the revoked token is answered with {other}")),
        }
    }

    fn judge_good(&mut self, check: &Check) {
        self.of_good += 1;
        match check.status {
            None | Some(200) => {}
            Some(503) => self.unavailable += 1,
            Some(other) => self.strange.push(format!("the good token is answered with {other}")),
        }
    }

    /// A replica has recovered with the first good answer after the last bad one.
    fn judge_recovery(&mut self, checks: &[Check], replica: usize, healed: Instant) {
        let of_good = checks.iter().filter(|check| check.replica == replica && check.is_of_good);
        let since: Vec<_> = of_good.filter(|check| check.ended > healed).collect();
        let first_good = since.iter().rposition(|check| check.status != Some(200)).map_or(0, |last_bad| last_bad + 1);
        match since.get(first_good) {
            Some(_) if first_good == 0 => self.recoveries.push(Duration::ZERO),
            Some(good) => self.recoveries.push(good.ended - healed),
            None => self.strange.push(format!("replica {replica} does not recover")),
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
    pub fn insist(&mut self, what: &str, expected: Expected) {
        self.answers.sort_unstable();
        report::tell("replicas", &self.row(what));
        self.hold(what, expected);
    }

    #[track_caller]
    fn hold(&self, what: &str, expected: Expected) {
        assert_eq!((self.betrayed, self.strange.as_slice()), (0, [].as_slice()), "{what}");
        let is_tried = self.rounds >= expected.rounds && self.thin == 0 && self.passed_before > self.rounds;
        assert!(is_tried, "{what}: too little was tried: {self:?}");
        for replica in 0..expected.replicas {
            let here = self.late.get(replica).copied().unwrap_or_default();
            assert!(here >= self.rounds, "{what}: replica {replica} was asked {here} times in {} rounds", self.rounds);
        }
        assert!(expected.are_killed || self.unanswered == 0, "{what}: {} checks have no answer", self.unanswered);
        for (name, found, bound) in [
            ("an answer", self.slowest, expected.are_stopped + ANSWERS_WITHIN),
            ("a revocation", worst(&self.answers), expected.answer_within),
            ("a revocation in trouble", worst(&self.hindered), ANSWERS_IN_TROUBLE_WITHIN),
            ("a recovery", worst(&self.recoveries), RECOVERS_WITHIN),
        ] {
            assert!(found <= bound, "{what}: {name} took {found:?}");
        }
    }

    fn row(&self, what: &str) -> [String; 13] {
        let millis = |time: Duration| time.as_millis().to_string();
        let of = |time: Option<&Duration>| time.map_or_else(|| "-".to_owned(), |time| millis(*time));
        [
            what.to_owned(),
            self.rounds.to_string(),
            self.checks.to_string(),
            self.late.iter().sum::<usize>().to_string(),
            self.late.iter().min().copied().unwrap_or_default().to_string(),
            self.betrayed.to_string(),
            self.of_good.to_string(),
            self.unavailable.to_string(),
            millis(self.slowest),
            of(self.answers.get(self.answers.len() / 2)),
            of(self.answers.last()),
            of(self.hindered.iter().max()),
            of(self.recoveries.iter().max()),
        ]
    }
}

fn worst(times: &[Duration]) -> Duration {
    times.iter().max().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A revocation that is asked for at 10 ms and answered at 20; the trouble ends at 30.
    struct Times(Instant);

    impl Times {
        fn at(&self, millis: u64) -> Instant {
            self.0 + Duration::from_millis(millis)
        }

        fn deed(&self) -> Deed {
            Deed { healed: Some(self.at(30)), ..Deed::new(self.at(10), self.at(20)) }
        }

        fn check(&self, (sent, ended): (u64, u64), status: u16) -> Check {
            let status = (status != 0).then_some(status);
            Check { replica: 0, is_of_good: false, sent: self.at(sent), ended: self.at(ended), status }
        }

        fn good(&self, (sent, ended): (u64, u64), status: u16) -> Check {
            Check { is_of_good: true, ..self.check((sent, ended), status) }
        }
    }

    fn judged(checks: impl FnOnce(&Times) -> Vec<Check>) -> Verdict {
        let times = Times(telemetry::now());
        let mut checks = checks(&times);
        checks.push(times.good((40, 41), 200));
        let mut verdict = Verdict::default();
        verdict.add(&Record { checks, deed: times.deed() });
        verdict
    }

    #[test]
    fn a_check_that_was_sent_before_the_answer_may_pass_after_it() {
        let verdict = judged(|times| vec![times.check((19, 25), 200)]);
        assert_eq!((verdict.passed_before, verdict.betrayed), (1, 0));
    }

    #[test]
    fn a_check_that_was_sent_after_the_answer_and_passes_is_a_betrayal() {
        let verdict = judged(|times| vec![times.check((21, 25), 200), times.check((22, 26), 401)]);
        assert_eq!((verdict.betrayed, verdict.is_betrayed(), verdict.late.as_slice()), (1, true, [2].as_slice()));
    }

    #[test]
    fn a_refusal_may_come_as_soon_as_somebody_has_asked_for_the_revocation() {
        assert!(judged(|times| vec![times.check((5, 12), 401)]).strange.is_empty());
        assert_eq!(judged(|times| vec![times.check((5, 9), 401)]).strange, ["refused before anybody asked for it"]);
    }

    #[test]
    fn answers_that_there_must_not_be_are_strange() {
        assert_eq!(judged(|times| vec![times.good((5, 9), 401)]).strange, ["the good token is answered with 401"]);
        assert_eq!(judged(|times| vec![times.good((5, 9), 500)]).strange, ["the good token is answered with 500"]);
        let strange = judged(|times| vec![times.check((25, 29), 403)]).strange;
        assert_eq!(strange, ["the revoked token is answered with 403"]);
    }

    #[test]
    fn a_round_with_few_checks_after_the_answer_is_thin_whatever_others_have() {
        let thin = |count: u64| judged(|times| (0..count).map(|_| times.check((21, 25), 401)).collect()).thin;
        assert_eq!((thin(LATE as u64 - 1), thin(LATE as u64)), (1, 0));
    }

    #[test]
    fn not_to_know_is_no_mistake_and_is_counted() {
        let verdict =
            judged(|times| vec![times.good((5, 9), 503), times.check((25, 29), 503), times.check((25, 35), 0)]);
        assert_eq!((verdict.unavailable, verdict.unanswered, verdict.strange.len()), (1, 1, 0));
        assert_eq!(verdict.late, [1], "nobody answered the other");
        assert_eq!(verdict.slowest, Duration::from_millis(10));
    }

    #[test]
    fn a_recovery_lasts_from_the_end_of_the_trouble_to_the_first_good_answer_after_the_last_bad_one() {
        let verdict = judged(|times| {
            let answers = [(25, 503), (31, 200), (32, 503), (38, 200)];
            answers.map(|(ended, status)| times.good((20, ended), status)).to_vec()
        });
        assert_eq!(verdict.recoveries, [Duration::from_millis(8)]);
        assert_eq!(judged(|_| vec![]).recoveries, [Duration::ZERO]);
        let never = judged(|times| vec![Check { replica: 1, ..times.good((35, 36), 503) }]);
        assert_eq!(never.strange, ["replica 1 does not recover"]);
    }

    fn tried(change: impl FnOnce(&mut Verdict)) {
        let mut verdict = Verdict {
            rounds: 2,
            checks: 400,
            passed_before: 100,
            late: vec![100, 98, 2],
            answers: vec![Duration::from_millis(9); 2],
            ..Verdict::default()
        };
        change(&mut verdict);
        verdict.hold("a trial", Expected::of(2, Duration::from_millis(10)));
    }

    #[test]
    fn a_trial_without_a_flaw_is_accepted() {
        tried(|_| {});
    }

    macro_rules! refused {
        ($($name:ident, $message:literal: $change:expr;)*) => {$(
            #[test]
            #[should_panic(expected = $message)]
            fn $name() {
                tried($change);
            }
        )*};
    }

    refused! {
        a_betrayal_is_not_accepted, "(1, []": |verdict| verdict.betrayed = 1;
        a_strange_answer_is_not_accepted, "oh": |verdict| verdict.strange.push("oh".to_owned());
        too_few_rounds_are_not_accepted, "too little": |verdict| verdict.rounds = 1;
        too_few_checks_are_not_accepted, "too little": |verdict| verdict.thin = 1;
        a_token_that_never_passed_is_not_accepted, "too little": |verdict| verdict.passed_before = 2;
        a_replica_that_nobody_asked_is_not_accepted, "replica 2 was asked 1": |verdict| verdict.late = vec![100, 99, 1];
        silence_is_not_accepted, "no answer": |verdict| verdict.unanswered = 1;
        a_slow_check_is_not_accepted, "an answer took": |verdict| verdict.slowest = Duration::from_secs(6);
        a_slow_revocation_is_not_accepted, "a revocation took": |verdict| verdict.answers[0] = Duration::from_millis(11);
        a_slow_recovery_is_not_accepted, "a recovery took": |verdict| verdict.add_recovery(Duration::from_secs(6));
    }
}
