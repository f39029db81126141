//! Logging in: contract, sections 8 and 10.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use hallpass::server::service::authority::Administrator;
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::support::{Answer, Browser, TestApp, form, minutes, seconds};

const LOGIN: &str = "/auth/main/login";

async fn assert_nobody(app: &TestApp, browser: &Browser) {
    browser.get("/api/v1/me").await.problem(401);
    assert_eq!(app.value("SELECT count(*) FROM sessions WHERE ended_at IS NULL").await, "0");
}

/// Makes sure that a page says what to do and names the request.
#[track_caller]
fn assert_advice(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{answer}");
    let id = answer.header("x-request-id");
    assert!(!id.is_empty() && answer.body.contains(id), "no request id: {answer}");
    assert!(answer.body.contains("role=\"alert\"") && answer.body.contains("Log in with main"), "{answer}");
}

/// A callback's path with one parameter changed.
fn changed(callback: &str, name: &str, value: Option<&str>) -> String {
    let mut url = url::Url::parse("http://localhost:3000").unwrap().join(callback).unwrap();
    let kept: Vec<_> = url.query_pairs().into_owned().filter(|(found, _)| found != name).collect();
    url.query_pairs_mut().clear().extend_pairs(kept).extend_pairs(value.map(|value| (name, value)));
    format!("{}?{}", url.path(), url.query().unwrap())
}

#[tokio::test]
async fn a_login_leads_back_to_where_it_began() {
    let app = TestApp::new().await;
    let alice = app.browser();
    let login = alice.get("/tokens/new?name=a%20b").await.expect(303).location().to_owned();
    let page = alice.get(&login).await.expect(200);
    let link = page.between("href=\"/auth/main", "\"").replace("&amp;", "&");
    let back = alice.log_in_through(&format!("/auth/main{link}"), "alice").await.expect(303);
    assert_eq!(back.location(), "/tokens/new?name=a%20b");
    assert_eq!(alice.get("/login?return_to=%2Fhelp").await.expect(303).location(), "/help");
    assert_eq!(alice.get("/").await.expect(303).location(), "/tokens");
    assert_eq!(app.browser().get("/").await.expect(303).location(), "/login");
}

#[tokio::test]
async fn a_login_never_leads_elsewhere() {
    let app = TestApp::new().await;
    let own = url::Url::parse(app.public_url()).unwrap();
    for foreign in [
        "https://evil.example",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/%0d%0aSet-Cookie:x=1",
        "/\r\nLocation: https://evil.example",
        "javascript:alert(1)",
        "data:text/html,x",
        "/.//evil.example",
        "/..//evil.example",
        "http:evil.example",
        "https:evil.example",
        "evil.example",
        "@evil.example",
        "/@evil.example",
        "%2F%2Fevil.example",
        "",
        "http://localhost:3000@evil.example/",
    ] {
        let browser = app.browser();
        let path = format!("{LOGIN}?{}", form(&[("return_to", foreign)]));
        let back = browser.log_in_through(&path, "alice").await.expect(303);
        let target = own.join(back.location()).unwrap();
        assert!(back.location().starts_with('/') && target.origin() == own.origin(), "{foreign:?}: {back}");
        assert_eq!(back.headers.get_all("set-cookie").iter().count(), 2, "{foreign:?}: {back}");
    }
}

#[tokio::test]
async fn a_way_back_that_is_too_long_is_forgotten_and_the_login_works() {
    let app = TestApp::new().await;
    let kept = format!("/tokens?q={}", "x".repeat(1_000));
    for (wanted, path) in [
        (kept.clone(), kept.as_str()),
        (format!("/tokens?q={}", "x".repeat(2_000)), "/tokens"),
        // Short enough until it is encoded.
        (format!("/tokens?q={}", "é".repeat(500)), "/tokens"),
        (format!("/{}", "\u{10348}".repeat(250)), "/tokens"),
    ] {
        let browser = app.browser();
        let entry = format!("{LOGIN}?{}", form(&[("return_to", &wanted)]));
        let begun = browser.get(&entry).await.expect(303);
        // What browsers keep at least (RFC 6265, section 6.1).
        assert!(begun.header("set-cookie").len() <= 4_096, "{begun}");
        assert_eq!(browser.log_in_through(&entry, "alice").await.expect(303).location(), path, "{wanted}");
    }
}

