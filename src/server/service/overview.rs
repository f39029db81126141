//! What the panel of administrators opens with. Counting takes long where there are millions of rows, so it is done now and
//! then and held.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use crate::domain::audit::Action;
use crate::domain::time::{Clock, Timestamp};
use crate::domain::token::TokenPolicy;
use crate::server::store::{Census, CensusRules, Db, LogFilter, StateRules, StoreError};
use crate::server::telemetry;

use super::authority::Administrator;
use super::refusals;

/// Days that are told one by one.
pub const DAYS: u32 = 30;
/// Tokens that were not used for so long may not be needed.
pub const UNUSED: Duration = Duration::from_hours(90 * 24);
/// What expires within this expires soon.
const SOON: Duration = Duration::from_hours(7 * 24);

/// Events about refused checks on a day at most: one in five minutes from each of thirty replicas.
const REFUSALS_MAX: u32 = 10_000;
const DAY: Duration = Duration::from_hours(24);

/// One that is younger is good enough.
const YOUNG: Duration = Duration::from_secs(2);

/// Counting takes at most this part of the time, one in so many: a processor has more to do.
const SHARE: u32 = 100;

/// Counts, and holds the last count.
#[derive(Clone)]
pub struct Overview {
    db: Db,
    policy: TokenPolicy,
    clock: Arc<dyn Clock>,
    quick: Duration,
    last: Arc<RwLock<Option<(Figures, Duration)>>>,
}

impl std::fmt::Debug for Overview {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Overview").finish_non_exhaustive()
    }
}

/// What was counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// When.
    pub at: Timestamp,
    /// Tokens by state.
    pub census: Census,
    /// Users.
    pub users: i64,
    /// Those of them who are locked out.
    pub disabled: i64,
    /// What happened on the last days, the earliest first.
    pub days: Vec<Day>,
}

/// What happened on a day, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    /// Its beginning.
    pub begins: Timestamp,
    /// Tokens that were made.
    pub created: i64,
    /// Tokens that were revoked.
    pub revoked: i64,
    /// Logins.
    pub logins: i64,
    /// Logins that were refused.
    pub logins_refused: i64,
    /// Checks that were refused, as far as they were written down.
    pub checks_refused: i64,
}

impl Overview {
    /// Of a store; the policy says which tokens are suspended. A count that is `quick` may be made while somebody waits.
    #[must_use]
    pub fn new(db: Db, policy: TokenPolicy, clock: Arc<dyn Clock>, quick: Duration) -> Self {
        Self { db, policy, clock, quick, last: Arc::default() }
    }

    /// What was counted last; in the first moments of a large installation nothing. Where counting is quick it is done
    /// now.
    pub async fn figures(&self, _: &Administrator) -> Option<Figures> {
        let (figures, took) = self.last()?;
        let is_old = self.clock.now().since(figures.at) > YOUNG;
        if is_old && took < self.quick {
            match self.count().await {
                Ok(counted) => return Some(counted),
                Err(error) => tracing::warn!(%error, "what there is could not be counted; the last count is shown"),
            }
        }
        Some(figures)
    }

    fn last(&self) -> Option<(Figures, Duration)> {
        self.last.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether it is time to count again, for whoever counts now and then.
    #[must_use]
    pub fn is_due(&self) -> bool {
        let Some((figures, took)) = self.last() else { return true };
        took < self.quick || self.clock.now().since(figures.at) >= took.saturating_mul(SHARE)
    }

    /// Counts. Days that are over are counted once.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn count(&self) -> Result<Figures, StoreError> {
        let started = telemetry::now();
        let now = self.clock.now();
        let state = StateRules::of(&self.policy, now);
        let rules = CensusRules { state, soon: now.plus(SOON), unused_since: now.minus(UNUSED) };
        let (users, disabled) = self.db.count_users().await?;
        let figures = Figures {
            at: now,
            census: self.db.count_tokens(rules).await?,
            users,
            disabled,
            days: self.days(now).await?,
        };
        *self.last.write().unwrap_or_else(PoisonError::into_inner) = Some((figures.clone(), started.elapsed()));
        Ok(figures)
    }

    async fn days(&self, now: Timestamp) -> Result<Vec<Day>, StoreError> {
        let (before, _) = self.last().unwrap_or_default();
        let known: BTreeMap<_, _> = before.days.into_iter().map(|day| (day.begins.as_micros(), day)).collect();
        let today = begin_of_day(now);
        let mut days = Vec::new();
        for back in (0..DAYS).rev() {
            let begins = today.minus(DAY * back);
            // The last day that was counted may not have been over.
            let is_over = begins.plus(DAY) <= before.at;
            let day = match known.get(&begins.as_micros()).filter(|_| is_over) {
                Some(day) => *day,
                None => count_day(&self.db, begins).await?,
            };
            days.push(day);
        }
        Ok(days)
    }
}

async fn count_day(db: &Db, begins: Timestamp) -> Result<Day, StoreError> {
    let counts = db.count_actions(begins, begins.plus(DAY)).await?;
    let of = |action: Action| counts.get(action.as_str()).copied().unwrap_or(0);
    Ok(Day {
        begins,
        created: of(Action::TokenCreated),
        revoked: of(Action::TokenRevoked),
        logins: of(Action::UserLoggedIn),
        logins_refused: of(Action::UserLoginRefused),
        checks_refused: count_refused_checks(db, begins).await?,
    })
}

/// They stand in the log many to an event.
async fn count_refused_checks(db: &Db, begins: Timestamp) -> Result<i64, StoreError> {
    let written = LogFilter {
        action: Action::ChecksRefused.as_str().to_owned(),
        since: Some(begins),
        until: Some(begins.plus(DAY)),
        ..LogFilter::default()
    };
    let rows = db.list_log(&written, None, REFUSALS_MAX).await?;
    Ok(rows.iter().map(|row| refusals::total(&row.placed.event)).sum())
}

fn begin_of_day(at: Timestamp) -> Timestamp {
    let seconds = at.as_seconds();
    Timestamp::from_seconds(seconds - seconds.rem_euclid(86_400))
}
