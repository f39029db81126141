//! Personal access tokens: shape, then checksum, then the row, then the proof. argon2 only where the fast proof cannot
//! answer.

use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use ipnet::IpNet;

use crate::domain::paste;
use crate::domain::secret::{Prefix, SecretId, TokenText, has_prefix};
use crate::domain::time::Timestamp;
use crate::domain::token::{SecretFacts, SecretState, TokenFacts};
use crate::domain::verdict::{Grant, Invalid};
use crate::server::keys::Keys;
use crate::server::store::{HmacBackfill, StoreError};

use super::Unproven;
use super::argon::Hasher;
use super::passport::Issued;

/// A token's last use is noted at most this often: what is written is never more than a minute behind, and a token in
/// constant use costs one write a minute.
const NOTE_EVERY: Duration = Duration::from_secs(50);

/// Where rows of tokens come from.
#[async_trait]
pub trait Rows: Send + Sync {
    /// What is known of a secret without asking anybody.
    fn recall(&self, id: SecretId) -> Recalled;

    /// Asks the store.
    ///
    /// # Errors
    /// When it does not answer.
    async fn read(&self, id: SecretId) -> Result<Option<Arc<KnownToken>>, StoreError>;
}

/// What memory says.
#[derive(Clone, Debug)]
pub enum Recalled {
    /// This is it.
    Known(Arc<KnownToken>),
    /// There is no such secret.
    Unknown,
    /// Please ask the store.
    Unsure,
}

/// How exactly last uses are known in memory. To write down each would make processors pass the row back and forth.
const EXACT_TO: Duration = Duration::from_secs(1);

/// Everything that one check needs to know about a secret, as the store said it.
///
/// In this order: what checks write to stands together, next to the counts of the [`Arc`] that holds the row, so that
/// one piece of cache travels between processors and not three.
#[repr(C)]
pub struct KnownToken {
    /// What upstreams were told of it.
    pub issued: Issued,
    /// Microseconds; the last use that this process knows of.
    last_used: AtomicI64,
    /// The last use that is written down, or will be; and the last one after the end.
    noted: AtomicI64,
    end_noted: AtomicI64,
    /// The secret's public name.
    pub secret: SecretId,
    /// What the secret's standing depends on.
    pub facts: SecretFacts,
    /// Whose it is and what it may be used for.
    pub grant: Grant,
    /// Networks it may be used from; everywhere when empty.
    allowed_ips: Box<[IpNet]>,
    token: TokenFacts,
    fast_proof: OnceLock<[u8; 32]>,
    /// Only where there was no fast proof.
    slow_proof: Option<Box<SlowProof>>,
}

/// The durable proof, checked by one request at a time: whoever waited finds the fast proof that the first one made.
struct SlowProof {
    phc: String,
    turn: tokio::sync::Mutex<()>,
}

impl std::fmt::Debug for KnownToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KnownToken").field("secret", &self.secret).finish_non_exhaustive()
    }
}

impl KnownToken {
    /// From what the store says. `hmac` is the fast proof under the present key, where there is one.
    #[must_use]
    pub fn new(
        secret: SecretId,
        token: TokenFacts,
        facts: SecretFacts,
        grant: Grant,
        allowed_ips: Vec<IpNet>,
        hmac: Option<Vec<u8>>,
        phc: String,
    ) -> Self {
        let fast: Option<[u8; 32]> = hmac.and_then(|proof| proof.try_into().ok());
        let slow_proof = fast.is_none().then(|| Box::new(SlowProof { phc, turn: tokio::sync::Mutex::default() }));
        let last_used = token.last_used_at.map_or(i64::MIN, Timestamp::as_micros);
        Self {
            secret,
            facts,
            grant,
            allowed_ips: allowed_ips.into_boxed_slice(),
            issued: Issued::default(),
            token,
            last_used: AtomicI64::new(last_used),
            noted: AtomicI64::new(i64::MIN),
            end_noted: AtomicI64::new(i64::MIN),
            fast_proof: fast.map_or_else(OnceLock::new, OnceLock::from),
            slow_proof,
        }
    }

