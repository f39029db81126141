//! The web: axum routes that parse, call the service and answer. No rules and no SQL.

pub mod accept;
mod api;
mod assets;
mod check;
mod cookies;
pub mod export;
mod form;
mod front;
pub mod grpc;
mod health;
mod leaks;
mod login;
mod oauth;
mod page;
mod params;
mod pasted;
mod portal;
mod problem;
mod proxy;
mod security;
mod session;
mod well_known;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, map_response};
use axum::routing::get;
use ipnet::IpNet;

use crate::domain::entropy::Entropy;
use crate::domain::time::Clock;
use crate::domain::user::AdminRule;
use crate::server::config::{CheckConfig, PublicUrl};
use crate::server::identity::Providers;
use crate::server::service::admin::Admin;
use crate::server::service::bearer::Bearers;
use crate::server::service::check::Validator;
use crate::server::service::decisions::Decisions;
use crate::server::service::exchange::Exchange;
use crate::server::service::failures::Failures;
use crate::server::service::introspection::Introspection;
use crate::server::service::leaks::Leaks;
use crate::server::service::log::Log;
use crate::server::service::logins::Logins;
use crate::server::service::overview::Overview;
use crate::server::service::passport::Passports;
use crate::server::service::readiness::Readiness;
use crate::server::service::refusals::Refusals;
use crate::server::service::revocation::Revocation;
use crate::server::service::sessions::Sessions;
use crate::server::service::signing::Signer;
use crate::server::service::tokens::Tokens;
use crate::server::telemetry::{Lines, Metrics};

/// Longest body of a form or JSON request, in bytes.
pub const BODY_MAX: usize = 64 * 1024;

/// What the routes work with.
#[derive(Clone)]
pub struct Web(Arc<WebParts>);

/// The parts of [`Web`].
pub struct WebParts {
    /// The origin that browsers use.
    pub public_url: PublicUrl,
    /// Proxies whose word about the client's address is taken.
    pub trusted_proxies: Vec<IpNet>,
    /// How credentials are taken.
    pub check: CheckConfig,
    /// Who administrates.
    pub admin_rule: AdminRule,
    /// What administrators do.
    pub admin: Admin,
    /// The audit log.
    pub log: Log,
    /// Messages about leaked tokens.
    pub leaks: Leaks,
    /// What the panel of administrators opens with.
    pub overview: Overview,
    /// How recent a login must be to make a secret, or to end many.
    pub fresh_login: Option<Duration>,
    /// What tokens begin with.
    pub prefix: String,
    /// The one validator.
    pub validator: Validator,
    /// Refusals that were written before.
    pub problems: Problems,
    /// Who comes to the API with an access token.
    pub bearers: Bearers,
    /// Questions of proxies that were read before.
    pub asks: check::Asks,
    /// What upstreams are told of who passes.
    pub passports: Passports,
    /// Refused credentials by address.
    pub failures: Failures,
    /// What is logged of them.
    pub refusals: Lines,
    /// What is written down of them.
    pub refused: Refusals,
    /// The log of every check, if there is one.
    pub decisions: Option<Decisions>,
    /// What owners do.
    pub tokens: Tokens,
    /// What APIs may learn about tokens.
    pub introspection: Introspection,
    /// What holders of tokens do.
    pub revocation: Revocation,
    /// JWTs for tokens.
    pub exchange: Exchange,
    /// Browser sessions.
    pub sessions: Sessions,
    /// Completed logins.
    pub logins: Logins,
    /// Login providers.
    pub providers: Providers,
    /// Seals logins in progress.
    pub keys: Arc<crate::server::keys::Keys>,
    /// Signs the JWTs that upstreams get.
    pub signer: Signer,
    /// Whether the store answers.
    pub readiness: Readiness,
    /// Counters.
    pub metrics: Metrics,
    /// The present time.
    pub clock: Arc<dyn Clock>,
    /// Nonces and request ids.
    pub entropy: Arc<dyn Entropy>,
}

impl std::ops::Deref for Web {
    type Target = WebParts;

    fn deref(&self) -> &WebParts {
        &self.0
    }
}

impl Web {
    /// From the parts.
    #[must_use]
    pub fn new(parts: WebParts) -> Self {
        Self(Arc::new(parts))
    }
}

pub use check::Asks;
pub use front::{Front, Handler};
pub use problem::Problems;

/// The address at the other end of the connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

impl Peer {
    /// Where there is no connection.
    const NOBODY: Self = Self(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
}

/// Every route of the web server, for whoever wants a router.
pub fn router(web: &Web) -> Router {
    Router::new().fallback_service(front(web))
}

/// Every route of the web server.
pub fn front(web: &Web) -> Front {
    // Rendering needs it; an error means that it is there already.
    let _ = any_spawner::Executor::init_tokio();
    let site = Router::new()
        .merge(portal::routes())
        .merge(login::routes())
        .merge(api::routes())
        .fallback(page::not_found)
        .method_not_allowed_fallback(page::method_not_allowed)
        .layer(session::layer(web))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(from_fn(pasted::leave_out));
    let site = site.merge(assets::routes()).merge(well_known::routes()).merge(oauth::routes()).merge(leaks::routes());
    let site = security::guard(site, web);
    let site = Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .merge(site)
        .with_state(web.clone());
    // Around all routes, because each says by itself which methods it takes.
    let site = Router::new().fallback_service(site).layer(map_response(page::hide_methods));
    Front::new(web.clone(), site)
}

/// The routes of the metrics listener.
pub fn metrics_router(web: &Web) -> Router {
    Router::new().route("/metrics", get(health::metrics)).with_state(web.clone())
}
