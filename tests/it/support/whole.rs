//! The program itself, with files of its own, a provider, and browsers that log in there.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use hallpass::server::ambient::{SystemClock, SystemEntropy};
use hallpass::server::keys::SecretKey;
use tempfile::TempDir;

use super::program::{Server, folder_with, free_address};
use super::{Browser, CLIENT_ID, Database, OidcProvider};

/// An installation that serves.
pub struct Whole {
    pub server: Server,
    pub provider: OidcProvider,
    pub folder: TempDir,
    /// Where browsers find it.
    pub url: String,
}

impl Whole {
    /// On SQLite, with these settings.
    pub async fn start(settings: &[(&str, &str)]) -> Self {
        let start = |folder: &Path, arguments: &[&str], env: &[(&str, &str)]| {
            Server::start(folder, arguments, &[env, settings].concat())
        };
        Self::start_by(start, &["serve"]).await
    }

    /// On PostgreSQL: with what leads there.
    pub async fn start_on(database: &[(&str, &str)]) -> Self {
        let start = |folder: &Path, arguments: &[&str], env: &[(&str, &str)]| {
            SecretKey::create(&folder.join("secret.key"), &SystemEntropy).unwrap();
            Server::start(folder, arguments, &[env, &KEY, database].concat())
        };
        Self::start_by(start, &["serve"]).await
    }

    /// By other means.
    pub async fn start_by(start: impl Fn(&Path, &[&str], &[(&str, &str)]) -> Server, arguments: &[&str]) -> Self {
        let listen = free_address();
        let url = listen.replace("127.0.0.1", "http://localhost");
        let provider = OidcProvider::start(&url, Arc::new(SystemClock), Arc::new(SystemEntropy)).await;
        let config = format!(
            "check.failure_limit = \"off\"\nmetrics_listen = \"\"
             [[oidc]]\nname = \"main\"\nissuer = \"{}\"\nclient_id = \"{CLIENT_ID}\"
             scopes = [\"openid\", \"profile\", \"groups\"]
             [[scopes]]\nname = \"read:users\"",
            provider.issuer
        );
        let folder = folder_with(&config);
        // Nobody reads what it logs, and a full pipe would stop it.
        let env = [("HALLPASS_LISTEN", listen.as_str()), ("HALLPASS_PUBLIC_URL", &url), ("RUST_LOG", "off")];
        let server = start(folder.path(), arguments, &env);
        Self { server, provider, folder, url }
    }

    /// The way to it for browsers of tests.
    pub fn router(&self) -> Router {
        let (client, url) = (self.server.client.clone(), self.server.url.clone());
        Router::new().fallback(move |request: Request| async move {
            let (head, body) = request.into_parts();
            let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
            let sent = client.request(head.method, format!("{url}{}", head.uri)).headers(head.headers).body(body);
            let answer = sent.send().await.unwrap();
            let (status, headers) = (answer.status(), answer.headers().clone());
            (status, headers, answer.bytes().await.unwrap())
        })
    }

    pub fn browser(&self) -> Browser {
        Browser::new(self.router(), self.provider.router(), &self.url)
    }

    pub async fn browser_of(&self, user: &str) -> Browser {
        let browser = self.browser();
        browser.log_in(user).await;
        browser
    }

    /// The SQLite file.
    pub async fn database(&self) -> Database {
        Database::open(&self.folder.path().join("data/hallpass.db")).await
    }
}

/// Where the key is of one on PostgreSQL.
pub const KEY: [(&str, &str); 1] = [("HALLPASS_SECRET_KEY_FILE", "secret.key")];
