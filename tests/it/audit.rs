//! The audit log: contract, sections 5, 7 and 10.

use std::collections::BTreeMap;

use hallpass::server::keys::hex;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::{Browser, Call, Scanner, TestApp, minutes};

const KEY: &str = "0123456789abcdef0123456789abcdef";

/// Every change of a token that a browser can make, with the action that records it.
fn changes(id: &str) -> Vec<(&'static str, Call)> {
    let path = |rest: &str| format!("/tokens/{id}{rest}");
    let api = |rest: &str| format!("/api/v1/tokens/{id}{rest}");
    let edited = [("name", "by form"), ("description", ""), ("scope", "read:users"), ("version", "1")];
    let made = [("form_key", KEY), ("name", "by form"), ("scope", "read:users"), ("lifetime", "30")];
    let calls = vec![
        (
            "token.created",
            Call::new("POST", "/api/v1/tokens").json(&json!({"name": "by api", "scopes": ["read:users"]})),
        ),
        ("token.created", Call::new("POST", "/tokens/new").form(&made)),
        ("token.edited", Call::new("PATCH", &api("")).json(&json!({"name": "by api"}))),
        ("token.edited", Call::new("POST", &path("/edit")).form(&edited)),
        ("token.regenerated", Call::new("POST", &api("/regenerate")).json(&json!({"mode": "now"}))),
        ("token.regenerated", Call::new("POST", &path("/regenerate")).form(&[("form_key", KEY), ("lifetime", "30")])),
        ("token.revoked", Call::new("POST", &api("/revoke")).json(&json!({"reason": "because"}))),
        ("token.revoked", Call::new("POST", "/ui/revoke_token").form(&[("id", id)])),
        ("user.logged_out", Call::new("POST", "/auth/logout").form(&[])),
    ];
    calls.into_iter().map(|(action, call)| (action, call.header("sec-fetch-site", "same-origin"))).collect()
}

async fn browser_with_token(app: &TestApp) -> (Browser, String) {
    let browser = app.browser_of("alice").await;
    let token = browser.create_token("t", &["read:users", "write:users"]).await;
    (browser, token.id)
}

#[tokio::test]
async fn every_change_writes_exactly_one_event() {
    let app = TestApp::new().await;
    for index in 0..changes("").len() {
        let (browser, id) = browser_with_token(&app).await;
        let before = app.actions().await;
        let (action, call) = changes(&id).swap_remove(index);
        let answer = browser.send(call).await;
        assert!(answer.status < 400, "{answer}");
        let after = app.actions().await;
        assert_eq!(after[before.len()..], [action], "{answer}");
        let key = if action == "user.logged_out" { "session" } else { "token" };
        let event = app.verified_events().await.pop().unwrap();
        assert_eq!((event.object.0.as_str(), event.actor.0.as_str(), event.result.as_str()), (key, "user", "done"));
        assert_eq!(event.request_id.as_deref(), Some(answer.header("x-request-id")));
        app.execute("DELETE FROM form_keys").await;
    }
}

#[tokio::test]
async fn what_changes_nothing_writes_nothing() {
    let app = TestApp::new().await;
    let (browser, id) = browser_with_token(&app).await;
    browser.revoke(&id).await;
    let other = browser.create_token("other", &["read:users"]).await;
    let before = app.verified_events().await;
    browser.revoke(&id).await;
    let path = format!("/api/v1/tokens/{}", other.id);
    browser.api_json("PATCH", &path, &json!({"name": "other"})).await.expect(200);
    browser.api_json("PATCH", &path, &json!({"name": ""})).await.expect(422);
    browser.api_json("POST", &format!("/api/v1/tokens/{id}/regenerate"), &json!({"mode": "now"})).await.expect(409);
    browser.api_json("POST", "/api/v1/tokens", &json!({})).await.expect(422);
    for _ in 0..3 {
        app.check("", &other.secret).await.expect(200);
        app.check("?scope=write:users", &other.secret).await.expect(403);
    }
    app.app.usage.flush().await;
    assert_eq!(app.verified_events().await, before);
}

