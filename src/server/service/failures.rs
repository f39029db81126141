//! How many refused credentials may come from one address. A good credential is never refused for it.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::clock::Clock as GovernorClock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};

use crate::server::config::FailureLimit;
use crate::server::telemetry;

/// After so many failures, addresses that have been quiet for long enough are forgotten.
const FORGET_EVERY: u64 = 1_024;

/// More than the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Excess {
    /// What the limit is.
    pub limit: u32,
    /// In how many seconds.
    pub window: u64,
    /// Seconds until one more is counted as usual.
    pub wait: u64,
}

type Limiter = RateLimiter<IpAddr, DefaultKeyedStateStore<IpAddr>, Elapsed, NoOpMiddleware<Nanos>>;

/// Counts refused credentials by address.
pub struct Failures {
    limit: Option<(FailureLimit, Limiter)>,
    clock: Elapsed,
    counted: AtomicU64,
}

impl std::fmt::Debug for Failures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Failures").finish_non_exhaustive()
    }
}

impl Failures {
    /// With a limit, or without any.
    #[must_use]
    pub fn new(limit: Option<FailureLimit>) -> Self {
        let started = telemetry::now();
        Self::with_clock(limit, Elapsed(Arc::new(move || started.elapsed())))
    }

    fn with_clock(limit: Option<FailureLimit>, clock: Elapsed) -> Self {
        let limiter = |limit: FailureLimit| {
            let quota = Quota::with_period(limit.window / limit.count.get())?.allow_burst(limit.count);
            Some((limit, RateLimiter::new(quota, DefaultKeyedStateStore::default(), clock.clone())))
        };
        Self { limit: limit.and_then(limiter), clock, counted: AtomicU64::new(0) }
    }

    /// Counts one refused credential from an address.
    ///
    /// # Errors
    /// When there were too many.
    pub fn count(&self, ip: IpAddr) -> Result<(), Excess> {
        let Some((limit, limiter)) = &self.limit else { return Ok(()) };
        if self.counted.fetch_add(1, Ordering::Relaxed) % FORGET_EVERY == FORGET_EVERY - 1 {
            limiter.retain_recent();
        }
        limiter.check_key(&network(ip)).map_err(|not_until| Excess {
            limit: limit.count.get(),
            window: limit.window.as_secs(),
            wait: seconds_rounded_up(not_until.wait_time_from(self.clock.now())),
        })
    }
}

fn seconds_rounded_up(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// What counts as one address: whoever has one of IPv6 usually has all of its /64.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX)).into(),
        ip @ IpAddr::V4(_) => ip,
    }
}

/// Time since the start, which never goes back: a clock that is set back must not lengthen anybody's wait.
#[derive(Clone)]
struct Elapsed(Arc<dyn Fn() -> Duration + Send + Sync>);

impl GovernorClock for Elapsed {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        (self.0)().into()
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    /// Seconds, moved by hand.
    type Hand = Arc<AtomicU64>;

    fn failures(count: u32) -> (Failures, Hand) {
        let hand = Hand::default();
        let limit = FailureLimit { count: NonZeroU32::new(count).unwrap(), window: Duration::from_mins(1) };
        let clock = Arc::clone(&hand);
        let clock = Elapsed(Arc::new(move || Duration::from_secs(clock.load(Ordering::Relaxed))));
        (Failures::with_clock(Some(limit), clock), hand)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_limit_holds_for_each_address_and_passes_with_time() {
        let (failures, hand) = failures(3);
        for _ in 0..3 {
            assert_eq!(failures.count(ip("192.0.2.1")), Ok(()));
        }
        assert_eq!(failures.count(ip("192.0.2.1")), Err(Excess { limit: 3, window: 60, wait: 20 }));
        assert_eq!(failures.count(ip("192.0.2.2")), Ok(()));
        hand.store(20, Ordering::Relaxed);
        assert_eq!(failures.count(ip("192.0.2.1")), Ok(()));
        assert!(failures.count(ip("192.0.2.1")).is_err());
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let (failures, _) = failures(1);
        assert_eq!(failures.count(ip("2001:db8::1")), Ok(()));
        assert!(failures.count(ip("2001:db8::ffff:2")).is_err());
        assert_eq!(failures.count(ip("2001:db8:0:1::1")), Ok(()));
        assert_eq!(failures.count(ip("::ffff:192.0.2.1")), Ok(()));
        assert!(failures.count(ip("192.0.2.1")).is_err());
    }

    #[test]
    fn without_a_limit_nothing_is_counted() {
        let failures = Failures::new(None);
        assert!((0..10).all(|_| failures.count(ip("192.0.2.1")).is_ok()));
    }

    #[test]
    fn quiet_addresses_are_forgotten() {
        let (failures, hand) = failures(1);
        for number in 0..FORGET_EVERY - 1 {
            let _ = failures.count(Ipv6Addr::from_bits(u128::from(number) << 64).into());
        }
        hand.store(180, Ordering::Relaxed);
        let _ = failures.count(ip("192.0.2.1"));
        assert!(failures.limit.unwrap().1.len() <= 1);
    }
}
