//! What a verdict depends on, with whether the database that says so is the one to be believed: it was not put back to an
//! earlier state, and no other one has taken its place.

use sqlx::{ColumnIndex, Decode, FromRow, Row, Type};

use super::query::{Columns, Query, query};
use super::{Db, Engine, StoreError};

/// Whether the database is the one in which a change was seen, nobody doubts it, and it has not outgrown this program.
macro_rules! is_sound {
    ($seq:literal, $mark:literal) => {
        concat!(
            "(SELECT (",
            $crate::server::store::changes::is_known!($seq, $mark),
            " OR ",
            $seq,
            " <= acknowledged) AND NOT EXISTS (SELECT 1 FROM rewinds r WHERE r.applied > acknowledged)
            AND current_setting('transaction_read_only') = 'off' AND ",
            $crate::server::store::schema::is_borne!(),
            " FROM change_head)"
        )
    };
}
pub(super) use is_sound;

/// The same, with a write for which a standby has to be waited for.
macro_rules! is_sound_with_write {
    ($seq:literal, $mark:literal) => {
        concat!(
            $crate::server::store::sound::is_sound!($seq, $mark),
            " AND ",
            $crate::server::store::postgres::is_sync!(),
            " AND ",
            $crate::server::store::postgres::written!()
        )
    };
}
pub(super) use is_sound_with_write;

/// What speaks for an answer of the database: that it is not one whose place another has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warrant {
    /// A lease that runs from before the question to after the answer: whoever takes the place of the database confirms no
    /// change before it is over.
    Lease,
    /// Where commits wait for a standby, one that was begun with the question.
    Commit,
}

/// A question in two forms: as it is, and with a write. Each is answered by at least one row, which says whether it is
/// sound and whether anything was found.
pub(super) struct Statements {
    pub plain: &'static str,
    pub with_write: &'static str,
}

/// One row of an answer.
struct Told<T> {
    is_sound: bool,
    found: Option<T>,
}

impl<'r, R, T> FromRow<'r, R> for Told<T>
where
    R: Row,
    &'static str: ColumnIndex<R>,
    bool: Decode<'r, R::Database> + Type<R::Database>,
    T: FromRow<'r, R>,
{
    fn from_row(row: &'r R) -> sqlx::Result<Self> {
        let is_found: bool = row.try_get("is_found")?;
        let found = is_found.then(|| T::from_row(row)).transpose()?;
        Ok(Self { is_sound: row.try_get("is_sound")?, found })
    }
}

impl Db {
    /// Asks a shared database what a verdict depends on.
    pub(super) async fn ask_soundly<T: Columns>(
        &self,
        statements: Statements,
        warrant: Warrant,
        bind: impl FnOnce(Query) -> Query,
    ) -> Result<Vec<T>, StoreError> {
        let told: Vec<Told<T>> = match &self.engine {
            Engine::Postgres(engine) if engine.needs_a_standby(warrant) => {
                let asked = bind(query(statements.with_write));
                engine.behind_a_standby(|| asked.fetch_all(self.reader())).await?
            }
            _ => bind(query(statements.plain)).fetch_all(self.reader()).await?,
        };
        if told.iter().all(|row| row.is_sound) {
            return Ok(told.into_iter().filter_map(|row| row.found).collect());
        }
        // The next look will find out more.
        Err(StoreError::corrupt("it is not the database that was seen before, or commits wait for no standby"))
    }
}
