//! Transactions that change something, and who has to know of it.

use std::sync::Arc;
use std::time::Duration;

use sqlx::{Sqlite, Transaction};
use tokio::sync::OwnedSemaphorePermit;

use super::postgres::{CONFIRM, Postgres};
use super::query::{Route, Target, query, within};
use super::{Db, Engine, StoreError};
use crate::domain::id::{TokenId, UserId};
use crate::domain::lease::{Flaw, Moment, Point};

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

/// A change that others may have to be waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbered {
    /// Its place in the order.
    pub point: Point,
    /// When it was begun, on our own clock.
    pub begun: Moment,
}

/// A transaction of the one writer. It can only be committed by [`Db::commit`], which asks what was touched.
pub(super) enum Change {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres {
        transaction: Transaction<'static, sqlx::Postgres>,
        route: Route,
        begun: Moment,
        patience: Duration,
        /// Nobody else has it until this is over.
        turn: Option<OwnedSemaphorePermit>,
    },
}

impl<'c> From<&'c mut Change> for Target<'c> {
    fn from(change: &'c mut Change) -> Self {
        match change {
            Change::Sqlite(transaction) => Target::Sqlite(transaction),
            Change::Postgres { transaction, route, .. } => Target::Postgres(transaction, *route),
        }
    }
}

impl Change {
    /// When it was begun, where that matters to somebody.
    pub const fn begun(&self) -> Moment {
        match self {
            Self::Sqlite(_) => Moment::from_micros(0),
            Self::Postgres { begun, .. } => *begun,
        }
    }

    /// Commits what nobody has to be told of.
    pub async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(transaction) => Ok(transaction.commit().await?),
            Self::Postgres { transaction, patience, turn, .. } => {
                let committed = within(patience, transaction.commit()).await;
                drop(turn);
                committed.map_err(StoreError::unconfirmed)
            }
        }
    }
}

impl Db {
    /// Begins a change. No other one begins before it ends, so that nothing read in the transaction can change before it
    /// commits.
    pub(super) async fn begin(&self) -> Result<Change, StoreError> {
        self.meters.queries.increment(1);
        match &self.engine {
            Engine::Sqlite(engine) => Ok(Change::Sqlite(engine.begin().await?)),
            Engine::Postgres(engine) => engine.begin().await,
        }
    }

    /// Commits, lets the watcher forget, and returns when the change holds on every replica.
    ///
    /// # Errors
    /// When the change was not written, or nobody knows.
    pub(super) async fn commit(&self, change: Change, touched: Touched) -> Result<(), StoreError> {
        let db = self.clone();
        // A task of its own: whoever asked may go away in the middle, and a commit without its forgetting would leave the
        // old state in memory.
        let committed = tokio::spawn(async move { db.commit_and_settle(change, touched).await });
        committed.await.map_err(StoreError::corrupt)?
    }

    async fn commit_and_settle(&self, mut change: Change, touched: Touched) -> Result<(), StoreError> {
        let numbered = match &self.engine {
            Engine::Sqlite(_) => None,
            Engine::Postgres(engine) => Some(engine.number(&mut change).await?),
        };
        let watcher = Arc::clone(&self.watcher);
        let committed = change.commit().await;
        watcher.touched(touched);
        committed?;
        if touched != Touched::Nothing {
            self.settle(numbered).await;
        }
        Ok(())
    }

    /// Returns when every change that was committed up to now holds on every replica: somebody else has changed what was
    /// touched, and may still be waiting for that.
    ///
    /// # Errors
    /// When the database does not say which changes there were.
    pub async fn settled(&self, touched: Touched) -> Result<(), StoreError> {
        let last = match &self.engine {
            // There are no others to wait for, but our own memory may not have looked at the file since.
            Engine::Sqlite(_) => {
                self.watcher.touched(touched);
                None
            }
            Engine::Postgres(engine) if engine.has(Flaw::AnswersWhatIsDone) => None,
            Engine::Postgres(engine) if engine.require_sync => Some(self.confirmed(engine).await?),
            Engine::Postgres(engine) => Some(engine.last().await?),
        };
        self.settle(last).await;
        Ok(())
    }

    /// The last change, once it is where it must be. What can be seen here may be nowhere else: a server that restarts
    /// shows what waited for a standby as if that had it.
    async fn confirmed(&self, engine: &Postgres) -> Result<Numbered, StoreError> {
        let mut change = engine.begin().await?;
        query(CONFIRM).execute(&mut change).await?;
        let last = engine.number(&mut change).await?;
        change.commit().await?;
        Ok(last)
    }

    async fn settle(&self, change: Option<Numbered>) {
        if let (Engine::Postgres(engine), Some(change)) = (&self.engine, change) {
            self.meters.propagation.record(engine.settle(change).await);
        }
    }
}
