//! Use cases. `/check`, the API and the portal meet here and nowhere deeper. No SQL and no HTTP.

pub mod admin;
pub mod authority;
pub mod bearer;
pub mod check;
pub mod checkpoints;
pub mod decisions;
mod ended;
pub mod exchange;
pub mod failures;
pub mod housekeeping;
pub mod introspection;
pub mod leaks;
pub mod live;
pub mod log;
pub mod logins;
pub mod memory;
pub mod overview;
pub mod passport;
mod pool;
pub mod readiness;
mod readings;
pub mod refusals;
pub mod replica;
pub mod revocation;
pub mod sessions;
pub mod signing;
pub mod tokens;
pub mod usage;

use crate::domain::audit::{Origin, Party};
use crate::domain::time::Timestamp;
use crate::domain::user::User;

pub use crate::server::store::StoreError;

/// Somebody who is logged in and asks for something.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who.
    pub user: User,
    /// When they last proved who they are.
    pub auth_time: Timestamp,
    /// From where they ask.
    pub origin: Origin,
}

impl Caller {
    /// The caller as an audit event names it.
    #[must_use]
    pub fn party(&self) -> Party {
        Party::user(self.user.id, &self.user.profile.username)
    }
}
