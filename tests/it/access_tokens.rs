//! Access tokens of a login provider at `/check`: contract, sections 2, 4 and 10.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hallpass::domain::time::Clock as _;
use serde_json::{Value, json};

use crate::support::{
    Answer, CLIENT_ID, Call, HEADER, OidcProvider, Signer, TestApp, TestClock, TestEntropy, claims_of, days, encode,
    hs256, seconds,
};

/// The audience that the tests configure for `/check`.
const AUDIENCE: &str = "billing-api";
const CHECKED: (&str, &str) = ("oidc.0.check_audiences", r#"["billing-api", "reports-api"]"#);

/// A server that takes access tokens, at which alice has logged in.
async fn server(settings: &[(&str, &str)]) -> TestApp {
    let app = TestApp::with(&[&[CHECKED, ("check.failure_limit", "off")], settings].concat()).await;
    app.browser_of("alice").await;
    app
}

fn now(app: &TestApp) -> i64 {
    app.clock.now().as_seconds()
}

/// What the provider says in an access token of alice's.
fn claims(app: &TestApp) -> Value {
    json!({
        "iss": app.provider.issuer, "sub": "demo-alice", "aud": AUDIENCE, "client_id": "spa", "jti": "1",
        "iat": now(app), "exp": now(app) + 300, "scope": "read:users openid",
    })
}

/// The same with one claim changed, or without it where the value is null.
fn claims_with(app: &TestApp, name: &str, value: Value) -> Value {
    let mut claims = claims(app);
    if value.is_null() {
        claims.as_object_mut().unwrap().remove(name);
    } else {
        claims[name] = value;
    }
    claims
}

fn header_with(signer: &Signer, name: &str, value: Value) -> Value {
    let mut header = signer.header();
    header[name] = value;
    header
}

/// The one answer to everything that is not good.
async fn refusal(app: &TestApp) -> Answer {
    let answer = app.check("", "not.a.token").await;
    answer.problem(401);
    assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"hallpass\", error=\"invalid_token\"");
    answer
}

async fn assert_refused(app: &TestApp, what: &str, token: &str) {
    assert_eq!(app.check("", token).await, refusal(app).await, "{what}");
}

async fn assert_passes(app: &TestApp, what: &str, token: &str) {
    let answer = app.check("", token).await;
    assert_eq!(answer.status, 200, "{what}: {answer}");
}

#[tokio::test]
async fn an_access_token_speaks_for_somebody_who_has_logged_in() {
    let app = server(&[]).await;
    let mut answer = app.check("?scope=read:users&role=staff", &app.provider.signer.sign(&claims(&app))).await;
    let jwt = answer.headers.remove("authorization").unwrap();
    let told = claims_of(jwt.to_str().unwrap());
    assert_eq!((&told["amr"], &told["token_id"]), (&json!(["oidc"]), &Value::Null));
    let owner = app.value("SELECT lower(hex(id)) FROM users").await;
    assert_eq!(answer.header("x-auth-subject").replace('-', ""), owner);
    insta::assert_snapshot!(answer.to_string().replace(answer.header("x-auth-subject"), "<owner>"), @r"
    200
    cache-control: no-store
    content-length: 0
    x-auth-email: alice@demo.example
    x-auth-expires: 2026-05-03T14:10:00Z
    x-auth-method: oidc
    x-auth-roles: staff
    x-auth-scopes: read:reports read:users write:reports write:users
    x-auth-subject: <owner>
    x-auth-token-id: -
    x-auth-truncated: -
    x-auth-user: alice
    ");
}

#[tokio::test]
async fn what_the_standard_allows_passes() {
    let app = server(&[]).await;
    let (now, signer) = (now(&app), &app.provider.signer);
    for (name, value) in [
        ("aud", json!([AUDIENCE])),
        ("aud", json!(["other", "reports-api", "reports-api"])),
        ("exp", json!(now - 59)),
        ("exp", json!(f64::from(u32::try_from(now).unwrap()) + 0.5)),
        ("nbf", json!(now + 60)),
        ("iat", json!(now + 60)),
        ("iat", json!(now - 86_400)),
        ("iat", Value::Null),
        ("scope", Value::Null),
        ("client_id", Value::Null),
        ("nonce", json!("an access token may have one where its type is clear")),
        ("roles", json!({"any": ["thing"]})),
    ] {
        assert_passes(&app, &format!("{name}: {value}"), &signer.sign(&claims_with(&app, name, value.clone()))).await;
    }
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/AT+JWT"] {
        let token = signer.sign_with(&header_with(signer, "typ", json!(typ)), &claims(&app));
        assert_passes(&app, typ, &token).await;
    }
}

