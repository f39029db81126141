//! Who owns tokens.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::id::UserId;
use super::time::Timestamp;

/// Attributes of a user: each name with one or more values.
pub type Attributes = BTreeMap<String, BTreeSet<String>>;

/// A user as of the last login. The same person at another provider is another user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Our own stable name for (issuer, subject).
    pub id: UserId,
    /// The configured name of the login provider.
    pub provider: String,
    /// What the provider says about the person.
    pub profile: Profile,
    /// When an administrator disabled the user.
    pub disabled_at: Option<Timestamp>,
    /// The last completed login.
    pub last_login_at: Timestamp,
}

/// What a provider says about a person; replaced whole at each login.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Profile {
    /// Preferred user name, for display only: not unique and not stable.
    pub username: String,
    /// E-mail, if it was given and may be passed on.
    pub email: Option<String>,
    /// Roles, with the provider's `role_prefix` before each.
    pub roles: BTreeSet<String>,
    /// Attributes from the configured claims.
    pub attributes: Attributes,
}

/// The stable name that an OIDC provider gives to a person (OpenID Connect Core, section 5.7): the only pair that
/// identifies. E-mail never does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ExternalIdentity {
    /// `iss`
    pub issuer: String,
    /// `sub`
    pub subject: String,
}

/// Who counts as an administrator.
#[derive(Clone, Debug, Default)]
pub struct AdminRule {
    /// One of these roles …
    pub roles: BTreeSet<String>,
    /// … held through one of these login providers; through any when empty.
    pub providers: BTreeSet<String>,
}

impl AdminRule {
    /// Whether the rule holds for a user.
    #[must_use]
    pub fn admits(&self, user: &User) -> bool {
        self.trusts(&user.provider) && user.disabled_at.is_none() && !self.roles.is_disjoint(&user.profile.roles)
    }

    /// Whether somebody who came through a login provider may be an administrator.
    #[must_use]
    pub fn trusts(&self, provider: &str) -> bool {
        self.providers.is_empty() || self.providers.contains(provider)
    }
}
