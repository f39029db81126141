//! A PostgreSQL for tests.

use std::process::Command;

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

/// `object_in_use`, by which PostgreSQL says that somebody is connected.
const IN_USE: &str = "55006";

/// The URL of an empty database of its own.
pub async fn new_database() -> String {
    new_database_of("shared").await
}

/// The same on a server that only they use who give this name.
pub async fn new_database_of(name: &str) -> String {
    let url = format!("{}/{}", run(&["--of", name]), new_name());
    execute(&url, &format!("CREATE DATABASE {}", name_of(&url))).await;
    url
}

/// A database on a server that speaks TLS, and certificates.
#[allow(dead_code, reason = "not every test needs it")]
pub struct Secure {
    pub url: String,
    /// The server's own, which is its authority, too.
    pub certificate: String,
    /// Somebody else's.
    pub stranger: String,
    /// A way in for a role that has to show a certificate, and nothing else.
    pub certified: String,
    /// Where certificates and their keys are.
    pub folder: String,
}

#[allow(dead_code, reason = "not every test needs it")]
pub async fn new_database_with_tls() -> Secure {
    // The certificate names the host.
    let url = new_database_of("tls").await.replace("127.0.0.1", "localhost");
    let folder = run(&["--of", "tls", "--folder"]);
    let role = "DO $$ BEGIN CREATE ROLE certified LOGIN; EXCEPTION WHEN duplicate_object THEN END $$";
    execute(&url, role).await;
    execute(&url, &format!("ALTER DATABASE {} OWNER TO certified", name_of(&url))).await;
    Secure {
        certificate: format!("{folder}/tls.crt"),
        stranger: format!("{folder}/stranger.crt"),
        certified: url.replace("hallpass@", "certified@"),
        url,
        folder,
    }
}

/// Gives a database to a new role that has no other rights, and names it.
#[allow(dead_code, reason = "not every test needs it")]
pub async fn give_away(url: &str) -> String {
    let role = new_name();
    execute(url, &format!("CREATE ROLE {role} LOGIN; ALTER DATABASE {} OWNER TO {role}", name_of(url))).await;
    role
}

/// A copy of a database, as a backup would have it.
#[allow(dead_code, reason = "not every test has backups")]
pub async fn copy_of(url: &str) -> String {
    let backup = new_name();
    execute_alone(url, &format!("CREATE DATABASE {backup} TEMPLATE {}", name_of(url))).await;
    execute(url, &format!("ALTER DATABASE {} ALLOW_CONNECTIONS true", name_of(url))).await;
    backup
}

/// Puts a database back to what a copy of it says.
#[allow(dead_code, reason = "not every test has backups")]
pub async fn put_back(url: &str, backup: &str) {
    let name = name_of(url);
    execute_alone(url, &format!("DROP DATABASE {name}")).await;
    execute(url, &format!("ALTER DATABASE {backup} RENAME TO {name}")).await;
}

/// Ends that server as a crash does, and starts it again.
#[allow(dead_code, reason = "not every test that starts one breaks it")]
pub fn crash(name: &str) {
    run(&["--of", name, "--restart"]);
}

/// What the server of a database has written down about deadlocks: who waited for whom.
#[allow(dead_code, reason = "not every test looks for them")]
pub async fn deadlocks(url: &str) -> String {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let data: String = sqlx::query_scalar("SHOW data_directory").fetch_one(&mut connection).await.unwrap();
    let log = std::fs::read_to_string(format!("{data}/../log")).unwrap_or_else(|error| error.to_string());
    let lines: Vec<_> = log.lines().collect();
    let places = (0..lines.len()).filter(|&at| lines[at].ends_with("deadlock detected"));
    let told: Vec<_> = places.flat_map(|at| lines[at..].iter().take(16).copied()).collect();
    told.join("\n")
}

/// A primary and a standby for which its commits wait. Nobody else uses them.
#[allow(dead_code, reason = "not every test has standbys")]
pub struct Pair {
    run: String,
    generation: usize,
    /// A primary whose place was taken, and that lives on.
    zombie: Option<usize>,
    /// An empty database on the primary.
    pub url: String,
}

