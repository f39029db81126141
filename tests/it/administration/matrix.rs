//! Who may do what: every route, for everybody who could ask.

use std::collections::BTreeSet;

use hallpass::domain::time::Clock as _;
use serde_json::json;

use crate::support::{Answer, Browser, Call, TestApp};

/// What a route is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum For {
    /// Everybody.
    All,
    /// Whoever has a credential of its own kind, which is tested where that is.
    Others,
    /// People in a browser, about what is theirs.
    Visitors,
    /// The same, about one of their own tokens.
    Owners,
    /// People, about what is theirs, over the API.
    People,
    /// The same, about one of their own tokens.
    TokenOwners,
    /// A token, about itself.
    Tokens,
    /// Administrators in a browser.
    Administrators,
    /// The same over the API.
    AdministratorsApi,
}

use For::{Administrators, AdministratorsApi, All, Others, Owners, People, TokenOwners, Tokens, Visitors};

const MATRIX: &[(&str, For)] = &[
    ("GET /", All),
    ("GET /login", All),
    ("GET /auth/{name}/login", All),
    ("GET /auth/{name}/callback", Others),
    ("POST /auth/logout", All),
    ("GET /help", All),
    ("GET /report", All),
    ("POST /report", All),
    ("GET /api/docs", All),
    ("GET /problems/{slug}", All),
    ("GET /api/v1/openapi.json", All),
    ("GET /healthz", All),
    ("GET /readyz", All),
    ("GET /metrics", Others),
    ("GET /.well-known/jwks.json", All),
    ("GET /.well-known/oauth-authorization-server", All),
    ("POST /leaks", Others),
    ("POST /oauth/introspect", Others),
    ("POST /oauth/revoke", Others),
    ("POST /oauth/token", Others),
    ("GET /tokens", Visitors),
    ("GET /tokens/new", Visitors),
    ("POST /tokens/new", Visitors),
    ("GET /tokens/{id}", Owners),
    ("GET /tokens/{id}/edit", Owners),
    ("POST /tokens/{id}/edit", Owners),
    ("GET /tokens/{id}/regenerate", Owners),
    ("POST /tokens/{id}/regenerate", Owners),
    ("GET /tokens/{id}/revoke", Owners),
    ("POST /ui/revoke_token", Visitors),
    ("GET /activity", Visitors),
    ("POST /activity/sessions", Visitors),
    ("GET /admin", Administrators),
    ("GET /admin/tokens", Administrators),
    ("GET /admin/tokens/revoke", Administrators),
    ("POST /admin/tokens/revoke", Administrators),
    ("GET /admin/tokens/{id}", Administrators),
    ("GET /admin/tokens/{id}/revoke", Administrators),
    ("POST /admin/tokens/{id}/revoke", Administrators),
    ("GET /admin/users", Administrators),
    ("GET /admin/users/{id}", Administrators),
    ("GET /admin/users/{id}/disable", Administrators),
    ("POST /admin/users/{id}/disable", Administrators),
    ("POST /admin/users/{id}/enable", Administrators),
    ("POST /admin/users/{id}/sessions", Administrators),
    ("GET /admin/audit", Administrators),
    ("POST /admin/audit/export", Administrators),
    ("GET /admin/identify", Administrators),
    ("POST /admin/identify", Administrators),
    ("GET /api/v1/me", People),
    ("GET /api/v1/scopes", People),
    ("GET /api/v1/tokens", People),
    ("POST /api/v1/tokens", People),
    ("GET /api/v1/tokens/{id}", TokenOwners),
    ("PATCH /api/v1/tokens/{id}", TokenOwners),
    ("POST /api/v1/tokens/{id}/regenerate", TokenOwners),
    ("POST /api/v1/tokens/{id}/revoke", TokenOwners),
    ("GET /api/v1/self", Tokens),
    ("DELETE /api/v1/self", Tokens),
    ("GET /api/v1/audit", People),
    ("GET /api/v1/admin/tokens", AdministratorsApi),
    ("POST /api/v1/admin/tokens/revoke", AdministratorsApi),
    ("GET /api/v1/admin/tokens/{id}", AdministratorsApi),
    ("POST /api/v1/admin/tokens/{id}/revoke", AdministratorsApi),
    ("GET /api/v1/admin/users", AdministratorsApi),
    ("POST /api/v1/admin/users/{id}/disable", AdministratorsApi),
    ("POST /api/v1/admin/users/{id}/enable", AdministratorsApi),
    ("GET /api/v1/admin/audit", AdministratorsApi),
    ("POST /api/v1/admin/identify", AdministratorsApi),
];

