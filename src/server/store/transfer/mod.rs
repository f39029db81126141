//! Moving an installation from a SQLite file to PostgreSQL: all of it in one transaction, or nothing.

mod tables;

use futures_util::TryStreamExt as _;
use sqlx::postgres::{PgArguments, PgConnection};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Arguments as _, AssertSqlSafe, Row as _};
use thiserror::Error;
use uuid::Uuid;

use super::commit::Change;
use super::query::PATIENCE;
use super::{Db, Engine, PlacedEvent, StoreError, Touched, audit};
use crate::domain::audit::{Broken, Draft, Verifier};
use crate::domain::time::Timestamp;
use tables::{TABLES, Table};

/// Rows that travel together.
const BATCH: usize = 1_000;
/// Events that are looked at together.
const EVENTS: i64 = 1_000;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Int,
    Text,
    Bytes,
    Id,
}

impl Kind {
    const fn array(self) -> &'static str {
        match self {
            Self::Int => "BIGINT[]",
            Self::Text => "TEXT[]",
            Self::Bytes => "BYTEA[]",
            Self::Id => "UUID[]",
        }
    }
}

/// Why an installation was not moved.
#[derive(Debug, Error)]
pub enum TransferError {
    /// One of the databases cannot be used.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// Only from SQLite to PostgreSQL.
    #[error("an installation can be moved from SQLite to PostgreSQL, and no other way")]
    Direction,
    /// There is one in the target.
    #[error("there are {count} rows in {table} of the target. Please give an empty database")]
    NotEmpty {
        /// Where.
        table: &'static str,
        /// How many.
        count: i64,
    },
    /// Rows got lost.
    #[error("{table}: {read} rows were read and {written} are there. Nothing was moved")]
    Count {
        /// Where.
        table: &'static str,
        /// In the source.
        read: i64,
        /// In the target.
        written: i64,
    },
    /// The last answer did not come.
    #[error(
        "nobody knows whether it was moved, because the database did not say so ({0}). It was if an event \
         \"store.migrated\" is there; if not, please try again"
    )]
    Unconfirmed(StoreError),
    /// The audit log is not what it was.
    #[error("the audit log is broken: {0}. Nothing was moved")]
    Chain(#[from] Broken),
}

impl From<sqlx::Error> for TransferError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The table.
    pub table: &'static str,
    /// Rows that were moved.
    pub done: i64,
    /// Rows that there are.
    pub total: i64,
}

/// Nobody else may begin a change meanwhile. What a server that stops in the middle has done is undone by the database.
const BEGIN: &str = "
    BEGIN;
    SET LOCAL idle_in_transaction_session_timeout = '1min';
    SELECT seq FROM change_head FOR UPDATE";
/// Replicas that look at the target find a gap, and begin anew.
const SKIP_NUMBER: &str = "UPDATE change_head SET seq = seq + 1";

impl Db {
    /// Moves everything to another database, which must be empty, and writes one more event there. Says now and then how
    /// far it is.
    ///
    /// # Errors
    /// When it was not moved; then the target is as it was.
    pub async fn transfer_to(
        &self,
        target: &Self,
        draft: &Draft,
        now: Timestamp,
        mut report: impl FnMut(Progress) + Send,
    ) -> Result<(), TransferError> {
        let (Engine::Sqlite(source), Engine::Postgres(engine)) = (&self.engine, &target.engine) else {
            return Err(TransferError::Direction);
        };
        // One writer: nothing can change between the tables.
        let mut source = source.begin().await?;
        let begun = engine.clock.moment();
        let mut tx = engine.pool.begin_with(BEGIN).await?;
        require_empty(&mut tx).await?;
        for table in TABLES {
            table.set_triggers(&mut tx, false).await?;
            table.copy(&mut source, &mut tx, &mut report).await?;
            table.set_triggers(&mut tx, true).await?;
        }
        sqlx::query(SKIP_NUMBER).execute(&mut *tx).await?;
        let mut change = engine.change(tx, begun, PATIENCE, None);
        verify_chain(&mut change).await?;
        target.append(&mut change, draft, now).await?;
        target.commit(change, Touched::Everything).await.map_err(TransferError::Unconfirmed)
    }
}

/// What a server or a command makes that only started there does not count, and goes.
const MADE_AT_START: [&str; 2] = ["settings", "signing_keys"];

