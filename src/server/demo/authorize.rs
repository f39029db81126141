//! The authorization endpoint (OIDC Core 1.0, section 3.1.2): who is it?

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::grants::Login;
use super::params::Params;
use super::users::{self, DemoUser};
use super::{DemoSettings, Provider, pages};

/// What is wrong with a request.
enum Refusal {
    /// The client or its address is not the one we know: only the user may be told (RFC 6749, section 4.1.2.1).
    Page(&'static str),
    /// An error code and its explanation, for the client.
    Redirect(&'static str, &'static str),
}

/// `GET /authorize`: the page with one button per user.
pub async fn ask(State(provider): State<Arc<Provider>>, params: Params) -> Response {
    match check(&provider.settings, &params) {
        Ok(_) => pages::login(&params, &provider.redirect_uri),
        Err(refusal) => refuse(&provider, &params, &refusal),
    }
}

/// `POST /authorize`: a button was pressed, and the browser goes back with a code. Without a button it is a login
/// request that came as a form (OIDC Core 1.0, section 3.1.2.1).
pub async fn answer(State(provider): State<Arc<Provider>>, params: Params) -> Response {
    let challenge = match check(&provider.settings, &params) {
        Ok(challenge) => challenge,
        Err(refusal) => return refuse(&provider, &params, &refusal),
    };
    match params.get("user").map(users::find) {
        None => pages::login(&params, &provider.redirect_uri),
        Some(None) => refuse(&provider, &params, &Refusal::Redirect("access_denied", "no such user")),
        Some(Some(user)) => grant(&provider, &params, user, challenge),
    }
}

fn grant(provider: &Provider, params: &Params, user: &'static DemoUser, challenge: &str) -> Response {
    let login = Login {
        user,
        nonce: params.get("nonce").map(str::to_owned),
        challenge: challenge.to_owned(),
        at: provider.now(),
    };
    let code = provider.grants().issue_code(login, &*provider.settings.entropy);
    redirect(provider, params, &[("code", &code)])
}

fn refuse(provider: &Provider, params: &Params, refusal: &Refusal) -> Response {
    match refusal {
        Refusal::Page(text) => pages::message(StatusCode::BAD_REQUEST, "This login cannot go on", text),
        Refusal::Redirect(error, description) => {
            redirect(provider, params, &[("error", error), ("error_description", description)])
        }
    }
}

/// Back to the client, with its state and our name (RFC 9207, section 2).
fn redirect(provider: &Provider, params: &Params, fields: &[(&str, &str)]) -> Response {
    let mut target = provider.redirect_uri.clone();
    let state = params.get("state").map(|state| ("state", state));
    target.query_pairs_mut().extend_pairs(fields).extend_pairs(state).append_pair("iss", &provider.settings.issuer);
    pages::see_other(&target)
}

/// The PKCE challenge of an acceptable request.
fn check<'a>(settings: &DemoSettings, params: &'a Params) -> Result<&'a str, Refusal> {
    if params.get("client_id") != Some(&settings.client_id) {
        return Err(Refusal::Page("No application of this name (client_id) is known here."));
    }
    if params.get("redirect_uri") != Some(&settings.redirect_uri) {
        return Err(Refusal::Page("The address to return to (redirect_uri) is not the registered one."));
    }
    match fault(params) {
        Some((error, description)) => Err(Refusal::Redirect(error, description)),
        None => Ok(params.get("code_challenge").unwrap_or_default()),
    }
}

/// The first broken rule of RFC 6749, section 4.1.2.1, OIDC Core 1.0, section 3.1.2.6, or RFC 7636,
/// section 4.4.1.
fn fault(params: &Params) -> Option<(&'static str, &'static str)> {
    let has = |name| params.get(name).is_some();
    let word_in = |name, word: &str| params.get(name).is_some_and(|text| text.split(' ').any(|part| part == word));
    let rules = [
        (params.any_repeated(), "invalid_request", "a parameter occurs twice"),
        (has("request"), "request_not_supported", "request objects are not supported"),
        (has("request_uri"), "request_uri_not_supported", "request objects are not supported"),
        (has("registration"), "registration_not_supported", "registration is not supported"),
        (!has("response_type"), "invalid_request", "response_type is missing"),
        (params.get("response_type") != Some("code"), "unsupported_response_type", "response_type must be code"),
        (params.get("response_mode").unwrap_or("query") != "query", "invalid_request", "response_mode must be query"),
        (!word_in("scope", "openid"), "invalid_scope", "scope must contain openid"),
        (!has("code_challenge"), "invalid_request", "code_challenge is missing"),
        (params.get("code_challenge_method") != Some("S256"), "invalid_request", "code_challenge_method must be S256"),
        (!is_digest(params.get("code_challenge")), "invalid_request", "code_challenge is not an S256 challenge"),
        (word_in("prompt", "none"), "login_required", "the demo login always asks"),
    ];
    rules.into_iter().find(|(broken, ..)| *broken).map(|(_, error, description)| (error, description))
}

