//! Requests, built up word by word.

use std::net::IpAddr;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Request};
use axum::response::Response;
use hallpass::server::http::Peer;
use serde_json::Value;
use tower::ServiceExt as _;
use url::form_urlencoded::Serializer;

use super::Answer;

/// The address that requests come from unless a test says otherwise.
const CLIENT: &str = "192.0.2.10";

/// What browsers ask for when a page is to be shown.
const HTML: &str = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8";

/// A request that is still being written.
#[derive(Clone)]
pub struct Call {
    method: String,
    path: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    peer: IpAddr,
}

impl Call {
    /// A request without headers and body.
    pub fn new(method: &str, path: &str) -> Self {
        let peer = CLIENT.parse().unwrap();
        Self { method: method.to_owned(), path: path.to_owned(), headers: Vec::new(), body: Vec::new(), peer }
    }

    /// `GET`
    pub fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// Adds several.
    pub fn headers(self, headers: &[(&str, &str)]) -> Self {
        headers.iter().fold(self, |call, (name, value)| call.header(name, value))
    }

    /// `Authorization: Bearer …`
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    /// With a body of this kind.
    pub fn body(mut self, kind: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.header("content-type", kind)
    }

    /// With a JSON body.
    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    /// With a form, as a browser sends it.
    pub fn form(self, fields: &[(&str, &str)]) -> Self {
        self.header("accept", HTML).body("application/x-www-form-urlencoded", form(fields))
    }

    /// From another address.
    pub fn from(mut self, peer: &str) -> Self {
        self.peer = peer.parse().unwrap();
        self
    }

    /// Sends it.
    pub async fn send(self, router: &Router) -> Answer {
        Answer::read(self.open(router).await).await
    }

    /// Sends it, and gives the answer before its body has come.
    pub async fn open(self, router: &Router) -> Response {
        let mut request =
            Request::builder().method(self.method.as_str()).uri(&self.path).body(Body::from(self.body)).unwrap();
        for (name, value) in &self.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            request.headers_mut().append(name, HeaderValue::from_bytes(value).unwrap());
        }
        request.extensions_mut().insert(Peer(self.peer));
        router.clone().oneshot(request).await.unwrap()
    }
}

/// Fields as `application/x-www-form-urlencoded`.
pub fn form(fields: &[(&str, &str)]) -> String {
    Serializer::new(String::new()).extend_pairs(fields).finish()
}
