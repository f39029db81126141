//! The yardstick of `make bench`: one axum route that answers with the headers of an allowed check and does nothing
//! else. No layers, no state, as many workers as the server has.

use std::sync::LazyLock;

use axum::Router;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;

/// Characters of the JWT of a user with one role and one attribute, for a token with two scopes.
const JWT_LEN: usize = 728;
/// The other headers of an allowed check, with values of the usual length.
const HEADERS: [(&str, &str); 11] = [
    ("cache-control", "no-store"),
    ("content-length", "0"),
    ("x-auth-subject", "4f8e2a52-3c9d-4f5a-9d0e-2b7c1a6e5d43"),
    ("x-auth-user", "alice"),
    ("x-auth-email", "alice@demo.example"),
    ("x-auth-roles", "staff"),
    ("x-auth-scopes", "read:reports read:users"),
    ("x-auth-token-id", "b1946ac9-2492-4d23-8f8b-0c6a2b9d7e11"),
    ("x-auth-method", "pat"),
    ("x-auth-expires", "2027-02-20T02:09:51Z"),
    ("x-auth-truncated", "-"),
];

static AUTHORIZATION: LazyLock<HeaderValue> =
    LazyLock::new(|| HeaderValue::from_static(format!("Bearer {}", "x".repeat(JWT_LEN)).leak()));

async fn answer() -> Response {
    let mut headers = HeaderMap::with_capacity(HEADERS.len() + 1);
    headers.insert(header::AUTHORIZATION, AUTHORIZATION.clone());
    for (name, value) in HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let mut response = StatusCode::OK.into_response();
    *response.headers_mut() = headers;
    response
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    axum::serve(listener, Router::new().route("/check", any(answer))).await
}
