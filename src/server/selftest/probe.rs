//! Requests as a stranger would send them, and what is seen of the answers.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use thiserror::Error;
use url::Url;

/// Longest wait for a whole answer.
const TIMEOUT: Duration = Duration::from_secs(15);
/// What is looked at of an answer's body, in bytes.
const BODY_MAX: usize = 1024 * 1024;

/// No answer to look at.
#[derive(Debug, Error)]
pub(super) enum ProbeError {
    /// The network, or TLS.
    #[error("there is no answer: {}", reason(.0))]
    Request(#[from] reqwest::Error),
    /// Something that cannot be sent in a header.
    #[error("it cannot be asked: {0}")]
    Header(#[from] header::InvalidHeaderValue),
}

/// The innermost cause says what happened; the address is known.
fn reason(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// A request.
#[derive(Clone)]
pub(super) struct Ask {
    pub method: Method,
    pub url: Url,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Ask {
    pub const fn get(url: Url) -> Self {
        Self { method: Method::GET, url, headers: Vec::new() }
    }

    pub fn method(self, method: Method) -> Self {
        Self { method, ..self }
    }

    /// Adds a header, also one that is there already.
    pub fn header(mut self, name: &'static str, value: &str) -> Result<Self, ProbeError> {
        self.headers.push((HeaderName::from_static(name), HeaderValue::try_from(value)?));
        Ok(self)
    }

    pub fn bearer(self, token: &str) -> Result<Self, ProbeError> {
        self.header("authorization", &format!("Bearer {token}"))
    }
}

/// An answer.
pub(super) struct Seen {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Seen {
    /// Whether the request got through.
    pub fn passed(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// A header's text, empty where there is none.
    pub fn header(&self, name: HeaderName) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// What asks.
pub(super) struct Probe(reqwest::Client);

impl Probe {
    pub fn new() -> Result<Self, ProbeError> {
        // Where a redirect leads is something to see, not to follow with a token in hand.
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(TIMEOUT);
        Ok(Self(client.build()?))
    }

    pub async fn send(&self, ask: Ask) -> Result<Seen, ProbeError> {
        let request = self.0.request(ask.method, ask.url);
        let request = ask.headers.into_iter().fold(request, |request, (name, value)| request.header(name, value));
        let mut answer = request.send().await?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            body.extend_from_slice(&chunk);
            if body.len() > BODY_MAX {
                break;
            }
        }
        Ok(Seen {
            status: answer.status().as_u16(),
            headers: std::mem::take(answer.headers_mut()),
            body: String::from_utf8_lossy(&body).into_owned(),
        })
    }
}
