//! Proof that somebody may act for the installation.

use super::Caller;
use crate::domain::authority::{Actor, Need, Refused, permit};

/// An administrator who is logged in with a browser. What is done to others asks for one, so nobody can forget to look.
#[derive(Clone, Debug)]
pub struct Administrator(Caller);

impl Administrator {
    /// Lets in who may.
    ///
    /// # Errors
    /// When they are none.
    pub fn admit(caller: Caller, actor: Actor) -> Result<Self, Refused> {
        permit(Some(actor), Need::Administrator).map(|()| Self(caller))
    }

    /// Who it is.
    #[must_use]
    pub const fn caller(&self) -> &Caller {
        &self.0
    }
}
