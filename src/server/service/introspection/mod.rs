//! Token introspection (RFC 7662): an API asks whether a token is good, and learns no more than it may.
//!
//! It stands for a check: the same validator decides, by the present state, and leaves the same footprint.

mod clients;

use std::net::IpAddr;
use std::sync::Arc;

use crate::domain::audit::Origin;
use crate::domain::requirement::Requirement;
use crate::domain::scope::ScopeSet;
use crate::domain::signing::Audiences;
use crate::domain::verdict::{Denial, Method};
use crate::server::config::IntrospectionClientConfig;
use crate::server::credential::Presented;

use super::check::{Pass, Sender, Validator};

pub use clients::{ClientCredentials, ClientError, Clients};

/// What APIs may ask.
#[derive(Clone)]
pub struct Introspection {
    clients: Arc<Clients>,
    validator: Validator,
    audiences: Arc<Audiences>,
}

impl std::fmt::Debug for Introspection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Introspection").finish_non_exhaustive()
    }
}

/// A token that is good, as far as the one who asks may know it.
#[derive(Debug)]
pub struct ActiveToken {
    /// Whose it is.
    pub pass: Pass,
    /// The scopes that concern the one who asks.
    pub scopes: Arc<ScopeSet>,
    /// The audiences that concern it; empty where it may know all.
    pub audiences: Vec<String>,
}

/// Nobody can say now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unavailable;

impl Introspection {
    /// From its parts. `audiences` are those that a JWT for a token can be made out for.
    #[must_use]
    pub fn new(clients: Clients, validator: Validator, audiences: Audiences) -> Self {
        Self { clients: Arc::new(clients), validator, audiences: Arc::new(audiences) }
    }

    /// The APIs that may ask.
    #[must_use]
    pub fn clients(&self) -> &Clients {
        &self.clients
    }

    /// What a client may know about a token; `None` when that is nothing, whatever the reason.
    ///
    /// `client_ip` is where the token came from, and counts only from clients whose word is taken.
    ///
    /// # Errors
    /// When nobody can say now: never to be taken for a no.
    pub async fn ask(
        &self,
        client: &IntrospectionClientConfig,
        token: &str,
        client_ip: Option<IpAddr>,
        origin: &Origin,
    ) -> Result<Option<ActiveToken>, Unavailable> {
        let ip = client_ip.filter(|_| client.sends_client_ip);
        let from = Sender { ip, origin: &|| origin.clone() };
        if self.validator.owner_of(token) != Some(Method::Pat) || !self.concerns(client, token, from).await? {
            return Ok(None);
        }
        let now = self.validator.now();
        let checked = self.validator.check(Presented::One(token), &Requirement::default(), from, now).await;
        Ok(good(checked.map_err(|refused| refused.denial))?.and_then(|pass| self.visible(client, pass)))
    }

    /// Looks first, where a client is limited: a token that it may not know about is not used by its asking.
    async fn concerns(
        &self,
        client: &IntrospectionClientConfig,
        token: &str,
        from: Sender<'_>,
    ) -> Result<bool, Unavailable> {
        if client.scopes.is_empty() && client.audiences.is_empty() {
            return Ok(true);
        }
        let identified = self.validator.identify(Presented::One(token), from).await;
        Ok(good(identified)?.is_some_and(|pass| self.visible(client, pass).is_some()))
    }

    fn visible(&self, client: &IntrospectionClientConfig, pass: Pass) -> Option<ActiveToken> {
        let known = |audience: &&String| self.audiences.choose(Some(audience.as_str())).is_some();
        let audiences: Vec<_> = client.audiences.iter().filter(known).cloned().collect();
        let granted = &pass.grant().scopes;
        let concerning = || granted.intersection(&client.scopes).into();
        let scopes = if client.scopes.is_empty() { Arc::clone(granted) } else { concerning() };
        let of_others =
            (!client.audiences.is_empty() && audiences.is_empty()) || (!client.scopes.is_empty() && scopes.is_empty());
        (!of_others).then_some(ActiveToken { pass, scopes, audiences })
    }
}

fn good(outcome: Result<Pass, Denial>) -> Result<Option<Pass>, Unavailable> {
    match outcome {
        Ok(pass) => Ok(Some(pass)),
        Err(Denial::Unavailable) => Err(Unavailable),
        Err(_) => Ok(None),
    }
}