/// Whether this can be a SHA-256 digest in base64url: 43 characters (RFC 7636, section 4.2).
fn is_digest(text: Option<&str>) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    text.is_some_and(|text| text.len() == 43 && text.bytes().all(allowed))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Answer, Demo, ISSUER, REDIRECT_URI, request};

    fn assert_error(answer: &Answer, error: &str) {
        assert_eq!(answer.status, 303);
        assert!(answer.header("location").starts_with(REDIRECT_URI));
        assert_eq!(answer.redirect_param("error").as_deref(), Some(error));
        assert_eq!(answer.redirect_param("state").as_deref(), Some("a state & more"));
        assert_eq!(answer.redirect_param("iss").as_deref(), Some(ISSUER));
        assert_eq!(answer.redirect_param("code"), None);
    }

    #[tokio::test]
    async fn the_page_has_a_button_for_every_user_and_says_that_it_is_a_demo() {
        let page = Demo::new().authorize(&request(&[])).await;
        assert_eq!(page.status, 200);
        for button in [
            "<button name=\"user\" value=\"alice\"><b>Alice</b> — staff</button>",
            "<button name=\"user\" value=\"bob\"><b>Bob</b> — no roles</button>",
            "<button name=\"user\" value=\"admin\"><b>Admin</b> — staff, hallpass-admin</button>",
            "Demo login: do not use in production",
        ] {
            assert!(page.body.contains(button), "{button} in {}", page.body);
        }
    }

    #[tokio::test]
    async fn the_page_allows_no_script_and_sends_its_form_only_to_us_and_the_client() {
        let page = Demo::new().authorize(&request(&[])).await;
        let policy = page.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(policy.contains("form-action 'self' http://localhost:3000;"), "{policy}");
        assert_eq!(page.header("cache-control"), "no-store");
    }

    #[tokio::test]
    async fn markup_in_a_parameter_stays_text() {
        let page = Demo::new().authorize(&request(&[("state", "\"><script>alert(1)</script>")])).await;
        assert!(page.body.contains("value=\"&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;\""));
        assert!(!page.body.contains("<script"));
    }

    #[tokio::test]
    async fn an_unknown_client_or_address_is_a_page_and_never_a_redirect() {
        let demo = Demo::new();
        for wrong in [
            ("client_id", "somebody"),
            ("client_id", ""),
            ("redirect_uri", ""),
            ("redirect_uri", "http://localhost:3000/auth/demo/callback/"),
            ("redirect_uri", "https://evil.example/"),
        ] {
            for answer in [demo.authorize(&request(&[wrong])).await, demo.choose("alice", &request(&[wrong])).await] {
                assert_eq!(answer.status, 400, "{wrong:?}");
                assert_eq!(answer.header("location"), "", "{wrong:?}");
            }
        }
    }

    #[tokio::test]
    async fn every_other_fault_goes_back_to_the_client() {
        let demo = Demo::new();
        for (name, value, error) in [
            ("response_type", "", "invalid_request"),
            ("response_type", "token", "unsupported_response_type"),
            ("response_mode", "fragment", "invalid_request"),
            ("scope", "profile", "invalid_scope"),
            ("scope", "", "invalid_scope"),
            ("code_challenge", "", "invalid_request"),
            ("code_challenge", "too short", "invalid_request"),
            ("code_challenge_method", "", "invalid_request"),
            ("code_challenge_method", "plain", "invalid_request"),
            ("request", "eyJ", "request_not_supported"),
            ("request_uri", "https://client.example/r", "request_uri_not_supported"),
            ("prompt", "none", "login_required"),
        ] {
            assert_error(&demo.authorize(&request(&[(name, value)])).await, error);
            assert_error(&demo.choose("alice", &request(&[(name, value)])).await, error);
        }
    }

    #[tokio::test]
    async fn a_repeated_parameter_is_refused() {
        let twice = format!("{}&scope=openid", request(&[]));
        assert_error(&Demo::new().authorize(&twice).await, "invalid_request");
    }

    #[tokio::test]
    async fn prompt_and_max_age_are_tolerated() {
        let page = Demo::new().authorize(&request(&[("prompt", "login"), ("max_age", "0")])).await;
        assert_eq!(page.status, 200);
    }

    #[tokio::test]
    async fn a_login_request_may_also_come_as_a_form() {
        let page = Demo::new().post("/authorize", &request(&[])).await;
        assert_eq!(page.status, 200);
        assert!(page.body.contains("<button name=\"user\""));
    }

    #[tokio::test]
    async fn a_pressed_button_leads_back_with_a_code_the_state_and_the_issuer() {
        let answer = Demo::new().choose("alice", &request(&[])).await;
        assert_eq!(answer.status, 303);
        assert!(answer.header("location").starts_with(REDIRECT_URI));
        assert_eq!(answer.redirect_param("code").map(|code| code.len()), Some(43));
        assert_eq!(answer.redirect_param("state").as_deref(), Some("a state & more"));
        assert_eq!(answer.redirect_param("iss").as_deref(), Some(ISSUER));
    }

    #[tokio::test]
    async fn an_unknown_user_is_refused() {
        assert_error(&Demo::new().choose("mallory", &request(&[])).await, "access_denied");
    }

    #[tokio::test]
    async fn a_get_never_logs_anybody_in() {
        let page = Demo::new().authorize(&format!("{}&user=alice", request(&[]))).await;
        assert_eq!(page.status, 200);
        assert!(!page.body.contains("<input type=\"hidden\" name=\"user\""));
    }
}
