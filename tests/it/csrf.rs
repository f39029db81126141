//! Changes come only from our own pages: contract, sections 8 and 10.

use serde_json::json;

use crate::support::{Browser, Call, TestApp};

/// Every unsafe route, with a body that would change something. A test below finds those that are missing here.
fn changes(id: &str, secret: &str) -> Vec<(&'static str, Call)> {
    let at = |method: &str, pattern: &str| Call::new(method, &pattern.replace("{id}", id));
    let key = "0123456789abcdef0123456789abcdef";
    let name = [("name", "x"), ("description", ""), ("scope", "read:users")];
    let made = [&name[..], &[("form_key", key), ("lifetime", "30")]].concat();
    let edited = [&name[..], &[("version", "1")]].concat();
    vec![
        ("POST /auth/logout", at("POST", "/auth/logout").form(&[])),
        ("POST /tokens/new", at("POST", "/tokens/new").form(&made)),
        ("POST /tokens/{id}/edit", at("POST", "/tokens/{id}/edit").form(&edited)),
        (
            "POST /tokens/{id}/regenerate",
            at("POST", "/tokens/{id}/regenerate").form(&[("form_key", key), ("lifetime", "30")]),
        ),
        ("POST /ui/revoke_token", at("POST", "/ui/revoke_token").form(&[("id", id)])),
        ("POST /api/v1/tokens", at("POST", "/api/v1/tokens").json(&json!({"name": "x", "scopes": ["read:users"]}))),
        ("PATCH /api/v1/tokens/{id}", at("PATCH", "/api/v1/tokens/{id}").json(&json!({"name": "x"}))),
        (
            "POST /api/v1/tokens/{id}/regenerate",
            at("POST", "/api/v1/tokens/{id}/regenerate").json(&json!({"mode": "now"})),
        ),
        ("POST /api/v1/tokens/{id}/revoke", at("POST", "/api/v1/tokens/{id}/revoke")),
        ("DELETE /api/v1/self", at("DELETE", "/api/v1/self")),
        ("POST /oauth/introspect", at("POST", "/oauth/introspect").form(&[("token", secret)])),
        ("POST /oauth/revoke", at("POST", "/oauth/revoke").form(&[("token", secret)])),
        (
            "POST /oauth/token",
            at("POST", "/oauth/token").form(&[
                ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
                ("subject_token", secret),
                ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
            ]),
        ),
    ]
}

/// What other sites, or programs that are no browsers, may say about where a request comes from.
const FOREIGN: [&[(&str, &str)]; 13] = [
    &[],
    &[("sec-fetch-site", "same-site")],
    &[("sec-fetch-site", "cross-site")],
    &[("sec-fetch-site", "none")],
    &[("sec-fetch-site", "")],
    &[("sec-fetch-site", "Same-Origin")],
    &[("sec-fetch-site", "cross-site"), ("origin", "http://localhost:3000")],
    &[("sec-fetch-site", "same-site"), ("origin", "http://localhost:3000")],
    &[("origin", "https://evil.example")],
    &[("origin", "null")],
    &[("origin", "http://localhost:3001")],
    &[("origin", "https://localhost:3000")],
    &[("referer", "http://localhost:3000/tokens")],
];

/// What a change leaves its mark on.
const STATE: &str = "SELECT count(*) FROM audit_events";

async fn browser_with_token(app: &TestApp) -> (Browser, String, String) {
    let browser = app.browser_of("alice").await;
    let token = browser.create_token("t", &["read:users"]).await;
    (browser, token.id, token.secret)
}

#[tokio::test]
async fn a_change_from_elsewhere_is_refused_and_changes_nothing() {
    let app = TestApp::new().await;
    let (browser, id, secret) = browser_with_token(&app).await;
    let before = app.dump().await;
    for (route, change) in changes(&id, &secret) {
        for headers in FOREIGN {
            let answer = browser.send(change.clone().headers(headers)).await;
            assert_eq!(answer.status, 403, "{route} {headers:?}: {answer}");
            assert!(!answer.headers.contains_key("set-cookie"), "{route} {headers:?}: {answer}");
            if route.contains("/api/") || route.contains("/oauth/") {
                answer.problem(403);
            }
        }
        assert_eq!(app.dump().await, before, "{route}");
    }
    browser.get("/tokens").await.expect(200);
}

