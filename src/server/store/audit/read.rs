//! Reading the log: by whom, of what, when, newest first; and all of it, to verify it.

use std::collections::BTreeMap;
use std::fmt;

use uuid::Uuid;

use super::{EventColumns, PlacedEvent, placed_event};
use crate::domain::audit::{Action, Broken, Checkpoint, Digest, Outcome, PersonalValue, SALT_LEN, Verified, Verifier};
use crate::domain::id::UserId;
use crate::domain::time::Timestamp;
use crate::server::store::query::{Target, query};
use crate::server::store::{Db, StoreError};

/// Events that are looked at together.
const BATCH: i64 = 1_000;

/// The same columns and conditions from another side: which index leads to what is asked for, only we can know.
macro_rules! list_log {
    ($from:expr, $action:literal, $actor:literal, $object:literal, $result:literal) => {
        concat!(
            "SELECT e.seq, e.id, e.time, e.action, e.actor_type, e.actor_id, e.on_behalf_of, e.object_type, e.object_id,
                e.result, e.reason, e.request_id, e.replica, e.version, e.changes, e.personal, e.prev_hash, e.hash
            FROM ",
            $from,
            " WHERE e.seq < $1 AND e.seq >= $2 AND ",
            $action,
            " AND ",
            $actor,
            " AND ",
            $object,
            " AND ",
            $result,
            " ORDER BY e.seq DESC LIMIT $7"
        )
    };
}

pub(super) use list_log;

const EVERY: &str = list_log!(
    "audit_events e",
    "(e.action = $3 OR $3 = '')",
    "(e.actor_id = $4 OR $4 = '')",
    "(e.object_id = $5 OR $5 = '')",
    "(e.result = $6 OR $6 = '')"
);
const BY_ACTION: &str = list_log!(
    "audit_events e",
    "e.action = $3",
    "(e.actor_id = $4 OR $4 = '')",
    "(e.object_id = $5 OR $5 = '')",
    "(e.result = $6 OR $6 = '')"
);
const BY_ACTOR: &str = list_log!(
    "audit_events e",
    "(e.action = $3 OR $3 = '')",
    "e.actor_id = $4",
    "(e.object_id = $5 OR $5 = '')",
    "(e.result = $6 OR $6 = '')"
);
const BY_OBJECT: &str = list_log!(
    "(SELECT 'token' AS type UNION ALL SELECT 'user' UNION ALL SELECT 'session' UNION ALL SELECT 'key'
        UNION ALL SELECT 'provider') k JOIN audit_events e ON e.object_type = k.type",
    "(e.action = $3 OR $3 = '')",
    "(e.actor_id = $4 OR $4 = '')",
    "e.object_id = $5",
    "(e.result = $6 OR $6 = '')"
);
const REFUSED: &str = list_log!(
    "audit_events e",
    "(e.action = $3 OR $3 = '')",
    "(e.actor_id = $4 OR $4 = '')",
    "(e.object_id = $5 OR $5 = '')",
    "e.result = 'refused' AND $6 = 'refused'"
);
const REFUSED_OF_ACTION: &str = list_log!(
    "audit_events e",
    "e.action = $3",
    "(e.actor_id = $4 OR $4 = '')",
    "(e.object_id = $5 OR $5 = '')",
    "e.result = 'refused' AND $6 = 'refused'"
);
const OF_USER: &str = list_log!(
    "audit_of_users a JOIN audit_events e ON e.seq = a.seq AND a.user_id = $8 AND a.seq < $1 AND a.seq >= $2",
    "(e.action = $3 OR $3 = '')",
    "(e.actor_id = $4 OR $4 = '')",
    "(e.object_id = $5 OR $5 = '')",
    "(e.result = $6 OR $6 = '')"
);
const FOR_USER: &str = list_log!(
    "audit_events e",
    "e.on_behalf_of = $8 AND e.action = $3",
    "(e.actor_id = $4 OR $4 = '')",
    "(e.object_id = $5 OR $5 = '')",
    "(e.result = $6 OR $6 = '')"
);
const FIND_FIRST_SINCE: &str = "SELECT seq FROM audit_events WHERE time >= $1 AND seq > 0 ORDER BY time, seq LIMIT 1";
const FIND_LAST_BEFORE: &str =
    "SELECT seq FROM audit_events WHERE time < $1 AND seq > 0 ORDER BY time DESC, seq DESC LIMIT 1";
const LIST_VALUES: &str = "SELECT seq, field, salt, value FROM audit_personal WHERE seq > $1 AND seq <= $2";
/// Only SQLite needs this.
const LIST_VALUES_OF_SQLITE: &str =
    "SELECT seq, field, value FROM audit_personal WHERE seq IN (SELECT value FROM json_each($1))";
