//! A scene with everybody in it, and what each of them brings.

use axum::Router;
use hallpass::domain::time::Clock as _;
use hallpass::server::http;
use serde_json::json;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::support::{Answer, Browser, Call, Scanner, TestApp};
use crate::{grpc, oauth};

/// Everybody who could ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
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
    /// An administrator in a browser that sends alice's token along.
    AdministratorWithToken,
    /// Alice's browser, whose session was ended.
    OwnerBefore,
    /// An administrator's browser, whose session was ended.
    AdministratorBefore,
    /// Carol, who was disabled, in the browser in which she was logged in.
    Disabled,
    /// Carol, with an access token of her provider.
    DisabledWithAccessToken,
    /// Carol's token.
    DisabledsToken,
    /// A program that may ask about tokens.
    Client,
    /// Somebody whose signature is known.
    Scanner,
}

impl Who {
    pub const EVERYBODY: [Self; 16] = [
        Self::Nobody,
        Self::Owner,
        Self::Stranger,
        Self::Administrator,
        Self::OwnerWithAccessToken,
        Self::AdministratorWithAccessToken,
        Self::Token,
        Self::AdministratorsToken,
        Self::AdministratorWithToken,
        Self::OwnerBefore,
        Self::AdministratorBefore,
        Self::Disabled,
        Self::DisabledWithAccessToken,
        Self::DisabledsToken,
        Self::Client,
        Self::Scanner,
    ];

    /// Whether they are logged in with a browser.
    pub fn has_session(self) -> bool {
        self == Self::Owner || self == Self::Stranger || self.administrates()
    }

    /// Whether they are logged in as an administrator.
    pub fn administrates(self) -> bool {
        matches!(self, Self::Administrator | Self::AdministratorWithToken)
    }

    /// Whether they have a token that is good.
    pub fn has_token(self) -> bool {
        matches!(self, Self::Token | Self::AdministratorsToken | Self::AdministratorWithToken)
    }

    /// Whether the API knows who they are.
    pub fn is_known(self) -> bool {
        let by_access_token = matches!(self, Self::OwnerWithAccessToken | Self::AdministratorWithAccessToken);
        self.has_session() || self.has_token() || by_access_token
    }
}

/// What somebody brings.
#[derive(Clone, Debug, Default)]
struct Brought {
    cookie: Option<String>,
    /// What stands in `Authorization: Bearer`, or in the forms that take tokens.
    text: Option<String>,
    more: Vec<(&'static str, String)>,
}

impl Brought {
    fn headers(&self) -> Vec<(&'static str, String)> {
        let cookie = self.cookie.iter().map(|cookie| ("cookie", format!("hallpass={cookie}")));
        let bearer = self.text.iter().map(|text| ("authorization", format!("Bearer {text}")));
        cookie.chain(bearer).chain(self.more.iter().cloned()).collect()
    }
}

/// A scene with everybody in it.
pub struct Scene {
    pub app: TestApp,
    scanner: Scanner,
    owner: Browser,
    stranger: Browser,
    administrator: Browser,
    /// The cookies of browsers whose sessions were ended: the owner's, the administrator's.
    before: [String; 2],
    disabled: String,
    token: (String, String),
    administrators_token: String,
    disableds_token: String,
    bob: String,
}

/// What a scanner has to say here.
const NOTHING_FOUND: &str = "[]";

impl Scene {
    /// With everybody.
    pub async fn new() -> Self {
        let mut scene = Self::of_those_who_may().await;
        (scene.disabled, scene.disableds_token) = disabled(&scene.app).await;
        scene.before = [ended(&scene.app, "alice").await, ended(&scene.app, "admin").await];
        scene
    }

