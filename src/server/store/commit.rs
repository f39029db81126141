//! Transactions that change something, and who has to know of it.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use sqlx::sqlite::SqliteConnection;
use sqlx::{Sqlite, Transaction};

use super::{Db, StoreError};
use crate::domain::id::{TokenId, UserId};

/// Whose standing a change may have altered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touched {
    /// Nobody's: sessions, last uses, records.
    Nothing,
    /// One token's: it was made, changed, regenerated or ended.
    Token(TokenId),
    /// That of everything a user owns.
    Owner(UserId),
    /// Nobody knows: it came from outside of this process.
    Everything,
}

/// Somebody who remembers what the database says and has to forget it in time.
pub trait Watcher: Send + Sync {
    /// Is called after a change was written and before anybody is told that it was. Also when nobody can say whether it
    /// was written.
    fn touched(&self, what: Touched);
}

/// Remembers nothing.
#[derive(Clone, Copy, Debug)]
pub struct NoWatcher;

impl Watcher for NoWatcher {
    fn touched(&self, _: Touched) {}
}

/// A transaction of the one writer. It can only be committed by [`Db::commit`], which asks what was touched.
pub(super) struct Change(Transaction<'static, Sqlite>);

impl Deref for Change {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.0
    }
}

impl DerefMut for Change {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.0
    }
}

impl Db {
    /// Takes the writer at once, so that nothing read in the transaction can change before it commits.
    pub(super) async fn begin(&self) -> Result<Change, StoreError> {
        Ok(Change(self.writer().begin_with("BEGIN IMMEDIATE").await?))
    }

    /// Commits, and lets the watcher forget before it returns.
    ///
    /// # Errors
    /// When the change was not written, or nobody knows.
    pub(super) async fn commit(&self, change: Change, touched: Touched) -> Result<(), StoreError> {
        let watcher = Arc::clone(&self.watcher);
        // A task of its own: whoever asked may go away in the middle, and a commit without its forgetting would leave the
        // old state in memory.
        let committed = tokio::spawn(async move {
            let committed = change.0.commit().await;
            watcher.touched(touched);
            committed
        });
        Ok(committed.await.map_err(StoreError::corrupt)??)
    }
}
