//! The server under test.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hallpass::domain::audit::Event;
use hallpass::server::ambient::SystemSteadyClock;
use hallpass::server::config::load::{Problem, Sources};
use hallpass::server::config::{self, Checked};
use hallpass::server::{Ambient, App, StartError, http};
use tempfile::TempDir;

use super::ambient::TestEntropy;
use super::browser::Issued;
use super::database::Database;
use super::oidc::{CLIENT_ID, OidcProvider};
use super::{Answer, Browser, Call, TestClock};

/// The header that the tests configure for tokens, where they do.
pub const HEADER: &str = "x-api-key";

/// A server with files, a provider, a clock and a chance of its own.
pub struct TestApp {
    /// The time of server and provider.
    pub clock: Arc<TestClock>,
    /// The provider that everybody logs in with.
    pub provider: OidcProvider,
    /// Its inside, for what cannot be seen from outside.
    pub app: App,
    router: Router,
    folder: TempDir,
    ambient: Ambient,
    settings: Vec<(String, String)>,
}

impl TestApp {
    /// A server with the defaults.
    pub async fn new() -> Self {
        Self::with(&[]).await
    }

    /// A server with these settings, by their dotted keys.
    pub async fn with(settings: &[(&str, &str)]) -> Self {
        Self::with_ambient(settings, |_| ()).await
    }

    /// The same, after a change of what tests own.
    pub async fn with_ambient(settings: &[(&str, &str)], change: impl FnOnce(&mut Ambient)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(TestClock::new());
        let entropy = Arc::new(TestEntropy::default());
        let public_url = settings.iter().find(|(key, _)| *key == "public_url").map_or(PUBLIC_URL, |(_, value)| value);
        let provider = OidcProvider::start(public_url, clock.clone(), entropy.clone()).await;
        let settings: Vec<_> = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let steady = Arc::new(SystemSteadyClock);
        let mut ambient = Ambient { clock: clock.clone(), steady, entropy, patience: PATIENCE, quick: PATIENCE };
        change(&mut ambient);
        let app = start(folder.path(), &provider.issuer, &settings, ambient.clone()).await.unwrap();
        let router = http::router(&app.web);
        Self { clock, provider, app, router, folder, ambient, settings }
    }

