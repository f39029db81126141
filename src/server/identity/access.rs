//! JWT access tokens (RFC 9068) of a provider: who signed them, for whom, and what they say.
//!
//! `jku`, `x5u`, `x5c` and `jwk` in a header are never looked at: keys come from discovery alone.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use super::LoginError;
use super::discovery::Discovery;
use super::jwt_values::{NumericDate, Present, Texts};
use super::keys::{SignatureError, Signed};
use crate::domain::scope::{ScopeName, ScopeSet};
use crate::domain::time::Timestamp;

/// Longest token, in bytes.
const TOKEN_MAX: usize = 8 * 1024;
/// Longest name of a person at a provider, in bytes (OpenID Connect Core, section 2).
const SUBJECT_MAX: usize = 255;
/// How far two clocks may differ.
const LEEWAY: Duration = Duration::from_mins(1);

/// What a believed access token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken {
    /// `sub`: the person, in the provider's words.
    pub subject: String,
    /// `aud`: for which services it was made.
    pub audiences: BTreeSet<String>,
    /// `client_id` and `azp`: to whom it was given.
    pub clients: BTreeSet<String>,
    /// `scope` or `scp`, without what cannot be the name of a scope here.
    pub scopes: ScopeSet,
    /// `auth_time`: when the person proved who they are.
    pub auth_time: Option<Timestamp>,
    /// `exp`
    pub expires_at: Timestamp,
}

/// An access token that is not believed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AccessError {
    /// It is not good.
    #[error("{0}")]
    Refused(&'static str),
    /// The provider's keys are not known and cannot be had now.
    #[error("{0}")]
    Unavailable(#[from] LoginError),
}

/// An access token that was taken apart. Nothing in it is true yet.
pub struct UnverifiedToken<'t> {
    header: Header,
    claims: AccessClaims,
    signed: &'t str,
    signature: &'t str,
}

/// RFC 7515, section 4.1. A member that occurs twice is an error.
#[derive(Deserialize)]
struct Header {
    alg: String,
    typ: Option<String>,
    kid: Option<String>,
    #[serde(default)]
    crit: Present,
}

/// RFC 9068, section 2.2, and what tells other tokens apart. A claim that occurs twice is an error.
#[derive(Deserialize)]
struct AccessClaims {
    iss: String,
    sub: String,
    aud: Texts,
    exp: NumericDate,
    nbf: Option<NumericDate>,
    iat: Option<NumericDate>,
    auth_time: Option<NumericDate>,
    client_id: Option<String>,
    azp: Option<String>,
    #[serde(default)]
    scope: Texts,
    #[serde(default)]
    scp: Texts,
    #[serde(default)]
    cnf: Present,
    #[serde(default)]
    nonce: Present,
    #[serde(default)]
    at_hash: Present,
    #[serde(default)]
    c_hash: Present,
    #[serde(default)]
    events: Present,
    typ: Option<String>,
    token_use: Option<String>,
}

/// Whether a text has the shape of a signed JWT: three parts in base64url, of which the first is a header (RFC 7515,
/// section 7.1). A user name with two dots has not.
#[must_use]
pub fn is_jwt(text: &str) -> bool {
    let encoded = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_part = |part: &str| !part.is_empty() && part.bytes().all(encoded);
    let header = text.split('.').next().unwrap_or_default();
    text.split('.').count() == 3 && text.split('.').all(is_part) && decode::<Header>(header).is_some()
}

impl<'t> UnverifiedToken<'t> {
    /// Takes a token apart.
    ///
    /// # Errors
    /// When it is no JWT, or has a header that must be understood and is not.
    pub fn parse(text: &'t str) -> Result<Self, AccessError> {
        if text.len() > TOKEN_MAX {
            return Err(AccessError::Refused("it is too long"));
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(AccessError::Refused("it is no JWT"))?;
        let (header, claims) = signed.split_once('.').ok_or(AccessError::Refused("it is no JWT"))?;
        let header: Header = decode(header).ok_or(AccessError::Refused("its header cannot be read"))?;
        if header.crit.0 {
            return Err(AccessError::Refused("its header has crit"));
        }
        let claims = decode(claims).ok_or(AccessError::Refused("its claims cannot be read"))?;
        Ok(Self { header, claims, signed, signature })
    }

    /// Who it says has signed it.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.claims.iss
    }

    /// Verifies signature and claims. The caller has made sure that `discovery` is that of [`Self::issuer`].
    pub(super) async fn verify(
        self,
        discovery: &Arc<Discovery>,
        legacy: bool,
        now: Timestamp,
    ) -> Result<AccessToken, AccessError> {
        let mut outcome = discovery.ask_briefly().await?.keys.verify(&self.as_signed());
        if outcome == Err(SignatureError::UnknownKey) {
            outcome = discovery.look_for_keys_briefly().await?.keys.verify(&self.as_signed());
        }
        outcome.map_err(|error| match error {
            SignatureError::UnknownKey => AccessError::Refused("its key is not among the provider's keys"),
            SignatureError::Wrong => AccessError::Refused("its signature does not hold"),
        })?;
        self.judge(legacy, now).map_err(AccessError::Refused)
    }