#[tokio::test]
async fn logins_and_their_ends_are_recorded() {
    let app = TestApp::new().await;
    let browser = app.browser_of("alice").await;
    browser.log_in("bob").await;
    browser.post_form("/auth/logout", &[]).await;
    assert_eq!(app.actions().await, ["user.logged_in", "session.ended", "user.logged_in", "user.logged_out"]);
    let events = app.verified_events().await;
    assert_eq!((events[1].actor.0.as_str(), &events[1].object), ("system", &events[0].object));
    assert_eq!(events[3].object, events[2].object);
    assert_ne!(events[0].actor, events[2].actor);
}

#[tokio::test]
async fn a_token_that_ends_itself_is_its_own_actor() {
    let app = TestApp::new().await;
    let token = app.token_of_alice(&["read:users"]).await;
    app.send(Call::new("DELETE", "/api/v1/self").bearer(&token.secret)).await.expect(204);
    let event = app.verified_events().await.pop().unwrap();
    let itself = ("token".to_owned(), Some(token.id));
    assert_eq!((event.action.as_str(), &event.actor, &event.object), ("token.revoked", &itself, &itself));
}

#[tokio::test]
async fn an_expiry_is_recorded_once_however_often_it_is_seen() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let brief = json!({"name": "t", "scopes": ["read:users"], "expires_in": 60});
    let token = alice.create_token_with(&brief).await;
    app.clock.advance(minutes(2));
    for _ in 0..3 {
        app.check("", &token.secret).await.expect(401);
        app.app.usage.flush().await;
    }
    let actions = ["user.logged_in", "token.created", "token.expired", "token.used_after_end"];
    assert_eq!(app.actions().await, actions);
}

#[tokio::test]
async fn changes_are_told_as_before_and_after() {
    let app = TestApp::new().await;
    let (browser, id) = browser_with_token(&app).await;
    let edit = json!({"name": "renamed", "scopes": ["read:users"]});
    browser.api_json("PATCH", &format!("/api/v1/tokens/{id}"), &edit).await.expect(200);
    let events = app.verified_events().await;
    let (login, event) = (events.first().unwrap(), events.last().unwrap());
    let text = |text: &str| Some(text.to_owned());
    let scopes = (text("read:users write:users"), text("read:users"));
    let session = (None, login.object.1.clone());
    assert_eq!(event.changes, BTreeMap::from([("scopes".to_owned(), scopes), ("session".to_owned(), session)]));
    let personal = format!("SELECT field || '=' || value FROM audit_personal WHERE seq = {} ORDER BY field", event.seq);
    assert_eq!(
        app.column(&personal).await,
        [
            "actor_name=alice",
            "changes.name.from=t",
            "changes.name.to=renamed",
            "ip=192.0.2.10",
            "object_name=renamed",
            "peer_ip=192.0.2.10",
        ]
    );
}

