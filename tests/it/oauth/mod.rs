//! The OAuth endpoints for tokens: contract, sections 7 and 10.

mod clients;
mod exchange;
mod introspect;
mod requests;
mod revoke;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::{Answer, Call, TestApp, form};

const INTROSPECT: &str = "/oauth/introspect";
const REVOKE: &str = "/oauth/revoke";
const TOKEN: &str = "/oauth/token";
const FORM: &str = "application/x-www-form-urlencoded";

/// A client without limits, and its secret.
pub const ANY: (&str, &str) = ("any-api", "s3cret");
/// The cheapest proof of `s3cret` that is accepted.
pub const PROOF: &str =
    "$argon2id$v=19$m=7168,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$ELjwsGFIGiB29u0+J08SjSIe8gNEIU2IxADZ98zjvjM";
/// Another client, and its secret.
const OTHER: (&str, &str) = ("https://other.example.org", "a+b/c%==");
/// The cheapest proof of its secret.
const OTHER_PROOF: &str =
    "$argon2id$v=19$m=7168,t=1,p=1$MDEyMzQ1Njc4OWZlZGNiYQ$KRKyRo0IP4R0WYlCg+aKzfLHgcO4NsOB76WiOeXOh2A";

/// A server with the two clients, the first with these limits.
async fn app_with(limits: Value) -> TestApp {
    let mut any = json!({"id": ANY.0, "secret_hash": PROOF});
    any.as_object_mut().unwrap().extend(limits.as_object().unwrap().clone());
    let clients = json!([any, {"id": OTHER.0, "secret_hash": OTHER_PROOF}]);
    TestApp::with(&[("introspection_clients", &clients.to_string())]).await
}

/// A server with the two clients.
pub async fn app() -> TestApp {
    app_with(json!({})).await
}

pub fn basic(pair: &str) -> String {
    format!("Basic {}", STANDARD.encode(pair))
}

/// A form from a program.
pub fn post(path: &str, fields: &[(&str, &str)]) -> Call {
    Call::new("POST", path).body(FORM, form(fields))
}

/// A question of the client without limits.
pub fn question(fields: &[(&str, &str)]) -> Call {
    post(INTROSPECT, fields).header("authorization", basic(&format!("{}:{}", ANY.0, ANY.1)))
}

async fn introspect(app: &TestApp, token: &str) -> Answer {
    app.send(question(&[("token", token)])).await
}

#[track_caller]
fn assert_inactive(answer: &Answer) {
    assert_eq!((answer.status, answer.body.as_str()), (200, "{\"active\":false}"), "{answer}");
    assert_not_kept(answer);
}

#[track_caller]
fn assert_not_kept(answer: &Answer) {
    assert_eq!(answer.header("cache-control"), "no-store", "{answer}");
}

/// An error in the form of RFC 6749, section 5.2.
#[track_caller]
fn assert_error(answer: &Answer, status: u16, error: &str) {
    assert_eq!(answer.status, status, "{answer}");
    assert_eq!(answer.header("content-type"), "application/json", "{answer}");
    assert_not_kept(answer);
    let body = answer.json();
    assert_eq!(body["error"], error, "{answer}");
    assert!(body["error_description"].as_str().is_some_and(|text| !text.is_empty()), "{answer}");
}