/// Everything that can be wrong with what was signed, each with claims that have it.
fn wrong_claims(app: &TestApp) -> Vec<(&'static str, Value)> {
    let now = now(app);
    let with = |name: &str, value: Value| claims_with(app, name, value);
    let slash = format!("{}/", app.provider.issuer);
    vec![
        ("another issuer", with("iss", json!("https://evil.example"))),
        ("a slash behind the issuer", with("iss", json!(slash))),
        ("our own issuer", with("iss", json!(app.public_url()))),
        ("no issuer", with("iss", Value::Null)),
        ("an issuer that is no text", with("iss", json!([app.provider.issuer]))),
        ("another audience", with("aud", json!("other-api"))),
        ("an audience in another case", with("aud", json!("Billing-API"))),
        ("part of an audience", with("aud", json!("billing"))),
        ("two audiences in one text", with("aud", json!("billing-api reports-api"))),
        ("our client as audience", with("aud", json!(CLIENT_ID))),
        ("no audience", with("aud", Value::Null)),
        ("an empty list of audiences", with("aud", json!([]))),
        ("an audience that is no text", with("aud", json!([[AUDIENCE]]))),
        ("audiences of which one is no text", with("aud", json!([AUDIENCE, 1]))),
        ("expired", with("exp", json!(now - 60))),
        ("long expired", with("exp", json!(0))),
        ("no expiry", with("exp", Value::Null)),
        ("an expiry in words", with("exp", json!((now + 300).to_string()))),
        ("an expiry beyond all dates", with("exp", json!(1e300))),
        ("a negative expiry", with("exp", json!(-1))),
        ("not valid yet", with("nbf", json!(now + 61))),
        ("issued in the future", with("iat", json!(now + 61))),
        ("issued in the far future", with("iat", json!(now + 86_400 * 365))),
        ("no subject", with("sub", Value::Null)),
        ("an empty subject", with("sub", json!(""))),
        ("a subject that is no text", with("sub", json!(1))),
        ("an endless subject", with("sub", json!("x".repeat(256)))),
        ("somebody who never logged in", with("sub", json!("demo-bob"))),
        ("a subject in another case", with("sub", json!("DEMO-ALICE"))),
        ("a subject with a NUL behind it", with("sub", json!("demo-alice\u{0}"))),
        ("a login in the future", with("auth_time", json!(now + 61))),
        ("bound to a key", with("cnf", json!({"jkt": "x"}))),
        ("no object", json!(["iss", app.provider.issuer])),
    ]
}

/// Everything that can be wrong with how it was signed.
fn wrong_headers(signer: &Signer) -> Vec<(&'static str, Value)> {
    let with = |name: &str, value: Value| header_with(signer, name, value);
    vec![
        ("crit", with("crit", json!(["exp"]))),
        ("an empty crit", with("crit", json!([]))),
        ("a crit of null", with("crit", Value::Null)),
        ("a JWT that does not say what it is", json!({"alg": "ES256", "kid": signer.name})),
        ("a JWT of an older kind", with("typ", json!("JWT"))),
        ("a logout token", with("typ", json!("logout+jwt"))),
        ("a security event", with("typ", json!("secevent+jwt"))),
        ("almost an access token", with("typ", json!("at+jwt "))),
        ("a type that is no text", with("typ", json!(["at+jwt"]))),
        ("an unknown key", with("kid", json!("unknown"))),
        ("the key of nobody", with("kid", json!(""))),
        ("no algorithm", json!({"kid": signer.name, "typ": "at+jwt"})),
        ("another algorithm", with("alg", json!("ES384"))),
        ("the algorithm of another key", with("alg", json!("RS256"))),
        ("none", with("alg", json!("none"))),
        ("None", with("alg", json!("None"))),
        ("an algorithm in another case", with("alg", json!("es256"))),
        ("no key named where there are two", json!({"alg": "ES256", "typ": "at+jwt"})),
    ]
}

