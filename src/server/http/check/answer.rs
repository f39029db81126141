//! The decision as status, headers and problem: what all wire forms have in common.

use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;

use super::super::Web;
use super::super::problem::{Problem, Slug};
use crate::domain::verdict::Denial;
use crate::server::credential::passport::{Fields, field_names};
use crate::server::service::failures::Excess;

/// Challenges (RFC 6750, section 3).
const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer realm=\"hallpass\"");
const INVALID_TOKEN: HeaderValue = HeaderValue::from_static("Bearer realm=\"hallpass\", error=\"invalid_token\"");
const INSUFFICIENT_SCOPE: HeaderValue =
    HeaderValue::from_static("Bearer realm=\"hallpass\", error=\"insufficient_scope\"");

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The headers of an allowed request, in the order of [`Fields::values`].
static NAMES: LazyLock<Vec<HeaderName>> =
    LazyLock::new(|| field_names().into_iter().map(HeaderName::from_static).collect());

/// An answer before it takes a wire form.
pub(in crate::server::http) enum Answer {
    /// The request may pass, with these headers.
    Allowed(HeaderMap),
    /// It may not.
    Denied(Refusal),
}

/// A refusal.
pub(in crate::server::http) struct Refusal {
    problem: Problem,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Answer {
    /// The headers with these values.
    pub fn allowed(fields: &Fields) -> Self {
        let mut headers = HeaderMap::with_capacity(NAMES.len() + 2);
        for (name, value) in NAMES.iter().zip(fields.values()) {
            headers.insert(name, printable(value));
        }
        // The JWT is a credential: it must not show where headers are printed.
        headers.get_mut(header::AUTHORIZATION).into_iter().for_each(|value| value.set_sensitive(true));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        Self::Allowed(headers)
    }
}

/// Everything was encoded as printable ASCII; the fallback is never reached.
fn printable(value: Bytes) -> HeaderValue {
    HeaderValue::from_maybe_shared(value).unwrap_or(HeaderValue::from_static("-"))
}

impl Refusal {
    /// Of a credential that does not pass.
    pub fn of(denial: &Denial) -> Self {
        match denial {
            Denial::NoCredential => Self::challenge(Slug::Unauthorized, CHALLENGE),
            Denial::Invalid(_) => Self::challenge(Slug::InvalidToken, INVALID_TOKEN),
            Denial::Insufficient { scope, .. } if scope.is_empty() => {
                Self::challenge(Slug::InsufficientScope, INSUFFICIENT_SCOPE)
            }
            Denial::Insufficient { scope, .. } => {
                Self::challenge(Slug::InsufficientScope, naming(scope).unwrap_or(INSUFFICIENT_SCOPE))
            }
            Denial::AddressRefused => Self::challenge(Slug::AddressRefused, CHALLENGE),
            Denial::Unavailable => Self { problem: Problem::new(Slug::Unavailable), headers: Vec::new() },
        }
    }

    /// Of a question that cannot be answered.
    pub fn misconfigured(mistake: &str) -> Self {
        let detail = format!("The proxy asks for something that cannot be: {mistake}.");
        Self { problem: Problem::new(Slug::Misconfigured).detail(detail), headers: Vec::new() }
    }

    /// Of an address from which too many bad credentials came (RFC 6585, section 4; the `RateLimit` fields of
    /// draft-ietf-httpapi-ratelimit-headers).
    pub fn too_many(excess: &Excess) -> Self {
        let Excess { limit, window, wait } = excess;
        let headers = [
            (header::RETRY_AFTER, wait.to_string()),
            (RATE_LIMIT_POLICY, format!("\"refused\";q={limit};w={window}")),
            (RATE_LIMIT, format!("\"refused\";r=0;t={wait}")),
        ];
        let headers = headers.into_iter().filter_map(|(name, value)| Some((name, value.try_into().ok()?))).collect();
        Self { problem: Problem::new(Slug::TooManyFailures), headers }
    }

    fn challenge(slug: Slug, challenge: HeaderValue) -> Self {
        Self { problem: Problem::new(slug), headers: vec![(header::WWW_AUTHENTICATE, challenge)] }
    }

    /// With a problem as its body, as `/check` and the API send it.
    pub fn respond(self, web: &Web) -> Response {
        let mut response = self.problem.respond(web);
        response.headers_mut().extend(self.headers);
        response
    }

    /// For nginx, which knows no refusals but 401 and 403 and keeps a connection only where there is no body: the others
    /// arrive as 403, with their true status beside.
    pub fn respond_to_nginx(self, web: &Web) -> Response {
        let (mut parts, _) = self.respond(web).into_parts();
        let (status, headers) = (parts.status, &mut parts.headers);
        headers.remove(header::CONTENT_TYPE);
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        if !matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            headers.insert("x-check-status", HeaderValue::from(status.as_u16()));
            parts.status = StatusCode::FORBIDDEN;
        }
        Response::from_parts(parts, axum::body::Body::empty())
    }
}

/// The challenge that names the scopes which are missing (RFC 6750, section 3).
fn naming(scope: &str) -> Option<HeaderValue> {
    format!("Bearer realm=\"hallpass\", error=\"insufficient_scope\", scope=\"{scope}\"").try_into().ok()
}

/// The empty answer with these headers.
pub(super) fn pass(headers: HeaderMap) -> Response {
    let mut response = StatusCode::OK.into_response();
    *response.headers_mut() = headers;
    response
}
