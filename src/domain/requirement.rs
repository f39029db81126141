//! What a protected place asks of a credential: scopes, roles, attributes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use thiserror::Error;

use super::scope::{ScopeName, ScopeSet};
use super::user::Attributes;

/// The requirements of one place, as its proxy states them. Empty means: any good credential.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requirement {
    scopes: BTreeSet<String>,
    roles: BTreeSet<String>,
    attributes: BTreeMap<String, Wanted>,
}

/// What an attribute must be.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wanted {
    Present,
    OneOf(BTreeSet<String>),
}

/// A requirement without content, which would silently ask for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the requirement \"{0}\" is empty")]
pub struct EmptyRequirement(pub &'static str);

/// A good credential that lacks something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insufficient {
    /// Not all scopes.
    Scope,
    /// None of the roles.
    Role,
    /// An attribute is missing or has none of the wanted values.
    Attribute,
}

impl Insufficient {
    /// The reason's lasting name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scope => "scope",
            Self::Role => "role",
            Self::Attribute => "attribute",
        }
    }
}

impl Requirement {
    /// Adds scopes, separated by spaces. All that are ever added are needed.
    ///
    /// # Errors
    /// When there is none in the text.
    pub fn require_scopes(&mut self, text: &str) -> Result<(), EmptyRequirement> {
        if text.trim_ascii().is_empty() {
            return Err(EmptyRequirement("scope"));
        }
        self.scopes.extend(text.split_ascii_whitespace().map(str::to_owned));
        Ok(())
    }

    /// Adds a role. Any one of those added suffices.
    ///
    /// # Errors
    /// When it is empty.
    pub fn require_role(&mut self, role: &str) -> Result<(), EmptyRequirement> {
        if role.trim().is_empty() {
            return Err(EmptyRequirement("role"));
        }
        self.roles.insert(role.to_owned());
        Ok(())
    }

    /// Adds `name:value` (any of the values of one name suffices; every name is needed) or `name` (any value).
    ///
    /// # Errors
    /// When name or value is empty.
    pub fn require_attribute(&mut self, text: &str) -> Result<(), EmptyRequirement> {
        let (name, value) = match text.split_once(':') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        if name.trim().is_empty() || value.is_some_and(|value| value.trim().is_empty()) {
            return Err(EmptyRequirement("attribute"));
        }
        let wanted = self.attributes.entry(name.to_owned()).or_insert(Wanted::Present);
        match (wanted, value) {
            (_, None) => {}
            (Wanted::OneOf(values), Some(value)) => {
                values.insert(value.to_owned());
            }
            (wanted @ Wanted::Present, Some(value)) => *wanted = Wanted::OneOf(BTreeSet::from([value.to_owned()])),
        }
        Ok(())
    }

    /// Whether the effective scopes, roles and attributes of an owner meet every requirement.
    ///
    /// # Errors
    /// With the first kind of requirement that is not met.
    pub fn admit(
        &self,
        scopes: &ScopeSet,
        roles: &BTreeSet<String>,
        attributes: &Attributes,
    ) -> Result<(), Insufficient> {
        if !self.scopes.iter().all(|name| scopes.contains(name)) {
            return Err(Insufficient::Scope);
        }
        if !self.roles.is_empty() && self.roles.is_disjoint(roles) {
            return Err(Insufficient::Role);
        }
        let has_attribute = |(name, wanted): (&String, &Wanted)| match (attributes.get(name), wanted) {
            (None, _) => false,
            (Some(values), Wanted::Present) => !values.is_empty(),
            (Some(values), Wanted::OneOf(wanted)) => !wanted.is_disjoint(values),
        };
        if self.attributes.iter().all(has_attribute) { Ok(()) } else { Err(Insufficient::Attribute) }
    }

    /// The required scopes as the `scope` of a challenge (RFC 6750, section 3); names that are no scope tokens are left
    /// out, because they could not be written there.
    #[must_use]
    pub fn challenge_scope(&self) -> String {
        self.scopes.iter().filter_map(|name| ScopeName::parse(name).ok()).collect::<ScopeSet>().to_string()
    }
}

