//! The embedded engine: a file that one server has to itself.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::Transaction;
use sqlx::sqlite::{
    Sqlite as Driver, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use tokio::sync::Mutex;

use super::changes::{Changes, Noted};
use super::{ACQUIRE_TIMEOUT, StoreError, Touched, Watcher, schema};
use crate::domain::lease::{Mark, Point, Seq};

/// Longest wait for another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_millis(800);

/// What each connection holds of the file, as SQLite counts: this many KiB. What is read often is held as rows, and the
/// system holds the file.
const PAGE_CACHE: &str = "-256";

const BEGIN: &str = "BEGIN IMMEDIATE";
pub(super) const OUTSIDE_VERSION: &str = "PRAGMA data_version";
pub(super) const EMPTY_JOURNAL: &str = "PRAGMA wal_checkpoint(TRUNCATE)";

/// One connection that writes and several that read.
#[derive(Clone)]
pub(super) struct Sqlite {
    pub read: SqlitePool,
    pub write: SqlitePool,
    outside: Arc<Mutex<Outside>>,
}

/// What was seen of the changes of others. SQLite says only that there were some, so each time counts as one change.
#[derive(Default)]
struct Outside {
    version: Option<i64>,
    changes: u64,
}

impl Sqlite {
    /// Opens a file that exists, or makes an empty one with mode 0600, and brings its schema up to date.
    pub async fn open(path: &Path, readers: u32, watcher: &Arc<dyn Watcher>) -> Result<Self, StoreError> {
        create_private(path).map_err(|error| StoreError::corrupt(format!("{}: {error}", path.display())))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            // A committed revocation must survive a power cut.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .pragma("cache_size", PAGE_CACHE)
            // What is deleted is overwritten, or an erasure would leave it in the file.
            .pragma("secure_delete", "ON")
            .busy_timeout(BUSY_TIMEOUT);
        let write = writer_pool(watcher).connect_with(options.clone()).await?;
        let migrator = schema::tolerant(sqlx::migrate!("migrations/sqlite"));
        migrator.run(&write).await?;
        schema::accept(&migrator, sqlx::query_scalar(schema::FIND_SCHEMA).fetch_one(&write).await?)?;
        let read = SqlitePoolOptions::new().acquire_timeout(ACQUIRE_TIMEOUT).max_connections(readers);
        Ok(Self { read: read.connect_with(options).await?, write, outside: Arc::default() })
    }

    /// Takes the writer at once, so that nothing read in the transaction can change before it commits.
    pub async fn begin(&self) -> Result<Transaction<'static, Driver>, StoreError> {
        match self.write.begin_with(BEGIN).await {
            // When the disk fails SQLite ends a transaction by itself, and the driver waits for its end for ever.
            Err(sqlx::Error::InvalidSavePointStatement) => {
                self.write.acquire().await?.close().await?;
                Ok(self.write.begin_with(BEGIN).await?)
            }
            begun => Ok(begun?),
        }
    }

    /// How many times somebody else was seen to have committed. Only the writer's connection can tell: for every other
    /// one our own commits are somebody else's.
    pub async fn head(&self) -> Result<Point, StoreError> {
        let mut outside = self.outside.lock().await;
        let version: i64 = sqlx::query_scalar(OUTSIDE_VERSION).fetch_one(&self.write).await?;
        if outside.version.replace(version) != Some(version) {
            outside.changes += 1;
        }
        Ok(point(outside.changes))
    }

    /// Empties the journal, which still has what was overwritten in the file. Readers that do not finish in time keep it; then
    /// later commits overwrite it little by little.
    pub async fn empty_journal(&self) -> Result<(), StoreError> {
        sqlx::query(EMPTY_JOURNAL).execute(&self.write).await?;
        Ok(())
    }

    /// What others changed since: anything.
    pub async fn list_changes(&self, after: Seq) -> Result<Changes, StoreError> {
        let head = self.head().await?;
        let noted = (after.number() + 1..=head.seq.number()).map(point);
        let noted = noted.map(|point| Noted { point, touched: Touched::Everything }).collect();
        Ok(Changes { head, noted, doubt: None })
    }
}

/// These numbers are given within one process, and need no marks.
fn point(number: u64) -> Point {
    Point { seq: Seq::new(number), mark: Mark::default() }
}

/// One writer: SQLite has no more, and waiting for the connection is fairer than for the lock. It is kept for as long as
/// it works, because [`Sqlite::head`] compares only within one connection; with a new one nothing is known.
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

fn create_private(path: &Path) -> std::io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}
