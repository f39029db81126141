//! How many tokens there are, for the metrics.

use std::collections::BTreeMap;

use super::query::query;
use super::{Db, StoreError};
use crate::domain::time::Timestamp;

/// One pass over the current secrets. A token that is idle, or whose owner is disabled or has not logged in for long,
/// counts as suspended; one that was never observed to expire counts by its date.
pub(super) const COUNT_TOKENS: &str = "
    SELECT
        count(CASE WHEN revoked THEN 1 END),
        count(CASE WHEN NOT revoked AND over THEN 1 END),
        count(CASE WHEN NOT revoked AND NOT over AND away THEN 1 END),
        count(CASE WHEN NOT revoked AND NOT over AND NOT away THEN 1 END),
        count(CASE WHEN NOT revoked AND NOT over AND NOT away AND expires_at <= $2 THEN 1 END),
        count(CASE WHEN NOT revoked AND NOT over AND NOT away AND rested THEN 1 END)
    FROM (
        SELECT t.revoked_at IS NOT NULL AS revoked,
            (s.expired_at IS NOT NULL OR coalesce(s.expires_at <= $1, FALSE) OR coalesce(s.created_at <= $6, FALSE)) AS over,
            (u.disabled_at IS NOT NULL OR u.last_login_at < $3 OR coalesce(t.last_used_at, t.created_at) < $4) AS away,
            coalesce(t.last_used_at, t.created_at) < $5 AS rested,
            s.expires_at
        FROM tokens t
        JOIN users u ON u.id = t.owner_id
        LEFT JOIN secrets s ON s.token_id = t.id AND s.state = 'active'
    ) counted";

pub(super) const COUNT_USERS: &str = "SELECT count(*), count(CASE WHEN disabled_at IS NOT NULL THEN 1 END) FROM users";
pub(super) const COUNT_ACTIONS: &str =
    "SELECT action, count(*) FROM audit_events WHERE time >= $1 AND time < $2 GROUP BY action";

/// The moments that the count depends on.
#[derive(Clone, Copy, Debug)]
pub struct CensusRules {
    /// Now.
    pub now: Timestamp,
    /// What expires before this expires soon.
    pub soon: Timestamp,
    /// Owners who logged in last before this are away too long.
    pub away_since: Timestamp,
    /// Tokens that were not used since this are idle.
    pub idle_since: Timestamp,
    /// Those that were neither used nor made since this may not be needed.
    pub unused_since: Timestamp,
    /// Secrets that were made before this have had the longest lifetime.
    pub oldest: Timestamp,
}

/// Numbers of tokens by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Ended for ever.
    pub revoked: i64,
    /// Run out.
    pub expired: i64,
    /// Refused for now.
    pub suspended: i64,
    /// Good.
    pub active: i64,
    /// Good, and about to run out.
    pub expiring: i64,
    /// Good, and not used for long.
    pub unused: i64,
}

impl Db {
    /// Counts users, and those of them who are disabled.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn count_users(&self) -> Result<(i64, i64), StoreError> {
        query(COUNT_USERS).patiently().fetch_one(self.reader()).await
    }

    /// Counts events of a span by their action.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn count_actions(&self, from: Timestamp, to: Timestamp) -> Result<BTreeMap<String, i64>, StoreError> {
        let asked = query(COUNT_ACTIONS).bind(from).bind(to).patiently();
        let counts: Vec<(String, i64)> = asked.fetch_all(self.reader()).await?;
        Ok(counts.into_iter().collect())
    }

    /// Counts all tokens.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn count_tokens(&self, rules: CensusRules) -> Result<Census, StoreError> {
        let asked = query(COUNT_TOKENS)
            .bind(rules.now.as_micros())
            .bind(rules.soon.as_micros())
            .bind(rules.away_since.as_micros())
            .bind(rules.idle_since.as_micros())
            .bind(rules.unused_since.as_micros())
            .bind(rules.oldest.as_micros());
        let (revoked, expired, suspended, active, expiring, unused): (i64, i64, i64, i64, i64, i64) =
            asked.patiently().fetch_one(self.reader()).await?;
        Ok(Census { revoked, expired, suspended, active, expiring, unused })
    }
}
