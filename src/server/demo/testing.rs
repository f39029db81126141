//! A provider, a clock and a client for the tests of this module.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::Value;
use tower::ServiceExt as _;
use url::Url;
use url::form_urlencoded::Serializer;

use crate::domain::entropy::Entropy;
use crate::domain::time::{Clock, Timestamp};

use super::{DemoSettings, router};

pub const ISSUER: &str = "http://127.0.0.1:3001";
pub const CLIENT_ID: &str = "hallpass";
pub const REDIRECT_URI: &str = "http://localhost:3000/auth/demo/callback";

// The pair of RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// Bytes that differ from call to call.
#[derive(Default)]
pub struct Counter(AtomicU8, AtomicU8);

impl Entropy for Counter {
    fn fill(&self, buffer: &mut [u8]) {
        let low = self.0.fetch_add(1, Ordering::Relaxed);
        let high = if low == u8::MAX { self.1.fetch_add(1, Ordering::Relaxed) } else { self.1.load(Ordering::Relaxed) };
        buffer.fill(low);
        buffer[0] = high;
    }
}

struct SetClock(AtomicI64);

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::Relaxed))
    }
}

/// A running provider whose time stands still until it is moved.
pub struct Demo {
    router: Router,
    clock: Arc<SetClock>,
}

/// An answer, read to its end.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Demo {
    pub fn settings() -> DemoSettings {
        DemoSettings {
            issuer: ISSUER.to_owned(),
            client_id: CLIENT_ID.to_owned(),
            redirect_uri: REDIRECT_URI.to_owned(),
            post_logout_redirect_uri: "http://localhost:3000/".to_owned(),
            clock: Arc::new(SetClock(AtomicI64::new(0))),
            entropy: Arc::new(Counter::default()),
        }
    }

    pub fn new() -> Self {
        let start = Timestamp::parse_rfc3339("2026-05-03T14:05:00Z").unwrap();
        let clock = Arc::new(SetClock(AtomicI64::new(start.as_micros())));
        let settings = DemoSettings { clock: clock.clone(), ..Self::settings() };
        Self { router: router(settings).unwrap(), clock }
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub fn advance(&self, span: Duration) {
        self.clock.0.store(self.now().plus(span).as_micros(), Ordering::Relaxed);
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        Answer { status: parts.status, headers: parts.headers, body: String::from_utf8(body.to_vec()).unwrap() }
    }

    pub async fn get(&self, target: &str) -> Answer {
        self.send(Request::get(target).body(Body::empty()).unwrap()).await
    }

    pub async fn post_as(&self, content_type: &str, target: &str, body: &str) -> Answer {
        let request = Request::post(target).header("content-type", content_type);
        self.send(request.body(body.to_owned().into()).unwrap()).await
    }

    pub async fn post(&self, target: &str, form: &str) -> Answer {
        self.post_as("application/x-www-form-urlencoded", target, form).await
    }

    pub async fn authorize(&self, request: &str) -> Answer {
        self.get(&format!("/authorize?{request}")).await
    }

    /// Presses a user's button on the page of this request.
    pub async fn choose(&self, user: &str, request: &str) -> Answer {
        self.post("/authorize", &format!("{request}&user={user}")).await
    }

    /// The code of a good login.
    pub async fn code(&self, user: &str) -> String {
        self.choose(user, &request(&[])).await.redirect_param("code").unwrap()
    }

    /// The access token of a good login.
    pub async fn access_token(&self, user: &str) -> String {
        let answer = self.post("/token", &exchange(&self.code(user).await, &[])).await;
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    pub async fn userinfo(&self, token: &str) -> Answer {
        let request = Request::post("/userinfo").header("authorization", format!("Bearer {token}"));
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// The claims of an ID token, once its signature holds by the published key that it names.
    pub async fn verified_claims(&self, id_token: &str) -> Value {
        let jwks: JwkSet = serde_json::from_value(self.get("/jwks").await.json()).unwrap();
        let jwk = jwks.find(&decode_header(id_token).unwrap().kid.unwrap()).unwrap();
        let mut validation = Validation::new(Algorithm::ES256);
        validation.validate_exp = false;
        validation.set_audience(&[CLIENT_ID]);
        validation.set_issuer(&[ISSUER]);
        decode(id_token, &DecodingKey::from_jwk(jwk).unwrap(), &validation).unwrap().claims
    }
}

impl Answer {
    /// A header's value, empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// A parameter of the address that the answer redirects to.
    pub fn redirect_param(&self, name: &str) -> Option<String> {
        let target = Url::parse(self.header("location")).unwrap();
        target.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
    }
}

/// Fields as `application/x-www-form-urlencoded`.
pub fn form(fields: &[(&str, &str)]) -> String {
    Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// A good login request, but for these changes.
pub fn request(changes: &[(&str, &str)]) -> String {
    changed(
        &[
            ("client_id", CLIENT_ID),
            ("redirect_uri", REDIRECT_URI),
            ("response_type", "code"),
            ("scope", "openid profile email"),
            ("state", "a state & more"),
            ("nonce", "a-nonce"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ],
        changes,
    )
}

/// A good exchange of that code, but for these changes.
pub fn exchange(code: &str, changes: &[(&str, &str)]) -> String {
    changed(
        &[
            ("grant_type", "authorization_code"),
            ("client_id", CLIENT_ID),
            ("redirect_uri", REDIRECT_URI),
            ("code", code),
            ("code_verifier", VERIFIER),
        ],
        changes,
    )
}

fn changed(defaults: &[(&str, &str)], changes: &[(&str, &str)]) -> String {
    let kept = defaults.iter().filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    let fields: Vec<_> = kept.chain(changes).copied().collect();
    form(&fields)
}
