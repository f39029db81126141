//! What of the configuration decides who may do what: a change of it is told in the audit log.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};

use super::{
    AccessTokensConfig, AuditConfig, CheckConfig, Config, FailureLimit, IntrospectionClientConfig, JwtConfig,
    LeakAction, LeakIntakeConfig, LeakKeyConfig, OidcConfig, SessionConfig, TokensConfig,
};
use crate::domain::lifetime::LifetimePolicy;
use crate::domain::scope::ScopeEntry;
use crate::domain::time::spoken;
use crate::domain::token::TokenPolicy;
use crate::domain::user::AdminRule;

/// Characters of a digest that tell two keys apart.
const DIGEST_LEN: usize = 16;
/// Longest value that is told as it is, in characters; of a longer one the beginning and a digest.
const TOLD_MAX: usize = 800;

/// A key of the configuration, and what it says.
type Right = (&'static str, String);

impl Config {
    /// What decides who may do what, and what is kept of it, by the key under which it is configured. No secret is in it.
    #[must_use]
    pub fn rights(&self) -> Vec<Right> {
        // Here and below every key is named, so that none is forgotten that is added later.
        let Self {
            public_url: _,
            listen: _,
            metrics_listen: _,
            grpc_listen: _,
            demo_listen: _,
            secret_key_file: _,
            trusted_proxies,
            database: _,
            oidc,
            admin: AdminRule { roles, providers },
            tokens,
            catalogue,
            check,
            jwt,
            introspection_clients,
            session: SessionConfig { idle, absolute },
            audit,
            leak_intake: LeakIntakeConfig { action, keys },
        } = self;
        let mut rights = vec![
            ("admin.roles", listed(roles.iter().cloned())),
            ("admin.providers", listed(providers.iter().cloned())),
            ("oidc", listed(oidc.iter().map(provider))),
            ("scopes", listed(catalogue.entries().map(scope))),
            ("trusted_proxies", listed(trusted_proxies.iter().map(ToString::to_string))),
            ("introspection_clients", listed(introspection_clients.iter().map(client))),
            ("leak_intake.action", if *action == LeakAction::Revoke { "revoke" } else { "notify" }.to_owned()),
            ("leak_intake.keys", listed(keys.iter().map(leak_key))),
            ("session.idle", span(Some(*idle))),
            ("session.absolute", span(Some(*absolute))),
        ];
        rights.extend(of_tokens(tokens));
        rights.extend(of_checks(check));
        rights.extend(of_jwts(jwt));
        rights.extend(of_audit(audit));
        rights.into_iter().map(|(key, value)| (key, told(value))).collect()
    }
}

fn of_tokens(config: &TokensConfig) -> [Right; 8] {
    let TokensConfig { prefix: _, accepted, policy, max_active_per_user, fresh_login } = config;
    let TokenPolicy { lifetime, idle_suspend, owner_max_login_age } = policy;
    let LifetimePolicy { default, max, allow_never } = lifetime;
    [
        ("tokens.prefixes", listed(accepted.iter().map(|prefix| prefix.as_str().to_owned()))),
        ("tokens.default_lifetime", span(Some(*default))),
        ("tokens.max_lifetime", span(Some(*max))),
        ("tokens.allow_never", allow_never.to_string()),
        ("tokens.max_active_per_user", max_active_per_user.to_string()),
        ("tokens.idle_suspend", span(*idle_suspend)),
        ("tokens.owner_max_login_age", span(*owner_max_login_age)),
        ("tokens.fresh_login", span(*fresh_login)),
    ]
}

fn of_checks(config: &CheckConfig) -> [Right; 4] {
    let CheckConfig { identity_header, basic_username, failure_limit, strict } = config;
    [
        ("check.mode", if *strict { "strict" } else { "memory" }.to_owned()),
        ("check.identity_header", identity_header.as_ref().map_or("off", |name| name.as_str()).to_owned()),
        ("check.basic_username", basic_username.to_string()),
        ("check.failure_limit", failure_limit.map_or_else(|| "off".to_owned(), limit)),
    ]
}

fn of_jwts(config: &JwtConfig) -> [Right; 4] {
    let JwtConfig { issuer, audiences, ttl, algorithm } = config;
    [
        ("jwt.issuer", issuer.clone().unwrap_or_else(|| "public_url".to_owned())),
        ("jwt.audiences", listed(audiences.all().map(ToOwned::to_owned))),
        ("jwt.ttl", span(Some(*ttl))),
        ("jwt.algorithm", algorithm.as_str().to_owned()),
    ]
}

fn of_audit(config: &AuditConfig) -> [Right; 4] {
    let AuditConfig { checkpoint_file, checkpoint_every, checkpoint_events, decision_log } = config;
    // Where it is may differ from one replica to the next.
    let file = |path: &Option<PathBuf>| if path.is_some() { "on" } else { "off" }.to_owned();
    [
        ("audit.checkpoint_file", file(checkpoint_file)),
        ("audit.checkpoint_every", span(Some(*checkpoint_every))),
        ("audit.checkpoint_events", checkpoint_events.to_string()),
        ("audit.decision_log", file(decision_log)),
    ]
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

/// With who may log in there, if not everybody, and where roles, attributes and addresses come from.
fn provider(config: &OidcConfig) -> String {
    let OidcConfig {
        name,
        issuer,
        client_id,
        client_secret,
        scopes: _,
        roles_claim,
        attribute_claims,
        email_trusted,
        required_roles,
        required_claims,
        role_prefix,
        access_tokens: accepted,
    } = config;
    let secret = if client_secret.is_some() { "with" } else { "without" };
    let claims: BTreeSet<_> = required_claims.iter().map(|(claim, value)| format!("{claim}={value}")).collect();
    let roles = format!("client {client_id} {secret} a secret; roles from {role_prefix}{roles_claim}");
    let attributes = format!("attributes from {}", attribute_claims.join(" "));
    let email = if *email_trusted { "every e-mail" } else { "verified e-mail" };
    let required = format!("required: {} {}", words(required_roles), words(&claims));
    format!("{name} = {issuer} ({roles}; {attributes}; {email}; {required}{})", access_tokens(accepted))
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
