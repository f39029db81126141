//! Access tokens of a login provider at the API: contract, sections 2, 7 and 10.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hallpass::domain::time::Clock as _;
use serde_json::{Value, json};

use crate::support::{Answer, Call, HEADER, TestApp, minutes, seconds};

const TOKENS: &str = "/api/v1/tokens";
const SETTINGS: [(&str, &str); 4] = [
    ("oidc.0.check_audiences", r#"["billing-api"]"#),
    ("oidc.0.api_audiences", r#"["tokens-api"]"#),
    ("oidc.0.api_clients", r#"["cli", "spa"]"#),
    ("check.identity_header", HEADER),
];

/// A server that takes access tokens, at which a user has logged in.
async fn server_for(user: &str) -> TestApp {
    let app = TestApp::with(&SETTINGS).await;
    app.browser_of(user).await;
    app
}

/// What the provider says in an access token of somebody who has just logged in with a known client.
fn claims(app: &TestApp, user: &str) -> Value {
    let now = app.clock.now().as_seconds();
    json!({
        "iss": app.provider.issuer, "sub": format!("demo-{user}"), "aud": "tokens-api", "client_id": "cli",
        "iat": now, "exp": now + 86_400, "auth_time": now,
    })
}

fn access_token(app: &TestApp, edit: impl FnOnce(&mut Value)) -> String {
    let mut claims = claims(app, "alice");
    edit(&mut claims);
    app.provider.signer.sign(&claims)
}

fn wanted() -> Value {
    json!({"name": "made by a program", "scopes": ["read:users"]})
}

async fn create(app: &TestApp, token: &str) -> Answer {
    app.send(Call::new("POST", TOKENS).bearer(token).json(&wanted())).await
}

#[tokio::test]
async fn a_program_manages_the_tokens_of_whoever_uses_it() {
    let app = server_for("alice").await;
    let bearer = &access_token(&app, |_| {});
    let made = create(&app, bearer).await.expect(201).json();
    app.check("?scope=read:users", made["secret"].as_str().unwrap()).await.expect(200);
    let list = app.send(Call::get(TOKENS).bearer(bearer)).await.expect(200).json();
    assert_eq!(list["items"][0]["name"], "made by a program");
    let path = format!("{TOKENS}/{}", made["token"]["id"].as_str().unwrap());
    app.send(Call::new("PATCH", &path).bearer(bearer).json(&json!({"name": "n"}))).await.expect(200);
    let regenerate = Call::new("POST", &format!("{path}/regenerate")).bearer(bearer).json(&json!({"mode": "now"}));
    app.send(regenerate).await.expect(200);
    app.send(Call::new("POST", &format!("{path}/revoke")).bearer(bearer)).await.expect(204);
    let me = app.send(Call::get("/api/v1/me").bearer(bearer)).await.expect(200).json();
    assert_eq!((&me["username"], &me["roles"]), (&json!("alice"), &json!(["staff"])));
    app.send(Call::get("/api/v1/scopes").bearer(bearer)).await.expect(200);
}

#[tokio::test]
async fn the_audit_log_says_by_which_way_and_through_which_client() {
    let app = server_for("alice").await;
    create(&app, &access_token(&app, |_| {})).await.expect(201);
    app.browser_of("alice").await.create_token("by hand", &["read:users"]).await;
    let events = app.verified_events().await;
    let made: Vec<_> = events.iter().filter(|event| event.action == "token.created").collect();
    let change = |index: usize, field: &str| made[index].changes.get(field).and_then(|(_, to)| to.clone());
    assert_eq!((change(0, "method"), change(0, "client")), (Some("oidc".to_owned()), Some("cli".to_owned())));
    assert_eq!((change(1, "method"), change(1, "client")), (None, None));
}

#[tokio::test]
async fn only_tokens_for_this_place_from_known_clients_count() {
    let app = server_for("alice").await;
    let other = crate::support::Signer::es256("test-key");
    let mut table = vec![
        ("a token for /check", access_token(&app, |claims| claims["aud"] = json!("billing-api"))),
        ("an unknown client", access_token(&app, |claims| claims["client_id"] = json!("evil"))),
        ("no client", access_token(&app, |claims| claims["client_id"] = Value::Null)),
        ("two clients of which one is unknown", access_token(&app, |claims| claims["azp"] = json!("evil"))),
        ("expired", access_token(&app, |claims| claims["exp"] = json!(1))),
        ("nobody", access_token(&app, |claims| claims["sub"] = json!("demo-bob"))),
        ("another key", other.sign(&claims(&app, "alice"))),
    ];
    let mut header = app.provider.signer.header();
    header["typ"] = json!("JWT");
    table.push(("an ID token", app.provider.signer.sign_with(&header, &claims(&app, "alice"))));
    for (what, token) in table {
        for path in [TOKENS, "/api/v1/me", "/api/v1/self"] {
            let answer = app.send(Call::get(path).bearer(&token)).await;
            assert_eq!(answer.status, 401, "{what}: {answer}");
            assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"hallpass\", error=\"invalid_token\"");
        }
        create(&app, &token).await.problem(401);
    }
    for azp in ["cli", "spa"] {
        let named = access_token(&app, |claims| claims["azp"] = json!(azp));
        app.send(Call::get(TOKENS).bearer(&named)).await.expect(200);
    }
    let for_both = access_token(&app, |claims| claims["aud"] = json!(["tokens-api", "billing-api"]));
    app.send(Call::get(TOKENS).bearer(&for_both)).await.expect(200);
    app.check("", &for_both).await.expect(200);
    app.check("", &access_token(&app, |_| {})).await.problem(401);
}

#[tokio::test]
async fn it_counts_only_as_a_bearer() {
    let app = server_for("alice").await;
    let token = access_token(&app, |_| {});
    let basic = format!("Basic {}", STANDARD.encode(format!("me:{token}")));
    app.send(Call::get(TOKENS).header("authorization", basic)).await.problem(401);
    app.send(Call::get(TOKENS).header(HEADER, &token)).await.problem(401);
    app.send(Call::get(TOKENS).header("authorization", format!("bEARER {token}"))).await.expect(200);
    app.send(Call::get(TOKENS).bearer(&token).bearer(&token)).await.problem(401);
}

#[tokio::test]
async fn a_cookie_beside_it_is_refused_and_other_cookies_still_need_our_own_pages() {
    let app = server_for("alice").await;
    let token = access_token(&app, |_| {});
    let alice = app.browser_of("alice").await;
    alice.send(Call::get(TOKENS).bearer(&token)).await.problem(400);
    let call = || Call::new("POST", TOKENS).header("sec-fetch-site", "same-origin").bearer(&token).json(&wanted());
    alice.send(call()).await.problem(400);
    // A browser could be made to send this from elsewhere.
    let with_cookie = Call::new("POST", TOKENS).header("cookie", "other=1").bearer(&token).json(&wanted());
    app.send(with_cookie.clone()).await.problem(403);
    app.send(with_cookie.header("sec-fetch-site", "cross-site")).await.problem(403);
    assert_eq!(app.value("SELECT count(*) FROM tokens").await, "0");
    // Without any cookie there is nothing that a browser adds by itself.
    for site in ["cross-site", "same-site", "none"] {
        app.send(Call::new("POST", TOKENS).header("sec-fetch-site", site).bearer(&token).json(&wanted()))
            .await
            .expect(201);
    }
}

#[tokio::test]
async fn making_a_secret_needs_a_login_that_the_token_says_to_be_fresh() {
    let app = server_for("alice").await;
    let made = create(&app, &access_token(&app, |_| {})).await.expect(201).json();
    let regenerate = format!("{TOKENS}/{}/regenerate", made["token"]["id"].as_str().unwrap());
    let now = app.clock.now().as_seconds();
    for (auth_time, fresh) in
        [(json!(now - 900), true), (json!(now - 901), false), (json!(0), false), (Value::Null, false)]
    {
        let token = access_token(&app, |claims| claims["auth_time"] = auth_time.clone());
        let again = Call::new("POST", &regenerate).bearer(&token).json(&json!({"mode": "now"}));
        for answer in [create(&app, &token).await, app.send(again).await] {
            if fresh {
                assert!(matches!(answer.status, 200 | 201), "{auth_time}: {answer}");
            } else {
                let login_url = answer.problem(403)["login_url"].as_str().unwrap().to_owned();
                assert!(login_url.starts_with("http://localhost:3000/auth/main/login?"), "{login_url}");
            }
        }
        app.send(Call::get(TOKENS).bearer(&token)).await.expect(200);
    }
    let early = access_token(&app, |_| {});
    app.clock.advance(minutes(15));
    create(&app, &early).await.expect(201);
    app.clock.advance(seconds(1));
    create(&app, &early).await.problem(403);
}

#[tokio::test]
async fn a_clock_that_runs_ahead_makes_no_login_fresh_for_longer() {
    let app = server_for("alice").await;
    let ahead = access_token(&app, |claims| claims["auth_time"] = json!(app.clock.now().as_seconds() + 30));
    app.clock.advance(minutes(15) + seconds(31));
    create(&app, &ahead).await.problem(403);
}

#[tokio::test]
async fn it_never_administrates() {
    let app = server_for("admin").await;
    let token = app.provider.signer.sign(&claims(&app, "admin"));
    let me = app.send(Call::get("/api/v1/me").bearer(&token)).await.expect(200).json();
    assert_eq!((&me["roles"], &me["is_admin"]), (&json!(["hallpass-admin", "staff"]), &json!(false)));
    let session = app.browser_of("admin").await.get("/api/v1/me").await.expect(200).json();
    assert_eq!(session["is_admin"], true);
}

#[tokio::test]
async fn a_token_still_manages_nothing_and_a_person_is_no_token() {
    let app = server_for("alice").await;
    let token = access_token(&app, |_| {});
    let pat = create(&app, &token).await.expect(201).json()["secret"].as_str().unwrap().to_owned();
    app.send(Call::get(TOKENS).bearer(&pat)).await.problem(403);
    create(&app, &pat).await.problem(403);
    for method in ["GET", "DELETE"] {
        app.send(Call::new(method, "/api/v1/self").bearer(&token)).await.problem(403);
    }
    app.check("", &pat).await.expect(200);
}

#[tokio::test]
async fn it_ends_with_the_person() {
    let app = server_for("alice").await;
    let token = access_token(&app, |_| {});
    app.execute("UPDATE users SET disabled_at = 1").await;
    app.send(Call::get(TOKENS).bearer(&token)).await.problem(401);
    app.execute("UPDATE users SET disabled_at = NULL, last_login_at = 1").await;
    app.send(Call::get(TOKENS).bearer(&token)).await.problem(401);
}

#[tokio::test]
async fn somebody_elses_tokens_are_not_there() {
    let app = server_for("alice").await;
    let bobs = app.browser_of("bob").await.create_token("t", &["read:users"]).await;
    let token = access_token(&app, |_| {});
    app.send(Call::get(&format!("{TOKENS}/{}", bobs.id)).bearer(&token)).await.problem(404);
    app.send(Call::new("POST", &format!("{TOKENS}/{}/revoke", bobs.id)).bearer(&token)).await.problem(404);
    app.check("", &bobs.secret).await.expect(200);
}