#[allow(dead_code, reason = "not every test has standbys")]
impl Pair {
    pub async fn new() -> Self {
        let run = new_name();
        let url = new_database_of(&format!("{run}-0")).await;
        let pair = Self { run, generation: 0, zombie: None, url };
        pair.follow();
        pair
    }

    fn name(&self, generation: usize) -> String {
        format!("{}-{generation}", self.run)
    }

    /// Puts a standby behind the primary.
    pub fn follow(&self) {
        run(&["--of", &self.name(self.generation + 1), "--standby-of", &self.name(self.generation)]);
    }

    /// The primary is lost, and the standby takes its place. Nobody stands behind that one yet.
    pub fn fail_over(&mut self) {
        run(&["--of", &self.name(self.generation), "--kill"]);
        self.promote();
    }

    /// The standby takes the place of the primary, which does not notice and goes on. Its URL.
    pub fn take_over(&mut self) -> String {
        self.zombie = Some(self.generation);
        let before = self.url.clone();
        self.promote();
        before
    }

    fn promote(&mut self) {
        self.generation += 1;
        let server = run(&["--of", &self.name(self.generation), "--promote"]);
        self.url = format!("{server}/{}", name_of(&self.url));
    }

    /// The same database at the standby.
    pub fn standby(&self) -> String {
        format!("{}/{}", run(&["--of", &self.name(self.generation + 1)]), name_of(&self.url))
    }

    /// The primary ends as a crash does, and starts again.
    pub fn crash(&self) {
        crash(&self.name(self.generation));
    }

    /// The standby hears nothing from the primary any more, and nobody waits for it.
    pub async fn part(&self) {
        execute(&self.url, "ALTER SYSTEM RESET synchronous_standby_names").await;
        execute(&self.url, "SELECT pg_reload_conf()").await;
        self.cut().await;
    }

    /// The standby hears nothing from the primary any more, and commits wait for it.
    pub async fn cut(&self) {
        let standby = format!("{}/postgres", run(&["--of", &self.name(self.generation + 1)]));
        execute(&standby, "ALTER SYSTEM SET primary_conninfo = ''").await;
        execute(&standby, "SELECT pg_reload_conf()").await;
        let mut connection = PgConnection::connect(&standby).await.unwrap();
        let connected = "SELECT count(*) FROM pg_stat_wal_receiver";
        while sqlx::query_scalar::<_, i64>(connected).fetch_one(&mut connection).await.unwrap() > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        for generation in self.zombie.into_iter().chain([self.generation, self.generation + 1]) {
            run(&["--of", &self.name(generation), "--kill"]);
        }
    }
}

/// Runs a statement that nobody else may be connected to the database for: ends all connections and lets no new ones in. One
/// that is just being made shows only later, so it is tried again.
async fn execute_alone(url: &str, sql: &str) {
    let name = name_of(url);
    execute(url, &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")).await;
    let end_all = format!("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}'");
    for _ in 0..10 {
        execute(url, &end_all).await;
        match try_execute(url, sql).await {
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(IN_USE) => {}
            executed => return executed.unwrap(),
        }
    }
    panic!("somebody is connected to {name} all the time");
}

fn new_name() -> String {
    format!("test_{}", uuid::Uuid::from_u128(rand::random()).simple())
}

fn name_of(url: &str) -> &str {
    url.rsplit('/').next().unwrap()
}

/// Runs a statement beside the database that the URL names.
async fn execute(url: &str, sql: &str) {
    try_execute(url, sql).await.unwrap();
}

async fn try_execute(url: &str, sql: &str) -> sqlx::Result<()> {
    let beside = url.replace(name_of(url), "postgres");
    let mut connection = PgConnection::connect(&beside).await?;
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.map(drop)
}

fn run(arguments: &[&str]) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/postgres");
    let output = Command::new(script).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
