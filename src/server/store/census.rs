//! How much there is of what: for the metrics, and for what the panel opens with.

use std::collections::BTreeMap;

use super::query::query;
use super::standing::{self, StateRules, is_due, state};
use super::{Db, StoreError};
use crate::domain::time::Timestamp;

/// One pass over the current secrets.
pub(super) const COUNT_TOKENS: &str = concat!(
    "
    SELECT
        count(CASE WHEN state = 'revoked' THEN 1 END),
        count(CASE WHEN state = 'expired' THEN 1 END),
        count(CASE WHEN state = 'suspended' THEN 1 END),
        count(CASE WHEN state = 'active' THEN 1 END),
        count(CASE WHEN state = 'active' AND is_ending THEN 1 END),
        count(CASE WHEN state = 'active' AND is_at_rest THEN 1 END)
    FROM (
        SELECT ",
    state!("$1", "$2", "$3", "$4", "$5"),
    " AS state, ",
    is_due!("$6", "$7", "$8"),
    " AS is_ending, coalesce(t.last_used_at, t.created_at) < $9 AS is_at_rest
        FROM tokens t
        JOIN users u ON u.id = t.owner_id
        LEFT JOIN secrets s ON s.token_id = t.id AND s.state = 'active'
    ) counted"
);

pub(super) const COUNT_USERS: &str = "SELECT count(*), count(CASE WHEN disabled_at IS NOT NULL THEN 1 END) FROM users";
pub(super) const COUNT_ACTIONS: &str =
    "SELECT action, count(*) FROM audit_events WHERE time >= $1 AND time < $2 GROUP BY action";

/// The moments that the count depends on.
#[derive(Clone, Copy, Debug)]
pub struct CensusRules {
    /// What states depend on.
    pub state: StateRules,
    /// What runs out before this runs out soon.
    pub soon: Timestamp,
    /// Those that were neither used nor made since this may not be needed.
    pub unused_since: Timestamp,
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
        let asked = rules.state.bind(query(COUNT_TOKENS));
        let asked = standing::bind(rules.state.over_before(rules.soon), asked).bind(rules.unused_since);
        let (revoked, expired, suspended, active, expiring, unused): (i64, i64, i64, i64, i64, i64) =
            asked.patiently().fetch_one(self.reader()).await?;
        Ok(Census { revoked, expired, suspended, active, expiring, unused })
    }
}
