//! Who may use the API: a browser session, and for `/api/v1/self` a token.

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use axum::response::Response;

use super::super::check::Refusal;
use super::super::problem::{Problem, Slug};
use super::super::session::{self, Visitor};
use super::super::{Web, check, cookies};
use crate::domain::audit::Origin;
use crate::domain::verdict::{Denial, Grant};

/// Somebody with a browser session.
pub(in crate::server::http) struct ApiCaller(pub Visitor);

impl FromRequestParts<Web> for ApiCaller {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Response> {
        one_credential(parts, web).map_err(|problem| problem.respond(web))?;
        if has_credential(parts, web) {
            // A token never manages tokens, however good it is: a stolen one cannot make itself last.
            grant(parts, web).await?;
            return Err(Problem::new(Slug::Forbidden).respond(web));
        }
        let visitor = session::api_visitor(parts, web).await?;
        visitor.map(Self).ok_or_else(|| Refusal::of(&Denial::NoCredential).respond(web))
    }
}

/// A token that speaks for itself.
pub(in crate::server::http) struct TokenCaller {
    /// What the token is.
    pub grant: Grant,
    /// Where the request comes from.
    pub origin: Origin,
}

impl FromRequestParts<Web> for TokenCaller {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Response> {
        one_credential(parts, web).map_err(|problem| problem.respond(web))?;
        let grant = grant(parts, web).await?;
        Ok(Self { grant, origin: parts.extensions.get::<Origin>().cloned().unwrap_or_default() })
    }
}

/// A request with a session and a credential leaves open for whom it speaks.
fn one_credential(parts: &Parts, web: &Web) -> Result<(), Problem> {
    let session = cookies::get(&parts.headers, cookies::session_name(web.public_url.is_https()));
    if session.is_some() && has_credential(parts, web) { Err(Problem::new(Slug::SeveralCredentials)) } else { Ok(()) }
}

fn has_credential(parts: &Parts, web: &Web) -> bool {
    let own = web.check.identity_header.as_ref();
    parts.headers.contains_key(header::AUTHORIZATION) || own.is_some_and(|name| parts.headers.contains_key(name))
}

/// A token may look at itself and end itself from everywhere: whoever finds a leaked one is rarely where it may be used.
async fn grant(parts: &Parts, web: &Web) -> Result<Grant, Response> {
    let found = check::find(&parts.headers, &web.check, |text| web.validator.owner_of(text).is_some());
    let pass = web.validator.identify(found.presented()).await;
    pass.map(|pass| pass.grant().clone()).map_err(|denial| Refusal::of(&denial).respond(web))
}
