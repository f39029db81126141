//! Users: made and refreshed by their logins.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::changes::{number, uuid};
use super::commit::Change;
use super::query::{Query, Target, query};
use super::sound::{Statements, is_sound, is_sound_with_write};
use super::{Db, NewSession, StoreError, Touched, Warrant, row};
use crate::domain::audit::Draft;
use crate::domain::id::{TokenId, UserId};
use crate::domain::lease::Point;
use crate::domain::time::Timestamp;
use crate::domain::user::{ExternalIdentity, Profile, User};

pub(super) const LOOKUP_USER: &str =
    "SELECT id, provider, username, email, roles, attributes, last_login_at, disabled_at FROM users WHERE id = $1";
/// Only SQLite needs this.
pub(super) const LIST_USERNAMES_OF_SQLITE: &str =
    "SELECT id, username FROM users WHERE id IN (SELECT unhex(value) FROM json_each($1))";
/// Only PostgreSQL needs this.
pub(super) const LIST_USERNAMES_OF_POSTGRES: &str = "SELECT id, username FROM users WHERE id = ANY ($1)";
pub(super) const FIND_USER_BY_IDENTITY: &str = "
    SELECT id, provider, username, email, roles, attributes, last_login_at, disabled_at
    FROM users WHERE issuer = $1 AND subject = $2";

/// The same, with whether the database is the one in which a change was seen (`$3` with the mark `$4`); only PostgreSQL
/// needs this.
macro_rules! find_user_soundly {
    ($is_sound:expr) => {
        concat!(
            "SELECT ",
            $is_sound,
            " AS is_sound, u.id IS NOT NULL AS is_found,
        u.id, u.provider, u.username, u.email, u.roles, u.attributes, u.last_login_at, u.disabled_at
    FROM (SELECT 1) one LEFT JOIN users u ON u.issuer = $1 AND u.subject = $2"
        )
    };
}
pub(super) const FIND_USER_SOUNDLY: &str = find_user_soundly!(is_sound!("$3", "$4"));
pub(super) const FIND_USER_SOUNDLY_WITH_WRITE: &str = find_user_soundly!(is_sound_with_write!("$3", "$4"));
pub(super) const FIND_OWNER: &str = "
    SELECT u.id, u.provider, u.username, u.email, u.roles, u.attributes, u.last_login_at, u.disabled_at
    FROM users u JOIN tokens t ON t.owner_id = u.id WHERE t.id = $1";
pub(super) const ADD_USER: &str = "
    INSERT INTO users (id, issuer, subject, provider, username, email, roles, attributes, created_at, last_login_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)";
pub(super) const REFRESH_USER: &str = "
    UPDATE users SET provider = $2, username = $3, email = $4, roles = $5, attributes = $6, last_login_at = $7
    WHERE id = $1";

#[derive(sqlx::FromRow)]
pub(super) struct UserColumns {
    pub id: Uuid,
    provider: String,
    username: String,
    email: Option<String>,
    roles: String,
    attributes: String,
    last_login_at: i64,
    disabled_at: Option<i64>,
}

/// A completed login at a provider.
#[derive(Debug)]
pub struct LoginRow<'a> {
    /// Who, in the provider's words.
    pub identity: &'a ExternalIdentity,
    /// The provider's configured name.
    pub provider: &'a str,
    /// What it says about the person.
    pub profile: &'a Profile,
    /// The id for somebody who was never here.
    pub new_id: UserId,
    /// The session that the login opens.
    pub session: &'a NewSession,
}

/// Somebody who logs in.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Who it is.
    pub id: UserId,
    /// What was known of them, if they were ever here.
    pub before: Option<User>,
}

impl Arrival {
    /// Whether they are let in.
    #[must_use]
    pub fn is_admitted(&self) -> bool {
        self.before.as_ref().is_none_or(|user| user.disabled_at.is_none())
    }
}

