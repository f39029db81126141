//! Revoking many tokens at once.

use super::{Admin, OwnedView};
use crate::domain::audit::Draft;
use crate::domain::reason::Reason;
use crate::server::service::authority::Administrator;
use crate::server::service::tokens::{TokenError, revoked};
use crate::server::store::{InventoryFilter, Order, OwnedToken, TokenKey};

/// Most tokens that are revoked by one request. Whoever wants more repeats it.
pub const BULK_MAX: usize = 10_000;
/// Tokens that are revoked in one transaction, which keeps other changes waiting.
const BATCH: usize = 50;
/// Tokens that are read at once.
const READ: u32 = 1_000;

/// A wish to revoke many.
#[derive(Clone, Debug)]
pub struct Bulk {
    /// Which.
    pub filter: InventoryFilter,
    /// Why.
    pub reason: Reason,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BulkOutcome {
    /// Tokens that fitted and were not revoked before.
    pub matched: usize,
    /// Those of them that are revoked now.
    pub revoked: usize,
}

impl Admin {
    /// How many tokens would be revoked, and the first of them.
    ///
    /// # Errors
    /// When the login is not fresh, or the store cannot be asked.
    pub async fn preview(
        &self,
        administrator: &Administrator,
        filter: &InventoryFilter,
        shown: usize,
    ) -> Result<(usize, Vec<OwnedView>), TokenError> {
        self.require_fresh_login(administrator)?;
        let matched = self.matching(filter).await?;
        let count = matched.len();
        Ok((count, matched.into_iter().take(shown).map(|each| self.view(each)).collect()))
    }

    /// Revokes all tokens that fit, for ever; at most [`BULK_MAX`] of them.
    ///
    /// # Errors
    /// When the login is not fresh, or the store cannot be asked. [`TokenError::Partly`] where it stopped in the middle.
    pub async fn revoke_all(&self, administrator: &Administrator, bulk: &Bulk) -> Result<BulkOutcome, TokenError> {
        self.require_fresh_login(administrator)?;
        let matched = self.matching(&bulk.filter).await?;
        let (mut done, now) = (0, self.clock.now());
        for batch in matched.get(..BULK_MAX).unwrap_or(&matched).chunks(BATCH) {
            let batch: Vec<_> = batch.iter().map(|each| self.revocation(administrator, each, &bulk.reason)).collect();
            match self.db.revoke_tokens(&batch, &bulk.reason.to_string(), now).await {
                Ok(revoked) => done += revoked,
                Err(error) if done == 0 => return Err(error.into()),
                Err(error) => {
                    tracing::error!(%error, done, "a revocation of many tokens stopped in the middle");
                    return Err(TokenError::Partly { done, all: matched.len() });
                }
            }
        }
        if done < matched.len().min(BULK_MAX) {
            // Somebody else has revoked some meanwhile, and may still be waiting for it to hold everywhere.
            self.db.settled().await.map_err(|_| TokenError::Partly { done, all: matched.len() })?;
        }
        Ok(BulkOutcome { matched: matched.len(), revoked: done })
    }

    fn revocation(
        &self,
        administrator: &Administrator,
        (row, owner): &OwnedToken,
        reason: &Reason,
    ) -> (TokenKey, Draft) {
        let view = self.tokens.lens(owner).view(row.clone());
        let draft = revoked(administrator.party(), &view, &administrator.origin());
        let draft = draft.on_behalf_of(owner.id).about(owner.id).because(Some(reason));
        (TokenKey { id: row.id, owner: owner.id }, draft)
    }

    fn require_fresh_login(&self, administrator: &Administrator) -> Result<(), TokenError> {
        administrator.caller().map_or(Ok(()), |caller| self.tokens.require_fresh_login(caller))
    }

    /// All tokens that fit and are not revoked.
    async fn matching(&self, filter: &InventoryFilter) -> Result<Vec<OwnedToken>, TokenError> {
        let rules = self.rules(self.clock.now());
        let is_matched = |each: &OwnedToken| each.0.revoked_at.is_none() && self.fits(each, filter);
        if let Some(mut few) = self.few(filter, &rules).await? {
            few.retain(is_matched);
            return Ok(few);
        }
        let (mut matched, mut on) = (Vec::new(), None);
        loop {
            let walked = self.db.walk(filter, &rules, Order::Age, on, READ).await?;
            matched.extend(walked.found.into_iter().filter(is_matched));
            on = walked.on;
            if on.is_none() {
                return Ok(matched);
            }
        }
    }
}
