//! The database from outside: what somebody with a SQL prompt could see and try.

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Row as _};

/// A connection beside the server's own.
pub struct Database(SqliteConnection);

impl Database {
    /// Opens the file.
    pub async fn open(path: &Path) -> Self {
        Self(SqliteConnectOptions::new().filename(path).foreign_keys(true).connect().await.unwrap())
    }

    /// Runs statements and gives the number of rows that changed, or what the database says.
    pub async fn execute(&mut self, sql: &str) -> Result<u64, String> {
        let outcome = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut self.0).await;
        outcome.map(|done| done.rows_affected()).map_err(|error| error.to_string())
    }

    /// The first column of every row, as text.
    pub async fn column(&mut self, sql: &str) -> Vec<String> {
        let rows = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(&mut self.0).await.unwrap();
        rows.iter().map(|row| row.try_get_unchecked::<Option<String>, _>(0).unwrap().unwrap_or_default()).collect()
    }

    /// Everything that is in the database, as text; but for what the server makes by itself, whenever it is time.
    pub async fn dump(&mut self) -> String {
        let mut dump = Vec::new();
        let tables =
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'audit_checkpoints' ORDER BY name";
        for table in self.column(tables).await {
            let columns =
                self.column(&format!("SELECT 'quote(\"' || name || '\")' FROM pragma_table_info('{table}')")).await;
            let row = columns.join(" || '|' || ");
            let rows = self.column(&format!("SELECT {row} AS r FROM \"{table}\" ORDER BY r")).await;
            dump.push(format!("{table}\n{}\n", rows.join("\n")));
        }
        dump.concat()
    }
}
