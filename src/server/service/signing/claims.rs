//! What a JWT for an upstream says, kept short enough for a header.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::domain::id::{TokenId, UserId};
use crate::domain::user::Attributes;
use crate::domain::verdict::Grant;

/// Longest JWT in compact form, in bytes: with the other headers of the answer it has to pass through a proxy's buffer.
pub const JWT_MAX: usize = 1_500;

/// Who asks for the JWT (`client_id`; RFC 9068, section 2.2): there is no other client.
const CLIENT_ID: &str = "hallpass";

/// The claims of RFC 9068, sections 2.2 and 2.2.3, and our own.
#[derive(Clone, Debug)]
pub(super) struct Claims<'a> {
    common: Common<'a>,
    own: Own<'a>,
}

/// What all JWTs say of one owner with the same scopes, for the same audience.
#[derive(Clone, Debug, Serialize)]
struct Common<'a> {
    iss: &'a str,
    sub: UserId,
    aud: &'a str,
    client_id: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    roles: Option<&'a BTreeSet<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes: Option<&'a Attributes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preferred_username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    /// How the credential was proved (RFC 8176): the same name as in `X-Auth-Method`.
    amr: [&'static str; 1],
}

/// What tells one JWT from another.
#[derive(Clone, Debug, Serialize)]
struct Own<'a> {
    iat: i64,
    exp: i64,
    jti: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_id: Option<TokenId>,
}

/// Claims as JSON.
#[derive(Debug)]
pub(super) struct Written {
    pub json: Vec<u8>,
    /// Bytes at the beginning that are the same in all JWTs with the same [`Common`] claims: a multiple of three, so that
    /// base64 turns them into the same characters.
    pub common: usize,
    /// The names of what was left out.
    pub cut: Vec<&'static str>,
}

/// The frame of a JWT: everything but whose it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    pub issuer: &'a str,
    pub audience: &'a str,
    /// Unique name of the JWT.
    pub id: &'a str,
    /// Seconds since the Unix epoch.
    pub issued_at: i64,
    /// Seconds since the Unix epoch.
    pub expires_at: i64,
}

/// A claim that may be left out, and whether it said something.
type Cut = (&'static str, fn(&mut Common<'_>) -> bool);

/// What is left out of a JWT that is too long, in this order.
const CUTS: [Cut; 5] = [
    ("jwt.attributes", |claims| claims.attributes.take().is_some_and(|value| !value.is_empty())),
    ("jwt.roles", |claims| claims.roles.take().is_some_and(|value| !value.is_empty())),
    ("jwt.scope", |claims| claims.scope.take().is_some_and(|value| !value.is_empty())),
    ("jwt.email", |claims| claims.email.take().is_some()),
    ("jwt.preferred_username", |claims| claims.preferred_username.take().is_some()),
];

impl<'a> Claims<'a> {
    /// What a grant says. Empty lists are said too, so that they differ from what was left out.
    pub(super) fn new(frame: Frame<'a>, grant: &'a Grant) -> Self {
        let said = |text: &'a str| Some(text).filter(|text| !text.is_empty());
        let profile = &grant.profile;
        let common = Common {
            iss: frame.issuer,
            sub: grant.user,
            aud: frame.audience,
            client_id: CLIENT_ID,
            scope: Some(grant.scopes.to_string()),
            roles: Some(&profile.roles),
            attributes: Some(&profile.attributes),
            preferred_username: said(&profile.username),
            email: profile.email.as_deref().and_then(said),
            amr: [grant.method.as_str()],
        };
        let own = Own { iat: frame.issued_at, exp: frame.expires_at, jti: frame.id, token_id: grant.token };
        Self { common, own }
    }

    /// The claims as JSON for which `fits` holds, leaving out as little as possible. `None` where even the rest is too
    /// long, or where the claims cannot be written.
    pub(super) fn write(mut self, fits: impl Fn(usize) -> bool) -> Option<Written> {
        let mut cut = Vec::new();
        let mut cuts = CUTS.iter();
        loop {
            let (json, common) = self.json().ok()?;
            if fits(json.len()) {
                return Some(Written { json, common, cut });
            }
            let (name, leave_out) = cuts.next()?;
            if leave_out(&mut self.common) {
                cut.push(*name);
            }
        }
    }