    /// With what the store says of the secret's last use. Not of the token's: whoever replaces a secret looks for uses of the
    /// old one, which those of the new one must not hide.
    #[must_use]
    pub fn noted(mut self, last_used: Option<Timestamp>) -> Self {
        self.noted = AtomicI64::new(last_used.map_or(i64::MIN, Timestamp::as_micros));
        self
    }

    /// What the token's standing depends on, with the uses that only this process knows of yet.
    #[must_use]
    pub fn token_facts(&self) -> TokenFacts {
        let last_used = self.last_used.load(Ordering::Relaxed);
        let last_used_at = (last_used != i64::MIN).then(|| Timestamp::from_micros(last_used));
        TokenFacts { last_used_at, ..self.token }
    }

    /// Notes a use. Whether it is time to write it down.
    #[must_use]
    pub fn note_use(&self, at: Timestamp) -> bool {
        let now = at.as_micros();
        let last = self.last_used.load(Ordering::Relaxed);
        if last == i64::MIN || at.since(Timestamp::from_micros(last)) >= EXACT_TO {
            self.last_used.fetch_max(now, Ordering::Relaxed);
        }
        is_due(&self.noted, at, NOTE_EVERY)
    }

    /// Notes a use after the end. Whether it is time to tell of it.
    #[must_use]
    pub fn note_end(&self, at: Timestamp, every: Duration) -> bool {
        is_due(&self.end_noted, at, every)
    }

    /// Whether the token may be used from an address; an unknown address is in no network.
    #[must_use]
    pub fn is_allowed_from(&self, ip: Option<IpAddr>) -> bool {
        self.allowed_ips.is_empty() || ip.is_some_and(|ip| self.allowed_ips.iter().any(|net| net.contains(&ip)))
    }
}

/// Whether something was noted so long ago that it has to be noted again. Only one is told so.
fn is_due(noted: &AtomicI64, at: Timestamp, every: Duration) -> bool {
    let last = noted.load(Ordering::Relaxed);
    let is_due = last == i64::MIN || at.since(Timestamp::from_micros(last)) >= every;
    is_due && noted.compare_exchange(last, at.as_micros(), Ordering::Relaxed, Ordering::Relaxed).is_ok()
}

/// Proves personal access tokens.
#[derive(Clone)]
pub struct PatValidator {
    rows: Arc<dyn Rows>,
    keys: Arc<Keys>,
    hasher: Hasher,
    prefixes: Arc<[Prefix]>,
}

impl std::fmt::Debug for PatValidator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PatValidator").field("prefixes", &self.prefixes).finish_non_exhaustive()
    }
}

/// A token whose secret was proved, with the row it was proved against.
#[derive(Debug)]
pub struct ProvenToken {
    /// What is known about it.
    pub known: Arc<KnownToken>,
    /// A fast proof that was made again and should be kept.
    pub backfill: Option<HmacBackfill>,
}

impl PatValidator {
    /// A validator for tokens with these prefixes.
    #[must_use]
    pub fn new(rows: Arc<dyn Rows>, keys: Arc<Keys>, hasher: Hasher, prefixes: Arc<[Prefix]>) -> Self {
        Self { rows, keys, hasher, prefixes }
    }

