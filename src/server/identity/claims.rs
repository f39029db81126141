//! From claims to a profile.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{LoginError, Refused};
use crate::domain::text::sanitised;
use crate::domain::user::{Attributes, Profile};
use crate::server::config::OidcConfig;

/// Longest user name that is kept, in characters.
const USERNAME_MAX: usize = 200;
/// Longest e-mail address (RFC 5321).
const EMAIL_MAX: usize = 320;
/// Longest role or attribute value that is kept, in characters.
const VALUE_MAX: usize = 200;

/// All claims about a person, from the ID token and the userinfo endpoint.
pub type Claims = Map<String, Value>;

/// Judges who may log in and makes the profile.
///
/// # Errors
/// When the groups are missing because there are too many, or the person may not log in.
pub fn profile(claims: &Claims, config: &OidcConfig) -> Result<Profile, LoginError> {
    let username = username(claims);
    if has_group_overage(claims, &config.roles_claim) {
        return Err(LoginError::TooManyGroups { who: refused(claims, username) });
    }
    let roles = strings_at(claims, &config.roles_claim);
    let not_allowed = |reason| Err(LoginError::NotAllowed { who: refused(claims, username.clone()), reason });
    if !config.required_roles.is_empty() && config.required_roles.is_disjoint(&roles) {
        return not_allowed("required_roles");
    }
    let holds = |(path, wanted): &(String, String)| strings_at(claims, path).contains(wanted);
    if !config.required_claims.iter().all(holds) {
        return not_allowed("required_claims");
    }
    Ok(Profile {
        email: email(claims, config.email_trusted),
        roles: roles.into_iter().map(|role| format!("{}{role}", config.role_prefix)).collect(),
        attributes: attributes(claims, &config.attribute_claims),
        username,
    })
}

fn username(claims: &Claims) -> String {
    let names = ["preferred_username", "name", "email", "sub"];
    let name = names.iter().find_map(|claim| claims.get(*claim)?.as_str().filter(|name| !name.trim().is_empty()));
    sanitised(name.unwrap_or("unknown").trim(), USERNAME_MAX)
}

fn email(claims: &Claims, trusted: bool) -> Option<String> {
    let verified = claims.get("email_verified").is_some_and(|value| *value == true || *value == "true");
    let email =
        claims.get("email")?.as_str().filter(|email| !email.is_empty() && email.chars().count() <= EMAIL_MAX)?;
    (trusted || verified).then(|| sanitised(email, EMAIL_MAX))
}

fn refused(claims: &Claims, username: String) -> Refused {
    let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default();
    Refused { username, subject: subject.to_owned() }
}

fn attributes(claims: &Claims, paths: &[String]) -> Attributes {
    let found = paths.iter().map(|path| (path.clone(), strings_at(claims, path)));
    found.filter(|(_, values)| !values.is_empty()).collect()
}

/// The value at a path such as `realm_access.roles`. A claim whose own name has dots (`https://example.org/roles`)
/// wins over the path.
fn value_at<'c>(claims: &'c Claims, path: &str) -> Option<&'c Value> {
    if let Some(value) = claims.get(path) {
        return Some(value);
    }
    let (first, rest) = path.split_once('.')?;
    value_at(claims.get(first)?.as_object()?, rest)
}

/// The texts of a claim: one, or several as an array; numbers and truth values as they are written.
fn strings_at(claims: &Claims, path: &str) -> BTreeSet<String> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(sanitised(text, VALUE_MAX)),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    };
    match value_at(claims, path) {
        Some(Value::Array(values)) => values.iter().filter_map(text).filter(|text| !text.is_empty()).collect(),
        Some(value) => text(value).filter(|text| !text.is_empty()).into_iter().collect(),
        None => BTreeSet::new(),
    }
}

