//! Several servers that share a PostgreSQL database.

use std::path::Path;

use hallpass::server::ambient::SystemEntropy;
use hallpass::server::keys::{SecretKey, hex};
use hallpass::server::service::sessions::cookie_hash;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tempfile::TempDir;

use super::cluster;
use super::connection::Connection;
use super::program::{CONFIG, Server, folder_with, free_address, run_with};
use super::tokens::{self, Token};

/// Replicas of one installation.
pub struct Replicas {
    folder: TempDir,
    /// The database, without anything in between.
    pub database: String,
    pub servers: Vec<Server>,
    flaw: Option<Flaw>,
}

/// A mistake that the servers make, and the program that was built with it.
#[derive(Clone, Copy)]
pub struct Flaw {
    pub name: &'static str,
    pub program: &'static str,
}

impl Replicas {
    /// So many, straight at the database.
    pub async fn start(count: usize) -> Self {
        Self::start_of(None, count).await
    }

    /// The same with a mistake.
    pub async fn start_of(flaw: Option<Flaw>, count: usize) -> Self {
        let database = cluster::new_database().await;
        let ways = vec![database.clone(); count];
        Self::start_with(flaw, database, &ways)
    }

    /// One for each URL through which to reach the database.
    pub fn start_through(database: String, ways: &[String]) -> Self {
        Self::start_with(None, database, ways)
    }

    /// The same with a mistake.
    pub fn start_with(flaw: Option<Flaw>, database: String, ways: &[String]) -> Self {
        let more = "\n[[scopes]]\nname = \"write:reports\"\n";
        let folder = folder_with(&format!("check.failure_limit = \"off\"\nadmin.roles = [\"admins\"]\n{CONFIG}{more}"));
        std::fs::create_dir(folder.path().join("data")).unwrap();
        SecretKey::create(&folder.path().join("data/secret.key"), &SystemEntropy).unwrap();
        let mut replicas = Self { folder, database, servers: Vec::new(), flaw };
        replicas.servers = ways.iter().map(|way| replicas.start_one(way, &[])).collect();
        replicas
    }

    /// Servers that start from now on have another configuration.
    pub fn configure(&self, config: &str) {
        std::fs::write(self.folder.path().join("hallpass.toml"), config).unwrap();
    }

    /// Servers that start from now on run another program.
    pub fn run_as(&mut self, flaw: Flaw) {
        self.flaw = Some(flaw);
    }

    /// One more server.
    pub fn add(&mut self, way: &str) {
        self.add_with(way, &[]);
    }

    /// The same with more of the environment.
    pub fn add_with(&mut self, way: &str, env: &[(&str, &str)]) {
        let server = self.start_one(way, env);
        self.servers.push(server);
    }

    pub fn start_one(&self, way: &str, more: &[(&str, &str)]) -> Server {
        let listen = free_address();
        let url = listen.replace("127.0.0.1", "http://localhost");
        let env = [
            ("HALLPASS_LISTEN", listen.as_str()),
            ("HALLPASS_PUBLIC_URL", &url),
            ("HALLPASS_DATABASE__URL", way),
            // Nobody reads what it logs, and a full pipe would stop it.
            ("RUST_LOG", "off"),
            ("HALLPASS_FLAW", self.flaw.map_or("", |flaw| flaw.name)),
        ];
        let env = [&env, more].concat();
        let mut server = match self.flaw {
            None => Server::start(self.folder.path(), &["serve"], &env),
            Some(flaw) => Server::start_other(flaw.program, self.folder.path(), &["serve"], &env),
        };
        // Whatever it calls itself.
        server.url = format!("http://{listen}");
        server
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

    /// Runs statements one by one on one connection, that must all work.
    pub async fn execute_each(&self, statements: &[&str]) {
        let mut connection = self.connection().await;
        for statement in statements {
            sqlx::raw_sql(AssertSqlSafe((*statement).to_owned())).execute(&mut connection).await.unwrap();
        }
    }

    /// The first column of what a query gives.
    pub async fn column(&self, sql: &str) -> Vec<String> {
        let rows = sqlx::query_scalar(AssertSqlSafe(sql.to_owned()));
        rows.fetch_all(&mut self.connection().await).await.unwrap()
    }

    /// What the database calls the servers that have a lease.
    pub async fn ids(&self) -> Vec<String> {
        self.column("SELECT id::TEXT FROM replicas").await
    }

    /// How many connections there are to the database.
    pub async fn backends(&self) -> usize {
        let all = "SELECT pid::TEXT FROM pg_stat_activity WHERE datname = current_database()";
        self.column(all).await.len()
    }

    /// Runs a command beside the servers.
    pub fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        self.run_on(&self.database, arguments)
    }

