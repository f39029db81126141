//! The life of a token and of its secrets: states, and what may change into what.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::lifetime::LifetimePolicy;
use super::scope::ScopeSet;
use super::time::Timestamp;

/// What a token is, as its owner sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenState {
    /// Good.
    Active,
    /// Its secret ran out; regenerating makes it good again.
    Expired,
    /// Ended for ever.
    Revoked,
    /// Refused for now: unused for too long, or its owner has not logged in for too long or is disabled.
    Suspended,
}

/// What one secret of a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretState {
    /// The current one. A token has at most one.
    Active,
    /// New, and becomes the current one with its first use.
    Waiting,
    /// Replaced, and still good for a while.
    Superseded,
    /// Over, for ever.
    Ended,
}

macro_rules! state_text {
    ($type:ident: $($variant:ident = $text:literal),+) => {
        impl $type {
            /// The state as the outside names it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl FromStr for $type {
            type Err = UnknownState;

            fn from_str(text: &str) -> Result<Self, UnknownState> {
                match text { $($text => Ok(Self::$variant),)+ _ => Err(UnknownState) }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

state_text!(TokenState: Active = "active", Expired = "expired", Revoked = "revoked", Suspended = "suspended");
state_text!(SecretState: Active = "active", Waiting = "waiting", Superseded = "superseded", Ended = "ended");

/// Not the name of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("unknown state")]
pub struct UnknownState;

/// What the standing of a secret depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecretFacts {
    /// Its recorded state.
    pub state: SecretState,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was asked to expire; never if absent.
    pub expires_at: Option<Timestamp>,
    /// When a superseded one stops being good.
    pub ends_at: Option<Timestamp>,
    /// When its expiry was first observed. From then on it stays expired, whatever the clock says.
    pub expired_at: Option<Timestamp>,
}

/// What the standing of a token depends on besides its secret.
#[derive(Clone, Copy, Debug)]
pub struct TokenFacts {
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
    /// When its owner was disabled.
    pub owner_disabled_at: Option<Timestamp>,
    /// When its owner last logged in.
    pub owner_last_login_at: Timestamp,
}

/// The administrator's rules that decide whether a token is good.
#[derive(Clone, Copy, Debug)]
pub struct TokenPolicy {
    /// Limits of lifetimes.
    pub lifetime: LifetimePolicy,
    /// A token unused for longer is suspended.
    pub idle_suspend: Option<Duration>,
    /// Tokens of an owner who has not logged in for longer are suspended.
    pub owner_max_login_age: Option<Duration>,
}

/// The one answer to "is this good now?".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Good.
    Good,
    /// The token was revoked.
    Revoked,
    /// This secret was ended or replaced.
    Ended,
    /// This secret ran out.
    Expired,
    /// Good again when the reason goes away.
    Suspended(Suspension),
}

/// Why a token is suspended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Suspension {
    /// Not used for longer than the administrator allows.
    Idle,
    /// The owner has not logged in for longer than the administrator allows.
    OwnerLogin,
    /// The owner is disabled.
    OwnerDisabled,
}

impl TokenPolicy {
    /// Owners who logged in last before this are away too long; nobody where that is off.
    #[must_use]
    pub fn away_since(&self, now: Timestamp) -> Timestamp {
        ago(self.owner_max_login_age, now)
    }

    /// Tokens that were not used since this are idle; none where that is off.
    #[must_use]
    pub fn idle_since(&self, now: Timestamp) -> Timestamp {
        ago(self.idle_suspend, now)
    }

    /// Judges a secret of a token at an instant. Final answers come before passing ones.
    #[must_use]
    pub fn standing(&self, token: &TokenFacts, secret: &SecretFacts, now: Timestamp) -> Standing {
        if token.revoked_at.is_some() {
            Standing::Revoked
        } else if secret.state == SecretState::Ended || secret.ends_at.is_some_and(|end| now >= end) {
            Standing::Ended
        } else if self.is_expired(secret, now) {
            Standing::Expired
        } else {
            self.suspension(token, secret, now).map_or(Standing::Good, Standing::Suspended)
        }
    }

    /// When a secret runs out under the present policy.
    #[must_use]
    pub fn deadline(&self, secret: &SecretFacts) -> Option<Timestamp> {
        self.lifetime.deadline(secret.created_at, secret.expires_at)
    }

    /// Whether a secret has run out, or was once found to have.
    #[must_use]
    pub fn is_expired(&self, secret: &SecretFacts, now: Timestamp) -> bool {
        secret.expired_at.is_some() || self.deadline(secret).is_some_and(|deadline| now >= deadline)
    }

    /// What stands against every credential of an owner: being disabled, and roles that nobody has looked at for longer
    /// than the administrator allows.
    #[must_use]
    pub fn owner_suspension(
        &self,
        disabled_at: Option<Timestamp>,
        last_login_at: Timestamp,
        now: Timestamp,
    ) -> Option<Suspension> {
        if disabled_at.is_some() {
            Some(Suspension::OwnerDisabled)
        } else if is_longer_ago(last_login_at, self.owner_max_login_age, now) {
            Some(Suspension::OwnerLogin)
        } else {
            None
        }
    }

    fn suspension(&self, token: &TokenFacts, secret: &SecretFacts, now: Timestamp) -> Option<Suspension> {
        // A new secret counts as activity: regenerating is what ends an idle suspension.
        let last_activity = token.last_used_at.map_or(secret.created_at, |used| used.max(secret.created_at));
        let idle = || is_longer_ago(last_activity, self.idle_suspend, now).then_some(Suspension::Idle);
        self.owner_suspension(token.owner_disabled_at, token.owner_last_login_at, now).or_else(idle)
    }
}

fn is_longer_ago(at: Timestamp, limit: Option<Duration>, now: Timestamp) -> bool {
    limit.is_some_and(|limit| now.since(at) > limit)
}

impl Standing {
    /// The state that a token shows when its current secret stands like this.
    #[must_use]
    pub const fn state(self) -> TokenState {
        match self {
            Self::Good => TokenState::Active,
            Self::Revoked | Self::Ended => TokenState::Revoked,
            Self::Expired => TokenState::Expired,
            Self::Suspended(_) => TokenState::Suspended,
        }
    }
}

/// A change that the state of a token does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TransitionError {
    /// A revoked token stays revoked.
    #[error("This token was revoked. That is final: please create a new token.")]
    Revoked,
    /// Scopes may be given up, never gained.
    #[error("Scopes can only be removed from a token. Please create a new token for more.")]
    Widening,
}

