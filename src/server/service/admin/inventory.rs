//! Everybody's tokens.

use super::{Admin, OwnedView, OwnerView};
use crate::domain::id::TokenId;
use crate::domain::time::Timestamp;
use crate::domain::token::TokenState;
use crate::domain::user::User;
use crate::server::service::authority::Administrator;
use crate::server::service::tokens::{HistoryEntry, TokenError};
use crate::server::store::{InventoryFilter, Mark, Order, OwnedToken, StateRules, TokenRow};

/// Tokens that are read at once while walking.
const BATCH: u32 = 200;
/// Most batches for one page. What is rarer than that goes on with the next page.
const WALKS: usize = 10;

/// Which part of everybody's tokens.
#[derive(Clone, Debug, Default)]
pub struct ListInventory {
    /// What they have to be like.
    pub filter: InventoryFilter,
    /// In which order.
    pub order: Order,
    /// Where an earlier part stopped.
    pub after: Option<Mark>,
    /// How many at most.
    pub limit: usize,
}

/// Part of everybody's tokens.
#[derive(Clone, Debug)]
pub struct Inventory {
    /// The tokens. There may be fewer than asked for, also where there are more.
    pub items: Vec<OwnedView>,
    /// Where the next part begins, if there is one.
    pub next: Option<Mark>,
}

impl Admin {
    /// Tokens that fit a filter.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn list_tokens(&self, _: &Administrator, list: &ListInventory) -> Result<Inventory, TokenError> {
        let rules = self.rules(self.clock.now());
        match self.db.find_few(&list.filter, &rules, list.order).await? {
            Some(few) => self.part_of(few, list).await,
            None => self.walk(list, &rules).await,
        }
    }

    /// What happened to anybody's token, newest first.
    ///
    /// # Errors
    /// When there is none with that id, or the store cannot be asked.
    pub async fn history(&self, administrator: &Administrator, id: TokenId) -> Result<Vec<HistoryEntry>, TokenError> {
        let (_, owner) = self.tokens.get_anybodys(administrator, id).await?;
        self.tokens.history(&owner, id).await
    }

    /// Of few tokens, only those are read that are shown.
    async fn part_of(&self, mut few: Vec<Mark>, list: &ListInventory) -> Result<Inventory, TokenError> {
        let order = list.order;
        if let Some(after) = &list.after {
            few.retain(|mark| order.compare(mark, after).is_gt());
        }
        let mut items = Vec::new();
        for batch in few.chunks(list.limit + 1) {
            let ids: Vec<_> = batch.iter().map(|mark| mark.id).collect();
            let mut found = self.fitting(&ids, &list.filter).await?;
            found.sort_by(|(one, _), (other, _)| order.compare(&order.mark(one), &order.mark(other)));
            items.extend(found);
            if items.len() > list.limit {
                break;
            }
        }
        Ok(self.inventory(items, list, None))
    }

    /// Those of some tokens that fit a filter.
    pub(super) async fn fitting(
        &self,
        ids: &[TokenId],
        filter: &InventoryFilter,
    ) -> Result<Vec<OwnedToken>, TokenError> {
        let mut found = self.db.list_owned(ids).await?;
        found.retain(|each| self.fits(each, filter));
        Ok(found)
    }

    async fn walk(&self, list: &ListInventory, rules: &StateRules) -> Result<Inventory, TokenError> {
        let (mut items, mut on) = (Vec::new(), list.after.clone());
        // Mostly all that is read fits, and then no more than that is needed.
        let mut batch = u32::try_from(list.limit + 1).unwrap_or(BATCH);
        for _ in 0..WALKS {
            let walked = self.db.walk(&list.filter, rules, list.order, on, batch).await?;
            let is_stride = walked.found.len() < batch as usize;
            batch = BATCH;
            items.extend(walked.found.into_iter().filter(|each| self.fits(each, &list.filter)));
            on = walked.on;
            if items.len() > list.limit || is_stride || on.is_none() {
                break;
            }
        }
        Ok(self.inventory(items, list, on))
    }

    /// The first of some tokens, and where those behind them begin.
    fn inventory(&self, mut found: Vec<OwnedToken>, list: &ListInventory, on: Option<Mark>) -> Inventory {
        let more = found.len() > list.limit;
        found.truncate(list.limit);
        let end = found.last().map(|(token, _)| list.order.mark(token));
        Inventory { items: found.into_iter().map(|each| self.view(each)).collect(), next: if more { end } else { on } }
    }

    pub(super) fn view(&self, (row, owner): OwnedToken) -> OwnedView {
        OwnedView { token: self.tokens.lens(&owner).view(row), owner: OwnerView::from(&owner) }
    }

    /// Whether a token fits the whole of a filter, exactly.
    pub(super) fn fits(&self, each: &OwnedToken, filter: &InventoryFilter) -> bool {
        let (row, owner) = each;
        let state = || self.tokens.lens(owner).standing(row).state();
        let used = row.last_used_at.unwrap_or(row.created_at);
        filter.ids.as_ref().is_none_or(|ids| ids.contains(&row.id))
            && filter.owner.is_none_or(|id| id == owner.id)
            && (filter.scope.is_empty() || row.scopes.contains(&filter.scope))
            && filter.created_before.is_none_or(|before| row.created_at < before)
            && filter.unused_since.is_none_or(|since| used < since)
            && has_text(row, owner, &filter.text)
            && filter.expires_before.is_none_or(|before| self.runs_out(each, before))
            && filter.state.is_none_or(|wanted| wanted == state())
    }
}

impl Admin {
    /// Whether a token is good and runs out before a moment.
    fn runs_out(&self, (row, owner): &OwnedToken, before: Timestamp) -> bool {
        let view = self.tokens.lens(owner).view(row.clone());
        view.state == TokenState::Active && view.expires_at.is_some_and(|at| at < before)
    }
}

/// Whether a token is one that a search text means.
fn has_text(row: &TokenRow, owner: &User, text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let is_in = |whole: &str| whole.to_ascii_lowercase().contains(&text);
    let digits = text.replace('-', "");
    text.is_empty()
        || is_in(&format!("{} {}", row.name, row.description))
        || is_in(&owner.profile.username)
        || owner.profile.email.as_deref().is_some_and(is_in)
        || (digits.len() >= 4 && row.id.as_uuid().simple().to_string().starts_with(&digits))
        || row.secrets.iter().any(|secret| secret.id.as_str().to_ascii_lowercase().starts_with(&text))
}
