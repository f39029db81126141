//! The configuration as it is written: every key, its default and its meaning. The JSON Schema is made from here.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Configuration of Hallpass.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawConfig {
    /// The origin that browsers use, such as `https://tokens.example.org`. `http://` only with a loopback host.
    pub public_url: String,
    /// Address and port of the web server.
    pub listen: String,
    /// Address and port of `/metrics`; empty turns it off.
    pub metrics_listen: String,
    /// Address and port for Envoy's `ext_authz` over gRPC; empty turns it off.
    pub grpc_listen: String,
    /// File with 32 random bytes in base64. Made together with a new SQLite database.
    pub secret_key_file: String,
    /// Networks (CIDR) of proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<String>,
    /// Where the data is.
    pub database: RawDatabase,
    /// Login providers.
    pub oidc: Vec<RawOidc>,
    /// Who administrates.
    pub admin: RawAdmin,
    /// Rules for tokens.
    pub tokens: RawTokens,
    /// The catalogue of scopes.
    pub scopes: Vec<RawScope>,
    /// How credentials are taken at `/check`.
    pub check: RawCheck,
    /// The JWT that upstreams get.
    pub jwt: RawJwt,
    /// APIs that may ask about tokens (RFC 7662).
    pub introspection_clients: Vec<RawIntrospectionClient>,
    /// Browser sessions.
    pub session: RawSession,
    /// The audit log.
    pub audit: RawAudit,
    /// Messages about leaked tokens (secret scanning).
    pub leak_intake: RawLeakIntake,
    /// The demo identity provider of `serve --demo`.
    pub demo: RawDemo,
}

impl Default for RawConfig {
    fn default() -> Self {
        Self {
            public_url: String::new(),
            listen: "127.0.0.1:3000".to_owned(),
            metrics_listen: "127.0.0.1:9464".to_owned(),
            grpc_listen: String::new(),
            secret_key_file: "data/secret.key".to_owned(),
            trusted_proxies: Vec::new(),
            database: RawDatabase::default(),
            oidc: Vec::new(),
            admin: RawAdmin::default(),
            tokens: RawTokens::default(),
            scopes: Vec::new(),
            check: RawCheck::default(),
            jwt: RawJwt::default(),
            introspection_clients: Vec::new(),
            session: RawSession::default(),
            audit: RawAudit::default(),
            leak_intake: RawLeakIntake::default(),
            demo: RawDemo::default(),
        }
    }
}

/// Where the data is.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawDatabase {
    /// `sqlite://` and a path, or `postgres://…`. By default `sqlite://data/hallpass.db`.
    pub url: Option<String>,
    /// A file that holds the URL, which may hold a password.
    pub url_file: Option<String>,
    /// PostgreSQL only: the URL that leads to the server itself, when `url` goes through a pooler.
    pub listen_url: String,
    /// A file that holds it.
    pub listen_url_file: Option<String>,
    /// PostgreSQL only: change nothing and be not ready unless commits wait for a standby (`synchronous_standby_names`).
    pub require_sync: bool,
    /// Most connections at the same time; with SQLite, those that read.
    pub max_connections: u32,
}

impl Default for RawDatabase {
    fn default() -> Self {
        Self {
            url: None,
            url_file: None,
            listen_url: String::new(),
            listen_url_file: None,
            require_sync: false,
            max_connections: 10,
        }
    }
}

