//! Revoking many tokens at once.

use super::{Admin, OwnedView};
use crate::domain::audit::Draft;
use crate::domain::error::FieldErrors;
use crate::domain::id::TokenId;
use crate::domain::reason::Reason;
use crate::domain::token::TokenState;
use crate::server::service::authority::Administrator;
use crate::server::service::tokens::{TokenError, revoked};
use crate::server::store::{InventoryFilter, Located, OwnedToken, TokenKey};

/// Most tokens that are revoked by one request, so that a proxy in between waits for its answer. Whoever wants more repeats
/// it.
pub const BULK_MAX: usize = 5_000;
/// Tokens that are revoked in one transaction, which keeps other changes waiting.
const BATCH: usize = 50;
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
    /// How many tokens would be revoked, and the first of them. More than [`BULK_MAX`] are counted only where `exactly` is
    /// asked for: one step ends no more than that, so whoever confirms one has to know no more.
    ///
    /// # Errors
    /// When the login is not fresh, or the store cannot be asked.
    pub async fn preview(
        &self,
        administrator: &Administrator,
        filter: &InventoryFilter,
        shown: usize,
        exactly: bool,
    ) -> Result<(usize, Vec<OwnedView>), TokenError> {
        self.require_fresh_login(administrator)?;
        let filter = unrevoked(filter);
        let matched = self.matching(&filter, shown.max(1), exactly).await?;
        let shown = matched.first.get(..shown).unwrap_or(&matched.first);
        let first = self.db.list_fitting(shown, &filter, &self.rules(self.clock.now())).await?;
        Ok((matched.count, first.into_iter().map(|each| self.view(each)).collect()))
    }

    /// Revokes all tokens that fit, for ever; at most [`BULK_MAX`] of them.
    ///
    /// # Errors
    /// When the login is not fresh, or the store cannot be asked. [`TokenError::Invalid`] where another number of them was
    /// confirmed. [`TokenError::Partly`] where it stopped in the middle, or the administrator is none any more.
    pub async fn revoke_all(&self, administrator: &Administrator, bulk: &Bulk) -> Result<BulkOutcome, TokenError> {
        self.require_fresh_login(administrator)?;
        let filter = unrevoked(&bulk.filter);
        let matched = self.matching(&filter, BULK_MAX, bulk.confirmed.is_none()).await?;
        let (all, mut done) = (matched.first.len(), 0);
        if bulk.confirmed.is_some_and(|confirmed| confirmed != all) {
            return Err(TokenError::Invalid(FieldErrors::one("confirm", not_as_many(all))));
        }
        for batch in matched.first.chunks(BATCH) {
            // It may take long: whoever began it may have lost the right to it meanwhile.
            if !self.may_go_on(administrator).await.map_err(|_| TokenError::Partly { done, all })? {
                tracing::warn!(done, "a revocation of many tokens stopped: its administrator is none any more");
                return Err(TokenError::Partly { done, all });
            }
            match self.revoke_batch(administrator, &filter, &bulk.reason, batch).await {
                Ok(revoked) => done += revoked,
                Err(error) if done == 0 => return Err(error),
                Err(error) => {
                    tracing::error!(%error, done, "a revocation of many tokens stopped in the middle");
                    return Err(TokenError::Partly { done, all });
                }
            }
        }
        if done < all {
            // Somebody else has revoked some meanwhile, and may still be waiting for it to hold everywhere.
            self.db.settled().await.map_err(|_| TokenError::Partly { done, all })?;
        }
        Ok(BulkOutcome { matched: matched.count, revoked: done })
    }

    /// Revokes those that still fit: much may have happened since they were found.
    async fn revoke_batch(
        &self,
        administrator: &Administrator,
        filter: &InventoryFilter,
        reason: &Reason,
        ids: &[TokenId],
    ) -> Result<usize, TokenError> {
        let now = self.clock.now();
        let tokens = self.db.list_fitting(ids, filter, &self.rules(now)).await?;
        let batch: Vec<_> = tokens.iter().map(|each| self.revocation(administrator, each, reason)).collect();
        Ok(self.db.revoke_tokens(&batch, &reason.to_string(), now).await?)
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

    /// Tokens that fit: `most` of them, newest first, and how many there are. There may be millions, so the database looks
    /// at them and tells no more than is needed, and goes on counting past what one step ends only where that is asked for.
    /// Of more than that, those come first that are found first.
    async fn matching(&self, filter: &InventoryFilter, most: usize, exactly: bool) -> Result<Matched, TokenError> {
        if filter.state == Some(TokenState::Revoked) {
            return Ok(Matched::default());
        }
        let rules = self.rules(self.clock.now());
        if let Some(Located { marks, is_all }) = self.db.find_many(filter, &rules, BULK_MAX).await?
            && (is_all || !exactly)
        {
            let count = marks.len();
            return Ok(Matched { count, first: marks.into_iter().take(most).map(|mark| mark.id).collect() });
        }
        let (mut first, mut on) = (Vec::new(), None);
        loop {
            let walked = self.db.walk_places(filter, &rules, on, most - first.len()).await?;
            first.extend(walked.found.into_iter().map(|mark| mark.id));
            on = walked.on;
            if on.is_none() || first.len() >= most {
                break;
            }
        }
        let (mut count, enough) = (first.len(), if exactly { usize::MAX } else { BULK_MAX + 1 });
        while on.is_some() && count < enough {
            let counted = self.db.walk_count(filter, &rules, on, enough - count).await?;
            count += counted.found;
            on = counted.on;
        }
        Ok(Matched { count, first })
    }
}

/// Of the tokens that fit a filter, those that may still be revoked.
fn unrevoked(filter: &InventoryFilter) -> InventoryFilter {
    InventoryFilter { unrevoked: true, ..filter.clone() }
}

/// What is wrong with a number that was confirmed.
#[must_use]
pub fn not_as_many(would_end: usize) -> String {
    format!("This is not the number of tokens that would end now: {would_end}.")
}

/// Tokens that fit.
#[derive(Default)]
struct Matched {
    /// How many there are.
    count: usize,
    /// The first of them.
    first: Vec<TokenId>,
}
