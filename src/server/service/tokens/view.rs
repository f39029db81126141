//! From what is stored to what may be seen.

use std::collections::BTreeSet;

use crate::domain::scope::Catalogue;
use crate::domain::time::Timestamp;
use crate::domain::token::{SecretState, Standing, TokenFacts, TokenPolicy};
use crate::domain::user::User;
use crate::domain::view::{SecretView, TokenView};
use crate::server::store::{SecretRow, TokenRow};

/// The rules and the moment under which tokens are looked at.
pub(in crate::server::service) struct Lens<'a> {
    pub policy: &'a TokenPolicy,
    pub catalogue: &'a Catalogue,
    pub owner: &'a User,
    pub now: Timestamp,
}

impl Lens<'_> {
    pub fn view(&self, row: TokenRow) -> TokenView {
        let standing = self.standing(&row);
        let roles: &BTreeSet<String> = &self.owner.profile.roles;
        TokenView {
            effective_scopes: self.catalogue.effective(&row.scopes, roles),
            state: standing.state(),
            suspension: match standing {
                Standing::Suspended(reason) => Some(reason),
                _ => None,
            },
            expires_at: row.secrets.first().and_then(|secret| self.policy.deadline(&secret.facts)),
            secrets: row.secrets.iter().map(|secret| self.secret_view(secret)).collect(),
            id: row.id,
            name: row.name,
            description: row.description,
            scopes: row.scopes,
            created_at: row.created_at,
            last_used_at: row.last_used_at,
            last_used_ip: row.last_used_ip,
            revoked_at: row.revoked_at,
            revoked_reason: row.revoked_reason,
            allowed_ips: row.allowed_ips,
            version: row.version,
        }
    }

    /// How the current secret, the newest, stands.
    pub fn standing(&self, row: &TokenRow) -> Standing {
        let facts = TokenFacts {
            revoked_at: row.revoked_at,
            last_used_at: row.last_used_at,
            owner_disabled_at: self.owner.disabled_at,
            owner_last_login_at: self.owner.last_login_at,
        };
        let newest = row.secrets.first();
        newest.map_or(Standing::Ended, |secret| self.policy.standing(&facts, &secret.facts, self.now))
    }

    fn secret_view(&self, row: &SecretRow) -> SecretView {
        let deadline = self.policy.deadline(&row.facts);
        let over = self.policy.is_expired(&row.facts, self.now);
        SecretView {
            id: row.id,
            state: if over { SecretState::Ended } else { row.facts.state },
            created_at: row.facts.created_at,
            ends_at: row.ended_at.or(row.facts.ends_at).or(deadline),
            last_used_at: row.last_used_at,
        }
    }
}
