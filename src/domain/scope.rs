//! Scopes: what a token may be used for, and who may grant it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Longest name of a scope, in bytes.
pub const SCOPE_NAME_MAX: usize = 64;
/// Most scopes that one token carries.
pub const SCOPES_MAX: usize = 100;
/// Names that begin with this are kept for Hallpass itself.
pub const RESERVED_PREFIX: &str = "hallpass:";

/// The name of a scope: a scope token of RFC 6749 (section 3.3) of at most [`SCOPE_NAME_MAX`] bytes without comma and
/// percent sign, so that it fits into lists and headers as it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ScopeName(Box<str>);

/// Not the name of a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a scope name is 1 to 64 printable ASCII characters without space, quote, backslash, comma or percent sign")]
pub struct ScopeNameError;

impl ScopeName {
    /// Parses a name.
    ///
    /// # Errors
    /// When it is not a scope token within the bounds of the type.
    pub fn parse(text: &str) -> Result<Self, ScopeNameError> {
        // scope-token = 1*( %x21 / %x23-5B / %x5D-7E )
        let allowed = |byte: u8| matches!(byte, 0x21..=0x7E) && !matches!(byte, b'"' | b'\\' | b',' | b'%');
        if text.is_empty() || text.len() > SCOPE_NAME_MAX || !text.bytes().all(allowed) {
            return Err(ScopeNameError);
        }
        Ok(Self(text.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the scope is about, for grouping: `users` of `read:users`, the whole name where there is no colon.
    #[must_use]
    pub fn resource(&self) -> &str {
        self.0.rsplit_once(':').map_or(self.as_str(), |(_, resource)| resource)
    }
}

impl TryFrom<String> for ScopeName {
    type Error = ScopeNameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<ScopeName> for String {
    fn from(name: ScopeName) -> Self {
        name.0.into_string()
    }
}

impl fmt::Display for ScopeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A set of scopes, in the order of their names. Held in one piece, because memory is full of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "BTreeSet<ScopeName>", into = "Vec<ScopeName>")]
pub struct ScopeSet(Box<[ScopeName]>);

impl ScopeSet {
    /// Parses a space-separated list (RFC 6749, section 3.3). Repetitions are merged.
    ///
    /// # Errors
    /// When a part is not the name of a scope.
    pub fn parse(text: &str) -> Result<Self, ScopeNameError> {
        text.split_ascii_whitespace().map(ScopeName::parse).collect()
    }

    /// Whether every scope of `other` is in this set.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        other.iter().all(|name| self.contains(name.as_str()))
    }

    /// What is in this set and in `other`.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.iter().filter(|name| other.contains(name.as_str())).cloned().collect()
    }

    /// Whether the scope of this name is in the set.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.0.binary_search_by(|held| held.as_str().cmp(name)).is_ok()
    }

    /// In the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &ScopeName> {
        self.0.iter()
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<BTreeSet<ScopeName>> for ScopeSet {
    fn from(names: BTreeSet<ScopeName>) -> Self {
        Self(names.into_iter().collect())
    }
}

impl From<ScopeSet> for Vec<ScopeName> {
    fn from(set: ScopeSet) -> Self {
        set.0.into_vec()
    }
}

impl FromIterator<ScopeName> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = ScopeName>>(names: I) -> Self {
        names.into_iter().collect::<BTreeSet<_>>().into()
    }
}

/// Space-separated, as RFC 6749 writes a `scope`.
impl fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(name.as_str())?;
        }
        Ok(())
    }
}

/// One scope that the organisation offers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScopeEntry {
    /// Its name.
    pub name: ScopeName,
    /// What it allows, in one line.
    pub description: String,
    /// Who may use it: owners with one of these roles; everybody when empty.
    pub roles: BTreeSet<String>,
}

impl ScopeEntry {
    fn is_open_to(&self, roles: &BTreeSet<String>) -> bool {
        self.roles.is_empty() || !self.roles.is_disjoint(roles)
    }
}

/// All scopes that the organisation offers.
#[derive(Clone, Debug, Default)]
pub struct Catalogue(BTreeMap<ScopeName, ScopeEntry>);

/// Why scopes cannot be granted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GrantError {
    /// A token without scopes would be good for nothing.
    #[error("Please choose at least one scope.")]
    None,
    /// More than [`SCOPES_MAX`].
    #[error("Please choose at most {SCOPES_MAX} scopes.")]
    TooMany,
    /// A name outside the catalogue, or one that the owner's roles do not allow: one answer for both, because what
    /// others may grant is not everybody's business.
    #[error("You cannot grant the scope \"{0}\".")]
    NotGrantable(String),
}

impl Catalogue {
    /// From the entries of the configuration; a later entry replaces an earlier one of the same name.
    #[must_use]
    pub fn new(entries: impl IntoIterator<Item = ScopeEntry>) -> Self {
        Self(entries.into_iter().map(|entry| (entry.name.clone(), entry)).collect())
    }

