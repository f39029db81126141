//! JSON bodies: bounded, typed, and refused with the field that is wrong.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::super::Web;
use super::super::problem::{Problem, Slug};

/// A JSON body.
pub(in crate::server::http) struct Body<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Web> for Body<T> {
    type Rejection = Response;

    async fn from_request(request: Request, web: &Web) -> Result<Self, Response> {
        if !is_json(request.headers()) {
            return Err(Problem::new(Slug::UnsupportedMediaType).respond(web));
        }
        let bytes = read(request, web).await?;
        parse(&bytes).map(Self).map_err(|problem| problem.respond(web))
    }
}

/// A JSON body that may be left out.
pub(in crate::server::http) struct OptionalBody<T>(pub T);

impl<T: DeserializeOwned + Default> FromRequest<Web> for OptionalBody<T> {
    type Rejection = Response;

    async fn from_request(request: Request, web: &Web) -> Result<Self, Response> {
        let json = is_json(request.headers());
        let bytes = read(request, web).await?;
        if bytes.is_empty() {
            Ok(Self(T::default()))
        } else if json {
            parse(&bytes).map(Self).map_err(|problem| problem.respond(web))
        } else {
            Err(Problem::new(Slug::UnsupportedMediaType).respond(web))
        }
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

async fn read(request: Request, web: &Web) -> Result<Bytes, Response> {
    Bytes::from_request(request, web).await.map_err(|rejection| {
        let slug = if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE { Slug::TooLarge } else { Slug::Malformed };
        Problem::new(slug).respond(web)
    })
}

/// The reason without the place in the text, as a sentence.
fn in_words(reason: &str) -> String {
    let reason = reason.split(" at line ").next().unwrap_or(reason).replace('`', "\"");
    format!("This cannot be accepted: {reason}.")
}

/// What is not JSON is malformed; JSON of another shape has a field that is wrong.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let text = std::str::from_utf8(bytes).map_err(not_json)?;
    serde_json::from_str::<IgnoredAny>(text).map_err(not_json)?;
    if !text.trim_start().starts_with('{') {
        return Err(Problem::new(Slug::Invalid).field("", "Please send a JSON object."));
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        Problem::new(Slug::Invalid).field(&path, &in_words(&error.into_inner().to_string()))
    })
}

fn not_json(error: impl std::fmt::Display) -> Problem {
    Problem::new(Slug::Malformed).detail(format!("The body is not JSON: {error}."))
}
