//! What trials of the replicas change in a program: mistakes, and clocks that run at another rate. Only in one that was
//! built for them; in every other, nothing here does anything.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::domain::lease::{Flaw, Moment, SteadyClock, Terms};

/// Names the mistake to be made.
const FLAW: &str = "HALLPASS_FLAW";
/// How fast the steady clock runs, in parts of a hundred.
const CLOCK_RATE: &str = "HALLPASS_CLOCK_RATE";
/// Between two moments that a timer notes. It counts them: a process that was stopped does not know for how long.
const NOTED_EVERY: Duration = Duration::from_millis(100);
/// A process that was not seen to do anything for so long was stopped.
const ASLEEP: Duration = Duration::from_millis(500);

/// With the mistake that is to be made.
pub(super) fn terms(terms: Terms) -> Terms {
    flaw().map_or(terms, |flaw| terms.flawed(flaw))
}

fn flaw() -> Option<Flaw> {
    setting(FLAW).as_deref().and_then(Flaw::named)
}

/// At the rate at which it is to run.
pub(super) fn steady(clock: Arc<dyn SteadyClock>) -> Arc<dyn SteadyClock> {
    let clock = if flaw() == Some(Flaw::StandsStillInSleep) { Drowsy::wake(clock) } else { clock };
    match setting(CLOCK_RATE).and_then(|rate| rate.parse().ok()) {
        Some(percent) => Arc::new(Rated { clock, percent }),
        None => clock,
    }
}

/// The clock with which memory compares the end of its lease.
pub(super) fn clock_of_memory(clock: Arc<dyn SteadyClock>, terms: Terms) -> Arc<dyn SteadyClock> {
    if terms.has(Flaw::BelievesATimer) { Noted::keep(clock) } else { clock }
}

fn setting(name: &str) -> Option<String> {
    if Flaw::CAN_BE_MADE { std::env::var(name).ok() } else { None }
}

#[derive(Debug)]
struct Rated {
    clock: Arc<dyn SteadyClock>,
    percent: u64,
}

impl SteadyClock for Rated {
    fn moment(&self) -> Moment {
        Moment::from_micros(self.clock.moment().as_micros() / 100 * self.percent)
    }
}

/// Says what a timer noted.
#[derive(Debug)]
struct Noted(AtomicU64);

impl Noted {
    fn keep(clock: Arc<dyn SteadyClock>) -> Arc<Self> {
        let noted = Arc::new(Self(AtomicU64::new(clock.moment().as_micros())));
        let kept = Arc::clone(&noted);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(NOTED_EVERY).await;
                kept.0.fetch_add(u64::try_from(NOTED_EVERY.as_micros()).unwrap_or_default(), Ordering::Release);
            }
        });
        noted
    }
}

impl SteadyClock for Noted {
    fn moment(&self) -> Moment {
        Moment::from_micros(self.0.load(Ordering::Acquire))
    }
}

/// Stands still while the process is stopped.
#[derive(Debug)]
struct Drowsy {
    clock: Arc<dyn SteadyClock>,
    seen: Mutex<Seen>,
}

/// The last moment that was seen, and how long was slept up to then.
#[derive(Debug)]
struct Seen {
    last: Moment,
    slept: Duration,
}

impl Drowsy {
    fn wake(clock: Arc<dyn SteadyClock>) -> Arc<dyn SteadyClock> {
        let seen = Seen { last: clock.moment(), slept: Duration::ZERO };
        let drowsy = Arc::new(Self { clock, seen: Mutex::new(seen) });
        let kept = Arc::clone(&drowsy);
        // Whoever has nothing to do is not asleep.
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(NOTED_EVERY);
                kept.moment();
            }
        });
        drowsy
    }
}

impl SteadyClock for Drowsy {
    fn moment(&self) -> Moment {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.moment();
        let unseen = now.since(seen.last);
        if unseen > ASLEEP {
            seen.slept += unseen;
        }
        seen.last = now;
        Moment::from_micros(now.since(Moment::default().after(seen.slept)).as_micros().try_into().unwrap_or_default())
    }
}
