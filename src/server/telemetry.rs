//! Metrics and logs.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Label, Level, Metadata, Recorder as _, Unit};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

/// The driver tells of each connection that it does not get; we say what that means, and less often.
const DEFAULT_FILTER: &str = "info,sqlx=off";
/// Buckets of durations in seconds, from 50 µs.
const BUCKETS: [f64; 14] =
    [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];
/// Outcomes of a check, as they are named in metrics.
const OUTCOMES: [&str; 8] = [
    "allowed",
    "no_credential",
    "invalid_token",
    "limited",
    "insufficient",
    "address_refused",
    "misconfigured",
    "unavailable",
];
/// Kinds of credentials, as they are named in metrics.
const METHODS: [&str; 3] = ["none", "pat", "oidc"];

/// States of tokens, as they are named in metrics.
pub const STATES: [&str; 4] = ["active", "expired", "revoked", "suspended"];

const CHECK_DURATION: &str = "hallpass_check_duration_seconds";
const PROPAGATION: &str = "hallpass_revocation_propagation_seconds";

static METADATA: Metadata<'static> = Metadata::new("hallpass", Level::INFO, None);

/// The metrics of one server. Handles are made once, so that counting costs no look-up.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
    checks: Arc<[[Counter; OUTCOMES.len()]; METHODS.len()]>,
    check_duration: Histogram,
    requests: Arc<[Counter; 5]>,
    /// Durable proofs that were calculated.
    pub argon2: Counter,
    /// Footprints of checks that found no room.
    pub usage_dropped: Counter,
    /// Lines of the decision log that found no room.
    pub decisions_dropped: Counter,
    /// What was asked of the database.
    pub store_queries: Counter,
    /// Seconds from the commit of a change until it held on every replica.
    pub propagation: Histogram,
    lease: Gauge,
    lag: Gauge,
    staleness: Gauge,
    looked: Arc<RwLock<Instant>>,
    tokens: Arc<[Gauge; STATES.len()]>,
    expiring: Gauge,
    recorder: Arc<PrometheusRecorder>,
    process: metrics_process::Collector,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// A fresh set, at zero.
    #[must_use]
    pub fn new() -> Self {
        let recorder = recorder();
        describe(&recorder);
        let process = metrics_process::Collector::default();
        metrics::with_local_recorder(&recorder, || process.describe());
        let check =
            |method, outcome| counter(&recorder, "hallpass_check_total", &[("method", method), ("outcome", outcome)]);
        let checks = METHODS.map(|method| OUTCOMES.map(|outcome| check(method, outcome)));
        let classes = ["1xx", "2xx", "3xx", "4xx", "5xx"];
        let requests = classes.map(|class| counter(&recorder, "hallpass_http_requests_total", &[("status", class)]));
        Self {
            handle: recorder.handle(),
            checks: Arc::new(checks),
            check_duration: recorder.register_histogram(&Key::from_static_name(CHECK_DURATION), &METADATA),
            requests: Arc::new(requests),
            argon2: counter(&recorder, "hallpass_argon2_total", &[]),
            usage_dropped: counter(&recorder, "hallpass_usage_dropped_total", &[]),
            decisions_dropped: counter(&recorder, "hallpass_decisions_dropped_total", &[]),
            store_queries: counter(&recorder, "hallpass_store_queries_total", &[]),
            propagation: recorder.register_histogram(&Key::from_static_name(PROPAGATION), &METADATA),
            lease: gauge(&recorder, "hallpass_lease", &[]),
            lag: gauge(&recorder, "hallpass_replica_lag", &[]),
            staleness: gauge(&recorder, "hallpass_replica_staleness_seconds", &[]),
            looked: Arc::new(RwLock::new(now())),
            tokens: Arc::new(STATES.map(|state| gauge(&recorder, "hallpass_tokens", &[("state", state)]))),
            expiring: gauge(&recorder, "hallpass_tokens_expiring", &[("within", "7d")]),
            recorder: Arc::new(recorder),
            process,
        }
    }

    /// Counts one check.
    pub fn count_check(&self, method: &str, outcome: &str, started: Instant) {
        let method = METHODS.iter().position(|name| *name == method).unwrap_or_default();
        if let Some(outcome) = OUTCOMES.iter().position(|name| *name == outcome) {
            self.checks[method][outcome].increment(1);
        }
        self.check_duration.record(now().duration_since(started).as_secs_f64());
    }

    /// Notes how many tokens there are: in the order of [`STATES`], and those that expire within a week.
    pub fn note_tokens(&self, by_state: [i64; STATES.len()], expiring: i64) {
        for (gauge, count) in self.tokens.iter().zip(by_state) {
            gauge.set(approximate(count));
        }
        self.expiring.set(approximate(expiring));
    }

    /// Notes whether memory may be believed now.
    pub fn note_lease(&self, is_believed: bool) {
        self.lease.set(if is_believed { 1.0 } else { 0.0 });
    }

    /// Notes how many changes were found that others had made, at a look that has just ended.
    pub fn note_look(&self, changes: u64) {
        *self.looked.write().unwrap_or_else(PoisonError::into_inner) = now();
        self.lag.set(approximate(i64::try_from(changes).unwrap_or(i64::MAX)));
    }

    /// Counts one answer of the web server.
    pub fn count_request(&self, status: u16) {
        let class = usize::from(status / 100).clamp(1, 5) - 1;
        self.requests[class].increment(1);
    }

    /// The text of `/metrics` (Prometheus exposition format).
    #[must_use]
    pub fn render(&self) -> String {
        let looked = *self.looked.read().unwrap_or_else(PoisonError::into_inner);
        self.staleness.set(now().duration_since(looked).as_secs_f64());
        metrics::with_local_recorder(&*self.recorder, || self.process.collect());
        self.handle.render()
    }

    /// Keeps the histograms small; to be called now and then.
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// The monotonic clock, for measuring only: no rule depends on it.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "durations of metrics are measured here, nothing is decided by them")]
pub fn now() -> Instant {
    Instant::now()
}

