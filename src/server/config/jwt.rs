//! `[jwt]`: what upstreams get to see.

use std::collections::BTreeSet;
use std::time::Duration;

use url::Url;

use super::raw::RawJwt;
use super::{PublicUrl, require_https_unless_loopback};
use crate::domain::lifetime::parse_duration;
use crate::domain::signing::{Algorithm, Audiences, TTL_MAX, TTL_MIN};

/// Longest issuer and longest audience, in bytes. Both are in every JWT, which has to stay short.
const ISSUER_MAX: usize = 256;
const AUDIENCE_MAX: usize = 128;

/// The JWT that upstreams get.
#[derive(Clone, Debug)]
pub struct JwtConfig {
    pub(super) issuer: Option<String>,
    /// For whom it can be.
    pub audiences: Audiences,
    /// How long it lives at most.
    pub ttl: Duration,
    /// How it is signed.
    pub algorithm: Algorithm,
}

impl JwtConfig {
    /// Our name in it: the configured one, else the public URL.
    #[must_use]
    pub fn issuer(&self, public_url: &PublicUrl) -> String {
        self.issuer.clone().unwrap_or_else(|| public_url.as_str().to_owned())
    }
}

/// Judges the section: what it means, and every key that is wrong with the reason.
pub(super) fn judge(raw: &RawJwt) -> (JwtConfig, Vec<(String, String)>) {
    let mut problems = Vec::new();
    let mut note = |key: &str, outcome: Result<(), String>| {
        if let Err(reason) = outcome {
            problems.push((format!("jwt.{key}"), reason));
        }
    };
    let issuer = Some(raw.issuer.clone()).filter(|issuer| !issuer.is_empty());
    note("issuer", issuer.as_deref().map_or(Ok(()), judge_issuer));
    note("audience", judge_audience(&raw.audience));
    let mut seen = BTreeSet::new();
    for (index, audience) in raw.audiences.iter().enumerate() {
        let repeated = if seen.insert(audience) { Ok(()) } else { Err("this audience is there twice".to_owned()) };
        note(&format!("audiences.{index}"), judge_audience(audience).and(repeated));
    }
    let ttl = judge_ttl(&raw.ttl);
    let algorithm = raw.algorithm.parse::<Algorithm>().map_err(|error| error.to_string());
    note("ttl", ttl.clone().map(drop));
    note("algorithm", algorithm.clone().map(drop));
    let config = JwtConfig {
        issuer,
        audiences: Audiences { default: raw.audience.clone(), others: raw.audiences.clone() },
        ttl: ttl.unwrap_or(TTL_MIN),
        algorithm: algorithm.unwrap_or_default(),
    };
    (config, problems)
}

/// An issuer has neither query nor fragment (RFC 8414, section 2).
fn judge_issuer(text: &str) -> Result<(), String> {
    let url = Url::parse(text).map_err(|_| "please give a URL such as \"https://tokens.example.org\"".to_owned())?;
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err("please give it without query, fragment or user".to_owned());
    }
    if text.len() > ISSUER_MAX || !text.bytes().all(is_plain) {
        return Err(format!("please use at most {ISSUER_MAX} printable ASCII characters"));
    }
    require_https_unless_loopback(&url)
}

fn judge_audience(text: &str) -> Result<(), String> {
    if text.is_empty() || text.len() > AUDIENCE_MAX || !text.bytes().all(is_plain) {
        return Err(format!(
            "please give 1 to {AUDIENCE_MAX} printable ASCII characters without space, quote and backslash"
        ));
    }
    Ok(())
}

fn judge_ttl(text: &str) -> Result<Duration, String> {
    let ttl = parse_duration(text).map_err(|error| error.to_string())?;
    let bounds = TTL_MIN..=TTL_MAX;
    if bounds.contains(&ttl) { Ok(ttl) } else { Err("please give a duration from \"5s\" to \"15m\"".to_owned()) }
}

/// What stands in JSON and in a query as it is.
const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(raw: &RawJwt) -> Vec<String> {
        judge(raw).1.into_iter().map(|(key, _)| key).collect()
    }

    #[test]
    fn the_defaults_are_good_and_name_the_public_url() {
        let (config, problems) = judge(&RawJwt::default());
        assert_eq!(problems, []);
        let public_url = PublicUrl::parse("https://tokens.example.org").unwrap();
        assert_eq!(config.issuer(&public_url), "https://tokens.example.org");
        assert_eq!((config.ttl, config.algorithm), (Duration::from_mins(1), Algorithm::Es256));
    }

    #[test]
    fn every_wrong_key_is_named() {
        let raw = RawJwt {
            issuer: "http://id.example.org".to_owned(),
            audience: String::new(),
            audiences: ["a", "b c", "a"].map(str::to_owned).to_vec(),
            ttl: "4s".to_owned(),
            algorithm: "HS256".to_owned(),
        };
        let keys = ["jwt.issuer", "jwt.audience", "jwt.audiences.1", "jwt.audiences.2", "jwt.ttl", "jwt.algorithm"];
        assert_eq!(wrong(&raw), keys);
    }

    #[test]
    fn issuers_are_https_or_loopback_and_kept_as_written() {
        let with = |issuer: &str| RawJwt { issuer: issuer.to_owned(), ..RawJwt::default() };
        let public_url = PublicUrl::parse("https://tokens.example.org").unwrap();
        for good in ["https://a.example.org/", "https://a.example.org/tokens", "http://localhost:3000"] {
            assert_eq!(wrong(&with(good)), [""; 0], "{good}");
            assert_eq!(judge(&with(good)).0.issuer(&public_url), good);
        }
        let long = format!("https://a.example.org/{}", "x".repeat(ISSUER_MAX));
        for bad in ["a", "http://a.example.org", "https://a.example.org/?x", "https://a.example.org/#x", &long] {
            assert_eq!(wrong(&with(bad)), ["jwt.issuer"], "{bad}");
        }
    }

    #[test]
    fn a_jwt_lives_from_five_seconds_to_a_quarter_of_an_hour() {
        let with = |ttl: &str| RawJwt { ttl: ttl.to_owned(), ..RawJwt::default() };
        for good in ["5s", "15m"] {
            assert_eq!(wrong(&with(good)), [""; 0], "{good}");
        }
        for bad in ["4s", "901s", "0s", "", "off"] {
            assert_eq!(wrong(&with(bad)), ["jwt.ttl"], "{bad}");
        }
    }
}