#[tokio::test]
async fn a_change_from_our_own_pages_is_made() {
    let own: [&[(&str, &str)]; 3] = [
        &[("origin", "http://localhost:3000")],
        &[("sec-fetch-site", "same-origin")],
        &[("sec-fetch-site", "same-origin"), ("origin", "https://evil.example")],
    ];
    for headers in own {
        let app = TestApp::new().await;
        for index in 0..changes("", "").len() {
            let (browser, id, secret) = browser_with_token(&app).await;
            let before = app.column(STATE).await;
            let (route, change) = changes(&id, &secret).swap_remove(index);
            // A cookie is no credential there, wherever the request comes from.
            let refused = ["DELETE /api/v1/self", "POST /oauth/introspect"].contains(&route);
            let without_effect = refused || route == "POST /oauth/token";
            let answer = browser.send(change.headers(headers)).await;
            app.execute("DELETE FROM form_keys").await;
            assert_eq!(answer.status == 401, refused, "{route}: {answer}");
            assert!(matches!(answer.status, 200..=399 | 401), "{route}: {answer}");
            assert_eq!(app.column(STATE).await == before, without_effect, "{route}: {answer}");
            if browser.cookie("hallpass").is_some() && !without_effect {
                browser.revoke(&id).await;
            }
        }
    }
}

#[tokio::test]
async fn looking_never_changes_anything() {
    let app = TestApp::new().await;
    let (browser, id, secret) = browser_with_token(&app).await;
    let before = app.dump().await;
    for (route, _) in changes(&id, &secret) {
        let path = route.split_once(' ').unwrap().1.replace("{id}", &id);
        for method in ["GET", "HEAD", "OPTIONS"] {
            for query in ["", &format!("?id={id}&token={secret}&mode=now&name=x&scope=read:users&lifetime=30")] {
                browser.send(Call::new(method, &format!("{path}{query}")).header("sec-fetch-site", "cross-site")).await;
            }
        }
        assert_eq!(app.dump().await, before, "{route}");
    }
}

#[tokio::test]
async fn forms_are_taken_only_in_the_form_of_forms() {
    let app = TestApp::new().await;
    let (browser, id, _) = browser_with_token(&app).await;
    let before = app.dump().await;
    let body = "form_key=0123456789abcdef0123456789abcdef&name=x&scope=read:users&lifetime=30&version=1";
    for path in ["/tokens/new".to_owned(), format!("/tokens/{id}/edit"), format!("/tokens/{id}/regenerate")] {
        for kind in ["text/plain", "multipart/form-data; boundary=x", "application/json"] {
            let call = Call::new("POST", &path).header("sec-fetch-site", "same-origin").body(kind, body);
            assert!(matches!(browser.send(call).await.status, 400..=499), "{path} {kind}");
        }
    }
    assert_eq!(app.dump().await, before);
}

#[test]
fn every_unsafe_route_is_in_the_table() {
    let mut sources = Vec::new();
    collect(std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/server/http")), &mut sources);
    let table: Vec<_> = changes("x", "x").into_iter().map(|(route, _)| route).collect();
    let mut found = 0;
    for route in sources.iter().flat_map(|source| source.split(".route(\"").skip(1)) {
        let (path, rest) = route.split_once('"').unwrap();
        let handlers = rest.lines().next().unwrap();
        for method in ["post", "put", "patch", "delete"] {
            if handlers.contains(&format!(" {method}(")) || handlers.contains(&format!(".{method}(")) {
                found += 1;
                let name = format!("{} {path}", method.to_uppercase());
                assert!(table.contains(&name.as_str()), "{name} is not tested");
            }
        }
    }
    assert_eq!(found, table.len(), "the routes were not found in the sources");
}

fn collect(folder: &std::path::Path, sources: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, sources);
        } else {
            sources.push(std::fs::read_to_string(path).unwrap());
        }
    }
}