/// Texts that are not what they seem.
fn forgeries(app: &TestApp) -> Vec<(&'static str, String)> {
    let (signer, other, claims) = (&app.provider.signer, Signer::es256(&app.provider.signer.name), claims(app));
    let good = signer.sign(&claims);
    let parts: Vec<_> = good.split('.').collect();
    let (header, signature) = (parts[0], parts[2]);
    let text = claims.to_string();
    let twice = |name: &str, value: &str| {
        let doubled = text.replacen('{', &format!("{{\"{name}\":{value},"), 1);
        signer.sign_text(&signer.header().to_string(), &doubled)
    };
    let own_key = header_with(&other, "jwk", other.jwk());
    let padded = format!("{}=.{}.{}", parts[0], parts[1], parts[2]);
    let none = encode(json!({"alg": "none", "typ": "at+jwt"}).to_string());
    let mut forgeries = vec![
        ("another key of the same name", other.sign(&claims)),
        ("a key that it brings along", other.sign_with(&own_key, &claims)),
        ("a key from elsewhere", other.sign_with(&header_with(&other, "jku", json!("http://127.0.0.1:9/k")), &claims)),
        ("no signature", format!("{header}.{}.", parts[1])),
        ("no signature and none", format!("{none}.{}.", parts[1])),
        ("none with a signature", format!("{none}.{}.{signature}", parts[1])),
        ("a signature of zeros", format!("{header}.{}.{}", parts[1], encode([0; 64]))),
        ("half a signature", format!("{header}.{}.{}", parts[1], &signature[..43])),
        ("a signature in the form of X.509", format!("{header}.{}.{}", parts[1], encode([0x30; 70]))),
        (
            "other claims",
            format!("{header}.{}.{signature}", encode(claims_with(app, "sub", json!("demo-admin")).to_string())),
        ),
        (
            "another header",
            format!("{}.{}.{signature}", encode(header_with(signer, "x", json!(1)).to_string()), parts[1]),
        ),
        ("padding", padded),
        ("four parts", format!("{good}.{signature}")),
        ("five parts", format!("{good}.{signature}.{signature}")),
        ("two parts", format!("{header}.{}", parts[1])),
        ("three dots", "...".to_owned()),
        ("no base64", format!("{header}.!!!.{signature}")),
        ("base64 of another alphabet", format!("{header}.++//.{signature}")),
        ("an impossible length of base64", format!("{header}.{}A.{signature}", "AAAA")),
        ("a header that is no JSON", format!("{}.{}.{signature}", encode("header"), parts[1])),
        ("claims that are no JSON", signer.sign_text(&signer.header().to_string(), "claims")),
        ("claims that are no text", format!("{header}.{}.{signature}", encode([0xFF, 0xFE]))),
        ("something behind the claims", signer.sign_text(&signer.header().to_string(), &format!("{text}{text}"))),
        ("two audiences of which one fits", twice("aud", "\"other-api\"")),
        ("two audiences of which both fit", twice("aud", "\"billing-api\"")),
        ("two issuers", twice("iss", "\"https://evil.example\"")),
        ("two subjects", twice("sub", "\"demo-admin\"")),
        ("two expiries", twice("exp", "1")),
        ("too long", signer.sign(&claims_with(app, "padding", json!("x".repeat(8 * 1024))))),
        ("nested beyond reason", signer.sign_text(&signer.header().to_string(), &"[".repeat(4_000))),
    ];
    for secret in signer.public_secrets() {
        let header = json!({"alg": "HS256", "kid": signer.name, "typ": "at+jwt"});
        forgeries.push(("the public key as a shared secret", hs256(&secret, &header, &claims)));
    }
    forgeries
}

