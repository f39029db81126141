//! Ending a token by holding it.

use serde_json::json;

use super::{REVOKE, app, assert_error, assert_not_kept, post};
use crate::support::{
    Answer, Call, TestApp, days, minutes, token_of, unknown_token, with_wrong_checksum, with_wrong_secret,
};

async fn revoke(app: &TestApp, token: &str) -> Answer {
    app.send(post(REVOKE, &[("token", token)])).await
}

#[track_caller]
fn assert_done(answer: &Answer) {
    assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{answer}");
    assert_not_kept(answer);
}

async fn revocations(app: &TestApp) -> usize {
    app.actions().await.into_iter().filter(|action| action == "token.revoked").count()
}

#[tokio::test]
async fn whoever_holds_a_token_can_end_it_from_anywhere() {
    let app = app().await;
    let alice = app.browser_of("alice").await;
    let restricted = json!({"name": "t", "scopes": ["read:users"], "allowed_ips": ["198.51.100.7"]});
    for body in [json!({"name": "t", "scopes": ["read:users"]}), restricted] {
        let token = alice.create_token_with(&body).await;
        assert_done(&revoke(&app, &token.secret).await);
        app.send(Call::get("/check").bearer(&token.secret).from("198.51.100.7")).await.problem(401);
        let shown = alice.get(&format!("/api/v1/tokens/{}", token.id)).await.json();
        assert_eq!((&shown["state"], &shown["revoked_reason"]), (&json!("revoked"), &json!("Revoked by its holder")));
    }
}

#[tokio::test]
async fn the_end_of_a_line_is_no_part_of_a_token() {
    let app = app().await;
    let token = app.token_of_alice(&["read:users"]).await.secret;
    assert_done(&revoke(&app, &format!("{token}\r\n")).await);
    app.check("", &token).await.problem(401);
}

#[tokio::test]
async fn the_event_names_the_token_as_the_one_who_did_it() {
    let app = app().await;
    let token = app.token_of_alice(&["read:users"]).await;
    let owner = app.check("", &token.secret).await.header("x-auth-subject").to_owned();
    let answer = revoke(&app, &token.secret).await;
    let event = app.verified_events().await.pop().unwrap();
    assert_eq!(event.action, "token.revoked");
    assert_eq!((event.actor.0.as_str(), event.actor.1.as_deref()), ("token", Some(token.id.as_str())));
    assert_eq!((event.object.0.as_str(), event.object.1.as_deref()), ("token", Some(token.id.as_str())));
    assert_eq!(event.on_behalf_of.as_deref(), Some(owner.as_str()));
    assert_eq!(event.request_id.as_deref(), Some(answer.header("x-request-id")));
}

#[tokio::test]
async fn revoking_again_is_the_same_answer_and_no_second_event() {
    let app = app().await;
    let token = app.token_of_alice(&["read:users"]).await.secret;
    for _ in 0..3 {
        assert_done(&revoke(&app, &token).await);
    }
    assert_eq!(revocations(&app).await, 1);
}

#[tokio::test]
async fn what_proves_nothing_changes_nothing_and_learns_nothing() {
    let app = app().await;
    let alice = app.browser_of("alice").await;
    let token = alice.create_token("t", &["read:users"]).await;
    let before = app.dump().await;
    let id = token.secret_id();
    for text in [
        "nonsense".to_owned(),
        unknown_token(),
        with_wrong_secret(&token.secret),
        with_wrong_checksum(&token.secret),
        token_of("hpat", id, &"0".repeat(43)),
        format!(" {}", token.secret),
        id.to_owned(),
        token.id.clone(),
        alice.cookie("hallpass").unwrap(),
        "eyJhbGciOiJub25lIn0.e30.".to_owned(),
    ] {
        assert_done(&revoke(&app, &text).await);
        assert_eq!(app.dump().await, before, "{text}");
    }
    app.check("", &token.secret).await.expect(200);
}

