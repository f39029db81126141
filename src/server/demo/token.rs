//! The token endpoint (OIDC Core 1.0, section 3.1.3): a code for an ID token and an access token.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::RawFormRejection;
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, PRAGMA, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::Provider;
use super::claims::IdClaims;
use super::grants::{Login, TOKEN_LIFETIME};
use super::params::Params;

/// Why there is no token (RFC 6749, section 5.2).
#[derive(Clone, Copy, Debug)]
enum TokenError {
    Request(&'static str),
    Client(&'static str),
    Grant(&'static str),
    GrantType,
    Server,
}

/// `POST /token`. The client is public: it names itself in the form and proves with PKCE that the code is its own.
pub async fn exchange(
    State(provider): State<Arc<Provider>>,
    headers: HeaderMap,
    params: Result<Params, RawFormRejection>,
) -> Response {
    let outcome = match params {
        Ok(params) => check(&provider, &headers, &params).and_then(|code| redeem(&provider, &params, code)),
        Err(_) => Err(TokenError::Request("the body must be application/x-www-form-urlencoded")),
    };
    match outcome {
        Ok(body) => ([(CACHE_CONTROL, "no-store"), (PRAGMA, "no-cache")], Json(body)).into_response(),
        Err(error) => error.into_response(),
    }
}

/// The code of a request that may be looked at.
fn check<'a>(provider: &Provider, headers: &HeaderMap, params: &'a Params) -> Result<&'a str, TokenError> {
    if params.any_repeated() {
        return Err(TokenError::Request("a parameter occurs twice"));
    }
    if headers.contains_key(AUTHORIZATION) || params.get("client_secret").is_some() {
        return Err(TokenError::Client("this client has no secret"));
    }
    if params.get("client_id") != Some(&provider.settings.client_id) {
        return Err(TokenError::Client("unknown client_id"));
    }
    match params.get("grant_type") {
        Some("authorization_code") => params.get("code").ok_or(TokenError::Request("code is missing")),
        Some(_) => Err(TokenError::GrantType),
        None => Err(TokenError::Request("grant_type is missing")),
    }
}

fn redeem(provider: &Provider, params: &Params, code: &str) -> Result<Value, TokenError> {
    let now = provider.now();
    let login = provider.grants().redeem(code, now).ok_or(TokenError::Grant("the code is unknown, used or expired"))?;
    if params.get("redirect_uri") != Some(&provider.settings.redirect_uri) {
        return Err(TokenError::Grant("redirect_uri is not the one of the login"));
    }
    let verifier = params.get("code_verifier").ok_or(TokenError::Request("code_verifier is missing"))?;
    if !proves(verifier, &login.challenge) {
        return Err(TokenError::Grant("code_verifier does not match"));
    }
    issue(provider, &login, code)
}

fn issue(provider: &Provider, login: &Login, code: &str) -> Result<Value, TokenError> {
    let (now, settings) = (provider.now(), &provider.settings);
    let access_token = provider.grants().issue_token(login.user, code, now, &*settings.entropy);
    let claims = IdClaims::new(&settings.issuer, &settings.client_id, login, &access_token, now);
    Ok(json!({
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": TOKEN_LIFETIME.as_secs(),
        "id_token": provider.key.sign(&claims).map_err(|_| TokenError::Server)?,
    }))
}

/// Whether the challenge was made of this verifier, method S256 (RFC 7636, section 4.6).
fn proves(verifier: &str, challenge: &str) -> bool {
    let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
    digest.as_bytes().ct_eq(challenge.as_bytes()).into()
}

impl TokenError {
    fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Request(text) => (StatusCode::BAD_REQUEST, "invalid_request", text),
            Self::Client(text) => (StatusCode::UNAUTHORIZED, "invalid_client", text),
            Self::Grant(text) => (StatusCode::BAD_REQUEST, "invalid_grant", text),
            Self::GrantType => (StatusCode::BAD_REQUEST, "unsupported_grant_type", "only authorization_code"),
            Self::Server => (StatusCode::INTERNAL_SERVER_ERROR, "server_error", "the ID token cannot be signed"),
        }
    }
}

impl IntoResponse for TokenError {
    fn into_response(self) -> Response {
        let (status, error, description) = self.parts();
        let body = Json(json!({ "error": error, "error_description": description }));
        let mut response = (status, [(CACHE_CONTROL, "no-store"), (PRAGMA, "no-cache")], body).into_response();
        if let Self::Client(_) = self {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"demo\""));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::testing::{CLIENT_ID, Demo, ISSUER, exchange, request};
    use super::*;

    async fn assert_refused(demo: &Demo, form: &str, status: u16, error: &str) {
        let answer = demo.post("/token", form).await;
        assert_eq!((answer.status.as_u16(), answer.json()["error"].as_str()), (status, Some(error)), "{form}");
        assert_eq!(answer.header("cache-control"), "no-store");
    }