/// One login provider.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawOidc {
    /// Shown on the login button and used in the callback path: lower-case letters, digits and hyphens.
    pub name: String,
    /// The issuer, exactly as the provider writes it.
    pub issuer: String,
    /// Our client id there.
    pub client_id: String,
    /// Our client secret there; absent for a public client, which PKCE protects.
    pub client_secret: Option<String>,
    /// A file that holds the client secret.
    pub client_secret_file: Option<String>,
    /// Scopes asked for at login; `openid` must be among them.
    pub scopes: Vec<String>,
    /// The claim that holds the roles; a dotted path reaches into objects.
    pub roles_claim: String,
    /// Claims that become attributes of the user; dotted paths as above.
    pub attribute_claims: Vec<String>,
    /// Pass on e-mail even where the provider does not say `email_verified`.
    pub email_trusted: bool,
    /// Who may log in: people with one of these roles (before `role_prefix` is added); everybody when empty.
    pub required_roles: Vec<String>,
    /// Claims that must have exactly these values for a login.
    pub required_claims: BTreeMap<String, String>,
    /// Put before every role of this provider, so that two providers' names cannot meet.
    pub role_prefix: String,
    /// Accept this provider's JWT access tokens at `/check` when `aud` names one of these.
    pub check_audiences: Vec<String>,
    /// Accept this provider's JWT access tokens at `/api` when `aud` names one of these …
    pub api_audiences: Vec<String>,
    /// … and whatever it names of `client_id` and `azp` is one of these.
    pub api_clients: Vec<String>,
    /// Scopes of an access token: `all` that the user's roles allow, or only those that it claims, too (`claim`).
    pub access_token_scopes: String,
    /// Accept access tokens that are not marked `typ: at+jwt` (RFC 9068).
    pub legacy_access_tokens: bool,
}

impl Default for RawOidc {
    fn default() -> Self {
        Self {
            name: String::new(),
            issuer: String::new(),
            client_id: String::new(),
            client_secret: None,
            client_secret_file: None,
            scopes: ["openid", "profile", "email"].map(str::to_owned).to_vec(),
            roles_claim: "groups".to_owned(),
            attribute_claims: Vec::new(),
            email_trusted: false,
            required_roles: Vec::new(),
            required_claims: BTreeMap::new(),
            role_prefix: String::new(),
            check_audiences: Vec::new(),
            api_audiences: Vec::new(),
            api_clients: Vec::new(),
            access_token_scopes: "all".to_owned(),
            legacy_access_tokens: false,
        }
    }
}

/// Who administrates.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawAdmin {
    /// People with one of these roles are administrators.
    pub roles: Vec<String>,
    /// Only through these login providers; must be given when there are several.
    pub providers: Vec<String>,
}

impl Default for RawAdmin {
    fn default() -> Self {
        Self { roles: vec!["hallpass-admin".to_owned()], providers: Vec::new() }
    }
}

/// Rules for tokens. Durations are a number and a unit: `90d`, `12h`, `15m`, `30s`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawTokens {
    /// What every new token begins with.
    pub prefix: String,
    /// Older prefixes that are still accepted.
    pub accepted_prefixes: Vec<String>,
    /// Lifetime of tokens that ask for none.
    pub default_lifetime: String,
    /// Longest lifetime; applies when a token is made and at every check.
    pub max_lifetime: String,
    /// Accept tokens without an expiry.
    pub allow_never: bool,
    /// Most active tokens of one user.
    pub max_active_per_user: u32,
    /// Suspend tokens that were not used for this long; `off` to leave them.
    pub idle_suspend: String,
    /// Suspend tokens whose owner has not logged in for this long; `off` to leave them.
    pub owner_max_login_age: String,
    /// Creating, regenerating and revoking many at once need a login no older than this; `off` to ask for none.
    pub fresh_login: String,
}

impl Default for RawTokens {
    fn default() -> Self {
        Self {
            prefix: "hpat".to_owned(),
            accepted_prefixes: Vec::new(),
            default_lifetime: "90d".to_owned(),
            max_lifetime: "365d".to_owned(),
            allow_never: false,
            max_active_per_user: 50,
            idle_suspend: "off".to_owned(),
            owner_max_login_age: "90d".to_owned(),
            fresh_login: "15m".to_owned(),
        }
    }
}

/// One scope of the catalogue.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawScope {
    /// The name that proxies ask for.
    pub name: String,
    /// What it allows, in one line.
    pub description: String,
    /// Only owners with one of these roles may use it, also at check; everybody when empty.
    pub roles: Vec<String>,
}

/// How credentials are taken at `/check`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawCheck {
    /// An extra header that may carry the token, such as `X-API-Key`.
    pub identity_header: String,
    /// Accept the token as the user name of Basic authentication too. Proxies log user names.
    pub basic_username: bool,
    /// Refused credentials per client address, such as `120/m`; `off` for no limit. Good credentials always pass.
    pub failure_limit: String,
    /// `memory`: answer from memory while it can be proved that it is what the database says; `strict`: ask the database
    /// for each check, whatever can be proved.
    pub mode: String,
}

