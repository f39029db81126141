//! Everybody's tokens.

use super::{Admin, OwnedView, OwnerView};
use crate::server::service::authority::Administrator;
use crate::server::service::tokens::TokenError;
use crate::server::store::{InventoryFilter, Mark, Order, OwnedToken, StateRules};

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
            Some(few) => self.part_of(few, list, &rules).await,
            None => self.walk(list, &rules).await,
        }
    }

    /// Of few tokens, only those are read that are shown.
    async fn part_of(
        &self,
        mut few: Vec<Mark>,
        list: &ListInventory,
        rules: &StateRules,
    ) -> Result<Inventory, TokenError> {
        let order = list.order;
        if let Some(after) = &list.after {
            few.retain(|mark| order.compare(mark, after).is_gt());
        }
        let more = few.len() > list.limit;
        few.truncate(list.limit);
        let ids: Vec<_> = few.iter().map(|mark| mark.id).collect();
        let mut found = self.db.list_fitting(&ids, &list.filter, rules).await?;
        found.sort_by(|(one, _), (other, _)| order.compare(&order.mark(one), &order.mark(other)));
        Ok(self.inventory(found, few.pop().filter(|_| more)))
    }

    async fn walk(&self, list: &ListInventory, rules: &StateRules) -> Result<Inventory, TokenError> {
        let enough = u32::try_from(list.limit + 1).unwrap_or(u32::MAX);
        let mut walked = self.db.walk(&list.filter, rules, list.order, list.after.clone(), enough).await?;
        let more = walked.found.len() > list.limit;
        walked.found.truncate(list.limit);
        let end = walked.found.last().filter(|_| more).map(|(token, _)| list.order.mark(token));
        Ok(self.inventory(walked.found, end.or(walked.on)))
    }

    fn inventory(&self, found: Vec<OwnedToken>, next: Option<Mark>) -> Inventory {
        Inventory { items: found.into_iter().map(|each| self.view(each)).collect(), next }
    }

    pub(super) fn view(&self, (row, owner): OwnedToken) -> OwnedView {
        OwnedView { token: self.tokens.lens(&owner).view(row), owner: OwnerView::from(&owner) }
    }
}
