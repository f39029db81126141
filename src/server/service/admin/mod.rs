//! What administrators do: find anybody's tokens and users, and end what must not go on.

mod bulk;
mod identify;
mod inventory;
mod people;

use std::sync::Arc;

use crate::domain::id::UserId;
use crate::domain::secret::Prefix;
use crate::domain::time::{Clock, Timestamp};
use crate::domain::user::{AdminRule, User};
use crate::domain::view::TokenView;
use crate::server::store::{Db, StateRules, StoreError};

use super::authority::Administrator;
use super::sessions::Sessions;
use super::tokens::Tokens;

pub use bulk::{BULK_MAX, Bulk, BulkOutcome, Confirmed, Ending, Preview};
pub use identify::Identified;
pub use inventory::{Inventory, ListInventory};
pub use people::{People, Person, may_disable};

pub use crate::server::store::{COUNTED_MAX, InventoryFilter, Mark, MarkKey, Order, PeopleFilter};

/// The use cases of administrators.
#[derive(Clone)]
pub struct Admin {
    db: Db,
    tokens: Tokens,
    prefixes: Arc<[Prefix]>,
    sessions: Sessions,
    rule: AdminRule,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Admin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admin").finish_non_exhaustive()
    }
}

/// A token with its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedView {
    /// The token.
    pub token: TokenView,
    /// Its owner.
    pub owner: OwnerView,
}

/// Whose a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerView {
    /// The stable id.
    pub id: UserId,
    /// The name to show.
    pub username: String,
    /// E-mail, where known.
    pub email: Option<String>,
}

impl From<&User> for OwnerView {
    fn from(user: &User) -> Self {
        Self { id: user.id, username: user.profile.username.clone(), email: user.profile.email.clone() }
    }
}

impl Admin {
    /// From its parts. Tokens are recognised by these prefixes, administrators by the rule.
    #[must_use]
    pub fn new(
        db: Db,
        tokens: Tokens,
        prefixes: Arc<[Prefix]>,
        sessions: Sessions,
        rule: AdminRule,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { db, tokens, prefixes, sessions, rule, clock }
    }

    /// Whether somebody still is an administrator, in the session in which they began what is still going on.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn may_go_on(&self, administrator: &Administrator) -> Result<bool, StoreError> {
        let Some(caller) = administrator.caller() else { return Ok(true) };
        let Some(session) = caller.origin.session else { return Ok(false) };
        let user = self.sessions.user_still(caller.user.id, session).await?;
        Ok(user.is_some_and(|user| self.rule.admits(&user)))
    }

    /// The moments on which states depend under the present policy.
    fn rules(&self, now: Timestamp) -> StateRules {
        StateRules::of(self.tokens.policy(), now)
    }
}
