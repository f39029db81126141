//! An installation with a server that runs: the program itself, with tokens whose secrets are known.

use std::path::PathBuf;

use hallpass::server::keys::SecretKey;
use tempfile::TempDir;

use super::database::Database;
use super::program::{CONFIG, Server, folder_with};
use super::tokens::{self, Token};

/// An installation with a server that runs, and a way into its database.
pub struct Installation {
    pub folder: TempDir,
    pub server: Server,
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
        let keys = SecretKey::read(&self.data("secret.key")).unwrap().derive().unwrap();
        let tokens = std::array::from_fn(|_| Token::new());
        let mut database = Database::open(&self.data("hallpass.db")).await;
        database.execute(&tokens::inserting(&tokens, &keys, |hex| format!("x'{hex}'"))).await.unwrap();
        tokens
    }

    pub async fn check(&self, token: &Token) -> u16 {
        let request = self.server.client.get(format!("{}/check", self.server.url));
        request.bearer_auth(token.secret.reveal()).send().await.unwrap().status().as_u16()
    }
}