#[tokio::test]
async fn everything_else_has_the_one_answer_of_a_wrong_credential() {
    let app = server(&[]).await;
    let signer = &app.provider.signer;
    let claimed = wrong_claims(&app).into_iter().map(|(what, claims)| (what, signer.sign(&claims)));
    let headed =
        wrong_headers(signer).into_iter().map(|(what, header)| (what, signer.sign_with(&header, &claims(&app))));
    for (what, token) in claimed.chain(headed).chain(forgeries(&app)) {
        assert_refused(&app, what, &token).await;
    }
    assert_passes(&app, "the good one still", &signer.sign(&claims(&app))).await;
}

#[tokio::test]
async fn a_token_without_its_mark_counts_only_where_that_is_switched_on() {
    let (off, on) = (server(&[]).await, server(&[("oidc.0.legacy_access_tokens", "true")]).await);
    let old = |app: &TestApp, claims: &Value| {
        let signer = &app.provider.signer;
        [json!({"alg": "ES256", "kid": signer.name}), header_with(signer, "typ", json!("JWT"))]
            .map(|header| signer.sign_with(&header, claims))
    };
    for token in old(&off, &claims(&off)) {
        assert_refused(&off, "switched off", &token).await;
    }
    for token in old(&on, &claims(&on)) {
        assert_passes(&on, "switched on", &token).await;
    }
    assert_passes(&on, "the new form", &on.provider.signer.sign(&claims(&on))).await;
    for (name, value) in [
        ("nonce", json!("n")),
        ("nonce", json!("")),
        ("at_hash", json!("h")),
        ("c_hash", json!("h")),
        ("events", json!({"http://schemas.openid.net/event/backchannel-logout": {}})),
        ("events", json!({})),
        ("typ", json!("ID")),
        ("typ", json!("Refresh")),
        ("token_use", json!("id")),
    ] {
        for token in old(&on, &claims_with(&on, name, value.clone())) {
            assert_refused(&on, &format!("{name}: {value}"), &token).await;
        }
    }
    for typ in ["logout+jwt", "secevent+jwt", "dpop+jwt", "JWE", ""] {
        let header = header_with(&on.provider.signer, "typ", json!(typ));
        assert_refused(&on, typ, &on.provider.signer.sign_with(&header, &claims(&on))).await;
    }
}

#[tokio::test]
async fn a_null_where_something_else_must_not_stand_counts_as_there() {
    let app = server(&[("oidc.0.legacy_access_tokens", "true")]).await;
    let mut claims = claims(&app);
    claims["nonce"] = Value::Null;
    let header = header_with(&app.provider.signer, "typ", json!("JWT"));
    assert_refused(&app, "nonce", &app.provider.signer.sign_with(&header, &claims)).await;
}

#[tokio::test]
async fn the_providers_own_id_token_is_no_credential() {
    let app = server(&[("oidc.0.legacy_access_tokens", "true")]).await;
    let mut id_token = claims(&app);
    id_token["azp"] = json!(CLIENT_ID);
    for audience in [json!(CLIENT_ID), json!([CLIENT_ID, AUDIENCE])] {
        id_token["aud"] = audience;
        id_token["nonce"] = json!("n");
        for header in
            [header_with(&app.provider.signer, "typ", json!("JWT")), json!({"alg": "ES256", "kid": "test-key"})]
        {
            assert_refused(&app, "an ID token", &app.provider.signer.sign_with(&header, &id_token)).await;
        }
    }
}

