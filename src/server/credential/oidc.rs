//! Access tokens of login providers: JWTs (RFC 9068) that name the issuer of a configured provider.
//!
//! The token proves who asks and for how long. What they may do is what is stored of them from their last login: a
//! token writes nothing, so that whoever can get one from the provider cannot give themselves roles here.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;

use crate::domain::scope::ScopeSet;
use crate::domain::user::{ExternalIdentity, User};
use crate::domain::verdict::{Invalid, Method};
use crate::server::config::AccessTokensConfig;
use crate::server::identity::access::{AccessError, AccessToken, UnverifiedToken, is_jwt};
use crate::server::identity::{Provider, Providers};
use crate::server::store::StoreError;

use super::{Kind, Place, ProvenBearer, Unproven};

/// Proves access tokens of login providers.
#[derive(Clone)]
pub struct OidcValidator {
    people: Arc<dyn People>,
    providers: Providers,
}

/// Says who somebody is that was here before.
#[async_trait]
pub trait People: Send + Sync {
    /// The user whom a provider knows under a name, if they were ever here.
    ///
    /// # Errors
    /// When nobody can say, or what is said must not be believed.
    async fn find(&self, identity: &ExternalIdentity) -> Result<Option<User>, StoreError>;
}

impl std::fmt::Debug for OidcValidator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OidcValidator").finish_non_exhaustive()
    }
}

impl OidcValidator {
    /// A validator for tokens of these providers.
    #[must_use]
    pub const fn new(people: Arc<dyn People>, providers: Providers) -> Self {
        Self { people, providers }
    }

    /// The provider that a token names, if its tokens are taken in that place at all.
    fn provider(&self, token: &UnverifiedToken<'_>, place: Place) -> Option<&Provider> {
        let is_open = |provider: &&Provider| !audiences(provider.access_tokens(), place).is_empty();
        self.providers.iter().filter(is_open).find(|provider| provider.issuer() == token.issuer())
    }

    /// The person, who must have logged in here before.
    async fn owner(&self, issuer: &str, subject: &str) -> Result<User, Unproven> {
        let identity = ExternalIdentity { issuer: issuer.to_owned(), subject: subject.to_owned() };
        self.people.find(&identity).await?.ok_or(Unproven::Invalid(Invalid::Unknown))
    }
}

#[async_trait]
impl Kind for OidcValidator {
    fn method(&self) -> Method {
        Method::Oidc
    }

    fn owns(&self, credential: &str) -> bool {
        is_jwt(credential)
    }

    async fn prove(&self, credential: &str, place: Place) -> Result<ProvenBearer, Unproven> {
        let token = UnverifiedToken::parse(credential).map_err(|_| Unproven::Invalid(Invalid::Malformed))?;
        let provider = self.provider(&token, place).ok_or(Unproven::Invalid(Invalid::Untrusted))?;
        let believed = provider.access_token(token).await.map_err(|error| not_believed(provider, &error))?;
        let rules = provider.access_tokens();
        if !is_meant_for(&believed, rules, place) {
            tracing::info!(provider = provider.name(), ?place, "an access token is for another service or client");
            return Err(Unproven::Invalid(Invalid::Untrusted));
        }
        Ok(ProvenBearer {
            method: Method::Oidc,
            owner: self.owner(provider.issuer(), &believed.subject).await?,
            scopes: claimed(rules, believed.scopes),
            client: believed.clients.into_iter().next(),
            auth_time: believed.auth_time,
            expires_at: Some(believed.expires_at),
        })
    }
}

const fn audiences(rules: &AccessTokensConfig, place: Place) -> &BTreeSet<String> {
    match place {
        Place::Check => &rules.check_audiences,
        Place::Api => &rules.api_audiences,
    }
}

/// Audience (RFC 9068, section 4), and where tokens are managed also the client: every one that the token names.
fn is_meant_for(token: &AccessToken, rules: &AccessTokensConfig, place: Place) -> bool {
    let for_us = !audiences(rules, place).is_disjoint(&token.audiences);
    let by_known_client = !token.clients.is_empty() && token.clients.is_subset(&rules.api_clients);
    for_us && (place == Place::Check || by_known_client)
}

fn claimed(rules: &AccessTokensConfig, scopes: ScopeSet) -> Option<ScopeSet> {
    rules.only_claimed_scopes.then_some(scopes)
}

/// Says why in the log only: whoever presented the token learns nothing.
fn not_believed(provider: &Provider, error: &AccessError) -> Unproven {
    match error {
        AccessError::Refused(reason) => {
            tracing::debug!(provider = provider.name(), reason, "an access token was refused");
            Unproven::Invalid(Invalid::Untrusted)
        }
        AccessError::Unavailable(error) => {
            tracing::warn!(provider = provider.name(), %error, "an access token cannot be verified now");
            Unproven::Unavailable
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;

    fn texts(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(ToString::to_string).collect()
    }

    fn token(audiences: &[&str], clients: &[&str]) -> AccessToken {
        AccessToken {
            subject: "s".to_owned(),
            audiences: texts(audiences),
            clients: texts(clients),
            scopes: ScopeSet::default(),
            auth_time: None,
            expires_at: Timestamp::MAX,
        }
    }

    #[test]
    fn a_token_must_be_meant_for_the_place_and_at_the_api_come_from_a_known_client() {
        let rules = AccessTokensConfig {
            check_audiences: texts(&["checked"]),
            api_audiences: texts(&["managed"]),
            api_clients: texts(&["cli", "spa"]),
            ..AccessTokensConfig::default()
        };
        let table: [(&[&str], &[&str], bool, bool); 10] = [
            (&["checked"], &[], true, false),
            (&["checked", "other"], &["anybody"], true, false),
            (&["managed"], &["cli"], false, true),
            (&["managed", "checked"], &["cli", "spa"], true, true),
            (&["managed"], &["cli", "anybody"], false, false),
            (&["managed"], &["anybody"], false, false),
            (&["managed"], &[], false, false),
            (&["other"], &["cli"], false, false),
            (&[], &["cli"], false, false),
            (&["check", "CHECKED", "checked ", ""], &["cli"], false, false),
        ];
        for (audiences, clients, at_check, at_api) in table {
            let token = token(audiences, clients);
            assert_eq!(is_meant_for(&token, &rules, Place::Check), at_check, "{audiences:?} {clients:?}");
            assert_eq!(is_meant_for(&token, &rules, Place::Api), at_api, "{audiences:?} {clients:?}");
        }
    }
}
