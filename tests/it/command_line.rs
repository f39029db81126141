//! Changes from the command line beside a running server: they are over when the server acts on them.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hallpass::domain::entropy::{self, Entropy as _};
use hallpass::domain::id::{TokenId, UserId};
use hallpass::domain::secret::{PlainToken, Prefix};
use hallpass::server::ambient::SystemEntropy;
use hallpass::server::keys::SecretKey;
use hallpass::server::store::SoleServer;
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tempfile::TempDir;

use crate::support::program::{CONFIG, Server, folder_with, run};

const ROUNDS: usize = 20;

/// An installation with a server that runs, and a way into its database.
struct Installation {
    folder: TempDir,
    server: Server,
}

/// A token in the database.
struct Token {
    id: TokenId,
    secret: PlainToken,
}

impl Installation {
    fn new() -> Self {
        let folder = folder_with(CONFIG);
        let server = Server::configured(folder.path());
        Self { folder, server }
    }

    fn data(&self, name: &str) -> PathBuf {
        self.folder.path().join("data").join(name)
    }

    async fn database(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.data("hallpass.db"));
        SqliteConnection::connect_with(&options.foreign_keys(true)).await.unwrap()
    }

    /// Tokens of one owner, with proofs as the server makes them.
    async fn tokens<const COUNT: usize>(&self) -> [Token; COUNT] {
        let mut database = self.database().await;
        let keys = SecretKey::read(&self.data("secret.key")).unwrap().derive().unwrap();
        let random = || entropy::bytes::<16>(&SystemEntropy);
        let owner = UserId::from_random(random());
        let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_micros()).unwrap();
        sqlx::query(
            "INSERT INTO users (id, issuer, subject, provider, username, roles, attributes, created_at, last_login_at)
             VALUES ($1, 'https://id.example.org', 'alice', 'main', 'alice', '[]', '{}', $2, $2)",
        )
        .bind(owner.as_uuid())
        .bind(now)
        .execute(&mut database)
        .await
        .unwrap();
        let tokens = std::array::from_fn(|_| Token {
            id: TokenId::from_random(random()),
            secret: PlainToken::generate(&Prefix::default(), |bytes| SystemEntropy.fill(bytes)),
        });
        for Token { id, secret } in &tokens {
            sqlx::query(
                "INSERT INTO tokens (id, owner_id, name, description, scopes, allowed_ips, created_at)
                 VALUES ($1, $2, 't', '', 'read:users', '[]', $3)",
            )
            .bind(id.as_uuid())
            .bind(owner.as_uuid())
            .bind(now)
            .execute(&mut database)
            .await
            .unwrap();
            sqlx::query(
                "INSERT INTO secrets (id, token_id, state, created_at, phc, hmac, hmac_key_id)
                 VALUES ($1, $2, 'active', $3, $4, $5, $6)",
            )
            .bind(secret.id().as_str())
            .bind(id.as_uuid())
            .bind(now)
            .bind("x".repeat(97))
            .bind(keys.prove(secret.as_text()).to_vec())
            .bind(keys.id())
            .execute(&mut database)
            .await
            .unwrap();
        }
        database.close().await.unwrap();
        tokens
    }

    async fn check(&self, token: &Token) -> u16 {
        let request = self.server.client.get(format!("{}/check", self.server.url));
        request.bearer_auth(token.secret.reveal()).send().await.unwrap().status().as_u16()
    }

    fn revoke(&self, token: &Token) -> (i32, String, String) {
        run(&self.folder, &["token", "revoke", &token.id.to_string()])
    }
}

#[tokio::test]
async fn a_token_that_is_revoked_at_the_command_line_is_refused_when_the_command_is_over() {
    let installation = Installation::new();
    for token in &installation.tokens::<ROUNDS>().await {
        assert_eq!(installation.check(token).await, 200);
        let (code, said, complaints) = installation.revoke(token);
        assert_eq!(installation.check(token).await, 401, "the command was over too early");
        assert_eq!((code, said.trim(), complaints.as_str()), (0, "The token is revoked.", ""));
    }
}

