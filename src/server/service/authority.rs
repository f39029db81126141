//! Proof that somebody may act for the installation.

use super::Caller;
use crate::domain::audit::{Origin, Party};
use crate::domain::authority::{Actor, Need, Refused, permit};
use crate::domain::id::UserId;

/// Somebody who may act for the installation: an administrator who is logged in with a browser, or an operator at the
/// command line of the server. What is done to others asks for one, so nobody can forget to look.
#[derive(Clone, Debug)]
pub struct Administrator(Who);

#[derive(Clone, Debug)]
enum Who {
    LoggedIn(Box<Caller>),
    Operator,
}

impl Administrator {
    /// Lets in who may.
    ///
    /// # Errors
    /// When they are none.
    pub fn admit(caller: Caller, actor: Actor) -> Result<Self, Refused> {
        permit(Some(actor), Need::Administrator).map(|()| Self(Who::LoggedIn(Box::new(caller))))
    }

    /// Whoever may run commands on the server, with its configuration and its database, may do everything.
    #[must_use]
    pub const fn operator() -> Self {
        Self(Who::Operator)
    }

    /// Who it is, if it is somebody who is logged in.
    #[must_use]
    pub fn caller(&self) -> Option<&Caller> {
        match &self.0 {
            Who::LoggedIn(caller) => Some(caller),
            Who::Operator => None,
        }
    }

    /// Their id, if they have one.
    #[must_use]
    pub fn user(&self) -> Option<UserId> {
        self.caller().map(|caller| caller.user.id)
    }

    /// As an audit event names them.
    #[must_use]
    pub fn party(&self) -> Party {
        self.caller().map_or(Party::OPERATOR, Caller::party)
    }

    /// From where they act.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.caller().map(|caller| caller.origin.clone()).unwrap_or_default()
    }
}
