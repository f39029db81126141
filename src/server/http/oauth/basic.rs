//! Client authentication: Basic (RFC 7617) with id and secret encoded like a form (RFC 6749, section 2.3.1).

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};
use url::form_urlencoded;

use super::super::Web;
use super::error::OAuthError;
use crate::server::config::IntrospectionClientConfig;
use crate::server::service::introspection::{ClientCredentials, ClientError};

/// A client that proved who it is.
pub(super) struct AuthenticatedClient(pub Arc<IntrospectionClientConfig>);

impl FromRequestParts<Web> for AuthenticatedClient {
    type Rejection = OAuthError;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, OAuthError> {
        let readings = credentials(&parts.headers).unwrap_or_default();
        let client = web.introspection.clients().authenticate(&readings).await;
        client.map(Self).map_err(|error| match error {
            ClientError::Refused => {
                tracing::info!("an introspection client was refused");
                OAuthError::InvalidClient
            }
            ClientError::Unavailable => OAuthError::Unavailable,
        })
    }
}

/// What the `Authorization` header says. Many clients do not encode, and a secret in base64 with a plus sign would
/// not survive decoding: what can be read in both ways is given in both, as the standard says first.
fn credentials(headers: &HeaderMap) -> Option<Vec<ClientCredentials>> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    let (scheme, encoded) = value.to_str().ok()?.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = SecretString::from(String::from_utf8(STANDARD.decode(encoded.trim_start()).ok()?).ok()?);
    let (id, secret) = pair.expose_secret().split_once(':')?;
    let mut readings = vec![reading(decoded(id), decoded(secret))];
    if [id, secret].iter().any(|text| text.contains(['+', '%'])) {
        readings.push(reading(id.to_owned(), secret.to_owned()));
    }
    Some(readings)
}

fn reading(id: String, secret: String) -> ClientCredentials {
    ClientCredentials { id, secret: secret.into() }
}

/// One value of a form. `&` and `=` would have been encoded; where they were not, they are part of the value.
fn decoded(text: &str) -> String {
    let value = text.replace('&', "%26").replace('=', "%3D");
    form_urlencoded::parse(value.as_bytes()).next().map(|(value, _)| value.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings(values: &[&str]) -> Vec<(String, String)> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, value.parse().unwrap());
        }
        let found = credentials(&headers).unwrap_or_default();
        found.into_iter().map(|one| (one.id, one.secret.expose_secret().to_owned())).collect()
    }

    fn of(pair: &str) -> Vec<(String, String)> {
        readings(&[&format!("Basic {}", STANDARD.encode(pair))])
    }

    fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(id, secret)| ((*id).to_owned(), (*secret).to_owned())).collect()
    }

    #[test]
    fn id_and_secret_are_read_encoded_and_as_they_stand() {
        let table: [(&str, &[(&str, &str)]); 7] = [
            ("api:s3cret", &[("api", "s3cret")]),
            ("api:a:b", &[("api", "a:b")]),
            ("api:", &[("api", "")]),
            ("api:a&b=c=", &[("api", "a&b=c=")]),
            ("api:a+b/c==", &[("api", "a b/c=="), ("api", "a+b/c==")]),
            ("api:a%2Bb%3A%C3%A9", &[("api", "a+b:é"), ("api", "a%2Bb%3A%C3%A9")]),
            (
                "https%3A%2F%2Fapi.example.org:x",
                &[("https://api.example.org", "x"), ("https%3A%2F%2Fapi.example.org", "x")],
            ),
        ];
        for (pair, expected) in table {
            assert_eq!(of(pair), owned(expected), "{pair}");
        }
    }

    #[test]
    fn everything_else_is_no_client() {
        let good = format!("Basic {}", STANDARD.encode("api:x"));
        assert_eq!(readings(&[&good.replace("Basic", "bASIC ")]).len(), 1);
        let none: [&[&str]; 8] = [
            &[],
            &[&good, &good],
            &["Basic"],
            &["Basic !!!"],
            &["Basic YXBp"],
            &["Basic /////w=="],
            &["Bearer YXBpOng="],
            &["YXBpOng="],
        ];
        for values in none {
            assert_eq!(readings(values), [], "{values:?}");
        }
    }
}