fn recorder() -> PrometheusRecorder {
    let with_buckets = |builder: PrometheusBuilder, name: &str| {
        let builder = builder.set_buckets_for_metric(Matcher::Full(name.to_owned()), &BUCKETS);
        builder.unwrap_or_else(|_| PrometheusBuilder::new())
    };
    let builder = with_buckets(PrometheusBuilder::new(), CHECK_DURATION);
    with_buckets(builder, PROPAGATION).build_recorder()
}

fn counter(recorder: &PrometheusRecorder, name: &'static str, labels: &[(&'static str, &'static str)]) -> Counter {
    let labels: Vec<Label> = labels.iter().map(|(key, value)| Label::from_static_parts(key, value)).collect();
    let counter = recorder.register_counter(&Key::from_parts(name, labels), &METADATA);
    // Shows a zero instead of nothing until the first event.
    counter.increment(0);
    counter
}

fn gauge(recorder: &PrometheusRecorder, name: &'static str, labels: &[(&'static str, &'static str)]) -> Gauge {
    let labels: Vec<Label> = labels.iter().map(|(key, value)| Label::from_static_parts(key, value)).collect();
    recorder.register_gauge(&Key::from_parts(name, labels), &METADATA)
}

/// Gauges are floating-point numbers; beyond 2⁵³ tokens they would round.
#[expect(clippy::cast_precision_loss, reason = "exact for every number of tokens that fits into a database")]
const fn approximate(count: i64) -> f64 {
    count as f64
}

fn describe(recorder: &PrometheusRecorder) {
    let counter = |name: &'static str, text: &'static str| {
        recorder.describe_counter(KeyName::from_const_str(name), None, text.into());
    };
    counter("hallpass_check_total", "Decisions about credentials");
    counter("hallpass_argon2_total", "Durable proofs calculated");
    counter("hallpass_usage_dropped_total", "Footprints of checks that found no room");
    counter("hallpass_decisions_dropped_total", "Lines of the decision log that found no room");
    counter("hallpass_http_requests_total", "Answers of the web server");
    counter("hallpass_store_queries_total", "Statements and transactions asked of the database");
    let gauge = |name: &'static str, text: &'static str| {
        recorder.describe_gauge(KeyName::from_const_str(name), None, text.into());
    };
    gauge("hallpass_tokens", "Tokens by state, counted once a minute, or less often where that takes long");
    gauge("hallpass_tokens_expiring", "Active tokens that expire within the time, counted with the others");
    gauge("hallpass_lease", "Whether this replica may answer from memory: 1 or 0");
    gauge("hallpass_replica_lag", "Changes by others that were found at the last look");
    gauge("hallpass_replica_staleness_seconds", "Time since it was last found out what others have changed");
    let histogram = |name: &'static str, text: &'static str| {
        recorder.describe_histogram(KeyName::from_const_str(name), Some(Unit::Seconds), text.into());
    };
    histogram(CHECK_DURATION, "Time to decide about a credential");
    histogram(PROPAGATION, "Time from the commit of a change until it held on every replica");
}

/// Lines of one kind that a client can cause to be logged. Past a rate they are only counted: a flood must not fill a
/// disk, nor take the time of those who are let in.
pub struct Lines {
    limiter: DefaultDirectRateLimiter,
    unsaid: AtomicU64,
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines").field("unsaid", &self.unsaid).finish_non_exhaustive()
    }
}

impl Lines {
    /// So many in a second.
    #[must_use]
    pub fn per_second(count: NonZeroU32) -> Self {
        Self { limiter: RateLimiter::direct(Quota::per_second(count)), unsaid: AtomicU64::new(0) }
    }

    /// Whether to write one now, and how many were left out since the last.
    pub fn admit(&self) -> Option<u64> {
        if self.limiter.check().is_ok() {
            Some(self.unsaid.swap(0, Ordering::Relaxed))
        } else {
            self.unsaid.fetch_add(1, Ordering::Relaxed);
            None
        }
    }
}

/// How often the histograms want [`Metrics::upkeep`].
pub const UPKEEP: Duration = Duration::from_secs(5);

/// Starts logging to standard error. `RUST_LOG` chooses what; the default is everything from `info`.
///
/// # Errors
/// When logging was started before.
pub fn init_logs(json: bool) -> Result<(), TryInitError> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_span_events(FmtSpan::NONE);
    let registry = tracing_subscriber::registry().with(filter);
    if json { registry.with(layer.json()).try_init() } else { registry.with(layer.with_ansi(false)).try_init() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_past_the_rate_are_counted_and_the_next_one_says_how_many() {
        let lines = Lines::per_second(NonZeroU32::MIN);
        assert_eq!(lines.admit(), Some(0));
        assert_eq!((lines.admit(), lines.admit()), (None, None));
        assert_eq!(lines.unsaid.swap(0, Ordering::Relaxed), 2);
    }
}
