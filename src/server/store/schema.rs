//! Which schemas this program works with: its own, and the next one. So an upgrade can roll through replicas, and be
//! rolled back by one version without restoring anything: each schema only adds to the one before, or takes away what that
//! one no longer used.

use sqlx::migrate::{MigrateError, Migrator};

use super::StoreError;
use crate::domain::lease::Flaw;

/// The last migration that was applied, as sqlx keeps it.
pub(super) const FIND_SCHEMA: &str = "SELECT coalesce(max(version), 0) FROM _sqlx_migrations WHERE success";

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