/// Whether a token may get a new secret: an expired one may, a revoked one not.
///
/// # Errors
/// [`TransitionError::Revoked`]
pub const fn may_regenerate(revoked_at: Option<Timestamp>) -> Result<(), TransitionError> {
    if revoked_at.is_some() { Err(TransitionError::Revoked) } else { Ok(()) }
}

/// Whether scopes may replace the present ones.
///
/// # Errors
/// [`TransitionError::Widening`] when there is a new one among them.
pub fn may_narrow(present: &ScopeSet, wanted: &ScopeSet) -> Result<(), TransitionError> {
    if present.covers(wanted) { Ok(()) } else { Err(TransitionError::Widening) }
}

/// The names of the states, for messages and filters.
#[must_use]
pub fn state_names() -> BTreeSet<&'static str> {
    BTreeSet::from(["active", "expired", "revoked", "suspended"])
}

fn ago(span: Option<Duration>, now: Timestamp) -> Timestamp {
    span.map_or(Timestamp::default(), |span| now.minus(span))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MADE: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn days(count: u64) -> Duration {
        Duration::from_secs(count * 86_400)
    }

    fn policy() -> TokenPolicy {
        TokenPolicy {
            lifetime: LifetimePolicy { default: days(90), max: days(365), allow_never: false },
            idle_suspend: Some(days(60)),
            owner_max_login_age: Some(days(45)),
        }
    }

    fn token() -> TokenFacts {
        TokenFacts { revoked_at: None, last_used_at: None, owner_disabled_at: None, owner_last_login_at: MADE }
    }

    fn secret() -> SecretFacts {
        SecretFacts {
            state: SecretState::Active,
            created_at: MADE,
            expires_at: Some(MADE.plus(days(30))),
            ends_at: None,
            expired_at: None,
        }
    }

    #[test]
    fn a_secret_is_good_strictly_before_its_expiry() {
        let expiry = MADE.plus(days(30));
        let tick = Duration::from_micros(1);
        assert_eq!(policy().standing(&token(), &secret(), expiry.minus(tick)), Standing::Good);
        assert_eq!(policy().standing(&token(), &secret(), expiry), Standing::Expired);
    }

    #[test]
    fn an_observed_expiry_survives_a_clock_that_is_set_back() {
        let latched = SecretFacts { expired_at: Some(MADE.plus(days(30))), ..secret() };
        assert_eq!(policy().standing(&token(), &latched, MADE), Standing::Expired);
    }

    #[test]
    fn final_answers_come_before_passing_ones() {
        let revoked = TokenFacts { revoked_at: Some(MADE), owner_disabled_at: Some(MADE), ..token() };
        let ended = SecretFacts { state: SecretState::Ended, ..secret() };
        let late = MADE.plus(days(400));
        assert_eq!(policy().standing(&revoked, &ended, late), Standing::Revoked);
        assert_eq!(policy().standing(&token(), &ended, late), Standing::Ended);
        assert_eq!(policy().standing(&token(), &secret(), late), Standing::Expired);
    }

    #[test]
    fn a_superseded_secret_is_good_until_its_end() {
        let superseded = SecretFacts { state: SecretState::Superseded, ends_at: Some(MADE.plus(days(2))), ..secret() };
        assert_eq!(policy().standing(&token(), &superseded, MADE.plus(days(1))), Standing::Good);
        assert_eq!(policy().standing(&token(), &superseded, MADE.plus(days(2))), Standing::Ended);
    }

    #[test]
    fn suspensions_pass_with_their_reason() {
        let long_lived = SecretFacts { expires_at: Some(MADE.plus(days(365))), ..secret() };
        let now = MADE.plus(days(61));
        let table = [
            (TokenFacts { owner_disabled_at: Some(MADE), ..token() }, Standing::Suspended(Suspension::OwnerDisabled)),
            (token(), Standing::Suspended(Suspension::OwnerLogin)),
            (TokenFacts { owner_last_login_at: now, ..token() }, Standing::Suspended(Suspension::Idle)),
            (TokenFacts { owner_last_login_at: now, last_used_at: Some(now), ..token() }, Standing::Good),
        ];
        for (facts, standing) in table {
            assert_eq!(policy().standing(&facts, &long_lived, now), standing);
        }
        let regenerated = SecretFacts { created_at: now, expires_at: Some(now.plus(days(30))), ..secret() };
        let owner_back = TokenFacts { owner_last_login_at: now, ..token() };
        assert_eq!(policy().standing(&owner_back, &regenerated, now), Standing::Good);
    }

    #[test]
    fn only_revocation_forbids_a_new_secret() {
        assert_eq!(may_regenerate(None), Ok(()));
        assert_eq!(may_regenerate(Some(MADE)), Err(TransitionError::Revoked));
    }

    #[test]
    fn scopes_shrink_and_never_grow() {
        let present = ScopeSet::parse("read:users write:users").unwrap();
        assert_eq!(may_narrow(&present, &ScopeSet::parse("read:users").unwrap()), Ok(()));
        assert_eq!(may_narrow(&present, &present), Ok(()));
        assert_eq!(may_narrow(&present, &ScopeSet::parse("read:users x").unwrap()), Err(TransitionError::Widening));
    }

    #[test]
    fn states_are_read_as_they_are_written() {
        for name in state_names() {
            assert_eq!(name.parse::<TokenState>().unwrap().as_str(), name);
        }
        assert_eq!("dead".parse::<TokenState>(), Err(UnknownState));
    }
}
