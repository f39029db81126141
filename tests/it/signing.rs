//! JWTs for upstreams and the keys that sign them: contract, section 6.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use hallpass::domain::id::{TokenId, UserId};
use hallpass::domain::scope::{ScopeName, ScopeSet};
use hallpass::domain::time::{Clock as _, Timestamp};
use hallpass::domain::user::Profile;
use hallpass::domain::verdict::{Grant, Method};
use hallpass::server::keys::SecretKey;
use hallpass::server::service::signing::{JWT_MAX, Minted, Signer};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use proptest::collection::{btree_map, btree_set};
use proptest::prelude::*;
use secrecy::ExposeSecret as _;
use serde_json::Value;

use crate::support::{Call, TestApp, days, hours, minutes, seconds};

fn grant(expires_at: Option<Timestamp>) -> Grant {
    Grant {
        method: Method::Pat,
        user: UserId::from_random([1; 16]),
        profile: Profile { username: "alice".to_owned(), ..Profile::default() }.into(),
        token: Some(TokenId::from_random([2; 16])),
        scopes: ScopeSet::parse("read:users").unwrap().into(),
        expires_at,
    }
}

fn signer(app: &TestApp) -> &Signer {
    &app.app.web.signer
}

fn mint(app: &TestApp) -> Minted {
    signer(app).mint(&grant(None), "hallpass", app.clock.now()).unwrap()
}

/// What an upstream does that knows nothing but the published keys.
fn verify(jwks: &str, jwt: &str) -> Option<Value> {
    let jwks: JwkSet = serde_json::from_str(jwks).unwrap();
    let header = decode_header(jwt).unwrap();
    let key = jwks.find(&header.kid.unwrap())?;
    let mut validation = Validation::new(header.alg);
    validation.set_audience(&["hallpass"]);
    validation.set_issuer(&["http://localhost:3000"]);
    // The tests have a time of their own.
    validation.validate_exp = false;
    Some(decode(jwt, &DecodingKey::from_jwk(key).unwrap(), &validation).unwrap().claims)
}

fn kids(jwks: &str) -> Vec<String> {
    let jwks: JwkSet = serde_json::from_str(jwks).unwrap();
    jwks.keys.into_iter().map(|key| key.common.key_id.unwrap()).collect()
}

#[tokio::test]
async fn a_jwt_of_every_algorithm_verifies_with_the_published_keys() {
    for algorithm in ["ES256", "EdDSA", "RS256"] {
        let app = TestApp::with(&[("jwt.algorithm", algorithm)]).await;
        let minted = mint(&app);
        let claims = verify(&signer(&app).published().await, minted.jwt.reveal()).unwrap();
        let now = app.clock.now().as_seconds();
        assert_eq!((claims["iat"].as_i64(), claims["exp"].as_i64()), (Some(now), Some(now + 60)), "{algorithm}");
        assert_eq!(
            (claims["sub"].as_str(), claims["scope"].as_str()),
            (Some(&*grant(None).user.to_string()), Some("read:users"))
        );
        assert_eq!(decode_header(minted.jwt.reveal()).unwrap().typ.as_deref(), Some("at+jwt"));
        assert_ne!(claims["jti"], verify(&signer(&app).published().await, mint(&app).jwt.reveal()).unwrap()["jti"]);
        assert_eq!(format!("{:?}", minted.jwt), "Jwt(…)");
    }
}

#[tokio::test]
async fn a_jwt_lives_no_longer_than_its_token_and_is_renewed_at_half_of_its_life() {
    let app = TestApp::with(&[("jwt.ttl", "40s")]).await;
    let now = app.clock.now();
    for (token, lives) in [(None, 40), (Some(500), 40), (Some(10), 10), (Some(0), 0)] {
        let grant = grant(token.map(|left| now.plus(seconds(left))));
        let minted = signer(&app).mint(&grant, "hallpass", now).unwrap();
        assert_eq!(minted.expires_at, now.plus(seconds(lives)), "{token:?}");
        assert_eq!(minted.renew_at, now.plus(seconds(lives) / 2), "{token:?}");
    }
}

