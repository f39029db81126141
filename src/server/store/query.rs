//! One text of SQL for both engines: a statement with its values, and where it runs.

use std::future::Future;
use std::time::Duration;

use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArguments, PgConnection, PgPool, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqlitePool, SqliteRow};
use sqlx::{Arguments, Encode, FromRow, Type};
use uuid::Uuid;

use super::StoreError;
use super::error::Late;
use crate::domain::time::Timestamp;

/// A statement with `$1`, `$2` … for its values.
pub(super) const fn query(sql: &'static str) -> Query {
    Query { sql, values: Vec::new(), patience: ANSWER_TIMEOUT }
}

/// A statement and its values.
pub(super) struct Query {
    sql: &'static str,
    values: Vec<Value>,
    patience: Duration,
}

/// A value of one of the types that columns have. An absent one keeps its type: PostgreSQL wants to know it.
pub(super) enum Value {
    Int(Option<i64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
    Id(Option<Uuid>),
    /// A list; only PostgreSQL has such values.
    List(List),
}

/// A list of values of one type.
pub(super) enum List {
    Ints(Vec<i64>),
    Texts(Vec<Option<String>>),
    Ids(Vec<Uuid>),
}

/// A row as a type, whichever engine it comes from.
pub(super) trait Columns: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

impl<T> Columns for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

/// Longest wait for an answer over the network.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_millis(900);
/// The same where nobody waits and there is much to count.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);

/// Begins one statement of its own behind a pooler. Whoever is cut off in the middle keeps a session of the database and
/// what it has locked, so the database gives up on it.
const BEGIN: &str = "
    BEGIN;
    SET LOCAL application_name = 'hallpass, one statement';
    SET LOCAL lock_timeout = '800ms';
    SET LOCAL idle_in_transaction_session_timeout = '500ms'";

/// Gives up on an answer that does not come.
pub(super) async fn within<T>(
    patience: Duration,
    answer: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(patience, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(StoreError::corrupt(Late(patience))),
    }
}

/// Where a statement runs: on any connection of a pool, or on the one of a transaction.
pub(super) enum Target<'c> {
    SqlitePool(&'c SqlitePool),
    Sqlite(&'c mut SqliteConnection),
    PostgresPool(&'c PgPool, Route),
    Postgres(&'c mut PgConnection, Route),
}

impl super::Db {
    /// Numbers as a list for this engine: SQLite takes them as JSON.
    pub(super) fn numbers(&self, numbers: &[i64]) -> Result<Value, StoreError> {
        Ok(if self.is_shared() { numbers.to_vec().into() } else { serde_json::to_string(numbers)?.into() })
    }

    /// Ids as a list for this engine: SQLite takes them as JSON, in hexadecimal.
    pub(super) fn ids(&self, ids: &[Uuid]) -> Result<Value, StoreError> {
        if self.is_shared() {
            return Ok(ids.to_vec().into());
        }
        let hex: Vec<_> = ids.iter().map(|id| id.simple().to_string()).collect();
        Ok(serde_json::to_string(&hex)?.into())
    }
}

/// How PostgreSQL is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// A connection leads to one session, which keeps prepared statements.
    Direct,
    /// Through a pooler, which gives each transaction another session: what belongs together has to be in one, and nothing
    /// is kept.
    Pooler,
}

impl Route {
    fn keeps_statements(self) -> bool {
        self == Self::Direct
    }
}

/// Runs the same on each engine, with the values in its own form. In boxes: there are four ways, and a caller is waiting
/// in one of them.
macro_rules! run {
    ($query:expr, $target:expr, $prepare:ident, $run:ident $(, $then:ident)?) => {{
        let Query { sql, values, patience } = $query;
        match $target.into() {
            Target::SqlitePool(pool) => {
                Box::pin(sqlx::$prepare(sql, arguments::<SqliteArguments>(values)?).$run(pool)).await?$(.$then())?
            }
            Target::Sqlite(one) => {
                Box::pin(sqlx::$prepare(sql, arguments::<SqliteArguments>(values)?).$run(one)).await?$(.$then())?
            }
            Target::PostgresPool(pool, Route::Direct) => {
                let asked = Box::pin(sqlx::$prepare(sql, arguments::<PgArguments>(values)?).$run(pool));
                within(patience, asked).await?$(.$then())?
            }
            Target::PostgresPool(pool, Route::Pooler) => {
                let asked = sqlx::$prepare(sql, arguments::<PgArguments>(values)?).persistent(false);
                let alone = Box::pin(async {
                    let mut transaction = pool.begin_with(BEGIN).await?;
                    let done = asked.$run(&mut *transaction).await?;
                    transaction.commit().await?;
                    Ok(done)
                });
                within(patience, alone).await?$(.$then())?
            }
            Target::Postgres(one, route) => {
                let asked = sqlx::$prepare(sql, arguments::<PgArguments>(values)?);
                let asked = Box::pin(asked.persistent(route.keeps_statements()).$run(one));
                within(patience, asked).await?$(.$then())?
            }
        }
    }};
}

impl Query {
    /// With the next value.
    pub fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Waits long for the answer.
    pub const fn patiently(mut self) -> Self {
        self.patience = PATIENCE;
        self
    }

    /// Runs it. How many rows it changed.
    pub async fn execute(self, target: impl Into<Target<'_>>) -> Result<u64, StoreError> {
        Ok(run!(self, target, query_with, execute, rows_affected))
    }

    /// The one row that there must be.
    pub async fn fetch_one<T: Columns>(self, target: impl Into<Target<'_>>) -> Result<T, StoreError> {
        Ok(run!(self, target, query_as_with, fetch_one))
    }

    /// The row, if there is one.
    pub async fn fetch_optional<T: Columns>(self, target: impl Into<Target<'_>>) -> Result<Option<T>, StoreError> {
        Ok(run!(self, target, query_as_with, fetch_optional))
    }

    /// All rows.
    pub async fn fetch_all<T: Columns>(self, target: impl Into<Target<'_>>) -> Result<Vec<T>, StoreError> {
        Ok(run!(self, target, query_as_with, fetch_all))
    }
}

/// The values as an engine takes them.
fn arguments<A>(values: Vec<Value>) -> Result<A, StoreError>
where
    A: Arguments,
    Option<i64>: Encode<'static, A::Database> + Type<A::Database>,
    Option<String>: Encode<'static, A::Database> + Type<A::Database>,
    Option<Vec<u8>>: Encode<'static, A::Database> + Type<A::Database>,
    Option<Uuid>: Encode<'static, A::Database> + Type<A::Database>,
    A: Lists,
{
    let mut arguments = A::default();
    for value in values {
        let added = match value {
            Value::Int(value) => arguments.add(value),
            Value::Text(value) => arguments.add(value),
            Value::Bytes(value) => arguments.add(value),
            Value::Id(value) => arguments.add(value),
            Value::List(list) => arguments.add_list(list),
        };
        added.map_err(StoreError::corrupt)?;
    }
    Ok(arguments)
}

/// Whether an engine has lists.
trait Lists {
    fn add_list(&mut self, list: List) -> Result<(), BoxDynError>;
}

impl Lists for PgArguments {
    fn add_list(&mut self, list: List) -> Result<(), BoxDynError> {
        match list {
            List::Ints(values) => self.add(values),
            List::Texts(values) => self.add(values),
            List::Ids(values) => self.add(values),
        }
    }
}

impl Lists for SqliteArguments {
    fn add_list(&mut self, _: List) -> Result<(), BoxDynError> {
        Err("SQLite has no lists".into())
    }
}

/// What may be bound, and the column type that it becomes.
macro_rules! value_from {
    ($($type:ty => $variant:ident, $value:ident => $convert:expr;)+) => {$(
        impl From<$type> for Value {
            fn from($value: $type) -> Self {
                Self::$variant($convert)
            }
        }
    )+};
}

value_from! {
    i64 => Int, value => Some(value);
    u32 => Int, value => Some(value.into());
    Option<i64> => Int, value => value;
    Timestamp => Int, value => Some(value.as_micros());
    Option<Timestamp> => Int, value => value.map(Timestamp::as_micros);
    &str => Text, value => Some(value.to_owned());
    &String => Text, value => Some(value.clone());
    String => Text, value => Some(value);
    Option<&str> => Text, value => value.map(str::to_owned);
    Option<String> => Text, value => value;
    &Option<String> => Text, value => value.clone();
    &[u8] => Bytes, value => Some(value.to_vec());
    &[u8; 32] => Bytes, value => Some(value.to_vec());
    Vec<u8> => Bytes, value => Some(value);
    &Vec<u8> => Bytes, value => Some(value.clone());
    Uuid => Id, value => Some(value);
    Option<Uuid> => Id, value => value;
    Vec<i64> => List, value => List::Ints(value);
    Vec<String> => List, value => List::Texts(value.into_iter().map(Some).collect());
    Vec<Option<String>> => List, value => List::Texts(value);
    Vec<Uuid> => List, value => List::Ids(value);
}
