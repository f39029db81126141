//! Several servers that share a PostgreSQL database.

use hallpass::server::ambient::SystemEntropy;
use hallpass::server::keys::SecretKey;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tempfile::TempDir;

use super::cluster;
use super::program::{CONFIG, Server, folder_with, free_address};
use super::tokens::{self, Token};

/// Replicas of one installation.
pub struct Replicas {
    folder: TempDir,
    /// The database, without anything in between.
    pub database: String,
    pub servers: Vec<Server>,
}

impl Replicas {
    /// So many, straight at the database.
    pub async fn start(count: usize) -> Self {
        let database = cluster::new_database().await;
        let ways = vec![database.clone(); count];
        Self::start_through(database, &ways)
    }

    /// One for each URL through which to reach the database.
    pub fn start_through(database: String, ways: &[String]) -> Self {
        let folder = folder_with(&format!("check.failure_limit = \"off\"\n{CONFIG}"));
        std::fs::create_dir(folder.path().join("data")).unwrap();
        SecretKey::create(&folder.path().join("data/secret.key"), &SystemEntropy).unwrap();
        let mut replicas = Self { folder, database, servers: Vec::new() };
        replicas.servers = ways.iter().map(|way| replicas.start_one(way)).collect();
        replicas
    }

    /// One more server.
    pub fn start_one(&self, way: &str) -> Server {
        let listen = free_address();
        let url = listen.replace("127.0.0.1", "http://localhost");
        let env = [
            ("HALLPASS_LISTEN", listen.as_str()),
            ("HALLPASS_PUBLIC_URL", &url),
            ("HALLPASS_DATABASE__URL", way),
            ("RUST_LOG", "error"),
        ];
        Server::start(self.folder.path(), &["serve"], &env)
    }

    /// A connection beside the servers' own.
    pub async fn connection(&self) -> PgConnection {
        PgConnection::connect(&self.database).await.unwrap()
    }

    /// Runs statements that must work.
    pub async fn execute(&self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        sqlx::raw_sql(sql).execute(&mut self.connection().await).await.unwrap();
    }

    /// Tokens of one owner, with proofs as the servers make them.
    pub async fn tokens(&self, count: usize) -> Vec<Token> {
        let keys = SecretKey::read(&self.folder.path().join("data/secret.key")).unwrap().derive().unwrap();
        let tokens: Vec<_> = (0..count).map(|_| Token::new()).collect();
        self.execute(&tokens::inserting(&tokens, &keys, literal)).await;
        tokens
    }
}

/// What is given in hexadecimal, as an id or as bytes.
fn literal(hex: &str) -> String {
    if hex.len() == 32 { format!("'{hex}'") } else { format!("'\\x{hex}'") }
}
