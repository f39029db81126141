//! What an upstream is told of who passes: a signed JWT and the values of the identity headers, ready to be sent.

use std::fmt;
use std::sync::Arc;

use crate::domain::identity_headers;
use crate::domain::time::Timestamp;
use crate::domain::verdict::Grant;
use crate::server::credential::passport::{FIELD_COUNT, Fields, Passport, Texts};

use super::check::Pass;
use super::pool::Pool;
use super::signing::{MintError, Minted, Signer};

/// Most beginnings of values that are shared: one for each owner, set of scopes and audience.
const COMMON_MAX: usize = 10_000;

/// Issues passports. A token's is signed once and handed out for half of its life, as long as the row that it was made
/// from is the present one.
#[derive(Clone)]
pub struct Passports(Arc<Desk>);

struct Desk {
    signer: Signer,
    audiences: Vec<String>,
    common: Pool<Texts>,
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
        let audiences = audiences.into_iter().map(str::to_owned).collect();
        Self(Arc::new(Desk { signer, audiences, common: Pool::new(COMMON_MAX) }))
    }

    /// The headers for a credential that passed.
    ///
    /// # Errors
    /// When nothing can be signed now.
    pub fn issue(&self, pass: &Pass, audience: &str, now: Timestamp) -> Result<Fields, MintError> {
        let place = self.0.audiences.iter().position(|name| name == audience);
        let (Pass::Token(holder), Some(place)) = (pass, place) else {
            return Ok(self.sign(pass.grant(), audience, now)?.write());
        };
        if let Some(fields) = holder.issued.write(place, now) {
            return Ok(fields);
        }
        let passport = self.sign(&holder.grant, audience, now)?;
        let fields = passport.write();
        holder.issued.keep(place, passport);
        Ok(fields)
    }

    fn sign(&self, grant: &Grant, audience: &str, now: Timestamp) -> Result<Passport, MintError> {
        let minted = self.0.signer.mint(grant, audience, now)?;
        let (common, own) = texts(grant, &minted);
        Ok(Passport::new(self.0.common.share(common), own, minted.renew_at))
    }
}

/// The values, parted into what others have too and what is this credential's own.
fn texts(grant: &Grant, minted: &Minted) -> (Texts, Texts) {
    let (beginning, rest) = minted.jwt.reveal().split_at(minted.common);
    let beginning = format!("Bearer {beginning}");
    let values = identity_headers::values(grant, &minted.cut);
    let (mut common, mut own) = ([""; FIELD_COUNT], [""; FIELD_COUNT]);
    (common[0], own[0]) = (&beginning, rest);
    for (index, (name, value)) in identity_headers::NAMES.iter().zip(&values).enumerate() {
        let side = if identity_headers::OF_CREDENTIAL.contains(name) { &mut own } else { &mut common };
        side[index + 1] = value;
    }
    (Texts::new(common), Texts::new(own))
}
