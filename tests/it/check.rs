//! `/check`: contract, sections 4 and 10.

use axum::http::HeaderName;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hallpass::domain::time::Clock as _;
use hallpass::server::store::Use;
use serde_json::json;

use crate::support::{
    Answer, Call, HEADER, TestApp, days, hours, minutes, token_of, unknown_token, with_wrong_checksum,
    with_wrong_secret,
};

const NO_CREDENTIAL: &str = "Bearer realm=\"hallpass\"";
const INVALID: &str = "Bearer realm=\"hallpass\", error=\"invalid_token\"";

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

#[track_caller]
fn assert_invalid(answer: &Answer) {
    answer.problem(401);
    assert_eq!(answer.header("www-authenticate"), INVALID, "{answer}");
}

#[tokio::test]
async fn a_good_token_is_answered_with_who_it_is_and_what_it_may_do() {
    let app = TestApp::new().await;
    let issued = app.token_of_alice(&["write:users", "read:users"]).await;
    let answer = app.check("?scope=read:users", &issued.secret).await;
    let owner = app.value("SELECT lower(hex(id)) FROM users").await;
    assert_eq!(answer.header("x-auth-subject").replace('-', ""), owner);
    let shown = answer.to_string().replace(answer.header("x-auth-subject"), "<owner>").replace(&issued.id, "<token>");
    let shown = shown.replace(answer.header("authorization"), "<jwt>");
    insta::assert_snapshot!(shown, @r"
    200
    authorization: <jwt>
    cache-control: no-store
    content-length: 0
    x-auth-email: alice@demo.example
    x-auth-expires: 2026-08-01T14:05:00Z
    x-auth-method: pat
    x-auth-roles: staff
    x-auth-scopes: read:users write:users
    x-auth-subject: <owner>
    x-auth-token-id: <token>
    x-auth-truncated: -
    x-auth-user: alice
    ");
}

#[tokio::test]
async fn what_is_unknown_is_a_dash_and_never_empty() {
    let app = TestApp::new().await;
    let issued = app.browser_of("bob").await.create_token("t", &["read:users"]).await;
    app.execute("UPDATE users SET email = NULL, username = ''").await;
    let answer = app.check("", &issued.secret).await.expect(200);
    for name in ["x-auth-user", "x-auth-email", "x-auth-roles", "x-auth-truncated"] {
        assert_eq!(answer.header(name), "-", "{name}");
    }
}

#[tokio::test]
async fn values_from_elsewhere_are_encoded_and_cut_and_the_head_stays_small() {
    let app = TestApp::new().await;
    let issued = app.token_of_alice(&["read:users"]).await;
    let roles: Vec<_> = (0..500).map(|n| format!("a role, {n} é%")).collect();
    let roles = serde_json::to_string(&roles).unwrap();
    let long = "é".repeat(200);
    app.execute(&format!("UPDATE users SET username = '{long}', email = '{long}', roles = '{roles}'")).await;
    let answer = app.check("?role=a+role,+499+%C3%A9%25", &issued.secret).await.expect(200);
    assert!(answer.header("x-auth-roles").starts_with("a%20role%2C%200%20%C3%A9%25,a%20role%2C%20"), "{answer}");
    for (name, max) in [("x-auth-user", 192), ("x-auth-email", 256), ("x-auth-roles", 512), ("x-auth-scopes", 512)] {
        assert!((1..=max).contains(&answer.header(name).len()), "{name}: {answer}");
    }
    assert_eq!(answer.header("x-auth-truncated"), "jwt.attributes,jwt.roles,jwt.scope,jwt.email,user,email,roles");
    let head: usize = answer.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    assert!(head < 3_500, "{head} bytes");
    assert!(answer.headers.values().all(|value| value.as_bytes().iter().all(|byte| (0x20..0x7F).contains(byte))));
}

#[tokio::test]
async fn every_method_is_answered_alike_and_the_body_is_never_read() {
    let app = TestApp::new().await;
    let issued = app.token_of_alice(&["read:users"]).await;
    let expected = app.check("", &issued.secret).await.expect(200);
    for method in ["HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"] {
        let call = Call::new(method, "/check").body("application/json", vec![b'{'; 1 << 20]);
        assert_eq!(app.send(call.clone().bearer(&issued.secret)).await, expected, "{method}");
        let refusal = app.send(call).await;
        assert_eq!((refusal.status, refusal.header("www-authenticate")), (401, NO_CREDENTIAL), "{method}");
    }
}

#[tokio::test]
async fn a_credential_is_found_wherever_it_may_stand() {
    let app = TestApp::with(&[("check.identity_header", "X-API-Key")]).await;
    let token = &app.token_of_alice(&["read:users"]).await.secret;
    let table = [
        ("authorization", format!("Bearer {token}")),
        ("authorization", format!("bearer {token}")),
        ("authorization", format!("BEARER {token}")),
        ("authorization", format!("bEaReR   {token}  ")),
        ("authorization", basic("", token)),
        ("authorization", basic("anybody", token)),
        ("authorization", basic("anybody", token).replacen("Basic", "bAsIc", 1)),
        (HEADER, token.clone()),
    ];
    for (name, value) in table {
        let answer = app.send(Call::get("/check").header(name, &value)).await;
        assert_eq!(answer.status, 200, "{name}: {value}: {answer}");
    }
}

#[tokio::test]
async fn the_user_name_is_a_credential_only_where_that_is_switched_on() {
    let (off, on) = (TestApp::new().await, TestApp::with(&[("check.basic_username", "true")]).await);
    let tokens = (off.token_of_alice(&["read:users"]).await.secret, on.token_of_alice(&["read:users"]).await.secret);
    for password in ["", "x-oauth-basic"] {
        let ask = |token: &str| Call::get("/check").header("authorization", basic(token, password));
        assert_invalid(&off.send(ask(&tokens.0)).await);
        on.send(ask(&tokens.1)).await.expect(200);
    }
    on.send(Call::get("/check").header("authorization", basic("me", &tokens.1))).await.expect(200);
    assert_invalid(&on.send(Call::get("/check").header("authorization", basic(&tokens.1, "other"))).await);
}

#[tokio::test]
async fn more_than_one_credential_is_none() {
    let app = TestApp::with(&[("check.identity_header", "X-API-Key"), ("check.basic_username", "true")]).await;
    let token = &app.token_of_alice(&["read:users"]).await.secret;
    let call = || Call::get("/check");
    let table = [
        call().bearer(token).bearer(token),
        call().bearer(token).header(HEADER, token),
        call().header(HEADER, token).header(HEADER, token),
        call().bearer(token).header("authorization", basic("", token)),
        call().header("authorization", basic(token, token)),
        call().header("authorization", format!("Bearer {token}, Bearer {token}")),
        call().header("authorization", format!("Bearer {token},{token}")),
    ];
    for (index, several) in table.into_iter().enumerate() {
        let answer = app.send(several).await;
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, INVALID), "case {index}: {answer}");
    }
}