#[tokio::test]
async fn every_valid_jwt_has_its_key_published_throughout_a_rotation() {
    let app = TestApp::with(&[("jwt.ttl", "5m")]).await;
    let mut alive: Vec<Minted> = Vec::new();
    let mut signed_by = BTreeSet::new();
    let mut most_published = 0;
    app.clock.advance(days(29) + hours(23) + minutes(15));
    for _ in 0..90 {
        app.clock.advance(minutes(1));
        let now = app.clock.now();
        signer(&app).tend().await.unwrap();
        let jwks = signer(&app).published().await;
        alive.push(mint(&app));
        alive.retain(|minted| now < minted.expires_at.plus(seconds(60)));
        for minted in &alive {
            let header = decode_header(minted.jwt.reveal()).unwrap();
            assert!(verify(&jwks, minted.jwt.reveal()).is_some(), "{:?} is not published at {now}", header.kid);
            signed_by.insert(header.kid);
        }
        most_published = most_published.max(kids(&jwks).len());
    }
    assert_eq!((signed_by.len(), most_published), (2, 2));
    assert_eq!(kids(&signer(&app).published().await).len(), 1);
    assert_eq!(app.actions().await, ["key.rotated", "key.withdrawn"]);
    assert_eq!(app.column("SELECT sealed IS NULL FROM signing_keys ORDER BY created_at").await, ["1", "0"]);
}

#[tokio::test]
async fn another_algorithm_signs_once_its_key_was_published_for_half_an_hour() {
    let app = TestApp::new().await;
    let app = app.restart_with(&[("jwt.algorithm", "RS256")]).await;
    let algorithm = |app: &TestApp| format!("{:?}", decode_header(mint(app).jwt.reveal()).unwrap().alg);
    assert_eq!(kids(&signer(&app).published().await).len(), 2);
    app.clock.advance(minutes(30));
    assert_eq!(algorithm(&app), "ES256");
    app.clock.advance(minutes(1));
    // Nothing was read or written in between.
    assert_eq!(algorithm(&app), "RS256");
    assert_eq!(app.actions().await, ["settings.changed", "key.rotated"]);
}

#[tokio::test]
async fn a_restart_keeps_the_keys() {
    let app = TestApp::new().await;
    let before = (mint(&app), signer(&app).published().await);
    let app = app.restart().await;
    assert_eq!(signer(&app).published().await, before.1);
    assert!(verify(&before.1, mint(&app).jwt.reveal()).is_some());
    assert!(verify(&signer(&app).published().await, before.0.jwt.reveal()).is_some());
}

#[tokio::test]
async fn a_longer_life_of_jwts_keeps_their_key_for_longer() {
    let app = TestApp::with(&[("jwt.ttl", "15m")]).await;
    let minted = mint(&app);
    let app = app.restart_with(&[("jwt.ttl", "5s"), ("jwt.algorithm", "EdDSA")]).await;
    app.clock.advance(minutes(31 + 15) + seconds(59));
    assert!(verify(&signer(&app).published().await, minted.jwt.reveal()).is_some());
    app.clock.advance(seconds(1));
    assert!(verify(&signer(&app).published().await, minted.jwt.reveal()).is_none());
}

#[tokio::test]
async fn a_rotation_that_cannot_be_recorded_does_not_happen() {
    let app = TestApp::new().await;
    app.clock.advance(days(40));
    app.break_audit().await;
    assert!(signer(&app).tend().await.is_err());
    assert_eq!(app.value("SELECT count(*) FROM signing_keys").await, "1");
    mint(&app);
    app.mend_audit().await;
    signer(&app).tend().await.unwrap();
    assert_eq!(app.value("SELECT count(*) FROM signing_keys").await, "2");
}

