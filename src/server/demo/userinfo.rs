//! The user info endpoint (OIDC Core 1.0, section 5.3).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::Provider;
use super::claims::UserClaims;

/// `GET` and `POST /userinfo`, with the access token as a bearer token (RFC 6750, section 2.1).
pub async fn show(State(provider): State<Arc<Provider>>, headers: HeaderMap) -> Response {
    let Some(token) = bearer(&headers) else {
        return unauthorized("Bearer realm=\"demo\"");
    };
    let now = provider.now();
    let user = provider.grants().user(token, now);
    match user {
        Some(user) => ([(CACHE_CONTROL, "no-store")], Json(UserClaims::from(user))).into_response(),
        None => unauthorized("Bearer realm=\"demo\", error=\"invalid_token\""),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// RFC 6750, section 3.
fn unauthorized(challenge: &'static str) -> Response {
    (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, challenge)]).into_response()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::testing::Demo;

    #[tokio::test]
    async fn an_access_token_tells_who_its_user_is() {
        let demo = Demo::new();
        let answer = demo.userinfo(&demo.access_token("admin").await).await;
        assert_eq!(answer.status, 200);
        let user = answer.json();
        assert_eq!((&user["sub"], &user["department"]), (&"demo-admin".into(), &"it".into()));
        assert_eq!(user["groups"], serde_json::json!(["staff", "hallpass-admin"]));
        assert_eq!(user.get("iss"), None);
    }

    #[tokio::test]
    async fn an_access_token_ends_after_ten_minutes() {
        let demo = Demo::new();
        let token = demo.access_token("alice").await;
        demo.advance(Duration::from_secs(599));
        assert_eq!(demo.userinfo(&token).await.status, 200);
        demo.advance(Duration::from_secs(1));
        let answer = demo.userinfo(&token).await;
        assert_eq!(answer.status, 401);
        assert!(answer.header("www-authenticate").contains("invalid_token"));
    }

    #[tokio::test]
    async fn a_missing_access_token_is_no_error_code() {
        let answer = Demo::new().get("/userinfo").await;
        assert_eq!(answer.status, 401);
        assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"demo\"");
    }
}
