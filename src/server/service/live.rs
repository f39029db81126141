//! What may be held in memory of tokens, and when it may be believed.
//!
//! A check that starts after the answer to a change was sent has to be decided by the new state. Memory keeps that
//! promise by three rules:
//!
//! 1. *Our own changes* are forgotten in the same step in which they are written, before anybody is told of them
//!    ([`Watcher::touched`]).
//! 2. *Reading while something changes*: whoever reads a row takes a ticket first, and the row is kept only if nothing
//!    was forgotten since. So an old row cannot come in behind its own forgetting.
//! 3. *Changes from outside of this process* (an operator's shell, our own command line) show in
//!    [`Db::outside_version`]. Memory is believed only while the last look at it is younger than [`TRUST`]; else every
//!    check reads its row.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use quick_cache::sync::Cache;

use crate::domain::scope::{Catalogue, ScopeSet};
use crate::domain::secret::SecretId;
use crate::domain::time::Timestamp;
use crate::domain::token::TokenPolicy;
use crate::domain::user::Profile;
use crate::domain::verdict::{Grant, Method};
use crate::server::credential::pat::{KnownToken, Recalled, Rows};
use crate::server::keys::Keys;
use crate::server::store::{CheckRow, Db, StoreError, Touched, Watcher};

use super::pool::Pool;

/// Most tokens that are held.
const KNOWN_MAX: usize = 50_000;
/// Most ids that are remembered as unknown: enough against a repeated mistake, little for somebody who guesses.
const UNKNOWN_MAX: usize = 4_096;
/// Most profiles and sets of scopes that are shared between tokens.
const SHARED_MAX: usize = 10_000;
/// How long a look at the outside is good for.
const TRUST: Duration = Duration::from_millis(250);

/// Rows of tokens by the public names of their secrets.
pub struct Memory {
    known: Cache<SecretId, Arc<KnownToken>>,
    profiles: Pool<Profile>,
    scopes: Pool<ScopeSet>,
    unknown: Cache<SecretId, ()>,
    /// Grows with everything that is forgotten. Rows come in under its read lock, so that none can slip in between the
    /// growing and the forgetting.
    generation: RwLock<u64>,
    started: Instant,
    /// Microseconds since `started` up to which memory is believed.
    trusted_until: AtomicU64,
}

/// The state of memory at the moment before a row is read.
#[derive(Clone, Copy, Debug)]
struct Ticket(u64);

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memory").field("known", &self.known.len()).finish_non_exhaustive()
    }
}

impl Memory {
    /// Empty, and not believed until the first look.
    #[must_use]
    pub fn new() -> Self {
        Self {
            known: Cache::new(KNOWN_MAX),
            profiles: Pool::new(SHARED_MAX),
            scopes: Pool::new(SHARED_MAX),
            unknown: Cache::new(UNKNOWN_MAX),
            generation: RwLock::new(0),
            started: monotonic(),
            trusted_until: AtomicU64::new(0),
        }
    }

    fn ticket(&self) -> Ticket {
        Ticket(*self.generation.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Keeps what was read under a ticket, unless something was forgotten since.
    fn keep(&self, ticket: Ticket, id: SecretId, row: Option<&Arc<KnownToken>>) {
        let generation = self.generation.read().unwrap_or_else(PoisonError::into_inner);
        if *generation != ticket.0 {
            return;
        }
        match row {
            Some(token) => self.known.insert(id, Arc::clone(token)),
            None => self.unknown.insert(id, ()),
        }
    }

    fn recall(&self, id: SecretId) -> Recalled {
        if !self.is_trusted(monotonic()) {
            Recalled::Unsure
        } else if let Some(token) = self.known.get(&id) {
            Recalled::Known(token)
        } else if self.unknown.get(&id).is_some() {
            Recalled::Unknown
        } else {
            Recalled::Unsure
        }
    }

    fn is_trusted(&self, now: Instant) -> bool {
        self.micros(now) < self.trusted_until.load(Ordering::Acquire)
    }

    /// Nothing from outside was there at `looked`.
    fn trust_since(&self, looked: Instant) {
        self.trusted_until.fetch_max(self.micros(looked + TRUST), Ordering::AcqRel);
    }

    fn micros(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.started).as_micros()).unwrap_or(u64::MAX)
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl Watcher for Memory {
    fn touched(&self, what: Touched) {
        if what == Touched::Nothing {
            return;
        }
        *self.generation.write().unwrap_or_else(PoisonError::into_inner) += 1;
        // A new secret may be one that was asked for before it was there.
        self.unknown.clear();
        match what {
            Touched::Nothing => {}
            Touched::Token(id) => self.known.retain(|_, token| token.grant.token != Some(id)),
            Touched::Owner(id) => self.known.retain(|_, token| token.grant.user != id),
            Touched::Everything => self.known.clear(),
        }
    }
}

/// Rows of tokens, from memory where it may be believed and else from the store.
#[derive(Clone)]
pub struct Live(Arc<Parts>);

struct Parts {
    memory: Arc<Memory>,
    db: Db,
    keys: Arc<Keys>,
    catalogue: Arc<Catalogue>,
    policy: TokenPolicy,
    /// What the last look saw. One look at a time: a second one must not be believed before the first has made forget.
    seen: tokio::sync::Mutex<i64>,
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live").field("memory", &self.0.memory).finish_non_exhaustive()
    }
}

impl Live {
    /// With the memory that watches the store.
    #[must_use]
    pub fn new(memory: Arc<Memory>, db: Db, keys: Arc<Keys>, catalogue: Arc<Catalogue>, policy: TokenPolicy) -> Self {
        Self(Arc::new(Parts { memory, db, keys, catalogue, policy, seen: tokio::sync::Mutex::new(i64::MIN) }))
    }