    #[tokio::test]
    async fn a_code_becomes_a_signed_id_token_and_an_access_token() {
        let demo = Demo::new();
        let answer = demo.post("/token", &exchange(&demo.code("alice").await, &[])).await;
        assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, "no-store"));
        let body = answer.json();
        assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(600)));
        let claims = demo.verified_claims(body["id_token"].as_str().unwrap()).await;
        let now = demo.now().as_seconds();
        let hash = &Sha256::digest(body["access_token"].as_str().unwrap())[..16];
        assert_eq!(
            claims,
            json!({
                "iss": ISSUER, "sub": "demo-alice", "aud": CLIENT_ID, "azp": CLIENT_ID,
                "iat": now, "exp": now + 600, "auth_time": now, "nonce": "a-nonce",
                "at_hash": URL_SAFE_NO_PAD.encode(hash),
                "preferred_username": "alice", "name": "Alice", "email": "alice@demo.example",
                "email_verified": true, "groups": ["staff"], "department": "research",
            })
        );
    }

    #[tokio::test]
    async fn the_time_of_the_login_is_the_time_of_the_button_not_of_the_exchange() {
        let demo = Demo::new();
        let (code, pressed) = (demo.code("bob").await, demo.now().as_seconds());
        demo.advance(Duration::from_secs(30));
        let body = demo.post("/token", &exchange(&code, &[])).await.json();
        let claims = demo.verified_claims(body["id_token"].as_str().unwrap()).await;
        assert_eq!((&claims["auth_time"], &claims["iat"]), (&json!(pressed), &json!(pressed + 30)));
        assert_eq!(claims["groups"], json!([]));
    }

    #[tokio::test]
    async fn a_login_without_a_nonce_gets_none() {
        let demo = Demo::new();
        let code = demo.choose("alice", &request(&[("nonce", "")])).await.redirect_param("code").unwrap();
        let body = demo.post("/token", &exchange(&code, &[])).await.json();
        assert_eq!(demo.verified_claims(body["id_token"].as_str().unwrap()).await.get("nonce"), None);
    }

    #[tokio::test]
    async fn a_code_is_good_once_and_its_reuse_ends_what_it_gave() {
        let demo = Demo::new();
        let form = exchange(&demo.code("alice").await, &[]);
        let token = demo.post("/token", &form).await.json()["access_token"].as_str().unwrap().to_owned();
        assert_eq!(demo.userinfo(&token).await.status, 200);
        assert_refused(&demo, &form, 400, "invalid_grant").await;
        assert_eq!(demo.userinfo(&token).await.status, 401);
    }

    #[tokio::test]
    async fn a_code_expires_after_a_minute() {
        let demo = Demo::new();
        let code = demo.code("alice").await;
        demo.advance(Duration::from_mins(1));
        assert_refused(&demo, &exchange(&code, &[]), 400, "invalid_grant").await;
    }

    #[tokio::test]
    async fn what_does_not_fit_the_login_is_refused_and_spends_the_code() {
        let demo = Demo::new();
        for (name, value, error) in [
            ("code_verifier", "another-verifier-another-verifier-another-1", "invalid_grant"),
            ("code_verifier", "", "invalid_request"),
            ("redirect_uri", "https://evil.example/", "invalid_grant"),
            ("redirect_uri", "", "invalid_grant"),
        ] {
            let code = demo.code("alice").await;
            assert_refused(&demo, &exchange(&code, &[(name, value)]), 400, error).await;
            assert_refused(&demo, &exchange(&code, &[]), 400, "invalid_grant").await;
        }
    }

    #[tokio::test]
    async fn a_request_that_is_wrong_in_itself_leaves_the_code_alone() {
        let demo = Demo::new();
        let code = demo.code("alice").await;
        for (name, value, status, error) in [
            ("client_id", "somebody", 401, "invalid_client"),
            ("client_id", "", 401, "invalid_client"),
            ("client_secret", "guess", 401, "invalid_client"),
            ("grant_type", "password", 400, "unsupported_grant_type"),
            ("grant_type", "", 400, "invalid_request"),
            ("code", "", 400, "invalid_request"),
            ("code", "unknown", 400, "invalid_grant"),
        ] {
            assert_refused(&demo, &exchange(&code, &[(name, value)]), status, error).await;
        }
        assert_refused(&demo, &format!("{}&code=x", exchange(&code, &[])), 400, "invalid_request").await;
        assert_eq!(demo.post("/token", &exchange(&code, &[])).await.status, 200);
    }

    #[tokio::test]
    async fn a_body_that_is_no_form_is_an_oauth_error_too() {
        let answer = Demo::new().post_as("application/json", "/token", "{}").await;
        assert_eq!((answer.status.as_u16(), &answer.json()["error"]), (400, &json!("invalid_request")));
    }
}
