//! The secret is in the one answer that creates it and nowhere else: contract, section 3.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::OnceLock;

use hallpass::server::http::accept;
use serde_json::json;
use tokio::net::TcpListener;

use crate::oauth;
use crate::support::{Answer, Browser, Call, Logs, Scanner, TOKEN_PAGES, TestApp, form, with_wrong_secret};

/// Everything that is logged in this process, down to the last detail.
fn logs() -> &'static Logs {
    static LOGS: OnceLock<Logs> = OnceLock::new();
    LOGS.get_or_init(|| {
        let logs = Logs::default();
        let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false);
        subscriber.with_writer(logs.clone()).init();
        logs
    })
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
    let head = format!("GET /check HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {secret}\r\n");
    over_the_network(app, format!("{head}Connection: close\r\n\r\n")).await
}

async fn over_the_network(app: &TestApp, request: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(accept::serve(listener, app.router(), std::future::pending()));
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
    logs();
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
    let text = logs().text();
    assert!(text.contains("a request was refused") && text.contains("TRACE"), "nothing was logged");
    assert_absent(&secrets, "logs", text.as_bytes());
    assert!(!text.contains(&cookie), "the cookie is in the logs");
    assert!(!text.contains(&jwt), "a JWT is in the logs");
    assert!(!text.contains("s3cret"), "the secret of a client is in the logs");
}

/// What somebody wrote around a token that they paste.
const NOTE: &str = "dear-diary-4711";

/// Looks for tokens and note wherever an answer could lead or keep them: its status line, headers and body.
#[track_caller]
fn assert_silent(secrets: &[String], what: &str, answer: &Answer) {
    let text = answer.to_string();
    assert_absent(secrets, what, text.as_bytes());
    assert!(!text.contains(NOTE), "{what}: {text}");
}