    /// Stops the server and starts it anew on the same files, with more settings.
    pub async fn restart_with(mut self, more: &[(&str, &str)]) -> Self {
        self.app.close().await;
        self.settings.extend(more.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        let app = start(self.folder.path(), &self.provider.issuer, &self.settings, self.ambient.clone()).await.unwrap();
        let router = http::router(&app.web);
        Self { app, router, ..self }
    }

    /// Starts another server on the same files.
    pub async fn second_server(&self) -> Result<App, StartError> {
        start(self.folder.path(), &self.provider.issuer, &self.settings, self.ambient.clone()).await
    }

    /// Stops the server and starts it anew on the same files.
    pub async fn restart(self) -> Self {
        self.restart_with(&[]).await
    }

    /// The routes, for what needs them bare.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// A folder for this test's files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The database file.
    pub fn database_file(&self) -> PathBuf {
        self.folder.path().join("hallpass.db")
    }

    /// The origin that browsers use.
    pub fn public_url(&self) -> &str {
        self.app.web.public_url.as_str()
    }

    /// A browser that was never here.
    pub fn browser(&self) -> Browser {
        Browser::new(self.router(), self.provider.router(), self.public_url())
    }

    /// A browser in which a user has just logged in.
    pub async fn browser_of(&self, user: &str) -> Browser {
        let browser = self.browser();
        browser.log_in(user).await;
        browser
    }

    /// A token of alice with these scopes.
    pub async fn token_of_alice(&self, scopes: &[&str]) -> Issued {
        self.browser_of("alice").await.create_token("a token", scopes).await
    }

    /// Sends a request without cookies.
    pub async fn send(&self, call: Call) -> Answer {
        call.send(&self.router).await
    }

    /// Asks whether a token may pass, with this query.
    pub async fn check(&self, query: &str, token: &str) -> Answer {
        self.send(Call::get(&format!("/check{query}")).bearer(token)).await
    }

    /// A connection to the database beside the server's own.
    pub async fn database(&self) -> Database {
        Database::open(&self.database_file()).await
    }

    /// Runs statements on the database that must work.
    pub async fn execute(&self, sql: &str) -> u64 {
        let changed = self.database().await.execute(sql).await.unwrap();
        // The server would notice by itself in a moment.
        self.app.live.look().await.unwrap();
        changed
    }

    /// The first column of what a query gives, as text.
    pub async fn column(&self, sql: &str) -> Vec<String> {
        self.database().await.column(sql).await
    }

    /// The one value that a query gives, as text.
    pub async fn value(&self, sql: &str) -> String {
        let values = self.column(sql).await;
        assert_eq!(values.len(), 1, "{sql}: {values:?}");
        values.into_iter().next().unwrap()
    }

    /// Everything that is in the database, as text.
    pub async fn dump(&self) -> String {
        self.database().await.dump().await
    }

    /// Makes every write of an audit event fail from now on.
    pub async fn break_audit(&self) {
        self.execute("CREATE TRIGGER broken BEFORE INSERT ON audit_events BEGIN SELECT RAISE(ABORT, 'disk full'); END")
            .await;
    }

    /// Ends what [`TestApp::break_audit`] began.
    pub async fn mend_audit(&self) {
        self.execute("DROP TRIGGER broken").await;
    }

    /// All audit events, once the chain through them was found whole.
    pub async fn verified_events(&self) -> Vec<Event> {
        let placed = self.app.db.list_events(0, 10_000).await.unwrap();
        let mut previous = [0; 32];
        for (index, one) in placed.iter().enumerate() {
            assert_eq!(one.event.seq, i64::try_from(index).unwrap() + 1, "a gap");
            assert_eq!(one.event.prev_hash, previous, "event {} does not follow its predecessor", one.event.seq);
            assert_eq!(one.hash, one.event.hash(), "event {} was changed", one.event.seq);
            previous = one.hash;
        }
        placed.into_iter().map(|one| one.event).collect()
    }

    /// The names of all audit events, oldest first.
    pub async fn actions(&self) -> Vec<String> {
        self.verified_events().await.into_iter().map(|event| event.action).collect()
    }

    /// The value of a metric, such as `hallpass_argon2_total`.
    pub fn metric(&self, name: &str) -> u64 {
        let text = self.app.web.metrics.render();
        let line = text.lines().find(|line| line.split(' ').next() == Some(name));
        line.unwrap_or_else(|| panic!("no {name}: {text}")).rsplit(' ').next().unwrap().parse().unwrap()
    }
}

/// What a provider gets for an answer, and a count while somebody waits; more than enough on a busy machine.
const PATIENCE: Duration = Duration::from_secs(5);

const PUBLIC_URL: &str = "http://localhost:3000";

async fn start(
    folder: &Path,
    issuer: &str,
    settings: &[(String, String)],
    ambient: Ambient,
) -> Result<App, StartError> {
    let Checked { config, warnings } = configuration(folder, issuer, settings).unwrap();
    assert_eq!(warnings, [""; 0]);
    let public_url = config.public_url.clone().unwrap();
    App::build(&config, &public_url, false, ambient).await
}

/// Reads the configuration of the tests the way that an installation's is read.
fn configuration(folder: &Path, issuer: &str, settings: &[(String, String)]) -> Result<Checked, Vec<Problem>> {
    let text = format!(
        r#"
public_url = "{PUBLIC_URL}"
secret_key_file = "secret.key"
database.url = "sqlite://hallpass.db"

[[oidc]]
name = "main"
issuer = "{issuer}"
client_id = "{CLIENT_ID}"
scopes = ["openid", "profile", "email", "groups"]
attribute_claims = ["department"]

[[scopes]]
name = "read:users"
description = "Read user profiles"

[[scopes]]
name = "write:users"
description = "Create and change user profiles"

[[scopes]]
name = "read:reports"
description = "Read reports"

[[scopes]]
name = "write:reports"
description = "Create and change reports"
roles = ["staff"]

[[scopes]]
name = "admin:all"
description = "Do everything an administrator may do"
roles = ["hallpass-admin"]
"#
    );
    let env = settings
        .iter()
        .map(|(key, value)| (format!("HALLPASS_{}", key.replace('.', "__").to_uppercase()), value.clone()));
    config::check(
        &Sources { file: Some((folder.join("hallpass.toml"), text)), env: env.collect(), preset: None },
        config::Purpose::Serve,
    )
}
