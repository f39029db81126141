//! Where the data is.

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::Judge;
use crate::server::config::{DatabaseConfig, DatabasePlace};

/// The database when none is named.
const DEFAULT_URL: &str = "sqlite://data/hallpass.db";

impl Judge<'_> {
    pub(super) fn database(&mut self) -> DatabaseConfig {
        let raw = self.loaded.raw.database.clone();
        if !(1..=1_000).contains(&raw.max_connections) {
            self.problem("database.max_connections", "please give a number from 1 to 1000");
        }
        let url = self.secret("database.url", raw.url.as_deref(), raw.url_file.as_deref());
        let url = url.unwrap_or_else(|| SecretString::from(DEFAULT_URL));
        let given = Some(raw.listen_url.as_str()).filter(|url| !url.is_empty());
        let listen_url = self.secret("database.listen_url", given, raw.listen_url_file.as_deref());
        DatabaseConfig { place: self.place(url, listen_url, raw.require_sync), max_connections: raw.max_connections }
    }

    fn place(&mut self, url: SecretString, listen_url: Option<SecretString>, require_sync: bool) -> DatabasePlace {
        if is_postgres(&url) {
            if listen_url.as_ref().is_some_and(|url| !is_postgres(url)) {
                self.problem("database.listen_url", "please give a URL that begins with \"postgres://\"");
            }
            return DatabasePlace::Postgres { url, listen_url, require_sync };
        }
        if listen_url.is_some() {
            self.problem("database.listen_url", "only PostgreSQL has listeners; please remove this");
        }
        if require_sync {
            self.problem("database.require_sync", "only PostgreSQL has standbys; please remove this");
        }
        let file = url.expose_secret().strip_prefix("sqlite://").filter(|file| !file.is_empty());
        if file.is_none() {
            let help = "please give \"sqlite://\" and the path of a file, or a URL that begins with \"postgres://\"";
            self.problem("database.url", help);
        }
        DatabasePlace::Sqlite(self.path("database.url", file.unwrap_or_default()))
    }
}

fn is_postgres(url: &SecretString) -> bool {
    Url::parse(url.expose_secret()).is_ok_and(|url| matches!(url.scheme(), "postgres" | "postgresql"))
}
