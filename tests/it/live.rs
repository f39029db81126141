//! What is held in memory is never older than the last answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use hallpass::server::StartError;
use tokio::task::JoinSet;

use crate::support::{Browser, Call, TestApp, days, unknown_token, with_wrong_checksum, with_wrong_secret};

const QUERIES: &str = "hallpass_store_queries_total";

/// What `calls` cost in queries, at best: a machine that sleeps on the test makes memory too old to be believed.
async fn fewest_queries(app: &TestApp, calls: &[Call]) -> u64 {
    let mut fewest = u64::MAX;
    for _ in 0..20 {
        app.app.live.look().await.unwrap();
        let before = app.metric(QUERIES);
        for call in calls {
            app.send(call.clone()).await;
        }
        fewest = fewest.min(app.metric(QUERIES) - before);
    }
    fewest
}

#[tokio::test]
async fn a_known_token_is_checked_without_asking_the_database() {
    let app = TestApp::new().await;
    let issued = app.token_of_alice(&["read:users"]).await;
    let check = Call::get("/check?scope=read:users").bearer(&issued.secret);
    assert_eq!(app.send(check.clone()).await.status, 200);
    assert_eq!(fewest_queries(&app, &[check.clone(), check]).await, 0);
}

#[tokio::test]
async fn junk_costs_no_query_and_a_wrong_secret_or_unknown_id_at_most_one() {
    let app = TestApp::with(&[("check.failure_limit", "off")]).await;
    let issued = app.token_of_alice(&["read:users"]).await;
    let argon2 = app.metric("hallpass_argon2_total");
    let junk = with_wrong_checksum(&issued.secret);
    let junk = [junk.as_str(), "hpat_", "nonsense", ""].map(|text| Call::get("/check").bearer(text));
    assert_eq!(fewest_queries(&app, &junk).await, 0);
    let wrong = Call::get("/check").bearer(&with_wrong_secret(&issued.secret));
    assert_eq!(app.send(wrong.clone()).await.status, 401);
    assert_eq!(fewest_queries(&app, &[wrong]).await, 0);
    let before = app.metric(QUERIES);
    let unknown = Call::get("/check").bearer(&unknown_token());
    assert_eq!(app.send(unknown.clone()).await.status, 401);
    // A look at the outside may come in between; it is not counted.
    assert_eq!(app.metric(QUERIES) - before, 1);
    assert_eq!(fewest_queries(&app, &[unknown]).await, 0);
    assert_eq!(app.metric("hallpass_argon2_total"), argon2);
}

#[tokio::test]
async fn every_change_counts_from_its_answer_on() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let issued = alice.create_token("t", &["read:users", "write:reports"]).await;
    app.check("?scope=write:reports", &issued.secret).await.expect(200);
    app.execute("UPDATE users SET roles = '[]'").await;
    app.check("?scope=write:reports", &issued.secret).await.expect(403);
    // A login brings the roles back.
    app.browser_of("alice").await;
    app.check("?scope=write:reports", &issued.secret).await.expect(200);
    let narrowed = serde_json::json!({ "scopes": ["read:users"] });
    alice.api_json("PATCH", &format!("/api/v1/tokens/{}", issued.id), &narrowed).await.expect(200);
    app.check("?scope=write:reports", &issued.secret).await.expect(403);
    let regenerated = alice.regenerate(&issued.id).await;
    app.check("", &issued.secret).await.expect(401);
    app.check("", &regenerated.secret).await.expect(200);
    app.execute("UPDATE users SET disabled_at = 1").await;
    app.check("", &regenerated.secret).await.expect(401);
    app.execute("UPDATE users SET disabled_at = NULL").await;
    app.check("", &regenerated.secret).await.expect(200);
    alice.revoke(&issued.id).await;
    app.check("", &regenerated.secret).await.expect(401);
}

