//! The secret is in the one answer that creates it and nowhere else: contract, section 3.

use std::io::{Read as _, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::{Arc, Mutex};

use hallpass::server::http::accept;
use tokio::net::TcpListener;
use tracing_subscriber::fmt::MakeWriter;

use crate::oauth;
use crate::support::{Browser, TOKEN_PAGES, TestApp, with_wrong_secret};

/// A place for log lines.
#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Buffer {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// The shapes in which a secret could have been kept.
fn shapes(secret: &str) -> Vec<String> {
    let random = &secret[secret.len() - 49..secret.len() - 6];
    vec![secret.to_owned(), random.to_owned(), random[..16].to_owned(), random[27..].to_owned()]
}

#[track_caller]
fn assert_absent(secrets: &[String], place: &str, content: &[u8]) {
    let content = String::from_utf8_lossy(content);
    for shape in secrets.iter().flat_map(|secret| shapes(secret)) {
        assert!(!content.contains(&shape), "found in {place}");
    }
}

fn assert_absent_in_files(secrets: &[String], folder: &Path) -> usize {
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let content = std::fs::read(&path).unwrap();
        seen += usize::from(!content.is_empty());
        assert_absent(secrets, &path.display().to_string(), &content);
    }
    seen
}

async fn assert_absent_in_pages(secrets: &[String], browser: &Browser, id: &str) {
    let paths = ["/", "/login", "/help", "/api/docs", "/api/v1/tokens", "/api/v1/tokens/{id}", "/api/v1/me"];
    for path in paths.iter().chain(&TOKEN_PAGES) {
        let answer = browser.get(&path.replace("{id}", id)).await;
        assert_absent(secrets, path, answer.to_string().as_bytes());
    }
}

/// A check over a real connection, so that the logs of the HTTP library are among those searched.
async fn check_over_the_network(app: &TestApp, secret: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(accept::serve(listener, app.router(), std::future::pending()));
    let request =
        format!("GET /check HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {secret}\r\nConnection: close\r\n\r\n");
    let ask = move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let answer = tokio::task::spawn_blocking(ask).await.unwrap();
    server.abort();
    answer
}

/// Asks about a token, exchanges it, and tries both with what is not good. Gives the JWT.
async fn use_oauth(app: &TestApp, secret: &str) -> String {
    let wish = |token: &str| {
        let grant = "urn:ietf:params:oauth:grant-type:token-exchange";
        let kind = "urn:ietf:params:oauth:token-type:access_token";
        oauth::post("/oauth/token", &[("grant_type", grant), ("subject_token", token), ("subject_token_type", kind)])
    };
    let wrong = with_wrong_secret(secret);
    app.send(oauth::question(&[("token", secret)])).await.expect(200);
    app.send(oauth::question(&[("token", &wrong)])).await.expect(200);
    app.send(oauth::question(&[("token", secret)]).header("authorization", "Basic x")).await.expect(401);
    app.send(oauth::post("/oauth/revoke", &[("token", &wrong)])).await.expect(200);
    app.send(oauth::post("/oauth/revoke", &[("token", secret), ("token", secret)])).await.expect(400);
    app.send(wish(&wrong)).await.expect(400);
    app.send(wish(secret)).await.expect(200).json()["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_found_nowhere_after_the_answer_that_showed_it() {
    let logs = Buffer::default();
    tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false).with_writer(logs.clone()).init();
    let app = oauth::app().await;
    let alice = app.browser_of("alice").await;
    let cookie = alice.cookie("hallpass").unwrap();
    let created = alice.create_token("t", &["read:users"]).await;
    assert!(check_over_the_network(&app, &created.secret).await.starts_with("HTTP/1.1 200"));
    app.check("?scope=write:users", &created.secret).await.expect(403);
    let regenerated = alice.regenerate(&created.id).await;
    app.check("", &created.secret).await.expect(401);
    app.check("", &regenerated.secret).await.expect(200);
    let fields = [("form_key", "0123456789abcdef0123456789abcdef"), ("lifetime", "30")];
    let page = alice.post_form(&format!("/tokens/{}/regenerate", created.id), &fields).await.expect(200);
    let shown = format!("hpat_{}", page.between(">hpat_", "<"));
    app.check("", &shown).await.expect(200);
    let jwt = use_oauth(&app, &shown).await;
    app.app.usage.flush().await;
    let secrets = [created.secret, regenerated.secret, shown];
    assert_absent_in_pages(&secrets, &alice, &created.id).await;
    // Database, its log, the key.
    assert!(assert_absent_in_files(&secrets, app.folder()) >= 3);
    assert_absent(&secrets, "metrics", app.app.web.metrics.render().as_bytes());
    alice.revoke(&created.id).await;
    let folder = app.folder().to_path_buf();
    let app = app.restart().await;
    assert_absent_in_files(&secrets, &folder);
    drop(app);
    let logs = logs.0.lock().unwrap().clone();
    let text = String::from_utf8_lossy(&logs);
    assert!(text.contains("a request was refused") && text.contains("TRACE"), "nothing was logged");
    assert_absent(&secrets, "logs", &logs);
    assert!(!text.contains(&cookie), "the cookie is in the logs");
    assert!(!text.contains(&jwt), "a JWT is in the logs");
    assert!(!text.contains("s3cret"), "the secret of a client is in the logs");
}