    /// Without those whose time is over: a scene that is made for one question.
    pub async fn of_those_who_may() -> Self {
        let scanner = Scanner::new();
        let client = json!([{"id": oauth::ANY.0, "secret_hash": oauth::PROOF}]).to_string();
        let app = TestApp::with(&[
            ("oidc.0.api_audiences", r#"["tokens-api"]"#),
            ("oidc.0.api_clients", r#"["cli"]"#),
            ("introspection_clients", &client),
            ("leak_intake.keys", &scanner.keys()),
            ("check.failure_limit", "off"),
        ])
        .await;
        let owner = app.browser_of("alice").await;
        let stranger = app.browser_of("bob").await;
        let administrator = app.browser_of("admin").await;
        let token = owner.create_token("t", &["read:users"]).await;
        let administrators_token = administrator.create_token("t", &["read:users"]).await.secret;
        let bob = stranger.get("/api/v1/me").await.json()["id"].as_str().unwrap().to_owned();
        let token = (token.id, token.secret);
        Self {
            app,
            scanner,
            owner,
            stranger,
            administrator,
            before: <[String; 2]>::default(),
            disabled: String::new(),
            token,
            administrators_token,
            disableds_token: String::new(),
            bob,
        }
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

    fn brought(&self, who: Who) -> Brought {
        let cookie = |browser: &Browser| Brought { cookie: browser.cookie("hallpass"), ..Brought::default() };
        let old = |cookie: &str| Brought { cookie: Some(cookie.to_owned()), ..Brought::default() };
        let bearer = |text: &str| Brought { text: Some(text.to_owned()), ..Brought::default() };
        let more = |more| Brought { more, ..Brought::default() };
        match who {
            Who::Nobody => Brought::default(),
            Who::Owner => cookie(&self.owner),
            Who::Stranger => cookie(&self.stranger),
            Who::Administrator => cookie(&self.administrator),
            Who::OwnerWithAccessToken => bearer(&self.access_token("alice")),
            Who::AdministratorWithAccessToken => bearer(&self.access_token("admin")),
            Who::Token => bearer(&self.token.1),
            Who::AdministratorsToken => bearer(&self.administrators_token),
            Who::AdministratorWithToken => Brought { text: Some(self.token.1.clone()), ..cookie(&self.administrator) },
            Who::OwnerBefore => old(&self.before[0]),
            Who::AdministratorBefore => old(&self.before[1]),
            Who::Disabled => old(&self.disabled),
            Who::DisabledWithAccessToken => bearer(&self.access_token("carol")),
            Who::DisabledsToken => bearer(&self.disableds_token),
            Who::Client => more(vec![("authorization", oauth::basic(&format!("{}:{}", oauth::ANY.0, oauth::ANY.1)))]),
            Who::Scanner => more(self.scanner.headers(NOTHING_FOUND).to_vec()),
        }
    }

    /// Asks, once for every method that a route has.
    pub async fn ask(&self, route: &str, who: Who) -> Vec<Answer> {
        let (method, path) = route.split_once(' ').unwrap();
        let site = self.app.router();
        match (method, path) {
            ("RPC", procedure) => vec![self.call(procedure, who).await],
            ("ANY", path) => {
                let path = if path.ends_with("/envoy") { format!("{path}/orders/7") } else { path.to_owned() };
                let mut answers = Vec::new();
                for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
                    answers.push(self.ask_at(&site, method, &path, who).await);
                }
                answers
            }
            (method, "/metrics") => {
                vec![self.ask_at(&http::metrics_router(&self.app.app.web), method, path, who).await]
            }
            (method, path) => vec![self.ask_at(&site, method, path, who).await],
        }
    }

    /// Asks the routes of a listener.
    pub async fn ask_at(&self, router: &Router, method: &str, pattern: &str, who: Who) -> Answer {
        let id = if pattern.contains("/users/") { &self.bob } else { &self.token.0 };
        let path = pattern.replace("{id}", id).replace("{name}", "main").replace("{slug}", "invalid");
        let brought = self.brought(who);
        let call = Call::new(method, &path).header("sec-fetch-site", "same-origin");
        let call = match (method, path.as_str()) {
            ("GET" | "HEAD" | "OPTIONS", _) => call,
            (_, "/leaks") => call.body("application/json", NOTHING_FOUND),
            (_, "/oauth/introspect") => call.form(&[("token", &self.token.1)]),
            (_, "/oauth/revoke") => call.form(&[("token", brought.text.as_deref().unwrap_or("nothing"))]),
            (_, "/oauth/token") => call.form(&exchange(brought.text.as_deref().unwrap_or("nothing"))),
            (_, path) if path.starts_with("/api/") && path.ends_with("/regenerate") => {
                call.body("application/json", r#"{"mode": "now"}"#)
            }
            (_, path) if path.starts_with("/api/") => call.body("application/json", "{}"),
            _ => call.form(&[("id", id)]),
        };
        let call = brought.headers().iter().fold(call, |call, (name, value)| call.header(name, value));
        call.send(router).await
    }

    /// Calls a remote procedure, and gives the status that it stands for.
    async fn call(&self, procedure: &str, who: Who) -> Answer {
        let listening = grpc::listen(&self.app).await;
        let headers = self.brought(who).headers();
        let status = if procedure == "Authorization/check" {
            let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            listening.envoy().await.status_of(&headers, &[]).await
        } else {
            let mut question = tonic::Request::new(HealthCheckRequest::default());
            for (name, value) in headers {
                question.metadata_mut().insert(name, value.parse().unwrap());
            }
            let mut health = HealthClient::new(listening.channel().await);
            let code = match procedure {
                "Health/check" => health.check(question).await.map(drop),
                _ => health.watch(question).await.map(drop),
            };
            match code.map_err(|status| status.code()) {
                // Nobody is told more than others.
                Ok(()) | Err(tonic::Code::Unimplemented) => 200,
                Err(code) => panic!("{procedure}: {code}"),
            }
        };
        Answer { status, headers: axum::http::HeaderMap::new(), body: String::new() }
    }
}

/// The wish for a JWT (RFC 8693).
fn exchange(token: &str) -> [(&str, &str); 3] {
    [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", token),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
    ]
}

/// The cookie of somebody who logged out, from a browser that kept it.
async fn ended(app: &TestApp, user: &str) -> String {
    let browser = app.browser_of(user).await;
    let cookie = browser.cookie("hallpass").unwrap();
    browser.post_form("/auth/logout", &[]).await.expect(303);
    cookie
}

/// Somebody who was disabled and whose session nobody ended: the cookie and a token. The provider knows three people, so
/// one of them comes twice.
async fn disabled(app: &TestApp) -> (String, String) {
    app.execute("UPDATE users SET subject = 'another bob' WHERE subject = 'demo-bob'").await;
    let carol = app.browser_of("bob").await;
    let token = carol.create_token("t", &["read:users"]).await.secret;
    app.execute("UPDATE users SET subject = 'demo-carol', disabled_at = 1 WHERE subject = 'demo-bob'").await;
    app.execute("UPDATE users SET subject = 'demo-bob' WHERE subject = 'another bob'").await;
    (carol.cookie("hallpass").unwrap(), token)
}