/// Whether the provider says that the groups are elsewhere: as a distributed claim (OpenID Connect Core, section
/// 5.6.2), or by `hasgroups`.
fn has_group_overage(claims: &Claims, roles_claim: &str) -> bool {
    let top = roles_claim.split('.').next().unwrap_or(roles_claim);
    let elsewhere = claims.get("_claim_names").and_then(Value::as_object);
    let distributed = elsewhere.is_some_and(|names| names.contains_key(roles_claim) || names.contains_key(top));
    let hidden = claims.get("hasgroups").is_some_and(|value| *value == true || *value == "true");
    distributed || (hidden && value_at(claims, roles_claim).is_none())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::server::config::AccessTokensConfig;

    fn config(edit: impl FnOnce(&mut OidcConfig)) -> OidcConfig {
        let mut config = OidcConfig {
            name: "main".to_owned(),
            issuer: String::new(),
            client_id: String::new(),
            client_secret: None,
            scopes: Vec::new(),
            roles_claim: "groups".to_owned(),
            attribute_claims: Vec::new(),
            email_trusted: false,
            required_roles: BTreeSet::new(),
            required_claims: Vec::new(),
            role_prefix: String::new(),
            access_tokens: AccessTokensConfig::default(),
        };
        edit(&mut config);
        config
    }

    fn judged(claims: Value, edit: impl FnOnce(&mut OidcConfig)) -> Result<Profile, LoginError> {
        profile(claims.as_object().unwrap(), &config(edit))
    }

    fn texts(values: &[&str]) -> BTreeSet<String> {
        values.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn roles_come_from_a_string_an_array_or_a_path() {
        for (claims, path) in [
            (json!({"groups": "staff"}), "groups"),
            (json!({"groups": ["staff"]}), "groups"),
            (json!({"realm_access": {"roles": ["staff", null, {}]}}), "realm_access.roles"),
            (json!({"https://example.org/roles": ["staff"]}), "https://example.org/roles"),
        ] {
            let profile = judged(claims, |config| config.roles_claim = path.to_owned()).unwrap();
            assert_eq!(profile.roles, texts(&["staff"]));
        }
    }

    #[test]
    fn roles_of_a_provider_get_its_prefix() {
        let claims = json!({"groups": ["staff"]});
        let edit = |config: &mut OidcConfig| {
            config.role_prefix = "corp:".to_owned();
            config.required_roles = texts(&["staff"]);
        };
        assert_eq!(judged(claims, edit).unwrap().roles, texts(&["corp:staff"]));
    }

    #[test]
    fn only_people_with_a_required_role_and_all_required_claims_may_log_in() {
        let claims = json!({"preferred_username": "eve", "groups": ["guests"], "hd": "example.org"});
        let who = Refused { username: "eve".to_owned(), subject: String::new() };
        let refused = |reason| Err(LoginError::NotAllowed { who: who.clone(), reason });
        let by_role = judged(claims.clone(), |config| config.required_roles = texts(&["staff", "boss"]));
        assert_eq!(by_role, refused("required_roles"));
        let hd = |value: &str| vec![("hd".to_owned(), value.to_owned())];
        assert_eq!(
            judged(claims.clone(), |config| config.required_claims = hd("other.org")),
            refused("required_claims")
        );
        assert!(judged(claims, |config| config.required_claims = hd("example.org")).is_ok());
    }

    #[test]
    fn groups_left_out_for_their_number_are_not_no_groups() {
        for claims in [
            json!({"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {}}}),
            json!({"hasgroups": true}),
            json!({"hasgroups": "true"}),
        ] {
            assert!(matches!(judged(claims, |_| {}), Err(LoginError::TooManyGroups { .. })));
        }
    }

    #[test]
    fn email_is_kept_only_when_verified_or_trusted() {
        let mail = |claims: Value, trusted| judged(claims, |config| config.email_trusted = trusted).unwrap().email;
        assert_eq!(mail(json!({"email": "a@example.org"}), false), None);
        assert_eq!(mail(json!({"email": "a@example.org", "email_verified": false}), false), None);
        let kept = Some("a@example.org".to_owned());
        assert_eq!(mail(json!({"email": "a@example.org", "email_verified": true}), false), kept);
        assert_eq!(mail(json!({"email": "a@example.org"}), true), kept);
    }

    #[test]
    fn names_from_outside_cannot_disguise_themselves() {
        let profile = judged(json!({"preferred_username": "al\u{202E}ice\n"}), |_| {}).unwrap();
        assert_eq!(profile.username, "al\u{FFFD}ice");
        assert_eq!(judged(json!({"preferred_username": " ", "sub": "s"}), |_| {}).unwrap().username, "s");
    }
}
