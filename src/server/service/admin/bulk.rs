//! Revoking many tokens at once.

use sha2::{Digest as _, Sha256};

use super::{Admin, OwnedView};
use crate::domain::audit::Draft;
use crate::domain::error::FieldErrors;
use crate::domain::id::{TokenId, UserId};
use crate::domain::reason::{Code, Reason};
use crate::domain::token::TokenState;
use crate::server::keys::hex;
use crate::server::service::authority::Administrator;
use crate::server::service::tokens::{TokenError, revoked};
use crate::server::store::{InventoryFilter, Located, Mark, OwnedToken, TokenKey, Touched, Walked};

/// Most tokens that are revoked by one request, so that a proxy in between waits for its answer. Whoever wants more repeats
/// it.
pub const BULK_MAX: usize = 2_000;
/// Tokens that are revoked in one transaction, which keeps other changes waiting.
const BATCH: usize = 50;
/// A wish to revoke many.
#[derive(Clone, Debug)]
pub struct Bulk {
    /// Which.
    pub filter: InventoryFilter,
    /// Why.
    pub reason: Reason,
    /// What somebody has confirmed, where they had to.
    pub confirmed: Option<Confirmed>,
}

/// What somebody has confirmed.
#[derive(Clone, Debug)]
pub struct Confirmed {
    /// Where these were looked for; everywhere if nowhere is said.
    pub from: Option<Mark>,
    /// How many tokens they said.
    pub count: usize,
    /// The fingerprint of those that they were shown, if there was one.
    pub shown: Option<String>,
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
    /// What one step would revoke: of all that fit, or of those behind a place where an earlier look has stopped.
    ///
    /// # Errors
    /// When the login is not fresh, the filter leaves everything, or the store cannot be asked.
    pub async fn preview(
        &self,
        administrator: &Administrator,
        filter: &InventoryFilter,
        from: Option<Mark>,
        shown: usize,
    ) -> Result<Preview, TokenError> {
        self.require_fresh_login(administrator)?;
        let filter = unrevoked(filter)?;
        let matched = self.step(&filter, from).await?;
        let shown = matched.first.get(..shown).unwrap_or(&matched.first);
        let first = self.db.list_fitting(shown, &filter, &self.rules(self.clock.now())).await?;
        let first = first.into_iter().map(|each| self.view(each)).collect();
        let ending = matched.ending();
        Ok(Preview { matched: matched.count, on: matched.on, ending, first })
    }

    /// How many tokens would be revoked in as many steps as it takes. Of millions that takes a while.
    ///
    /// # Errors
    /// When the login is not fresh, the filter leaves everything, or the store cannot be asked.
    pub async fn count(&self, administrator: &Administrator, filter: &InventoryFilter) -> Result<usize, TokenError> {
        self.require_fresh_login(administrator)?;
        Ok(self.all(&unrevoked(filter)?).await?.count)
    }

