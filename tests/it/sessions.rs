//! Browser sessions: contract, sections 2, 8 and 10.

use std::convert::Infallible;

use axum::body::Body;
use axum::http::Request;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hallpass::server::http::Peer;
use hallpass::server::keys::hex;
use sha2::{Digest as _, Sha256};
use tokio::sync::oneshot;
use tower::ServiceExt as _;

use crate::support::{Answer, Browser, Call, TestApp, form, hours, minutes, seconds};

const COOKIE: &str = "hallpass";

/// Whether a browser is logged in, as every kind of address sees it.
#[track_caller]
fn assert_in(answers: &[Answer; 2], expected: bool) {
    let (page, api) = if expected { (200, 200) } else { (303, 401) };
    assert_eq!((answers[0].status, answers[1].status), (page, api), "{answers:?}");
    if !expected {
        assert_eq!(answers[0].location(), "/login?return_to=%2Ftokens");
    }
}

async fn look(browser: &Browser) -> [Answer; 2] {
    [browser.get("/tokens").await, browser.get("/api/v1/me").await]
}

#[tokio::test]
async fn a_session_ends_when_nobody_uses_it() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    for _ in 0..3 {
        app.clock.advance(minutes(60));
        assert_in(&look(&alice).await, true);
    }
    app.clock.advance(minutes(60) + seconds(1));
    assert_in(&look(&alice).await, false);
    app.clock.set_back(minutes(1));
    // What was over by the clock is not ended for ever, but nothing has moved it on either.
    app.clock.advance(minutes(2));
    assert_in(&look(&alice).await, false);
}

#[tokio::test]
async fn a_session_ends_after_half_a_day_however_much_it_is_used() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    for _ in 0..24 {
        app.clock.advance(minutes(30));
        assert_in(&look(&alice).await, true);
    }
    app.clock.advance(seconds(1));
    assert_in(&look(&alice).await, false);
}

#[tokio::test]
async fn the_limits_are_configured() {
    let app = TestApp::with(&[("session.idle", "5m"), ("session.absolute", "8m")]).await;
    let alice = app.browser_of("alice").await;
    app.clock.advance(minutes(5));
    assert_in(&look(&alice).await, true);
    app.clock.advance(minutes(4));
    assert_in(&look(&alice).await, false);
}

#[tokio::test]
async fn use_is_written_at_most_once_a_minute() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let last_seen = "SELECT last_seen_at FROM sessions";
    let start = app.value(last_seen).await;
    app.clock.advance(seconds(59));
    look(&alice).await;
    assert_eq!(app.value(last_seen).await, start);
    app.clock.advance(seconds(1));
    look(&alice).await;
    assert_eq!(app.value(last_seen).await.parse::<i64>().unwrap(), start.parse::<i64>().unwrap() + 60_000_000);
}

#[tokio::test]
async fn a_login_begins_a_new_session_and_ends_the_one_before() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let thief = alice.moved_to(&app);
    let before = alice.cookie(COOKIE).unwrap();
    alice.log_in("alice").await;
    assert_ne!(alice.cookie(COOKIE).unwrap(), before);
    assert_in(&look(&alice).await, true);
    assert_in(&look(&thief).await, false);
    assert_eq!(app.value("SELECT count(*) FROM sessions WHERE ended_at IS NULL").await, "1");
}

#[tokio::test]
async fn a_cookie_from_elsewhere_is_never_taken_for_a_session() {
    let app = TestApp::new().await;
    let victim = app.browser();
    let planted = URL_SAFE_NO_PAD.encode([7; 16]);
    victim.set_cookie(COOKIE, &planted);
    assert_in(&look(&victim).await, false);
    victim.log_in("alice").await;
    assert_ne!(victim.cookie(COOKIE).unwrap(), planted);
    let attacker = app.browser();
    attacker.set_cookie(COOKIE, &planted);
    assert_in(&look(&attacker).await, false);
    for garbage in ["", "x", "=", "\"\"", &"A".repeat(22), &"A".repeat(4_000)] {
        attacker.set_cookie(COOKIE, garbage);
        assert_in(&look(&attacker).await, false);
    }
}