/// Only PostgreSQL needs this.
const LIST_VALUES_OF_POSTGRES: &str = "SELECT seq, field, value FROM audit_personal WHERE seq = ANY ($1)";

#[cfg(test)]
pub(in crate::server::store) const STATEMENTS: &[&str] = &[
    EVERY,
    BY_ACTION,
    BY_ACTOR,
    BY_OBJECT,
    REFUSED,
    REFUSED_OF_ACTION,
    OF_USER,
    FOR_USER,
    FIND_FIRST_SINCE,
    FIND_LAST_BEFORE,
    LIST_VALUES,
];
#[cfg(test)]
pub(in crate::server::store) const STATEMENTS_OF_SQLITE: &[&str] = &[LIST_VALUES_OF_SQLITE];
#[cfg(test)]
pub(in crate::server::store) const STATEMENTS_OF_POSTGRES: &[&str] = &[LIST_VALUES_OF_POSTGRES];

/// Which events; all of them where nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogFilter {
    /// About this user: who did it, to whom or for whom it was done.
    pub user: Option<UserId>,
    /// Of that only what was done in their place: by an administrator, a finder, or with a token. Needs an action.
    pub in_their_place: bool,
    /// The action's name.
    pub action: String,
    /// The id of who did it.
    pub actor: String,
    /// The id of what it was done to.
    pub object: String,
    /// `done` or `refused`.
    pub result: String,
    /// Not before this.
    pub since: Option<Timestamp>,
    /// Before this.
    pub until: Option<Timestamp>,
}

/// An event with the personal values that stand beside it, as far as they were not erased.
#[derive(Clone, Debug)]
pub struct LogRow {
    /// The event.
    pub placed: PlacedEvent,
    /// The values by their fields.
    pub values: BTreeMap<String, String>,
}

/// As it would stand in an address; `all` where it leaves nothing out.
impl fmt::Display for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = |at: Option<Timestamp>| at.map(Timestamp::rfc3339).unwrap_or_default();
        let user = self.user.map(|user| user.to_string()).unwrap_or_default();
        let (since, until) = (moment(self.since), moment(self.until));
        let fields = [
            ("user", &user),
            ("action", &self.action),
            ("actor", &self.actor),
            ("object", &self.object),
            ("result", &self.result),
            ("since", &since),
            ("until", &until),
        ];
        let said: Vec<_> = fields.iter().filter(|(_, value)| !value.is_empty()).collect();
        if said.is_empty() {
            return f.write_str("all");
        }
        let said: Vec<_> = said.into_iter().map(|(name, value)| format!("{name}={}", told(value))).collect();
        f.write_str(&said.join("&"))
    }
}

/// Ids, times and names of ours as they are. Anything else may be somebody's name or address, or even a secret that was
/// pasted, and what is said here stays in the log for ever.
fn told(value: &str) -> &str {
    let is_ours = Uuid::try_parse(value).is_ok()
        || Timestamp::parse_rfc3339(value).is_some()
        || Action::named(value).is_some()
        || [Outcome::Done, Outcome::Refused].iter().any(|outcome| outcome.as_str() == value);
    if is_ours { value } else { "…" }
}

/// What narrows a filter most, of what an index leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lead {
    InPlaceOfUser,
    User,
    Object,
    Actor,
    Refusal,
    Action,
    Nothing,
}

impl LogFilter {
    pub(super) fn lead(&self) -> Lead {
        match self {
            Self { user: Some(_), in_their_place: true, .. } => Lead::InPlaceOfUser,
            Self { user: Some(_), .. } => Lead::User,
            Self { object, .. } if !object.is_empty() => Lead::Object,
            Self { actor, .. } if !actor.is_empty() => Lead::Actor,
            Self { result, .. } if result == Outcome::Refused.as_str() => Lead::Refusal,
            Self { action, .. } if !action.is_empty() => Lead::Action,
            _ => Lead::Nothing,
        }
    }

    pub(super) fn statement(&self) -> &'static str {
        match self.lead() {
            Lead::InPlaceOfUser => FOR_USER,
            Lead::User => OF_USER,
            Lead::Object => BY_OBJECT,
            Lead::Actor => BY_ACTOR,
            Lead::Refusal if self.action.is_empty() => REFUSED,
            Lead::Refusal => REFUSED_OF_ACTION,
            Lead::Action => BY_ACTION,
            Lead::Nothing => EVERY,
        }
    }
}

impl Db {
    /// Events before a number, newest first; before the end of the log where none is given.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn list_log(
        &self,
        filter: &LogFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<LogRow>, StoreError> {
        let Some((first, end)) = self.range(filter, before).await? else { return Ok(Vec::new()) };
        self.list_within(filter.statement(), filter, first, end, limit).await
    }

