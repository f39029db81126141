//! People who show something other than a token: what that lets them do.
//!
//! Roles are those of the last login, for tokens and for everything else alike. So the same rule ends both when the
//! owner is disabled or has not been seen for too long.

use std::sync::Arc;

use crate::domain::audit::Origin;
use crate::domain::scope::{Catalogue, ScopeSet};
use crate::domain::time::{Clock, Timestamp};
use crate::domain::token::TokenPolicy;
use crate::domain::user::User;
use crate::domain::verdict::{Denial, Grant, Invalid};
use crate::server::credential::{Chain, Place, Proven, ProvenBearer};

use super::Caller;

/// When something other than a token is good, and for what.
#[derive(Clone, Debug)]
pub struct BearerRules {
    catalogue: Arc<Catalogue>,
    policy: TokenPolicy,
}

impl BearerRules {
    /// From the catalogue of scopes, and the policy of which the part about owners counts.
    #[must_use]
    pub const fn new(catalogue: Arc<Catalogue>, policy: TokenPolicy) -> Self {
        Self { catalogue, policy }
    }

    /// What a proven credential is good for at `/check`.
    ///
    /// # Errors
    /// When its owner is disabled or was not seen for too long.
    pub fn grant(&self, bearer: ProvenBearer, now: Timestamp) -> Result<Grant, Denial> {
        self.require_good_owner(&bearer.owner, now)?;
        let roles = &bearer.owner.profile.roles;
        let all = || self.catalogue.grantable(roles).map(|entry| entry.name.clone()).collect::<ScopeSet>();
        Ok(Grant {
            method: bearer.method,
            user: bearer.owner.id,
            token: None,
            scopes: bearer.scopes.map_or_else(all, |claimed| self.catalogue.effective(&claimed, roles)).into(),
            expires_at: bearer.expires_at,
            profile: Arc::new(bearer.owner.profile),
        })
    }

    fn require_good_owner(&self, owner: &User, now: Timestamp) -> Result<(), Denial> {
        let suspension = self.policy.owner_suspension(owner.disabled_at, owner.last_login_at, now);
        if suspension.is_some() { Err(Denial::Invalid(Invalid::Suspended)) } else { Ok(()) }
    }
}

/// Lets people into the API who come without a browser session.
#[derive(Clone)]
pub struct Bearers {
    chain: Chain,
    rules: BearerRules,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Bearers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bearers").finish_non_exhaustive()
    }
}

impl Bearers {
    /// From their parts.
    #[must_use]
    pub fn new(chain: Chain, rules: BearerRules, clock: Arc<dyn Clock>) -> Self {
        Self { chain, rules, clock }
    }

    /// The person whom a credential speaks for at the API. A token speaks for nobody there.
    ///
    /// # Errors
    /// With the reason for which it does not.
    pub async fn caller(&self, credential: &str, origin: Origin) -> Result<Caller, Denial> {
        let Proven::Bearer(bearer) = self.chain.prove(credential, Place::Api).await? else {
            return Err(Denial::Invalid(Invalid::Untrusted));
        };
        let now = self.clock.now();
        self.rules.require_good_owner(&bearer.owner, now)?;
        // Without a word about the login it is never fresh, and a provider's clock that runs ahead makes none fresher.
        let auth_time = bearer.auth_time.map_or(Timestamp::from_micros(0), |at| at.min(now));
        let origin = Origin { method: Some(bearer.method), client: bearer.client, ..origin };
        Ok(Caller { user: bearer.owner, auth_time, origin })
    }
}