#[tokio::test]
async fn visitors_who_are_not_logged_in_leave_nothing_behind() {
    let app = TestApp::new().await;
    let visitor = app.browser();
    for path in ["/", "/login", "/tokens", "/help", "/api/docs", "/api/v1/me", "/nothing"] {
        assert!(!visitor.get(path).await.headers.contains_key("set-cookie"), "{path}");
    }
    assert_eq!(app.value("SELECT count(*) FROM sessions").await, "0");
}

#[tokio::test]
async fn a_logout_ends_the_session_and_no_other() {
    let app = TestApp::new().await;
    let (here, elsewhere) = (app.browser_of("alice").await, app.browser_of("alice").await);
    let token = here.create_token("t", &["read:users"]).await;
    let copy = here.moved_to(&app);
    let answer = here.post_form("/auth/logout", &[]).await.expect(303);
    assert!(answer.location().starts_with(&format!("{}/end_session?", app.provider.issuer)), "{answer}");
    assert_eq!(here.cookie(COOKIE), None);
    assert_in(&look(&copy).await, false);
    assert_in(&look(&elsewhere).await, true);
    app.check("", &token.secret).await.expect(200);
    assert_eq!(here.post_form("/auth/logout", &[]).await.expect(303).location(), "/login");
}

#[tokio::test]
async fn a_logout_works_while_the_provider_is_down() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let app = app.restart().await;
    app.provider.stop();
    let alice = alice.moved_to(&app);
    assert_eq!(alice.post_form("/auth/logout", &[]).await.expect(303).location(), "/login");
    assert_in(&look(&alice).await, false);
}

/// A form whose body is only complete when `release` is told.
fn slow_form(path: &str, cookie: &str, fields: &[(&str, &str)]) -> (Request<Body>, oneshot::Sender<()>) {
    let (release, wait) = oneshot::channel();
    let text = form(fields);
    let body = futures_util::stream::once(async move {
        wait.await.unwrap();
        Ok::<_, Infallible>(text)
    });
    let request = Request::post(path)
        .header("cookie", format!("{COOKIE}={cookie}"))
        .header("sec-fetch-site", "same-origin")
        .header("content-type", "application/x-www-form-urlencoded")
        .extension(Peer("192.0.2.10".parse().unwrap()));
    (request.body(Body::from_stream(body)).unwrap(), release)
}

#[tokio::test]
async fn a_session_that_ends_while_a_request_is_under_way_stays_ended() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let cookie = alice.cookie(COOKIE).unwrap();
    app.clock.advance(minutes(2));
    let fields = [("form_key", "0123456789abcdef0123456789abcdef"), ("name", ""), ("lifetime", "30")];
    let (request, release) = slow_form("/tokens/new", &cookie, &fields);
    let running = tokio::spawn(app.router().oneshot(request));
    // The session was loaded, and its use noted, when the body is waited for.
    while app.value("SELECT last_seen_at = created_at FROM sessions").await == "1" {
        tokio::task::yield_now().await;
    }
    alice.moved_to(&app).post_form("/auth/logout", &[]).await.expect(303);
    let ended = app.dump().await;
    app.clock.advance(minutes(2));
    release.send(()).unwrap();
    let answer = Answer::read(running.await.unwrap().unwrap()).await;
    assert!(!answer.headers.contains_key("set-cookie"), "{answer}");
    assert_eq!(app.dump().await, ended);
    assert_in(&look(&alice).await, false);
}

#[tokio::test]
async fn sessions_survive_a_restart() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let ended = app.browser_of("alice").await;
    let copy = ended.moved_to(&app);
    ended.post_form("/auth/logout", &[]).await;
    app.clock.advance(minutes(10));
    let app = app.restart().await;
    assert_in(&look(&alice.moved_to(&app)).await, true);
    assert_in(&look(&copy.moved_to(&app)).await, false);
}

