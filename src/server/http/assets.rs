//! Files of the site, carried inside the binary, compressed beforehand.

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get};
use rust_embed::{EmbeddedFile, RustEmbed};

use super::Web;
use crate::server::keys::hex;

/// What `cargo leptos build` made.
#[derive(RustEmbed)]
#[folder = "target/site"]
#[allow_missing = true]
#[exclude = "*.d.ts*"]
struct Site;

/// The routes of the files.
pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route(
            "/pkg/{*file}",
            get(|Path(file): Path<String>, headers: HeaderMap| async move { send(&format!("pkg/{file}"), &headers) }),
        )
        .route("/favicon.svg", at_the_root("favicon.svg"))
        .route("/robots.txt", at_the_root("robots.txt"))
        .route("/theme.js", at_the_root("theme.js"))
}

fn at_the_root(file: &'static str) -> MethodRouter<Web> {
    get(async move |headers: HeaderMap| send(file, &headers))
}

/// Sends a file, in the smallest encoding that the browser takes, or says that its copy is still right.
fn send(path: &str, request: &HeaderMap) -> Response {
    let Some(plain) = Site::get(path).filter(|_| !is_encoded(path)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let tag = format!("\"{}\"", hex(&plain.metadata.sha256_hash()[..16]));
    let known = request.get(header::IF_NONE_MATCH).is_some_and(|value| value.as_bytes() == tag.as_bytes());
    let (file, encoding) = smallest(path, plain, request);
    let mut response =
        if known { StatusCode::NOT_MODIFIED.into_response() } else { file.data.into_owned().into_response() };
    let headers = response.headers_mut();
    if let Some(encoding) = encoding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    let mime = mime_guess::from_path(path).first_or_octet_stream();
    for (name, value) in [(header::CONTENT_TYPE, mime.as_ref()), (header::ETAG, tag.as_str())] {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
    // Kept by the browser but asked for each time: names do not change with their content.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    response
}

fn is_encoded(path: &str) -> bool {
    let extension = std::path::Path::new(path).extension();
    extension.is_some_and(|extension| extension == "br" || extension == "gz")
}

fn smallest(path: &str, plain: EmbeddedFile, request: &HeaderMap) -> (EmbeddedFile, Option<&'static str>) {
    let accepted = request.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let accepts = |name: &str| accepted.split(',').any(|part| part.trim().split(';').next() == Some(name));
    for (name, ending) in [("br", "br"), ("gzip", "gz")] {
        if let Some(file) = accepts(name).then(|| Site::get(&format!("{path}.{ending}"))).flatten() {
            return (file, Some(name));
        }
    }
    (plain, None)
}
