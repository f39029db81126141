//! What the panel of administrators opens with. Counting takes long where there are millions of rows, so it is done now and
//! then and held.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use crate::domain::audit::Action;
use crate::domain::time::Timestamp;
use crate::server::store::{Db, StoreError};

use super::authority::Administrator;

/// Days that are told one by one.
pub const DAYS: i64 = 30;
/// Tokens that were not used for so long may not be needed.
pub const UNUSED: Duration = Duration::from_hours(90 * 24);

const DAY: Duration = Duration::from_hours(24);

/// Holds the last count.
#[derive(Clone, Debug, Default)]
pub struct Overview(Arc<RwLock<Option<Figures>>>);

/// What was counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// When.
    pub at: Timestamp,
    /// Good tokens.
    pub active: i64,
    /// Those of them that run out within a week.
    pub expiring: i64,
    /// Tokens that are refused for now.
    pub suspended: i64,
    /// Tokens that could be used and were not for long.
    pub unused: i64,
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
    pub refused: i64,
}

impl Overview {
    /// What was counted last; nothing in the first moments of a server.
    #[must_use]
    pub fn figures(&self, _: &Administrator) -> Option<Figures> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts. Days that are over are counted once.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn count(&self, db: &Db, mut figures: Figures) -> Result<(), StoreError> {
        let now = figures.at;
        let today = begin_of_day(now);
        let before = self.0.read().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_default();
        let known: BTreeMap<_, _> = before.days.into_iter().map(|day| (day.begins.as_micros(), day)).collect();
        for back in (0..DAYS).rev() {
            let begins = today.minus(DAY * u32::try_from(back).unwrap_or(0));
            // The last day that was counted may not have been over.
            let is_over = begins.plus(DAY) <= before.at;
            let day = match known.get(&begins.as_micros()).filter(|_| is_over) {
                Some(day) => *day,
                None => count_day(db, begins).await?,
            };
            figures.days.push(day);
        }
        figures.unused = db.count_unused(now.minus(UNUSED)).await?;
        (figures.users, figures.disabled) = db.count_users().await?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(figures);
        Ok(())
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
        refused: of(Action::UserLoginRefused),
    })
}

fn begin_of_day(at: Timestamp) -> Timestamp {
    let seconds = at.as_seconds();
    Timestamp::from_seconds(seconds - seconds.rem_euclid(86_400))
}