#[tokio::test]
async fn somebody_who_is_disabled_is_out_at_once() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    app.execute("UPDATE users SET disabled_at = 1").await;
    assert_in(&look(&alice).await, false);
    let answer = alice.log_in_through("/auth/main/login", "alice").await.expect(403);
    assert!(answer.body.contains("disabled"), "{answer}");
    assert_in(&look(&alice).await, false);
    app.execute("UPDATE users SET disabled_at = NULL").await;
    alice.log_in("alice").await;
    assert_in(&look(&alice).await, true);
}

#[tokio::test]
async fn new_roles_count_in_all_sessions_at_once() {
    let app = TestApp::new().await;
    let first = app.browser_of("alice").await;
    app.execute("UPDATE users SET roles = '[\"hallpass-admin\"]'").await;
    assert_eq!(first.get("/api/v1/me").await.json()["is_admin"], true);
    app.browser_of("alice").await;
    let me = first.get("/api/v1/me").await.json();
    assert_eq!((&me["is_admin"], &me["roles"][0]), (&false.into(), &"staff".into()));
}

#[tokio::test]
async fn a_session_through_a_provider_that_makes_no_administrators_is_none_of_one() {
    let app = TestApp::with(&[
        ("oidc.1.name", "strong"),
        ("oidc.1.issuer", "http://127.0.0.1:9"),
        ("oidc.1.client_id", "x"),
        ("admin.providers", r#"["strong"]"#),
    ])
    .await;
    let weak = app.browser_of("alice").await;
    // The same person has come through the other one since.
    app.execute("UPDATE users SET provider = 'strong', roles = '[\"hallpass-admin\"]'").await;
    assert_eq!(weak.get("/api/v1/me").await.json()["is_admin"], false);
    weak.get("/admin").await.expect(404);
    weak.get("/api/v1/admin/tokens").await.problem(404);
    app.execute("UPDATE sessions SET provider = 'strong'").await;
    assert_eq!(weak.get("/api/v1/me").await.json()["is_admin"], true);
}

#[tokio::test]
async fn the_database_knows_only_the_hash_of_a_cookie() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let cookie = alice.cookie(COOKIE).unwrap();
    let id = URL_SAFE_NO_PAD.decode(&cookie).unwrap();
    assert_eq!(id.len(), 16, "128 bits");
    let reversed: Vec<u8> = id.iter().rev().copied().collect();
    let dump = app.dump().await.to_lowercase();
    for plain in [cookie.to_lowercase(), hex(&id), hex(&reversed)] {
        assert!(!dump.contains(&plain));
    }
    assert!([id, reversed].iter().any(|id| dump.contains(&hex(&Sha256::digest(id)))));
}

#[tokio::test]
async fn when_the_store_is_gone_nobody_is_taken_for_logged_out() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    app.app.db.close().await;
    let page = alice.get("/tokens").await.expect(503);
    assert!(!page.headers.contains_key("set-cookie"), "{page}");
    alice.get("/api/v1/me").await.problem(503);
    let body = serde_json::json!({"name": "t", "scopes": ["read:users"]});
    alice.api_json("POST", "/api/v1/tokens", &body).await.problem(503);
}

#[tokio::test]
async fn a_logout_that_cannot_be_written_does_not_claim_to_have_worked() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    app.app.db.close().await;
    alice.post_form("/auth/logout", &[]).await.expect(503);
}

#[tokio::test]
async fn the_session_is_asked_for_only_where_it_matters() {
    let app = TestApp::with(&[("session.idle", "1h")]).await;
    let alice = app.browser_of("alice").await;
    let before = app.dump().await;
    app.clock.advance(minutes(30));
    for path in ["/check", "/healthz", "/readyz", "/favicon.svg"] {
        alice.send(Call::get(path)).await;
    }
    assert_eq!(app.dump().await, before);
    app.clock.advance(hours(1));
    assert_in(&look(&alice).await, false);
}
