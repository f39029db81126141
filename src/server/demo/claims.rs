//! What an ID token and the user info say.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::grants::{Login, TOKEN_LIFETIME};
use super::users::DemoUser;
use crate::domain::time::Timestamp;

/// The claims about a user (OIDC Core 1.0, section 5.1).
#[derive(Serialize)]
pub struct UserClaims {
    sub: &'static str,
    preferred_username: &'static str,
    name: &'static str,
    email: &'static str,
    email_verified: bool,
    groups: &'static [&'static str],
    department: &'static str,
}

/// The claims of an ID token (OIDC Core 1.0, sections 2 and 3.1.3.6).
#[derive(Serialize)]
pub struct IdClaims<'a> {
    iss: &'a str,
    aud: &'a str,
    azp: &'a str,
    iat: i64,
    exp: i64,
    auth_time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
    at_hash: String,
    #[serde(flatten)]
    user: UserClaims,
}

impl From<&DemoUser> for UserClaims {
    fn from(user: &DemoUser) -> Self {
        Self {
            sub: user.subject,
            preferred_username: user.name,
            name: user.display_name,
            email: user.email,
            email_verified: true,
            groups: user.roles,
            department: user.department,
        }
    }
}

impl<'a> IdClaims<'a> {
    /// For that client, about that login, beside that access token.
    pub fn new(issuer: &'a str, client_id: &'a str, login: &'a Login, access_token: &str, now: Timestamp) -> Self {
        Self {
            iss: issuer,
            aud: client_id,
            azp: client_id,
            iat: now.as_seconds(),
            exp: now.plus(TOKEN_LIFETIME).as_seconds(),
            auth_time: login.at.as_seconds(),
            nonce: login.nonce.as_deref(),
            at_hash: at_hash(access_token),
            user: login.user.into(),
        }
    }
}

/// The left half of the access token's SHA-256 (OIDC Core 1.0, section 3.1.3.6).
fn at_hash(access_token: &str) -> String {
    let digest = Sha256::digest(access_token.as_bytes());
    URL_SAFE_NO_PAD.encode(&digest[..digest.len() / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_access_token_hash_is_the_one_of_the_standards_example() {
        // OIDC Core 1.0, appendix A.3.
        assert_eq!(at_hash("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"), "77QmUPtjPfzWtF2AnpK9RQ");
    }
}