async fn require_empty(tx: &mut PgConnection) -> Result<(), TransferError> {
    let (made, kept): (Vec<_>, Vec<_>) = TABLES.iter().partition(|table| MADE_AT_START.contains(&table.name));
    for table in kept {
        let count = table.count_there(tx).await?;
        if count > 0 {
            return Err(TransferError::NotEmpty { table: table.name, count });
        }
    }
    for table in made {
        table.set_triggers(tx, false).await?;
        sqlx::query(AssertSqlSafe(format!("DELETE FROM {}", table.name))).execute(&mut *tx).await?;
        table.set_triggers(tx, true).await?;
    }
    Ok(())
}

impl Table {
    /// They guard what people change. What is moved was guarded when it was made, and has to arrive as it is.
    async fn set_triggers(&self, tx: &mut PgConnection, on: bool) -> Result<(), sqlx::Error> {
        let verb = if on { "ENABLE" } else { "DISABLE" };
        let sql = AssertSqlSafe(format!("ALTER TABLE {} {verb} TRIGGER USER", self.name));
        sqlx::query(sql).execute(tx).await.map(drop)
    }

    async fn copy(
        &self,
        source: &mut SqliteConnection,
        tx: &mut PgConnection,
        report: &mut (impl FnMut(Progress) + Send),
    ) -> Result<(), TransferError> {
        let total: i64 = sqlx::query_scalar(self.counting()).fetch_one(&mut *source).await?;
        let mut done = 0;
        let mut rows = sqlx::query(self.reading()).fetch(source).try_chunks(BATCH);
        while let Some(chunk) = rows.try_next().await.map_err(|error| error.1)? {
            sqlx::query_with(self.writing(), self.columns_of(&chunk)?).execute(&mut *tx).await?;
            done += i64::try_from(chunk.len()).unwrap_or(i64::MAX);
            report(Progress { table: self.name, done, total });
        }
        let written = self.count_there(tx).await?;
        if written == total { Ok(()) } else { Err(TransferError::Count { table: self.name, read: total, written }) }
    }

    async fn count_there(&self, tx: &mut PgConnection) -> Result<i64, sqlx::Error> {
        sqlx::query_scalar(self.counting()).fetch_one(tx).await
    }

    fn counting(&self) -> AssertSqlSafe<String> {
        AssertSqlSafe(format!("SELECT count(*) FROM {}", self.name))
    }

    fn reading(&self) -> AssertSqlSafe<String> {
        AssertSqlSafe(format!("SELECT {} FROM {}", self.names(), self.name))
    }

    fn writing(&self) -> AssertSqlSafe<String> {
        let arrays = self.columns.iter().enumerate();
        let arrays: Vec<_> = arrays.map(|(index, (_, kind))| format!("${}::{}", index + 1, kind.array())).collect();
        AssertSqlSafe(format!(
            "INSERT INTO {} ({}) SELECT * FROM unnest({})",
            self.name,
            self.names(),
            arrays.join(", ")
        ))
    }

    fn names(&self) -> String {
        self.columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    }

    /// Rows, column by column.
    fn columns_of(&self, rows: &[SqliteRow]) -> Result<PgArguments, TransferError> {
        let mut arguments = PgArguments::default();
        for (index, (_, kind)) in self.columns.iter().enumerate() {
            let added = match kind {
                Kind::Int => arguments.add(column::<i64>(rows, index)?),
                Kind::Text => arguments.add(column::<String>(rows, index)?),
                Kind::Bytes => arguments.add(column::<Vec<u8>>(rows, index)?),
                Kind::Id => arguments.add(column::<Uuid>(rows, index)?),
            };
            added.map_err(StoreError::corrupt)?;
        }
        Ok(arguments)
    }
}

fn column<'r, T>(rows: &'r [SqliteRow], index: usize) -> Result<Vec<Option<T>>, sqlx::Error>
where
    T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    rows.iter().map(|row| row.try_get(index)).collect()
}

/// Whether the log is what was written.
async fn verify_chain(tx: &mut Change) -> Result<(), TransferError> {
    let mut verifier = Verifier::default();
    // From before the beginning: somebody may have put something there.
    let mut events = audit::events(&mut *tx, i64::MIN, EVENTS).await?;
    while !events.is_empty() {
        let mut values = audit::read::digests(&mut *tx, verifier.last(), EVENTS).await?;
        for PlacedEvent { event, hash } in events {
            let values = values.remove(&event.seq).unwrap_or_default();
            verifier.look(&event, hash, &values)?;
        }
        events = audit::events(&mut *tx, verifier.last(), EVENTS).await?;
    }
    Ok(verifier.finish().map(drop)?)
}
