//! The audit log: appended to within the transaction of the change, read newest first.

pub(super) mod read;
pub(super) mod upkeep;
pub(super) mod walk;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::commit::Change;
use super::query::{Target, query};
use super::{Db, StoreError, Touched, row};
use crate::domain::audit::{Digest, Draft, Event, PersonalValue, Place};
use crate::domain::entropy;
use crate::domain::id::{EventId, TokenId, UserId};
use crate::domain::time::Timestamp;
use crate::server::keys::{hex, unhex};

pub(super) const FIND_HEAD: &str = "SELECT seq, hash, time FROM audit_events ORDER BY seq DESC LIMIT 1";
pub(super) const ADD_EVENT: &str = "
    INSERT INTO audit_events (seq, id, time, action, actor_type, actor_id, on_behalf_of, object_type, object_id, result,
        reason, request_id, replica, version, changes, personal, prev_hash, hash)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)";
pub(super) const ADD_PERSONAL: &str =
    "INSERT INTO audit_personal (seq, field, user_id, salt, value) VALUES ($1, $2, $3, $4, $5)";
pub(super) const ADD_OF_USER: &str = "INSERT INTO audit_of_users (user_id, seq) VALUES ($1, $2)";
pub(super) const LIST_HISTORY: &str = "
    SELECT e.time, e.action, e.actor_type, e.actor_id, e.reason, e.changes,
        (SELECT p.value FROM audit_personal p WHERE p.seq = e.seq AND p.field = 'ip') AS ip
    FROM audit_events e
    WHERE e.object_type = 'token' AND e.object_id = $1 AND e.seq > 0
    ORDER BY e.seq DESC LIMIT $2";
pub(super) const LIST_EVENTS: &str = "
    SELECT seq, id, time, action, actor_type, actor_id, on_behalf_of, object_type, object_id, result, reason, request_id,
        replica, version, changes, personal, prev_hash, hash
    FROM audit_events WHERE seq > $1 ORDER BY seq LIMIT $2";

/// How late something may be told.
const LATE_MAX: Duration = Duration::from_mins(5);
/// Stands for a digest that cannot be read. Nothing has it.
const UNREADABLE: Digest = [0xff; 32];

/// One line of a token's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryRow {
    /// When.
    pub time: Timestamp,
    /// The action's name.
    pub action: String,
    /// Kind and id of who did it.
    pub actor: (String, Option<String>),
    /// Why, as a code.
    pub reason: Option<String>,
    /// Public attributes before and after.
    pub changes: BTreeMap<String, (Option<String>, Option<String>)>,
    /// From where.
    pub ip: Option<String>,
}

/// An event as it stands in the log, with the hash that was stored beside it.
#[derive(Clone, Debug)]
pub struct PlacedEvent {
    /// The event.
    pub event: Event,
    /// The stored hash; equal to the event's own unless somebody changed either.
    pub hash: Digest,
}

#[derive(sqlx::FromRow)]
struct HistoryColumns {
    time: i64,
    action: String,
    actor_type: String,
    actor_id: Option<String>,
    reason: Option<String>,
    changes: String,
    ip: Option<String>,
}

#[derive(sqlx::FromRow)]
pub(super) struct EventColumns {
    seq: i64,
    id: Uuid,
    time: i64,
    action: String,
    actor_type: String,
    actor_id: Option<String>,
    on_behalf_of: Option<String>,
    object_type: String,
    object_id: Option<String>,
    result: String,
    reason: Option<String>,
    request_id: Option<String>,
    replica: String,
    version: String,
    changes: String,
    personal: String,
    prev_hash: Vec<u8>,
    hash: Vec<u8>,
}

impl Db {
    /// Appends an event. The head is read last, under the writer's lock, so that the chain cannot fork. Times never go
    /// back, or a range of times would not be one of events: what is told late has the time of the event before it.
    /// A clock that was far ahead once is not followed.
    pub(super) async fn append(&self, tx: &mut Change, draft: &Draft, now: Timestamp) -> Result<(), StoreError> {
        let head: Option<(i64, Vec<u8>, i64)> = query(FIND_HEAD).fetch_optional(&mut *tx).await?;
        let (seq, prev_hash, time) = match head {
            Some((seq, hash, time)) => (seq + 1, digest(&hash)?, not_before(row::time(time), now)),
            None => (1, [0; 32], now),
        };
        let place = Place {
            seq,
            prev_hash,
            id: EventId::from_random(entropy::bytes(&*self.entropy)),
            time,
            replica: &self.replica,
            version: env!("CARGO_PKG_VERSION"),
        };
        let (event, values) = Event::place(draft, place, || entropy::bytes(&*self.entropy));
        add_event(tx, &event).await?;
        for user in draft.users() {
            query(ADD_OF_USER).bind(user.as_uuid()).bind(seq).execute(&mut *tx).await?;
        }
        add_personal_values(tx, draft, seq, &values).await
    }

    /// Appends an event, and one for each of what comes to pass along with it.
    pub(super) async fn append_along(
        &self,
        tx: &mut Change,
        draft: &Draft,
        along: &[Draft],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.append(tx, draft, now).await?;
        for each in along {
            self.append(tx, each, now).await?;
        }
        Ok(())
    }

