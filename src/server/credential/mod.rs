//! Kinds of credentials. Each is one file, and the shape of a credential decides, before anything else, which of them
//! looks at it: what one owns is never tried on another.

pub mod argon;
pub mod pat;

use crate::domain::verdict::{Invalid, Method};
use crate::server::store::StoreError;

use pat::{PatValidator, ProvenToken};

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
        tracing::error!(%error, "a credential could not be looked up");
        Self::Unavailable
    }
}

/// All kinds of credentials.
#[derive(Clone, Debug)]
pub struct Chain {
    pat: PatValidator,
}

impl Chain {
    /// From its members.
    #[must_use]
    pub const fn new(pat: PatValidator) -> Self {
        Self { pat }
    }

    /// Which kind owns a credential of this shape.
    #[must_use]
    pub fn owner_of(&self, credential: &str) -> Option<Method> {
        self.pat.owns(credential).then_some(Method::Pat)
    }

    /// Proves a credential.
    ///
    /// # Errors
    /// When it is not good, or cannot be proved now.
    pub async fn prove(&self, credential: &str) -> Result<Proven, Unproven> {
        match self.owner_of(credential) {
            Some(Method::Pat) => self.pat.prove(credential).await.map(Proven::Pat),
            None => Err(Unproven::Invalid(Invalid::Malformed)),
        }
    }
}