#[tokio::test]
async fn signing_asks_the_store_for_nothing() {
    let app = TestApp::new().await;
    app.app.db.close().await;
    let minted = mint(&app);
    // With the store gone, what is known stays published.
    app.clock.advance(seconds(10));
    assert!(verify(&signer(&app).published().await, minted.jwt.reveal()).is_some());
}

#[tokio::test]
async fn the_private_half_is_in_the_database_only_as_sealed_with_the_secret_key() {
    // Its PKCS#8 form holds nothing but the seed, while that of others holds what is published too.
    let app = TestApp::with(&[("jwt.algorithm", "EdDSA")]).await;
    let row = app.app.db.list_signing_keys().await.unwrap().remove(0);
    let keys = SecretKey::read(&app.folder().join("secret.key")).unwrap().derive().unwrap();
    let private = keys.open_signing_key(&row.facts.kid, row.facts.algorithm, &row.sealed).unwrap();
    let private = private.expose_secret().to_vec();
    let stored =
        ["hallpass.db", "hallpass.db-wal"].map(|file| std::fs::read(app.folder().join(file)).unwrap()).concat();
    let is_stored = |part: &[u8]| stored.windows(part.len()).any(|window| window == part);
    assert!(is_stored(&row.sealed));
    for part in private.windows(24).step_by(8) {
        assert!(!is_stored(part), "as it is");
    }
    for from in 0..3 {
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            let text = engine.encode(&private[from..]);
            assert!(!text.as_bytes().chunks_exact(24).any(is_stored), "in base64");
        }
    }
}

#[tokio::test]
async fn a_lost_secret_key_costs_the_signing_keys_and_nothing_else() {
    let app = TestApp::new().await;
    let before = kids(&signer(&app).published().await);
    app.execute("DELETE FROM settings WHERE name = 'secret_key_check'").await;
    std::fs::write(app.folder().join("secret.key"), STANDARD_NO_PAD.encode([7; 32]) + "=").unwrap();
    let app = app.restart().await;
    let jwks = signer(&app).published().await;
    assert!(verify(&jwks, mint(&app).jwt.reveal()).is_some());
    assert!(kids(&jwks).len() == 1 && kids(&jwks) != before);
    assert_eq!(app.actions().await, ["key.withdrawn"]);
}