#[tokio::test]
async fn a_token_in_the_query_or_in_another_header_is_no_credential() {
    let app = TestApp::new().await;
    let token = &app.token_of_alice(&["read:users"]).await.secret;
    for header in [HEADER, "x-auth-token", "proxy-authorization", "cookie", "x-forwarded-authorization"] {
        let answer = app.send(Call::get("/check").header(header, token)).await;
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, NO_CREDENTIAL), "{header}");
    }
    for name in ["access_token", "token", "private_token"] {
        app.send(Call::get(&format!("/check?{name}={token}"))).await.problem(403);
    }
}

#[tokio::test]
async fn no_credential_is_a_challenge_without_an_error() {
    let app = TestApp::new().await;
    let answer = app.send(Call::get("/check")).await;
    answer.problem(401);
    assert_eq!(answer.header("www-authenticate"), NO_CREDENTIAL);
    assert!(!answer.headers.contains_key("set-cookie"));
}

#[tokio::test]
async fn a_session_cookie_never_authenticates() {
    let app = TestApp::new().await;
    let browser = app.browser_of("alice").await;
    let answer = browser.send(Call::get("/check").header("sec-fetch-site", "same-origin")).await;
    assert_eq!((answer.status, answer.header("www-authenticate")), (401, NO_CREDENTIAL));
    let token = browser.create_token("t", &["read:users"]).await;
    browser.send(Call::get("/check").bearer(&token.secret)).await.expect(200);
}