/// What changes the scene, even when nothing more is said than here. All else is refused for its body.
const EFFECTIVE: [&str; 9] = [
    "POST /auth/logout",
    "POST /ui/revoke_token",
    "POST /api/v1/tokens/{id}/revoke",
    "DELETE /api/v1/self",
    "POST /activity/sessions",
    "POST /api/v1/tokens/{id}/regenerate",
    "POST /admin/users/{id}/sessions",
    "POST /admin/users/{id}/disable",
    "POST /api/v1/admin/users/{id}/disable",
];

/// Everybody who could ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    /// Without any credential.
    Nobody,
    /// Alice, whose token it is, in a browser.
    Owner,
    /// Bob, in a browser.
    Stranger,
    /// An administrator, in a browser.
    Administrator,
    /// Alice, with an access token of her provider.
    OwnerWithAccessToken,
    /// An administrator, with an access token of their provider.
    AdministratorWithAccessToken,
    /// The token itself.
    Token,
    /// An administrator's token.
    AdministratorsToken,
}

const EVERYBODY: [Who; 8] = [
    Who::Nobody,
    Who::Owner,
    Who::Stranger,
    Who::Administrator,
    Who::OwnerWithAccessToken,
    Who::AdministratorWithAccessToken,
    Who::Token,
    Who::AdministratorsToken,
];

/// What has to come of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// They may. What they sent may still be wrong.
    Allowed,
    /// They are asked who they are: 401.
    Unknown,
    /// They are sent to the login.
    Login,
    /// They may not: 403.
    Forbidden,
    /// They are not told that there is something: 404.
    Hidden,
}

fn expected(of: For, who: Who) -> Option<Outcome> {
    use Outcome::{Allowed, Forbidden, Hidden, Login, Unknown};
    let is_owner = matches!(who, Who::Owner | Who::OwnerWithAccessToken);
    let has_cookie = matches!(who, Who::Owner | Who::Stranger | Who::Administrator);
    let is_token = matches!(who, Who::Token | Who::AdministratorsToken);
    Some(match of {
        Others => return None,
        // It is the one place where only a token means anything, so a cookie is not even looked at.
        Tokens if has_cookie => Unknown,
        // Pages know nobody but by their cookies.
        Visitors | Owners | Administrators if !has_cookie => Login,
        All | Visitors => Allowed,
        _ if who == Who::Nobody => Unknown,
        Tokens if is_token => Allowed,
        Tokens => Forbidden,
        _ if is_token => Forbidden,
        People => Allowed,
        Owners | TokenOwners if is_owner => Allowed,
        Administrators | AdministratorsApi if who == Who::Administrator => Allowed,
        Owners | TokenOwners | Administrators | AdministratorsApi => Hidden,
    })
}

fn outcome(answer: &Answer) -> Outcome {
    match answer.status {
        401 => Outcome::Unknown,
        403 => Outcome::Forbidden,
        404 => Outcome::Hidden,
        303 if answer.location().starts_with("/login") => Outcome::Login,
        500..=599 => panic!("{answer}"),
        _ => Outcome::Allowed,
    }
}

/// A scene with everybody in it.
struct Scene {
    app: TestApp,
    owner: Browser,
    stranger: Browser,
    administrator: Browser,
    token: (String, String),
    administrators_token: String,
    bob: String,
}

