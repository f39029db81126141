//! A PostgreSQL for tests.

use std::process::Command;

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

/// The URL of an empty database of its own.
pub async fn new_database() -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/postgres");
    let output = Command::new(script).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let url = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    let name = format!("test_{}", uuid::Uuid::from_u128(rand::random()).simple());
    let mut connection = PgConnection::connect(&format!("{url}/postgres")).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await.unwrap();
    format!("{url}/{name}")
}
