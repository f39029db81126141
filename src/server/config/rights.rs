//! What of the configuration decides who may do what: a change of it is told in the audit log.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::{Config, OidcConfig};
use crate::domain::scope::ScopeEntry;
use crate::domain::time::spoken;

/// Longest value that is told as it is, in characters; of a longer one the beginning and a digest.
const TOLD_MAX: usize = 800;

impl Config {
    /// What decides who may do what, by the key under which it is configured. No secret is in it.
    #[must_use]
    pub fn rights(&self) -> Vec<(&'static str, String)> {
        let Self { admin, tokens, check, jwt, catalogue, .. } = self;
        let policy = &tokens.policy;
        let clients = self.introspection_clients.iter().map(|client| client.id.clone());
        let leak_keys = self.leak_intake.keys.iter().map(|key| key.id.clone());
        let rights = [
            ("admin.roles", listed(admin.roles.iter().cloned())),
            ("admin.providers", listed(admin.providers.iter().cloned())),
            ("oidc", listed(self.oidc.iter().map(provider))),
            ("scopes", listed(catalogue.entries().map(scope))),
            ("tokens.max_lifetime", span(Some(policy.lifetime.max))),
            ("tokens.allow_never", policy.lifetime.allow_never.to_string()),
            ("tokens.idle_suspend", span(policy.idle_suspend)),
            ("tokens.owner_max_login_age", span(policy.owner_max_login_age)),
            ("tokens.fresh_login", span(tokens.fresh_login)),
            ("check.mode", if check.strict { "strict" } else { "memory" }.to_owned()),
            ("jwt.audiences", listed([&jwt.audiences.default].into_iter().chain(&jwt.audiences.others).cloned())),
            ("introspection_clients", listed(clients)),
            ("leak_intake.keys", listed(leak_keys)),
        ];
        rights.map(|(key, value)| (key, told(value))).into()
    }
}

fn listed(items: impl Iterator<Item = String>) -> String {
    items.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", ")
}

fn span(span: Option<Duration>) -> String {
    span.map_or_else(|| "off".to_owned(), |span| spoken(span).unwrap_or_else(|| format!("{} s", span.as_secs())))
}

/// With who may grant it, if not everybody.
fn scope(entry: &ScopeEntry) -> String {
    if entry.roles.is_empty() { entry.name.to_string() } else { format!("{} ({})", entry.name, words(&entry.roles)) }
}

/// With who may log in there, if not everybody, and where roles come from.
fn provider(config: &OidcConfig) -> String {
    let OidcConfig { name, issuer, roles_claim, role_prefix, required_roles, required_claims, .. } = config;
    let claims: BTreeSet<_> = required_claims.iter().map(|(claim, value)| format!("{claim}={value}")).collect();
    let roles = format!("roles from {role_prefix}{roles_claim}");
    format!("{name} = {issuer} ({roles}; required: {} {})", words(required_roles), words(&claims))
}

fn words(items: &BTreeSet<String>) -> String {
    items.iter().map(String::as_str).collect::<Vec<_>>().join(" ")
}

fn told(value: String) -> String {
    if value.chars().count() <= TOLD_MAX {
        return value;
    }
    let digest = STANDARD.encode(Sha256::digest(value.as_bytes()));
    format!("{} … (SHA-256 {digest})", value.chars().take(TOLD_MAX).collect::<String>())
}
