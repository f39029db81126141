//! Who may do what: every route, server function and remote procedure, for everybody who could ask, with whatever they have.

mod scene;
mod sources;

use std::collections::BTreeSet;

use hallpass::server::http;

use scene::{Scene, Who};

use crate::support::{Answer, Call, TestApp};

/// What a route is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum For {
    /// Everybody.
    All,
    /// Whoever comes back from a login that began in the same browser. Nobody here does.
    Returning,
    /// Whoever signs with a key that is configured.
    Scanners,
    /// Programs that are configured, with their secrets.
    Clients,
    /// Whoever brings a good token in the form.
    Holders,
    /// Requests with a good token; what else they have means nothing.
    Checks,
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

use For::{
    Administrators, AdministratorsApi, All, Checks, Clients, Holders, Owners, People, Returning, Scanners, TokenOwners,
    Tokens, Visitors,
};

const MATRIX: &[(&str, For)] = &[
    ("GET /", All),
    ("GET /login", All),
    ("GET /auth/{name}/login", All),
    ("GET /auth/{name}/callback", Returning),
    ("POST /auth/logout", All),
    ("GET /help", All),
    ("GET /report", All),
    ("POST /report", All),
    ("GET /api/docs", All),
    ("GET /problems/{slug}", All),
    ("GET /api/v1/openapi.json", All),
    ("GET /healthz", All),
    ("GET /readyz", All),
    ("GET /metrics", All),
    ("GET /.well-known/jwks.json", All),
    ("GET /.well-known/oauth-authorization-server", All),
    ("POST /leaks", Scanners),
    ("POST /oauth/introspect", Clients),
    ("POST /oauth/revoke", All),
    ("POST /oauth/token", Holders),
    ("ANY /check", Checks),
    ("ANY /check/nginx", Checks),
    // And everything below it.
    ("ANY /check/envoy", Checks),
    ("RPC Authorization/check", Checks),
    ("RPC Health/check", All),
    ("RPC Health/watch", All),
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
const EFFECTIVE: [&str; 10] = [
    "POST /auth/logout",
    "POST /oauth/revoke",
    "POST /ui/revoke_token",
    "POST /api/v1/tokens/{id}/revoke",
    "DELETE /api/v1/self",
    "POST /activity/sessions",
    "POST /api/v1/tokens/{id}/regenerate",
    "POST /admin/users/{id}/sessions",
    "POST /admin/users/{id}/disable",
    "POST /api/v1/admin/users/{id}/disable",
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
    /// Nobody can say for whom they speak: 400.
    Unclear,
    /// What they brought in the form or the address is no good: 400.
    Worthless,
}

fn expected(of: For, who: Who) -> Outcome {
    use Outcome::{Allowed, Forbidden, Hidden, Login, Unclear, Unknown, Worthless};
    let or = |may: bool, otherwise: Outcome| if may { Allowed } else { otherwise };
    match of {
        Returning => Worthless,
        Scanners => or(who == Who::Scanner, Forbidden),
        Clients => or(who == Who::Client, Unknown),
        Holders => or(who.has_token(), Worthless),
        Checks => or(who.has_token(), Unknown),
        // Pages know nobody but by their cookies.
        Visitors | Owners | Administrators if !who.has_session() => Login,
        All | Visitors => Allowed,
        Owners => or(who == Who::Owner, Hidden),
        Administrators => or(who.administrates(), Hidden),
        _ if who == Who::AdministratorWithToken => Unclear,
        // It is the one place where only a token means anything, so a cookie is not even looked at.
        Tokens if who.has_session() => Unknown,
        _ if !who.is_known() => Unknown,
        Tokens => or(who.has_token(), Forbidden),
        _ if who.has_token() => Forbidden,
        People => Allowed,
        TokenOwners => or(matches!(who, Who::Owner | Who::OwnerWithAccessToken), Hidden),
        AdministratorsApi => or(who.administrates(), Hidden),
    }
}

fn outcome(of: For, answer: &Answer) -> Outcome {
    match answer.status {
        400 if answer.body.contains("/problems/several-credentials") => Outcome::Unclear,
        400 if matches!(of, Returning | Holders) => Outcome::Worthless,
        401 => Outcome::Unknown,
        403 => Outcome::Forbidden,
        404 => Outcome::Hidden,
        // Home is the login for whoever is not logged in, and so is the place after a logout.
        303 if of != All && answer.location().starts_with("/login") => Outcome::Login,
        // Where much is going on a server may be late to say that it is up to date, and says so to everybody.
        503 if of == All && answer.body.contains("cannot prove that it is up to date") => Outcome::Allowed,
        500..=599 => panic!("{answer}"),
        _ => Outcome::Allowed,
    }
}

#[tokio::test]
async fn everybody_may_do_what_the_matrix_says_and_nothing_else() {
    let mut unexpected = Vec::new();
    let scene = Scene::new().await;
    for (route, of) in MATRIX {
        for who in Who::EVERYBODY {
            let expected = expected(*of, who);
            let takes_effect = expected == Outcome::Allowed && EFFECTIVE.contains(route) && who.is_known();
            let answers = if takes_effect {
                Scene::of_those_who_may().await.ask(route, who).await
            } else {
                scene.ask(route, who).await
            };
            for answer in answers {
                let found = outcome(*of, &answer);
                if found != expected {
                    unexpected.push(format!("{route} as {who:?}: {found:?}, not {expected:?} ({})", answer.status));
                }
            }
        }
    }
    assert_eq!(unexpected, [""; 0]);
}

#[tokio::test]
async fn only_administrators_learn_which_methods_a_route_of_theirs_takes() {
    let app = TestApp::new().await;
    let (admin, bob, nobody) = (app.browser_of("admin").await, app.browser_of("bob").await, app.browser());
    let is_hidden = |answer: &Answer| !answer.headers.contains_key("allow");
    for (route, of) in MATRIX.iter().filter(|(_, of)| matches!(of, Administrators | AdministratorsApi)) {
        let path = route.split_once(' ').unwrap().1;
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] {
            let is_there = |method: &str| MATRIX.iter().any(|(known, _)| *known == format!("{method} {path}"));
            if is_there(method) || (method == "HEAD" && is_there("GET")) {
                continue;
            }
            let call = || Call::new(method, &path.replace("{id}", "x")).header("sec-fetch-site", "same-origin");
            let answer = bob.send(call()).await;
            assert!(answer.status == 404 && is_hidden(&answer), "{method} {path}: {answer}");
            let answer = nobody.send(call()).await;
            let turned_away = if *of == AdministratorsApi { 401 } else { 303 };
            assert!(answer.status == turned_away && is_hidden(&answer), "{method} {path}: {answer}");
            let answer = admin.send(call()).await;
            assert!(answer.status == 405 && !is_hidden(&answer), "{method} {path}: {answer}");
        }
    }
}

#[tokio::test]
async fn whoever_comes_to_the_site_sees_no_metrics() {
    let scene = Scene::new().await;
    for who in Who::EVERYBODY {
        assert_eq!(
            scene.ask_at(&http::router(&scene.app.app.web), "GET", "/metrics", who).await.status,
            404,
            "{who:?}"
        );
    }
}

#[test]
fn every_route_every_server_function_and_every_remote_procedure_is_in_the_matrix() {
    let table: BTreeSet<String> = MATRIX.iter().map(|(route, _)| (*route).to_owned()).collect();
    assert_eq!(sources::everything(), table);
}