#[tokio::test]
async fn personal_values_are_in_the_chain_as_salted_hashes_and_can_be_removed() {
    let app = TestApp::new().await;
    let (browser, id) = browser_with_token(&app).await;
    browser.revoke(&id).await;
    let mut database = app.database().await;
    let rows =
        database.column("SELECT seq || '|' || field || '|' || hex(salt) || '|' || value FROM audit_personal").await;
    assert!(rows.len() > 8);
    for row in rows {
        let parts: Vec<_> = row.splitn(4, '|').collect();
        let salt: Vec<u8> =
            (0..32).step_by(2).map(|at| u8::from_str_radix(&parts[2][at..at + 2], 16).unwrap()).collect();
        let digest = Sha256::new().chain_update(salt).chain_update(parts[3]).finalize();
        let held = app.value(&format!("SELECT personal FROM audit_events WHERE seq = {}", parts[0])).await;
        let held: BTreeMap<String, Value> = serde_json::from_str(&held).unwrap();
        assert_eq!(held[parts[1]], hex(&digest), "{}", parts[1]);
    }
    database.execute("DELETE FROM audit_personal").await.unwrap();
    app.verified_events().await;
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_done() {
    let app = TestApp::new().await;
    let (browser, id) = browser_with_token(&app).await;
    app.break_audit().await;
    let before = app.dump().await;
    for (action, call) in changes(&id) {
        let answer = browser.moved_to(&app).send(call.clone()).await;
        let by_server_function = format!("/tokens/{id}?notice=not-revoked");
        match answer.status {
            503 => {}
            // A server function can only redirect; what it leads to says that nothing happened.
            302 => assert_eq!(answer.location(), by_server_function),
            _ => panic!("{action}: {answer}"),
        }
        assert!(!answer.body.contains("hpat_"), "{action}: {answer}");
        assert_eq!(app.dump().await, before, "{action}");
    }
    app.mend_audit().await;
    let (_, create) = changes(&id).swap_remove(0);
    browser.send(create).await.expect(201);
    browser.revoke(&id).await;
}

#[tokio::test]
async fn a_token_cannot_end_itself_unrecorded_and_keeps_working() {
    let app = TestApp::new().await;
    let token = app.token_of_alice(&["read:users"]).await;
    app.break_audit().await;
    app.send(Call::new("DELETE", "/api/v1/self").bearer(&token.secret)).await.problem(503);
    app.check("", &token.secret).await.expect(200);
}

#[tokio::test]
async fn an_expiry_that_cannot_be_recorded_yet_is_still_an_expiry() {
    let app = TestApp::new().await;
    let brief = json!({"name": "t", "scopes": ["read:users"], "expires_in": 60});
    let token = app.browser_of("alice").await.create_token_with(&brief).await;
    app.break_audit().await;
    app.clock.advance(minutes(2));
    app.check("", &token.secret).await.problem(401);
    app.app.usage.flush().await;
    app.mend_audit().await;
    app.app.usage.flush().await;
    assert!(app.actions().await.contains(&"token.expired".to_owned()));
}

#[tokio::test]
async fn the_chain_holds_through_everything_that_happens() {
    let app = TestApp::new().await;
    for _ in 0..2 {
        for index in 0..changes("").len() {
            let (browser, id) = browser_with_token(&app).await;
            browser.send(changes(&id).swap_remove(index).1).await;
        }
    }
    let app = app.restart().await;
    app.browser_of("bob").await.create_token("t", &["read:users"]).await;
    assert!(app.verified_events().await.len() > 50);
}

#[tokio::test]
async fn the_log_holds_no_secret_no_proof_no_session_and_no_address_of_mail() {
    let app = TestApp::new().await;
    let (browser, id) = browser_with_token(&app).await;
    let cookie = browser.cookie("hallpass").unwrap();
    let secrets = [browser.regenerate(&id).await.secret, browser.create_token("u", &["read:users"]).await.secret];
    for index in 2..changes("").len() {
        let token = browser.create_token("v", &["read:users"]).await;
        browser.send(changes(&token.id).swap_remove(index).1).await;
    }
    let dump = app.dump().await;
    let log = dump.split("audit_events\n").nth(1).unwrap().split("form_keys\n").next().unwrap();
    assert!(log.contains("token.regenerated") && log.contains("192.0.2.10"));
    for secret in &secrets {
        assert!(!log.contains(secret) && !log.contains(&secret[22..65]));
    }
    for never in ["hpat_", "$argon2", "@demo.example", &cookie, KEY] {
        assert!(!log.contains(never), "{never}");
    }
    let hashes = app.column("SELECT hex(id_hash) FROM sessions UNION ALL SELECT hex(hmac) FROM secrets").await;
    assert!(hashes.iter().all(|hash| !log.to_uppercase().contains(hash.as_str())));
}

#[tokio::test]
async fn a_configuration_that_gives_other_rights_is_told() {
    let app = TestApp::new().await;
    app.browser_of("alice").await;
    let app = app.restart().await;
    assert_eq!(app.actions().await, ["user.logged_in"], "nothing has changed");
    let app = app.restart_with(&[("admin.roles", "[\"boss\"]"), ("tokens.max_lifetime", "100d")]).await;
    let event = app.verified_events().await.pop().unwrap();
    assert_eq!((event.action.as_str(), event.actor.0.as_str()), ("settings.changed", "system"));
    let text = |value: &str| Some(value.to_owned());
    assert_eq!(event.changes["admin.roles"], (text("hallpass-admin"), text("boss")));
    assert_eq!(event.changes.keys().collect::<Vec<_>>(), ["admin.roles", "tokens.max_lifetime"]);
    let app = app.restart().await;
    assert_eq!(app.actions().await.len(), 2, "it is told once");
}

#[tokio::test]
async fn whatever_lets_somebody_do_more_is_told() {
    let mut app = TestApp::new().await;
    for (setting, value, told) in [
        ("trusted_proxies", "[\"10.0.0.0/8\"]", "trusted_proxies"),
        ("check.identity_header", "x-api-key", "check.identity_header"),
        ("check.basic_username", "true", "check.basic_username"),
        ("check.failure_limit", "off", "check.failure_limit"),
        ("leak_intake.action", "notify", "leak_intake.action"),
        ("session.idle", "20m", "session.idle"),
        ("tokens.max_active_per_user", "7", "tokens.max_active_per_user"),
        ("tokens.default_lifetime", "3d", "tokens.default_lifetime"),
        ("jwt.ttl", "30s", "jwt.ttl"),
        ("jwt.issuer", "https://issuer.example.org", "jwt.issuer"),
        ("oidc.0.email_trusted", "true", "oidc"),
        ("oidc.0.attribute_claims", "[\"team\"]", "oidc"),
        ("audit.checkpoint_every", "2h", "audit.checkpoint_every"),
        ("audit.decision_log", "/dev/null", "audit.decision_log"),
        ("tokens.accepted_prefixes", "[\"old\"]", "tokens.prefixes"),
        ("oidc.0.check_audiences", "[\"apis\"]", "oidc"),
        ("oidc.0.legacy_access_tokens", "true", "oidc"),
        ("leak_intake.keys", &Scanner::new().keys(), "leak_intake.keys"),
        ("leak_intake.keys", &Scanner::new().keys(), "leak_intake.keys"),
    ] {
        let before = app.actions().await.len();
        app = app.restart_with(&[(setting, value)]).await;
        let events = app.verified_events().await;
        assert_eq!(events.len(), before + 1, "{setting}");
        assert_eq!(events.last().unwrap().changes.keys().collect::<Vec<_>>(), [told], "{setting}");
    }
}

#[tokio::test]
async fn an_event_names_the_client_the_proxy_and_what_the_client_says_of_itself_as_far_as_it_goes() {
    let trusting = TestApp::with(&[("trusted_proxies", "[\"192.0.2.0/24\"]")]).await;
    for (app, client) in [(&trusting, "198.51.100.7"), (&TestApp::new().await, "192.0.2.10")] {
        let alice = app.browser_of("alice").await;
        for (agent, kept) in [
            ("curl/8".to_owned(), "curl/8".to_owned()),
            ("é".repeat(300), "é".repeat(256)),
            (format!("{}🎒🎒", "x".repeat(255)), format!("{}🎒", "x".repeat(255))),
            (format!("{}\u{202e}", "x".repeat(10)), format!("{}\u{fffd}", "x".repeat(10))),
        ] {
            let from_outside =
                |call: Call| call.header("x-forwarded-for", "203.0.113.1, 198.51.100.7").header("user-agent", &agent);
            let token = alice.create_token("t", &["read:users"]).await;
            let revoke = Call::new("POST", &format!("/api/v1/tokens/{}/revoke", token.id));
            alice.send(from_outside(revoke.header("sec-fetch-site", "same-origin"))).await.expect(204);
            // That is told by the way that checks go.
            app.send(from_outside(Call::get("/check").bearer(&token.secret))).await.expect(401);
            app.app.usage.flush().await;
            let events = app.verified_events().await;
            let [.., revoked, used] = events.as_slice() else { unreachable!() };
            assert_eq!((revoked.action.as_str(), used.action.as_str()), ("token.revoked", "token.used_after_end"));
            for event in [revoked, used] {
                let values = "SELECT value FROM audit_personal WHERE field IN ('ip', 'peer_ip', 'user_agent')";
                let values = app.column(&format!("{values} AND seq = {} ORDER BY field", event.seq)).await;
                assert_eq!(values, [client, "192.0.2.10", &kept], "{}", event.action);
                let names: Vec<_> = event.personal.keys().collect();
                assert!(names.ends_with(&[&"peer_ip".to_owned(), &"user_agent".to_owned()]), "{names:?}");
            }
        }
    }
}
