//! What an API is told about a token.

use serde_json::json;

use super::{
    ANY, INTROSPECT, OTHER, app, app_with, assert_error, assert_inactive, assert_not_kept, basic, introspect, post,
    question,
};
use crate::support::{Call, TestApp, days, minutes, unknown_token, with_wrong_checksum, with_wrong_secret};

#[tokio::test]
async fn a_good_token_is_active_and_says_whose_it_is() {
    let app = app().await;
    let token = app.token_of_alice(&["write:users", "read:users"]).await;
    let answer = introspect(&app, &token.secret).await.expect(200);
    assert_not_kept(&answer);
    assert_eq!(answer.header("content-type"), "application/json");
    let subject = app.check("", &token.secret).await.header("x-auth-subject").to_owned();
    assert_eq!(
        answer.json(),
        json!({
            "active": true,
            "scope": "read:users write:users",
            "client_id": "hallpass",
            "username": "alice",
            "token_type": "Bearer",
            "exp": 1_785_593_100,
            "iat": 1_777_817_100,
            "sub": subject,
            "iss": "http://localhost:3000",
            "token_id": token.id,
            "email": "alice@demo.example",
            "roles": ["staff"],
            "attributes": {"department": ["research"]},
        })
    );
}

#[tokio::test]
async fn what_is_not_good_is_inactive_and_nothing_more_is_said() {
    let app = app().await;
    let alice = app.browser_of("alice").await;
    let brief = json!({"name": "t", "scopes": ["read:users"], "expires_in": 60});
    let expired = alice.create_token_with(&brief).await.secret;
    app.clock.advance(minutes(1));
    let revoked = alice.create_token("t", &["read:users"]).await;
    alice.revoke(&revoked.id).await;
    let replaced = alice.create_token("t", &["read:users"]).await;
    let present = alice.regenerate(&replaced.id).await.secret;
    let of_bob = app.browser_of("bob").await.create_token("t", &["read:users"]).await.secret;
    app.execute("UPDATE users SET disabled_at = 1 WHERE username = 'bob'").await;
    let table = [
        ("nonsense", "nonsense".to_owned()),
        ("a wrong checksum", with_wrong_checksum(&present)),
        ("unknown", unknown_token()),
        ("a wrong secret", with_wrong_secret(&present)),
        ("an id", present.split('_').nth(1).unwrap().to_owned()),
        ("a cookie", alice.cookie("hallpass").unwrap()),
        ("a JWT", "eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwOi8vbG9jYWxob3N0OjMwMDAifQ.".to_owned()),
        ("expired", expired),
        ("revoked", revoked.secret),
        ("replaced", replaced.secret),
        ("of a disabled user", of_bob),
    ];
    for (what, token) in table {
        let answer = introspect(&app, &token).await;
        assert_eq!(answer.body, "{\"active\":false}", "{what}: {answer}");
        assert_inactive(&answer);
    }
    assert_eq!(introspect(&app, &present).await.json()["active"], true);
}

#[tokio::test]
async fn the_present_state_decides() {
    let app = app().await;
    let alice = app.browser_of("alice").await;
    let token = alice.create_token("t", &["read:users", "write:users"]).await;
    introspect(&app, &token.secret).await.expect(200);
    alice
        .api_json("PATCH", &format!("/api/v1/tokens/{}", token.id), &json!({"scopes": ["read:users"]}))
        .await
        .expect(200);
    assert_eq!(introspect(&app, &token.secret).await.json()["scope"], "read:users");
    app.clock.advance(days(89));
    assert_eq!(introspect(&app, &token.secret).await.json()["active"], true);
    app.browser_of("alice").await.revoke(&token.id).await;
    assert_inactive(&introspect(&app, &token.secret).await);
}

#[tokio::test]
async fn scopes_that_the_owner_may_no_longer_use_are_not_named() {
    let app = app().await;
    let token = app.token_of_alice(&["write:reports"]).await.secret;
    assert_eq!(introspect(&app, &token).await.json()["scope"], "write:reports");
    app.execute("UPDATE users SET roles = '[]'").await;
    let answer = introspect(&app, &token).await.json();
    assert_eq!((&answer["active"], answer.get("scope")), (&json!(true), None));
}

#[tokio::test]
async fn a_token_without_an_expiry_has_none() {
    let clients = json!([{"id": ANY.0, "secret_hash": super::PROOF}]).to_string();
    let app = TestApp::with(&[("introspection_clients", &clients), ("tokens.allow_never", "true")]).await;
    let wanted = json!({"name": "t", "scopes": ["read:users"], "expires_in": "never"});
    let token = app.browser_of("alice").await.create_token_with(&wanted).await.secret;
    let answer = introspect(&app, &token).await.json();
    assert_eq!((&answer["active"], answer.get("exp")), (&json!(true), None));
}

#[tokio::test]
async fn asking_counts_as_a_use_and_in_vain_it_does_not() {
    let app = app_with(json!({"scopes": ["read:reports"]})).await;
    let alice = app.browser_of("alice").await;
    let seen = alice.create_token("seen", &["read:reports"]).await;
    let hidden = alice.create_token("hidden", &["read:users"]).await;
    introspect(&app, &seen.secret).await.expect(200);
    assert_inactive(&introspect(&app, &hidden.secret).await);
    app.app.usage.flush().await;
    let used = app.column("SELECT name FROM tokens WHERE last_used_at IS NOT NULL").await;
    assert_eq!(used, ["seen"]);
}