/// Everything that is wrong with a credential, each with a credential that has it.
async fn invalid_credentials(app: &TestApp) -> Vec<(&'static str, Vec<u8>)> {
    let alice = app.browser_of("alice").await;
    let issue = async |name: &str| {
        alice.create_token_with(&json!({"name": name, "scopes": ["read:users"], "expires_in": "365d"})).await
    };
    let (good, revoked, replaced) = (issue("good").await, issue("revoked").await, issue("replaced").await);
    let short = json!({"name": "short", "scopes": ["read:users"], "expires_in": 1});
    let expired = alice.create_token_with(&short).await;
    alice.revoke(&revoked.id).await;
    alice.regenerate(&replaced.id).await;
    let disabled = app.browser_of("bob").await.create_token("t", &["read:users"]).await;
    app.execute("UPDATE users SET disabled_at = 1 WHERE subject = 'demo-bob'").await;
    app.clock.advance(minutes(1));
    let bearer = |token: &str| format!("Bearer {token}").into_bytes();
    vec![
        ("unknown id", bearer(&unknown_token())),
        ("wrong secret", bearer(&with_wrong_secret(&good.secret))),
        ("wrong secret of a revoked token", bearer(&with_wrong_secret(&revoked.secret))),
        ("wrong secret of an expired token", bearer(&with_wrong_secret(&expired.secret))),
        ("wrong checksum", bearer(&with_wrong_checksum(&good.secret))),
        ("revoked", bearer(&revoked.secret)),
        ("replaced", bearer(&replaced.secret)),
        ("expired", bearer(&expired.secret)),
        ("owner disabled", bearer(&disabled.secret)),
        ("cut off", bearer(&good.secret[..70])),
        ("too long", bearer(&format!("{}0", good.secret))),
        ("upper case", bearer(&good.secret.to_uppercase())),
        ("foreign prefix", bearer(&token_of("ghp", "0123456789ABCDEF", &"a".repeat(43)))),
        ("only a prefix", bearer("hpat_")),
        ("a JWT", bearer("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.")),
        ("two words", bearer("one two")),
        ("nothing behind the scheme", b"Bearer".to_vec()),
        ("blanks behind the scheme", b"Bearer   ".to_vec()),
        ("no scheme", good.secret.clone().into_bytes()),
        ("another scheme", format!("Token {}", good.secret).into_bytes()),
        ("a byte beyond ASCII", [b"Bearer ".as_slice(), good.secret.as_bytes(), b"\xE9"].concat()),
        ("only bytes beyond ASCII", b"\xFF\xFE".to_vec()),
        ("basic without base64", b"Basic !".to_vec()),
        ("basic without a colon", format!("Basic {}", STANDARD.encode(&good.secret)).into_bytes()),
        ("basic with bytes that are no text", format!("Basic {}", STANDARD.encode(b"\xFF:\xFF")).into_bytes()),
        ("basic with a wrong password", basic("alice", "secret").into_bytes()),
        ("basic without a password", basic(&good.secret, "").into_bytes()),
        ("empty", Vec::new()),
    ]
}