    fn as_signed(&self) -> Signed<'_> {
        Signed {
            algorithm: &self.header.alg,
            key: self.header.kid.as_deref(),
            text: self.signed,
            signature: self.signature,
        }
    }

    /// Whether it is an access token at all, and good now.
    fn judge(self, legacy: bool, now: Timestamp) -> Result<AccessToken, &'static str> {
        if !(self.is_marked() || legacy && self.is_unmarked()) {
            return Err("it is not an access token");
        }
        let claims = self.claims;
        let ahead = |at: &Option<NumericDate>| at.as_ref().is_some_and(|at| at.0 > now.plus(LEEWAY));
        if now >= claims.exp.0.plus(LEEWAY) {
            return Err("it has expired");
        }
        if ahead(&claims.nbf) {
            return Err("it is not valid yet");
        }
        if ahead(&claims.iat) {
            return Err("it was issued in the future");
        }
        if ahead(&claims.auth_time) {
            return Err("its login lies in the future");
        }
        if claims.sub.is_empty() || claims.sub.len() > SUBJECT_MAX {
            return Err("its sub is empty or too long");
        }
        if claims.cnf.0 {
            return Err("it is bound to a key, whose proof is not asked for here");
        }
        Ok(claims.into())
    }

    /// RFC 9068, section 2.1.
    fn is_marked(&self) -> bool {
        self.header.typ.as_deref().is_some_and(|typ| is_one_of(typ, &["at+jwt", "application/at+jwt"]))
    }

    /// The form from before RFC 9068. What makes an ID token (OpenID Connect Core, section 3.1.3.6), a security event
    /// (RFC 8417, section 2.2) or, at some providers, another kind of token must not be there.
    fn is_unmarked(&self) -> bool {
        let claims = &self.claims;
        let plain = self.header.typ.as_deref().is_none_or(|typ| is_one_of(typ, &["JWT", "application/jwt"]));
        let foreign = [&claims.nonce, &claims.at_hash, &claims.c_hash, &claims.events].iter().any(|claim| claim.0);
        let bearer = claims.typ.as_deref().is_none_or(|typ| is_one_of(typ, &["Bearer"]));
        let access = claims.token_use.as_deref().is_none_or(|meant| meant == "access");
        plain && !foreign && bearer && access
    }
}

impl From<AccessClaims> for AccessToken {
    fn from(claims: AccessClaims) -> Self {
        let scope = if claims.scope.0.is_empty() { claims.scp } else { claims.scope };
        let names = scope.0.iter().flat_map(|text| text.split_ascii_whitespace());
        Self {
            scopes: names.filter_map(|name| ScopeName::parse(name).ok()).collect(),
            subject: claims.sub,
            audiences: claims.aud.0.into_iter().collect(),
            clients: claims.client_id.into_iter().chain(claims.azp).collect(),
            auth_time: claims.auth_time.map(|at| at.0),
            expires_at: claims.exp.0,
        }
    }
}

/// A JSON object in base64url. Nothing else will do, although an array could be read as one.
fn decode<T: DeserializeOwned>(part: &str) -> Option<T> {
    let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
    serde_json::from_slice(&bytes).ok().filter(|_| bytes.trim_ascii_start().starts_with(b"{"))
}

fn is_one_of(text: &str, names: &[&str]) -> bool {
    names.iter().any(|name| text.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_three_parts_with_a_header_have_the_shape_of_a_jwt() {
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256"}"#);
        assert!(is_jwt(&format!("{header}.e30.c2ln")));
        let array = URL_SAFE_NO_PAD.encode(r#"["ES256","at+jwt",null]"#);
        for other in [
            "john.f.kennedy".to_owned(),
            "..".to_owned(),
            String::new(),
            header.clone(),
            format!("{header}.e30"),
            format!("{header}.e30."),
            format!("{header}..c2ln"),
            format!("{header}.e30.c2ln."),
            format!("{header}.e30.c2ln.x"),
            format!("{header}=.e30.c2ln"),
            format!("{header}.e+0.c2ln"),
            format!("{array}.e30.c2ln"),
            format!("{}.e30.c2ln", URL_SAFE_NO_PAD.encode("{}")),
            format!("{}.e30.c2ln", URL_SAFE_NO_PAD.encode("ES256")),
        ] {
            assert!(!is_jwt(&other), "{other}");
        }
    }
}
