//! Configuration: what is written ([`raw`]), how it is read ([`load`]) and what must hold ([`validate`]).

mod jwt;
pub mod load;
pub mod raw;
mod rights;
mod validate;

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use secrecy::SecretString;
use url::Url;

use crate::domain::scope::{Catalogue, ScopeSet};
use crate::domain::secret::Prefix;
use crate::domain::token::TokenPolicy;
use crate::domain::user::AdminRule;

use load::{Problem, Sources};

pub use jwt::JwtConfig;

/// The file that is read when none is named.
pub const DEFAULT_FILE: &str = "hallpass.toml";
/// The name of the login provider that `--demo` adds.
pub const DEMO_PROVIDER: &str = "demo";

/// What a configuration is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To serve.
    Serve,
    /// To serve or look after a demo, for which much is preset.
    Demo,
    /// To look after an installation from the command line: nobody logs in or gets a token there.
    Operate,
}

/// The whole configuration, judged and ready for use.
#[derive(Clone, Debug)]
pub struct Config {
    /// The origin that browsers use; in a demo it may only be known once the port is, and commands do not need it.
    pub public_url: Option<PublicUrl>,
    /// Where the web server listens.
    pub listen: SocketAddr,
    /// Where `/metrics` listens.
    pub metrics_listen: Option<SocketAddr>,
    /// Where Envoy asks by gRPC.
    pub grpc_listen: Option<SocketAddr>,
    /// Where the demo provider listens; only with `--demo`.
    pub demo_listen: Option<SocketAddr>,
    /// The file with the key from which all others are derived.
    pub secret_key_file: PathBuf,
    /// Proxies whose word about the client's address is taken.
    pub trusted_proxies: Vec<IpNet>,
    /// Where the data is.
    pub database: DatabaseConfig,
    /// Login providers.
    pub oidc: Vec<OidcConfig>,
    /// Who administrates.
    pub admin: AdminRule,
    /// Rules for tokens.
    pub tokens: TokensConfig,
    /// What tokens may be used for.
    pub catalogue: Catalogue,
    /// How credentials are taken.
    pub check: CheckConfig,
    /// The JWT that upstreams get.
    pub jwt: JwtConfig,
    /// APIs that may ask about tokens.
    pub introspection_clients: Vec<IntrospectionClientConfig>,
    /// Browser sessions.
    pub session: SessionConfig,
    /// The audit log.
    pub audit: AuditConfig,
    /// Messages about leaked tokens.
    pub leak_intake: LeakIntakeConfig,
}

/// Where the data is.
#[derive(Clone, Debug)]
pub struct DatabaseConfig {
    /// Which database.
    pub place: DatabasePlace,
    /// Most connections; with SQLite, those that read.
    pub max_connections: u32,
}

/// Which database.
#[derive(Clone, Debug)]
pub enum DatabasePlace {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL server.
    Postgres {
        /// Its URL, with the password.
        url: SecretString,
        /// The URL that leads to it directly, where the other one goes through a pooler.
        listen_url: Option<SecretString>,
        /// Whether commits have to wait for a standby.
        require_sync: bool,
    },
}

/// One login provider.
#[derive(Clone, Debug)]
pub struct OidcConfig {
    /// Name in buttons and paths.
    pub name: String,
    /// Issuer, exactly as given.
    pub issuer: String,
    /// Our client id.
    pub client_id: String,
    /// Our client secret.
    pub client_secret: Option<SecretString>,
    /// Scopes asked for.
    pub scopes: Vec<String>,
    /// Dotted path of the roles.
    pub roles_claim: String,
    /// Dotted paths of the attributes.
    pub attribute_claims: Vec<String>,
    /// Whether e-mail is passed on without `email_verified`.
    pub email_trusted: bool,
    /// Who may log in.
    pub required_roles: BTreeSet<String>,
    /// What must hold for a login.
    pub required_claims: Vec<(String, String)>,
    /// Put before every role.
    pub role_prefix: String,
    /// Which of its access tokens are credentials here.
    pub access_tokens: AccessTokensConfig,
}

/// Which access tokens of a provider are credentials here; by default none.
#[derive(Clone, Debug, Default)]
pub struct AccessTokensConfig {
    /// At `/check`: those for one of these audiences.
    pub check_audiences: BTreeSet<String>,
    /// At the API: those for one of these audiences …
    pub api_audiences: BTreeSet<String>,
    /// … that were given to these clients.
    pub api_clients: BTreeSet<String>,
    /// Whether they grant only the scopes that they claim, instead of all that the user's roles allow.
    pub only_claimed_scopes: bool,
    /// Whether those without `typ: at+jwt` count.
    pub legacy: bool,
}

impl AccessTokensConfig {
    /// Whether any access token of the provider can be a credential.
    #[must_use]
    pub fn any(&self) -> bool {
        !self.check_audiences.is_empty() || !self.api_audiences.is_empty()
    }
}

/// Rules for tokens.
#[derive(Clone, Debug)]
pub struct TokensConfig {
    /// What new tokens begin with.
    pub prefix: Prefix,
    /// What tokens may begin with: the present prefix first.
    pub accepted: Vec<Prefix>,
    /// When a token is good.
    pub policy: TokenPolicy,
    /// Most active tokens of one user.
    pub max_active_per_user: u32,
    /// How recent a login must be to make a secret, or to end many.
    pub fresh_login: Option<Duration>,
}