    /// The entry of a name.
    #[must_use]
    pub fn get(&self, name: &ScopeName) -> Option<&ScopeEntry> {
        self.0.get(name)
    }

    /// All that are offered, in the order of their names.
    pub fn entries(&self) -> impl Iterator<Item = &ScopeEntry> {
        self.0.values()
    }

    /// The names of all that are offered, in their order.
    pub fn names(&self) -> impl Iterator<Item = &ScopeName> {
        self.0.keys()
    }

    /// The entries that an owner with these roles may grant, in the order of their names.
    pub fn grantable<'a>(&'a self, roles: &'a BTreeSet<String>) -> impl Iterator<Item = &'a ScopeEntry> {
        self.0.values().filter(move |entry| entry.is_open_to(roles))
    }

    /// What is left of a token's scopes under the owner's present roles: the one rule behind every check.
    #[must_use]
    pub fn effective(&self, scopes: &ScopeSet, roles: &BTreeSet<String>) -> ScopeSet {
        scopes.iter().filter(|name| self.allows(name, roles)).cloned().collect()
    }

    /// Checks a choice of scopes by an owner with these roles.
    ///
    /// # Errors
    /// When nothing or too much was chosen, or something that the owner may not grant.
    pub fn grant<'a>(
        &self,
        chosen: impl IntoIterator<Item = &'a str>,
        roles: &BTreeSet<String>,
    ) -> Result<ScopeSet, GrantError> {
        let mut granted = BTreeSet::new();
        for text in chosen {
            let name = ScopeName::parse(text).ok().filter(|name| self.allows(name, roles));
            granted.insert(name.ok_or_else(|| GrantError::NotGrantable(super::text::sanitised(text, SCOPE_NAME_MAX)))?);
        }
        match granted.len() {
            0 => Err(GrantError::None),
            1..=SCOPES_MAX => Ok(granted.into()),
            _ => Err(GrantError::TooMany),
        }
    }

    fn allows(&self, name: &ScopeName, roles: &BTreeSet<String>) -> bool {
        self.get(name).is_some_and(|entry| entry.is_open_to(roles))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, roles: &[&str]) -> ScopeEntry {
        ScopeEntry {
            name: ScopeName::parse(name).unwrap(),
            description: String::new(),
            roles: roles.iter().map(ToString::to_string).collect(),
        }
    }

    fn catalogue() -> Catalogue {
        Catalogue::new([
            entry("read:users", &[]),
            entry("write:reports", &["staff"]),
            entry("admin:all", &["boss", "root"]),
        ])
    }

    fn roles(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn names_follow_rfc_6749_without_comma_and_percent() {
        for good in ["a", "read:users", "https://api.example.org/read", "!#$&'()*+-./", &"x".repeat(64)] {
            assert!(ScopeName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "a b", "a,b", "a%b", "a\"b", "a\\b", "é", "a\u{7f}", "a\n", &"x".repeat(65)] {
            assert!(ScopeName::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn effective_scopes_are_the_tokens_within_what_the_owner_may_use_now() {
        let scopes = ScopeSet::parse("read:users write:reports admin:all gone:scope").unwrap();
        for (held, left) in [
            (roles(&[]), "read:users"),
            (roles(&["staff"]), "read:users write:reports"),
            (roles(&["root", "staff"]), "admin:all read:users write:reports"),
        ] {
            assert_eq!(catalogue().effective(&scopes, &held).to_string(), left);
        }
    }

    #[test]
    fn granting_is_limited_to_the_catalogue_and_the_roles() {
        let staff = roles(&["staff"]);
        let grant = |chosen: &[&str]| catalogue().grant(chosen.iter().copied(), &staff);
        assert_eq!(
            grant(&["write:reports", "read:users", "read:users"]).unwrap().to_string(),
            "read:users write:reports"
        );
        assert_eq!(grant(&[]), Err(GrantError::None));
        assert_eq!(grant(&["read:users"; 101]).unwrap().len(), 1);
        for refused in ["admin:all", "unknown", "", "a b"] {
            assert_eq!(grant(&[refused]), Err(GrantError::NotGrantable(refused.to_owned())));
        }
    }

    #[test]
    fn a_token_carries_at_most_a_hundred_scopes() {
        let names: Vec<_> = (0..=SCOPES_MAX).map(|number| format!("s{number}")).collect();
        let catalogue = Catalogue::new(names.iter().map(|name| entry(name, &[])));
        let grant = |count| catalogue.grant(names.iter().take(count).map(String::as_str), &roles(&[]));
        assert_eq!(grant(SCOPES_MAX).unwrap().len(), SCOPES_MAX);
        assert_eq!(grant(SCOPES_MAX + 1), Err(GrantError::TooMany));
    }

    #[test]
    fn a_scope_is_grouped_by_the_resource_after_its_last_colon() {
        for (name, resource) in [("read:users", "users"), ("org:read:users", "users"), ("everything", "everything")] {
            assert_eq!(ScopeName::parse(name).unwrap().resource(), resource);
        }
    }
}
