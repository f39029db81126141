//! What of the configuration decides who may do what: a change of it is told in the audit log.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};

use super::{
    AccessTokensConfig, Config, FailureLimit, IntrospectionClientConfig, LeakAction, LeakKeyConfig, OidcConfig,
};
use crate::domain::scope::ScopeEntry;
use crate::domain::time::spoken;

/// Characters of a digest that tell two keys apart.
const DIGEST_LEN: usize = 16;
/// Longest value that is told as it is, in characters; of a longer one the beginning and a digest.
const TOLD_MAX: usize = 800;

impl Config {
    /// What decides who may do what, by the key under which it is configured. No secret is in it.
    #[must_use]
    pub fn rights(&self) -> Vec<(&'static str, String)> {
        let Self { admin, tokens, check, jwt, catalogue, leak_intake, session, .. } = self;
        let policy = &tokens.policy;
        let rights = [
            ("admin.roles", listed(admin.roles.iter().cloned())),
            ("admin.providers", listed(admin.providers.iter().cloned())),
            ("oidc", listed(self.oidc.iter().map(provider))),
            ("scopes", listed(catalogue.entries().map(scope))),
            ("trusted_proxies", listed(self.trusted_proxies.iter().map(ToString::to_string))),
            ("tokens.prefixes", listed(tokens.accepted.iter().map(|prefix| prefix.as_str().to_owned()))),
            ("tokens.max_lifetime", span(Some(policy.lifetime.max))),
            ("tokens.allow_never", policy.lifetime.allow_never.to_string()),
            ("tokens.idle_suspend", span(policy.idle_suspend)),
            ("tokens.owner_max_login_age", span(policy.owner_max_login_age)),
            ("tokens.fresh_login", span(tokens.fresh_login)),
            ("check.mode", if check.strict { "strict" } else { "memory" }.to_owned()),
            ("check.identity_header", check.identity_header.as_ref().map_or("off", |name| name.as_str()).to_owned()),
            ("check.basic_username", check.basic_username.to_string()),
            ("check.failure_limit", check.failure_limit.map_or_else(|| "off".to_owned(), limit)),
            ("jwt.audiences", listed([&jwt.audiences.default].into_iter().chain(&jwt.audiences.others).cloned())),
            ("introspection_clients", listed(self.introspection_clients.iter().map(client))),
            (
                "leak_intake.action",
                if leak_intake.action == LeakAction::Revoke { "revoke" } else { "notify" }.to_owned(),
            ),
            ("leak_intake.keys", listed(leak_intake.keys.iter().map(leak_key))),
            ("session.idle", span(Some(session.idle))),
            ("session.absolute", span(Some(session.absolute))),
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
    let OidcConfig { name, issuer, client_id, roles_claim, role_prefix, required_roles, required_claims, .. } = config;
    let claims: BTreeSet<_> = required_claims.iter().map(|(claim, value)| format!("{claim}={value}")).collect();
    let roles = format!("client {client_id}; roles from {role_prefix}{roles_claim}");
    let required = format!("required: {} {}", words(required_roles), words(&claims));
    format!("{name} = {issuer} ({roles}; {required}{})", access_tokens(&config.access_tokens))
}

/// Which of a provider's access tokens let somebody in.
fn access_tokens(config: &AccessTokensConfig) -> String {
    if !config.any() {
        return String::new();
    }
    let AccessTokensConfig { check_audiences, api_audiences, api_clients, only_claimed_scopes, legacy } = config;
    let scopes = if *only_claimed_scopes { "claimed" } else { "by role" };
    let audiences = format!("/check {}, API {}", words(check_audiences), words(api_audiences));
    format!("; access tokens: {audiences}, clients {}, scopes {scopes}, legacy {legacy}", words(api_clients))
}

/// With what it may learn. Its secret may be exchanged under the same id, so its proof is told apart, too.
fn client(config: &IntrospectionClientConfig) -> String {
    let IntrospectionClientConfig { id, secret_hash, audiences, scopes, sends_client_ip } = config;
    let of = |text: String| if text.is_empty() { "all".to_owned() } else { text };
    let proof = digest(secret_hash.expose_secret().as_bytes());
    let (audiences, scopes) = (of(words(audiences)), of(scopes.to_string()));
    format!("{id} (audiences {audiences}; scopes {scopes}; client_ip {sends_client_ip}; secret {proof})")
}

fn leak_key(key: &LeakKeyConfig) -> String {
    format!("{} ({})", key.id, digest(&key.point))
}

fn limit(limit: FailureLimit) -> String {
    format!("{} in {}", limit.count, span(Some(limit.window)))
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

/// Tells one from another, and nothing about it.
fn digest(bytes: &[u8]) -> String {
    STANDARD.encode(Sha256::digest(bytes)).chars().take(DIGEST_LEN).collect()
}
