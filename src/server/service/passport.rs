//! What an upstream is told of who passes: a signed JWT and the values of the identity headers, ready to be sent.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use quick_cache::sync::Cache;

use crate::domain::identity_headers;
use crate::domain::secret::SecretId;
use crate::domain::time::Timestamp;
use crate::domain::verdict::Grant;
use crate::server::credential::pat::KnownToken;

use super::check::Pass;
use super::signing::{MintError, Minted, Signer};

/// Most passports that are held for one audience.
const HELD_MAX: usize = 20_000;
const FIELD_COUNT: usize = identity_headers::NAMES.len() + 1;

/// The values of the headers of an allowed request, in one piece of memory. It holds a credential for the upstream and
/// cannot print itself.
pub struct Passport {
    text: Bytes,
    ends: [u16; FIELD_COUNT],
    /// When half of the JWT's life is over.
    renew_at: Timestamp,
}

impl fmt::Debug for Passport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passport(…)")
    }
}

impl Passport {
    /// The names of the headers: first the one with the JWT.
    #[must_use]
    pub fn fields() -> [&'static str; FIELD_COUNT] {
        let mut names = ["authorization"; FIELD_COUNT];
        names[1..].copy_from_slice(&identity_headers::NAMES);
        names
    }

    fn new(grant: &Grant, minted: &Minted) -> Self {
        let mut text = format!("Bearer {}", minted.jwt.reveal());
        let mut ends = [end_of(&text); FIELD_COUNT];
        let values = identity_headers::values(grant, &minted.cut);
        for (value, end) in values.iter().zip(&mut ends[1..]) {
            text.push_str(value);
            *end = end_of(&text);
        }
        text.shrink_to_fit();
        Self { text: text.into(), ends, renew_at: minted.renew_at }
    }

    /// The values, in the order of [`Passport::fields`].
    pub fn values(&self) -> impl Iterator<Item = Bytes> {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let end = usize::from(*end);
            let value = self.text.slice(start..end);
            start = end;
            value
        })
    }
}

/// Every value is bounded, and all together are far shorter than this can count.
fn end_of(text: &str) -> u16 {
    u16::try_from(text.len()).unwrap_or(u16::MAX)
}

/// A passport and what it was issued for.
#[derive(Clone)]
struct Held {
    /// The very row: after any change of token or owner there is another one.
    holder: Arc<KnownToken>,
    passport: Arc<Passport>,
}

impl Held {
    fn is_good_for(&self, holder: &Arc<KnownToken>, now: Timestamp) -> bool {
        Arc::ptr_eq(&self.holder, holder) && now < self.passport.renew_at
    }
}

/// Issues passports. A token's is signed once and handed out for half of its life, as long as the row that it was made
/// from is the present one.
#[derive(Clone)]
pub struct Passports(Arc<Desk>);

struct Desk {
    signer: Signer,
    held: Vec<(String, Cache<SecretId, Held>)>,
}

impl fmt::Debug for Passports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passports").finish_non_exhaustive()
    }
}

impl Passports {
    /// Signed by `signer`, for any of these audiences.
    #[must_use]
    pub fn new<'a>(signer: Signer, audiences: impl IntoIterator<Item = &'a str>) -> Self {
        let held = audiences.into_iter().map(|audience| (audience.to_owned(), Cache::new(HELD_MAX))).collect();
        Self(Arc::new(Desk { signer, held }))
    }

    /// The passport of a credential that passed.
    ///
    /// # Errors
    /// When nothing can be signed now.
    pub fn issue(&self, pass: &Pass, audience: &str, now: Timestamp) -> Result<Arc<Passport>, MintError> {
        let held = self.0.held.iter().find(|(name, _)| name == audience).map(|(_, held)| held);
        match (pass, held) {
            (Pass::Token(holder), Some(held)) => self.issue_to(holder, held, audience, now),
            _ => self.sign(pass.grant(), audience, now),
        }
    }

    fn issue_to(
        &self,
        holder: &Arc<KnownToken>,
        held: &Cache<SecretId, Held>,
        audience: &str,
        now: Timestamp,
    ) -> Result<Arc<Passport>, MintError> {
        if let Some(known) = held.get(&holder.secret).filter(|known| known.is_good_for(holder, now)) {
            return Ok(known.passport);
        }
        let passport = self.sign(&holder.grant, audience, now)?;
        held.insert(holder.secret, Held { holder: Arc::clone(holder), passport: Arc::clone(&passport) });
        Ok(passport)
    }

    fn sign(&self, grant: &Grant, audience: &str, now: Timestamp) -> Result<Arc<Passport>, MintError> {
        let minted = self.0.signer.mint(grant, audience, now)?;
        Ok(Arc::new(Passport::new(grant, &minted)))
    }

    /// Lets go of what has to be renewed anyway.
    pub fn forget_old(&self, now: Timestamp) {
        for (_, held) in &self.0.held {
            held.retain(|_, known| now < known.passport.renew_at);
        }
    }
}