/// Everywhere that takes a text with tokens in it, and what it answers when all is well.
fn places(text: &str) -> [(&'static str, Call, u16); 4] {
    let own = |path: &str| Call::new("POST", path).header("sec-fetch-site", "same-origin");
    [
        ("report", own("/report").form(&[("text", text)]), 200),
        ("identify page", own("/admin/identify").form(&[("text", text)]), 200),
        ("identify", own("/api/v1/admin/identify").json(&json!({"token": text})), 200),
        // Here it is a key that nothing knows, beside what is asked for.
        ("identify with a mistake", own("/api/v1/admin/identify").json(&json!({"token": text, "note": text})), 422),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_somebody_pastes_is_found_nowhere_after_it_was_looked_at() {
    logs();
    let scanner = Scanner::new();
    let app = scanner.app("revoke").await;
    let (alice, admin) = (app.browser_of("alice").await, app.browser_of("admin").await);
    let mut secrets = Vec::new();
    for name in ["reported", "reported over the network", "scanned", "kept"] {
        secrets.push(alice.create_token(name, &["read:users"]).await.secret);
    }
    let around = |secret: &str| format!("{NOTE} Authorization: Bearer {secret}; {NOTE}");
    let kept = secrets[3].clone();

    for text in [around(&secrets[0]), around(&with_wrong_secret(&kept)), around(&kept[..70]), NOTE.to_owned()] {
        for (what, call, status) in places(&text) {
            // Whoever is not asked is not told either.
            assert_silent(&secrets, what, &alice.send(call.clone()).await);
            assert_silent(&secrets, what, &admin.send(call).await.expect(status));
        }
    }
    app.check("", &secrets[0]).await.expect(401);
    let body = form(&[("text", &around(&secrets[1]))]);
    let length = body.len();
    let head = "POST /report HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    let answer = over_the_network(&app, format!("{head}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"));
    let answer = answer.await;
    assert!(answer.starts_with("HTTP/1.1 200") && !answer.contains(NOTE), "{answer}");
    assert_absent(&secrets, "report over the network", answer.as_bytes());
    let found = |token: &str| json!([{"token": token, "url": format!("https://ci/?t={token}"), "source": NOTE}]);
    for (body, status) in [
        (found(&secrets[2]).to_string(), 204),
        (found(&around(&secrets[2])).to_string(), 204),
        (around(&secrets[2]), 400),
    ] {
        assert_silent(&secrets, "leaks", &scanner.tell(&app, &body).await.expect(status));
        assert_silent(&secrets, "leaks, unsigned", &app.send(Scanner::message("k1", "AAAA", &body)).await.expect(403));
    }
    // Nor where it cannot be done, or where somebody puts it into the address.
    app.break_audit().await;
    for (what, call, _) in places(&around(&kept)) {
        assert_silent(&secrets, what, &admin.send(call).await);
    }
    app.mend_audit().await;
    for path in ["/report", "/tokens", "/admin/tokens", "/admin/identify", "/api/v1/admin/identify"] {
        for field in ["text", "q"] {
            assert_silent(&secrets, path, &admin.get(&format!("{path}?{}", form(&[(field, &around(&kept))]))).await);
        }
    }
    app.check("", &kept).await.expect(200);

    app.app.usage.flush().await;
    for page in ["/tokens", "/activity", "/admin", "/admin/audit", "/admin/tokens", "/api/v1/admin/audit"] {
        assert_silent(&secrets, page, &admin.get(page).await.expect(200));
        assert_silent(&secrets, page, &alice.get(page).await);
    }
    let dump = app.dump().await;
    assert!(dump.contains("found at https://ci/?t=") && !dump.contains(NOTE), "{dump}");
    assert!(assert_absent_in_files(&secrets, app.folder()) >= 3);
    assert_absent(&secrets, "metrics", app.app.web.metrics.render().as_bytes());
    let text = logs().text();
    assert!(text.contains("a message about leaked tokens was not taken"), "nothing was logged");
    assert_absent(&secrets, "logs", text.as_bytes());
    assert!(!text.contains(NOTE), "the text is in the logs");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_not_written_where_others_read_it() {
    logs();
    let app = TestApp::new().await;
    let (alice, admin) = (app.browser_of("alice").await, app.browser_of("admin").await);
    let created = alice.create_token("t", &["read:users"]).await;
    let id = created.id.clone();
    let owner = alice.get("/api/v1/me").await.json()["id"].as_str().unwrap().to_owned();
    let secrets = [created.secret.clone()];
    let words = format!("found in {}.txt", created.secret);
    let (token, own) = ("/api/v1/tokens".to_owned(), format!("/api/v1/tokens/{id}"));
    let of_admin = |what: &str| format!("/api/v1/admin/{what}");
    for (who, method, path, body, field) in [
        (&alice, "POST", token.clone(), json!({"name": words, "scopes": ["read:users"]}), "name"),
        (&alice, "POST", token, json!({"name": "x", "description": words, "scopes": ["read:users"]}), "description"),
        (&alice, "PATCH", own.clone(), json!({"name": words}), "name"),
        (&alice, "POST", format!("{own}/revoke"), json!({"reason": words}), "reason"),
        (&admin, "POST", of_admin(&format!("tokens/{id}/revoke")), json!({"reason": words}), "reason"),
        (&admin, "POST", of_admin(&format!("users/{owner}/disable")), json!({"reason": words}), "reason"),
        (&admin, "POST", of_admin("tokens/revoke"), json!({"filter": {"ids": [id]}, "reason": words}), "reason"),
    ] {
        let answer = who.api_json(method, &path, &body).await;
        assert_eq!(answer.problem(422)["errors"][0]["field"], field, "{path}");
        assert_silent(&secrets, &path, &answer);
    }
    // What programs say of themselves cannot be refused.
    let talkative =
        Call::new("POST", "/api/v1/tokens").header("sec-fetch-site", "same-origin").header("user-agent", &words);
    alice.send(talkative.json(&json!({"name": "x", "scopes": ["read:users"]}))).await.expect(201);
    app.check("", &created.secret).await.expect(200);
    let dump = app.dump().await;
    assert!(dump.contains("found in hpat_") && dump.contains("_….txt"), "{dump}");
    assert!(assert_absent_in_files(&secrets, app.folder()) >= 3);
    assert_absent(&secrets, "logs", logs().text().as_bytes());
}
