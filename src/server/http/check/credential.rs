//! Finding the credential in a request: `Authorization` with Bearer (RFC 6750) or Basic (RFC 7617), or the configured
//! header.

use std::borrow::Cow;

use axum::http::{HeaderMap, HeaderValue, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::server::config::CheckConfig;
use crate::server::credential::Presented;

/// The credential of a request; only Basic has to be decoded.
pub(in crate::server::http) enum Found<'r> {
    Nothing,
    One(Cow<'r, str>),
    Several,
    Unreadable,
}

impl Found<'_> {
    pub fn presented(&self) -> Presented<'_> {
        match self {
            Self::Nothing => Presented::Nothing,
            Self::One(credential) => Presented::One(credential),
            Self::Several => Presented::Several,
            Self::Unreadable => Presented::Unreadable,
        }
    }
}

/// Finds the credential. `is_credential` tells whether a text has the shape of one.
pub(in crate::server::http) fn find<'r>(
    headers: &'r HeaderMap,
    config: &CheckConfig,
    is_credential: impl Fn(&str) -> bool,
) -> Found<'r> {
    let mut authorization = headers.get_all(header::AUTHORIZATION).iter();
    let own = config.identity_header.as_ref().map(|name| headers.get_all(name));
    let mut own = own.iter().flat_map(http::header::GetAll::iter);
    match (authorization.next(), own.next()) {
        (None, None) => Found::Nothing,
        (Some(value), None) if authorization.next().is_none() => from_authorization(value, config, is_credential),
        (None, Some(value)) if own.next().is_none() => from_own_header(value),
        _ => Found::Several,
    }
}

fn from_own_header(value: &HeaderValue) -> Found<'_> {
    let text = value.to_str().map(str::trim).unwrap_or_default();
    if text.is_empty() { Found::Unreadable } else { Found::One(text.into()) }
}

fn from_authorization<'r>(
    value: &'r HeaderValue,
    config: &CheckConfig,
    is_credential: impl Fn(&str) -> bool,
) -> Found<'r> {
    let Some((scheme, rest)) = value.to_str().ok().and_then(|text| text.trim().split_once(' ')) else {
        return Found::Unreadable;
    };
    let rest = rest.trim_start();
    if scheme.eq_ignore_ascii_case("bearer") && !rest.is_empty() {
        // Some proxies join repeated headers with a comma: that is more than one credential.
        if rest.contains(',') { Found::Several } else { Found::One(rest.into()) }
    } else if scheme.eq_ignore_ascii_case("basic") {
        from_basic(rest, config, is_credential)
    } else {
        Found::Unreadable
    }
}

fn from_basic(encoded: &str, config: &CheckConfig, is_credential: impl Fn(&str) -> bool) -> Found<'static> {
    let decoded = STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let Some((user, password)) = decoded.as_deref().and_then(|text| text.split_once(':')) else {
        return Found::Unreadable;
    };
    if is_credential(user) && is_credential(password) {
        Found::Several
    } else if config.basic_username && matches!(password, "" | "x-oauth-basic") && !user.is_empty() {
        Found::One(user.to_owned().into())
    } else if password.is_empty() {
        Found::Unreadable
    } else {
        Found::One(password.to_owned().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(headers: &[(&'static str, &str)], config: &CheckConfig) -> String {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        match find(&map, config, |text| text.starts_with("t_")) {
            Found::Nothing => "nothing".to_owned(),
            Found::One(text) => text.into_owned(),
            Found::Several => "several".to_owned(),
            Found::Unreadable => "unreadable".to_owned(),
        }
    }

    fn basic(text: &str) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    #[test]
    fn one_credential_is_found_wherever_it_may_stand() {
        let config = CheckConfig {
            identity_header: Some("x-api-key".parse().unwrap()),
            basic_username: false,
            failure_limit: None,
            strict: false,
        };
        let table: [(&[(&'static str, &str)], &str); 14] = [
            (&[], "nothing"),
            (&[("authorization", "Bearer t_1")], "t_1"),
            (&[("authorization", "bEARER   t_1")], "t_1"),
            (&[("authorization", &basic("anybody:t_1"))], "t_1"),
            (&[("x-api-key", "t_1")], "t_1"),
            (&[("authorization", "Bearer t_1"), ("x-api-key", "t_1")], "several"),
            (&[("authorization", "Bearer t_1"), ("authorization", "Bearer t_1")], "several"),
            (&[("authorization", "Bearer t_1,Bearer t_2")], "several"),
            (&[("authorization", &basic("t_1:t_2"))], "several"),
            (&[("authorization", "Bearer")], "unreadable"),
            (&[("authorization", "Bearer \u{e9}")], "unreadable"),
            (&[("authorization", "Negotiate abc")], "unreadable"),
            (&[("authorization", "Basic !!!")], "unreadable"),
            (&[("authorization", &basic("t_1:"))], "unreadable"),
        ];
        for (headers, expected) in table {
            assert_eq!(found(headers, &config), expected, "{headers:?}");
        }
    }

    #[test]
    fn the_user_name_counts_only_where_it_is_switched_on() {
        let config = CheckConfig { identity_header: None, basic_username: true, failure_limit: None, strict: false };
        for (text, expected) in
            [("t_1:", "t_1"), ("t_1:x-oauth-basic", "t_1"), ("me:t_1", "t_1"), ("t_1:t_2", "several")]
        {
            assert_eq!(found(&[("authorization", &basic(text))], &config), expected, "{text}");
        }
    }
}
