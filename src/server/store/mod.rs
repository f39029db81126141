//! The database. SQL lives here and nowhere else.
//!
//! Every method is one statement or one transaction; transactions do not leak. A change and its audit event are
//! written together or not at all.

mod audit;
mod census;
mod commit;
mod error;
mod notices;
mod row;
mod sessions;
mod settings;
mod signing_keys;
mod sole;
mod tokens;
mod usage;
mod users;

#[cfg(test)]
mod conformance;

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use metrics::Counter;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};

use crate::domain::entropy::Entropy;

pub use audit::{HistoryRow, PlacedEvent};
pub use census::{Census, CensusRules};
pub use commit::{NoWatcher, Touched, Watcher};
pub use error::StoreError;
pub use notices::Notice;
pub use sessions::{NewSession, SessionRow};
pub use signing_keys::{NewSigningKey, SigningKeyRow};
pub use sole::SoleServer;
pub use tokens::{
    AddOutcome, ChangeOutcome, CheckRow, Edit, NewSecret, NewToken, SecretRow, TokenKey, TokenPage, TokenRow,
};
pub use usage::{HmacBackfill, Use};
pub use users::LoginRow;

/// Longest wait for a connection: past that the store counts as gone.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(1);
/// Longest wait for another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_millis(800);

/// What each connection holds of the file, as SQLite counts: this many KiB. What is read often is held as rows, and the
/// system holds the file.
const PAGE_CACHE: &str = "-256";

/// The database of one installation.
#[derive(Clone)]
pub struct Db {
    read: SqlitePool,
    write: SqlitePool,
    queries: Counter,
    entropy: Arc<dyn Entropy>,
    replica: Arc<str>,
    watcher: Arc<dyn Watcher>,
}

/// What a database is opened with.
pub struct DbOptions<'a> {
    /// The SQLite file.
    pub path: &'a Path,
    /// Most connections that read.
    pub readers: u32,
    /// Salts and ids of audit events.
    pub entropy: Arc<dyn Entropy>,
    /// Names this process in audit events.
    pub replica: &'a str,
    /// Counts what is asked.
    pub queries: Counter,
    /// Who has to know of changes.
    pub watcher: Arc<dyn Watcher>,
}

impl std::fmt::Debug for DbOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DbOptions").field("path", &self.path).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Db").field("replica", &self.replica).finish_non_exhaustive()
    }
}

impl Db {
    /// Opens a SQLite file that exists, or makes an empty one with mode 0600, and brings its schema up to date.
    ///
    /// # Errors
    /// When the file cannot be opened or its schema is not ours.
    pub async fn open(options: DbOptions<'_>) -> Result<Self, StoreError> {
        let DbOptions { path, readers, entropy, replica, queries, watcher } = options;
        create_private(path).map_err(|error| StoreError::corrupt(format!("{}: {error}", path.display())))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            // A committed revocation must survive a power cut.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .pragma("cache_size", PAGE_CACHE)
            .busy_timeout(BUSY_TIMEOUT);
        let write = writer_pool(&watcher).connect_with(options.clone()).await?;
        sqlx::migrate!("migrations/sqlite").run(&write).await?;
        let read = SqlitePoolOptions::new().acquire_timeout(ACQUIRE_TIMEOUT).max_connections(readers);
        Ok(Self { read: read.connect_with(options).await?, write, queries, entropy, replica: replica.into(), watcher })
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query(PING).execute(self.reader()).await?;
        Ok(())
    }

    /// Finishes what is under way and closes the file.
    pub async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }

    fn reader(&self) -> &SqlitePool {
        self.queries.increment(1);
        &self.read
    }

    fn writer(&self) -> &SqlitePool {
        self.queries.increment(1);
        &self.write
    }

    /// A number that grows when anybody but our own writer commits. Only the writer's connection can tell: for every
    /// other one our own commits are somebody else's.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn outside_version(&self) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar(OUTSIDE_VERSION).fetch_one(&self.write).await?)
    }
}

/// One writer: SQLite has no more, and waiting for the connection is fairer than for the lock. It is kept for as long as
/// it works, because [`Db::outside_version`] compares only within one connection; with a new one nothing is known.
fn writer_pool(watcher: &Arc<dyn Watcher>) -> SqlitePoolOptions {
    let watcher = Arc::clone(watcher);
    SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .after_connect(move |_, _| {
            watcher.touched(Touched::Everything);
            Box::pin(std::future::ready(Ok(())))
        })
}

const OUTSIDE_VERSION: &str = "PRAGMA data_version";
const PING: &str = "SELECT 1 FROM settings LIMIT 1";

fn create_private(path: &Path) -> std::io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}
