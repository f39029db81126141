//! What stands around replicas: a pooler in front of the database, clocks that are wrong.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use hallpass::server::telemetry;

use super::stage::{ROUNDS, Stage};
use super::trial::{recovery, revoke};
use crate::support::cluster;
use crate::support::program::free_address;
use crate::support::replicas::Replicas;
use crate::support::wire::{Mode, Wire, renewal_of, target};

const PATIENCE: Duration = Duration::from_secs(5);

/// A pooler, which gives each transaction any session.
pub struct Pooler {
    child: Mutex<Child>,
    pub address: SocketAddr,
    folder: tempfile::TempDir,
}

impl Pooler {
    pub async fn before(server: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address: SocketAddr = free_address().parse().unwrap();
        let configuration = format!(
            "[databases]\n* = host=127.0.0.1 port={} user=hallpass\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {}\n\
             auth_type = any\npool_mode = transaction\ndefault_pool_size = 6\nunix_socket_dir =\n",
            server.port(),
            address.port()
        );
        let file = folder.path().join("pgbouncer.ini");
        std::fs::write(&file, configuration).unwrap();
        // It refuses to run as root, and reads its file as whom it runs.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open).unwrap();
        let pooler = Self { child: Mutex::new(Self::spawn(folder.path())), address, folder };
        pooler.wait().await;
        pooler
    }

    fn spawn(folder: &Path) -> Child {
        let mut command = Command::new("/usr/sbin/pgbouncer");
        if is_root() {
            command.args(["-u", "postgres"]);
        }
        let command = command.arg(folder.join("pgbouncer.ini")).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    }