/// As a query asks for it.
impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scopes = self.scopes.iter().map(|name| format!("scope={name}"));
        let roles = self.roles.iter().map(|role| format!("role={role}"));
        let attributes = self.attributes.iter().flat_map(|(name, wanted)| match wanted {
            Wanted::Present => vec![format!("attribute={name}")],
            Wanted::OneOf(values) => values.iter().map(|value| format!("attribute={name}:{value}")).collect(),
        });
        f.write_str(&scopes.chain(roles).chain(attributes).collect::<Vec<_>>().join("&"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_requirement_is_written_as_it_is_asked_for() {
        let mut requirement = Requirement::default();
        assert_eq!(requirement.to_string(), "");
        requirement.require_scopes("b a").unwrap();
        requirement.require_role("staff").unwrap();
        requirement.require_attribute("department:it").unwrap();
        requirement.require_attribute("floor").unwrap();
        let text = "scope=a&scope=b&role=staff&attribute=department:it&attribute=floor";
        assert_eq!(requirement.to_string(), text);
    }

    fn admit(requirement: &Requirement) -> Result<(), Insufficient> {
        let scopes = ScopeSet::parse("read:users write:users").unwrap();
        let roles = BTreeSet::from(["staff".to_owned()]);
        let attributes =
            Attributes::from([("department".to_owned(), BTreeSet::from(["it".to_owned(), "hr".to_owned()]))]);
        requirement.admit(&scopes, &roles, &attributes)
    }

    fn requirement(scopes: &[&str], roles: &[&str], attributes: &[&str]) -> Requirement {
        let mut requirement = Requirement::default();
        for text in scopes {
            requirement.require_scopes(text).unwrap();
        }
        for text in roles {
            requirement.require_role(text).unwrap();
        }
        for text in attributes {
            requirement.require_attribute(text).unwrap();
        }
        requirement
    }

    #[test]
    fn all_scopes_any_role_and_every_attribute_name_are_needed() {
        type Row<'a> = (&'a [&'a str], &'a [&'a str], &'a [&'a str], Result<(), Insufficient>);
        let table: [Row<'_>; 12] = [
            (&[], &[], &[], Ok(())),
            (&["read:users write:users"], &[], &[], Ok(())),
            (&["read:users", "write:users"], &[], &[], Ok(())),
            (&["read:users other"], &[], &[], Err(Insufficient::Scope)),
            (&["not%a,scope"], &[], &[], Err(Insufficient::Scope)),
            (&[], &["boss", "staff"], &[], Ok(())),
            (&[], &["boss"], &[], Err(Insufficient::Role)),
            (&[], &[], &["department"], Ok(())),
            (&[], &[], &["department:it", "department:law"], Ok(())),
            (&[], &[], &["department", "department:law"], Err(Insufficient::Attribute)),
            (&[], &[], &["department:it", "site:paris"], Err(Insufficient::Attribute)),
            (&[], &[], &["site"], Err(Insufficient::Attribute)),
        ];
        for (scopes, roles, attributes, outcome) in table {
            assert_eq!(admit(&requirement(scopes, roles, attributes)), outcome, "{scopes:?} {roles:?} {attributes:?}");
        }
    }

    #[test]
    fn an_empty_requirement_is_an_error_and_not_a_free_pass() {
        let mut requirement = Requirement::default();
        assert!(requirement.require_scopes("").is_err());
        assert!(requirement.require_scopes("  ").is_err());
        assert!(requirement.require_role("").is_err());
        for text in ["", ":", "name:", ":value", " "] {
            assert!(requirement.require_attribute(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_challenge_names_only_what_can_be_written() {
        let requirement = requirement(&["read:users a\"b c,d"], &[], &[]);
        assert_eq!(requirement.challenge_scope(), "read:users");
    }
}