    /// Revokes all tokens that fit, for ever; at most [`BULK_MAX`] of them.
    ///
    /// # Errors
    /// When the login is not fresh, or the store cannot be asked. [`TokenError::Invalid`] where the filter leaves everything, or
    /// where others were confirmed. [`TokenError::Partly`] where it stopped in the middle, or the administrator is none any more.
    pub async fn revoke_all(&self, administrator: &Administrator, bulk: &Bulk) -> Result<BulkOutcome, TokenError> {
        self.require_fresh_login(administrator)?;
        let filter = unrevoked(&bulk.filter)?;
        let matched = match &bulk.confirmed {
            Some(confirmed) => self.step(&filter, confirmed.from.clone()).await?,
            None => self.all(&filter).await?,
        };
        let (all, mut done) = (matched.first.len(), 0);
        if let Some(objection) = bulk.confirmed.as_ref().and_then(|confirmed| matched.ending().objection(confirmed)) {
            return Err(TokenError::Invalid(FieldErrors::one("confirm", objection)));
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
        if done < all || all == 0 {
            // Somebody else has revoked what is missing, and may still be waiting for it to hold everywhere.
            self.db.settled(Touched::Everything).await.map_err(|_| TokenError::Partly { done, all })?;
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

    /// Revokes tokens of somebody who is about to be erased, until few are left: all at once, very many would keep other
    /// changes waiting for too long.
    pub(super) async fn end_most(&self, administrator: &Administrator, owner: UserId) -> Result<(), TokenError> {
        let filter = InventoryFilter { owner: Some(owner), unrevoked: true, ..InventoryFilter::default() };
        let reason = Reason { code: Code::OwnerLeft, text: String::new() };
        loop {
            let matched = self.step(&filter, None).await?;
            if matched.is_all && matched.first.len() <= BATCH {
                return Ok(());
            }
            let mut done = 0;
            for batch in matched.first.chunks(BATCH) {
                done += self.revoke_batch(administrator, &filter, &reason, batch).await?;
            }
            if done == 0 {
                return Ok(());
            }
        }
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

    /// What one step ends. There may be millions of tokens, and those that fit may be rare among them: where no index names
    /// enough or all of them, one step looks no further than one stride goes, and says where to go on.
    async fn step(&self, filter: &InventoryFilter, from: Option<Mark>) -> Result<Matched, TokenError> {
        let rules = self.rules(self.clock.now());
        if (from.is_none() || filter.ids.is_some())
            && let Some(Located { marks, is_all }) = self.db.find_many(filter, &rules, BULK_MAX).await?
        {
            return Ok(Matched::of(marks, is_all));
        }
        let Walked { found, on } = self.db.walk_places(filter, &rules, from, BULK_MAX + 1).await?;
        let is_all = on.is_none();
        // Behind those that this step ends.
        let on = if found.len() > BULK_MAX { found.get(BULK_MAX - 1).cloned() } else { on };
        Ok(Matched { on, ..Matched::of(found, is_all) })
    }

    /// All that fit, newest first, of which only those are named that one step ends.
    async fn all(&self, filter: &InventoryFilter) -> Result<Matched, TokenError> {
        let rules = self.rules(self.clock.now());
        if let Some(Located { marks, is_all: true }) = self.db.find_many(filter, &rules, BULK_MAX).await? {
            return Ok(Matched::of(marks, true));
        }
        let (mut found, mut on) = (Vec::new(), None);
        loop {
            let walked = self.db.walk_places(filter, &rules, on, BULK_MAX + 1 - found.len()).await?;
            found.extend(walked.found);
            on = walked.on;
            if on.is_none() || found.len() > BULK_MAX {
                break;
            }
        }
        let mut matched = Matched::of(found, on.is_none());
        while on.is_some() {
            let counted = self.db.walk_count(filter, &rules, on).await?;
            matched.count += counted.found;
            on = counted.on;
        }
        Ok(matched)
    }
}

/// Of the tokens that fit a filter, those that may still be revoked: of revoked ones, none. Nobody revokes everything because a
/// field was left out.
fn unrevoked(filter: &InventoryFilter) -> Result<InventoryFilter, TokenError> {
    if *filter == InventoryFilter::default() {
        let message =
            "Please give at least one of: ids, user, q, state, scope, created_before, unused_since, expires_within.";
        return Err(TokenError::Invalid(FieldErrors::one("filter", message)));
    }
    let ids = if filter.state == Some(TokenState::Revoked) { Some(Vec::new()) } else { filter.ids.clone() };
    Ok(InventoryFilter { ids, unrevoked: true, ..filter.clone() })
}

/// What one step ends.
#[derive(Clone, Debug)]
pub struct Ending {
    /// How many tokens.
    pub count: usize,
    /// Stands for all that were found, where one step ends them: so that those end that somebody has seen. Of more than that,
    /// any may be the first.
    pub fingerprint: Option<String>,
}

impl Ending {
    /// What stands against ending them, if something else was confirmed.
    #[must_use]
    pub fn objection(&self, confirmed: &Confirmed) -> Option<String> {
        let Self { count, fingerprint } = self;
        if confirmed.count != *count {
            return Some(format!("This is not the number of tokens that would end now: {count}."));
        }
        let is_another = confirmed.shown.is_some() && confirmed.shown != *fingerprint;
        is_another.then(|| "These are other tokens than those that you were shown. Please look again.".to_owned())
    }
}

/// What one step would revoke, and whether that is all.
#[derive(Clone, Debug)]
pub struct Preview {
    /// How many tokens fit; where there are more than [`BULK_MAX`], only that there are more.
    pub matched: usize,
    /// Where to look for others, if that is known.
    pub on: Option<Mark>,
    /// Those that end.
    pub ending: Ending,
    /// The first of them.
    pub first: Vec<OwnedView>,
}

/// Tokens that fit.
struct Matched {
    /// How many were found.
    count: usize,
    /// Whether there can be no others.
    is_all: bool,
    /// Where to look for others, if that is known.
    on: Option<Mark>,
    /// Those that one step ends.
    first: Vec<TokenId>,
}

impl Matched {
    fn of(found: Vec<Mark>, is_all: bool) -> Self {
        let first = found.iter().take(BULK_MAX).map(|mark| mark.id).collect();
        Self { count: found.len(), is_all, on: None, first }
    }

    fn ending(&self) -> Ending {
        let ends_all = self.count == self.first.len();
        Ending { count: self.first.len(), fingerprint: ends_all.then(|| fingerprint(&self.first)) }
    }
}

fn fingerprint(ids: &[TokenId]) -> String {
    let mut ids: Vec<_> = ids.iter().map(|id| id.as_uuid()).collect();
    ids.sort_unstable();
    let digest = ids.iter().fold(Sha256::new(), |digest, id| digest.chain_update(id.as_bytes()));
    hex(&digest.finalize()[..16])
}
