//! The decision log: what a leaked token was used for.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Call, TestApp};

/// A server with a log.
struct Logged {
    app: TestApp,
    folder: TempDir,
}

impl Logged {
    async fn new() -> Self {
        Self::with(&[]).await
    }

    async fn with(settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("decisions.jsonl");
        let app = TestApp::with(&[&[("audit.decision_log", log.to_str().unwrap())], settings].concat()).await;
        Self { app, folder }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("decisions.jsonl")
    }

    /// The lines of the log, when there are so many.
    async fn lines(&self, count: usize) -> Vec<Value> {
        loop {
            let text = std::fs::read_to_string(self.file()).unwrap();
            if text.ends_with('\n') && text.lines().count() >= count {
                return text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test]
async fn each_check_leaves_a_line_that_says_who_asked_for_what() {
    let logged = Logged::new().await;
    let app = &logged.app;
    let token = app.token_of_alice(&["read:users"]).await;
    let secret_id = token.secret.split('_').nth(1).unwrap();
    let asked = Call::get("/check?scope=read:users").bearer(&token.secret).header("x-request-id", "r-1");
    let asked = asked.header("x-forwarded-host", "api.example.org").header("x-forwarded-method", "POST");
    app.send(asked.header("x-forwarded-uri", "/orders/7?token=x#y")).await.expect(200);
    app.check("?scope=write:users&role=boss", &token.secret).await.expect(403);
    let envoy = Call::new("DELETE", "/check/envoy/things/9?key=secret").header("host", "things.example.org");
    app.send(envoy.bearer("hpat_nonsense")).await.expect(401);
    app.send(Call::get("/check")).await.expect(401);

    let found = logged.lines(4).await;
    let [allowed, refused, by_envoy, nothing] = found.as_slice() else { panic!("{found:?}") };
    for (field, value) in [
        ("time", json!("2026-05-03T14:05:00.000000Z")),
        ("request_id", json!("r-1")),
        ("outcome", json!("allowed")),
        ("method", json!("pat")),
        ("token_id", json!(token.id)),
        ("secret_id", json!(secret_id)),
        ("requirement", json!("scope=read:users")),
        ("audience", json!("hallpass")),
        ("ip", json!("192.0.2.10")),
        ("peer_ip", json!("192.0.2.10")),
        ("host", json!("api.example.org")),
        ("http_method", json!("POST")),
        ("path", json!("/orders/7")),
    ] {
        assert_eq!(allowed[field], value, "{field}");
    }
    assert_eq!((&refused["outcome"], &refused["reason"]), (&json!("insufficient"), &json!("scope")));
    // What a leaked token was tried for is asked, too.
    assert_eq!((&refused["secret_id"], &refused["token_id"]), (&json!(secret_id), &json!(token.id)));
    assert_eq!((&by_envoy["outcome"], &by_envoy["reason"]), (&json!("invalid_token"), &json!("malformed")));
    let claimed = ["host", "http_method", "path"].map(|field| by_envoy[field].as_str().unwrap().to_owned());
    assert_eq!(claimed, ["things.example.org", "DELETE", "/things/9"]);
    assert_eq!((&nothing["outcome"], &nothing["method"]), (&json!("no_credential"), &json!("none")));
}

#[tokio::test]
async fn no_secret_is_in_the_log() {
    let logged = Logged::new().await;
    let app = &logged.app;
    let token = app.token_of_alice(&["read:users"]).await;
    let call = Call::get("/check").bearer(&token.secret).header("x-forwarded-uri", format!("/x?t={}", token.secret));
    app.send(call).await.expect(200);
    app.check("", &format!("{}x", token.secret)).await.expect(401);
    let text = format!("{:?}", logged.lines(2).await);
    assert!(!text.contains(&token.secret[21..]), "{text}");
}

#[tokio::test]
async fn nothing_of_a_credential_that_is_none_of_ours_is_in_the_log() {
    let logged = Logged::with(&[("check.identity_header", "x-key")]).await;
    // In each, the secret stands where the public id of a token of ours would.
    let foreign = ["app_4f9d2c7e8a1b3c5d", "ghp_0123456789abcdef_x", "eyJ_4f9d2c7e8a1b3c5d_x"];
    for credential in foreign {
        let basic = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("me:{credential}"));
        for call in [
            Call::get("/check").bearer(credential),
            Call::get("/check").header("authorization", format!("Basic {basic}")),
            Call::get("/check").header("x-key", credential),
        ] {
            logged.app.send(call).await.expect(401);
        }
    }
    let text = format!("{:?}", logged.lines(9).await);
    assert!(!text.contains("4f9d2c7e8a1b3c5d") && !text.contains("0123456789abcdef"), "{text}");
}

#[tokio::test]
async fn the_log_tells_what_was_answered_and_others_may_not_read_it() {
    let logged = Logged::with(&[("check.failure_limit", "1/m")]).await;
    for status in [401, 429] {
        logged.app.check("", "hpat_nonsense").await.expect(status);
    }
    let found = logged.lines(2).await;
    assert_eq!((&found[0]["outcome"], &found[1]["outcome"]), (&json!("invalid_token"), &json!("limited")));
    assert_ne!(found[0]["request_id"], found[1]["request_id"]);
    let mode = std::fs::metadata(logged.file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o007, 0, "{mode:o}");
}

#[tokio::test]
async fn a_log_that_is_moved_away_begins_anew() {
    let logged = Logged::new().await;
    let app = &logged.app;
    let token = app.token_of_alice(&["read:users"]).await;
    app.check("", &token.secret).await.expect(200);
    logged.lines(1).await;
    std::fs::rename(logged.file(), logged.folder.path().join("decisions.1")).unwrap();
    while !logged.file().exists() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    app.check("", &token.secret).await.expect(200);
    assert_eq!(logged.lines(1).await.len(), 1);
}

#[tokio::test]
async fn no_decision_is_lost_where_the_server_stops() {
    let logged = Logged::new().await;
    let token = logged.app.token_of_alice(&["read:users"]).await;
    for _ in 0..500 {
        logged.app.check("", &token.secret).await.expect(200);
    }
    logged.app.app.close().await;
    let text = std::fs::read_to_string(logged.folder.path().join("decisions.jsonl")).unwrap();
    assert_eq!(text.lines().count(), 500);
}

#[tokio::test]
async fn decisions_that_cannot_be_written_keep_nobody_waiting() {
    let app = TestApp::with(&[("audit.decision_log", "/dev/full")]).await;
    let token = app.token_of_alice(&["read:users"]).await;
    for _ in 0..100 {
        app.check("", &token.secret).await.expect(200);
    }
    app.app.close().await;
}
