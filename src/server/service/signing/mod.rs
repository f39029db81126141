//! JWTs for upstreams: signed from keys in memory, which are made, published and withdrawn in the store.

mod claims;
mod rotation;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use thiserror::Error;
use tokio::sync::Mutex;

use crate::domain::entropy::{self, Entropy};
use crate::domain::signing::{Audiences, KeyState, NOTICED_WITHIN, Schedule};
use crate::domain::time::Timestamp;
use crate::domain::verdict::Grant;
use crate::server::keys::signing::SigningKey;

use claims::{Claims, Frame, Written};

pub use claims::JWT_MAX;
pub use rotation::{Rotation, SigningError};

/// Whoever asks for the published keys makes the server look for new ones, at most this often.
const FRESH_FOR: Duration = Duration::from_secs(1);

/// Signs JWTs for upstreams. Cheap to clone.
#[derive(Clone)]
pub struct Signer(Arc<Inner>);

/// What a signer is made of.
#[derive(Clone)]
pub struct SignerParts {
    /// Our name in every JWT (`iss`).
    pub issuer: String,
    /// For whom JWTs can be.
    pub audiences: Audiences,
    /// Looks after the keys.
    pub rotation: Rotation,
    /// Names JWTs.
    pub entropy: Arc<dyn Entropy>,
}

struct Inner {
    parts: SignerParts,
    ring: RwLock<Arc<Ring>>,
    loading: Mutex<()>,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("issuer", &self.0.parts.issuer).finish_non_exhaustive()
    }
}

/// A signed JWT in compact form. Whoever has it may act as its subject, so it cannot print itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Jwt(Arc<str>);

impl Jwt {
    /// The text itself, for the one header that carries it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Jwt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Jwt(…)")
    }
}

/// A JWT that was just signed.
#[derive(Clone, Debug)]
pub struct Minted {
    /// It.
    pub jwt: Jwt,
    /// Bytes at the beginning of it that other JWTs for the same owner, scopes and audience have too.
    pub common: usize,
    /// Its `exp`.
    pub expires_at: Timestamp,
    /// After half of its life. A JWT that is handed out more than once is replaced from then on.
    pub renew_at: Timestamp,
    /// Claims that were left out to keep it short, as `X-Auth-Truncated` names them.
    pub cut: Vec<&'static str>,
}

/// Why a JWT cannot be signed. It concerns us and not the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MintError {
    /// There is no key.
    #[error("there is no signing key")]
    NoKey,
    /// Issuer and audience are so long that nothing else fits.
    #[error("the JWT is too long")]
    TooLong,
    /// The library refused.
    #[error("the signing key cannot be used")]
    Refused,
}

/// The keys in memory, as of one look at the store.
struct Ring {
    keys: Vec<Arc<SigningKey>>,
    schedule: Schedule,
    loaded_at: Timestamp,
}

impl Signer {
    /// Takes the keys of the installation, or makes the first one.
    ///
    /// # Errors
    /// When the store cannot be asked or a key cannot be used.
    pub async fn start(parts: SignerParts) -> Result<Self, SigningError> {
        parts.rotation.withdraw_sealed().await?;
        parts.rotation.tend().await?;
        let ring = Ring::load(&parts.rotation, &[]).await?;
        Ok(Self(Arc::new(Inner { parts, ring: RwLock::new(Arc::new(ring)), loading: Mutex::new(()) })))
    }

    /// Looks after the keys for as long as it is polled.
    pub async fn keep_up(self) {
        let mut tick = tokio::time::interval(NOTICED_WITHIN / 2);
        // The first tick comes at once, and the start has done its work.
        tick.tick().await;
        loop {
            tick.tick().await;
            if let Err(error) = self.tend().await {
                tracing::warn!(%error, "signing keys were not looked after; it will be tried again");
            }
        }
    }

    /// Withdraws and makes keys as it is time, and takes notice of what others did.
    ///
    /// # Errors
    /// When the store cannot be asked or a key cannot be used; what is in memory goes on being used.
    pub async fn tend(&self) -> Result<(), SigningError> {
        self.0.parts.rotation.tend().await?;
        let _one_at_a_time = self.0.loading.lock().await;
        self.reload().await
    }

