//! `envoy.service.auth.v3.Authorization`: the decision of `/check`, asked by gRPC.
//!
//! Requirements stand in `context_extensions`, which only the proxy's configuration fills. Path, query and all headers of
//! the request are the client's: of them, the credential and `X-Forwarded-For` are read, by the rules of `/check`.

use std::collections::HashMap;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use envoy_types::ext_authz::v3::pb::{Authorization, CheckRequest, CheckResponse};
use envoy_types::pb::envoy::service::auth::v3::attribute_context::HttpRequest;
use tonic::{Request, Response, Status};

use super::super::check::{self, Answer, Ask, Claimed, Mistake};
use super::super::{Peer, Web, proxy};
use super::answer;

/// The name of a request in the logs of both sides.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Decides about the requests of a proxy.
pub(super) struct ExtAuthz(Web);

impl ExtAuthz {
    pub const fn new(web: Web) -> Self {
        Self(web)
    }

    /// The headers of a request that the decision looks at, and the id that it has in logs.
    fn relevant_headers(&self, request: &HttpRequest) -> HeaderMap {
        let mut names = vec![header::AUTHORIZATION, proxy::FORWARDED_FOR, REQUEST_ID];
        names.extend(self.0.check.identity_header.clone());
        headers(request, &names)
    }
}

#[tonic::async_trait]
impl Authorization for ExtAuthz {
    async fn check(&self, request: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        let Some(peer) = request.extensions().get::<Peer>().copied() else {
            return Err(Status::internal("the connection has no address"));
        };
        let attributes = request.into_inner().attributes.unwrap_or_default();
        let ask = ask(&attributes.context_extensions);
        let http = attributes.request.and_then(|request| request.http).unwrap_or_default();
        let headers = self.relevant_headers(&http);
        let known = |text: &'_ str| !text.is_empty();
        let claimed = Claimed {
            host: Some(http.host.as_str()).filter(|text| known(text)),
            method: Some(http.method.as_str()).filter(|text| known(text)),
            path: Some(http.path.as_str()).filter(|text| known(text)),
        };
        let name = check::RequestName::default();
        let request = check::Request { peer, headers: &headers, name: &name, claimed };
        let answer = match check::decide(&self.0, request, ask.as_ref()).await {
            Answer::Allowed(headers) => answer::allowed(headers, self.0.check.identity_header.as_ref()),
            Answer::Denied(refusal) => answer::denied(refusal.respond(&self.0)).await,
        };
        Ok(Response::new(answer))
    }
}

/// What the proxy asks for. Unknown and empty keys are its operator's mistakes, as at `/check`. A map has each key only
/// once: `role` and `attribute`, which `/check` takes several times, are lists with commas here.
fn ask(extensions: &HashMap<String, String>) -> Result<Ask, Mistake> {
    let mut ask = Ask::default();
    for (name, value) in extensions {
        let items = match name.as_str() {
            "role" | "attribute" => value.split(',').map(str::trim).collect(),
            _ => vec![value.as_str()],
        };
        items.into_iter().try_for_each(|item| ask.add(name, item))?;
    }
    Ok(ask)
}

/// The headers with these names, from both forms that Envoy has for them: joined by commas, or raw and one by one.
fn headers(request: &HttpRequest, names: &[HeaderName]) -> HeaderMap {
    let joined = request.headers.iter().map(|(name, value)| (name, value.as_bytes()));
    let raw = request.header_map.iter().flat_map(|map| &map.headers).map(|one| {
        let value = if one.raw_value.is_empty() { one.value.as_bytes() } else { &one.raw_value };
        (&one.key, value)
    });
    let mut headers = HeaderMap::new();
    for (name, value) in joined.chain(raw) {
        let Some(name) = names.iter().find(|known| known.as_str().eq_ignore_ascii_case(name)) else { continue };
        // What cannot be read still counts as a header that is there.
        let value = HeaderValue::from_bytes(value).unwrap_or(HeaderValue::from_static(""));
        headers.append(name, value);
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extensions(pairs: &[(&str, &str)]) -> HashMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_mistyped_requirement_is_refused_and_never_ignored() {
        for bad in [
            ("scop", "a"),
            ("Scope", "a"),
            ("", ""),
            ("hallpass.scope", "a"),
            ("scope", ""),
            ("scope", " "),
            ("role", ""),
            ("role", "a,,b"),
            ("role", "a,"),
            ("attribute", ":x"),
            ("attribute", "a:b,c:"),
            ("audience", ""),
        ] {
            assert!(ask(&extensions(&[bad])).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn lists_mean_what_repeated_parameters_mean() {
        let mut expected = Ask::default();
        for (name, value) in [
            ("scope", "a b"),
            ("role", "x"),
            ("role", "y z"),
            ("attribute", "site:paris"),
            ("attribute", "site:rome"),
            ("attribute", "department"),
            ("audience", "billing"),
        ] {
            expected.add(name, value).unwrap();
        }
        let asked = extensions(&[
            ("scope", "a b"),
            ("role", "x, y z"),
            ("attribute", "site:paris,site:rome,department"),
            ("audience", "billing"),
        ]);
        assert_eq!(ask(&asked), Ok(expected));
        assert_eq!(ask(&HashMap::new()), Ok(Ask::default()));
    }
}
