//! A browser: keeps cookies and says where its requests come from.

use std::sync::Mutex;

use axum::Router;
use serde_json::Value;

use super::{Answer, Call, TestApp, oidc};

/// A browser with cookies of its own.
pub struct Browser {
    server: Router,
    provider: Router,
    public_url: String,
    /// The cookies it keeps, the oldest first.
    cookies: Mutex<Vec<(String, String)>>,
}

impl Browser {
    /// A browser that was never here.
    pub fn new(server: Router, provider: Router, public_url: &str) -> Self {
        Self { server, provider, public_url: public_url.to_owned(), cookies: Mutex::default() }
    }

    /// A second one with the same cookies, in front of another server.
    pub fn moved_to(&self, app: &TestApp) -> Self {
        let other = app.browser();
        for (name, value) in self.cookies() {
            other.set_cookie(&name, &value);
        }
        other
    }

    /// A cookie's value.
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.cookies().into_iter().find(|(found, _)| found == name).map(|(_, value)| value)
    }

    /// All cookies, the oldest first.
    pub fn cookies(&self) -> Vec<(String, String)> {
        self.cookies.lock().unwrap().clone()
    }

    /// Takes a cookie over from elsewhere.
    pub fn set_cookie(&self, name: &str, value: &str) {
        let mut cookies = self.cookies.lock().unwrap();
        match cookies.iter_mut().find(|(found, _)| found == name) {
            Some((_, present)) => value.clone_into(present),
            None => cookies.push((name.to_owned(), value.to_owned())),
        }
    }

    /// Sends a request with the cookies and keeps those of the answer.
    pub async fn send(&self, call: Call) -> Answer {
        let answer = self.with_cookies(call).send(&self.server).await;
        self.keep_cookies(&answer);
        answer
    }

    /// A request with the cookies, for whoever sends it.
    pub fn with_cookies(&self, call: Call) -> Call {
        let pairs: Vec<_> =
            self.cookies.lock().unwrap().iter().map(|(name, value)| format!("{name}={value}")).collect();
        if pairs.is_empty() { call } else { call.header("cookie", pairs.join("; ")) }
    }

    /// Follows a link.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Call::get(path)).await
    }

    /// Posts a form of our own pages.
    pub async fn post_form(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.send(Call::new("POST", path).header("sec-fetch-site", "same-origin").form(fields)).await
    }

    /// Calls the API with a body, as a script of our own pages would.
    pub async fn api_json(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.send(Call::new(method, path).header("sec-fetch-site", "same-origin").json(body)).await
    }

    /// Calls the API without a body.
    pub async fn api(&self, method: &str, path: &str) -> Answer {
        self.send(Call::new(method, path).header("sec-fetch-site", "same-origin")).await
    }

    /// Starts a login and gives the address at the provider.
    pub async fn begin_login(&self, path: &str) -> String {
        self.get(path).await.expect(303).location().to_owned()
    }

    /// Lets a user answer the provider and gives the path that the browser comes back to.
    pub async fn answer_provider(&self, user: &str, authorize_url: &str) -> String {
        let back = oidc::choose(&self.provider, user, authorize_url).await;
        back.strip_prefix(&self.public_url).expect("a way back to us").to_owned()
    }

    /// Logs in through `path` and gives the answer to the callback.
    pub async fn log_in_through(&self, path: &str, user: &str) -> Answer {
        let url = self.begin_login(path).await;
        let callback = self.answer_provider(user, &url).await;
        self.get(&callback).await
    }

    /// Logs in.
    pub async fn log_in(&self, user: &str) -> &Self {
        self.log_in_through("/auth/main/login", user).await.expect(303);
        self
    }

    /// Makes a token with these scopes and gives the answer of the API.
    pub async fn create_token(&self, name: &str, scopes: &[&str]) -> Issued {
        let body = serde_json::json!({ "name": name, "scopes": scopes });
        Issued::of(&self.api_json("POST", "/api/v1/tokens", &body).await.expect(201))
    }

    /// Makes a token of this kind.
    pub async fn create_token_with(&self, body: &Value) -> Issued {
        Issued::of(&self.api_json("POST", "/api/v1/tokens", body).await.expect(201))
    }

    /// Gives a token a new secret.
    pub async fn regenerate(&self, id: &str) -> Issued {
        let body = serde_json::json!({ "mode": "now" });
        Issued::of(&self.api_json("POST", &format!("/api/v1/tokens/{id}/regenerate"), &body).await.expect(200))
    }

    /// Revokes a token.
    pub async fn revoke(&self, id: &str) {
        self.api("POST", &format!("/api/v1/tokens/{id}/revoke")).await.expect(204);
    }

    fn keep_cookies(&self, answer: &Answer) {
        for line in answer.headers.get_all("set-cookie") {
            let line = line.to_str().unwrap();
            let (name, rest) = line.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap_or_default();
            if value.is_empty() || line.contains("Max-Age=0") {
                self.cookies.lock().unwrap().retain(|(found, _)| found != name);
            } else {
                self.set_cookie(name, value);
            }
        }
    }
}

/// A token and its secret, as the API gave them.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The token's id.
    pub id: String,
    /// The token in the clear.
    pub secret: String,
    /// The token as JSON.
    pub token: Value,
}

impl Issued {
    fn of(answer: &Answer) -> Self {
        let json = answer.json();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Self { id: text(&json["token"]["id"]), secret: text(&json["secret"]), token: json["token"].clone() }
    }

    /// The public name of the secret: the part between the underscores.
    pub fn secret_id(&self) -> &str {
        self.secret.split('_').nth(1).unwrap()
    }
}
