//! `/check`: may this request pass? Any method; the body is never read; cookies mean nothing here.

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use url::form_urlencoded;

use super::problem::{Problem, Slug};
use super::{Peer, Web, credential, identity_headers, proxy};
use crate::domain::requirement::Requirement;
use crate::domain::verdict::{Denial, Grant};
use crate::server::credential::Presented;
use crate::server::telemetry;

/// The audience that is always possible.
const DEFAULT_AUDIENCE: &str = "hallpass";

/// Decides about a request.
pub(super) async fn check(
    State(web): State<Web>,
    Extension(Peer(peer)): Extension<Peer>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let started = telemetry::now();
    let requirement = match requirement(query.as_deref().unwrap_or_default()) {
        Ok(requirement) => requirement,
        Err(mistake) => {
            tracing::warn!(%mistake, "a proxy asks /check for something that cannot be; its requests are refused");
            web.metrics.count_check("none", "misconfigured", started);
            return misconfigured(&web, &mistake);
        }
    };
    let found = credential::find(&headers, &web.check, |text| web.validator.owner_of(text).is_some());
    let presented = found.presented();
    let method = method_name(&web, presented);
    let ip = proxy::client_address(peer, &headers, &web.trusted_proxies);
    match web.validator.check(presented, &requirement, Some(ip)).await {
        Ok(grant) => {
            web.metrics.count_check(method, "allowed", started);
            allowed(&grant)
        }
        Err(denial) => {
            web.metrics.count_check(method, denial.outcome(), started);
            denied(&web, &denial)
        }
    }
}

fn method_name(web: &Web, presented: Presented<'_>) -> &'static str {
    match presented {
        Presented::One(text) => web.validator.owner_of(text).map_or("none", |method| method.as_str()),
        _ => "none",
    }
}

/// What the query asks for. An unknown or empty parameter is a mistake of the operator: ignoring it would let requests
/// pass that should not.
fn requirement(query: &str) -> Result<Requirement, String> {
    let mut requirement = Requirement::default();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let outcome = match &*name {
            "scope" => requirement.require_scopes(&value),
            "role" => requirement.require_role(&value),
            "attribute" => requirement.require_attribute(&value),
            "audience" if value == DEFAULT_AUDIENCE => Ok(()),
            "audience" => return Err("the audience is not configured".to_owned()),
            _ => return Err("there is an unknown parameter".to_owned()),
        };
        outcome.map_err(|error| error.to_string())?;
    }
    Ok(requirement)
}

fn allowed(grant: &Grant) -> Response {
    let mut response = StatusCode::OK.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    identity_headers::write(headers, grant);
    response
}

/// The answer to a credential that does not pass, also for the API.
pub(super) fn denied(web: &Web, denial: &Denial) -> Response {
    match denial {
        Denial::NoCredential => challenge(web, Slug::Unauthorized, ""),
        Denial::Invalid(_) => challenge(web, Slug::InvalidToken, ", error=\"invalid_token\""),
        Denial::Insufficient { scope, .. } if scope.is_empty() => {
            challenge(web, Slug::InsufficientScope, ", error=\"insufficient_scope\"")
        }
        Denial::Insufficient { scope, .. } => {
            challenge(web, Slug::InsufficientScope, &format!(", error=\"insufficient_scope\", scope=\"{scope}\""))
        }
        Denial::AddressRefused => challenge(web, Slug::AddressRefused, ""),
        Denial::Unavailable => Problem::new(Slug::Unavailable).respond(web),
    }
}

fn misconfigured(web: &Web, mistake: &str) -> Response {
    Problem::new(Slug::Misconfigured)
        .detail(format!("The proxy asks for something that cannot be: {mistake}."))
        .respond(web)
}

/// A challenge (RFC 6750, section 3).
fn challenge(web: &Web, slug: Slug, parameters: &str) -> Response {
    let mut response = Problem::new(slug).respond(web);
    if let Ok(value) = HeaderValue::try_from(format!("Bearer realm=\"hallpass\"{parameters}")) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_requirement_is_refused_and_never_ignored() {
        for bad in
            ["scop=a", "scope=", "scope=+", "role=", "attribute=", "attribute=:x", "audience=", "audience=other", "x"]
        {
            assert!(requirement(bad).is_err(), "{bad}");
        }
        for good in ["", "scope=a+b&scope=c", "role=a&role=b&attribute=x:y&attribute=x", "audience=hallpass", "&&"] {
            assert!(requirement(good).is_ok(), "{good}");
        }
    }
}
