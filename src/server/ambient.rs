//! The real clock and the real source of randomness: the only place where either is asked.

use std::time::{SystemTime, UNIX_EPOCH};

use rand::TryRng as _;
use rustix::time::{ClockId, clock_gettime};

use crate::domain::entropy::Entropy;
use crate::domain::lease::{Moment, SteadyClock};
use crate::domain::time::{Clock, Timestamp};

/// The operating system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where the real time enters")]
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
    }
}

/// The operating system's clock that goes on while the machine sleeps and that nobody can set.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemSteadyClock;

impl SteadyClock for SystemSteadyClock {
    fn moment(&self) -> Moment {
        let now = clock_gettime(ClockId::Boottime);
        let micros = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000;
        Moment::from_micros(u64::try_from(micros).unwrap_or_default())
    }
}

/// The operating system's random number generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[expect(clippy::panic, reason = "without randomness nothing that follows would be safe")]
    fn fill(&self, buffer: &mut [u8]) {
        if let Err(error) = rand::rngs::SysRng.try_fill_bytes(buffer) {
            panic!("the operating system gives no random bytes: {error}");
        }
    }
}
