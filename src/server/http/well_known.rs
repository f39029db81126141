//! What verifiers of our JWTs fetch (RFC 8615): the published keys, and where everything is. For everybody, without
//! session and cookie.

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::Web;
use crate::server::keys::hex;

const JWKS: &str = "/.well-known/jwks.json";
const METADATA: &str = "/.well-known/oauth-authorization-server";
/// Short against the half hour for which a key is published before it signs.
const FIVE_MINUTES: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// The routes.
pub(super) fn routes() -> Router<Web> {
    Router::new().route(JWKS, get(jwks)).route(METADATA, get(metadata))
}

/// The JSON Web Key Set (RFC 7517, section 5).
async fn jwks(State(web): State<Web>, headers: HeaderMap) -> Response {
    public(&headers, "application/jwk-set+json", web.signer.published().await)
}

/// Authorization server metadata (RFC 8414, section 2). Nobody logs in here on behalf of a client, so there are no
/// response types and no authorization endpoint.
async fn metadata(State(web): State<Web>, headers: HeaderMap) -> Response {
    let at = |path: &str| web.public_url.join(path);
    let document = json!({
        "issuer": web.signer.issuer(),
        "jwks_uri": at(JWKS),
        "token_endpoint": at("/oauth/token"),
        "token_endpoint_auth_methods_supported": ["none"],
        "introspection_endpoint": at("/oauth/introspect"),
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic"],
        "revocation_endpoint": at("/oauth/revoke"),
        "revocation_endpoint_auth_methods_supported": ["none"],
        "grant_types_supported": ["urn:ietf:params:oauth:grant-type:token-exchange"],
        "response_types_supported": [],
        "service_documentation": at("/api/docs"),
    });
    public(&headers, "application/json", document.to_string())
}

/// A document that may be kept for a while, or the word that the kept one is still right (RFC 9110, section 13.1.2).
fn public(request: &HeaderMap, kind: &'static str, body: String) -> Response {
    let tag = format!("\"{}\"", hex(&Sha256::digest(&body)[..16]));
    let mut response = if is_known(request, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, kind)], body).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, FIVE_MINUTES);
    if let Ok(tag) = HeaderValue::try_from(tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

fn is_known(request: &HeaderMap, tag: &str) -> bool {
    let lists = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).map(str::trim).any(|one| one == "*" || one.trim_start_matches("W/") == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_copy_is_known_by_its_tag_in_any_list() {
        let table = [
            ("\"a\"", true),
            ("W/\"a\"", true),
            ("\"b\", \"a\"", true),
            ("*", true),
            ("\"b\"", false),
            ("a", false),
            ("", false),
        ];
        for (value, known) in table {
            let headers = HeaderMap::from_iter([(header::IF_NONE_MATCH, value.parse().unwrap())]);
            assert_eq!(is_known(&headers, "\"a\""), known, "{value}");
        }
        assert!(!is_known(&HeaderMap::new(), "\"a\""));
    }
}
