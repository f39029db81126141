//! Headers and cookies of every answer: contract, sections 8 and 10.

use std::collections::BTreeSet;

use crate::support::{Answer, Browser, Call, TOKEN_PAGES, TestApp};

const HTTPS: [(&str, &str); 1] = [("public_url", "https://tokens.example.org")];

/// Addresses of every kind besides the pages of tokens: other pages, redirects, errors, the API, files.
const PATHS: [&str; 14] = [
    "/",
    "/login",
    "/auth/main/login",
    "/auth/main/callback",
    "/auth/nobody/login",
    "/tokens/nonsense",
    "/help",
    "/api/docs",
    "/problems/invalid",
    "/nothing",
    "/api/v1/me",
    "/api/v1/tokens/nonsense",
    "/api/v1/openapi.json",
    "/favicon.svg",
];

async fn browser_with_token(app: &TestApp) -> (Browser, String) {
    let browser = app.browser_of("alice").await;
    let id = browser.create_token("t", &["read:users"]).await.id;
    (browser, id)
}

/// Every answer worth looking at: with and without a login, good and refused.
async fn answers(app: &TestApp) -> Vec<(String, Answer)> {
    let (alice, id) = browser_with_token(app).await;
    let mut answers = Vec::new();
    for path in PATHS.iter().chain(&TOKEN_PAGES) {
        let path = path.replace("{id}", &id);
        answers.push((format!("GET {path}"), app.browser().get(&path).await));
        answers.push((format!("GET {path} as alice"), alice.get(&path).await));
        answers.push((format!("DELETE {path}"), alice.api("DELETE", &path).await));
        let foreign = Call::new("POST", &path).header("sec-fetch-site", "cross-site").form(&[]);
        answers.push((format!("POST {path} from elsewhere"), alice.send(foreign).await));
    }
    let form =
        [("form_key", "0123456789abcdef0123456789abcdef"), ("name", "t"), ("scope", "read:users"), ("lifetime", "30")];
    answers.push(("the secret".to_owned(), alice.post_form("/tokens/new", &form).await.expect(200)));
    answers.push(("a wrong form".to_owned(), alice.post_form("/tokens/new", &[]).await.expect(422)));
    answers.push(("no form".to_owned(), alice.api("POST", "/tokens/new").await.expect(415)));
    answers.push((
        "too large".to_owned(),
        alice.post_form("/tokens/new", &[("x", &"x".repeat(70_000))]).await.expect(413),
    ));
    answers
}

/// The nonce that a page's policy names.
#[track_caller]
fn nonce_of(page: &Answer) -> &str {
    let policy = page.header("content-security-policy");
    let rest = policy.split_once("'nonce-").unwrap_or_else(|| panic!("no nonce: {page}")).1;
    rest.split('\'').next().unwrap()
}

fn directives(policy: &str) -> Vec<&str> {
    policy.split("; ").collect()
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let app = TestApp::new().await;
    for (what, answer) in answers(&app).await {
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{what}: {answer}");
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{what}: {answer}");
        assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin", "{what}: {answer}");
        assert!(!answer.headers.contains_key("strict-transport-security"), "{what}: {answer}");
        assert!(!answer.header("x-request-id").is_empty(), "{what}: {answer}");
        let policy = answer.header("content-security-policy");
        assert!(directives(policy).contains(&"frame-ancestors 'none'"), "{what}: {answer}");
        assert!(directives(policy).contains(&"default-src 'none'"), "{what}: {answer}");
        for weak in ["unsafe-inline", "'unsafe-eval'", "*", "http:", "https:", "data:;"] {
            let policy = policy.replace(&format!(" {}", app.provider.issuer), "").replace("img-src 'self' data:", "");
            assert!(!policy.contains(weak), "{what} allows {weak}: {policy}");
        }
        let file = what.contains("/favicon.svg") && answer.status == 200;
        assert!(file || answer.header("cache-control") == "no-store", "{what}: {answer}");
    }
}

#[tokio::test]
async fn every_page_has_a_nonce_of_its_own_and_uses_it() {
    let app = TestApp::new().await;
    let mut seen = BTreeSet::new();
    for (what, page) in answers(&app).await {
        if !page.header("content-type").starts_with("text/html") {
            continue;
        }
        let nonce = nonce_of(&page);
        assert!(nonce.len() >= 22 && seen.insert(nonce.to_owned()), "{what}: {nonce} is not fresh");
        for script in page.body.split("<script").skip(1) {
            let tag = script.split('>').next().unwrap();
            let own = tag.contains(&format!("nonce=\"{nonce}\"")) || tag.contains("src=\"/");
            assert!(own, "{what}: <script{tag}> would not run");
        }
        for inline in [" style=\"", " onclick=", " onload=", " onsubmit=", "javascript:"] {
            assert!(!page.body.contains(inline), "{what} holds {inline}");
        }
    }
    assert!(seen.len() > 20);
}

#[tokio::test]
async fn the_nonce_stands_in_the_policy_and_in_nonce_attributes_and_nowhere_else() {
    let app = TestApp::new().await;
    for (what, page) in answers(&app).await {
        if !page.header("content-type").starts_with("text/html") {
            continue;
        }
        let nonce = nonce_of(&page);
        let attributes = page.body.matches(&format!(" nonce=\"{nonce}\"")).count();
        assert!(attributes > 0, "{what} has no use for it: {page}");
        assert_eq!(page.to_string().matches(nonce).count(), attributes + 1, "{what}: {page}");
    }
}