impl Scene {
    async fn new() -> Self {
        let settings = [("oidc.0.api_audiences", r#"["tokens-api"]"#), ("oidc.0.api_clients", r#"["cli"]"#)];
        let app = TestApp::with(&settings).await;
        let owner = app.browser_of("alice").await;
        let stranger = app.browser_of("bob").await;
        let administrator = app.browser_of("admin").await;
        let token = owner.create_token("t", &["read:users"]).await;
        let administrators_token = administrator.create_token("t", &["read:users"]).await.secret;
        let bob = stranger.get("/api/v1/me").await.json()["id"].as_str().unwrap().to_owned();
        Self { owner, stranger, administrator, token: (token.id, token.secret), administrators_token, bob, app }
    }

    /// What the provider gives to a program that somebody uses.
    fn access_token(&self, user: &str) -> String {
        let now = self.app.clock.now().as_seconds();
        let claims = json!({
            "iss": self.app.provider.issuer, "sub": format!("demo-{user}"), "aud": "tokens-api", "client_id": "cli",
            "iat": now, "exp": now + 86_400, "auth_time": now,
        });
        self.app.provider.signer.sign(&claims)
    }

    async fn ask(&self, route: &str, who: Who) -> Answer {
        let (method, pattern) = route.split_once(' ').unwrap();
        let id = if pattern.contains("/users/") { &self.bob } else { &self.token.0 };
        let path = pattern.replace("{id}", id).replace("{name}", "main").replace("{slug}", "invalid");
        let call = Call::new(method, &path).header("sec-fetch-site", "same-origin");
        let call = if method == "GET" {
            call
        } else if path.ends_with("/regenerate") && path.starts_with("/api/") {
            call.body("application/json", r#"{"mode": "now"}"#)
        } else if path.starts_with("/api/") {
            call.body("application/json", "{}")
        } else {
            call.form(&[("id", id)])
        };
        let bearer = |text: &str| call.clone().bearer(text);
        match who {
            Who::Nobody => self.app.send(call).await,
            Who::Owner => self.owner.send(call).await,
            Who::Stranger => self.stranger.send(call).await,
            Who::Administrator => self.administrator.send(call).await,
            Who::OwnerWithAccessToken => self.app.send(bearer(&self.access_token("alice"))).await,
            Who::AdministratorWithAccessToken => self.app.send(bearer(&self.access_token("admin"))).await,
            Who::Token => self.app.send(bearer(&self.token.1)).await,
            Who::AdministratorsToken => self.app.send(bearer(&self.administrators_token)).await,
        }
    }
}

#[tokio::test]
async fn everybody_may_do_what_the_matrix_says_and_nothing_else() {
    let mut unexpected = Vec::new();
    let scene = Scene::new().await;
    for (route, of) in MATRIX {
        for who in EVERYBODY {
            let Some(expected) = expected(*of, who) else { continue };
            let takes_effect = expected == Outcome::Allowed && EFFECTIVE.contains(route);
            let answer =
                if takes_effect { Scene::new().await.ask(route, who).await } else { scene.ask(route, who).await };
            let found = match outcome(&answer) {
                // Home is the login for whoever is not logged in, and so is the place after a logout.
                Outcome::Login if *of == All => Outcome::Allowed,
                found => found,
            };
            if found != expected {
                unexpected.push(format!("{route} as {who:?}: {found:?} instead of {expected:?} ({})", answer.status));
            }
        }
    }
    assert_eq!(unexpected, [""; 0]);
}

#[test]
fn every_route_and_every_server_function_is_in_the_matrix() {
    let mut sources = Vec::new();
    collect(std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/server/http")), &mut sources);
    collect(std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/server/ui")), &mut sources);
    let table: BTreeSet<String> = MATRIX.iter().map(|(route, _)| (*route).to_owned()).collect();
    let mut found = BTreeSet::new();
    // Files are for everybody, and have a test of their own.
    for source in sources.iter().filter(|source| !source.contains("fn at_the_root(")) {
        for route in source.split(".route(").skip(1) {
            let (path, handlers) = route[..end_of_call(route)].split_once(',').unwrap();
            let path = match path.trim() {
                "JWKS" => "/.well-known/jwks.json",
                "METADATA" => "/.well-known/oauth-authorization-server",
                path => path.trim_matches('"'),
            };
            for method in ["get", "post", "put", "patch", "delete", "any"] {
                if handlers.contains(&format!(" {method}(")) || handlers.contains(&format!(".{method}(")) {
                    found.insert(format!("{} {path}", method.to_uppercase()));
                }
            }
        }
        for function in source.split("endpoint = \"").skip(1) {
            found.insert(format!("POST /ui/{}", function.split('"').next().unwrap()));
        }
    }
    assert_eq!(found, table);
}

/// The end of the arguments that a text begins with.
fn end_of_call(text: &str) -> usize {
    let mut depth = 1;
    for (index, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return index;
        }
    }
    text.len()
}

fn collect(folder: &std::path::Path, sources: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push(std::fs::read_to_string(path).unwrap());
        }
    }
}
