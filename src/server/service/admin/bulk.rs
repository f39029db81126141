//! Revoking many tokens at once.

use super::{Admin, OwnedView};
use crate::domain::audit::Draft;
use crate::domain::error::FieldErrors;
use crate::domain::id::TokenId;
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
    /// How many somebody has confirmed, where they had to.
    pub confirmed: Option<usize>,
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
        let matched = self.matching(filter, shown).await?;
        let first = self.still_matching(filter, &matched.first).await?;
        Ok((matched.count, first.into_iter().map(|each| self.view(each)).collect()))
    }

    /// Revokes all tokens that fit, for ever; at most [`BULK_MAX`] of them.
    ///
    /// # Errors
    /// When the login is not fresh, or the store cannot be asked. [`TokenError::Invalid`] where another number of them was
    /// confirmed. [`TokenError::Partly`] where it stopped in the middle.
    pub async fn revoke_all(&self, administrator: &Administrator, bulk: &Bulk) -> Result<BulkOutcome, TokenError> {
        self.require_fresh_login(administrator)?;
        let matched = self.matching(&bulk.filter, BULK_MAX).await?;
        let (all, mut done) = (matched.count, 0);
        if bulk.confirmed.is_some_and(|confirmed| confirmed != matched.first.len()) {
            return Err(TokenError::Invalid(FieldErrors::one("confirm", not_as_many(matched.first.len()))));
        }
        for batch in matched.first.chunks(BATCH) {
            match self.revoke_batch(administrator, bulk, batch).await {
                Ok(revoked) => done += revoked,
                Err(error) if done == 0 => return Err(error),
                Err(error) => {
                    tracing::error!(%error, done, "a revocation of many tokens stopped in the middle");
                    return Err(TokenError::Partly { done, all });
                }
            }
        }
        if done < matched.first.len() {
            // Somebody else has revoked some meanwhile, and may still be waiting for it to hold everywhere.
            self.db.settled().await.map_err(|_| TokenError::Partly { done, all })?;
        }
        Ok(BulkOutcome { matched: all, revoked: done })
    }

    /// Revokes those that still fit: much may have happened since they were found.
    async fn revoke_batch(
        &self,
        administrator: &Administrator,
        bulk: &Bulk,
        ids: &[TokenId],
    ) -> Result<usize, TokenError> {
        let tokens = self.still_matching(&bulk.filter, ids).await?;
        let batch: Vec<_> = tokens.iter().map(|each| self.revocation(administrator, each, &bulk.reason)).collect();
        Ok(self.db.revoke_tokens(&batch, &bulk.reason.to_string(), self.clock.now()).await?)
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

    /// Tokens that fit and are not revoked: how many, and the first so many of them.
    async fn matching(&self, filter: &InventoryFilter, most: usize) -> Result<Matched, TokenError> {
        let rules = self.rules(self.clock.now());
        let mut matched = Matched::default();
        let mut take = |found: Vec<OwnedToken>| {
            for (token, _) in found.iter().filter(|each| each.0.revoked_at.is_none() && self.fits(each, filter)) {
                matched.count += 1;
                if matched.first.len() < most {
                    matched.first.push(token.id);
                }
            }
        };
        if let Some(few) = self.db.find_few(filter, &rules, Order::Age).await? {
            let ids: Vec<_> = few.into_iter().map(|mark| mark.id).collect();
            take(self.db.list_owned(&ids).await?);
            return Ok(matched);
        }
        let mut on = None;
        loop {
            let walked = self.db.walk(filter, &rules, Order::Age, on, READ).await?;
            take(walked.found);
            on = walked.on;
            if on.is_none() {
                return Ok(matched);
            }
        }
    }

    /// Those of some tokens that fit and are not revoked.
    async fn still_matching(&self, filter: &InventoryFilter, ids: &[TokenId]) -> Result<Vec<OwnedToken>, TokenError> {
        let mut tokens = self.fitting(ids, filter).await?;
        tokens.retain(|(token, _)| token.revoked_at.is_none());
        Ok(tokens)
    }
}

/// What is wrong with a number that was confirmed.
#[must_use]
pub fn not_as_many(would_end: usize) -> String {
    format!("This is not the number of tokens that would end now: {would_end}.")
}

/// Tokens that fit: there may be millions, so only the ids of those that are needed are held.
#[derive(Default)]
struct Matched {
    count: usize,
    first: Vec<TokenId>,
}
