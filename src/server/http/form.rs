//! Forms as browsers post them.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use url::form_urlencoded;

use super::{Web, page};

/// The fields of a form (`application/x-www-form-urlencoded`); names may repeat.
#[derive(Debug, Default)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// From a query or a body.
    pub fn parse(encoded: &[u8]) -> Self {
        Self(form_urlencoded::parse(encoded).into_owned().collect())
    }

    /// Every field, in its order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The first value of a field; empty where there is none.
    pub fn get(&self, name: &str) -> String {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.clone()).unwrap_or_default()
    }

    /// All values of a field.
    pub fn all(&self, name: &str) -> Vec<String> {
        self.0.iter().filter(|(found, _)| found == name).map(|(_, value)| value.clone()).collect()
    }
}

impl FromRequest<Web> for Fields {
    type Rejection = Response;

    async fn from_request(request: Request, web: &Web) -> Result<Self, Response> {
        if !is_form(request.headers()) {
            return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response());
        }
        let id = page::request_id(request.extensions());
        match Bytes::from_request(request, web).await {
            Ok(bytes) => Ok(Self::parse(&bytes)),
            Err(rejection) => {
                let (title, advice) = if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
                    (
                        "The form is too large",
                        "What you sent is more than this form takes. Please go back and shorten it.",
                    )
                } else {
                    (
                        "The form did not arrive",
                        "Only a part of what you sent arrived. Nothing has changed; please try again.",
                    )
                };
                Err(page::error(web, None, rejection.status(), title, advice, id).await)
            }
        }
    }
}

/// Whether a request says that it brings a form; names of media types have no case (RFC 9110, section 8.3.1).
pub(super) fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}
