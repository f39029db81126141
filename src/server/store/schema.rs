//! Which schemas this program works with: its own, and the next one. So an upgrade can roll through replicas, and be
//! rolled back by one version without restoring anything: each schema only adds to the one before, or takes away what that
//! one no longer used.

use std::time::Duration;

use sqlx::PgConnection;
use sqlx::migrate::{Migrate as _, MigrateError, Migrator};

use super::error::{Late, Migrating};
use super::query::{ANSWER_TIMEOUT, Route, Target, query, within};
use super::{ACQUIRE_TIMEOUT, StoreError};
use crate::domain::lease::Flaw;

/// That everything is there already is no news. A server that stops in the middle of a migration must not keep the others
/// waiting, so the database gives up on it (where it knows how).
const SESSION: &str = "
    SET client_min_messages = warning;
    SELECT set_config(name, '10s', FALSE) FROM pg_settings
    WHERE name IN ('idle_in_transaction_session_timeout', 'idle_session_timeout')";
/// Nobody waits for long to be the one who migrates: whoever is, may be stopped.
const BEFORE_MY_TURN: &str = "SET lock_timeout = '800ms'";
/// Who needs a table for itself lets nobody else have it while it waits, so it gives way long before the leases of those who
/// serve meanwhile run out, and tries again. That is for each table: what it has already, it keeps meanwhile.
const IN_MY_TURN: &str = "SET lock_timeout = '300ms'";
/// Longest wait for being told that there is nothing to do.
const LOOK: Duration = Duration::from_secs(3);

pub(super) const HAS_SCHEMA: &str = "SELECT to_regclass('_sqlx_migrations') IS NOT NULL";
pub(super) const LIST_SCHEMA: &str = "SELECT version FROM _sqlx_migrations WHERE success";
/// Whoever has an advisory lock of this database; we take no others.
pub(super) const FIND_MIGRATING: &str = "
    SELECT l.pid::BIGINT FROM pg_locks l JOIN pg_database d ON d.oid = l.database
    WHERE l.locktype = 'advisory' AND l.granted AND d.datname = current_database() ORDER BY l.pid";

/// The last migration that was applied, as sqlx keeps it.
pub(super) const FIND_SCHEMA: &str = "SELECT coalesce(max(version), 0) FROM _sqlx_migrations WHERE success";

/// Whether a shared database is no further than the schema after this program's own: others may have gone on since this one
/// started. As text, because it is asked with each check that is not answered from memory.
macro_rules! is_borne {
    () => {
        "(SELECT max(version) <= 11 FROM _sqlx_migrations)"
    };
}
pub(super) use is_borne;

/// Brings the schema of a PostgreSQL database up to date, on a connection of its own to the server itself. Of several
/// servers that start together one does it and the others wait; but not where there is nothing to do.
pub(super) async fn bring_up_to_date(connection: &mut PgConnection) -> Result<(), StoreError> {
    within(ANSWER_TIMEOUT, sqlx::raw_sql(SESSION).execute(&mut *connection)).await?;
    let mut migrator = of_postgres().await?;
    // Whoever migrates has the lock already, and may take minutes.
    migrator.set_locking(false);
    if is_complete(&migrator, connection).await? {
        let looked = tokio::time::timeout(LOOK, migrator.run(&mut *connection));
        looked.await.map_err(|_| StoreError::corrupt(Late(LOOK)))??;
    } else {
        take_turn(connection).await?;
        within(ANSWER_TIMEOUT, sqlx::raw_sql(IN_MY_TURN).execute(&mut *connection)).await?;
        migrator.run(&mut *connection).await?;
    }
    let (last,): (i64,) = query(FIND_SCHEMA).fetch_one(alone(connection)).await?;
    accept(&migrator, last)
}

/// Whether every migration was applied.
async fn is_complete(migrator: &Migrator, connection: &mut PgConnection) -> Result<bool, StoreError> {
    let (is_there,): (bool,) = query(HAS_SCHEMA).fetch_one(alone(connection)).await?;
    if !is_there {
        return Ok(false);
    }
    let applied: Vec<(i64,)> = query(LIST_SCHEMA).fetch_all(alone(connection)).await?;
    Ok(migrator.iter().all(|migration| applied.contains(&(migration.version,))))
}

/// Takes the lock of sqlx, which earlier versions take as well. It ends with the connection.
async fn take_turn(connection: &mut PgConnection) -> Result<(), StoreError> {
    within(ANSWER_TIMEOUT, sqlx::raw_sql(BEFORE_MY_TURN).execute(&mut *connection)).await?;
    let locked = tokio::time::timeout(ACQUIRE_TIMEOUT, connection.lock()).await;
    match locked.map_err(|_| StoreError::corrupt(Late(ACQUIRE_TIMEOUT)))? {
        Ok(()) => Ok(()),
        Err(error) => {
            let error = StoreError::from(error);
            if !error.is_late() {
                return Err(error);
            }
            let sessions: Vec<(i64,)> = query(FIND_MIGRATING).fetch_all(alone(connection)).await?;
            Err(StoreError::corrupt(Migrating(sessions.into_iter().map(|(pid,)| pid).collect())))
        }
    }
}

/// Keeps no statements: this connection ends soon.
fn alone(connection: &mut PgConnection) -> Target<'_> {
    Target::Postgres(connection, Route::Pooler)
}

/// The migrations of PostgreSQL. A program that was built for trials may come with those of the next version.
pub(super) async fn of_postgres() -> Result<Migrator, MigrateError> {
    if Flaw::CAN_BE_MADE
        && let Ok(folder) = std::env::var("HALLPASS_MIGRATIONS")
    {
        return Migrator::new(std::path::Path::new(&folder)).await.map(tolerant);
    }
    Ok(tolerant(sqlx::migrate!("migrations/postgres")))
}

/// Makes a migrator bear with one schema that it does not know.
pub(super) fn tolerant(mut migrator: Migrator) -> Migrator {
    migrator.set_ignore_missing(true);
    migrator
}

/// Refuses a database that is further than that.
pub(super) fn accept(migrator: &Migrator, applied: i64) -> Result<(), StoreError> {
    let own = migrator.iter().map(|migration| migration.version).max().unwrap_or_default();
    if applied > own + 1 {
        return Err(StoreError::corrupt(format!(
            "its schema is version {applied}, and this program knows up to {}. Please use a newer version of Hallpass",
            own + 1
        )));
    }
    Ok(())
}
