//! The one validator: every answer to "is this credential good, and for this?" comes from here.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::domain::requirement::Requirement;
use crate::domain::scope::Catalogue;
use crate::domain::time::{Clock, Timestamp};
use crate::domain::token::{Standing, TokenPolicy};
use crate::domain::verdict::{Denial, Grant, Invalid, Method};
use crate::server::credential::pat::ProvenToken;
use crate::server::credential::{Chain, Presented, Proven, Unproven};

use super::usage::{Footprint, Usage};

/// Decides about credentials.
#[derive(Clone)]
pub struct Validator {
    chain: Chain,
    catalogue: Arc<Catalogue>,
    policy: TokenPolicy,
    usage: Usage,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Validator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Validator").finish_non_exhaustive()
    }
}

impl Validator {
    /// From its parts.
    #[must_use]
    pub fn new(
        chain: Chain,
        catalogue: Arc<Catalogue>,
        policy: TokenPolicy,
        usage: Usage,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { chain, catalogue, policy, usage, clock }
    }

    /// Decides about one credential, against what its place requires.
    ///
    /// # Errors
    /// With the reason for which it does not pass.
    pub async fn check(
        &self,
        presented: Presented<'_>,
        requirement: &Requirement,
        ip: Option<IpAddr>,
    ) -> Result<Grant, Denial> {
        let Proven::Pat(token) = self.prove(presented).await?;
        let grant = self.judge(&token)?;
        requirement
            .admit(&grant.scopes, &grant.profile.roles, &grant.profile.attributes)
            .map_err(|missing| Denial::Insufficient { missing, scope: requirement.challenge_scope() })?;
        if !address_allowed(&token.row.allowed_ips, ip) {
            return Err(Denial::AddressRefused);
        }
        self.note_use(*token, ip);
        Ok(grant)
    }

    /// Which kind of credential owns a text, by its shape.
    #[must_use]
    pub fn owner_of(&self, credential: &str) -> Option<Method> {
        self.chain.owner_of(credential)
    }

    /// Proves a credential and says whose it is, wherever it comes from: enough for what it may do with itself.
    ///
    /// # Errors
    /// With the reason for which it is not good.
    pub async fn identify(&self, presented: Presented<'_>) -> Result<Grant, Denial> {
        let Proven::Pat(token) = self.prove(presented).await?;
        self.judge(&token)
    }

    async fn prove(&self, presented: Presented<'_>) -> Result<Proven, Denial> {
        let credential = match presented {
            Presented::Nothing => return Err(Denial::NoCredential),
            Presented::Several => return Err(Denial::Invalid(Invalid::Several)),
            Presented::Unreadable => return Err(Denial::Invalid(Invalid::Malformed)),
            Presented::One(credential) => credential,
        };
        self.chain.prove(credential).await.map_err(|unproven| match unproven {
            Unproven::Invalid(reason) => Denial::Invalid(reason),
            Unproven::Unavailable => Denial::Unavailable,
        })
    }

    /// State, expiry and owner, as of now.
    fn judge(&self, token: &ProvenToken) -> Result<Grant, Denial> {
        let now = self.clock.now();
        let row = &token.row;
        let standing = self.policy.standing(&row.token, &row.secret, now);
        let reason = match standing {
            Standing::Good => return Ok(self.grant(token)),
            Standing::Revoked => Invalid::Revoked,
            Standing::Ended => Invalid::Ended,
            Standing::Expired => self.expired(token, now),
            Standing::Suspended(_) => Invalid::Suspended,
        };
        tracing::info!(secret_id = %token.secret, ?reason, "a token that is no longer good was presented");
        Err(Denial::Invalid(reason))
    }

    fn grant(&self, token: &ProvenToken) -> Grant {
        let owner = &token.row.owner;
        Grant {
            method: Method::Pat,
            user: owner.id,
            profile: owner.profile.clone(),
            token: Some(token.row.token_id),
            scopes: self.catalogue.effective(&token.row.scopes, &owner.profile.roles),
            expires_at: self.policy.deadline(&token.row.secret),
        }
    }

    /// The first sight of an expiry makes it final.
    fn expired(&self, token: &ProvenToken, now: Timestamp) -> Invalid {
        if token.row.secret.expired_at.is_none() {
            self.usage.leave(Footprint::Expired { secret: token.secret, at: now });
        }
        Invalid::Expired
    }

    fn note_use(&self, token: ProvenToken, ip: Option<IpAddr>) {
        if let Some(backfill) = token.backfill {
            self.usage.leave(Footprint::Backfill(backfill));
        }
        let at = self.clock.now();
        self.usage.leave(Footprint::Used { token: token.row.token_id, secret: token.secret, at, ip });
    }
}

/// Whether a token restricted to networks may be used from an address; an unknown address is in none.
fn address_allowed(allowed: &[String], ip: Option<IpAddr>) -> bool {
    let within = |ip: IpAddr| allowed.iter().any(|net| net.parse::<IpNet>().is_ok_and(|net| net.contains(&ip)));
    allowed.is_empty() || ip.is_some_and(within)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restricted_token_passes_only_from_its_networks() {
        let allowed = ["10.0.0.0/8".to_owned(), "2001:db8::/32".to_owned()];
        let ip = |text: &str| text.parse().ok();
        assert!(address_allowed(&allowed, ip("10.2.0.7")));
        assert!(address_allowed(&allowed, ip("2001:db8::1")));
        assert!(!address_allowed(&allowed, ip("192.0.2.1")));
        assert!(!address_allowed(&allowed, None));
        assert!(address_allowed(&[], None));
        assert!(!address_allowed(&["not a network".to_owned()], ip("10.0.0.1")));
    }
}