    /// What a statement finds from one number on, before another.
    pub(super) async fn list_within(
        &self,
        statement: &'static str,
        filter: &LogFilter,
        first: i64,
        end: i64,
        limit: u32,
    ) -> Result<Vec<LogRow>, StoreError> {
        let asked = query(statement)
            .bind(end)
            .bind(first)
            .bind(&filter.action)
            .bind(&filter.actor)
            .bind(&filter.object)
            .bind(&filter.result)
            .bind(limit);
        let asked = match filter.user {
            Some(user) if filter.in_their_place => asked.bind(user.to_string()),
            Some(user) => asked.bind(user.as_uuid()),
            None => asked,
        };
        let columns: Vec<EventColumns> = asked.fetch_all(self.reader()).await?;
        let events = columns.into_iter().map(placed_event).collect();
        self.with_values(events).await
    }

    /// The numbers between which a filter's times lie, if there are any.
    pub(super) async fn range(
        &self,
        filter: &LogFilter,
        before: Option<i64>,
    ) -> Result<Option<(i64, i64)>, StoreError> {
        let (mut first, mut end) = (1, before.unwrap_or(i64::MAX));
        if let Some(since) = filter.since {
            let found: Option<(i64,)> = query(FIND_FIRST_SINCE).bind(since).fetch_optional(self.reader()).await?;
            let Some((seq,)) = found else { return Ok(None) };
            first = seq;
        }
        if let Some(until) = filter.until {
            let found: Option<(i64,)> = query(FIND_LAST_BEFORE).bind(until).fetch_optional(self.reader()).await?;
            let Some((seq,)) = found else { return Ok(None) };
            end = end.min(seq + 1);
        }
        Ok(Some((first, end)))
    }

    async fn with_values(&self, events: Vec<PlacedEvent>) -> Result<Vec<LogRow>, StoreError> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let numbers: Vec<_> = events.iter().map(|placed| placed.event.seq).collect();
        let sql = if self.is_shared() { LIST_VALUES_OF_POSTGRES } else { LIST_VALUES_OF_SQLITE };
        let rows: Vec<(i64, String, String)> =
            query(sql).bind(self.numbers(&numbers)?).fetch_all(self.reader()).await?;
        let mut values: BTreeMap<i64, BTreeMap<String, String>> = BTreeMap::new();
        for (seq, field, value) in rows {
            values.entry(seq).or_default().insert(field, value);
        }
        let row = |placed: PlacedEvent| LogRow { values: values.remove(&placed.event.seq).unwrap_or_default(), placed };
        Ok(events.into_iter().map(row).collect())
    }

    /// Whether the whole log is what was written. Says after each batch how many events it has seen.
    ///
    /// # Errors
    /// When the database cannot be asked. Where the log is broken, if it is.
    pub async fn verify_log(
        &self,
        checkpoints: impl IntoIterator<Item = Checkpoint>,
        mut report: impl FnMut(i64),
    ) -> Result<Result<Verified, Broken>, StoreError> {
        let mut verifier = Verifier::new(checkpoints);
        // From before the beginning: somebody may have put something there.
        let mut events = self.list_events(i64::MIN, BATCH).await?;
        while let Some(last) = events.last() {
            // Never values before their events, or those of an event that was written in between would be missing. The next
            // events may come meanwhile.
            let values = digests(self.reader(), verifier.last(), BATCH);
            let (mut values, next) = tokio::try_join!(values, self.list_events(last.event.seq, BATCH))?;
            for PlacedEvent { event, hash } in events {
                let values = values.remove(&event.seq).unwrap_or_default();
                if let Err(broken) = verifier.look(&event, hash, &values) {
                    return Ok(Err(broken));
                }
            }
            report(verifier.last());
            events = next;
        }
        Ok(verifier.finish())
    }
}

/// The digests of the personal values that stand beside so many events after one.
pub(in crate::server::store) async fn digests(
    there: impl Into<Target<'_>>,
    after: i64,
    count: i64,
) -> Result<BTreeMap<i64, BTreeMap<String, Digest>>, StoreError> {
    let asked = query(LIST_VALUES).bind(after).bind(after.saturating_add(count));
    let rows: Vec<(i64, String, Vec<u8>, String)> = asked.fetch_all(there).await?;
    let mut digests: BTreeMap<i64, BTreeMap<String, Digest>> = BTreeMap::new();
    for (seq, field, salt, value) in rows {
        // One that cannot be read gives another digest than the one that was written.
        let salt: [u8; SALT_LEN] = salt.as_slice().try_into().unwrap_or_default();
        let value = PersonalValue { field: field.clone(), salt, value };
        digests.entry(seq).or_default().insert(field, value.digest());
    }
    Ok(digests)
}
