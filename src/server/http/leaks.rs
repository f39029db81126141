//! `POST /leaks`: messages of secret scanning. The answer is the same for good, ended and unknown tokens.

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Extension, Router};

use super::Web;
use super::problem::{Problem, Slug};
use crate::domain::audit::Origin;
use crate::server::service::leaks::LeakError;

/// Longest message, in bytes.
const MESSAGE_MAX: usize = 1024 * 1024;
/// Names the key that signed a message.
const KEY: &str = "github-public-key-identifier";
/// The signature: ECDSA on P-256 with SHA-256 over the body, as ASN.1 in base64.
const SIGNATURE: &str = "github-public-key-signature";

/// The routes.
pub(super) fn routes() -> Router<Web> {
    Router::new().route("/leaks", post(take)).layer(DefaultBodyLimit::max(MESSAGE_MAX))
}

async fn take(
    State(web): State<Web>,
    Extension(origin): Extension<Origin>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let taken = web.leaks.take(header(KEY), header(SIGNATURE), &body, &origin).await;
    let Err(error) = taken else { return StatusCode::NO_CONTENT.into_response() };
    tracing::warn!(%error, ip = ?origin.ip, "a message about leaked tokens was not taken");
    if error == LeakError::Unsigned
        && let Some(Err(excess)) = origin.ip.map(|ip| web.failures.count(ip))
    {
        let mut response = Problem::new(Slug::TooManyFailures).respond(&web);
        response.headers_mut().insert(axum::http::header::RETRY_AFTER, excess.wait.into());
        return response;
    }
    let slug = match error {
        LeakError::Closed => Slug::NotFound,
        LeakError::Unsigned => Slug::Forbidden,
        LeakError::Malformed => Slug::Malformed,
        LeakError::Unavailable => Slug::Unavailable,
    };
    Problem::new(slug).detail(format!("{error}.")).respond(&web)
}