#[tokio::test]
async fn everything_that_is_wrong_with_a_credential_has_one_identical_answer() {
    let app = TestApp::new().await;
    let credentials = invalid_credentials(&app).await;
    for query in ["", "?scope=read:users", "?scope=admin:all&role=nobody"] {
        let ask = |value: &[u8]| Call::get(&format!("/check{query}")).header("authorization", value);
        let expected = app.send(ask(&credentials[0].1)).await;
        assert_invalid(&expected);
        for (what, value) in &credentials {
            assert_eq!(app.send(ask(value)).await, expected, "{what}");
        }
    }
}

#[tokio::test]
async fn a_token_is_suspended_while_its_owner_stays_away() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let token = alice.create_token_with(&json!({"name": "t", "scopes": ["read:users"], "expires_in": "365d"})).await;
    app.clock.advance(days(90));
    app.check("", &token.secret).await.expect(200);
    app.clock.advance(days(1));
    let unknown = app.check("", &unknown_token()).await;
    assert_eq!(app.check("", &token.secret).await, unknown);
    app.browser_of("alice").await;
    app.check("", &token.secret).await.expect(200);
}

#[tokio::test]
async fn a_token_is_suspended_while_nobody_uses_it_until_it_is_regenerated() {
    let app = TestApp::with(&[("tokens.idle_suspend", "30d"), ("tokens.owner_max_login_age", "off")]).await;
    let token = app.browser_of("alice").await.create_token("t", &["read:users"]).await;
    app.clock.advance(days(29));
    app.check("", &token.secret).await.expect(200);
    app.app.usage.flush().await;
    app.clock.advance(days(29));
    app.check("", &token.secret).await.expect(200);
    app.app.usage.flush().await;
    app.clock.advance(days(31));
    assert_invalid(&app.check("", &token.secret).await);
    let again = app.browser_of("alice").await.regenerate(&token.id).await;
    app.check("", &again.secret).await.expect(200);
}

#[tokio::test]
async fn a_token_that_is_used_at_another_server_is_not_idle_here() {
    let app = TestApp::with(&[("tokens.idle_suspend", "30d"), ("tokens.owner_max_login_age", "off")]).await;
    let token = app.browser_of("alice").await.create_token("t", &["read:users"]).await;
    app.check("", &token.secret).await.expect(200);
    app.app.usage.flush().await;
    app.clock.advance(days(20));
    let secret = token.token["secrets"][0]["id"].as_str().unwrap().parse().unwrap();
    let elsewhere = Use { token: token.id.parse().unwrap(), secret, at: app.clock.now(), ip: None };
    app.app.db.mark_used(&[elsewhere]).await.unwrap();
    app.clock.advance(days(20));
    app.check("", &token.secret).await.expect(200);
    app.clock.advance(days(31));
    assert_invalid(&app.check("", &token.secret).await);
}

#[tokio::test]
async fn requirements_are_met_or_refused() {
    let app = TestApp::new().await;
    let token = app.token_of_alice(&["read:users", "write:reports"]).await.secret;
    let table = [
        ("", 200),
        ("?scope=read:users", 200),
        ("?scope=read:users+write:reports", 200),
        ("?scope=read:users%20write:reports", 200),
        ("?scope=read:users&scope=write:reports", 200),
        ("?scope=read:users&scope=write:users", 403),
        ("?scope=write:users", 403),
        ("?scope=READ:USERS", 403),
        ("?scope=not-in-the-catalogue", 403),
        ("?scope=a,b", 403),
        ("?role=staff", 200),
        ("?role=boss&role=staff", 200),
        ("?role=boss", 403),
        ("?role=staff,boss", 403),
        ("?scope=read:users&role=boss", 403),
        ("?attribute=department", 200),
        ("?attribute=department:research", 200),
        ("?attribute=department:sales&attribute=department:research", 200),
        ("?attribute=department:sales", 403),
        ("?attribute=floor", 403),
        ("?attribute=department:research&attribute=floor:2", 403),
        ("?audience=hallpass", 200),
        ("?scope=read:users&role=staff&attribute=department:research&audience=hallpass", 200),
    ];
    for (query, status) in table {
        let answer = app.check(query, &token).await;
        assert_eq!(answer.status, status, "{query}: {answer}");
        if status == 403 {
            answer.problem(403);
            assert!(answer.header("www-authenticate").contains("error=\"insufficient_scope\""), "{query}: {answer}");
        }
    }
}

