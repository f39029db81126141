//! When tokens are good, in SQL: what [`TokenPolicy::standing`] says of one, for whoever counts and finds many. Each rule
//! stands here once, of a token `t`, its current secret `s` and its owner `u`.

use super::query::Query;
use crate::domain::lifetime::{Due, LifetimePolicy};
use crate::domain::time::Timestamp;
use crate::domain::token::TokenPolicy;

/// Whether the secret's deadline has come: the three moments are those of a [`Due`].
macro_rules! is_due {
    ($at:literal, $made:literal, $made_for_ever:literal) => {
        concat!(
            "(s.created_at <= ",
            $made_for_ever,
            " OR (s.expires_at IS NOT NULL AND (s.expires_at <= ",
            $at,
            " OR s.created_at <= ",
            $made,
            ")))"
        )
    };
}
pub(super) use is_due;

/// Whether the secret has run out: noticed once, or due now.
macro_rules! is_over {
    ($now:literal, $made:literal, $made_for_ever:literal) => {
        concat!(
            "(s.expired_at IS NOT NULL OR ",
            $crate::server::store::standing::is_due!($now, $made, $made_for_ever),
            ")"
        )
    };
}
pub(super) use is_over;

/// The state that the token shows. One whose secrets have all ended is as good as revoked. A new secret counts as a use.
macro_rules! state {
    ($now:literal, $made:literal, $made_for_ever:literal, $away_since:literal, $idle_since:literal) => {
        concat!(
            "CASE WHEN t.revoked_at IS NOT NULL OR s.id IS NULL THEN 'revoked' WHEN ",
            $crate::server::store::standing::is_over!($now, $made, $made_for_ever),
            " THEN 'expired' WHEN u.disabled_at IS NOT NULL OR u.last_login_at < ",
            $away_since,
            " OR (s.created_at < ",
            $idle_since,
            " AND coalesce(t.last_used_at, t.created_at) < ",
            $idle_since,
            ") THEN 'suspended' ELSE 'active' END"
        )
    };
}
pub(super) use state;

/// The moments on which states depend.
#[derive(Clone, Copy, Debug)]
pub struct StateRules {
    /// Now.
    pub now: Timestamp,
    /// Limits of lifetimes.
    pub lifetime: LifetimePolicy,
    /// Owners who logged in last before this are away too long.
    pub away_since: Timestamp,
    /// Tokens that were neither used nor given a secret since this are idle.
    pub idle_since: Timestamp,
}

impl StateRules {
    /// Those of a policy.
    #[must_use]
    pub fn of(policy: &TokenPolicy, now: Timestamp) -> Self {
        Self { now, lifetime: policy.lifetime, away_since: policy.away_since(now), idle_since: policy.idle_since(now) }
    }

    /// Which secrets have run out.
    pub(super) fn over(&self) -> Due {
        self.lifetime.due(self.now)
    }

    /// Which secrets have run out before a moment.
    pub(super) fn over_before(&self, moment: Timestamp) -> Due {
        self.lifetime.due(Timestamp::from_micros(moment.as_micros().saturating_sub(1)))
    }

    /// The five values that `state!` takes, in their order.
    pub(super) fn bind(&self, query: Query) -> Query {
        bind(self.over(), query).bind(self.away_since).bind(self.idle_since)
    }
}

/// The three values that `is_due!` and `is_over!` take, in their order.
pub(super) fn bind(due: Due, query: Query) -> Query {
    query.bind(due.at).bind(due.made).bind(due.made_for_ever)
}
