//! JWTs for upstreams and the keys that sign them: contract, section 6.

use std::collections::BTreeSet;

use hallpass::domain::id::{TokenId, UserId};
use hallpass::domain::scope::{ScopeName, ScopeSet};
use hallpass::domain::time::{Clock as _, Timestamp};
use hallpass::domain::user::Profile;
use hallpass::domain::verdict::{Grant, Method};
use hallpass::server::service::signing::{JWT_MAX, Minted, Signer};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use proptest::collection::{btree_map, btree_set};
use proptest::prelude::*;
use serde_json::Value;

use crate::support::{TestApp, days, minutes, seconds};

fn grant(expires_at: Option<Timestamp>) -> Grant {
    Grant {
        method: Method::Pat,
        user: UserId::from_random([1; 16]),
        profile: Profile { username: "alice".to_owned(), ..Profile::default() },
        token: Some(TokenId::from_random([2; 16])),
        scopes: ScopeSet::parse("read:users").unwrap(),
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
    app.clock.advance(days(30) - minutes(45));
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
    assert_eq!(app.actions().await, ["key.rotated"]);
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
            let grant = Grant { profile: profile.clone(), scopes: scopes.clone(), ..grant(None) };
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