    /// Notices what anybody but us has changed, and believes memory again for a while. Whether there was something.
    ///
    /// # Errors
    /// When the store cannot be asked; then memory is believed no longer than before.
    pub async fn look(&self) -> Result<bool, StoreError> {
        let mut seen = self.0.seen.lock().await;
        let looked = monotonic();
        let version = self.0.db.outside_version().await?;
        let changed = *seen != version;
        if changed {
            self.0.memory.touched(Touched::Everything);
            *seen = version;
        }
        self.0.memory.trust_since(looked);
        Ok(changed)
    }

    /// Lets go of passports that have to be renewed anyway.
    pub fn forget_old_passports(&self, now: Timestamp) {
        for (_, token) in self.0.memory.known.iter() {
            token.issued.forget_old(now);
        }
    }

    fn known(&self, id: SecretId, row: CheckRow) -> KnownToken {
        let parts = &self.0;
        let grant = Grant {
            method: Method::Pat,
            user: row.owner.id,
            token: Some(row.token_id),
            scopes: parts.memory.scopes.share(parts.catalogue.effective(&row.scopes, &row.owner.profile.roles)),
            expires_at: parts.policy.deadline(&row.secret),
            profile: parts.memory.profiles.share(row.owner.profile),
        };
        let hmac = row.hmac.filter(|(key, _)| key == parts.keys.id()).map(|(_, proof)| proof);
        KnownToken::new(id, row.token, row.secret, grant, row.allowed_ips, hmac, row.phc)
    }
}

#[async_trait]
impl Rows for Live {
    fn recall(&self, id: SecretId) -> Recalled {
        self.0.memory.recall(id)
    }

    async fn read(&self, id: SecretId) -> Result<Option<Arc<KnownToken>>, StoreError> {
        let ticket = self.0.memory.ticket();
        let row = self.0.db.lookup_check(id).await?;
        let token = row.map(|row| Arc::new(self.known(id, row)));
        self.0.memory.keep(ticket, id, token.as_ref());
        Ok(token)
    }
}

/// The monotonic clock: how old a look is must not depend on a clock that can be set.
#[expect(
    clippy::disallowed_methods,
    reason = "measures the age of a look; every other rule takes its time as a parameter"
)]
pub(super) fn monotonic() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::{TokenId, UserId};
    use crate::domain::token::{SecretFacts, SecretState, TokenFacts};

    fn secret(number: u8) -> SecretId {
        format!("{number:016}").parse().unwrap()
    }

    fn token_id(number: u8) -> TokenId {
        TokenId::from_random([number; 16])
    }

    /// Tokens 1 and 2 belong to user 1, the others to user 2.
    fn owner(number: u8) -> UserId {
        UserId::from_random([if number <= 2 { 1 } else { 2 }; 16])
    }

    fn row(number: u8) -> Arc<KnownToken> {
        let now = Timestamp::from_seconds(1);
        let facts = SecretFacts {
            state: SecretState::Active,
            created_at: now,
            expires_at: None,
            ends_at: None,
            expired_at: None,
        };
        let token =
            TokenFacts { revoked_at: None, last_used_at: None, owner_disabled_at: None, owner_last_login_at: now };
        let grant = Grant {
            method: Method::Pat,
            user: owner(number),
            profile: Arc::default(),
            token: Some(token_id(number)),
            scopes: Arc::default(),
            expires_at: None,
        };
        Arc::new(KnownToken::new(secret(number), token, facts, grant, Vec::new(), None, String::new()))
    }

    fn memory() -> Memory {
        let memory = Memory::new();
        for number in 1..=3 {
            memory.keep(memory.ticket(), secret(number), Some(&row(number)));
        }
        memory.keep(memory.ticket(), secret(9), None);
        memory.trust_since(monotonic() + Duration::from_hours(1));
        memory
    }

    fn held(memory: &Memory) -> Vec<u8> {
        (1..=9).filter(|number| !matches!(memory.recall(secret(*number)), Recalled::Unsure)).collect()
    }

    #[test]
    fn what_is_touched_is_forgotten_and_so_is_every_unknown_id() {
        let table = [
            (Touched::Nothing, vec![1, 2, 3, 9]),
            (Touched::Token(token_id(1)), vec![2, 3]),
            (Touched::Owner(owner(1)), vec![3]),
            (Touched::Everything, vec![]),
        ];
        for (touched, left) in table {
            let memory = memory();
            assert!(matches!(memory.recall(secret(9)), Recalled::Unknown));
            memory.touched(touched);
            assert_eq!(held(&memory), left, "{touched:?}");
        }
    }

    #[test]
    fn a_row_that_was_read_before_a_change_does_not_come_in_after_it() {
        let memory = memory();
        let ticket = memory.ticket();
        memory.touched(Touched::Token(token_id(3)));
        memory.keep(ticket, secret(3), Some(&row(3)));
        memory.keep(ticket, secret(8), None);
        assert_eq!(held(&memory), [1, 2]);
        memory.keep(memory.ticket(), secret(3), Some(&row(3)));
        assert_eq!(held(&memory), [1, 2, 3]);
    }

    #[test]
    fn memory_is_believed_only_for_a_while_after_a_look() {
        let memory = Memory::new();
        let now = monotonic();
        assert!(!memory.is_trusted(now), "before the first look");
        memory.trust_since(now);
        assert!(memory.is_trusted(now + Duration::from_millis(249)));
        assert!(!memory.is_trusted(now + TRUST));
        // A look that took long and ends after a later one takes nothing back.
        memory.trust_since(now.checked_sub(Duration::from_millis(100)).unwrap_or(now));
        assert!(memory.is_trusted(now + Duration::from_millis(249)));
    }
}