#[tokio::test]
async fn a_revocation_that_somebody_else_has_made_already_is_answered_when_it_holds() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    // As often as it takes to meet the time between two looks.
    for _ in 0..20 {
        let issued = alice.create_token("t", &["read:users"]).await;
        app.check("", &issued.secret).await.expect(200);
        let revoke = format!("UPDATE tokens SET revoked_at = 1 WHERE id = unhex(replace('{}', '-', ''))", issued.id);
        app.database().await.execute(revoke.as_str()).await.unwrap();
        alice.revoke(&issued.id).await;
        app.check("", &issued.secret).await.expect(401);
    }
    let issued = alice.create_token("t", &["read:users"]).await;
    let admin = app.browser_of("admin").await;
    let id = app.value("SELECT lower(hex(id)) FROM users WHERE username = 'alice'").await;
    app.check("", &issued.secret).await.expect(200);
    app.database().await.execute("UPDATE users SET disabled_at = 1 WHERE username = 'alice'").await.unwrap();
    admin.api_json("POST", &format!("/api/v1/admin/users/{id}/disable"), &serde_json::json!({})).await.expect(204);
    app.check("", &issued.secret).await.expect(401);
}

#[tokio::test]
async fn a_change_from_outside_is_noticed_without_being_told() {
    let app = TestApp::new().await;
    let issued = app.token_of_alice(&["read:users"]).await;
    app.check("", &issued.secret).await.expect(200);
    app.database().await.execute("UPDATE tokens SET revoked_at = 1").await.unwrap();
    let patience = tokio::time::Instant::now();
    while app.check("", &issued.secret).await.status == 200 {
        assert!(patience.elapsed().as_millis() < 1_000, "still accepted");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_expiry_is_noticed_in_memory_too() {
    let app = TestApp::new().await;
    let issued = app.token_of_alice(&["read:users"]).await;
    app.check("", &issued.secret).await.expect(200);
    app.clock.advance(days(91));
    app.check("", &issued.secret).await.expect(401);
}

/// Checks a token over and over; every answer to a check that began after `ended` was set has to be a refusal.
async fn hammer(router: Router, secret: String, ended: Arc<AtomicBool>) -> (u32, u32) {
    let (mut accepted, mut late) = (0, 0);
    for _ in 0..3 {
        loop {
            let was_ended = ended.load(Ordering::SeqCst);
            let passed = Call::get("/check").bearer(&secret).send(&router).await.status == 200;
            accepted += u32::from(passed);
            late += u32::from(passed && was_ended);
            tokio::task::yield_now().await;
            if was_ended {
                break;
            }
        }
    }
    (accepted, late)
}

async fn revoke_under_load(app: &TestApp, alice: &Browser, round: u64) -> (u32, u32) {
    let issued = alice.create_token("t", &["read:users"]).await;
    let ended = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for _ in 0..4 {
        clients.spawn(hammer(app.router(), issued.secret.clone(), Arc::clone(&ended)));
    }
    // A moment that differs from round to round.
    for _ in 0..(round * 7) % 61 {
        tokio::task::yield_now().await;
    }
    alice.revoke(&issued.id).await;
    ended.store(true, Ordering::SeqCst);
    let counts = clients.join_all().await;
    (counts.iter().map(|count| count.0).sum(), counts.iter().map(|count| count.1).sum())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_check_that_begins_after_a_revocation_was_answered_passes() {
    let app = TestApp::with(&[("check.failure_limit", "off"), ("tokens.fresh_login", "off")]).await;
    let alice = app.browser_of("alice").await;
    let mut accepted = 0;
    for round in 0..200 {
        let (passed, late) = revoke_under_load(&app, &alice, round).await;
        assert_eq!(late, 0, "round {round}: {late} checks passed after the revocation was answered");
        accepted += passed;
    }
    assert!(accepted > 200, "only {accepted} checks passed before their revocations: nothing was hammered");
}

#[tokio::test]
async fn a_second_server_on_the_same_file_does_not_start() {
    let app = TestApp::new().await;
    let refused = app.second_server().await;
    assert!(matches!(refused, Err(StartError::NotAlone(_))), "{refused:?}");
    app.restart().await;
}
