//! Token exchange (RFC 8693): a personal access token for a short-lived JWT, by whoever calls an API that wants one and
//! is behind no proxy that asks `/check` for it.

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::domain::requirement::Requirement;
use crate::domain::scope::ScopeSet;
use crate::domain::verdict::{Denial, Grant, Method};
use crate::server::credential::Presented;

use super::check::{Sender, Validator};
use super::signing::{Jwt, Signer};

/// Exchanges tokens.
#[derive(Clone)]
pub struct Exchange {
    validator: Validator,
    signer: Signer,
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange").finish_non_exhaustive()
    }
}

/// What is asked for.
#[derive(Clone, Copy)]
pub struct Wish<'a> {
    /// The token to be exchanged.
    pub token: &'a str,
    /// For whom the JWT shall be; the default audience if absent.
    pub audience: Option<&'a str>,
    /// What it shall be good for at most; everything that the token is good for if absent.
    pub scopes: Option<&'a ScopeSet>,
    /// Who asks.
    pub from: Sender<'a>,
}

/// A JWT in exchange.
#[derive(Clone, Debug)]
pub struct Exchanged {
    /// It.
    pub jwt: Jwt,
    /// How long it is good.
    pub lifetime: Duration,
    /// What it is good for.
    pub scopes: Arc<ScopeSet>,
}

/// Why nothing is exchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ExchangeError {
    /// Nobody is known under the audience.
    #[error("the audience is not configured")]
    Audience,
    /// The token has none of the scopes.
    #[error("the token has none of the scopes")]
    Scope,
    /// The token is not good.
    #[error("the token is not good")]
    Invalid,
    /// The token is good, but not from this address.
    #[error("the token may not be used from this address")]
    Address,
    /// Nobody can say now.
    #[error("the token cannot be exchanged now")]
    Unavailable,
}

impl Exchange {
    /// From its parts.
    #[must_use]
    pub fn new(validator: Validator, signer: Signer) -> Self {
        Self { validator, signer }
    }

    /// Exchanges a token. It is checked like at `/check`, and that counts as a use.
    ///
    /// # Errors
    /// When the token, the audience or the scopes are not good, or nobody can say now.
    pub async fn exchange(&self, wish: Wish<'_>) -> Result<Exchanged, ExchangeError> {
        let audience = self.signer.audience_for(wish.audience).ok_or(ExchangeError::Audience)?;
        if self.validator.owner_of(wish.token) != Some(Method::Pat) {
            return Err(ExchangeError::Invalid);
        }
        let now = self.validator.now();
        let checked = self.validator.check(Presented::One(wish.token), &Requirement::default(), wish.from, now).await;
        let grant = narrowed(checked.map_err(|refused| refusal(refused.denial))?.grant(), wish.scopes)?;
        let minted = self.signer.mint(&grant, audience, now).map_err(|error| {
            tracing::error!(%error, "a JWT could not be signed");
            ExchangeError::Unavailable
        })?;
        Ok(Exchanged { jwt: minted.jwt, lifetime: minted.expires_at.since(now), scopes: grant.scopes })
    }
}

/// Scopes are given up here and never gained. What remains is said in the answer; if nothing does, nothing is issued.
fn narrowed(grant: &Grant, wanted: Option<&ScopeSet>) -> Result<Grant, ExchangeError> {
    let Some(wanted) = wanted else { return Ok(grant.clone()) };
    let scopes = grant.scopes.intersection(wanted);
    if scopes.is_empty() { Err(ExchangeError::Scope) } else { Ok(Grant { scopes: scopes.into(), ..grant.clone() }) }
}

fn refusal(denial: Denial) -> ExchangeError {
    match denial {
        Denial::Unavailable => ExchangeError::Unavailable,
        Denial::AddressRefused => ExchangeError::Address,
        Denial::NoCredential | Denial::Invalid(_) | Denial::Insufficient { .. } => ExchangeError::Invalid,
    }
}
