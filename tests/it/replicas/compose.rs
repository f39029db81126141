//! `deploy/compose`, as plain processes: the same files with other addresses.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hallpass::server::ambient::SystemEntropy;
use hallpass::server::keys::SecretKey;
use tempfile::TempDir;

use crate::support::cluster;
use crate::support::connection::Connection;
use crate::support::program::{Server, free_address};
use crate::support::replicas::insert_tokens;
use crate::support::tokens::Token;
use crate::support::wire::{Mode, Wire, target};

fn example(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/compose").join(name)).unwrap()
}

/// nginx with the configuration of the example.
struct Nginx(Child);

impl Nginx {
    fn start(folder: &Path, configuration: &str) -> Self {
        let file = folder.join("nginx.conf");
        let away = format!(
            "daemon off; pid {0}/pid; error_log {0}/error.log;\n{1}",
            folder.display(),
            configuration.replace(
                "http {",
                &format!(
                    "http {{ access_log off; client_body_temp_path {0}/a; proxy_temp_path {0}/b; fastcgi_temp_path {0}/c;
                     uwsgi_temp_path {0}/d; scgi_temp_path {0}/e;",
                    folder.display()
                )
            )
        );
        std::fs::write(&file, away).unwrap();
        let program = ["/usr/sbin/nginx", "/usr/local/sbin/nginx"].into_iter().find(|path| Path::new(path).exists());
        let mut command = Command::new(program.expect("nginx is installed by scripts/setup-proxies"));
        Self(command.arg("-c").arg(file).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Its workers go with it only if it is asked.
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

/// A replica with the configuration of the example.
fn replica(folder: &Path, index: usize, address: &str, public: &str) -> Server {
    let file: PathBuf = folder.join(format!("hallpass-{index}.toml"));
    let text = example("hallpass.toml")
        .replace("/run/secrets", &folder.display().to_string())
        .replace("0.0.0.0:3000", address)
        .replace("0.0.0.0:9464", "")
        .replace("https://tokens.example.org", public)
        .replace("172.16.0.0/12", "127.0.0.1/32");
    std::fs::write(&file, text).unwrap();
    let mut server = Server::start(folder, &["serve", "--config", file.to_str().unwrap()], &[("RUST_LOG", "off")]);
    server.url = format!("http://{address}");
    server
}

/// Three replicas behind nginx.
struct Composed {
    folder: TempDir,
    database: String,
    /// The replicas' way to it.
    wire: Wire,
    front: String,
    servers: Vec<Server>,
    nginx: Nginx,
}

impl Composed {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = cluster::new_database().await;
        let wire = Wire::to(target(&database)).await;
        std::fs::write(folder.path().join("database_url"), format!("{}\n", wire.lead(&database))).unwrap();
        std::fs::write(folder.path().join("oidc_secret"), "a secret of the provider\n").unwrap();
        SecretKey::create(&folder.path().join("secret_key"), &SystemEntropy).unwrap();
        let front = free_address();
        let public = front.replace("127.0.0.1", "http://localhost");
        let addresses = [free_address(), free_address(), free_address()];
        let started = addresses.iter().enumerate();
        let servers = started.map(|(index, address)| replica(folder.path(), index, address, &public)).collect();
        let mut configuration = example("nginx.conf").replace("listen 8000", &format!("listen {front}"));
        for (index, address) in addresses.iter().enumerate() {
            configuration = configuration.replace(&format!("hallpass-{}:3000", index + 1), address);
        }
        let nginx = Nginx::start(folder.path(), &configuration);
        Self { folder, database, wire, front, servers, nginx }
    }

    async fn tokens(&self, count: usize) -> Vec<Token> {
        insert_tokens(&self.database, &self.folder.path().join("secret_key"), count).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_while_the_database_is_away_is_told_so_and_served_as_soon_as_it_is_back() {
    let composed = Composed::start().await;
    let tokens = composed.tokens(40).await;
    let mut connection = connect(&composed.front).await;
    assert_eq!(connection.ask("GET", "/check", tokens[0].secret.reveal()).await, 200);
    composed.wire.set(Mode::Reset);
    for token in &tokens[1..] {
        assert_eq!(connection.ask("GET", "/check", token.secret.reveal()).await, 503);
    }
    composed.wire.set(Mode::Whole);
    let back = async {
        while connection.ask("GET", "/check", tokens[1].secret.reveal()).await != 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), back).await.expect("it answers again");
    drop(composed.nginx);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_replicas_behind_nginx_are_one_hallpass_that_survives_the_loss_of_two() {
    let mut composed = Composed::start().await;
    let tokens = composed.tokens(30).await;
    let mut connection = connect(&composed.front).await;
    for token in &tokens[..10] {
        let secret = token.secret.reveal();
        assert_eq!(connection.ask("GET", "/check?scope=read:users", secret).await, 200);
        assert_eq!(connection.ask("DELETE", "/api/v1/self", secret).await, 204);
        for _ in 0..6 {
            assert_eq!(connection.ask("GET", "/check?scope=read:users", secret).await, 401);
        }
    }
    for lost in (1..3).rev() {
        drop(composed.servers.remove(lost));
        for token in &tokens[lost * 10..lost * 10 + 10] {
            let secret = token.secret.reveal();
            assert_eq!(connection.ask("GET", "/check", secret).await, 200, "with {lost} replicas left");
            assert_eq!(connection.ask("DELETE", "/api/v1/self", secret).await, 204);
            assert_eq!(connection.ask("GET", "/check", secret).await, 401);
        }
    }
}

/// Waits until nginx listens.
async fn connect(address: &str) -> Connection {
    let url = format!("http://{address}");
    loop {
        match Connection::try_open(&url).await {
            Some(connection) => return connection,
            None => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}
