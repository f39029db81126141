//! The database. SQL lives here and nowhere else.
//!
//! Every method is one statement or one transaction; transactions do not leak. A change and its audit event are
//! written together or not at all.

mod audit;
mod census;
mod changes;
mod commit;
mod error;
mod inventory;
mod notices;
mod people;
mod pool;
mod postgres;
mod query;
mod rewinds;
mod row;
mod schema;
mod sessions;
mod settings;
mod signing_keys;
mod sole;
mod sound;
mod sqlite;
mod standing;
mod tokens;
mod transfer;
mod usage;
mod users;

#[cfg(test)]
mod conformance;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use metrics::{Counter, Histogram};

use crate::domain::entropy::Entropy;
use crate::domain::time::Timestamp;

use postgres::Postgres;
use query::{Target, query};
use sqlite::Sqlite;

pub use audit::read::{LogFilter, LogRow};
pub use audit::upkeep::CheckpointRow;
pub use audit::walk::LogPart;
pub use audit::{HistoryRow, PlacedEvent};
pub use census::{Census, CensusRules};
pub use changes::{Announcements, Changes, Doubt, Noted};
pub use commit::{NoWatcher, Touched, Watcher};
pub use error::StoreError;
pub use inventory::{FEW, InventoryFilter, Located, Mark, MarkKey, Order, OwnedToken, Walked};
pub use notices::Notice;
pub use people::{COUNTED_MAX, PeopleFilter, PersonRow};
pub use postgres::PostgresPlace;
pub use rewinds::{Lost, Rewind};
pub use sessions::{NewSession, SessionRow};
pub use signing_keys::{NewSigningKey, SigningKeyRow};
pub use sole::SoleServer;
pub use sound::Warrant;
pub use standing::StateRules;
pub use tokens::{
    AddOutcome, ChangeOutcome, CheckRow, Edit, NewSecret, NewToken, SecretRow, TokenKey, TokenPage, TokenRow,
};
pub use transfer::{Progress, TransferError};
pub use usage::{HmacBackfill, Use};
pub use users::{Arrival, LoginRow};

/// Longest wait for a connection: past that the store counts as gone.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(1);
/// The database of one installation.
#[derive(Clone)]
pub struct Db {
    engine: Engine,
    meters: Meters,
    entropy: Arc<dyn Entropy>,
    replica: Arc<str>,
    watcher: Arc<dyn Watcher>,
}

#[derive(Clone)]
enum Engine {
    Sqlite(Sqlite),
    Postgres(Arc<Postgres>),
}

/// What is counted and measured.
#[derive(Clone)]
pub struct Meters {
    /// Statements and transactions asked of the database.
    pub queries: Counter,
    /// Seconds from the commit of a change until it held on every replica.
    pub propagation: Histogram,
}

impl Meters {
    /// Nobody looks.
    #[must_use]
    pub const fn none() -> Self {
        Self { queries: Counter::noop(), propagation: Histogram::noop() }
    }
}

/// Where a database is.
#[derive(Clone, Copy)]
pub enum Place<'a> {
    /// In a file that one server has to itself.
    Sqlite(&'a Path),
    /// On a server that several can share.
    Postgres(&'a PostgresPlace),
}

/// What a database is opened with.
pub struct DbOptions<'a> {
    /// Where it is.
    pub place: Place<'a>,
    /// Most connections; with SQLite, those that read.
    pub connections: u32,
    /// Salts and ids of audit events.
    pub entropy: Arc<dyn Entropy>,
    /// Names this process in audit events.
    pub replica: &'a str,
    /// Counts and measures.
    pub meters: Meters,
    /// Who has to know of changes.
    pub watcher: Arc<dyn Watcher>,
}

impl std::fmt::Debug for DbOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DbOptions").field("replica", &self.replica).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Db").field("replica", &self.replica).finish_non_exhaustive()
    }
}

impl Db {
    /// Opens a database and brings its schema up to date. A SQLite file that is not there is made, with mode 0600.
    ///
    /// # Errors
    /// When it cannot be opened or its schema is not ours.
    pub async fn open(options: DbOptions<'_>) -> Result<Self, StoreError> {
        let DbOptions { place, connections, entropy, replica, meters, watcher } = options;
        let engine = match place {
            Place::Sqlite(path) => Engine::Sqlite(Sqlite::open(path, connections, &watcher).await?),
            Place::Postgres(place) => Engine::Postgres(Arc::new(Postgres::open(place, connections).await?)),
        };
        Ok(Self { engine, meters, entropy, replica: replica.into(), watcher })
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        query(PING).execute(self.reader()).await?;
        Ok(())
    }

    /// What time it is for the database, where it has a clock of its own.
    ///
    /// # Errors
    /// When it does not answer, or must not be used for changes.
    pub async fn examine(&self, warrant: Warrant) -> Result<Option<Timestamp>, StoreError> {
        match &self.engine {
            Engine::Sqlite(_) => self.ping().await.map(|()| None),
            Engine::Postgres(engine) => {
                self.meters.queries.increment(1);
                engine.examine(warrant).await.map(Some)
            }
        }
    }

    /// The earlier of this server's time and the database's: what cannot be taken back must be due by both clocks, for
    /// everybody who uses the same database suffers from one that is wrong.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn surely(&self, now: Timestamp) -> Result<Timestamp, StoreError> {
        if !self.is_shared() {
            return Ok(now);
        }
        let (there,): (i64,) = query(usage::DATABASE_TIME).fetch_one(self.reader()).await?;
        Ok(now.min(Timestamp::from_micros(there)))
    }

    /// Whether other servers may use the same database.
    #[must_use]
    pub const fn is_shared(&self) -> bool {
        matches!(self.engine, Engine::Postgres(_))
    }

    /// Finishes what is under way and closes the database.
    pub async fn close(&self) {
        match &self.engine {
            Engine::Sqlite(engine) => {
                engine.read.close().await;
                engine.write.close().await;
            }
            Engine::Postgres(engine) => engine.pool.close().await,
        }
    }

    fn reader(&self) -> Target<'_> {
        self.meters.queries.increment(1);
        match &self.engine {
            Engine::Sqlite(engine) => Target::SqlitePool(&engine.read),
            Engine::Postgres(engine) => engine.target(),
        }
    }

    fn writer(&self) -> Target<'_> {
        self.meters.queries.increment(1);
        match &self.engine {
            Engine::Sqlite(engine) => Target::SqlitePool(&engine.write),
            Engine::Postgres(engine) => engine.target(),
        }
    }
}

const PING: &str = "SELECT 1 FROM settings LIMIT 1";
