//! An installation with a server that runs: the program itself, with tokens whose secrets are known.

use std::path::PathBuf;

use hallpass::domain::entropy::{self, Entropy as _};
use hallpass::domain::id::{TokenId, UserId};
use hallpass::domain::secret::{PlainToken, Prefix};
use hallpass::server::ambient::SystemEntropy;
use hallpass::server::keys::SecretKey;
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tempfile::TempDir;

use super::database::Database;
use super::program::{CONFIG, Server, folder_with};

/// An installation with a server that runs, and a way into its database.
pub struct Installation {
    pub folder: TempDir,
    pub server: Server,
}

/// A token in the database.
pub struct Token {
    pub id: TokenId,
    pub secret: PlainToken,
}

impl Installation {
    pub fn new() -> Self {
        Self::with("")
    }

    /// With one more line of configuration.
    pub fn with(line: &str) -> Self {
        let folder = folder_with(&format!("{line}\n{CONFIG}"));
        let server = Server::configured(folder.path());
        Self { folder, server }
    }

    fn data(&self, name: &str) -> PathBuf {
        self.folder.path().join("data").join(name)
    }

    /// The first column of what a query gives, as text.
    pub async fn column(&self, sql: &str) -> Vec<String> {
        Database::open(&self.data("hallpass.db")).await.column(sql).await
    }

    /// Tokens of one owner, with proofs as the server makes them.
    pub async fn tokens<const COUNT: usize>(&self) -> [Token; COUNT] {
        let options = SqliteConnectOptions::new().filename(self.data("hallpass.db")).foreign_keys(true);
        let mut database = SqliteConnection::connect_with(&options).await.unwrap();
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

    pub async fn check(&self, token: &Token) -> u16 {
        let request = self.server.client.get(format!("{}/check", self.server.url));
        request.bearer_auth(token.secret.reveal()).send().await.unwrap().status().as_u16()
    }
}
