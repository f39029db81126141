//! A token for a JWT: RFC 8693.

use serde_json::{Value, json};

use super::{TOKEN, assert_error, assert_not_kept, post};
use crate::support::{
    Answer, Call, TestApp, claims_of, seconds, unknown_token, with_wrong_checksum, with_wrong_secret,
};

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// A request for a JWT, with these parameters instead of or besides the usual ones; empty ones are left out.
fn wish(token: &str, other: &[(&str, &str)]) -> Call {
    let usual = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", token),
        ("subject_token_type", ACCESS_TOKEN),
    ];
    let replaced = |name: &str| other.iter().any(|(other, _)| *other == name);
    let kept = usual.into_iter().filter(|(name, _)| !replaced(name));
    let fields: Vec<_> = kept.chain(other.iter().copied()).filter(|(_, value)| !value.is_empty()).collect();
    post(TOKEN, &fields)
}

async fn exchange(app: &TestApp, token: &str, other: &[(&str, &str)]) -> Answer {
    app.send(wish(token, other)).await
}

/// What the JWT of an answer claims. Its signature is looked at elsewhere.
#[track_caller]
fn claims(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{answer}");
    claims_of(answer.json()["access_token"].as_str().unwrap())
}

#[tokio::test]
async fn a_good_token_is_exchanged_for_a_jwt_that_says_the_same() {
    let app = TestApp::new().await;
    let token = app.token_of_alice(&["write:users", "read:users"]).await;
    let answer = exchange(&app, &token.secret, &[]).await.expect(200);
    assert_not_kept(&answer);
    let mut body = answer.json();
    assert!(body["access_token"].take().as_str().unwrap().starts_with("eyJ"));
    let expected = json!({
        "access_token": null,
        "issued_token_type": ACCESS_TOKEN,
        "token_type": "Bearer",
        "expires_in": 60,
        "scope": "read:users write:users",
    });
    assert_eq!(body, expected);
    let claims = claims(&answer);
    assert_eq!(claims["scope"], "read:users write:users");
    assert_eq!((&claims["aud"], &claims["iss"]), (&json!("hallpass"), &json!("http://localhost:3000")));
    assert_eq!((&claims["token_id"], &claims["exp"]), (&json!(token.id), &json!(1_777_817_160)));
    assert_eq!(claims["sub"], app.check("", &token.secret).await.header("x-auth-subject"));
}

#[tokio::test]
async fn scopes_are_narrowed_and_never_widened() {
    let app = TestApp::new().await;
    let token = app.token_of_alice(&["write:users", "read:users"]).await.secret;
    for (wanted, given) in [
        ("read:users", "read:users"),
        ("write:users read:users", "read:users write:users"),
        ("read:users admin:all", "read:users"),
        ("  read:users  read:users ", "read:users"),
    ] {
        let answer = exchange(&app, &token, &[("scope", wanted)]).await.expect(200);
        assert_eq!((&answer.json()["scope"], &claims(&answer)["scope"]), (&json!(given), &json!(given)), "{wanted}");
    }
    for nothing in ["admin:all", "read:reports write:reports", "a\"b", "read:users,write:users", " "] {
        assert_error(&exchange(&app, &token, &[("scope", nothing)]).await, 400, "invalid_scope");
    }
}

#[tokio::test]
async fn the_audience_is_one_of_those_that_are_configured() {
    let app = TestApp::with(&[("jwt.audiences", "[\"billing\"]")]).await;
    let token = app.token_of_alice(&["read:users"]).await.secret;
    for (audience, given) in [("", "hallpass"), ("hallpass", "hallpass"), ("billing", "billing")] {
        assert_eq!(claims(&exchange(&app, &token, &[("audience", audience)]).await)["aud"], given);
    }
    for (name, value) in [("audience", "Billing"), ("audience", "other"), ("resource", "https://api.example.org")] {
        assert_error(&exchange(&app, &token, &[(name, value)]).await, 400, "invalid_target");
    }
    let twice = [("audience", "billing"), ("audience", "hallpass")];
    assert_error(&exchange(&app, &token, &twice).await, 400, "invalid_request");
}

#[tokio::test]
async fn what_is_issued_has_the_type_that_was_asked_for() {
    let app = TestApp::new().await;
    let token = app.token_of_alice(&["read:users"]).await.secret;
    for (wanted, given) in [("", ACCESS_TOKEN), (ACCESS_TOKEN, ACCESS_TOKEN), (JWT, JWT)] {
        let answer = exchange(&app, &token, &[("requested_token_type", wanted)]).await.expect(200).json();
        assert_eq!((&answer["issued_token_type"], &answer["token_type"]), (&json!(given), &json!("Bearer")));
    }
}

