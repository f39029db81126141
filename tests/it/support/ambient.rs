//! Time that stands still until it is moved, and randomness that is the same in every run.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use hallpass::domain::entropy::Entropy;
use hallpass::domain::time::{Clock, Timestamp};
use sha2::{Digest as _, Sha256};

/// When every test begins.
const START: &str = "2026-05-03T14:05:00Z";

/// A clock that only the test moves.
pub struct TestClock(AtomicI64);

impl TestClock {
    /// A clock that stands at 3 May 2026, 14:05 UTC.
    pub fn new() -> Self {
        Self(AtomicI64::new(Timestamp::parse_rfc3339(START).unwrap().as_micros()))
    }

    /// Lets time pass.
    pub fn advance(&self, span: Duration) {
        self.0.store(self.now().plus(span).as_micros(), Ordering::SeqCst);
    }

    /// Sets the clock back.
    pub fn set_back(&self, span: Duration) {
        self.0.store(self.now().minus(span).as_micros(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

/// SHA-256 of a counter: no two reads alike, every run alike.
#[derive(Default)]
pub struct TestEntropy(AtomicU64);

impl Entropy for TestEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(32) {
            let block = Sha256::digest(self.0.fetch_add(1, Ordering::SeqCst).to_be_bytes());
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
    }
}

pub const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub const fn minutes(count: u64) -> Duration {
    seconds(count * 60)
}

pub const fn hours(count: u64) -> Duration {
    minutes(count * 60)
}

pub const fn days(count: u64) -> Duration {
    hours(count * 24)
}