#[tokio::test]
async fn the_way_to_the_provider_carries_state_nonce_and_pkce() {
    let app = TestApp::new().await;
    let browser = app.browser();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..3 {
        let url = url::Url::parse(&browser.begin_login(LOGIN).await).unwrap();
        let param = |name: &str| url.query_pairs().find(|(found, _)| found == name).unwrap().1.into_owned();
        assert_eq!((param("response_type"), param("code_challenge_method")), ("code".to_owned(), "S256".to_owned()));
        assert_eq!(param("redirect_uri"), "http://localhost:3000/auth/main/callback");
        assert_eq!(param("scope"), "openid profile email groups");
        for fresh in ["state", "nonce", "code_challenge"] {
            let value = param(fresh);
            assert!(value.len() >= 43, "{fresh} is short: {value}");
            assert!(seen.insert(value), "{fresh} is not fresh");
        }
        assert!(!url.query_pairs().any(|(name, _)| name == "max_age"));
    }
    let fresh = browser.begin_login(&format!("{LOGIN}?fresh=1")).await;
    assert!(fresh.contains("max_age=900"), "{fresh}");
}

#[tokio::test]
async fn an_answer_that_does_not_belong_to_this_login_is_refused() {
    let app = TestApp::new().await;
    for (name, value, status) in [
        ("state", Some("x"), 400),
        ("state", Some(""), 400),
        ("state", None, 400),
        ("iss", Some("https://evil.example"), 403),
        ("code", Some("x"), 403),
        ("code", None, 403),
        ("error", Some("access_denied"), 403),
    ] {
        let browser = app.browser();
        let url = browser.begin_login(LOGIN).await;
        let callback = browser.answer_provider("alice", &url).await;
        assert_advice(&browser.get(&changed(&callback, name, value)).await, status);
        assert_nobody(&app, &browser).await;
    }
    assert_eq!(app.value("SELECT count(*) FROM users").await, "0");
}

#[tokio::test]
async fn a_state_that_only_begins_alike_is_another() {
    let app = TestApp::new().await;
    let browser = app.browser();
    let url = browser.begin_login(LOGIN).await;
    let callback = browser.answer_provider("alice", &url).await;
    let state = url::Url::parse(&url).unwrap().query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let alike = format!("{}{}", &state[..8], "A".repeat(state.len() - 8));
    assert_advice(&browser.get(&changed(&callback, "state", Some(&alike))).await, 400);
    assert_nobody(&app, &browser).await;
}

#[tokio::test]
async fn what_the_provider_says_about_an_error_is_not_repeated() {
    let app = TestApp::new().await;
    let browser = app.browser();
    let url = browser.begin_login(LOGIN).await;
    let callback = browser.answer_provider("alice", &url).await;
    let refused = changed(&changed(&callback, "error", Some("<i>x")), "error_description", Some("Call 555<b>now"));
    let page = browser.get(&refused).await;
    assert_advice(&page, 403);
    assert!(!page.body.contains("<i>x") && !page.body.contains("555"), "{page}");
}

#[tokio::test]
async fn a_callback_in_another_browser_logs_nobody_in() {
    let app = TestApp::new().await;
    let (attacker, victim) = (app.browser(), app.browser());
    let url = attacker.begin_login(LOGIN).await;
    let callback = attacker.answer_provider("bob", &url).await;
    assert_advice(&victim.get(&callback).await, 400);
    victim.begin_login(LOGIN).await;
    assert_advice(&victim.get(&callback).await, 400);
    assert_nobody(&app, &victim).await;
}