impl Default for RawCheck {
    fn default() -> Self {
        Self {
            identity_header: String::new(),
            basic_username: false,
            failure_limit: "120/m".to_owned(),
            mode: "memory".to_owned(),
        }
    }
}

/// The JWT that upstreams get with every request that passes.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawJwt {
    /// The claim `iss`, exactly as upstreams expect it; `public_url` when empty.
    pub issuer: String,
    /// The claim `aud` where `/check` is asked for no other.
    pub audience: String,
    /// Further audiences that `/check?audience=` may ask for.
    pub audiences: Vec<String>,
    /// Longest life, from `5s` to `15m`; never beyond the expiry of the token.
    pub ttl: String,
    /// `ES256`, `EdDSA` or `RS256`.
    pub algorithm: String,
}

impl Default for RawJwt {
    fn default() -> Self {
        Self {
            issuer: String::new(),
            audience: "hallpass".to_owned(),
            audiences: Vec::new(),
            ttl: "60s".to_owned(),
            algorithm: "ES256".to_owned(),
        }
    }
}

/// An API that may ask about tokens at `/oauth/introspect` (RFC 7662).
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawIntrospectionClient {
    /// Its user name in Basic authentication.
    pub id: String,
    /// The argon2id PHC string of its secret, made with `hallpass hash-secret`.
    pub secret_hash: Option<String>,
    /// A file that holds the PHC string.
    pub secret_hash_file: Option<String>,
    /// Show it only tokens for one of these audiences, and only these in `aud`; all when empty.
    pub audiences: Vec<String>,
    /// Show it only tokens with one of these scopes, and only these in `scope`; all when empty.
    pub scopes: Vec<String>,
    /// It says truly, as `client_ip`, where the token came from. Without that, tokens restricted to networks are
    /// inactive for it.
    pub sends_client_ip: bool,
}

/// Browser sessions.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawSession {
    /// A session unused for longer is over.
    pub idle: String,
    /// A session is over after this in any case.
    pub absolute: String,
}

impl Default for RawSession {
    fn default() -> Self {
        Self { idle: "60m".to_owned(), absolute: "12h".to_owned() }
    }
}

/// The audit log.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawAudit {
    /// A file outside of the database that gets a signed checkpoint of the log now and then, and is compared with the
    /// database at each start; empty turns it off.
    pub checkpoint_file: String,
    /// A checkpoint is made after so much time with events …
    pub checkpoint_every: String,
    /// … or after so many events.
    pub checkpoint_events: u32,
    /// A file that gets a line of JSON for each check; empty turns it off.
    pub decision_log: String,
}

impl Default for RawAudit {
    fn default() -> Self {
        let (checkpoint_file, decision_log) = (String::new(), String::new());
        Self { checkpoint_file, checkpoint_every: "5m".to_owned(), checkpoint_events: 1_000, decision_log }
    }
}

/// Messages about leaked tokens at `/leaks`, in the form of GitHub's secret scanning partner programme.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawLeakIntake {
    /// What becomes of a token that is reported: `revoke`, or `notify` to only tell its owner.
    pub action: String,
    /// Keys of those who may report any; without one the address does not exist.
    pub keys: Vec<RawLeakKey>,
}

impl Default for RawLeakIntake {
    fn default() -> Self {
        Self { action: "revoke".to_owned(), keys: Vec::new() }
    }
}

/// A key of somebody who may report leaked tokens.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawLeakKey {
    /// As its owner names it.
    pub id: String,
    /// The public key (ECDSA, P-256) as PEM.
    pub public_key: String,
}

/// The demo identity provider of `serve --demo`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawDemo {
    /// Loopback address and port of the provider.
    pub listen: String,
}

impl Default for RawDemo {
    fn default() -> Self {
        Self { listen: "127.0.0.1:3001".to_owned() }
    }
}

/// The JSON Schema of the configuration.
#[must_use]
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(RawConfig)
}
