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

impl SystemSteadyClock {
    /// `CLOCK_MONOTONIC` would stand still in sleep, and a lease with it.
    const CLOCK: ClockId = ClockId::Boottime;
}

impl SteadyClock for SystemSteadyClock {
    fn moment(&self) -> Moment {
        let now = clock_gettime(Self::CLOCK);
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

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Says to a test that runs this program anew that it wants to know what its clock says.
    const ASKED: &str = "HALLPASS_TEST_ASKS_FOR_THE_MOMENT";
    const TEN_DAYS: u64 = 864_000;

    /// In a namespace in which the machine was asleep for ten days; where none can be made, the clock is known by its name.
    #[test]
    fn the_steady_clock_counts_the_time_that_the_machine_sleeps() {
        if std::env::var_os(ASKED).is_some() {
            println!("moment={}", SystemSteadyClock.moment().as_micros());
            return;
        }
        assert_eq!(SystemSteadyClock::CLOCK, ClockId::Boottime);
        let own = "server::ambient::tests::the_steady_clock_counts_the_time_that_the_machine_sleeps";
        let asleep = Command::new("unshare")
            .args(["--user", "--map-root-user", "--time", "--boottime", &TEN_DAYS.to_string(), "--fork"])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", own, "--nocapture"])
            .env(ASKED, "1")
            .output();
        let said = asleep.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        let Some((_, moment)) = said.split_once("moment=") else { return };
        let there: u64 = moment.lines().next().unwrap().parse().unwrap();
        let here = SystemSteadyClock.moment().as_micros();
        assert!(there > here + (TEN_DAYS - 60) * 1_000_000, "{there} is not ten days after {here}");
    }
}
