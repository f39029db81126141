//! Looking after the log: checkpoints, and the removal of personal values.

use uuid::Uuid;

use super::digest;
use crate::domain::audit::{Action, Checkpoint, Draft, Party, identity_as_noted};
use crate::domain::id::UserId;
use crate::domain::time::Timestamp;
use crate::domain::user::ExternalIdentity;
use crate::server::store::commit::Change;
use crate::server::store::people::session_ends;
use crate::server::store::query::query;
use crate::server::store::{Db, Engine, StoreError, Touched, row};

const ADD_CHECKPOINT: &str =
    "INSERT INTO audit_checkpoints (seq, hash, time, signature) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
const LIST_CHECKPOINTS: &str = "SELECT seq, hash, time, signature FROM audit_checkpoints ORDER BY seq";
const FIND_LAST_CHECKPOINT: &str = "SELECT seq, hash, time, signature FROM audit_checkpoints ORDER BY seq DESC LIMIT 1";
const LOOKUP_HASH: &str = "SELECT hash FROM audit_events WHERE seq = $1";
const ERASE_VALUES: &str = "DELETE FROM audit_personal WHERE user_id = $1";
/// What was written down of somebody before they were known here.
const ERASE_VALUES_OF_STRANGER: &str = "
    DELETE FROM audit_personal WHERE user_id IS NULL AND seq IN (
        SELECT e.seq FROM audit_events e
        JOIN audit_personal i ON i.seq = e.seq AND i.field = 'changes.issuer.to' AND i.value = $1
        JOIN audit_personal s ON s.seq = e.seq AND s.field = 'changes.subject.to' AND s.value = $2
        WHERE e.action = 'user.login_refused')";
const FIND_IDENTITY: &str = "SELECT issuer, subject FROM users WHERE id = $1";
const ERASE_USER: &str = "
    UPDATE users SET username = 'erased', email = NULL, roles = '[]', attributes = '{}',
        disabled_at = coalesce(disabled_at, $2)
    WHERE id = $1";
const ERASE_TOKENS: &str = "
    UPDATE tokens SET name = 'erased', description = '', last_used_ip = NULL,
        allowed_ips = '[]', revoked_at = coalesce(revoked_at, $2), revoked_reason = NULL, version = version + 1
    WHERE owner_id = $1";
/// Only PostgreSQL needs this: somebody who was there for years has left much, and it goes at once or not at all.
pub(in crate::server::store) const TAKE_TIME: &str = "SET LOCAL statement_timeout = '1min'";
const LIST_KEPT_TOKENS: &str =
    "SELECT id FROM tokens WHERE owner_id = $1 AND revoked_at IS NULL ORDER BY created_at, id";
const ERASE_SESSIONS: &str = "DELETE FROM sessions WHERE user_id = $1";

#[cfg(test)]
pub(in crate::server::store) const STATEMENTS: &[&str] = &[
    ADD_CHECKPOINT,
    LIST_CHECKPOINTS,
    FIND_LAST_CHECKPOINT,
    LOOKUP_HASH,
    ERASE_VALUES,
    ERASE_VALUES_OF_STRANGER,
    FIND_IDENTITY,
    ERASE_USER,
    ERASE_TOKENS,
    ERASE_SESSIONS,
    LIST_KEPT_TOKENS,
];

/// A checkpoint with its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointRow {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// The signature over its message.
    pub signature: Vec<u8>,
}

type CheckpointColumns = (i64, Vec<u8>, i64, Vec<u8>);

fn checkpoint_row((seq, hash, time, signature): CheckpointColumns) -> Result<CheckpointRow, StoreError> {
    let checkpoint = Checkpoint { seq, hash: digest(&hash)?, time: row::time(time) };
    Ok(CheckpointRow { checkpoint, signature })
}