#[tokio::test]
async fn a_callback_works_once() {
    let app = TestApp::new().await;
    let browser = app.browser();
    let url = browser.begin_login(LOGIN).await;
    let kept = browser.cookies();
    let callback = browser.answer_provider("alice", &url).await;
    browser.get(&callback).await.expect(303);
    let replaying = app.browser();
    assert_advice(&replaying.get(&callback).await, 400);
    for (name, value) in &kept {
        replaying.set_cookie(name, value);
    }
    assert_advice(&replaying.get(&callback).await, 403);
    replaying.get("/api/v1/me").await.problem(401);
    assert_eq!(app.value("SELECT count(*) FROM sessions").await, "1");
}

#[tokio::test]
async fn an_answer_of_one_provider_is_nothing_at_another() {
    let app = TestApp::with(&[
        ("oidc.1.name", "other"),
        ("oidc.1.issuer", "http://127.0.0.1:9"),
        ("oidc.1.client_id", "x"),
        ("admin.providers", r#"["main"]"#),
    ])
    .await;
    let browser = app.browser();
    let url = browser.begin_login(LOGIN).await;
    let callback = browser.answer_provider("alice", &url).await;
    assert_advice(&browser.get(&callback.replace("/auth/main/", "/auth/other/")).await, 400);
    assert_nobody(&app, &browser).await;
}

#[tokio::test]
async fn a_cookie_of_a_login_in_progress_cannot_be_changed_or_moved() {
    let app = TestApp::new().await;
    let browser = app.browser();
    let url = browser.begin_login(LOGIN).await;
    let (name, value) = browser.cookies().pop().unwrap();
    let callback = browser.answer_provider("alice", &url).await;
    let flipped = if value.ends_with('A') { "B" } else { "A" };
    for bad in ["x", "", &format!("{}{flipped}", &value[..value.len() - 1]), &value[..value.len() / 2]] {
        let other = app.browser();
        other.set_cookie(&name, bad);
        assert_advice(&other.get(&callback).await, 400);
        assert_nobody(&app, &other).await;
    }
    for secret in ["verifier", "nonce", "return_to"] {
        assert!(!value.contains(secret));
    }
}

#[tokio::test]
async fn a_login_may_take_ten_minutes() {
    let app = TestApp::new().await;
    let browser = app.browser();
    for (wait, status) in [(minutes(10), 303), (minutes(10) + seconds(1), 400)] {
        let url = browser.begin_login(LOGIN).await;
        app.clock.advance(wait);
        let callback = browser.answer_provider("alice", &url).await;
        assert_eq!(browser.get(&callback).await.status, status, "{wait:?}");
    }
}

#[tokio::test]
async fn at_most_five_logins_are_in_progress_in_a_browser() {
    let app = TestApp::new().await;
    let browser = app.browser();
    let mut urls = Vec::new();
    for _ in 0..8 {
        urls.push(browser.begin_login(LOGIN).await);
        assert!(browser.cookies().len() <= 5, "{:?}", browser.cookies());
    }
    let oldest = browser.answer_provider("alice", &urls[2]).await;
    assert_advice(&browser.get(&oldest).await, 400);
    for url in &urls[3..] {
        let callback = browser.answer_provider("alice", url).await;
        browser.get(&callback).await.expect(303);
    }
}

#[tokio::test]
async fn while_the_provider_is_down_tokens_work_and_logins_explain() {
    let app = TestApp::new().await;
    let token = app.token_of_alice(&["read:users"]).await;
    let app = app.restart_with(&[("oidc.0.issuer", "http://127.0.0.1:9")]).await;
    app.check("", &token.secret).await.expect(200);
    let browser = app.browser();
    browser.get("/login").await.expect(200);
    let page = browser.get(LOGIN).await;
    assert_advice(&page, 502);
    assert!(page.body.contains("try again"), "{page}");
    assert!(!page.body.contains("127.0.0.1:9"), "an address of ours is told: {page}");
}

/// Something that takes every connection and never says a word.
struct Silence {
    issuer: String,
    connections: Arc<AtomicUsize>,
}

impl Silence {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let connections = Arc::new(AtomicUsize::new(0));
        let count = connections.clone();
        tokio::spawn(async move {
            let mut open = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                open.push(stream);
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { issuer, connections }
    }

    fn asked(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn a_provider_that_hangs_is_explained_in_time_and_left_alone_for_a_moment() {
    let silence = Silence::start().await;
    let patience = Duration::from_millis(300);
    let app = TestApp::with_ambient(&[("oidc.0.issuer", &silence.issuer)], |ambient| ambient.patience = patience).await;
    let (one, two) = (app.browser(), app.browser());
    let both = async { tokio::join!(one.get(LOGIN), two.get(LOGIN)) };
    let (first, second) = timeout(10 * patience, both).await.expect("a page in bounded time");
    assert_advice(&first, 502);
    assert_advice(&second, 502);
    assert!(first.body.contains("try again"), "{first}");
    assert_eq!(silence.asked(), 1, "whoever waits takes the answer that is on its way");
    assert_advice(&one.get(LOGIN).await, 502);
    assert_eq!(silence.asked(), 1, "a failure is remembered");
    app.clock.advance(seconds(3));
    assert_advice(&one.get(LOGIN).await, 502);
    assert_eq!(silence.asked(), 2, "but not for long");
}

#[tokio::test]
async fn a_provider_that_goes_down_in_between_is_explained_too() {
    let app = TestApp::new().await;
    let browser = app.browser();
    let url = browser.begin_login(LOGIN).await;
    let callback = browser.answer_provider("alice", &url).await;
    app.provider.stop();
    tokio::task::yield_now().await;
    assert_advice(&browser.get(&callback).await, 502);
    assert_nobody(&app, &browser).await;
}

#[tokio::test]
async fn a_provider_that_is_not_configured_is_not_there() {
    let app = TestApp::new().await;
    for path in ["/auth/other/login", "/auth/other/callback?state=x&code=y"] {
        app.browser().get(path).await.expect(404);
    }
}

#[tokio::test]
async fn somebody_who_may_not_come_in_is_told_and_recorded() {
    for (key, value, reason) in [
        ("oidc.0.required_roles", r#"["boss"]"#, "required_roles"),
        ("oidc.0.required_claims", r#"{"department": "sales"}"#, "required_claims"),
    ] {
        let app = TestApp::with(&[(key, value)]).await;
        let alice = app.browser();
        assert_advice(&alice.log_in_through(LOGIN, "alice").await, 403);
        assert_nobody(&app, &alice).await;
        let event = app.verified_events().await.pop().unwrap();
        assert_eq!((event.action.as_str(), event.result.as_str()), ("user.login_refused", "refused"));
        assert_eq!(event.reason.as_deref(), Some(reason));
        assert_eq!(app.value("SELECT count(*) FROM users").await, "0");
    }
}

#[tokio::test]
async fn somebody_who_may_not_come_in_any_more_has_no_roles_and_no_sessions_left() {
    let app = TestApp::with(&[("oidc.0.required_roles", r#"["staff"]"#)]).await;
    let alice = app.browser_of("alice").await;
    let token = alice.create_token("reports", &["read:users", "write:reports"]).await.secret;
    app.check("?scope=write:reports", &token).await.expect(200);
    app.provider.rewrite_id_tokens(|claims| claims["groups"] = serde_json::json!(["guests"]));
    assert_advice(&app.browser().log_in_through(LOGIN, "alice").await, 403);
    assert_nobody(&app, &alice).await;
    app.check("?scope=write:reports", &token).await.expect(403);
    app.check("?scope=read:users", &token).await.expect(200);
    assert_eq!(app.value("SELECT roles || attributes FROM users").await, "[]{}");
    let events = app.verified_events().await;
    let actions: Vec<_> = events.iter().rev().take(2).map(|event| event.action.as_str()).collect();
    assert!(actions.contains(&"user.login_refused") && actions.contains(&"session.ended"), "{actions:?}");
    let told = app.value("SELECT changes || personal FROM audit_events WHERE action = 'user.login_refused'").await;
    assert!(told.contains("roles") && told.contains("attributes"), "{told}");
    // They come back as what they are then.
    app.provider.rewrite_id_tokens(|claims| claims["groups"] = serde_json::json!(["staff"]));
    alice.log_in("alice").await;
    app.check("?scope=write:reports", &token).await.expect(200);
}

#[tokio::test]
async fn a_refusal_at_another_provider_takes_nothing() {
    let app = TestApp::new().await;
    app.browser_of("alice").await;
    app.execute("UPDATE users SET provider = 'other'").await;
    let app = app.restart_with(&[("oidc.0.required_roles", r#"["boss"]"#)]).await;
    assert_advice(&app.browser().log_in_through(LOGIN, "alice").await, 403);
    assert_eq!(app.value("SELECT count(*) FROM sessions WHERE ended_at IS NULL").await, "1");
    assert_eq!(app.value("SELECT roles FROM users").await, r#"["staff"]"#);
}

#[tokio::test]
async fn a_login_that_is_not_as_fresh_as_was_asked_for_is_refused_and_recorded() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let age = Arc::new(AtomicI64::new(0));
    let older = age.clone();
    app.provider.rewrite_id_tokens(move |claims| {
        claims["auth_time"] = (claims["auth_time"].as_i64().unwrap() - older.load(Ordering::SeqCst)).into();
    });
    // A quarter of an hour, and a minute between the clocks.
    for (seconds, status) in [(900 + 60, 303), (900 + 61, 403), (-60, 303), (-61, 403)] {
        age.store(seconds, Ordering::SeqCst);
        assert_eq!(alice.log_in_through(&format!("{LOGIN}?fresh=1"), "alice").await.status, status);
    }
    let event = app.verified_events().await.pop().unwrap();
    assert_eq!((event.action.as_str(), event.reason.as_deref()), ("user.login_refused", Some("not_fresh")));
    let me = alice.get("/api/v1/me").await.expect(200).json();
    assert_eq!(event.actor.1.as_deref(), me["id"].as_str(), "who was refused is told, and keeps the session");
    app.provider.rewrite_id_tokens(|claims| drop(claims.as_object_mut().unwrap().remove("auth_time")));
    let refused = alice.log_in_through(&format!("{LOGIN}?fresh=1"), "alice").await;
    assert_advice(&refused, 403);
    assert!(refused.body.contains("did not ask you again"), "{refused}");
}

#[tokio::test]
async fn the_restrictions_let_in_whom_they_name() {
    let app = TestApp::with(&[
        ("oidc.0.required_roles", r#"["boss", "staff"]"#),
        ("oidc.0.required_claims", r#"{"department": "research"}"#),
        ("oidc.0.role_prefix", "main/"),
    ])
    .await;
    let me = app.browser_of("alice").await.get("/api/v1/me").await.json();
    assert_eq!(me["roles"], serde_json::json!(["main/staff"]));
}

#[tokio::test]
async fn a_disabled_person_s_login_is_refused_and_recorded() {
    let app = TestApp::new().await;
    app.browser_of("alice").await.post_form("/auth/logout", &[]).await;
    app.execute("UPDATE users SET disabled_at = 1").await;
    let alice = app.browser();
    assert_advice(&alice.log_in_through(LOGIN, "alice").await, 403);
    assert_nobody(&app, &alice).await;
    let event = app.verified_events().await.pop().unwrap();
    assert_eq!((event.action.as_str(), event.reason.as_deref()), ("user.login_refused", Some("user_disabled")));
}

#[tokio::test]
async fn a_login_that_cannot_be_recorded_does_not_happen() {
    let app = TestApp::new().await;
    app.break_audit().await;
    let before = app.dump().await;
    let alice = app.browser();
    let answer = alice.log_in_through(LOGIN, "alice").await.expect(503);
    assert!(answer.body.contains(answer.header("x-request-id")), "{answer}");
    assert_nobody(&app, &alice).await;
    assert_eq!(app.dump().await, before);
    app.mend_audit().await;
    alice.log_in("alice").await;
}

#[tokio::test]
async fn a_refusal_that_cannot_be_recorded_is_an_error_too() {
    let app = TestApp::with(&[("oidc.0.required_roles", r#"["boss"]"#)]).await;
    app.break_audit().await;
    app.browser().log_in_through(LOGIN, "alice").await.expect(503);
}

#[tokio::test]
async fn somebody_stays_the_same_person_under_another_name() {
    let app = TestApp::new().await;
    let id = app.browser_of("alice").await.get("/api/v1/me").await.json()["id"].clone();
    app.execute("UPDATE users SET username = 'maiden name', email = NULL").await;
    let me = app.browser_of("alice").await.get("/api/v1/me").await.json();
    assert_eq!((&me["id"], &me["username"]), (&id, &"alice".into()));
    assert_eq!(app.value("SELECT count(*) FROM users").await, "1");
}

#[tokio::test]
async fn a_stranger_who_is_refused_is_told_apart_from_others_of_the_same_name() {
    let app = TestApp::with(&[("oidc.0.required_roles", r#"["boss", "hallpass-admin"]"#)]).await;
    for user in ["alice", "bob"] {
        app.provider.rewrite_id_tokens(|claims| claims["preferred_username"] = "ally".into());
        assert_advice(&app.browser().log_in_through(LOGIN, user).await, 403);
    }
    // Alice is somebody by now.
    app.provider.rewrite_id_tokens(|claims| claims["groups"] = serde_json::json!(["boss", "hallpass-admin"]));
    let admin = app.browser_of("alice").await;
    let seen = admin.get("/api/v1/admin/audit?action=user.login_refused").await.expect(200).json();
    for (event, subject) in seen["items"].as_array().unwrap().iter().zip(["demo-bob", "demo-alice"]) {
        assert_eq!(event["actor"], serde_json::json!({"type": "user", "id": null, "name": "ally"}));
        assert_eq!((&event["object"]["type"], &event["object"]["id"]), (&"provider".into(), &"main".into()));
        let changes = serde_json::json!({"issuer": [null, app.provider.issuer], "subject": [null, subject]});
        assert_eq!(event["changes"], changes);
    }
    let page = admin.get("/admin/audit?action=user.login_refused").await.expect(200).body;
    assert!(page.contains("demo-bob") && page.contains("demo-alice"), "{page}");
    // Nothing of that is in what the chain holds, so it can be forgotten.
    let held = app.column("SELECT changes || personal FROM audit_events").await.concat();
    assert!(!held.contains("demo-bob") && !held.contains(&app.provider.issuer), "{held}");

    let known = app.value("SELECT lower(hex(id)) FROM users").await;
    let known = uuid::Uuid::parse_str(&known).unwrap().to_string().parse().unwrap();
    app.app.web.admin.erase(&Administrator::operator(), known).await.unwrap();
    let left = app.column("SELECT value FROM audit_personal WHERE field = 'changes.subject.to'").await;
    assert_eq!(left, ["demo-bob"], "nobody is known by that");
    let verified = app.app.db.verify_log([], |_| {}).await.unwrap().unwrap();
    assert!(verified.erased >= 6, "{verified:?}");
}