    /// Every token in a text.
    #[must_use]
    pub fn tokens_in<'t>(&self, text: &'t str) -> Vec<TokenText<'t>> {
        paste::tokens(text, &*self.prefixes)
    }

    /// Whether a credential claims to be a token.
    #[must_use]
    pub fn owns(&self, credential: &str) -> bool {
        self.prefixes.iter().any(|prefix| has_prefix(credential, prefix))
    }

    /// Proves a token.
    ///
    /// # Errors
    /// When it is malformed, unknown or has the wrong secret, or when the store or the hasher cannot answer.
    pub async fn prove(&self, credential: &str) -> Result<ProvenToken, Unproven> {
        let token = TokenText::parse(credential, &*self.prefixes).map_err(|_| invalid(Invalid::Malformed))?;
        let known = self.look_up(token.id()).await?;
        let backfill = match known.fast_proof.get() {
            Some(proof) => {
                self.prove_fast(token, proof)?;
                None
            }
            None => self.prove_slowly(token, &known).await?,
        };
        Ok(ProvenToken { known, backfill })
    }

    async fn look_up(&self, id: SecretId) -> Result<Arc<KnownToken>, Unproven> {
        match self.rows.recall(id) {
            Recalled::Known(token) => Ok(token),
            Recalled::Unknown => Err(invalid(Invalid::Unknown)),
            Recalled::Unsure => self.rows.read(id).await?.ok_or_else(|| invalid(Invalid::Unknown)),
        }
    }

    /// What the store says now of a token that is known.
    ///
    /// # Errors
    /// When it is gone, or nobody can say.
    pub async fn read_anew(&self, known: &KnownToken) -> Result<Arc<KnownToken>, Unproven> {
        self.rows.read(known.secret).await?.ok_or_else(|| invalid(Invalid::Unknown))
    }

    fn prove_fast(&self, token: TokenText<'_>, proof: &[u8; 32]) -> Result<(), Unproven> {
        let good = self.keys.verify(token, proof);
        if good { Ok(()) } else { Err(invalid(Invalid::WrongSecret)) }
    }

    /// The way without a fast proof of the present key. Ended secrets are not worth the work.
    async fn prove_slowly(&self, token: TokenText<'_>, known: &KnownToken) -> Result<Option<HmacBackfill>, Unproven> {
        let Some(slow) = &known.slow_proof else { return Err(Unproven::Unavailable) };
        if known.facts.state == SecretState::Ended || known.token.revoked_at.is_some() {
            return Err(invalid(Invalid::Ended));
        }
        let _turn = slow.turn.lock().await;
        if let Some(proof) = known.fast_proof.get() {
            return self.prove_fast(token, proof).map(|()| None);
        }
        match self.hasher.verify(&token.to_plain(), &slow.phc).await {
            Ok(true) => {
                let hmac = self.keys.prove(token);
                let _ = known.fast_proof.set(hmac);
                Ok(Some(HmacBackfill { secret: token.id(), hmac, key_id: self.keys.id().to_owned() }))
            }
            Ok(false) => Err(invalid(Invalid::WrongSecret)),
            Err(error) => {
                tracing::warn!(%error, secret_id = %token.id(), "a token could not be proved");
                Err(Unproven::Unavailable)
            }
        }
    }
}

const fn invalid(reason: Invalid) -> Unproven {
    Unproven::Invalid(reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::UserId;
    use crate::domain::verdict::Method;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn known(last_used: Option<Timestamp>) -> KnownToken {
        let facts = SecretFacts {
            state: SecretState::Active,
            created_at: at(0),
            expires_at: None,
            ends_at: None,
            expired_at: None,
        };
        let token = TokenFacts {
            revoked_at: None,
            last_used_at: last_used,
            owner_disabled_at: None,
            owner_last_login_at: at(0),
        };
        let grant = Grant {
            method: Method::Pat,
            user: UserId::from_random([1; 16]),
            profile: Arc::default(),
            token: None,
            scopes: Arc::default(),
            expires_at: None,
        };
        let secret = "0123456789abcdef".parse().unwrap();
        KnownToken::new(secret, token, facts, grant, Vec::new(), None, String::new()).noted(last_used)
    }

    #[test]
    fn a_use_is_noted_once_a_minute_also_where_each_check_reads_the_row_anew() {
        for (used, is_due) in [(None, true), (Some(at(100)), false), (Some(at(50)), true), (Some(at(51)), false)] {
            assert_eq!(known(used).note_use(at(100)), is_due, "{used:?}");
        }
        let known = known(Some(at(60)));
        assert_eq!([100, 109, 110, 111, 160].map(|now| known.note_use(at(now))), [false, false, true, false, true]);
    }

    #[test]
    fn a_use_after_the_end_is_told_however_short_ago_the_last_one_before_it_was() {
        let known = known(Some(at(100)));
        assert!(!known.note_use(at(101)));
        assert!(known.note_end(at(102), NOTE_EVERY));
        assert!(!known.note_end(at(103), NOTE_EVERY));
    }
}
