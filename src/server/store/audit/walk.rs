//! Looking for events that are rare among many of one user, actor or action: a stride at a time.

use super::read::{LogFilter, LogRow, list_log};
use crate::server::store::query::{Query, query};
use crate::server::store::{Db, StoreError};

/// Events that one stride looks at.
macro_rules! stride_length {
    () => {
        "5000"
    };
}

/// The events of one stride that fit, and where it ends if there are more behind it.
macro_rules! stride {
    ($from:literal, $condition:literal, $again:literal) => {
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
                "(e.action = $3 OR $3 = '')",
                "(e.actor_id = $4 OR $4 = '')",
                "(e.object_id = $5 OR $5 = '')",
                "(e.result = $6 OR $6 = '')"
            ),
            concat!(
                "SELECT n.seq FROM ",
                $from,
                " n WHERE ",
                $again,
                " AND n.seq < $1 AND n.seq >= $2 ORDER BY n.seq DESC LIMIT 1 OFFSET ",
                stride_length!(),
                " - 1"
            ),
        )
    };
}

type Stride = (&'static str, &'static str);

const OF_USER: Stride = stride!("audit_of_users", "n.user_id = $8", "n.user_id = $3");
const BY_ACTOR: Stride = stride!("audit_events", "n.actor_id = $4", "n.actor_id = $3");
const BY_ACTION: Stride = stride!("audit_events", "n.action = $3", "n.action = $3");

#[cfg(test)]
pub(in crate::server::store) const STATEMENTS: &[&str] =
    &[OF_USER.0, OF_USER.1, BY_ACTOR.0, BY_ACTOR.1, BY_ACTION.0, BY_ACTION.1];

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
        let Some((first, end)) = self.range(filter, before).await? else { return Ok(LogPart::default()) };
        let stride = filter.stride();
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
}

impl LogFilter {
    /// How to look for what is asked for, where an index leads to only one of several conditions.
    fn stride(&self) -> Option<Stride> {
        let further =
            [&self.action, &self.actor, &self.object, &self.result].iter().filter(|text| !text.is_empty()).count();
        if self.in_their_place || !self.object.is_empty() && self.user.is_none() {
            None
        } else if self.user.is_some() {
            (further > 0).then_some(OF_USER)
        } else if !self.actor.is_empty() {
            (further > 1).then_some(BY_ACTOR)
        } else if !self.action.is_empty() && self.result == "done" {
            Some(BY_ACTION)
        } else {
            None
        }
    }

    /// Binds what the index leads to.
    fn bind_leading(&self, query: Query) -> Query {
        match self.user {
            Some(user) => query.bind(user.as_uuid()),
            None if !self.actor.is_empty() => query.bind(&self.actor),
            None => query.bind(&self.action),
        }
    }
}
