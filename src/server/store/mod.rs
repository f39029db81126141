//! The database. SQL lives here and nowhere else.
//!
//! Every method is one statement or one transaction; transactions do not leak. A change and its audit event are
//! written together or not at all.

mod audit;
mod census;
mod error;
mod row;
mod sessions;
mod settings;
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
use sqlx::{Sqlite, Transaction};

use crate::domain::entropy::Entropy;

pub use audit::{HistoryRow, PlacedEvent};
pub use census::{Census, CensusRules};
pub use error::StoreError;
pub use sessions::{NewSession, SessionRow};
pub use tokens::{
    AddOutcome, ChangeOutcome, CheckRow, Edit, NewSecret, NewToken, SecretRow, TokenKey, TokenPage, TokenRow,
};
pub use usage::{HmacBackfill, Use};
pub use users::LoginRow;

/// Longest wait for a connection: past that the store counts as gone.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(1);
/// Longest wait for another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_millis(800);

/// The database of one installation.
#[derive(Clone)]
pub struct Db {
    read: SqlitePool,
    write: SqlitePool,
    queries: Counter,
    entropy: Arc<dyn Entropy>,
    replica: Arc<str>,
}

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Db").field("replica", &self.replica).finish_non_exhaustive()
    }
}

impl Db {
    /// Opens a SQLite file that exists, or makes an empty one with mode 0600, and brings its schema up to date.
    ///
    /// `replica` names this process in audit events; `queries` counts what is asked.
    ///
    /// # Errors
    /// When the file cannot be opened or its schema is not ours.
    pub async fn open(
        path: &Path,
        readers: u32,
        entropy: Arc<dyn Entropy>,
        replica: &str,
        queries: Counter,
    ) -> Result<Self, StoreError> {
        create_private(path).map_err(|error| StoreError::corrupt(format!("{}: {error}", path.display())))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            // A committed revocation must survive a power cut.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        let pool = || SqlitePoolOptions::new().acquire_timeout(ACQUIRE_TIMEOUT);
        // One writer: SQLite has no more, and waiting for the connection is fairer than for the lock.
        let write = pool().max_connections(1).connect_with(options.clone()).await?;
        sqlx::migrate!("migrations/sqlite").run(&write).await?;
        let read = pool().max_connections(readers).connect_with(options).await?;
        Ok(Self { read, write, queries, entropy, replica: replica.into() })
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

    /// Takes the writer at once, so that nothing read in the transaction can change before it commits.
    async fn begin(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        Ok(self.writer().begin_with("BEGIN IMMEDIATE").await?)
    }
}

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
