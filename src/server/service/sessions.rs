//! Browser sessions: found by the hash of their cookie, limited by the server.

use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::domain::audit::{Action, Draft, Origin, Party};
use crate::domain::id::{SessionId, UserId};
use crate::domain::time::{Clock, Timestamp};
use crate::domain::user::User;
use crate::domain::view::SessionView;
use crate::server::config::SessionConfig;
use crate::server::store::{Db, SessionRow, StoreError};

use super::Caller;

/// The idle time is written at most this often.
const TOUCH_EVERY: Duration = Duration::from_mins(1);

/// Looks after browser sessions.
#[derive(Clone)]
pub struct Sessions {
    db: Db,
    limits: SessionConfig,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}

/// A live session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveSession {
    /// The name under which it may be shown.
    pub id: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// Through which provider.
    pub provider: String,
    /// When the person last proved who they are.
    pub auth_time: Timestamp,
}

/// What the database knows of a cookie's value.
#[must_use]
pub fn cookie_hash(value: &[u8]) -> [u8; 32] {
    Sha256::digest(value).into()
}

fn view(row: SessionRow) -> SessionView {
    SessionView { id: row.id, provider: row.provider, created_at: row.created_at, last_seen_at: row.last_seen_at }
}

impl Sessions {
    /// From their parts.
    #[must_use]
    pub fn new(db: Db, limits: SessionConfig, clock: Arc<dyn Clock>) -> Self {
        Self { db, limits, clock }
    }

    /// When a session that is open now can have begun at the earliest, and when it must have been seen last.
    #[must_use]
    pub fn open_since(&self, now: Timestamp) -> (Timestamp, Timestamp) {
        (now.minus(self.limits.absolute), now.minus(self.limits.idle))
    }

    /// The session of a cookie, if it is still within its limits. Notes that it was seen.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn find(&self, id_hash: &[u8; 32]) -> Result<Option<LiveSession>, StoreError> {
        let now = self.clock.now();
        let Some(row) = self.db.lookup_session(id_hash).await?.filter(|row| self.is_within_limits(row, now)) else {
            return Ok(None);
        };
        if now.since(row.last_seen_at) >= TOUCH_EVERY {
            self.touch(id_hash, now).await;
        }
        Ok(Some(LiveSession { id: row.id, user: row.user, provider: row.provider, auth_time: row.auth_time }))
    }

    /// The person behind a session, unless disabled.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn user(&self, session: &LiveSession) -> Result<Option<User>, StoreError> {
        self.enabled(session.user).await
    }

    async fn enabled(&self, id: UserId) -> Result<Option<User>, StoreError> {
        Ok(self.db.lookup_user(id).await?.filter(|user| user.disabled_at.is_none()))
    }

    /// The person behind a session in which something is still going on, unless it was ended or they were disabled
    /// meanwhile. It does not rest as long as that goes on.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn user_still(&self, user: UserId, session: SessionId) -> Result<Option<User>, StoreError> {
        let now = self.clock.now();
        let row = self.db.find_session(user, session).await?;
        match row.filter(|row| now.since(row.created_at) <= self.limits.absolute) {
            Some(row) => self.enabled(row.user).await,
            None => Ok(None),
        }
    }

    /// Ends a session because its user logs out.
    ///
    /// # Errors
    /// When the store cannot be asked; then the session lives on.
    pub async fn log_out(
        &self,
        id_hash: &[u8; 32],
        user: &User,
        session: &LiveSession,
        origin: &Origin,
    ) -> Result<(), StoreError> {
        let actor = Party::user(user.id, &user.profile.username);
        let object = Party::session(session.id);
        let draft = Draft::new(Action::UserLoggedOut, actor, object, origin).about(user.id);
        self.db.end_session(id_hash, &draft, self.clock.now()).await.map(drop)
    }

    /// Somebody's open sessions, the last seen first; a hundred at most.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn list(&self, user: UserId) -> Result<Vec<SessionView>, StoreError> {
        let (began_since, seen_since) = self.open_since(self.clock.now());
        let rows = self.db.list_sessions(user, began_since, seen_since).await?;
        Ok(rows.into_iter().map(view).collect())
    }

    /// Ends one of the caller's other sessions, or all of them where none is named. The one that asks stays.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn end_others(&self, caller: &Caller, own: SessionId, only: Option<SessionId>) -> Result<(), StoreError> {
        let user = caller.user.id;
        let ending = |session: &SessionView| session.id != own && only.is_none_or(|only| only == session.id);
        let draft = |session: &SessionView| {
            let object = Party::session(session.id);
            Draft::new(Action::SessionEnded, caller.party(), object, &caller.origin).about(user)
        };
        self.end(user, ending, draft).await.map(drop)
    }

    /// Ends some of somebody's open sessions. How many there were.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn end(
        &self,
        user: UserId,
        which: impl Fn(&SessionView) -> bool,
        draft: impl Fn(&SessionView) -> Draft,
    ) -> Result<usize, StoreError> {
        let mut count = 0;
        // They are listed a part at a time, and those that ended are not listed again.
        loop {
            let open = self.list(user).await?;
            let ending: Vec<_> =
                open.iter().filter(|session| which(session)).map(|session| (session.id, draft(session))).collect();
            let ended = self.db.end_sessions_of(user, &ending, self.clock.now()).await?;
            count += ended;
            if ended == 0 {
                return Ok(count);
            }
        }
    }

    /// Ends the session that a browser had before it logged in anew.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn replace(&self, id_hash: &[u8; 32], origin: &Origin) -> Result<(), StoreError> {
        let Some(row) = self.db.lookup_session(id_hash).await? else { return Ok(()) };
        let object = Party::session(row.id);
        let draft = Draft::new(Action::SessionEnded, Party::SYSTEM, object, origin);
        let draft = draft.about(row.user).on_behalf_of(row.user);
        self.db.end_session(id_hash, &draft, self.clock.now()).await.map(drop)
    }

    /// Reading goes on when nothing can be written; the session only seems idle for longer than it is.
    async fn touch(&self, id_hash: &[u8; 32], now: Timestamp) {
        if let Err(error) = self.db.touch_session(id_hash, now).await {
            tracing::warn!(%error, "a session's last use could not be written");
        }
    }

    fn is_within_limits(&self, row: &SessionRow, now: Timestamp) -> bool {
        now.since(row.last_seen_at) <= self.limits.idle && now.since(row.created_at) <= self.limits.absolute
    }
}
