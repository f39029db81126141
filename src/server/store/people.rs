//! Users as administrators see them: listed, locked out and let in again, with their sessions.

use uuid::Uuid;

use super::commit::Change;
use super::query::query;
use super::standing::{self, is_over};
use super::tokens::like_pattern;
use super::users::{UserColumns, user, user_of};
use super::{Db, SessionRow, StoreError, Touched, row};
use crate::domain::audit::{Action, Draft, Party};
use crate::domain::id::{SessionId, UserId};
use crate::domain::lifetime::Due;
use crate::domain::time::Timestamp;
use crate::domain::user::{ExternalIdentity, User};

/// Tokens are counted from the newest on: most of those that are good are among them, and there is no need to look further
/// than the most that are counted.
const LIST_PEOPLE: &str = concat!(
    "
    SELECT u.id, u.provider, u.username, u.email, u.roles, u.attributes, u.last_login_at, u.disabled_at, u.created_at,
        (SELECT count(*) FROM (SELECT 1 FROM tokens t JOIN secrets s ON s.token_id = t.id AND s.state = 'active'
            WHERE t.owner_id = u.id AND t.revoked_at IS NULL AND NOT ",
    is_over!("$8", "$9", "$10"),
    " ORDER BY t.created_at DESC, t.id LIMIT $7) counted) AS tokens,
        (SELECT count(*) FROM sessions s WHERE s.user_id = u.id AND s.ended_at IS NULL
            AND s.created_at > $6 AND s.last_seen_at > $11) AS sessions
    FROM (
        SELECT * FROM users
        WHERE (lower(username) > $1 OR (lower(username) = $1 AND id > $2))
            AND ($3 = '' OR lower(username) LIKE $3 ESCAPE '\\' OR lower(email) LIKE $3 ESCAPE '\\')
            AND ($4 = '' OR ($4 = 'disabled') = (disabled_at IS NOT NULL))
        ORDER BY lower(username), id LIMIT $5
    ) u
    ORDER BY lower(u.username), u.id"
);
const FIND_NAMED: &str = "
    SELECT id, provider, username, email, roles, attributes, last_login_at, disabled_at
    FROM users WHERE lower(username) = $1 ORDER BY id LIMIT 2";
const DISABLE_USER: &str = "
    UPDATE users SET disabled_at = $2
    WHERE id = $1 AND disabled_at IS NULL AND NOT EXISTS (SELECT 1 FROM users WHERE id = $3 AND disabled_at IS NOT NULL)";
const ENABLE_USER: &str = "
    UPDATE users SET disabled_at = NULL
    WHERE id = $1 AND disabled_at IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM users WHERE id = $2 AND disabled_at IS NOT NULL)";
const END_SESSIONS: &str = "UPDATE sessions SET ended_at = $2 WHERE user_id = $1 AND ended_at IS NULL";
const TAKE_ROLES: &str = "UPDATE users SET roles = '[]', attributes = '{}' WHERE id = $1";
const LIST_OPEN_SESSIONS: &str =
    "SELECT id FROM sessions WHERE user_id = $1 AND ended_at IS NULL ORDER BY created_at, id";
const LIST_SESSIONS: &str = "
    SELECT id, user_id, provider, auth_time, created_at, last_seen_at FROM sessions
    WHERE user_id = $1 AND ended_at IS NULL AND created_at > $2 AND last_seen_at > $3
    ORDER BY last_seen_at DESC, id LIMIT 100";
const END_SESSION_OF: &str = "UPDATE sessions SET ended_at = $3 WHERE user_id = $1 AND id = $2 AND ended_at IS NULL";

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[
    LIST_PEOPLE,
    FIND_NAMED,
    DISABLE_USER,
    ENABLE_USER,
    END_SESSIONS,
    TAKE_ROLES,
    LIST_OPEN_SESSIONS,
    LIST_SESSIONS,
    END_SESSION_OF,
];

/// Most tokens of a user that are counted: a list is not to read all tokens of everybody on it.
pub const COUNTED_MAX: u32 = 100;

/// Which users.
#[derive(Clone, Debug, Default)]
pub struct PeopleFilter {
    /// Part of the name or the address.
    pub text: String,
    /// Only those who are disabled, or only those who are not.
    pub disabled: Option<bool>,
    /// Only those who come after this one in the order of the list: the name in lower case, and the id.
    pub after: Option<(String, UserId)>,
    /// How many at most.
    pub limit: u32,
}

/// A user with what they have.
#[derive(Clone, Debug)]
pub struct PersonRow {
    /// The user.
    pub user: User,
    /// The first login.
    pub created_at: Timestamp,
    /// Tokens that have not run out and were not revoked; of more than [`COUNTED_MAX`], one more than that.
    pub tokens: i64,
    /// Open sessions.
    pub sessions: i64,
}

#[derive(sqlx::FromRow)]
struct PersonColumns {
    #[sqlx(flatten)]
    user: UserColumns,
    created_at: i64,
    tokens: i64,
    sessions: i64,
}

impl Db {
    /// Users by name. Tokens count that are not `over`, and open sessions that began and were seen after these moments.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn list_people(
        &self,
        filter: &PeopleFilter,
        over: Due,
        began_since: Timestamp,
        seen_since: Timestamp,
    ) -> Result<Vec<PersonRow>, StoreError> {
        let (name, id) = match &filter.after {
            Some((name, id)) => (name.as_str(), id.as_uuid()),
            None => ("", Uuid::nil()),
        };
        let state = match filter.disabled {
            Some(true) => "disabled",
            Some(false) => "enabled",
            None => "",
        };
        let asked = query(LIST_PEOPLE)
            .bind(name)
            .bind(id)
            .bind(like_pattern(&filter.text))
            .bind(state)
            .bind(filter.limit)
            .bind(began_since)
            .bind(COUNTED_MAX + 1);
        let asked = standing::bind(over, asked).bind(seen_since);
        let rows: Vec<PersonColumns> = asked.fetch_all(self.reader()).await?;
        let person = |columns: PersonColumns| {
            Ok(PersonRow {
                user: user(columns.user)?,
                created_at: row::time(columns.created_at),
                tokens: columns.tokens,
                sessions: columns.sessions,
            })
        };
        rows.into_iter().map(person).collect()
    }

    /// Users with a name, two at most: names are not unique.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn find_people_named(&self, name: &str) -> Result<Vec<User>, StoreError> {
        let rows = query(FIND_NAMED).bind(name.to_ascii_lowercase()).fetch_all(self.reader()).await?;
        rows.into_iter().map(user).collect()
    }

    /// Locks a user out and ends their sessions. `by` is who wants it, if it is somebody who may be locked out themselves
    /// meanwhile: then nothing happens, as when the user was locked out before, and the answer is `false`.
    ///
    /// # Errors
    /// When the database cannot be asked; then nothing has changed.
    pub async fn disable_user(
        &self,
        id: UserId,
        by: Option<UserId>,
        draft: &Draft,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let asked = query(DISABLE_USER).bind(id.as_uuid()).bind(now).bind(by.map(UserId::as_uuid));
        if asked.execute(&mut tx).await? == 0 {
            return Ok(false);
        }
        let ended = end_sessions(&mut tx, id, draft, now).await?;
        self.append_along(&mut tx, draft, &ended, now).await?;
        self.commit(tx, Touched::Owner(id)).await?;
        Ok(true)
    }

    /// Takes roles, attributes and sessions from whom a login provider does not vouch for any more, and writes the event
    /// that `draft` makes of who they were. Nothing is taken from somebody who has come through another provider since, or
    /// who never came.
    ///
    /// # Errors
    /// When the database cannot be asked; then nothing has changed.
    pub async fn turn_away(
        &self,
        identity: &ExternalIdentity,
        provider: &str,
        draft: impl FnOnce(Option<&User>) -> Draft,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let known = user_of(&mut tx, identity).await?;
        let draft = draft(known.as_ref());
        let Some(user) = known.filter(|user| user.provider == provider) else {
            self.append(&mut tx, &draft, now).await?;
            return self.commit(tx, Touched::Nothing).await;
        };
        query(TAKE_ROLES).bind(user.id.as_uuid()).execute(&mut tx).await?;
        let ended = end_sessions(&mut tx, user.id, &draft, now).await?;
        self.append_along(&mut tx, &draft, &ended, now).await?;
        self.commit(tx, Touched::Owner(user.id)).await
    }

    /// Lets a user in again, if `by` is not locked out, who wants it. `false` when nothing has changed.
    ///
    /// # Errors
    /// When the database cannot be asked; then nothing has changed.
    pub async fn enable_user(
        &self,
        id: UserId,
        by: Option<UserId>,
        draft: &Draft,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let asked = query(ENABLE_USER).bind(id.as_uuid()).bind(by.map(UserId::as_uuid));
        if asked.execute(&mut tx).await? == 0 {
            return Ok(false);
        }
        self.append(&mut tx, draft, now).await?;
        self.commit(tx, Touched::Owner(id)).await?;
        Ok(true)
    }

    /// Somebody's open sessions that began and were seen after these moments, the latest first.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn list_sessions(
        &self,
        user: UserId,
        began_since: Timestamp,
        seen_since: Timestamp,
    ) -> Result<Vec<SessionRow>, StoreError> {
        let asked = query(LIST_SESSIONS).bind(user.as_uuid()).bind(began_since).bind(seen_since);
        let rows = asked.fetch_all(self.reader()).await?;
        Ok(rows.into_iter().map(super::sessions::session_row).collect())
    }

    /// Ends sessions of somebody, each with its event. How many had not ended before.
    ///
    /// # Errors
    /// When the database cannot be asked; then nothing has changed.
    pub async fn end_sessions_of(
        &self,
        user: UserId,
        sessions: &[(SessionId, Draft)],
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let mut tx = self.begin().await?;
        let mut ended = 0;
        for (id, draft) in sessions {
            let asked = query(END_SESSION_OF).bind(user.as_uuid()).bind(id.as_uuid()).bind(now);
            if asked.execute(&mut tx).await? > 0 {
                self.append(&mut tx, draft, now).await?;
                ended += 1;
            }
        }
        self.commit(tx, Touched::Nothing).await?;
        Ok(ended)
    }
}

/// Ends a user's open sessions, and gives the events of that.
async fn end_sessions(tx: &mut Change, user: UserId, draft: &Draft, now: Timestamp) -> Result<Vec<Draft>, StoreError> {
    let ended = session_ends(tx, user, draft).await?;
    query(END_SESSIONS).bind(user.as_uuid()).bind(now).execute(tx).await?;
    Ok(ended)
}

/// The events of a user's open sessions that end along with another one.
pub(super) async fn session_ends(tx: &mut Change, user: UserId, draft: &Draft) -> Result<Vec<Draft>, StoreError> {
    let open: Vec<(Uuid,)> = query(LIST_OPEN_SESSIONS).bind(user.as_uuid()).fetch_all(tx).await?;
    let ended = |(id,): (Uuid,)| draft.along(Action::SessionEnded, Party::session(id.into()));
    Ok(open.into_iter().map(ended).collect())
}
