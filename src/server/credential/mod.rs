//! Kinds of credentials. Each is one file, and the shape of a credential decides, before anything else, which of them
//! looks at it: what one owns is never tried on another.
//!
//! Personal access tokens stand apart, because they have a life of their own. Every other kind ends in a
//! [`ProvenBearer`]. To add one: a file here that implements [`Kind`], one line where `server` builds the [`Chain`],
//! and a name in [`Method`]. Shapes must not overlap; where they do, the earlier kind owns.

pub mod argon;
pub mod oidc;
pub mod passport;
pub mod pat;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::domain::scope::ScopeSet;
use crate::domain::time::Timestamp;
use crate::domain::user::User;
use crate::domain::verdict::{Denial, Invalid, Method};
use crate::server::store::StoreError;

use pat::{KnownToken, PatValidator, ProvenToken};

/// A credential as a request presents it.
#[derive(Clone, Copy)]
pub enum Presented<'a> {
    /// None.
    Nothing,
    /// One.
    One(&'a str),
    /// More than one, which is never good.
    Several,
    /// One that no kind of credential can be.
    Unreadable,
}

/// A credential that was proved to be what it claims. What it may do now is judged afterwards.
#[derive(Debug)]
pub enum Proven {
    /// A personal access token.
    Pat(ProvenToken),
    /// Anything else that a person shows for themselves.
    Bearer(Box<ProvenBearer>),
}

/// What a credential other than a token proved: who asks, and within which limits.
#[derive(Debug)]
pub struct ProvenBearer {
    /// The kind of credential.
    pub method: Method,
    /// The person, as of their last login.
    pub owner: User,
    /// The scopes that the credential is limited to; all that the owner may use if absent.
    pub scopes: Option<ScopeSet>,
    /// The OAuth client that the credential was given to.
    pub client: Option<String>,
    /// When the person proved who they are.
    pub auth_time: Option<Timestamp>,
    /// When the credential stops being good; never if absent.
    pub expires_at: Option<Timestamp>,
}

/// Where a credential is presented: what is good for one place need not be for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// `/check`: another service asks.
    Check,
    /// The API, where tokens are managed.
    Api,
}

/// A kind of credential besides tokens.
#[async_trait]
pub trait Kind: fmt::Debug + Send + Sync {
    /// Its name.
    fn method(&self) -> Method;

    /// Whether a credential has its shape.
    fn owns(&self, credential: &str) -> bool;

    /// Proves a credential of its shape.
    ///
    /// # Errors
    /// When it is not good in that place, or cannot be proved now.
    async fn prove(&self, credential: &str, place: Place) -> Result<ProvenBearer, Unproven>;
}

/// Why nothing was proved.
#[derive(Debug)]
pub enum Unproven {
    /// It is not good.
    Invalid(Invalid),
    /// Nobody can say now.
    Unavailable,
}

impl From<StoreError> for Unproven {
    fn from(error: StoreError) -> Self {
        tracing::debug!(%error, "a credential could not be looked up");
        Self::Unavailable
    }
}

impl From<Unproven> for Denial {
    fn from(unproven: Unproven) -> Self {
        match unproven {
            Unproven::Invalid(reason) => Self::Invalid(reason),
            Unproven::Unavailable => Self::Unavailable,
        }
    }
}

/// All kinds of credentials.
#[derive(Clone, Debug)]
pub struct Chain {
    pat: PatValidator,
    others: Arc<[Arc<dyn Kind>]>,
}

impl Chain {
    /// From its members.
    #[must_use]
    pub fn new(pat: PatValidator, others: Vec<Arc<dyn Kind>>) -> Self {
        Self { pat, others: others.into() }
    }

    /// Which kind owns a credential of this shape.
    #[must_use]
    pub fn owner_of(&self, credential: &str) -> Option<Method> {
        if self.pat.owns(credential) { Some(Method::Pat) } else { self.other(credential).map(Kind::method) }
    }

    /// Proves a credential.
    ///
    /// # Errors
    /// When it is not good, or cannot be proved now.
    pub async fn prove(&self, credential: &str, place: Place) -> Result<Proven, Unproven> {
        if self.pat.owns(credential) {
            return self.pat.prove(credential).await.map(Proven::Pat);
        }
        let kind = self.other(credential).ok_or(Unproven::Invalid(Invalid::Malformed))?;
        kind.prove(credential, place).await.map(|bearer| Proven::Bearer(Box::new(bearer)))
    }

    /// What the store says now of a token that is known.
    ///
    /// # Errors
    /// When it is gone, or nobody can say.
    pub async fn read_anew(&self, known: &KnownToken) -> Result<Arc<KnownToken>, Unproven> {
        self.pat.read_anew(known).await
    }

    fn other(&self, credential: &str) -> Option<&dyn Kind> {
        self.others.iter().map(AsRef::as_ref).find(|kind| kind.owns(credential))
    }
}