#[tokio::test]
async fn the_published_keys_may_be_kept_for_five_minutes() {
    let app = TestApp::new().await;
    let answer = app.send(Call::get("/.well-known/jwks.json")).await.expect(200);
    assert_eq!(answer.header("content-type"), "application/jwk-set+json");
    assert_eq!(answer.header("cache-control"), "public, max-age=300");
    assert_eq!(answer.header("set-cookie"), "");
    let key = &answer.json()["keys"][0];
    assert_eq!((&key["kty"], &key["use"], &key["alg"]), (&"EC".into(), &"sig".into(), &"ES256".into()));
    assert_eq!(key.get("d"), None);
    let tag = answer.header("etag").to_owned();
    assert!(tag.starts_with('"'), "a strong validator: {tag}");
    let again = Call::get("/.well-known/jwks.json").header("if-none-match", &tag);
    let kept = app.send(again.clone()).await.expect(304);
    assert_eq!(
        (kept.body.as_str(), kept.header("etag"), kept.header("cache-control")),
        ("", &*tag, "public, max-age=300")
    );
    app.clock.advance(days(40));
    signer(&app).tend().await.unwrap();
    assert_eq!(app.send(again).await.expect(200).json()["keys"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_key_that_another_process_made_is_published_at_once() {
    let app = TestApp::new().await;
    let count = async |app: &TestApp| {
        app.send(Call::get("/.well-known/jwks.json")).await.json()["keys"].as_array().unwrap().len()
    };
    assert_eq!(count(&app).await, 1);
    // What the command does.
    assert!(signer(&app).rotation().rotate().await.unwrap());
    assert!(!signer(&app).rotation().rotate().await.unwrap());
    app.clock.advance(seconds(1));
    assert_eq!(count(&app).await, 2);
    let event = app.verified_events().await.pop().unwrap();
    assert_eq!(
        (event.action.as_str(), event.actor.0.as_str(), event.object.0.as_str()),
        ("key.rotated", "operator", "key")
    );
}

#[tokio::test]
async fn of_many_rotations_at_once_one_makes_a_key() {
    let app = TestApp::new().await;
    let rotations: Vec<_> = (0..8)
        .map(|_| {
            let rotation = signer(&app).rotation().clone();
            tokio::spawn(async move { rotation.rotate().await.unwrap() })
        })
        .collect();
    let mut made = 0;
    for rotation in rotations {
        made += usize::from(rotation.await.unwrap());
    }
    assert_eq!((made, app.value("SELECT count(*) FROM signing_keys").await.as_str()), (1, "2"));
    assert_eq!(app.actions().await, ["key.rotated"]);
}

#[tokio::test]
async fn the_metadata_says_where_everything_is() {
    let app = TestApp::with(&[("jwt.issuer", "https://issuer.example.org/a")]).await;
    let answer = app.send(Call::get("/.well-known/oauth-authorization-server")).await.expect(200);
    assert_eq!(answer.header("content-type"), "application/json");
    let metadata = answer.json();
    assert_eq!(metadata["issuer"], "https://issuer.example.org/a");
    for (member, path) in [
        ("jwks_uri", "/.well-known/jwks.json"),
        ("introspection_endpoint", "/oauth/introspect"),
        ("revocation_endpoint", "/oauth/revoke"),
        ("token_endpoint", "/oauth/token"),
    ] {
        assert_eq!(metadata[member], app.app.web.public_url.join(path), "{member}");
    }
    assert_eq!(metadata["response_types_supported"], serde_json::json!([]));
}

/// Text with everything that JSON has to escape.
fn text(longest: usize) -> impl Strategy<Value = String> {
    proptest::collection::vec(any::<char>(), 0..=longest).prop_map(String::from_iter)
}

prop_compose! {
    fn any_profile()(
        username in text(200),
        email in proptest::option::of(text(320)),
        roles in btree_set(text(60), 0..40),
        attributes in btree_map(text(20), btree_set(text(60), 1..3), 0..10),
    ) -> Profile {
        Profile { username, email, roles, attributes }
    }
}

prop_compose! {
    fn any_scopes()(names in btree_set("[a-z:]{1,64}", 0..40)) -> ScopeSet {
        names.iter().map(|name| ScopeName::parse(name).unwrap()).collect()
    }
}

#[test]
fn whoever_it_is_for_a_jwt_is_short_and_valid_and_names_what_it_leaves_out() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let signers: Vec<_> = ["ES256", "RS256"]
        .map(|algorithm| runtime.block_on(TestApp::with(&[("jwt.algorithm", algorithm)])))
        .into_iter()
        .collect();
    proptest!(ProptestConfig::with_cases(100), |(profile in any_profile(), scopes in any_scopes())| {
        for app in &signers {
            let grant = Grant { profile: profile.clone().into(), scopes: scopes.clone().into(), ..grant(None) };
            let now = app.clock.now();
            let minted = signer(app).mint(&grant, "hallpass", now).unwrap();
            prop_assert!(minted.jwt.reveal().len() <= JWT_MAX);
            let claims = verify(&signer(app).jwks(now), minted.jwt.reveal()).unwrap();
            for (claim, known) in [
                ("attributes", !profile.attributes.is_empty()),
                ("roles", !profile.roles.is_empty()),
                ("scope", !scopes.to_string().is_empty()),
                ("email", profile.email.as_ref().is_some_and(|email| !email.is_empty())),
                ("preferred_username", !profile.username.is_empty()),
            ] {
                let cut = minted.cut.contains(&&*format!("jwt.{claim}"));
                prop_assert!(!known || cut != claims.get(claim).is_some(), "{claim}");
            }
        }
    });
}
