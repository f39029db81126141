//! The server: everything that is not the rules themselves and not the browser.

pub mod ambient;
pub mod cli;
pub mod config;
pub mod credential;
pub mod demo;
mod error;
pub mod http;
pub mod identity;
pub mod keys;
mod open;
pub mod selftest;
pub mod service;
mod start;
pub mod store;
pub mod telemetry;
mod trials;
pub mod ui;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::domain::audit::{Action, Draft, Origin, Party};
use crate::domain::entropy::{self, Entropy};
use crate::domain::id::ReplicaId;
use crate::domain::lease::SteadyClock;
use crate::domain::time::Clock;

use config::{Config, PublicUrl};
use credential::Chain;
use credential::argon::Hasher;
use credential::oidc::OidcValidator;
use credential::pat::PatValidator;
use http::{Web, WebParts};
use identity::{Fetch, FetchError, Provider, Providers};
use keys::Keys;
use open::{Opening, claim, patiently};
use service::admin::Admin;
use service::bearer::{BearerRules, Bearers};
use service::check::Validator;
use service::checkpoints::Checkpoints;
use service::decisions::Decisions;
use service::exchange::Exchange;
use service::failures::Failures;
use service::housekeeping::Housekeeper;
use service::introspection::{Clients, Introspection};
use service::leaks::Leaks;
use service::live::{Live, LookError};
use service::log::Log;
use service::logins::Logins;
use service::memory::Memory;
use service::overview::Overview;
use service::passport::Passports;
use service::readiness::Readiness;
use service::refusals::Refusals;
use service::replica::Replica;
use service::revocation::Revocation;
use service::sessions::Sessions;
use service::signing::{Rotation, Signer, SignerParts};
use service::tokens::{TokenParts, Tokens};
use service::usage::Usage;
use store::{Db, Meters, SoleServer};
use telemetry::{Lines, Metrics};

pub use error::StartError;
pub use start::serve;

/// How long a login provider may take for one answer: somebody is waiting.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a server that stops waits to be let go by the other replicas.
const LEAVE_PATIENCE: Duration = Duration::from_secs(2);
/// How long the numbers of the panel may take to be counted while somebody waits.
const QUICK: Duration = Duration::from_millis(50);

/// Most refusals of `/check` that are logged in a second.
const REFUSALS_LOGGED: NonZeroU32 = NonZeroU32::new(50).unwrap();

/// What tests own: time, chance and patience.
#[derive(Clone)]
pub struct Ambient {
    /// The present time.
    pub clock: Arc<dyn Clock>,
    /// The clock that measures how long memory may be believed.
    pub steady: Arc<dyn SteadyClock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// How long a login provider may take for one answer.
    pub patience: Duration,
    /// How long the numbers of the panel may take to be counted while somebody waits. One that takes longer is made now
    /// and then.
    pub quick: Duration,
}

impl Ambient {
    /// The real ones.
    #[must_use]
    pub fn system() -> Self {
        Self {
            clock: Arc::new(ambient::SystemClock),
            steady: trials::steady(Arc::new(ambient::SystemSteadyClock)),
            entropy: Arc::new(ambient::SystemEntropy),
            patience: PATIENCE,
            quick: QUICK,
        }
    }
}

/// The composition root: everything a running server consists of.
pub struct App {
    /// What the routes work with.
    pub web: Web,
    /// The database.
    pub db: Db,
    /// Footprints of checks.
    pub usage: Usage,
    /// What is held in memory.
    pub live: Live,
    /// Refused checks that were not written down yet.
    pub refused: Refusals,
    /// What the panel opens with.
    pub overview: Overview,
    /// What was known of the audit log at earlier moments.
    pub checkpoints: Checkpoints,
    writer: JoinHandle<()>,
    _sole: Option<SoleServer>,
    background: Vec<JoinHandle<()>>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
}

