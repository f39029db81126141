//! Logout (OIDC RP-Initiated Logout 1.0). There is no session here to end, only a way back to check.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::params::Params;
use super::{Provider, pages};

/// `GET` and `POST /end_session`. The way back is taken only for the client we know, and only to its registered
/// address (section 3).
pub async fn end(State(provider): State<Arc<Provider>>, params: Params) -> Response {
    let known = match client(&provider, &params) {
        Ok(known) => known,
        Err(text) => return refused(text),
    };
    match params.get("post_logout_redirect_uri") {
        Some(target) if target != provider.settings.post_logout_redirect_uri => {
            refused("The address to return to (post_logout_redirect_uri) is not the registered one.")
        }
        Some(_) if known => back(&provider, &params),
        _ => pages::message(StatusCode::OK, "You are logged out", "You can close this page."),
    }
}

/// Whether the request proves which client it is about; an error when it is about another one.
fn client(provider: &Provider, params: &Params) -> Result<bool, &'static str> {
    let ours = &provider.settings.client_id;
    let (name, hint) = (params.get("client_id"), params.get("id_token_hint"));
    if params.any_repeated() {
        return Err("A parameter occurs twice.");
    }
    if name.is_some_and(|name| name != ours) {
        return Err("No application of this name (client_id) is known here.");
    }
    if hint.is_some_and(|hint| !provider.key.signed_for(hint, ours)) {
        return Err("The ID token (id_token_hint) is not one of ours.");
    }
    Ok(name.is_some() || hint.is_some())
}

fn back(provider: &Provider, params: &Params) -> Response {
    let mut target = provider.post_logout_redirect_uri.clone();
    if let Some(state) = params.get("state") {
        target.query_pairs_mut().append_pair("state", state);
    }
    pages::see_other(&target)
}

fn refused(text: &str) -> Response {
    pages::message(StatusCode::BAD_REQUEST, "This logout cannot go on", text)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Demo, exchange, form};

    const BACK: &str = "http://localhost:3000/";

    #[tokio::test]
    async fn the_client_gets_its_user_back_with_the_state() {
        let fields = [("client_id", "hallpass"), ("post_logout_redirect_uri", BACK), ("state", "s&1")];
        let demo = Demo::new();
        for answer in [
            demo.get(&format!("/end_session?{}", form(&fields))).await,
            demo.post("/end_session", &form(&fields)).await,
        ] {
            assert_eq!(answer.status, 303);
            assert_eq!(answer.header("location"), "http://localhost:3000/?state=s%261");
        }
    }

    #[tokio::test]
    async fn an_id_token_names_the_client_even_when_it_has_expired() {
        let demo = Demo::new();
        let body = demo.post("/token", &exchange(&demo.code("alice").await, &[])).await.json();
        let hint = body["id_token"].as_str().unwrap();
        demo.advance(std::time::Duration::from_hours(24));
        let answer =
            demo.post("/end_session", &form(&[("id_token_hint", hint), ("post_logout_redirect_uri", BACK)])).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (303, BACK));
    }

    #[tokio::test]
    async fn without_a_way_back_or_a_client_there_is_a_page() {
        let demo = Demo::new();
        for fields in [vec![], vec![("client_id", "hallpass")], vec![("post_logout_redirect_uri", BACK)]] {
            let answer = demo.post("/end_session", &form(&fields)).await;
            assert_eq!(answer.status, 200, "{fields:?}");
            assert!(answer.body.contains("You are logged out"));
        }
    }

    #[tokio::test]
    async fn nothing_wrong_is_ever_followed() {
        let demo = Demo::new();
        for wrong in [
            ("post_logout_redirect_uri", "https://evil.example/"),
            ("client_id", "somebody"),
            ("id_token_hint", "eyJ.eyJ.sig"),
        ] {
            let defaults = [("client_id", "hallpass"), ("post_logout_redirect_uri", BACK)];
            let mut fields: Vec<_> = defaults.into_iter().filter(|(name, _)| *name != wrong.0).collect();
            fields.push(wrong);
            let answer = demo.get(&format!("/end_session?{}", form(&fields))).await;
            assert_eq!((answer.status.as_u16(), answer.header("location")), (400, ""), "{wrong:?}");
        }
    }
}
