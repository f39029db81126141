//! Parameters in the body (RFC 6749, section 3.2): each once, empty ones as if they were left out. Those of the query
//! are not looked at, because addresses end up in logs.

use std::collections::HashMap;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use url::form_urlencoded;

use super::super::Web;
use super::super::form::is_form;
use super::error::OAuthError;

/// The parameters of a request. They hold secrets and so cannot print themselves.
pub(super) struct Form(HashMap<String, String>);

impl Form {
    fn parse(encoded: &[u8]) -> Result<Self, OAuthError> {
        let mut parameters = HashMap::new();
        for (name, value) in form_urlencoded::parse(encoded).into_owned() {
            if parameters.insert(name, value).is_some() {
                return Err(OAuthError::InvalidRequest("Please give each parameter once."));
            }
        }
        parameters.retain(|_, value| !value.is_empty());
        Ok(Self(parameters))
    }

    /// A parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A parameter that must be there; `missing` says that it is not.
    pub fn require(&self, name: &str, missing: &'static str) -> Result<&str, OAuthError> {
        self.get(name).ok_or(OAuthError::InvalidRequest(missing))
    }
}

impl FromRequest<Web> for Form {
    type Rejection = OAuthError;

    async fn from_request(request: Request, web: &Web) -> Result<Self, OAuthError> {
        if !is_form(request.headers()) {
            return Err(OAuthError::InvalidRequest("Please send a form: application/x-www-form-urlencoded."));
        }
        let body = Bytes::from_request(request, web).await.map_err(|rejection| {
            if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
                OAuthError::TooLarge
            } else {
                OAuthError::InvalidRequest("Only a part of the form arrived.")
            }
        })?;
        Self::parse(&body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_parameter_is_given_once_and_empty_ones_are_none() {
        let form = Form::parse(b"token=a%20b+c&empty=&other=1").ok().unwrap();
        assert_eq!((form.get("token"), form.get("empty"), form.get("absent")), (Some("a b c"), None, None));
        for bad in ["token=a&token=b", "token=a&token=a", "token=a&token=", "x=&x=&token=a"] {
            assert!(Form::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
