//! What must hold of a configuration beyond its shape.

mod database;
mod introspection;
mod leaks;
mod oidc;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use figment::value::Dict;
use ipnet::IpNet;

use super::jwt::{self, JwtConfig};
use super::load::{Loaded, Problem};
use super::raw::{RawAdmin, RawScope, RawTokens};
use super::{
    AuditConfig, CheckConfig, Config, DEMO_PROVIDER, FailureLimit, PublicUrl, Purpose, SessionConfig, TokensConfig,
};
use crate::domain::lifetime::{LifetimePolicy, parse_duration};
use crate::domain::net::network;
use crate::domain::scope::{Catalogue, RESERVED_PREFIX, ScopeEntry, ScopeName};
use crate::domain::secret::Prefix;
use crate::domain::token::TokenPolicy;
use crate::domain::user::AdminRule;

/// Used in the place of a value that is wrong, so that the search for problems goes on. Never leaves this module.
const PLACEHOLDER_SPAN: Duration = Duration::from_secs(1);

/// What `--demo` sets where nobody else does.
pub(super) fn demo_preset() -> Dict {
    let text = include_str!("demo.toml");
    toml::from_str::<Dict>(text).unwrap_or_default()
}

/// Judges what was read.
pub(super) fn validate(loaded: Loaded, purpose: Purpose) -> Result<Config, Vec<Problem>> {
    let mut judge = Judge { loaded: &loaded, purpose, problems: loaded.problems.clone() };
    let config = judge.config();
    let problems = judge.problems;
    if problems.is_empty() { Ok(config) } else { Err(problems) }
}

struct Judge<'a> {
    loaded: &'a Loaded,
    purpose: Purpose,
    problems: Vec<Problem>,
}

