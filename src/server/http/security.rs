//! What stands around every page: request ids, the origin check, security headers, and the last line against panics.

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument as _;

use super::problem::{Problem, Slug};
use super::{Peer, Web, page, proxy};
use crate::domain::audit::{Origin, USER_AGENT_MAX};
use crate::domain::entropy;
use crate::domain::text::sanitised;
use crate::server::config::PublicUrl;
use crate::server::keys::hex;

/// The header that names a request.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Puts the layers around the routes of the site.
pub(super) fn guard(routes: Router<Web>, web: &Web) -> Router<Web> {
    routes
        .layer(middleware::from_fn_with_state(web.clone(), require_same_origin))
        .layer(CatchPanicLayer::custom(|_: Box<dyn std::any::Any + Send>| {
            tracing::error!("a request ended in a panic");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }))
        .layer(middleware::from_fn_with_state(web.clone(), response_headers))
        .layer(middleware::from_fn_with_state(web.clone(), identify_request))
}

/// Gives the request a name and notes where it comes from, for logs, audit events and error pages.
async fn identify_request(State(web): State<Web>, mut request: Request, next: Next) -> Response {
    let id = hex(&entropy::bytes::<8>(&*web.entropy));
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
    let headers = request.headers();
    let origin = Origin {
        request_id: Some(id.clone()),
        ip: peer.map(|peer| proxy::client_address(peer, headers, &web.trusted_proxies)),
        peer_ip: peer,
        user_agent: user_agent(headers),
        ..Origin::default()
    };
    // The route and not the path: somebody may have pasted a token there.
    let route = request.extensions().get::<MatchedPath>().map_or("-", MatchedPath::as_str).to_owned();
    let span = tracing::info_span!("request", id, method = %request.method(), route);
    request.extensions_mut().insert(origin);
    let mut response = next.run(request).instrument(span.clone()).await;
    let status = response.status().as_u16();
    web.metrics.count_request(status);
    span.in_scope(|| tracing::info!(status, "answered"));
    if let Ok(value) = HeaderValue::try_from(id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// What a client says of itself, as it may stand in events.
pub(super) fn user_agent(headers: &HeaderMap) -> Option<String> {
    let agent = headers.get(header::USER_AGENT)?;
    Some(sanitised(&String::from_utf8_lossy(agent.as_bytes()), USER_AGENT_MAX))
}

/// Changes are taken only from our own pages: a browser sends its cookies along with what other sites make it send.
async fn require_same_origin(State(web): State<Web>, request: Request, next: Next) -> Response {
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let with_cookie = request.headers().contains_key(header::COOKIE);
    if safe || !with_cookie || is_same_origin(request.headers(), &web.public_url) {
        return next.run(request).await;
    }
    tracing::warn!("a change from another site was refused");
    if page::wants_json(request.uri().path()) {
        Problem::new(Slug::CrossSite).respond(&web)
    } else {
        let (slug, id) = (Slug::CrossSite, page::request_id(request.extensions()));
        page::error(&web, None, slug.status(), slug.title(), slug.text(), id).await
    }
}

/// Fetch metadata decides alone when a browser sends it; older browsers send `Origin` with every form.
fn is_same_origin(headers: &HeaderMap, public_url: &PublicUrl) -> bool {
    match headers.get("sec-fetch-site") {
        Some(site) => site == "same-origin",
        None => headers.get(header::ORIGIN).is_some_and(|origin| origin == public_url.as_str()),
    }
}

/// Headers of every answer. A page brings its own content security policy; everything else gets the strictest.
async fn response_headers(State(web): State<Web>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let mut default = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    default(header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'");
    default(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    default(header::REFERRER_POLICY, "same-origin");
    default(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    default(header::CACHE_CONTROL, "no-store");
    if web.public_url.is_https() {
        default(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_pages_pass_the_origin_check() {
        let public_url = PublicUrl::parse("https://tokens.example.org").unwrap();
        let own = "https://tokens.example.org";
        let table: [(&[(&'static str, &str)], bool); 10] = [
            (&[("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "same-site"), ("origin", own)], false),
            (&[("sec-fetch-site", "cross-site"), ("origin", own)], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("origin", own)], true),
            (&[("origin", "null")], false),
            (&[("origin", "http://tokens.example.org")], false),
            (&[("origin", "https://tokens.example.org.evil.example")], false),
            (&[("origin", "https://tokens.example.org:8443")], false),
            (&[], false),
        ];
        for (headers, passes) in table {
            let map = headers.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
            assert_eq!(is_same_origin(&map.collect(), &public_url), passes, "{headers:?}");
        }
    }
}