#[tokio::test]
async fn what_is_not_understood_is_refused_and_never_overlooked() {
    let app = TestApp::new().await;
    let token = app.token_of_alice(&["read:users"]).await.secret;
    let table = [
        ("grant_type", "", "invalid_request"),
        ("grant_type", "client_credentials", "unsupported_grant_type"),
        ("grant_type", "password", "unsupported_grant_type"),
        ("grant_type", "token-exchange", "unsupported_grant_type"),
        ("subject_token", "", "invalid_request"),
        ("subject_token_type", "", "invalid_request"),
        ("subject_token_type", JWT, "invalid_request"),
        ("subject_token_type", "access_token", "invalid_request"),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token", "invalid_request"),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:id_token", "invalid_request"),
        ("actor_token", "x", "invalid_request"),
        ("actor_token_type", ACCESS_TOKEN, "invalid_request"),
    ];
    for (name, value, error) in table {
        let answer = exchange(&app, &token, &[(name, value)]).await;
        assert_error(&answer, 400, error);
        assert!(!answer.body.contains("access_token\":\""), "{name}={value}: {answer}");
    }
    let in_header = wish("", &[]).bearer(&token);
    assert_error(&app.send(in_header).await, 400, "invalid_request");
}

#[tokio::test]
async fn a_token_that_is_not_good_is_exchanged_for_nothing_whatever_the_reason() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let brief = json!({"name": "t", "scopes": ["read:users"], "expires_in": 60});
    let expired = alice.create_token_with(&brief).await.secret;
    app.clock.advance(seconds(60));
    let revoked = alice.create_token("t", &["read:users"]).await;
    alice.revoke(&revoked.id).await;
    let good = alice.create_token("t", &["read:users"]).await.secret;
    let jwt = exchange(&app, &good, &[]).await.json()["access_token"].as_str().unwrap().to_owned();
    let same = exchange(&app, "nonsense", &[]).await.without_request_id();
    assert_error(&same, 400, "invalid_request");
    let wrong = [with_wrong_checksum(&good), with_wrong_secret(&good), unknown_token()];
    for token in [&expired, &revoked.secret, &jwt].into_iter().chain(&wrong) {
        assert_eq!(exchange(&app, token, &[]).await.without_request_id(), same);
    }
}

#[tokio::test]
async fn a_jwt_never_outlives_its_token() {
    let app = TestApp::new().await;
    let brief = json!({"name": "t", "scopes": ["read:users"], "expires_in": 70});
    let token = app.browser_of("alice").await.create_token_with(&brief).await;
    app.clock.advance(seconds(50));
    assert_eq!(exchange(&app, &token.secret, &[]).await.json()["expires_in"], 20);
}

#[tokio::test]
async fn a_token_restricted_to_networks_is_exchanged_only_from_there() {
    let app = TestApp::with(&[("trusted_proxies", "[\"203.0.113.1\"]")]).await;
    let restricted = json!({"name": "t", "scopes": ["read:users"], "allowed_ips": ["198.51.100.0/24"]});
    let token = app.browser_of("alice").await.create_token_with(&restricted).await.secret;
    app.send(wish(&token, &[]).from("198.51.100.7")).await.expect(200);
    app.send(wish(&token, &[]).from("203.0.113.1").header("x-forwarded-for", "198.51.100.7")).await.expect(200);
    for call in [wish(&token, &[]), wish(&token, &[]).header("x-forwarded-for", "198.51.100.7")] {
        assert_error(&app.send(call).await, 400, "invalid_request");
    }
    assert_error(&app.send(wish(&token, &[("client_ip", "198.51.100.7")])).await, 400, "invalid_request");
}

#[tokio::test]
async fn an_exchange_is_a_use() {
    let app = TestApp::new().await;
    let token = app.token_of_alice(&["read:users"]).await.secret;
    exchange(&app, &token, &[]).await.expect(200);
    app.app.usage.flush().await;
    assert_eq!(app.value("SELECT last_used_ip FROM tokens").await, "192.0.2.10");
}

#[tokio::test]
async fn when_the_store_is_gone_nobody_is_told_that_a_token_is_not_good() {
    let app = TestApp::new().await;
    let token = app.token_of_alice(&["read:users"]).await.secret;
    app.app.db.close().await;
    for well_formed in [&token, &unknown_token()] {
        let answer = exchange(&app, well_formed, &[]).await;
        assert_error(&answer, 503, "temporarily_unavailable");
        assert!(answer.header("retry-after").parse::<u32>().is_ok(), "{answer}");
    }
    assert_error(&exchange(&app, "nonsense", &[]).await, 400, "invalid_request");
}

#[tokio::test]
async fn refused_tokens_count_like_those_at_check_and_a_good_one_is_never_refused_for_it() {
    let app = TestApp::with(&[("check.failure_limit", "3/m")]).await;
    let token = app.token_of_alice(&["read:users"]).await.secret;
    app.check("", &unknown_token()).await.problem(401);
    for _ in 0..2 {
        assert_error(&exchange(&app, &unknown_token(), &[]).await, 400, "invalid_request");
    }
    let limited = exchange(&app, &unknown_token(), &[]).await;
    assert_error(&limited, 429, "invalid_request");
    assert!(limited.header("retry-after").parse::<u32>().is_ok_and(|wait| wait > 0), "{limited}");
    app.check("", &unknown_token()).await.problem(429);
    // Neither a good token nor a wish that fails for another reason.
    exchange(&app, &token, &[]).await.expect(200);
    assert_error(&exchange(&app, &token, &[("audience", "other")]).await, 400, "invalid_target");
    assert_error(&exchange(&app, &unknown_token(), &[("grant_type", "")]).await, 400, "invalid_request");
    assert_error(&app.send(wish(&unknown_token(), &[]).from("198.51.100.7")).await, 400, "invalid_request");
}