    /// Our name in every JWT.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.parts.issuer
    }

    /// What looks after the keys.
    #[must_use]
    pub fn rotation(&self) -> &Rotation {
        &self.0.parts.rotation
    }

    /// The audience of a JWT, given what a proxy asks for; `None` where that is not configured.
    #[must_use]
    pub fn audience_for(&self, requested: Option<&str>) -> Option<&str> {
        self.0.parts.audiences.choose(requested)
    }

    /// Signs a JWT that says what a grant says. It lives for the configured time, and never longer than the credential.
    ///
    /// # Errors
    /// When it cannot be signed: our own trouble.
    pub fn mint(&self, subject: &Grant, audience: &str, now: Timestamp) -> Result<Minted, MintError> {
        let ring = self.ring();
        let key = ring.signing(now).ok_or(MintError::NoKey)?;
        let parts = &self.0.parts;
        let latest = now.plus(parts.rotation.ttl);
        let expires_at = subject.expires_at.map_or(latest, |end| end.min(latest));
        let frame = Frame {
            issuer: &parts.issuer,
            audience,
            id: &URL_SAFE_NO_PAD.encode(entropy::bytes::<16>(&*parts.entropy)),
            issued_at: now.as_seconds(),
            expires_at: expires_at.as_seconds(),
        };
        let fits = |length| key.jwt_len(length) <= JWT_MAX;
        let Written { json, common, cut } = Claims::new(frame, subject).write(fits).ok_or(MintError::TooLong)?;
        let jwt = key.sign(&json).map_err(|_| MintError::Refused)?;
        let common = key.jwt_position(common);
        // Whole seconds, as verifiers see it.
        let expires_at = Timestamp::from_seconds(frame.expires_at);
        let renew_at = now.plus(expires_at.since(now) / 2);
        Ok(Minted { jwt: Jwt(jwt.into()), common, expires_at, renew_at, cut })
    }

    /// The published keys as a JSON Web Key Set (RFC 7517, section 5), the one that signs first. Includes what another
    /// process did up to a second ago; with the store gone, what is known.
    pub async fn published(&self) -> String {
        let now = self.0.parts.rotation.clock.now();
        let stale = now < self.ring().loaded_at || now.since(self.ring().loaded_at) >= FRESH_FOR;
        if let Some(_one_at_a_time) = self.0.loading.try_lock().ok().filter(|_| stale)
            && let Err(error) = self.reload().await
        {
            tracing::warn!(%error, "signing keys were not read; those that are known stay published");
        }
        self.jwks(now)
    }

    /// The published keys as far as they are in memory.
    #[must_use]
    pub fn jwks(&self, now: Timestamp) -> String {
        self.ring().jwks(now)
    }

    /// Takes notice of what others did to the keys.
    ///
    /// # Errors
    /// When the store cannot be asked or a key cannot be used; what is in memory goes on being used.
    pub(super) async fn reload(&self) -> Result<(), SigningError> {
        let ring = Ring::load(&self.0.parts.rotation, &self.ring().keys).await?;
        *self.0.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ring);
        Ok(())
    }

    fn ring(&self) -> Arc<Ring> {
        self.0.ring.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Ring {
    /// Reads the keys. Those that are known are not opened again.
    async fn load(rotation: &Rotation, known: &[Arc<SigningKey>]) -> Result<Self, SigningError> {
        let loaded_at = rotation.clock.now();
        let rows = rotation.db.list_signing_keys().await?;
        let keys = rows.iter().map(|row| match known.iter().find(|key| key.kid() == row.facts.kid) {
            Some(key) => Ok(key.clone()),
            None => rotation.open(row).map(Arc::new),
        });
        Ok(Self { keys: keys.collect::<Result<_, SigningError>>()?, schedule: rotation::schedule(&rows), loaded_at })
    }

    fn signing(&self, now: Timestamp) -> Option<&SigningKey> {
        let kid = &self.schedule.signing(now)?.kid;
        self.key(kid)
    }

    fn key(&self, kid: &str) -> Option<&SigningKey> {
        self.keys.iter().find(|key| key.kid() == kid).map(|key| &**key)
    }

    fn jwks(&self, now: Timestamp) -> String {
        let mut standings: Vec<_> = self.schedule.standings(now).collect();
        standings.retain(|(_, standing)| standing.state != KeyState::Withdrawn);
        standings.sort_by_key(|(_, standing)| standing.state != KeyState::Signing);
        let keys = standings.iter().filter_map(|(key, _)| self.key(&key.kid));
        // Made from the private half, so that nobody can have a key of theirs published by writing to the database.
        let keys: Vec<_> = keys.map(SigningKey::public_jwk).collect();
        format!(r#"{{"keys":[{}]}}"#, keys.join(","))
    }
}