#[tokio::test]
async fn what_a_server_does_not_confirm_is_written_and_said_to_be_unconfirmed() {
    let installation = Installation::new();
    let [token] = installation.tokens().await;
    assert_eq!(installation.check(&token).await, 200);
    installation.server.signal("STOP");
    for _ in 0..2 {
        // The second time there is nothing left to write, and still nobody has confirmed.
        let (code, said, complaints) = installation.revoke(&token);
        assert_eq!((code, said.as_str()), (1, ""), "{complaints}");
        assert!(complaints.starts_with("written, not confirmed"), "{complaints}");
    }
    installation.server.signal("CONT");
    assert_eq!(installation.check(&token).await, 401);
    let (code, said, _) = installation.revoke(&token);
    assert_eq!((code, said.trim()), (0, "The token was revoked before."));
}

#[tokio::test]
async fn without_a_server_there_is_nobody_to_wait_for() {
    let mut installation = Installation::new();
    let [token] = installation.tokens().await;
    installation.server.child.kill().unwrap();
    installation.server.child.wait().unwrap();
    assert_eq!(installation.revoke(&token).0, 0);
    installation.server = Server::configured(installation.folder.path());
    assert_eq!(installation.check(&token).await, 401);
}

#[tokio::test]
async fn a_revocation_at_the_command_line_is_in_the_record_with_its_reason() {
    let installation = Installation::new();
    let [token] = installation.tokens().await;
    let id = token.id.to_string();
    let (code, _, complaints) = run(&installation.folder, &["token", "revoke", &id, "--reason", "seen in a log"]);
    assert_eq!(code, 0, "{complaints}");
    let mut database = installation.database().await;
    let reason: String =
        sqlx::query_scalar("SELECT revoked_reason FROM tokens").fetch_one(&mut database).await.unwrap();
    assert_eq!(reason, "seen in a log");
    let actor: String = sqlx::query_scalar("SELECT actor_type FROM audit_events WHERE action = 'token.revoked'")
        .fetch_one(&mut database)
        .await
        .unwrap();
    assert_eq!(actor, "operator");
}

#[tokio::test]
async fn what_cannot_be_revoked_is_said_in_words() {
    let installation = Installation::new();
    let [token] = installation.tokens().await;
    let stranger = TokenId::from_random([7; 16]).to_string();
    let (code, _, complaints) = run(&installation.folder, &["token", "revoke", &stranger]);
    assert_eq!((code, complaints.trim()), (1, format!("there is no token {stranger}").as_str()));
    let (code, _, complaints) = run(&installation.folder, &["token", "revoke", "nonsense"]);
    assert_eq!(code, 2, "{complaints}");
    let long = "x".repeat(501);
    let (code, _, complaints) =
        run(&installation.folder, &["token", "revoke", &token.id.to_string(), "--reason", &long]);
    assert_eq!(code, 1, "{complaints}");
    assert_eq!(installation.check(&token).await, 200);
}

#[tokio::test]
async fn a_key_that_is_made_at_the_command_line_is_published_when_the_command_is_over() {
    let installation = Installation::new();
    let published = |text: String| text.matches("\"kid\"").count();
    let jwks = || async { installation.server.get("/.well-known/jwks.json").await.text().await.unwrap() };
    assert_eq!(published(jwks().await), 1);
    assert_eq!(run(&installation.folder, &["keys", "rotate"]).0, 0);
    assert_eq!(published(jwks().await), 2);
}

/// Asking who is the only server takes its right for a moment.
#[tokio::test]
async fn a_server_starts_although_somebody_asks_whether_there_is_one() {
    let folder = folder_with(CONFIG);
    let (database, enough) = (folder.path().join("data/hallpass.db"), Arc::new(AtomicBool::default()));
    drop(Server::start(folder.path(), &["serve"], &[]));
    let asking = std::thread::spawn({
        let enough = Arc::clone(&enough);
        move || {
            while !enough.load(Ordering::Relaxed) {
                let _ = SoleServer::is_running(&database);
            }
        }
    });
    for _ in 0..3 {
        drop(Server::start(folder.path(), &["serve"], &[]));
    }
    enough.store(true, Ordering::Relaxed);
    asking.join().unwrap();
}