#[tokio::test]
async fn a_refusal_names_the_scopes_that_are_needed() {
    let app = TestApp::new().await;
    let token = app.token_of_alice(&["read:users"]).await.secret;
    let answer = app.check("?scope=write:users+read:users", &token).await;
    let challenge = "Bearer realm=\"hallpass\", error=\"insufficient_scope\", scope=\"read:users write:users\"";
    assert_eq!(answer.header("www-authenticate"), challenge);
    let injected = app.check("?scope=a%22%20b", &token).await;
    assert_eq!(injected.header("www-authenticate"), challenge.replace("read:users write:users", "b"));
}

#[tokio::test]
async fn a_mistyped_requirement_is_refused_before_any_credential_is_looked_at() {
    let app = TestApp::new().await;
    let token = app.token_of_alice(&["read:users"]).await.secret;
    let queries = [
        "?scope=",
        "?scope",
        "?scope=+",
        "?role=",
        "?attribute=",
        "?attribute=:x",
        "?attribute=x:",
        "?audience=",
        "?audience=other",
        "?scopes=read:users",
        "?Scope=read:users",
        "?scope[]=read:users",
        "?x",
        "?scope=read:users&x=1",
    ];
    for query in queries {
        let credentials = [Some(token.as_str()), Some("nonsense"), None];
        let mut answers = Vec::new();
        for credential in credentials {
            let call = Call::get(&format!("/check{query}"));
            answers.push(app.send(credential.map_or(call.clone(), |token| call.bearer(token))).await);
        }
        answers[0].problem(403);
        assert!(!answers[0].headers.contains_key("www-authenticate"), "{query}: {}", answers[0]);
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{query}: {answers:?}");
    }
}

#[tokio::test]
async fn losing_all_scopes_refuses_only_where_one_is_required() {
    let app = TestApp::new().await;
    let token = app.token_of_alice(&["write:reports"]).await.secret;
    app.execute("UPDATE users SET roles = '[]'").await;
    let answer = app.check("", &token).await.expect(200);
    assert_eq!((answer.header("x-auth-scopes"), answer.header("x-auth-roles")), ("-", "-"));
    app.check("?scope=write:reports", &token).await.problem(403);
}

#[tokio::test]
async fn roles_of_the_next_login_narrow_the_token_at_once() {
    let app = TestApp::new().await;
    let browser = app.browser_of("alice").await;
    app.execute("UPDATE users SET roles = '[\"staff\",\"hallpass-admin\"]'").await;
    let token = browser.create_token("t", &["admin:all", "write:reports"]).await.secret;
    app.check("?scope=admin:all&role=hallpass-admin", &token).await.expect(200);
    app.browser_of("alice").await;
    app.check("?scope=admin:all", &token).await.problem(403);
    let answer = app.check("?scope=write:reports", &token).await.expect(200);
    assert_eq!((answer.header("x-auth-scopes"), answer.header("x-auth-roles")), ("write:reports", "staff"));
}