/// How credentials are taken at `/check`.
#[derive(Clone, Debug, Default)]
pub struct CheckConfig {
    /// A header that may carry the token, besides `Authorization`.
    pub identity_header: Option<http::HeaderName>,
    /// Whether the token may be the user name of Basic authentication.
    pub basic_username: bool,
    /// How many refused credentials one address may send.
    pub failure_limit: Option<FailureLimit>,
    /// Whether the database is asked for each check, whatever memory could prove.
    pub strict: bool,
}

/// So many in a window, with the whole of them at once if need be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailureLimit {
    /// Refused credentials.
    pub count: NonZeroU32,
    /// In this time.
    pub window: Duration,
}

impl FailureLimit {
    /// Parses `120/m`: a number per second, minute or hour; `off` is none.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn parse(text: &str) -> Result<Option<Self>, String> {
        if text == "off" {
            return Ok(None);
        }
        let window = |unit| match unit {
            "s" => Some(Duration::from_secs(1)),
            "m" => Some(Duration::from_mins(1)),
            "h" => Some(Duration::from_hours(1)),
            _ => None,
        };
        let limit = text.split_once('/').and_then(|(count, unit)| Some((count.parse().ok()?, window(unit)?)));
        let (count, window) =
            limit.ok_or("please give a number per second, minute or hour, such as \"120/m\", or \"off\"")?;
        Ok(Some(Self { count, window }))
    }
}

/// An API that may ask about tokens (RFC 7662).
#[derive(Clone, Debug)]
pub struct IntrospectionClientConfig {
    /// Its id.
    pub id: String,
    /// The durable proof of its secret: an argon2id PHC string within the bounds that were judged.
    pub secret_hash: SecretString,
    /// Audiences that it may learn about; all when empty.
    pub audiences: BTreeSet<String>,
    /// Scopes that it may learn about; all when empty.
    pub scopes: ScopeSet,
    /// Whether its word about the address that a token came from is taken.
    pub sends_client_ip: bool,
}

/// Checkpoints of the audit log.
#[derive(Clone, Debug)]
pub struct AuditConfig {
    /// The file that gets them, if there is one.
    pub checkpoint_file: Option<PathBuf>,
    /// After how much time one is made.
    pub checkpoint_every: Duration,
    /// After how many events.
    pub checkpoint_events: NonZeroU32,
    /// The file that gets a line for each check, if there is one.
    pub decision_log: Option<PathBuf>,
}

/// Messages about leaked tokens.
#[derive(Clone, Debug)]
pub struct LeakIntakeConfig {
    /// What becomes of a token that is reported.
    pub action: LeakAction,
    /// Keys of those who may report any.
    pub keys: Vec<LeakKeyConfig>,
}

/// What becomes of a token that is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeakAction {
    /// It is revoked.
    Revoke,
    /// Its owner is told.
    Notify,
}

/// A key of somebody who may report leaked tokens.
#[derive(Clone, Debug)]
pub struct LeakKeyConfig {
    /// As its owner names it.
    pub id: String,
    /// The point on P-256, uncompressed (SEC 1, section 2.3.3).
    pub point: Vec<u8>,
}

/// Limits of browser sessions, enforced by the server.
#[derive(Clone, Copy, Debug)]
pub struct SessionConfig {
    /// Longest pause between two requests.
    pub idle: Duration,
    /// Longest life.
    pub absolute: Duration,
}

/// The origin that browsers use, without a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl(String);

impl PublicUrl {
    /// From an origin.
    ///
    /// # Errors
    /// When it is not an http(s) origin, has a path, or is http without a loopback host.
    pub fn parse(text: &str) -> Result<Self, String> {
        let url =
            Url::parse(text).map_err(|_| "please give an origin such as \"https://tokens.example.org\"".to_owned())?;
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
            return Err("please give the origin only, without path, query or user".to_owned());
        }
        require_https_unless_loopback(&url)?;
        Ok(Self(url.origin().ascii_serialization()))
    }

    /// The origin as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether browsers come by https.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }

    /// The origin with a path behind it.
    #[must_use]
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn require_https_unless_loopback(url: &Url) -> Result<(), String> {
    let loopback = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" if url.host().is_some() => Ok(()),
        "http" if loopback => Ok(()),
        "http" => Err("http:// is possible for localhost only; please use https://".to_owned()),
        _ => Err("please give an https:// address".to_owned()),
    }
}

/// A configuration that was read and found good.
#[derive(Debug)]
pub struct Checked {
    /// It.
    pub config: Config,
    /// What is odd but harmless.
    pub warnings: Vec<String>,
}

/// Reads and judges the configuration.
///
/// # Errors
/// With everything that is wrong.
pub fn read(file: Option<&Path>, env: Vec<(String, String)>, purpose: Purpose) -> Result<Checked, Vec<Problem>> {
    let preset = (purpose == Purpose::Demo).then(validate::demo_preset);
    check(&Sources { file: read_file(file)?, env, preset }, purpose)
}

/// Judges what the sources say.
///
/// # Errors
/// With everything that is wrong.
pub fn check(sources: &Sources, purpose: Purpose) -> Result<Checked, Vec<Problem>> {
    let loaded = load::load(sources);
    if loaded.unreadable {
        return Err(loaded.problems);
    }
    let warnings = loaded.warnings.clone();
    validate::validate(loaded, purpose).map(|config| Checked { config, warnings })
}

fn read_file(file: Option<&Path>) -> Result<Option<(PathBuf, String)>, Vec<Problem>> {
    let path = file.unwrap_or(Path::new(DEFAULT_FILE));
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some((path.to_path_buf(), text))),
        Err(error) if file.is_none() && error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let reason = format!("cannot read {}: {error}", path.display());
            Err(vec![Problem { key: String::new(), reason, line: None }])
        }
    }
}