impl App {
    /// Opens the database and wires everything together.
    ///
    /// # Errors
    /// When the database or the key cannot be used.
    pub async fn build(
        config: &Config,
        public_url: &PublicUrl,
        demo: bool,
        ambient: Ambient,
    ) -> Result<Self, StartError> {
        let metrics = Metrics::new();
        let sole = claim(&config.database.place).await?;
        let terms = open::terms(&config.database.place);
        let memory = Arc::new(Memory::new(terms, trials::clock_of_memory(ambient.steady.clone(), terms)));
        let replica = ReplicaId::from_random(entropy::bytes(&*ambient.entropy));
        let opening = Opening { config, demo: Some(demo), ambient: &ambient, replica };
        let meters = Meters { queries: metrics.store_queries.clone(), propagation: metrics.propagation.clone() };
        let (db, keys) = patiently(&ambient, async || opening.open(meters.clone(), memory.clone()).await).await?;
        let keys = Arc::new(keys);
        // Before anything is written there: it may be an older copy.
        let checkpoints = checkpoints(config, db.clone(), keys.clone(), &ambient);
        patiently(&ambient, async || Ok(checkpoints.require_newer().await?)).await?;
        let changed = Draft::new(Action::SettingsChanged, Party::SYSTEM, Party::SYSTEM, &Origin::default());
        let rights = config.rights();
        patiently(&ambient, async || Ok(db.note_rights(&rights, changed.clone(), ambient.clock.now()).await?)).await?;
        let (usage, writer) = Usage::start(db.clone(), metrics.usage_dropped.clone());
        let hasher = Hasher::new(ambient.entropy.clone(), metrics.argon2.clone());
        let catalogue = Arc::new(config.catalogue.clone());
        let prefixes = config.tokens.accepted.clone().into();
        let policy = config.tokens.policy;
        let strict = config.check.strict;
        let live = Live::new(replica, memory, db.clone(), keys.clone(), catalogue.clone(), policy, strict);
        bring_up_to_date(&live, &ambient).await?;
        let pat = PatValidator::new(Arc::new(live.clone()), keys.clone(), hasher.clone(), prefixes);
        let signing = SignerParts {
            issuer: config.jwt.issuer(public_url),
            audiences: config.jwt.audiences.clone(),
            rotation: rotation(config, db.clone(), keys.clone(), &ambient),
            entropy: ambient.entropy.clone(),
        };
        let signer = patiently(&ambient, async || Ok(Signer::start(signing.clone()).await?)).await?;
        let providers = providers(config, public_url, &ambient)?;
        let rules = BearerRules::new(catalogue, policy);
        let chain =
            Chain::new(pat.clone(), vec![Arc::new(OidcValidator::new(Arc::new(live.clone()), providers.clone()))]);
        let validator = Validator::new(chain.clone(), rules.clone(), policy, usage.clone(), ambient.clock.clone());
        let clients = Clients::new(&config.introspection_clients, hasher.clone(), &*ambient.entropy);
        let tokens = tokens(config, db.clone(), keys.clone(), hasher, &ambient);
        let passports = Passports::new(signer.clone(), config.jwt.audiences.all());
        let revocation = Revocation::new(pat, policy, tokens.clone());
        let refused = Refusals::new(db.clone(), ambient.clock.clone());
        let overview = Overview::new(db.clone(), policy, ambient.clock.clone(), ambient.quick);
        let web = Web::new(WebParts {
            public_url: public_url.clone(),
            trusted_proxies: config.trusted_proxies.clone(),
            check: config.check.clone(),
            admin_rule: config.admin.clone(),
            admin: admin(config, db.clone(), tokens.clone(), &ambient),
            log: Log::new(db.clone(), ambient.clock.clone()),
            overview: overview.clone(),
            fresh_login: config.tokens.fresh_login,
            prefix: config.tokens.prefix.as_str().to_owned(),
            bearers: Bearers::new(chain.clone(), rules, ambient.clock.clone()),
            introspection: Introspection::new(clients, validator.clone(), config.jwt.audiences.clone()),
            exchange: Exchange::new(validator.clone(), signer.clone()),
            leaks: Leaks::new(config.leak_intake.clone(), revocation.clone()),
            revocation,
            validator,
            problems: http::Problems::new(public_url),
            asks: http::Asks::new(),
            passports,
            failures: Failures::new(config.check.failure_limit),
            refusals: Lines::per_second(REFUSALS_LOGGED),
            refused: refused.clone(),
            decisions: decisions(config, &metrics)?,
            tokens,
            sessions: sessions(config, db.clone(), &ambient),
            logins: Logins::new(db.clone(), ambient.clock.clone(), ambient.entropy.clone()),
            providers,
            keys,
            signer: signer.clone(),
            readiness: Readiness::new(db.clone(), live.clone(), ambient.clock.clone()),
            metrics: metrics.clone(),
            clock: ambient.clock.clone(),
            entropy: ambient.entropy,
        });
        let replica = Replica { live: live.clone(), signer: signer.clone(), db: db.clone(), metrics: metrics.clone() };
        let background = vec![
            tokio::spawn(ask_providers(web.clone())),
            tokio::spawn(keep_up(metrics.clone())),
            tokio::spawn(replica.keep_up()),
            tokio::spawn(signer.keep_up()),
            tokio::spawn(checkpoints.clone().keep_making()),
            tokio::spawn(refused.clone().keep_writing()),
            tokio::spawn(
                Housekeeper {
                    db: db.clone(),
                    sessions: config.session,
                    clock: ambient.clock,
                    live: live.clone(),
                    overview: overview.clone(),
                    metrics,
                }
                .run(),
            ),
        ];
        Ok(Self { web, db, usage, live, refused, overview, checkpoints, writer, background, _sole: sole })
    }

