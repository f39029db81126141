//! The parameters of a request, wherever it carries them.

use axum::extract::rejection::RawFormRejection;
use axum::extract::{FromRequest, RawForm, Request};

/// The query of a GET or the form of a POST (OIDC Core 1.0, section 3.1.2.1).
#[derive(Debug, Default)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// Reads `application/x-www-form-urlencoded` text. An empty value counts as absent (RFC 6749, section 3.1).
    pub fn parse(text: &[u8]) -> Self {
        let pairs = url::form_urlencoded::parse(text).into_owned();
        Self(pairs.filter(|(_, value)| !value.is_empty()).collect())
    }

    /// The first value of that name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    /// Whether a name occurs twice, which RFC 6749, section 3.1, forbids.
    pub fn any_repeated(&self) -> bool {
        let names = self.0.iter().map(|(name, _)| name);
        names.clone().enumerate().any(|(at, name)| names.clone().skip(at + 1).any(|other| other == name))
    }

    /// Names and values in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl<S: Send + Sync> FromRequest<S> for Params {
    type Rejection = RawFormRejection;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let RawForm(text) = RawForm::from_request(request, state).await?;
        Ok(Self::parse(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded_and_empty_ones_are_absent() {
        let params = Params::parse(b"state=a+b%26c&nonce=");
        assert_eq!((params.get("state"), params.get("nonce")), (Some("a b&c"), None));
    }

    #[test]
    fn a_repeated_name_is_noticed() {
        assert!(Params::parse(b"a=1&b=2&a=1").any_repeated());
        assert!(!Params::parse(b"a=1&b=2").any_repeated());
    }
}
