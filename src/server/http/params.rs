//! Parameters of addresses, with our own answers to those that cannot be read.

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use axum::response::Response;
use serde::de::DeserializeOwned;

use super::problem::{Problem, Slug};
use super::{Web, page};

/// What stands against a field with a NUL: no text has one, and not every database takes one.
pub(super) const NUL_REFUSED: &str = "Please leave out the character NUL.";

/// The parameters of a query.
pub(super) struct Params<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<Web> for Params<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Response> {
        let has_nul = parts.uri.query().is_some_and(|query| query.contains("%00"));
        if let (false, Ok(Query(params))) = (has_nul, Query::try_from_uri(&parts.uri)) {
            return Ok(Self(params));
        }
        let slug = Slug::Malformed;
        if page::wants_json(parts.uri.path()) {
            return Err(Problem::new(slug)
                .detail("The query cannot be read. Please give each parameter once.")
                .respond(web));
        }
        let advice = "The address has parameters that cannot be read. Please start again from the home page.";
        Err(page::error(web, None, slug.status(), slug.title(), advice, page::request_id(&parts.extensions)).await)
    }
}

/// An id in a path of the API; what cannot be read is the id of nothing.
pub(super) struct PathId(pub String);

impl FromRequestParts<Web> for PathId {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Response> {
        let path = Path::<String>::from_request_parts(parts, web).await;
        path.map(|Path(id)| Self(id)).map_err(|_| Problem::new(Slug::NotFound).respond(web))
    }
}