    /// Writes an event that goes with no other change.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn record(&self, draft: &Draft, now: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        self.append(&mut tx, draft, now).await?;
        self.commit(tx, Touched::Nothing).await
    }

    /// The newest events about a token.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn list_history(&self, token: TokenId, limit: i64) -> Result<Vec<HistoryRow>, StoreError> {
        let asked = query(LIST_HISTORY).bind(token.to_string()).bind(limit);
        Ok(asked.fetch_all(self.reader()).await?.into_iter().map(history_row).collect())
    }

    /// Events after a sequence number, oldest first.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn list_events(&self, after: i64, limit: i64) -> Result<Vec<PlacedEvent>, StoreError> {
        events(self.reader(), after, limit).await
    }
}

fn not_before(last: Timestamp, now: Timestamp) -> Timestamp {
    if last > now && last.since(now) <= LATE_MAX { last } else { now }
}

/// Events after a sequence number, oldest first, as they are there.
pub(super) async fn events(
    there: impl Into<Target<'_>>,
    after: i64,
    limit: i64,
) -> Result<Vec<PlacedEvent>, StoreError> {
    let asked = query(LIST_EVENTS).bind(after).bind(limit);
    Ok(asked.fetch_all(there).await?.into_iter().map(placed_event).collect())
}

async fn add_event(tx: &mut Change, event: &Event) -> Result<(), StoreError> {
    let personal: BTreeMap<_, _> = event.personal.iter().map(|(field, digest)| (field, hex(digest))).collect();
    query(ADD_EVENT)
        .bind(event.seq)
        .bind(event.id.as_uuid())
        .bind(event.time.as_micros())
        .bind(&event.action)
        .bind(&event.actor.0)
        .bind(&event.actor.1)
        .bind(&event.on_behalf_of)
        .bind(&event.object.0)
        .bind(&event.object.1)
        .bind(&event.result)
        .bind(&event.reason)
        .bind(&event.request_id)
        .bind(&event.replica)
        .bind(&event.version)
        .bind(serde_json::to_string(&event.changes)?)
        .bind(serde_json::to_string(&personal)?)
        .bind(event.prev_hash.as_slice())
        .bind(event.hash().as_slice())
        .execute(&mut *tx)
        .await?;
    Ok(())
}

async fn add_personal_values(
    tx: &mut Change,
    draft: &Draft,
    seq: i64,
    values: &[PersonalValue],
) -> Result<(), StoreError> {
    for value in values {
        query(ADD_PERSONAL)
            .bind(seq)
            .bind(&value.field)
            .bind(draft.owner_of(&value.field).map(UserId::as_uuid))
            .bind(value.salt.as_slice())
            .bind(&value.value)
            .execute(&mut *tx)
            .await?;
    }
    Ok(())
}

fn history_row(columns: HistoryColumns) -> HistoryRow {
    HistoryRow {
        time: row::time(columns.time),
        action: columns.action,
        actor: (columns.actor_type, columns.actor_id),
        reason: columns.reason,
        changes: row::json(&columns.changes).unwrap_or_default(),
        ip: columns.ip,
    }
}

/// What we would not have written so was not written by us. Something else stands in its place, so that the event is not
/// the one that its hash is of; then whoever verifies the log names it, and whoever reads the log sees the others.
pub(super) fn placed_event(columns: EventColumns) -> PlacedEvent {
    let personal: BTreeMap<String, String> = as_written(&columns.personal);
    let personal =
        personal.into_iter().map(|(field, text)| (field, unhex(&text).as_deref().map_or(UNREADABLE, legible)));
    let event = Event {
        seq: columns.seq,
        id: columns.id.into(),
        time: row::time(columns.time),
        action: columns.action,
        actor: (columns.actor_type, columns.actor_id),
        on_behalf_of: columns.on_behalf_of,
        object: (columns.object_type, columns.object_id),
        result: columns.result,
        reason: columns.reason,
        request_id: columns.request_id,
        replica: columns.replica,
        version: columns.version,
        changes: as_written(&columns.changes),
        personal: personal.collect(),
        prev_hash: legible(&columns.prev_hash),
    };
    PlacedEvent { event, hash: legible(&columns.hash) }
}

/// Values by their fields, if the text is the one that we write for them: another text may read as the same values.
fn as_written<T: Serialize + DeserializeOwned + Default>(text: &str) -> BTreeMap<String, T> {
    let values: Option<BTreeMap<String, T>> = row::json(text).ok();
    let is_ours = |values: &BTreeMap<String, T>| serde_json::to_string(values).is_ok_and(|ours| ours == text);
    values.filter(is_ours).unwrap_or_else(|| BTreeMap::from([("unreadable".to_owned(), T::default())]))
}

fn legible(bytes: &[u8]) -> Digest {
    bytes.try_into().unwrap_or(UNREADABLE)
}

fn digest(bytes: &[u8]) -> Result<Digest, StoreError> {
    bytes.try_into().map_err(StoreError::corrupt)
}