    /// One object of both: first what is common, filled up with spaces to a multiple of three bytes.
    fn json(&self) -> serde_json::Result<(Vec<u8>, usize)> {
        let mut json = serde_json::to_vec(&self.common)?;
        json.pop();
        json.push(b',');
        json.resize(json.len().next_multiple_of(3), b' ');
        let common = json.len();
        json.extend_from_slice(&serde_json::to_vec(&self.own)?[1..]);
        Ok((json, common))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::domain::scope::ScopeSet;
    use crate::domain::time::Timestamp;
    use crate::domain::user::Profile;
    use crate::domain::verdict::Method;

    const FRAME: Frame<'_> =
        Frame { issuer: "https://tokens.example.org", audience: "api", id: "abc", issued_at: 100, expires_at: 160 };

    fn grant() -> Grant {
        Grant {
            method: Method::Pat,
            user: UserId::from_random([1; 16]),
            profile: Arc::new(Profile {
                username: "alice".to_owned(),
                email: Some("alice@example.org".to_owned()),
                roles: ["staff".to_owned()].into(),
                attributes: [("department".to_owned(), ["research".to_owned()].into())].into(),
            }),
            token: Some(TokenId::from_random([2; 16])),
            scopes: ScopeSet::parse("read:users write:users").unwrap().into(),
            expires_at: None,
        }
    }

    fn written(grant: &Grant, max: usize) -> (Value, Vec<&'static str>) {
        let written = Claims::new(FRAME, grant).write(|length| length <= max).unwrap();
        (serde_json::from_slice(&written.json).unwrap(), written.cut)
    }

    #[test]
    fn a_jwt_says_whose_it_is_and_what_it_allows() {
        let expected = json!({
            "iss": "https://tokens.example.org",
            "sub": "01010101-0101-4101-8101-010101010101",
            "aud": "api",
            "iat": 100,
            "exp": 160,
            "jti": "abc",
            "client_id": "hallpass",
            "scope": "read:users write:users",
            "roles": ["staff"],
            "attributes": { "department": ["research"] },
            "preferred_username": "alice",
            "email": "alice@example.org",
            "token_id": "02020202-0202-4202-8202-020202020202",
            "amr": ["pat"],
        });
        assert_eq!(written(&grant(), usize::MAX), (expected, vec![]));
    }

    #[test]
    fn what_nobody_knows_is_not_said_but_empty_lists_are() {
        let nobody = Grant { profile: Arc::default(), token: None, scopes: Arc::default(), ..grant() };
        let (claims, cut) = written(&nobody, usize::MAX);
        for unknown in ["preferred_username", "email", "token_id"] {
            assert_eq!(claims.get(unknown), None, "{unknown}");
        }
        assert_eq!((&claims["scope"], &claims["roles"], &claims["attributes"]), (&json!(""), &json!([]), &json!({})));
        assert!(cut.is_empty());
    }

    #[test]
    fn a_jwt_that_is_too_long_loses_claims_in_order_and_only_as_many_as_needed() {
        let full = Claims::new(FRAME, &grant()).write(|_| true).unwrap().json.len();
        let order = ["jwt.attributes", "jwt.roles", "jwt.scope", "jwt.email", "jwt.preferred_username"];
        let mut max = full;
        for count in 0..=order.len() {
            let (claims, cut) = written(&grant(), max);
            assert_eq!(cut, order[..count]);
            for name in order {
                let said = claims.get(name.trim_start_matches("jwt.")).is_some();
                assert_eq!(said, !cut.contains(&name), "{name} at {max}");
            }
            max = Claims::new(FRAME, &grant()).write(|length| length <= max).unwrap().json.len() - 1;
        }
        assert!(Claims::new(FRAME, &grant()).write(|length| length <= max).is_none());
    }

    #[test]
    fn jwts_for_two_tokens_of_one_owner_begin_alike_up_to_what_is_their_own() {
        for issuer in ["https://a.example", "https://ab.example", "https://abc.example"] {
            let frame = Frame { issuer, ..FRAME };
            let other = Frame { id: "another", issued_at: 999, expires_at: 1_059, ..frame };
            let other_grant = Grant { token: None, expires_at: Some(Timestamp::from_seconds(5)), ..grant() };
            let [one, two] = [(frame, grant()), (other, other_grant)]
                .map(|(frame, grant)| Claims::new(frame, &grant).write(|_| true).unwrap());
            assert_eq!(one.json[..one.common], two.json[..two.common]);
            assert_eq!(one.common % 3, 0);
            assert!(one.json[one.common..].starts_with(b"\"iat\""));
        }
    }

    #[test]
    fn leaving_out_nothing_is_not_named() {
        let bare = Grant {
            profile: Arc::new(Profile { attributes: Attributes::new(), ..(*grant().profile).clone() }),
            ..grant()
        };
        let full = Claims::new(FRAME, &bare).write(|_| true).unwrap().json.len();
        assert_eq!(written(&bare, full - 1).1, [""; 0]);
        assert_eq!(written(&bare, full - 20).1, ["jwt.roles"]);
    }
}