#[tokio::test]
async fn a_scope_that_leaves_the_catalogue_leaves_every_token() {
    let app = TestApp::new().await;
    let token = app.token_of_alice(&["read:users", "read:reports"]).await.secret;
    let app = app.restart_with(&[("scopes", r#"[{"name": "read:users", "description": ""}]"#)]).await;
    assert_eq!(app.check("", &token).await.expect(200).header("x-auth-scopes"), "read:users");
    app.check("?scope=read:reports", &token).await.problem(403);
}

#[tokio::test]
async fn a_shorter_maximum_ends_tokens_that_exist() {
    let app = TestApp::new().await;
    let token = app.token_of_alice(&["read:users"]).await.secret;
    let app = app.restart_with(&[("tokens.max_lifetime", "30d"), ("tokens.default_lifetime", "30d")]).await;
    assert_eq!(app.check("", &token).await.expect(200).header("x-auth-expires"), "2026-06-02T14:05:00Z");
    app.clock.advance(days(30));
    assert_invalid(&app.check("", &token).await);
}

#[tokio::test]
async fn an_older_prefix_is_accepted_where_it_is_configured() {
    let app = TestApp::new().await;
    let token = app.token_of_alice(&["read:users"]).await.secret;
    let app = app.restart_with(&[("tokens.prefix", "acme"), ("tokens.accepted_prefixes", r#"["hpat"]"#)]).await;
    app.check("", &token).await.expect(200);
    let new = app.token_of_alice(&["read:users"]).await.secret;
    assert!(new.starts_with("acme_"), "{new}");
    app.check("", &new).await.expect(200);
    let app = app.restart_with(&[("tokens.accepted_prefixes", "[]")]).await;
    assert_invalid(&app.check("", &token).await);
    app.check("", &new).await.expect(200);
}

#[tokio::test]
async fn a_revocation_counts_from_its_answer() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    for _ in 0..5 {
        let token = alice.create_token("t", &["read:users"]).await;
        app.check("", &token.secret).await.expect(200);
        alice.revoke(&token.id).await;
        assert_invalid(&app.check("", &token.secret).await);
    }
}

#[tokio::test]
async fn a_regeneration_replaces_the_secret_at_once() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let old = alice.create_token("t", &["read:users"]).await;
    let new = alice.regenerate(&old.id).await;
    assert_eq!(new.id, old.id);
    assert_ne!(new.secret_id(), old.secret_id());
    assert_invalid(&app.check("", &old.secret).await);
    app.check("", &new.secret).await.expect(200);
}

#[tokio::test]
async fn narrowed_scopes_count_at_once() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let token = alice.create_token("t", &["read:users", "write:users"]).await;
    let narrowed = json!({"scopes": ["read:users"]});
    alice.api_json("PATCH", &format!("/api/v1/tokens/{}", token.id), &narrowed).await.expect(200);
    app.check("?scope=write:users", &token.secret).await.problem(403);
}

#[tokio::test]
async fn when_the_store_is_gone_only_what_needs_it_is_unavailable() {
    let app = TestApp::new().await;
    let token = app.token_of_alice(&["read:users"]).await.secret;
    app.app.db.close().await;
    assert_eq!(app.send(Call::get("/check")).await.header("www-authenticate"), NO_CREDENTIAL);
    for malformed in ["nonsense", &with_wrong_checksum(&token)] {
        assert_invalid(&app.check("", malformed).await);
    }
    for well_formed in [token, unknown_token()] {
        let answer = app.check("", &well_formed).await;
        answer.problem(503);
        assert!(answer.header("retry-after").parse::<u32>().is_ok(), "{answer}");
    }
    app.send(Call::get("/healthz")).await.expect(200);
    app.send(Call::get("/readyz")).await.expect(503);
}

#[tokio::test]
async fn the_steady_path_calculates_no_slow_proof() {
    let app = TestApp::new().await;
    let token = app.token_of_alice(&["read:users"]).await.secret;
    assert_eq!(app.metric("hallpass_argon2_total"), 1);
    for credential in [&token, &token, &with_wrong_secret(&token), &with_wrong_checksum(&token), &unknown_token()] {
        app.check("", credential).await;
    }
    assert_eq!(app.metric("hallpass_argon2_total"), 1);
}

#[tokio::test]
async fn a_lost_fast_proof_is_made_again_once() {
    let app = TestApp::new().await;
    let token = app.token_of_alice(&["read:users"]).await.secret;
    app.execute("UPDATE secrets SET hmac = NULL, hmac_key_id = NULL").await;
    let before = app.metric("hallpass_argon2_total");
    app.check("", &token).await.expect(200);
    assert_eq!(app.metric("hallpass_argon2_total"), before + 1);
    app.app.usage.flush().await;
    app.check("", &token).await.expect(200);
    assert_eq!(app.metric("hallpass_argon2_total"), before + 1);
    assert_eq!(app.value("SELECT length(hmac) FROM secrets").await, "32");
}

#[tokio::test]
async fn a_fast_proof_of_another_key_is_replaced_and_never_believed() {
    let app = TestApp::new().await;
    let token = app.token_of_alice(&["read:users"]).await.secret;
    app.execute("UPDATE secrets SET hmac = zeroblob(32), hmac_key_id = '0123456789abcdef'").await;
    assert_invalid(&app.check("", &with_wrong_secret(&token)).await);
    app.check("", &token).await.expect(200);
    app.app.usage.flush().await;
    assert_ne!(app.value("SELECT hmac_key_id FROM secrets").await, "0123456789abcdef");
    app.check("", &token).await.expect(200);
}

#[tokio::test]
async fn an_ended_secret_is_not_worth_a_slow_proof() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let token = alice.create_token("t", &["read:users"]).await;
    alice.revoke(&token.id).await;
    app.execute("UPDATE secrets SET hmac = NULL, hmac_key_id = NULL").await;
    assert_invalid(&app.check("", &token.secret).await);
    assert_eq!(app.metric("hallpass_argon2_total"), 1);
}

#[tokio::test]
async fn a_restricted_token_passes_only_from_its_networks_as_trusted_proxies_tell() {
    let app = TestApp::with(&[("trusted_proxies", r#"["10.0.0.0/8", "2001:db8:1::/48"]"#)]).await;
    let alice = app.browser_of("alice").await;
    let restricted =
        json!({"name": "t", "scopes": ["read:users"], "allowed_ips": ["198.51.100.0/24", "2001:db8:2::/48"]});
    let token = alice.create_token_with(&restricted).await.secret;
    let table: [(&str, &[&str], u16); 14] = [
        ("198.51.100.7", &[], 200),
        ("::ffff:198.51.100.7", &[], 200),
        ("2001:db8:2::1", &[], 200),
        ("192.0.2.1", &[], 403),
        ("192.0.2.1", &["198.51.100.7"], 403),
        ("10.1.1.1", &[], 403),
        ("10.1.1.1", &["198.51.100.7"], 200),
        ("10.1.1.1", &["198.51.100.7, 10.2.2.2"], 200),
        ("10.1.1.1", &["198.51.100.7", "10.2.2.2"], 200),
        ("10.1.1.1", &["198.51.100.7, 192.0.2.1"], 403),
        ("10.1.1.1", &["192.0.2.1, 198.51.100.7, 10.2.2.2"], 200),
        ("10.1.1.1", &["198.51.100.7, nonsense"], 403),
        ("2001:db8:1::9", &["198.51.100.7"], 200),
        ("10.1.1.1", &["198.51.100.7:4711"], 200),
    ];
    for (peer, forwarded, status) in table {
        let call = Call::get("/check").bearer(&token).from(peer);
        let answer = app.send(forwarded.iter().fold(call, |call, line| call.header("x-forwarded-for", line))).await;
        assert_eq!(answer.status, status, "{peer} {forwarded:?}: {answer}");
    }
}

#[tokio::test]
async fn a_refused_address_is_told_without_an_error_parameter_and_only_to_a_proven_token() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let restricted = json!({"name": "t", "scopes": ["read:users"], "allowed_ips": ["198.51.100.7"]});
    let token = alice.create_token_with(&restricted).await.secret;
    let refused = app.check("", &token).await;
    refused.problem(403);
    assert!(!refused.header("www-authenticate").contains("error"), "{refused}");
    assert_invalid(&app.check("", &with_wrong_secret(&token)).await);
}

#[tokio::test]
async fn a_token_is_good_strictly_before_its_expiry() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let token =
        alice.create_token_with(&json!({"name": "t", "scopes": ["read:users"], "expires_in": "1h"})).await.secret;
    let tick = std::time::Duration::from_micros(1);
    app.clock.advance(minutes(60).saturating_sub(tick));
    assert_eq!(app.check("", &token).await.expect(200).header("x-auth-expires"), "2026-05-03T15:05:00Z");
    app.clock.advance(tick);
    assert_invalid(&app.check("", &token).await);
}

#[tokio::test]
async fn an_observed_expiry_survives_a_clock_that_is_set_back() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let token =
        alice.create_token_with(&json!({"name": "t", "scopes": ["read:users"], "expires_in": "1h"})).await.secret;
    app.clock.advance(hours(1));
    assert_invalid(&app.check("", &token).await);
    app.app.usage.flush().await;
    app.clock.set_back(minutes(30));
    assert_invalid(&app.check("", &token).await);
    let actions = ["user.logged_in", "token.created", "token.expired", "token.used_after_end"];
    assert_eq!(app.actions().await, actions);
}

#[tokio::test]
async fn a_use_is_noted_once_it_was_allowed() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let token = alice.create_token("t", &["read:users"]).await;
    app.check("?scope=write:users", &token.secret).await.problem(403);
    app.app.usage.flush().await;
    let path = format!("/api/v1/tokens/{}", token.id);
    assert!(alice.get(&path).await.json()["last_used_at"].is_null());
    app.clock.advance(minutes(2));
    app.check("?scope=read:users", &token.secret).await.expect(200);
    app.app.usage.flush().await;
    let seen = alice.get(&path).await.json();
    assert_eq!(seen["last_used_at"], "2026-05-03T14:07:00Z");
    assert_eq!(seen["last_used_ip"], "192.0.2.10");
    assert_eq!(seen["secrets"][0]["last_used_at"], "2026-05-03T14:07:00Z");
    assert_eq!(seen["version"], token.token["version"], "a use is no change");
}

#[tokio::test]
async fn a_check_writes_nothing_itself() {
    let app = TestApp::new().await;
    let token = app.token_of_alice(&["read:users"]).await.secret;
    let before = app.dump().await;
    app.check("", &token).await.expect(200);
    assert_eq!(app.dump().await, before);
}

#[tokio::test]
async fn checks_are_counted_by_method_and_outcome() {
    let app = TestApp::new().await;
    let token = app.token_of_alice(&["read:users"]).await.secret;
    app.check("", &token).await;
    app.check("?scope=write:users", &token).await;
    app.check("", "nonsense").await;
    app.send(Call::get("/check")).await;
    let count =
        |method, outcome| app.metric(&format!("hallpass_check_total{{method=\"{method}\",outcome=\"{outcome}\"}}"));
    assert_eq!((count("pat", "allowed"), count("pat", "insufficient")), (1, 1));
    assert_eq!((count("none", "invalid_token"), count("none", "no_credential")), (1, 1));
}

#[tokio::test]
async fn no_answer_carries_page_headers_or_cookies() {
    let app = TestApp::new().await;
    let token = app.token_of_alice(&["read:users"]).await.secret;
    for answer in [app.check("", &token).await, app.check("", "nonsense").await] {
        for name in ["set-cookie", "x-request-id", "content-security-policy"] {
            assert!(!answer.headers.contains_key(HeaderName::from_static(name)), "{answer}");
        }
        assert_eq!(answer.header("cache-control"), "no-store");
    }
}