impl Db {
    /// Writes down a checkpoint.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn add_checkpoint(&self, row: &CheckpointRow) -> Result<(), StoreError> {
        let Checkpoint { seq, hash, time } = row.checkpoint;
        let asked = query(ADD_CHECKPOINT).bind(seq).bind(hash.as_slice()).bind(time).bind(&row.signature);
        asked.execute(self.writer()).await.map(drop)
    }

    /// All checkpoints that the database has.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn list_checkpoints(&self) -> Result<Vec<CheckpointRow>, StoreError> {
        let rows: Vec<CheckpointColumns> = query(LIST_CHECKPOINTS).fetch_all(self.reader()).await?;
        rows.into_iter().map(checkpoint_row).collect()
    }

    /// The newest checkpoint that the database has.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn last_checkpoint(&self) -> Result<Option<CheckpointRow>, StoreError> {
        let found: Option<CheckpointColumns> = query(FIND_LAST_CHECKPOINT).fetch_optional(self.reader()).await?;
        found.map(checkpoint_row).transpose()
    }

    /// What a checkpoint made now would say, and how many events there were since the last one, if there were any.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn next_checkpoint(&self, now: Timestamp) -> Result<Option<(Checkpoint, i64)>, StoreError> {
        let last: Option<CheckpointColumns> = query(FIND_LAST_CHECKPOINT).fetch_optional(self.reader()).await?;
        let head: Option<(i64, Vec<u8>, i64)> = query(super::FIND_HEAD).fetch_optional(self.reader()).await?;
        let last = last.map_or(0, |(seq, ..)| seq);
        let Some((seq, hash, _)) = head.filter(|(seq, ..)| *seq > last) else { return Ok(None) };
        // Seconds are what is signed.
        let time = Timestamp::from_seconds(now.as_seconds());
        Ok(Some((Checkpoint { seq, hash: digest(&hash)?, time }, seq - last)))
    }

    /// Whether the log has the event that a checkpoint names.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn agrees_with(&self, checkpoint: &Checkpoint) -> Result<bool, StoreError> {
        let found: Option<(Vec<u8>,)> = query(LOOKUP_HASH).bind(checkpoint.seq).fetch_optional(self.reader()).await?;
        Ok(found.is_some_and(|(hash,)| hash == checkpoint.hash))
    }

    /// Removes what is known of a person: from the log, their profile, their tokens and sessions. The tokens are revoked
    /// and the user is disabled. `false` where there is no such user.
    ///
    /// # Errors
    /// When the database cannot be asked; then nothing has changed.
    pub async fn erase_user(&self, id: UserId, draft: &Draft, now: Timestamp) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        if self.is_shared() {
            query(TAKE_TIME).execute(&mut tx).await?;
        }
        let user = id.as_uuid();
        if query(ERASE_USER).bind(user).bind(now).execute(&mut tx).await? == 0 {
            return Ok(false);
        }
        let mut along = token_ends(&mut tx, id, draft).await?;
        along.extend(session_ends(&mut tx, id, draft).await?);
        query(ERASE_TOKENS).bind(user).bind(now).patiently().execute(&mut tx).await?;
        query(ERASE_SESSIONS).bind(user).execute(&mut tx).await?;
        let removed = erase_values(&mut tx, id).await?;
        self.append_along(&mut tx, &draft.clone().removing(removed), &along, now).await?;
        self.commit(tx, Touched::Owner(id)).await?;
        if let Engine::Sqlite(engine) = &self.engine
            && let Err(error) = engine.empty_journal().await
        {
            tracing::warn!(%error, "what was erased stays in the journal of the database for a while");
        }
        Ok(true)
    }
}

/// Removes the personal values of somebody from the log, also from before they were known here. How many there were.
async fn erase_values(tx: &mut Change, user: UserId) -> Result<u64, StoreError> {
    // Somebody who administrated for years has left many.
    let known = query(ERASE_VALUES).bind(user.as_uuid()).patiently().execute(&mut *tx).await?;
    let found: Option<(String, String)> = query(FIND_IDENTITY).bind(user.as_uuid()).fetch_optional(&mut *tx).await?;
    let Some((issuer, subject)) = found else { return Ok(known) };
    let [issuer, subject] = identity_as_noted(&ExternalIdentity { issuer, subject });
    let strange = query(ERASE_VALUES_OF_STRANGER).bind(issuer).bind(subject).patiently().execute(tx).await?;
    Ok(known + strange)
}

/// The events of a user's tokens that are revoked along with another one. Their names are about to be gone.
async fn token_ends(tx: &mut Change, owner: UserId, draft: &Draft) -> Result<Vec<Draft>, StoreError> {
    let kept: Vec<(Uuid,)> = query(LIST_KEPT_TOKENS).bind(owner.as_uuid()).fetch_all(tx).await?;
    let revoked = |(id,): (Uuid,)| {
        let token = Party { kind: "token", id: Some(id.to_string()), name: None };
        draft.along(Action::TokenRevoked, token)
    };
    Ok(kept.into_iter().map(revoked).collect())
}
