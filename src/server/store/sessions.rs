//! Browser sessions. The database knows only the hash of a cookie's value.

use uuid::Uuid;

use super::commit::Change;
use super::query::query;
use super::{Db, LoginRow, StoreError, Touched, row};
use crate::domain::audit::Draft;
use crate::domain::id::{SessionId, UserId};
use crate::domain::time::Timestamp;

pub(super) const ADD_SESSION: &str = "
    INSERT INTO sessions (id_hash, id, user_id, provider, provider_sid, auth_time, created_at, last_seen_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $7)";
pub(super) const LOOKUP_SESSION: &str = "
    SELECT id, user_id, provider, auth_time, created_at, last_seen_at
    FROM sessions WHERE id_hash = $1 AND ended_at IS NULL";
pub(super) const FIND_SESSION: &str = "
    SELECT id, user_id, provider, auth_time, created_at, last_seen_at
    FROM sessions WHERE user_id = $1 AND id = $2 AND ended_at IS NULL";
pub(super) const TOUCH_SESSION: &str =
    "UPDATE sessions SET last_seen_at = $2 WHERE id_hash = $1 AND ended_at IS NULL AND last_seen_at < $2";
pub(super) const END_SESSION: &str = "UPDATE sessions SET ended_at = $2 WHERE id_hash = $1 AND ended_at IS NULL";
pub(super) const DELETE_OLD_SESSIONS: &str = "DELETE FROM sessions WHERE created_at < $1";

/// A session to be opened.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// SHA-256 of the cookie's value.
    pub id_hash: [u8; 32],
    /// The name under which it may be shown.
    pub id: SessionId,
    /// The provider's own session.
    pub provider_sid: Option<String>,
    /// When the person last proved who they are.
    pub auth_time: Timestamp,
}

/// A session that has not been ended. Its limits are for the service to judge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRow {
    /// The name under which it may be shown.
    pub id: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// Through which provider.
    pub provider: String,
    /// When the person last proved who they are.
    pub auth_time: Timestamp,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last seen, to the minute.
    pub last_seen_at: Timestamp,
}

#[derive(sqlx::FromRow)]
pub(super) struct SessionColumns {
    id: Uuid,
    user_id: Uuid,
    provider: String,
    auth_time: i64,
    created_at: i64,
    last_seen_at: i64,
}

impl Db {
    /// A session that has not been ended.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn lookup_session(&self, id_hash: &[u8; 32]) -> Result<Option<SessionRow>, StoreError> {
        let asked = query(LOOKUP_SESSION).bind(id_hash.as_slice());
        Ok(asked.fetch_optional(self.reader()).await?.map(session_row))
    }

    /// The same by its name and whose it is.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn find_session(&self, user: UserId, id: SessionId) -> Result<Option<SessionRow>, StoreError> {
        let asked = query(FIND_SESSION).bind(user.as_uuid()).bind(id.as_uuid());
        Ok(asked.fetch_optional(self.reader()).await?.map(session_row))
    }

    /// Notes that a session was seen. Changes nothing when it was ended meanwhile.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn touch_session(&self, id_hash: &[u8; 32], now: Timestamp) -> Result<(), StoreError> {
        query(TOUCH_SESSION).bind(id_hash.as_slice()).bind(now.as_micros()).execute(self.writer()).await?;
        Ok(())
    }

    /// Ends a session, for ever. `false` when it had ended before; then no event is written.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn end_session(&self, id_hash: &[u8; 32], draft: &Draft, now: Timestamp) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let asked = query(END_SESSION).bind(id_hash.as_slice()).bind(now.as_micros());
        let ended = asked.execute(&mut tx).await? > 0;
        if ended {
            self.append(&mut tx, draft, now).await?;
        }
        self.commit(tx, Touched::Nothing).await?;
        Ok(ended)
    }

    /// Forgets sessions that began before `horizon`, ended or not.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn delete_old_sessions(&self, horizon: Timestamp) -> Result<(), StoreError> {
        query(DELETE_OLD_SESSIONS).bind(horizon.as_micros()).execute(self.writer()).await?;
        Ok(())
    }
}

pub(super) fn session_row(columns: SessionColumns) -> SessionRow {
    SessionRow {
        id: columns.id.into(),
        user: columns.user_id.into(),
        provider: columns.provider,
        auth_time: row::time(columns.auth_time),
        created_at: row::time(columns.created_at),
        last_seen_at: row::time(columns.last_seen_at),
    }
}

pub(super) async fn add_session(
    tx: &mut Change,
    user: UserId,
    login: &LoginRow<'_>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let session = login.session;
    query(ADD_SESSION)
        .bind(session.id_hash.as_slice())
        .bind(session.id.as_uuid())
        .bind(user.as_uuid())
        .bind(login.provider)
        .bind(&session.provider_sid)
        .bind(session.auth_time.as_micros())
        .bind(now.as_micros())
        .execute(&mut *tx)
        .await?;
    Ok(())
}