    /// The same with another way to the database.
    pub fn run_on(&self, way: &str, arguments: &[&str]) -> (i32, String, String) {
        run_with(self.folder.path(), arguments, &[("HALLPASS_DATABASE__URL", way)])
    }

    /// The status of one check at one of the servers.
    pub async fn check(&self, server: usize, token: &Token) -> u16 {
        let mut connection = Connection::open(&self.servers[server].url).await;
        connection.ask("GET", "/check", token.secret.reveal()).await
    }

    /// Tokens of one owner, with proofs as the servers make them.
    pub async fn tokens(&self, count: usize) -> Vec<Token> {
        insert_tokens(&self.database, &self.folder.path().join("data/secret.key"), count).await
    }
}

/// Somebody who is logged in.
pub struct Login {
    /// Their id.
    pub user: String,
    pub cookie: String,
}

impl Login {
    /// The status of a call of the API, as a page of ours makes it.
    pub async fn call(&self, server: &Server, method: &'static str, path: &str, body: &str) -> u16 {
        let url = format!("{}/api/v1{path}", server.url);
        let request = server.client.request(method.parse().unwrap(), url).header("cookie", &self.cookie);
        let request = request.header("sec-fetch-site", "same-origin").header("content-type", "application/json");
        request.body(body.to_owned()).send().await.unwrap().status().as_u16()
    }
}

impl Replicas {
    /// Logs the owner of a token in.
    pub async fn log_in(&self, token: &Token) -> Login {
        let id: i128 = rand::random();
        let hash = hex(&cookie_hash(&id.to_be_bytes()));
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_micros();
        let session = uuid::Uuid::from_u128(rand::random());
        let sql = format!(
            "INSERT INTO sessions (id_hash, id, user_id, provider, auth_time, created_at, last_seen_at)
             SELECT '\\x{hash}', '{session}', owner_id, 'main', {now}, {now}, {now} FROM tokens WHERE id = '{}'",
            token.id
        );
        self.execute(&sql).await;
        let owner = self.column(&format!("SELECT owner_id::TEXT FROM tokens WHERE id = '{}'", token.id)).await;
        let cookie = format!("hallpass={}", tower_sessions::session::Id(id));
        Login { user: owner.into_iter().next().unwrap(), cookie }
    }
}

/// Writes tokens of one owner into a database, with proofs as servers with this key make them.
pub async fn insert_tokens(database: &str, key: &Path, count: usize) -> Vec<Token> {
    let keys = SecretKey::read(key).unwrap().derive().unwrap();
    let tokens: Vec<_> = (0..count).map(|_| Token::new()).collect();
    let sql = AssertSqlSafe(tokens::inserting(&tokens, &keys, literal));
    sqlx::raw_sql(sql).execute(&mut PgConnection::connect(database).await.unwrap()).await.unwrap();
    tokens
}

/// What is given in hexadecimal, as an id or as bytes.
fn literal(hex: &str) -> String {
    if hex.len() == 32 { format!("'{hex}'") } else { format!("'\\x{hex}'") }
}