#[tokio::test]
async fn what_a_page_loads_early_is_what_its_script_loads() {
    let app = TestApp::new().await;
    let page = app.browser().get("/help").await.expect(200);
    let script = page.between("<script type=\"module\"", "</script>");
    let links: Vec<_> = page.body.split("<link ").filter(|link| link.contains("preload")).collect();
    assert_eq!(links.len(), 2, "{page}");
    for link in links {
        let link = link.split('>').next().unwrap();
        let path = link.split("href=\"").nth(1).unwrap().split('"').next().unwrap();
        assert!(script.contains(&format!("\"{path}\"")), "{path} is loaded in vain: {script}");
        app.browser().get(path).await.expect(200);
        // Only what `fetch` asks for is asked for with CORS.
        let fetched = link.contains("as=\"fetch\"");
        assert_eq!(link.contains("crossorigin=\"anonymous\""), fetched, "{link}");
        assert_eq!(link.contains("crossorigin"), fetched, "{link}");
    }
}

#[tokio::test]
async fn errors_are_pages_for_people_and_problems_for_programs() {
    let app = TestApp::new().await;
    for (what, answer) in answers(&app).await {
        if answer.status < 400 || what.starts_with("no form") || what.contains("/favicon.svg") {
            continue;
        }
        if what.contains("/api/v1/") {
            answer.problem(answer.status);
        } else {
            assert!(answer.header("content-type").starts_with("text/html"), "{what}: {answer}");
        }
    }
}

#[tokio::test]
async fn over_https_browsers_are_told_to_stay_there() {
    let app = TestApp::with(&HTTPS).await;
    for path in ["/", "/login", "/tokens", "/nothing", "/api/v1/me"] {
        let answer = app.browser().get(path).await;
        let age = answer.header("strict-transport-security").strip_prefix("max-age=").unwrap_or_default();
        let age = age.split(';').next().unwrap().parse::<u64>().unwrap_or_default();
        assert!(age >= 15_552_000, "{path}: {answer}");
    }
}

/// The attributes of the cookies that a login sets: of the login in progress and of the session.
async fn login_cookies(app: &TestApp) -> Vec<(String, BTreeSet<String>)> {
    let browser = app.browser();
    let begun = browser.get("/auth/main/login").await.expect(303);
    let callback = browser.answer_provider("alice", begun.location()).await;
    let done = browser.get(&callback).await.expect(303);
    let lines = [begun, done].map(|answer| answer.headers.get_all("set-cookie").iter().cloned().collect::<Vec<_>>());
    let cookie = |line: &axum::http::HeaderValue| {
        let mut parts = line.to_str().unwrap().split("; ").map(str::to_owned);
        let name = parts.next().unwrap().split('=').next().unwrap().to_owned();
        (name, parts.filter(|part| !part.starts_with("Max-Age") && !part.starts_with("Expires")).collect())
    };
    lines.concat().iter().map(cookie).collect()
}

fn attributes(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn cookies_over_https_are_bound_to_the_host() {
    let cookies = login_cookies(&TestApp::with(&HTTPS).await).await;
    assert_eq!(cookies.len(), 3);
    for (name, found) in &cookies {
        assert!(name.starts_with("__Host-hallpass"), "{name}");
        assert_eq!(*found, attributes(&["HttpOnly", "SameSite=Lax", "Path=/", "Secure"]), "{name}");
    }
    assert!(cookies.iter().any(|(name, _)| name == "__Host-hallpass"));
}

#[tokio::test]
async fn cookies_over_http_on_a_loopback_host_can_be_kept_by_every_browser() {
    let cookies = login_cookies(&TestApp::new().await).await;
    assert_eq!(cookies.len(), 3);
    for (name, found) in &cookies {
        assert!(name == "hallpass" || name.starts_with("hallpass-"), "{name}");
        assert_eq!(*found, attributes(&["HttpOnly", "SameSite=Lax", "Path=/"]), "{name}");
    }
}

#[tokio::test]
async fn a_session_under_the_other_name_is_none() {
    let app = TestApp::with(&HTTPS).await;
    let alice = app.browser_of("alice").await;
    alice.get("/api/v1/me").await.expect(200);
    let other = app.browser();
    other.set_cookie("hallpass", &alice.cookie("__Host-hallpass").unwrap());
    other.get("/api/v1/me").await.problem(401);
}

#[tokio::test]
async fn a_session_cookie_ends_with_the_browser_and_is_set_only_by_a_login() {
    let app = TestApp::new().await;
    let alice = app.browser();
    let done = alice.log_in_through("/auth/main/login", "alice").await;
    let lines: Vec<_> = done.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap()).collect();
    let session = lines.iter().find(|line| line.starts_with("hallpass=")).unwrap();
    assert!(!session.contains("Max-Age") && !session.contains("Expires"), "{session}");
    for path in ["/tokens", "/tokens/new", "/api/v1/me", "/help"] {
        assert!(!alice.get(path).await.headers.contains_key("set-cookie"), "{path}");
    }
}

#[tokio::test]
async fn scripts_and_styles_are_served_with_their_types() {
    let app = TestApp::new().await;
    for (path, kind) in [
        ("/pkg/hallpass.css", "text/css"),
        ("/pkg/hallpass.js", "text/javascript"),
        ("/pkg/hallpass.wasm", "application/wasm"),
        ("/theme.js", "text/javascript"),
        ("/favicon.svg", "image/svg+xml"),
    ] {
        let file = app.browser().get(path).await.expect(200);
        assert!(file.header("content-type").starts_with(kind), "{path}: {}", file.header("content-type"));
    }
    for path in ["/pkg/../Cargo.toml", "/pkg/%2e%2e/%2e%2e/Cargo.toml", "/pkg/nothing.js", "/pkg/"] {
        app.browser().get(path).await.expect(404);
    }
}