    async fn wait(&self) {
        while tokio::net::TcpStream::connect(self.address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn kill(&self) {
        let mut child = self.child.lock().unwrap();
        let _ = child.kill();
        let _ = child.wait();
    }

    /// Ends it as a crash does, and starts it again after a while.
    async fn restart(&self, pause: Duration) {
        self.kill();
        tokio::time::sleep(pause).await;
        *self.child.lock().unwrap() = Self::spawn(self.folder.path());
        self.wait().await;
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        self.kill();
    }
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}

/// Three replicas that reach the database through a pooler, and its announcements without it.
async fn behind_a_pooler() -> (Stage, Pooler) {
    let database = cluster::new_database().await;
    let pooler = Pooler::before(target(&database)).await;
    let port = target(&database).port().to_string();
    let url = database.replace(&port, &pooler.address.port().to_string());
    let mut replicas = Replicas::start_through(database.clone(), &[]);
    for _ in 0..3 {
        replicas.add_with(&url, &[("HALLPASS_DATABASE__LISTEN_URL", &database)]);
    }
    (Stage::with(replicas).await, pooler)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_pooler_that_keeps_no_session_the_promise_is_kept() {
    let (mut stage, _pooler) = behind_a_pooler().await;
    for round in 0..ROUNDS {
        stage.round(round, async |_: &Replicas| {}).await;
    }
    stage.insist("behind a pooler", PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_that_crashes_and_starts_again_revives_no_token() {
    let (mut stage, pooler) = behind_a_pooler().await;
    for round in 0..ROUNDS {
        let restart = async |_: &Replicas| pooler.restart(Duration::from_millis(1_200)).await;
        stage.hindered_round(round, restart).await;
    }
    stage.insist("the pooler crashes", PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_cut_off_behind_a_pooler_keeps_nobody_waiting_for_long() {
    let database = cluster::new_database().await;
    let pooler = Pooler::before(target(&database)).await;
    let wire = Wire::to(pooler.address).await;
    let mut replicas = Replicas::start_through(database.clone(), std::slice::from_ref(&database));
    let others = replicas.ids().await;
    replicas.add_with(&wire.lead(&database), &[("HALLPASS_DATABASE__LISTEN_URL", &database)]);
    let last = replicas.ids().await.into_iter().find(|id| !others.contains(id)).unwrap();
    for token in replicas.tokens(5).await {
        // It has its answer, and the commit behind it is lost.
        wire.catch(renewal_of(&last), Duration::ZERO).await;
        wire.set(Mode::BlackHole);
        let asked = telemetry::now();
        revoke(&replicas.servers[0].url, &token).await;
        assert!(asked.elapsed() < PATIENCE, "it took {:?}", asked.elapsed());
        wire.set(Mode::Whole);
        recovery(&replicas, &replicas.tokens(1).await[0]).await;
    }
}

/// Tokens of which something is said to have been in the future.
const LATE: &str = "SELECT t.name FROM tokens t JOIN secrets s ON s.token_id = t.id
    WHERE greatest(t.created_at, s.created_at, t.last_used_at, s.last_used_at)
        > (extract(epoch FROM clock_timestamp()) * 1000000)::BIGINT";

/// Starts a replica whose clock is wrong by so much.
fn add_wrong(replicas: &mut Replicas, wrong: &str) {
    let library =
        ["/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1", "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1"];
    let library = library.into_iter().find(|path| Path::new(path).exists()).expect("faketime is installed");
    let env = [("LD_PRELOAD", library), ("FAKETIME", wrong), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")];
    let database = replicas.database.clone();
    replicas.add_with(&database, &env);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_a_year_ahead_does_no_harm_that_stays() {
    let database = cluster::new_database().await;
    let mut replicas = Replicas::start_through(database.clone(), std::slice::from_ref(&database));
    let keys = "SELECT kid || ' ' || coalesce(withdrawn_at, 0) FROM signing_keys ORDER BY kid";
    let before = replicas.column(keys).await;
    assert_eq!(before.len(), 1);
    let token = replicas.tokens(1).await.remove(0);
    let owner = replicas.log_in(&token).await;
    // It tidies up after it has started: what has run out is noticed last.
    let overdue = format!(
        "BEGIN; SET LOCAL session_replication_role = replica;
        UPDATE secrets SET expires_at = created_at + 1 WHERE token_id <> '{}'; COMMIT",
        token.id
    );
    replicas.tokens(1).await;
    replicas.servers.clear();
    replicas.execute(&overdue).await;
    add_wrong(&mut replicas, "+400d");
    while replicas.column("SELECT 'x' FROM secrets WHERE expired_at IS NOT NULL").await.is_empty() {}
    assert_eq!(replicas.column(keys).await, before);
    assert_eq!(replicas.column("SELECT count(*)::TEXT FROM sessions").await, ["1"]);
    // Nor do tokens live longer that are made there.
    let there = "created_at + 400 * 86400000000";
    replicas
        .execute(&format!("UPDATE sessions SET created_at = {there}, auth_time = {there}, last_seen_at = {there}"))
        .await;
    let asked = r#"{"name": "made there", "scopes": ["read:users"]}"#;
    assert_eq!(owner.call(&replicas.servers[0], "POST", "/tokens", asked).await, 201);
    assert_eq!(replicas.column(LATE).await, [""; 0]);
    let way = replicas.database.clone();
    replicas.servers.clear();
    replicas.add(&way);
    assert_eq!(replicas.check(0, &token).await, 200, "it signs as before");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_clocks_are_told_and_betray_nobody() {
    let database = cluster::new_database().await;
    let mut replicas = Replicas::start_through(database.clone(), &[]);
    replicas.add(&database);
    for wrong in ["+120", "-120"] {
        add_wrong(&mut replicas, wrong);
    }
    for (index, status) in [(0, 200), (1, 503), (2, 503)] {
        let told = replicas.servers[index].get("/readyz").await;
        assert_eq!(told.status().as_u16(), status);
        let text = told.text().await.unwrap();
        assert!(status == 200 || text.contains("differ by 1"), "{text}");
    }
    let mut stage = Stage::with(replicas).await;
    for round in 0..ROUNDS {
        // Each of them revokes.
        stage.replicas.servers.rotate_left(1);
        stage.round(round, async |_: &Replicas| {}).await;
    }
    stage.insist("clocks are wrong by two minutes", PATIENCE).await;
    // Nor does a token that nobody uses any more seem to be in use for longer.
    while let Some(server) = stage.replicas.servers.pop() {
        assert_eq!(server.stop().0, 0);
    }
    assert!(!stage.replicas.column("SELECT name FROM tokens WHERE last_used_at IS NOT NULL").await.is_empty());
    assert_eq!(stage.replicas.column(LATE).await, [""; 0]);
}