#[tokio::test]
async fn a_client_sees_only_the_scopes_it_may() {
    let app = app_with(json!({"scopes": ["read:reports", "read:users", "unheard:of"]})).await;
    let alice = app.browser_of("alice").await;
    let both = alice.create_token("both", &["read:reports", "write:users"]).await.secret;
    let neither = alice.create_token("neither", &["write:users"]).await.secret;
    assert_eq!(introspect(&app, &both).await.json()["scope"], "read:reports");
    assert_inactive(&introspect(&app, &neither).await);
    // The limits of one client are not those of another.
    let of_other = post(INTROSPECT, &[("token", &neither)]);
    let of_other = of_other.header("authorization", basic("https%3A%2F%2Fother.example.org:a%2Bb%2Fc%25%3D%3D"));
    assert_eq!(app.send(of_other).await.json()["scope"], "write:users", "{}", OTHER.0);
}

#[tokio::test]
async fn a_client_sees_only_the_audiences_it_may() {
    for (audiences, seen) in [(json!(["hallpass", "elsewhere"]), true), (json!(["elsewhere"]), false)] {
        let app = app_with(json!({"audiences": audiences})).await;
        let token = app.token_of_alice(&["read:users"]).await.secret;
        let answer = introspect(&app, &token).await;
        if seen {
            assert_eq!(answer.json()["aud"], json!(["hallpass"]), "{answer}");
        } else {
            assert_inactive(&answer);
        }
    }
}

#[tokio::test]
async fn a_token_restricted_to_networks_is_active_only_where_the_client_says_from_where() {
    let restricted =
        json!({"name": "t", "scopes": ["read:users"], "allowed_ips": ["198.51.100.0/24", "2001:db8::/32"]});
    for sends_client_ip in [false, true] {
        let app = app_with(json!({"sends_client_ip": sends_client_ip})).await;
        let token = app.browser_of("alice").await.create_token_with(&restricted).await.secret;
        let table = [
            (None, false),
            (Some(""), false),
            (Some("192.0.2.10"), false),
            (Some("198.51.100.7"), true),
            (Some("::ffff:198.51.100.7"), true),
            (Some("2001:db8::1"), true),
        ];
        for (ip, allowed) in table {
            let fields: Vec<_> =
                [("token", token.as_str())].into_iter().chain(ip.map(|ip| ("client_ip", ip))).collect();
            // Where the question itself comes from says nothing about where the token was used.
            let answer = app.send(question(&fields).from("198.51.100.7")).await;
            assert_eq!(answer.json()["active"], sends_client_ip && allowed, "{sends_client_ip} {ip:?}: {answer}");
        }
        let odd = app.send(question(&[("token", &token), ("client_ip", "here")])).await;
        if sends_client_ip {
            assert_error(&odd, 400, "invalid_request");
        } else {
            assert_inactive(&odd);
        }
    }
}

#[tokio::test]
async fn the_address_of_a_use_is_the_one_that_the_client_says() {
    for (sends_client_ip, noted) in [(true, "198.51.100.7"), (false, "")] {
        let app = app_with(json!({"sends_client_ip": sends_client_ip})).await;
        let token = app.token_of_alice(&["read:users"]).await.secret;
        app.send(question(&[("token", &token), ("client_ip", "198.51.100.7")])).await.expect(200);
        app.app.usage.flush().await;
        assert_eq!(app.value("SELECT coalesce(last_used_ip, '') FROM tokens").await, noted);
    }
}

#[tokio::test]
async fn a_hint_and_what_is_unknown_change_nothing() {
    let app = app().await;
    let token = app.token_of_alice(&["read:users"]).await.secret;
    let plain = introspect(&app, &token).await.without_request_id();
    for hint in ["access_token", "refresh_token", "nonsense"] {
        let answer = app.send(question(&[("token_type_hint", hint), ("token", &token), ("x", "y")])).await;
        assert_eq!(answer.without_request_id(), plain, "{hint}");
    }
}

#[tokio::test]
async fn when_the_store_is_gone_nobody_is_told_that_a_token_is_inactive() {
    let app = app_with(json!({"scopes": ["read:users"]})).await;
    let token = app.token_of_alice(&["read:users"]).await.secret;
    // The client is known by then; the token was not seen yet, so that only the store could tell.
    assert_inactive(&introspect(&app, "nonsense").await);
    app.app.db.close().await;
    for well_formed in [token.clone(), unknown_token()] {
        let answer = introspect(&app, &well_formed).await;
        assert_error(&answer, 503, "temporarily_unavailable");
        assert!(answer.header("retry-after").parse::<u32>().is_ok(), "{answer}");
    }
    assert_inactive(&introspect(&app, &with_wrong_checksum(&token)).await);
}

#[tokio::test]
async fn a_cookie_or_a_token_is_no_client() {
    let app = app().await;
    let alice = app.browser_of("alice").await;
    let token = alice.create_token("t", &["read:users"]).await.secret;
    let own = post(INTROSPECT, &[("token", &token)]).header("sec-fetch-site", "same-origin");
    let as_user = post(INTROSPECT, &[("token", &token)]).header("authorization", basic(&format!("{}:{token}", ANY.0)));
    for call in [own, as_user, post(INTROSPECT, &[("token", &token)]).bearer(&token)] {
        let answer: Call = call;
        assert_error(&alice.send(answer.header("sec-fetch-site", "same-origin")).await, 401, "invalid_client");
    }
}