#[tokio::test]
async fn without_an_audience_in_the_configuration_no_access_token_counts() {
    let app = TestApp::new().await;
    app.browser_of("alice").await;
    assert_refused(&app, "nothing configured", &app.provider.signer.sign(&claims(&app))).await;
    let app =
        TestApp::with(&[("oidc.0.api_audiences", r#"["billing-api"]"#), ("oidc.0.api_clients", r#"["spa"]"#)]).await;
    app.browser_of("alice").await;
    assert_refused(&app, "for the API only", &app.provider.signer.sign(&claims(&app))).await;
}

#[tokio::test]
async fn scopes_are_all_that_the_roles_allow_or_only_the_claimed_ones() {
    let scopes = async |app: &TestApp, claims: &Value| {
        let answer = app.check("", &app.provider.signer.sign(claims)).await.expect(200);
        answer.header("x-auth-scopes").to_owned()
    };
    let app = server(&[]).await;
    assert_eq!(
        scopes(&app, &claims_with(&app, "scope", json!("x"))).await,
        "read:reports read:users write:reports write:users"
    );
    let app = server(&[("oidc.0.access_token_scopes", "claim")]).await;
    for (name, value, left) in [
        ("scope", json!("read:users openid write:reports"), "read:users write:reports"),
        ("scope", json!(["read:users", "write:users read:reports"]), "read:reports read:users write:users"),
        ("scope", json!("admin:all read:users"), "read:users"),
        ("scope", json!("openid profile é \u{1} a%b"), "-"),
        ("scope", json!(""), "-"),
        ("scope", Value::Null, "-"),
    ] {
        assert_eq!(scopes(&app, &claims_with(&app, name, value.clone())).await, left, "{name}: {value}");
    }
    for scp in [json!("read:users"), json!(["read:users"])] {
        let mut claims = claims_with(&app, "scope", Value::Null);
        claims["scp"] = scp;
        assert_eq!(scopes(&app, &claims).await, "read:users");
    }
    let token = app.provider.signer.sign(&claims(&app));
    app.check("?scope=read:users", &token).await.expect(200);
    app.check("?scope=write:users", &token).await.problem(403);
    app.check("?role=hallpass-admin", &token).await.problem(403);
}

#[tokio::test]
async fn roles_are_the_stored_ones_and_a_token_writes_nothing() {
    let app = server(&[]).await;
    let before = app.dump().await;
    let mut claims = claims(&app);
    claims["groups"] = json!(["hallpass-admin"]);
    claims["preferred_username"] = json!("mallory");
    let token = app.provider.signer.sign(&claims);
    assert_eq!(app.check("", &token).await.expect(200).header("x-auth-roles"), "staff");
    app.check("?role=hallpass-admin", &token).await.problem(403);
    assert_eq!(app.dump().await, before);
    app.execute("UPDATE users SET roles = '[]'").await;
    let answer = app.check("", &token).await.expect(200);
    assert_eq!(
        (answer.header("x-auth-roles"), answer.header("x-auth-scopes")),
        ("-", "read:reports read:users write:users")
    );
}

#[tokio::test]
async fn it_ends_with_the_person_like_a_token_does() {
    let app = server(&[]).await;
    let token = |app: &TestApp| app.provider.signer.sign(&claims(app));
    app.execute("UPDATE users SET disabled_at = 1").await;
    assert_refused(&app, "disabled", &token(&app)).await;
    app.execute("UPDATE users SET disabled_at = NULL").await;
    app.clock.advance(days(90));
    assert_passes(&app, "the last day", &token(&app)).await;
    app.clock.advance(seconds(1));
    assert_refused(&app, "not logged in for too long", &token(&app)).await;
    app.browser_of("alice").await;
    assert_passes(&app, "logged in again", &token(&app)).await;
}

#[tokio::test]
async fn keys_of_every_accepted_kind_verify_and_of_no_other() {
    let app = server(&[]).await;
    let (rsa, ed) = (Signer::rs256("rsa"), Signer::eddsa("ed"));
    let with = |signer: &Signer, name: &str, value: &str| {
        let mut jwk = signer.jwk();
        jwk[name] = json!(value);
        jwk["kid"] = json!(format!("{name} {value}"));
        jwk
    };
    let nameless = |mut jwk: Value| {
        jwk.as_object_mut().unwrap().remove("kid");
        jwk
    };
    app.provider.publish(&[
        rsa.jwk(),
        nameless(ed.jwk()),
        with(&rsa, "alg", "RS512"),
        with(&rsa, "use", "enc"),
        json!({"kty": "oct", "kid": "shared", "k": encode("secret")}),
        json!({"kty": "new", "kid": "?"}),
        json!({"kty": "EC", "crv": "P-256", "kid": "bad point", "x": encode([1; 32]), "y": encode([1; 32])}),
    ]);
    let claims = claims(&app);
    assert_passes(&app, "RS256", &rsa.sign(&claims)).await;
    let unnamed = json!({"alg": "EdDSA", "typ": "at+jwt"});
    assert_passes(&app, "the only key of its kind needs no name", &ed.sign_with(&unnamed, &claims)).await;
    assert_refused(&app, "a name that is not there", &ed.sign(&claims)).await;
    for name in ["alg RS512", "use enc"] {
        assert_refused(&app, name, &rsa.sign_with(&header_with(&rsa, "kid", json!(name)), &claims)).await;
    }
    let shared = json!({"alg": "HS256", "kid": "shared", "typ": "at+jwt"});
    assert_refused(&app, "a shared secret", &hs256(b"secret", &shared, &claims)).await;
    let bad = header_with(&app.provider.signer, "kid", json!("bad point"));
    assert_refused(&app, "a key that is none", &app.provider.signer.sign_with(&bad, &claims)).await;
}

#[tokio::test]
async fn new_keys_are_looked_for_at_most_every_half_minute() {
    let app = server(&[]).await;
    let new = Signer::es256("new");
    let before = app.provider.key_requests();
    app.provider.publish(&[app.provider.signer.jwk(), new.jwk()]);
    assert_passes(&app, "a new key", &new.sign(&claims(&app))).await;
    assert_eq!(app.provider.key_requests(), before + 1);
    let unknown = Signer::es256("unknown");
    for _ in 0..30 {
        assert_refused(&app, "an unknown key", &unknown.sign(&claims(&app))).await;
        app.clock.advance(seconds(1));
    }
    assert_eq!(app.provider.key_requests(), before + 1);
    app.provider.publish(&[unknown.jwk()]);
    assert_passes(&app, "half a minute later", &unknown.sign(&claims(&app))).await;
    assert_eq!(app.provider.key_requests(), before + 2);
    assert_refused(&app, "a withdrawn key", &new.sign(&claims(&app))).await;
    assert_eq!(app.provider.key_requests(), before + 2);
}

#[tokio::test]
async fn what_nobody_signed_for_us_makes_no_request() {
    let app = server(&[]).await;
    let (before, unknown) = (app.provider.key_requests(), Signer::es256("unknown"));
    assert_refused(&app, "another issuer", &unknown.sign(&claims_with(&app, "iss", json!("https://evil.example"))))
        .await;
    assert_refused(&app, "none", &unknown.sign_with(&header_with(&unknown, "alg", json!("none")), &claims(&app))).await;
    assert_eq!(app.provider.key_requests(), before);
}

#[tokio::test]
async fn while_the_provider_is_down_its_tokens_are_verified_with_the_known_keys() {
    let app = server(&[]).await;
    app.provider.set_down(true);
    app.clock.advance(days(1));
    assert_passes(&app, "a known key", &app.provider.signer.sign(&claims(&app))).await;
    let unknown = Signer::es256("unknown").sign(&claims(&app));
    let answer = app.check("", &unknown).await;
    answer.problem(503);
    assert_eq!(answer.header("retry-after"), "5");
    assert_refused(&app, "a wrong signature", &Signer::es256("test-key").sign(&claims(&app))).await;
}

#[tokio::test]
async fn without_any_known_key_nobody_can_say_and_a_moment_later_it_works() {
    let app = server(&[]).await;
    app.provider.set_down(true);
    let app = app.restart().await;
    let token = app.provider.signer.sign(&claims(&app));
    for _ in 0..3 {
        app.check("", &token).await.problem(503);
    }
    assert_refused(&app, "another issuer", &app.provider.signer.sign(&claims_with(&app, "iss", json!("x")))).await;
    app.provider.set_down(false);
    app.clock.advance(seconds(3));
    assert_passes(&app, "up again", &token).await;
}

#[tokio::test]
async fn a_token_of_one_provider_is_never_taken_for_one_of_another() {
    let other = OidcProvider::start_as(
        "other",
        "http://localhost:3000",
        Arc::new(TestClock::new()),
        Arc::new(TestEntropy::default()),
    )
    .await;
    let app = server(&[
        ("oidc.1.name", "other"),
        ("oidc.1.issuer", &other.issuer),
        ("oidc.1.client_id", CLIENT_ID),
        ("oidc.1.check_audiences", r#"["other-api"]"#),
        ("admin.providers", r#"["main"]"#),
    ])
    .await;
    let main = &app.provider.signer;
    let of_other = |sub: &str, audience: &str| {
        let mut claims = claims_with(&app, "iss", json!(other.issuer));
        claims["sub"] = json!(sub);
        claims["aud"] = json!(audience);
        claims
    };
    // The same name, but nobody of that provider has logged in.
    assert_refused(&app, "the same subject elsewhere", &other.signer.sign(&of_other("demo-alice", "other-api"))).await;
    assert_refused(&app, "signed by the other", &other.signer.sign(&claims(&app))).await;
    assert_refused(&app, "signed by the one", &main.sign(&of_other("demo-alice", "other-api"))).await;
    let browser = crate::support::Browser::new(app.router(), other.router(), app.public_url());
    browser.log_in_through("/auth/other/login", "alice").await.expect(303);
    let answer = app.check("", &other.signer.sign(&of_other("demo-alice", "other-api"))).await.expect(200);
    let own = app.check("", &main.sign(&claims(&app))).await.expect(200);
    assert_ne!(answer.header("x-auth-subject"), own.header("x-auth-subject"));
    assert_refused(&app, "the audience of the one", &other.signer.sign(&of_other("demo-alice", AUDIENCE))).await;
    assert_refused(&app, "still the one's key", &main.sign(&of_other("demo-alice", "other-api"))).await;
}

#[tokio::test]
async fn while_the_store_is_gone_a_good_one_is_answered_later_and_a_bad_one_at_once() {
    let app = server(&[]).await;
    let token = app.provider.signer.sign(&claims(&app));
    let wrong = app.provider.signer.sign(&claims_with(&app, "aud", json!("other")));
    app.app.db.close().await;
    app.check("", &token).await.problem(503);
    app.check("", &wrong).await.problem(401);
}

#[tokio::test]
async fn it_counts_under_its_own_name() {
    let app = server(&[]).await;
    let token = app.provider.signer.sign(&claims(&app));
    app.check("", &token).await.expect(200);
    assert_eq!(app.metric("hallpass_check_total{method=\"oidc\",outcome=\"allowed\"}"), 1);
}

#[tokio::test]
async fn it_may_stand_wherever_a_token_may_and_a_dotted_user_name_is_none() {
    let app = server(&[("check.identity_header", HEADER)]).await;
    let (token, pat) = (app.provider.signer.sign(&claims(&app)), app.token_of_alice(&["read:users"]).await.secret);
    let basic = |user: &str, password: &str| {
        let pair = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        Call::get("/check").header("authorization", pair)
    };
    app.send(basic("me", &token)).await.expect(200);
    app.send(Call::get("/check").header(HEADER, &token)).await.expect(200);
    app.send(basic("john.f.kennedy", &pat)).await.expect(200);
    for (user, password) in [(&token, &token), (&token, &pat), (&pat, &token)] {
        assert_eq!(app.send(basic(user, password)).await, refusal(&app).await);
    }
}
