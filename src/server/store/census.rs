//! How many tokens there are, for the metrics.

use super::query::query;
use super::{Db, StoreError};
use crate::domain::time::Timestamp;

/// One pass over the current secrets. A token whose owner is disabled or has not logged in for long counts as suspended,
/// one that was never observed to expire counts by its date.
pub(super) const COUNT_TOKENS: &str = "
    SELECT
        count(CASE WHEN t.revoked_at IS NOT NULL THEN 1 END),
        count(CASE WHEN t.revoked_at IS NULL AND s.over THEN 1 END),
        count(CASE WHEN t.revoked_at IS NULL AND NOT s.over AND u.away THEN 1 END),
        count(CASE WHEN t.revoked_at IS NULL AND NOT s.over AND NOT u.away THEN 1 END),
        count(CASE WHEN t.revoked_at IS NULL AND NOT s.over AND NOT u.away AND s.expires_at <= $2 THEN 1 END)
    FROM tokens t
    JOIN (
        SELECT id, (disabled_at IS NOT NULL OR last_login_at < $3) AS away FROM users
    ) u ON u.id = t.owner_id
    LEFT JOIN (
        SELECT token_id, expires_at, (expired_at IS NOT NULL OR coalesce(expires_at <= $1, FALSE)) AS over
        FROM secrets WHERE state = 'active'
    ) s ON s.token_id = t.id";

/// The moments that the count depends on.
#[derive(Clone, Copy, Debug)]
pub struct CensusRules {
    /// Now.
    pub now: Timestamp,
    /// What expires before this expires soon.
    pub soon: Timestamp,
    /// Owners who logged in last before this are away too long.
    pub away_since: Timestamp,
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
}

impl Db {
    /// Counts all tokens.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn count_tokens(&self, rules: CensusRules) -> Result<Census, StoreError> {
        let asked = query(COUNT_TOKENS)
            .bind(rules.now.as_micros())
            .bind(rules.soon.as_micros())
            .bind(rules.away_since.as_micros());
        let (revoked, expired, suspended, active, expiring): (i64, i64, i64, i64, i64) =
            asked.patiently().fetch_one(self.reader()).await?;
        Ok(Census { revoked, expired, suspended, active, expiring })
    }
}
