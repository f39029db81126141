//! Users: found, locked out, let in again, erased; and their sessions.

use super::Admin;
use crate::domain::audit::{Action, Draft, Party};
use crate::domain::id::{SessionId, UserId};
use crate::domain::reason::Reason;
use crate::domain::user::User;
use crate::domain::view::SessionView;
use crate::server::service::authority::Administrator;
use crate::server::service::tokens::TokenError;
use crate::server::store::{PeopleFilter, PersonRow, Touched};

/// A user with what they have.
pub type Person = PersonRow;

/// Part of all users.
#[derive(Clone, Debug)]
pub struct People {
    /// The users.
    pub items: Vec<Person>,
    /// Where the next part begins, if there is one: a name in lower case, and an id.
    pub next: Option<(String, UserId)>,
}

impl Admin {
    /// Users by name.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn list_people(&self, _: &Administrator, filter: &PeopleFilter) -> Result<People, TokenError> {
        let now = self.clock.now();
        let over = self.tokens.policy().lifetime.due(now);
        let asked = PeopleFilter { limit: filter.limit + 1, ..filter.clone() };
        let (began_since, seen_since) = self.sessions.open_since(now);
        let mut items = self.db.list_people(&asked, over, began_since, seen_since).await?;
        let more = items.len() > filter.limit as usize;
        items.truncate(filter.limit as usize);
        let last = items.last().filter(|_| more);
        let next = last.map(|last| (last.user.profile.username.to_ascii_lowercase(), last.user.id));
        Ok(People { items, next })
    }

    /// One user.
    ///
    /// # Errors
    /// When there is none with that id, or the store cannot be asked.
    pub async fn person(&self, _: &Administrator, id: UserId) -> Result<User, TokenError> {
        self.user(id).await
    }

    async fn user(&self, id: UserId) -> Result<User, TokenError> {
        self.db.lookup_user(id).await?.ok_or(TokenError::NoSuchUser)
    }

    /// The user with a name, if it is one person's.
    ///
    /// # Errors
    /// When there is none, there are several, or the store cannot be asked.
    pub async fn person_named(&self, _: &Administrator, name: &str) -> Result<User, TokenError> {
        let mut found = self.db.find_people_named(name).await?;
        match found.len() {
            1 => found.pop().ok_or(TokenError::NoSuchUser),
            0 => Err(TokenError::NoSuchUser),
            _ => Err(TokenError::Conflict("Several users have this name. Please give the id of one.".to_owned())),
        }
    }

    /// Locks a user out: sessions end, tokens are refused until the user is let in again. Nobody locks themselves out.
    ///
    /// # Errors
    /// When there is no such user, it is the administrator, or the store cannot be asked.
    pub async fn disable(
        &self,
        administrator: &Administrator,
        id: UserId,
        reason: Option<&Reason>,
    ) -> Result<(), TokenError> {
        may_disable(administrator, id)?;
        let user = self.user(id).await?;
        let draft = about(Action::UserDisabled, administrator, &user).because(reason);
        let done = self.db.disable_user(id, administrator.user(), &draft, self.clock.now()).await?;
        if done {
            return Ok(());
        }
        if self.user(id).await?.disabled_at.is_none() {
            return Err(disabled_meanwhile());
        }
        // Somebody else has done it, and may still be waiting for it to hold everywhere.
        Ok(self.db.settled(Touched::Owner(id)).await?)
    }

    /// Lets a user in again. Tokens that were not revoked meanwhile are good again.
    ///
    /// # Errors
    /// When there is no such user, or the store cannot be asked.
    pub async fn enable(&self, administrator: &Administrator, id: UserId) -> Result<(), TokenError> {
        let user = self.user(id).await?;
        let draft = about(Action::UserEnabled, administrator, &user);
        if self.db.enable_user(id, administrator.user(), &draft, self.clock.now()).await? {
            return Ok(());
        }
        if self.user(id).await?.disabled_at.is_some() {
            return Err(disabled_meanwhile());
        }
        Ok(self.db.settled(Touched::Owner(id)).await?)
    }

    /// Removes what is known of a person: names, addresses and their own words, also from the audit log, which stays whole.
    /// Their tokens are revoked.
    ///
    /// # Errors
    /// When there is no such user, or the store cannot be asked.
    pub async fn erase(&self, administrator: &Administrator, id: UserId) -> Result<(), TokenError> {
        self.end_most(administrator, id).await?;
        // Nothing personal in the event that says so.
        let object = Party { kind: "user", id: Some(id.to_string()), name: None };
        let draft = Draft::new(Action::UserErased, administrator.party(), object, &administrator.origin()).about(id);
        if !self.db.erase_user(id, &draft, self.clock.now()).await? {
            return Err(TokenError::NoSuchUser);
        }
        Ok(())
    }

    /// A user's open sessions.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn sessions(&self, _: &Administrator, user: UserId) -> Result<Vec<SessionView>, TokenError> {
        Ok(self.sessions.list(user).await?)
    }

    /// Ends a user's sessions: one, or all where none is named. How many there were.
    ///
    /// # Errors
    /// When there is no such user, or the store cannot be asked.
    pub async fn end_sessions(
        &self,
        administrator: &Administrator,
        user: UserId,
        only: Option<SessionId>,
    ) -> Result<usize, TokenError> {
        let user = self.user(user).await?;
        let which = |session: &SessionView| only.is_none_or(|only| only == session.id);
        let draft = |session: &SessionView| {
            let object = Party::session(session.id);
            let draft = Draft::new(Action::SessionEnded, administrator.party(), object, &administrator.origin());
            draft.about(user.id).on_behalf_of(user.id)
        };
        Ok(self.sessions.end(user.id, which, draft).await?)
    }
}

/// Nobody disables themselves.
///
/// # Errors
/// When it is the administrator.
pub fn may_disable(administrator: &Administrator, id: UserId) -> Result<(), TokenError> {
    if administrator.user() != Some(id) {
        return Ok(());
    }
    let why = "You cannot disable yourself: nobody might be left to let you in again.";
    Err(TokenError::Conflict(why.to_owned()))
}

/// What an administrator is told who was locked out while they asked for something.
fn disabled_meanwhile() -> TokenError {
    TokenError::Conflict("You were disabled yourself meanwhile.".to_owned())
}

fn about(action: Action, administrator: &Administrator, user: &User) -> Draft {
    let object = Party::user(user.id, &user.profile.username);
    Draft::new(action, administrator.party(), object, &administrator.origin()).about(user.id)
}
