//! Looking for events that are rare among many of one user, actor or action: a stride at a time.

use super::read::{Lead, LogFilter, LogRow, list_log};
use crate::domain::id::UserId;
use crate::server::store::query::{Query, query};
use crate::server::store::{Db, StoreError};

/// Events that one stride looks at.
macro_rules! stride_length {
    () => {
        "5000"
    };
}

/// The events of one stride that fit, and where it ends if there are more behind it. What leads to them is said twice,
/// because these take other parameters. What else is asked of an event is said so that no index leads to it: one that seems
/// to fit better would be gone through once for each event.
macro_rules! stride {
    ($from:expr, $condition:literal, $from_again:expr, $again:literal) => {
        (
            list_log!(
                concat!(
                    "(SELECT n.seq FROM ",
                    $from,
                    " n WHERE ",
                    $condition,
                    " AND n.seq < $1 AND n.seq >= $2 ORDER BY n.seq DESC LIMIT ",
                    stride_length!(),
                    ") s JOIN audit_events e ON e.seq = s.seq"
                ),
                "(e.action || '' = $3 OR $3 = '')",
                "(e.actor_id || '' = $4 OR $4 = '')",
                "(e.object_id || '' = $5 OR $5 = '')",
                "(e.result || '' = $6 OR $6 = '')"
            ),
            concat!(
                "SELECT n.seq FROM ",
                $from_again,
                " n WHERE ",
                $again,
                " AND n.seq < $1 AND n.seq >= $2 ORDER BY n.seq DESC LIMIT 1 OFFSET ",
                stride_length!(),
                " - 1"
            ),
        )
    };
}

/// The last events of an object of one kind.
macro_rules! of_kind {
    ($kind:literal, $object:literal) => {
        concat!(
            "SELECT o.seq FROM (SELECT seq FROM audit_events WHERE object_type = '",
            $kind,
            "' AND object_id = ",
            $object,
            " AND seq < $1 AND seq >= $2 ORDER BY seq DESC LIMIT ",
            stride_length!(),
            ") o"
        )
    };
}

/// The same of whatever kind it is: by its id alone no index leads to it.
macro_rules! of_object {
    ($object:literal) => {
        concat!(
            "(",
            of_kind!("token", $object),
            " UNION ALL ",
            of_kind!("user", $object),
            " UNION ALL ",
            of_kind!("session", $object),
            " UNION ALL ",
            of_kind!("key", $object),
            " UNION ALL ",
            of_kind!("provider", $object),
            ")"
        )
    };
}

type Stride = (&'static str, &'static str);

const OF_USER: Stride = stride!("audit_of_users", "n.user_id = $8", "audit_of_users", "n.user_id = $3");
const OF_OBJECT: Stride = stride!(of_object!("$5"), "TRUE", of_object!("$3"), "TRUE");
const BY_ACTOR: Stride = stride!("audit_events", "n.actor_id = $4", "audit_events", "n.actor_id = $3");
const BY_ACTION: Stride = stride!("audit_events", "n.action = $3", "audit_events", "n.action = $3");
const FIND_LAST: &str = "SELECT coalesce(max(seq), 0) FROM audit_events";

#[cfg(test)]
pub(in crate::server::store) const STATEMENTS: &[&str] =
    &[OF_USER.0, OF_USER.1, OF_OBJECT.0, OF_OBJECT.1, BY_ACTOR.0, BY_ACTOR.1, BY_ACTION.0, BY_ACTION.1, FIND_LAST];

/// What a walk has found.
#[derive(Debug, Default)]
pub struct LogPart {
    /// Events that fit, newest first.
    pub rows: Vec<LogRow>,
    /// Where to go on; nowhere at the end.
    pub on: Option<i64>,
}

impl Db {
    /// Events before a number, newest first, at most so many; before the end of the log where none is given. Where they may be
    /// rare among those that an index leads to, it looks at some of these and says where to go on.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn walk_log(&self, filter: &LogFilter, before: Option<i64>, limit: u32) -> Result<LogPart, StoreError> {
        let stride = filter.stride();
        let before = match before {
            // What is written between the two questions of a stride would move its end.
            None if stride.is_some() => Some(self.end_of_log().await?),
            before => before,
        };
        let Some((first, end)) = self.range(filter, before).await? else { return Ok(LogPart::default()) };
        let statement = stride.map_or_else(|| filter.statement(), |(list, _)| list);
        let mut rows = self.list_within(statement, filter, first, end, limit + 1).await?;
        if rows.len() > limit as usize {
            rows.truncate(limit as usize);
            let on = rows.last().map(|row| row.placed.event.seq);
            return Ok(LogPart { rows, on });
        }
        let Some((_, ending)) = stride else { return Ok(LogPart { rows, on: None }) };
        let asked = filter.bind_leading(query(ending).bind(end).bind(first));
        let on: Option<(i64,)> = asked.fetch_optional(self.reader()).await?;
        Ok(LogPart { rows, on: on.map(|(seq,)| seq) })
    }

    /// The number that the next event will have.
    async fn end_of_log(&self) -> Result<i64, StoreError> {
        let (last,): (i64,) = query(FIND_LAST).fetch_one(self.reader()).await?;
        Ok(last + 1)
    }
}

impl LogFilter {
    /// How to look for what is asked for, where what an index leads to may be very many of which few fit.
    fn stride(&self) -> Option<Stride> {
        let further =
            [&self.action, &self.actor, &self.object, &self.result].iter().filter(|text| !text.is_empty()).count();
        match self.lead() {
            Lead::User if further > 0 => Some(OF_USER),
            // Events of several kinds of objects are not in order.
            Lead::Object => Some(OF_OBJECT),
            Lead::Actor if further > 1 => Some(BY_ACTOR),
            Lead::Action if further > 1 => Some(BY_ACTION),
            _ => None,
        }
    }

    /// Binds what the index leads to.
    fn bind_leading(&self, query: Query) -> Query {
        match self.lead() {
            Lead::Object => query.bind(&self.object),
            Lead::Actor => query.bind(&self.actor),
            Lead::Action => query.bind(&self.action),
            _ => query.bind(self.user.map(UserId::as_uuid)),
        }
    }
}