    /// Writes what is still to be written and closes the database.
    pub async fn close(self) {
        // Before the tasks end: a renewal that is cut off in the middle could still be written after this one has left.
        match tokio::time::timeout(LEAVE_PATIENCE, self.live.leave()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "the other replicas wait for this one until its lease has run out");
            }
            Err(_) => tracing::warn!("nobody said in time that this replica has left; the others wait for its lease"),
        }
        self.background.iter().for_each(JoinHandle::abort);
        if let Some(decisions) = &self.web.decisions {
            decisions.finish().await;
        }
        self.usage.flush().await;
        if let Err(error) = self.refused.finish().await {
            tracing::warn!(%error, "the last refused checks could not be written down");
        }
        if let Err(error) = self.checkpoints.make().await {
            tracing::warn!(%error, "no last checkpoint of the audit log could be made");
        }
        self.writer.abort();
        self.db.close().await;
    }
}

/// Learns what others have changed, so that memory may be believed. With a database that has gone back, or that no
/// standby follows, it starts, too, and answers 503 until somebody has looked at it.
async fn bring_up_to_date(live: &Live, ambient: &Ambient) -> Result<(), StartError> {
    match patiently(ambient, async || Ok(live.look().await?)).await {
        Err(StartError::Look(error @ (LookError::Rewound { .. } | LookError::Unacknowledged))) => {
            tracing::error!(%error);
            Ok(())
        }
        Err(StartError::Look(LookError::Store(error))) if error.lacks_standby() => {
            tracing::error!(%error);
            Ok(())
        }
        looked => looked.map(drop),
    }
}

async fn ask_providers(web: Web) {
    for provider in web.providers.iter() {
        provider.prepare().await;
    }
}

async fn keep_up(metrics: Metrics) {
    let mut tick = tokio::time::interval(telemetry::UPKEEP);
    loop {
        tick.tick().await;
        metrics.upkeep();
    }
}

fn providers(config: &Config, public_url: &PublicUrl, ambient: &Ambient) -> Result<Providers, FetchError> {
    let fetch = Fetch::new(ambient.patience)?;
    let make = |oidc: &config::OidcConfig| {
        Provider::new(oidc.clone(), public_url, fetch.clone(), ambient.clock.clone(), ambient.entropy.clone())
    };
    Ok(Providers::new(config.oidc.iter().map(make).collect()))
}

/// What owners and operators do with tokens.
fn tokens(config: &Config, db: Db, keys: Arc<Keys>, hasher: Hasher, ambient: &Ambient) -> Tokens {
    Tokens::new(TokenParts {
        db,
        keys,
        hasher,
        catalogue: Arc::new(config.catalogue.clone()),
        prefix: config.tokens.prefix.clone(),
        policy: config.tokens.policy,
        max_active: config.tokens.max_active_per_user,
        fresh_login: config.tokens.fresh_login,
        clock: ambient.clock.clone(),
        entropy: ambient.entropy.clone(),
    })
}

fn sessions(config: &Config, db: Db, ambient: &Ambient) -> Sessions {
    Sessions::new(db, config.session, ambient.clock.clone())
}

fn checkpoints(config: &Config, db: Db, keys: Arc<Keys>, ambient: &Ambient) -> Checkpoints {
    Checkpoints::new(db, keys, config.audit.clone(), ambient.clock.clone())
}

fn decisions(config: &Config, metrics: &Metrics) -> Result<Option<Decisions>, StartError> {
    let Some(path) = &config.audit.decision_log else { return Ok(None) };
    let started = Decisions::start(path, metrics.decisions_dropped.clone());
    started.map(Some).map_err(|error| StartError::Decisions(path.display().to_string(), error))
}

/// What administrators and operators do.
fn admin(config: &Config, db: Db, tokens: Tokens, ambient: &Ambient) -> Admin {
    Admin::new(
        db.clone(),
        tokens,
        config.tokens.accepted.clone().into(),
        sessions(config, db, ambient),
        config.admin.clone(),
        ambient.clock.clone(),
    )
}

fn rotation(config: &Config, db: Db, keys: Arc<Keys>, ambient: &Ambient) -> Rotation {
    Rotation { db, keys, algorithm: config.jwt.algorithm, ttl: config.jwt.ttl, clock: ambient.clock.clone() }
}
