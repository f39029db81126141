//! Changes come only from our own pages: contract, sections 8 and 10.

use serde_json::json;

use crate::support::{Browser, Call, Scanner, TestApp};

/// Every unsafe route, with a body that would change something. A test below finds those that are missing here.
pub fn changes(Subject { id, secret, user }: &Subject) -> Vec<(&'static str, Call)> {
    let at = |method: &str, pattern: &str| {
        let subject = if pattern.contains("/users/") { user } else { id };
        Call::new(method, &pattern.replace("{id}", subject))
    };
    let bulk = json!({"filter": {"ids": [id]}, "reason": "leaked"});
    let reason = json!({"reason": "leaked"});
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
        ("POST /leaks", at("POST", "/leaks").json(&json!([{"token": secret}]))),
        ("POST /activity/sessions", at("POST", "/activity/sessions").form(&[])),
        ("POST /report", at("POST", "/report").form(&[("text", secret)])),
        (
            "POST /admin/tokens/revoke",
            at("POST", "/admin/tokens/revoke").form(&[("id", id), ("reason", "leaked"), ("confirm", "1")]),
        ),
        ("POST /admin/tokens/{id}/revoke", at("POST", "/admin/tokens/{id}/revoke").form(&[("reason", "leaked")])),
        ("POST /admin/users/{id}/disable", at("POST", "/admin/users/{id}/disable").form(&[])),
        ("POST /admin/users/{id}/enable", at("POST", "/admin/users/{id}/enable").form(&[])),
        ("POST /admin/users/{id}/sessions", at("POST", "/admin/users/{id}/sessions").form(&[])),
        ("POST /admin/audit/export", at("POST", "/admin/audit/export").form(&[("format", "csv")])),
        ("POST /admin/identify", at("POST", "/admin/identify").form(&[("text", secret)])),
        ("POST /api/v1/admin/tokens/revoke", at("POST", "/api/v1/admin/tokens/revoke").json(&bulk)),
        ("POST /api/v1/admin/tokens/{id}/revoke", at("POST", "/api/v1/admin/tokens/{id}/revoke").json(&reason)),
        ("POST /api/v1/admin/users/{id}/disable", at("POST", "/api/v1/admin/users/{id}/disable")),
        ("POST /api/v1/admin/users/{id}/enable", at("POST", "/api/v1/admin/users/{id}/enable")),
        ("POST /api/v1/admin/identify", at("POST", "/api/v1/admin/identify").json(&json!({"token": secret}))),
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

/// What is done without cookies: a token ends itself, and somebody who searches public places has found it.
pub fn changes_without_cookies(secret: &str, scanner: &Scanner) -> [(&'static str, Call); 2] {
    [
        ("DELETE /api/v1/self", Call::new("DELETE", "/api/v1/self").bearer(secret)),
        ("POST /leaks", scanner.signed(&json!([{"token": secret}]).to_string())),
    ]
}

/// These are refused to a browser, or change nothing.
pub fn changes_nothing(route: &str) -> bool {
    ["DELETE /api/v1/self", "POST /oauth/introspect", "POST /oauth/token", "POST /leaks"].contains(&route)
        || route.ends_with("identify")
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

/// What changes are made to.
#[derive(Default)]
pub struct Subject {
    /// A token's id …
    pub id: String,
    /// … and its secret.
    pub secret: String,
    /// Somebody else, who is logged in.
    pub user: String,
}

/// An administrator may change everything. Their own is the token, and bob is somebody else.
async fn administrator_with_token(app: &TestApp) -> (Browser, Subject) {
    let bob = app.browser_of("bob").await;
    let user = bob.get("/api/v1/me").await.json()["id"].as_str().unwrap().to_owned();
    let browser = app.browser_of("admin").await;
    // A second session, to be ended.
    app.browser_of("admin").await;
    let token = browser.create_token("t", &["read:users"]).await;
    (browser, Subject { id: token.id, secret: token.secret, user })
}

#[tokio::test]
async fn a_change_from_elsewhere_is_refused_and_changes_nothing() {
    let app = TestApp::new().await;
    let (browser, subject) = administrator_with_token(&app).await;
    let before = app.dump().await;
    for (route, change) in changes(&subject) {
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
        for index in 0..changes(&Subject::default()).len() {
            let (browser, subject) = administrator_with_token(&app).await;
            let before = app.column(STATE).await;
            let (route, change) = changes(&subject).swap_remove(index);
            // A cookie is no credential there, wherever the request comes from.
            let refused = ["DELETE /api/v1/self", "POST /oauth/introspect"].contains(&route);
            if route.ends_with("/enable") {
                app.execute("UPDATE users SET disabled_at = 1 WHERE username = 'bob'").await;
            }
            let closed = route == "POST /leaks";
            let looks = closed || route == "POST /oauth/token" || route.ends_with("identify");
            let without_effect = refused || looks;
            let answer = browser.send(change.headers(headers)).await;
            app.execute("DELETE FROM form_keys").await;
            assert_eq!(answer.status == 401, refused, "{route}: {answer}");
            assert!(matches!(answer.status, 200..=399 | 401) || closed, "{route}: {answer}");
            assert_eq!(app.column(STATE).await == before, without_effect, "{route}: {answer}");
            app.execute("UPDATE users SET disabled_at = NULL").await;
            if browser.cookie("hallpass").is_some() && !without_effect {
                browser.revoke(&subject.id).await;
            }
        }
    }
}

#[tokio::test]
async fn a_change_that_cannot_be_recorded_is_not_made_whatever_it_is() {
    let scanner = Scanner::new();
    let app = scanner.app("revoke").await;
    let (browser, subject) = administrator_with_token(&app).await;
    let stranger = app.browser();
    let by_browser = changes(&subject).into_iter().filter(|(route, _)| !changes_nothing(route));
    let by_browser =
        by_browser.map(|(route, change)| (route, &browser, change.header("sec-fetch-site", "same-origin")));
    let others = changes_without_cookies(&subject.secret, &scanner).map(|(route, change)| (route, &stranger, change));
    for (route, who, change) in by_browser.chain(others) {
        let disabled = if route.ends_with("/enable") { "1" } else { "NULL" };
        app.execute(&format!("UPDATE users SET disabled_at = {disabled} WHERE username = 'bob'")).await;
        app.break_audit().await;
        let before = app.dump().await;
        let answer = who.send(change).await;
        // That one goes back to the page of the token, which says so.
        let is_told = route == "POST /ui/revoke_token" && answer.location().ends_with("notice=not-revoked");
        assert!(answer.status == 503 || is_told, "{route}: {answer}");
        assert_eq!(app.dump().await, before, "{route}");
        app.mend_audit().await;
    }
    browser.get("/tokens").await.expect(200);
    app.check("", &subject.secret).await.expect(200);
}

#[tokio::test]
async fn looking_never_changes_anything() {
    let app = TestApp::new().await;
    let (browser, subject) = administrator_with_token(&app).await;
    let before = app.dump().await;
    for (route, _) in changes(&subject) {
        let Subject { id, secret, user } = &subject;
        let path = route.split_once(' ').unwrap().1;
        let path = path.replace("{id}", if path.contains("/users/") { user } else { id });
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
    let (browser, Subject { id, .. }) = administrator_with_token(&app).await;
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
    let table: Vec<_> = changes(&Subject::default()).into_iter().map(|(route, _)| route).collect();
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