#[tokio::test]
async fn an_ended_secret_ends_nothing_more() {
    let app = app().await;
    let alice = app.browser_of("alice").await;
    let replaced = alice.create_token("t", &["read:users"]).await;
    let present = alice.regenerate(&replaced.id).await.secret;
    let brief = alice.create_token_with(&json!({"name": "b", "scopes": ["read:users"], "expires_in": 60})).await;
    app.clock.advance(minutes(1));
    for ended in [&replaced.secret, &brief.secret] {
        assert_done(&revoke(&app, ended).await);
    }
    assert_eq!(revocations(&app).await, 0);
    assert_eq!(
        app.value("SELECT count(*) FROM secrets WHERE expired_at IS NOT NULL").await,
        "1",
        "over on every clock"
    );
    app.check("", &present).await.expect(200);
    let renewed = alice.regenerate(&brief.id).await.secret;
    app.check("", &renewed).await.expect(200);
}

#[tokio::test]
async fn a_superseded_and_a_waiting_secret_end_the_whole_token() {
    for state in ["superseded", "waiting"] {
        let app = app().await;
        let alice = app.browser_of("alice").await;
        let token = alice.create_token("t", &["read:users"]).await;
        app.execute(&format!("UPDATE secrets SET state = '{state}'")).await;
        assert_done(&revoke(&app, &token.secret).await);
        let shown = alice.get(&format!("/api/v1/tokens/{}", token.id)).await.json();
        assert_eq!(shown["state"], "revoked", "{state}: {shown}");
    }
}

#[tokio::test]
async fn a_suspended_token_is_ended_before_it_can_come_back() {
    let app = TestApp::with(&[("tokens.owner_max_login_age", "1d")]).await;
    let token = app.token_of_alice(&["read:users"]).await;
    app.clock.advance(days(2));
    app.check("", &token.secret).await.problem(401);
    assert_done(&revoke(&app, &token.secret).await);
    app.browser_of("alice").await;
    app.check("", &token.secret).await.problem(401);
    assert_eq!(revocations(&app).await, 1);
}

#[tokio::test]
async fn a_revocation_that_cannot_be_written_is_not_reported_as_done() {
    let app = app().await;
    let token = app.token_of_alice(&["read:users"]).await.secret;
    app.break_audit().await;
    let answer = revoke(&app, &token).await;
    assert_error(&answer, 503, "temporarily_unavailable");
    assert!(answer.header("retry-after").parse::<u32>().is_ok(), "{answer}");
    app.check("", &token).await.expect(200);
    app.mend_audit().await;
    assert_done(&revoke(&app, &token).await);
    app.check("", &token).await.problem(401);
}

#[tokio::test]
async fn when_the_store_is_gone_only_nonsense_is_known_to_be_ended() {
    let app = app().await;
    let token = app.token_of_alice(&["read:users"]).await.secret;
    app.app.db.close().await;
    assert_done(&revoke(&app, "nonsense").await);
    for well_formed in [token, unknown_token()] {
        assert_error(&revoke(&app, &well_formed).await, 503, "temporarily_unavailable");
    }
}

#[tokio::test]
async fn a_token_whose_fast_proof_is_lost_can_still_be_ended() {
    let app = app().await;
    let token = app.token_of_alice(&["read:users"]).await.secret;
    app.execute("UPDATE secrets SET hmac = NULL, hmac_key_id = NULL").await;
    assert_done(&revoke(&app, &with_wrong_secret(&token)).await);
    assert_eq!(revocations(&app).await, 0);
    assert_done(&revoke(&app, &token).await);
    assert_eq!(revocations(&app).await, 1);
}

#[tokio::test]
async fn credentials_of_a_client_do_not_matter_here() {
    let app = app().await;
    for authorization in ["Basic eDp5", "Bearer x", "nonsense"] {
        let token = app.token_of_alice(&["read:users"]).await.secret;
        let call = post(REVOKE, &[("token", &token), ("token_type_hint", "refresh_token")]);
        assert_done(&app.send(call.header("authorization", authorization)).await);
        app.check("", &token).await.problem(401);
    }
}