impl Db {
    /// A user.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn lookup_user(&self, id: UserId) -> Result<Option<User>, StoreError> {
        let asked = query(LOOKUP_USER).bind(id.as_uuid());
        asked.fetch_optional(self.reader()).await?.map(user).transpose()
    }

    /// The present names of users.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn list_usernames(&self, ids: &[UserId]) -> Result<BTreeMap<UserId, String>, StoreError> {
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let sql = if self.is_shared() { LIST_USERNAMES_OF_POSTGRES } else { LIST_USERNAMES_OF_SQLITE };
        let ids: Vec<_> = ids.iter().map(|id| id.as_uuid()).collect();
        let rows: Vec<(Uuid, String)> = query(sql).bind(self.ids(&ids)?).fetch_all(self.reader()).await?;
        Ok(rows.into_iter().map(|(id, name)| (id.into(), name)).collect())
    }

    /// The owner of a token.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn find_owner(&self, token: TokenId) -> Result<Option<User>, StoreError> {
        let asked = query(FIND_OWNER).bind(token.as_uuid());
        asked.fetch_optional(self.reader()).await?.map(user).transpose()
    }

    /// The user whom a provider knows under a name, if they were ever here.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn find_user(&self, identity: &ExternalIdentity) -> Result<Option<User>, StoreError> {
        user_of(self.reader(), identity).await
    }

    /// The same for a verdict, by somebody who has seen a change.
    ///
    /// # Errors
    /// When the database cannot be asked, or must not be believed.
    pub async fn find_user_soundly(
        &self,
        identity: &ExternalIdentity,
        seen: Point,
        warrant: Warrant,
    ) -> Result<Option<User>, StoreError> {
        if !self.is_shared() {
            return self.find_user(identity).await;
        }
        let statements = Statements { plain: FIND_USER_SOUNDLY, with_write: FIND_USER_SOUNDLY_WITH_WRITE };
        let bind = |asked: Query| {
            let asked = asked.bind(identity.issuer.clone()).bind(identity.subject.clone());
            asked.bind(number(seen.seq)).bind(uuid(seen.mark))
        };
        let mut found: Vec<UserColumns> = self.ask_soundly(statements, warrant, bind).await?;
        found.pop().map(user).transpose()
    }

    /// Makes or refreshes the user, opens the session and writes the event that `draft` makes, all or nothing. A disabled
    /// user gets no session: `false`.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn log_in(
        &self,
        login: &LoginRow<'_>,
        draft: impl FnOnce(&Arrival) -> Draft,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let before = user_of(&mut tx, login.identity).await?;
        let id = match &before {
            Some(user) => user.id,
            None => add_user(&mut tx, login, now).await?,
        };
        let arrival = Arrival { id, before };
        if arrival.is_admitted() {
            refresh_user(&mut tx, id, login, now).await?;
            super::sessions::add_session(&mut tx, id, login, now).await?;
        }
        self.append(&mut tx, &draft(&arrival), now).await?;
        self.commit(tx, Touched::Owner(id)).await?;
        Ok(arrival.is_admitted())
    }
}

/// Who it is that a provider names, if they are known.
pub(super) async fn user_of(
    target: impl Into<Target<'_>>,
    identity: &ExternalIdentity,
) -> Result<Option<User>, StoreError> {
    let asked = query(FIND_USER_BY_IDENTITY).bind(&identity.issuer).bind(&identity.subject);
    asked.fetch_optional(target).await?.map(user).transpose()
}

async fn add_user(tx: &mut Change, login: &LoginRow<'_>, now: Timestamp) -> Result<UserId, StoreError> {
    let profile = login.profile;
    query(ADD_USER)
        .bind(login.new_id.as_uuid())
        .bind(&login.identity.issuer)
        .bind(&login.identity.subject)
        .bind(login.provider)
        .bind(&profile.username)
        .bind(&profile.email)
        .bind(serde_json::to_string(&profile.roles)?)
        .bind(serde_json::to_string(&profile.attributes)?)
        .bind(now.as_micros())
        .execute(&mut *tx)
        .await?;
    Ok(login.new_id)
}

async fn refresh_user(tx: &mut Change, id: UserId, login: &LoginRow<'_>, now: Timestamp) -> Result<(), StoreError> {
    let profile = login.profile;
    query(REFRESH_USER)
        .bind(id.as_uuid())
        .bind(login.provider)
        .bind(&profile.username)
        .bind(&profile.email)
        .bind(serde_json::to_string(&profile.roles)?)
        .bind(serde_json::to_string(&profile.attributes)?)
        .bind(now.as_micros())
        .execute(&mut *tx)
        .await?;
    Ok(())
}

pub(super) fn user(columns: UserColumns) -> Result<User, StoreError> {
    Ok(User {
        id: columns.id.into(),
        provider: columns.provider,
        profile: row::profile(columns.username, columns.email, &columns.roles, &columns.attributes)?,
        disabled_at: row::time_or_none(columns.disabled_at),
        last_login_at: row::time(columns.last_login_at),
    })
}