impl Judge<'_> {
    fn problem(&mut self, key: impl Into<String>, reason: impl Into<String>) {
        let key = key.into();
        self.problems.push(Problem { line: self.loaded.line(&key), key, reason: reason.into() });
    }

    fn keep<T, E: ToString>(&mut self, key: &str, outcome: Result<T, E>) -> Option<T> {
        outcome.map_err(|error| self.problem(key, error.to_string())).ok()
    }

    fn config(&mut self) -> Config {
        let raw = &self.loaded.raw;
        let demo = self.purpose == Purpose::Demo;
        let public_url = self.public_url();
        let listen = self.address("listen", &raw.listen);
        let metrics_listen = self.optional_address("metrics_listen", &raw.metrics_listen);
        let grpc_listen = self.optional_address("grpc_listen", &raw.grpc_listen);
        let demo_listen = demo.then(|| self.address("demo.listen", &raw.demo.listen));
        if demo {
            self.only_loopback(&[
                ("listen", Some(listen)),
                ("metrics_listen", metrics_listen),
                ("grpc_listen", grpc_listen),
                ("demo.listen", demo_listen),
            ]);
        }
        Config {
            listen,
            metrics_listen,
            grpc_listen,
            demo_listen,
            secret_key_file: self.path("secret_key_file", &raw.secret_key_file),
            trusted_proxies: self.networks(),
            database: self.database(),
            oidc: self.providers(public_url.as_ref()),
            admin: self.admin(&raw.admin),
            tokens: self.tokens(&raw.tokens),
            catalogue: self.catalogue(&raw.scopes),
            check: self.check(),
            jwt: self.jwt(),
            introspection_clients: self.introspection_clients(),
            session: self.session(),
            audit: self.audit(),
            leak_intake: self.leak_intake(),
            public_url,
        }
    }

    /// What only those need who serve without presets.
    fn require(&mut self, is_there: bool, key: &str, reason: &str) {
        if !is_there && self.purpose == Purpose::Serve {
            self.problem(key, format!("required: {reason}"));
        }
    }

    fn public_url(&mut self) -> Option<PublicUrl> {
        let text = &self.loaded.raw.public_url;
        let reason = "the origin that browsers use, such as \"https://tokens.example.org\"";
        self.require(!text.is_empty(), "public_url", reason);
        if text.is_empty() {
            return None;
        }
        self.keep("public_url", PublicUrl::parse(text))
    }

    fn address(&mut self, key: &str, text: &str) -> SocketAddr {
        let parsed = text.parse().map_err(|_| "please give an address and a port, such as \"127.0.0.1:3000\"");
        self.keep(key, parsed).unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    fn optional_address(&mut self, key: &str, text: &str) -> Option<SocketAddr> {
        (!text.is_empty()).then(|| self.address(key, text))
    }

    fn only_loopback(&mut self, listeners: &[(&str, Option<SocketAddr>)]) {
        for (key, address) in listeners {
            if address.is_some_and(|address| !address.ip().is_loopback()) {
                self.problem(*key, "the demo must not be reachable from outside: please use a loopback address");
            }
        }
    }

    /// Relative paths start from the folder of the file; those of the environment from the working directory.
    fn path(&self, key: &str, text: &str) -> PathBuf {
        let from_env = self.loaded.from_env.iter().any(|name| name == key);
        if from_env { PathBuf::from(text) } else { self.loaded.base.join(text) }
    }

    fn networks(&mut self) -> Vec<IpNet> {
        let mut networks = Vec::new();
        for (index, text) in self.loaded.raw.trusted_proxies.iter().enumerate() {
            let key = format!("trusted_proxies.{index}");
            let open = "trusting every address would let anybody choose theirs; please name your proxies";
            let closed = |net: IpNet| if net.prefix_len() == 0 { Err(open.to_owned()) } else { Ok(net) };
            let parsed = network(text).map_err(|error| error.to_string()).and_then(closed);
            networks.extend(self.keep(&key, parsed));
        }
        networks
    }

    fn admin(&mut self, raw: &RawAdmin) -> AdminRule {
        let known: BTreeSet<_> =
            self.loaded.raw.oidc.iter().map(|oidc| oidc.name.as_str()).chain([DEMO_PROVIDER]).collect();
        for (index, name) in raw.providers.iter().enumerate() {
            if !known.contains(name.as_str()) {
                self.problem(
                    format!("admin.providers.{index}"),
                    format!("there is no login provider named \"{name}\""),
                );
            }
        }
        AdminRule { roles: raw.roles.iter().cloned().collect(), providers: raw.providers.iter().cloned().collect() }
    }

    fn tokens(&mut self, raw: &RawTokens) -> TokensConfig {
        let prefix = self.prefix("tokens.prefix", &raw.prefix);
        let mut accepted = vec![prefix.clone()];
        for (index, text) in raw.accepted_prefixes.iter().enumerate() {
            accepted.push(self.prefix(&format!("tokens.accepted_prefixes.{index}"), text));
        }
        let default = self.readable_span("tokens.default_lifetime", &raw.default_lifetime);
        let max = self.readable_span("tokens.max_lifetime", &raw.max_lifetime);
        if default.zip(max).is_some_and(|(default, max)| default > max) {
            self.problem("tokens.default_lifetime", "must not be longer than tokens.max_lifetime");
        }
        if raw.max_active_per_user == 0 {
            self.problem("tokens.max_active_per_user", "please give a number of at least 1");
        }
        TokensConfig {
            prefix,
            accepted,
            policy: TokenPolicy {
                lifetime: LifetimePolicy {
                    default: default.unwrap_or(PLACEHOLDER_SPAN),
                    max: max.unwrap_or(PLACEHOLDER_SPAN),
                    allow_never: raw.allow_never,
                },
                idle_suspend: self.span_or_off("tokens.idle_suspend", &raw.idle_suspend),
                owner_max_login_age: self.span_or_off("tokens.owner_max_login_age", &raw.owner_max_login_age),
            },
            max_active_per_user: raw.max_active_per_user,
            fresh_login: self.span_or_off("tokens.fresh_login", &raw.fresh_login),
        }
    }

    fn prefix(&mut self, key: &str, text: &str) -> Prefix {
        self.keep(key, text.parse()).unwrap_or_default()
    }

    fn readable_span(&mut self, key: &str, text: &str) -> Option<Duration> {
        self.keep(key, parse_duration(text))
    }

    fn span(&mut self, key: &str, text: &str) -> Duration {
        self.readable_span(key, text).unwrap_or(PLACEHOLDER_SPAN)
    }

    fn span_or_off(&mut self, key: &str, text: &str) -> Option<Duration> {
        if text == "off" { None } else { Some(self.span(key, text)) }
    }

    fn catalogue(&mut self, raw: &[RawScope]) -> Catalogue {
        self.require(!raw.is_empty(), "scopes", "at least one scope that tokens can have, [[scopes]]");
        let mut names = BTreeSet::new();
        let mut entries = Vec::new();
        for (index, scope) in raw.iter().enumerate() {
            let key = format!("scopes.{index}.name");
            if scope.name.starts_with(RESERVED_PREFIX) {
                self.problem(&key, format!("names that begin with \"{RESERVED_PREFIX}\" are reserved"));
            }
            if !names.insert(&scope.name) {
                self.problem(&key, format!("there is another scope named \"{}\"", scope.name));
            }
            let Some(name) = self.keep(&key, ScopeName::parse(&scope.name)) else { continue };
            let roles = scope.roles.iter().cloned().collect();
            entries.push(ScopeEntry { name, description: scope.description.clone(), roles });
        }
        Catalogue::new(entries)
    }

    fn check(&mut self) -> CheckConfig {
        let raw = &self.loaded.raw.check;
        let header = (!raw.identity_header.is_empty()).then(|| identity_header(&raw.identity_header));
        let identity_header = header.and_then(|header| self.keep("check.identity_header", header));
        let limit = FailureLimit::parse(&raw.failure_limit);
        let failure_limit = self.keep("check.failure_limit", limit).flatten();
        let mode = match raw.mode.as_str() {
            "memory" => Ok(false),
            "strict" => Ok(true),
            _ => Err("please give \"memory\" or \"strict\""),
        };
        let basic_username = raw.basic_username;
        let strict = self.keep("check.mode", mode).unwrap_or_default();
        CheckConfig { identity_header, basic_username, failure_limit, strict }
    }

    fn jwt(&mut self) -> JwtConfig {
        let (config, problems) = jwt::judge(&self.loaded.raw.jwt);
        for (key, reason) in problems {
            self.problem(key, reason);
        }
        config
    }

    fn audit(&mut self) -> AuditConfig {
        let raw = &self.loaded.raw.audit;
        let checkpoint_file = Some(raw.checkpoint_file.as_str()).filter(|path| !path.is_empty());
        let decision_log = Some(raw.decision_log.as_str()).filter(|path| !path.is_empty());
        let checkpoint_events = NonZeroU32::new(raw.checkpoint_events).unwrap_or_else(|| {
            self.problem("audit.checkpoint_events", "please give a number from 1");
            NonZeroU32::MIN
        });
        let raw = &self.loaded.raw.audit;
        AuditConfig {
            checkpoint_file: checkpoint_file.map(|path| self.path("audit.checkpoint_file", path)),
            checkpoint_every: self.span("audit.checkpoint_every", &raw.checkpoint_every),
            checkpoint_events,
            decision_log: decision_log.map(|path| self.path("audit.decision_log", path)),
        }
    }

    fn session(&mut self) -> SessionConfig {
        let raw = &self.loaded.raw.session;
        SessionConfig {
            idle: self.span("session.idle", &raw.idle),
            absolute: self.span("session.absolute", &raw.absolute),
        }
    }
}

fn identity_header(text: &str) -> Result<http::HeaderName, String> {
    let name: http::HeaderName =
        text.parse().map_err(|_| "please give the name of a header, such as \"X-API-Key\"".to_owned())?;
    let taken =
        name.as_str().starts_with("x-auth-") || [http::header::AUTHORIZATION, http::header::COOKIE].contains(&name);
    if taken { Err("this header has another meaning here; please choose another name".to_owned()) } else { Ok(name) }
}
