//! Going through all tokens in order, a stride at a time.

use uuid::Uuid;

use super::{InventoryFilter, Mark, MarkKey, Order, Walked, owned, sql};
use crate::domain::token::TokenState;
use crate::server::store::query::query;
use crate::server::store::standing::StateRules;
use crate::server::store::{Db, StoreError};

impl Db {
    /// Goes through all tokens from a place on, for a while, or until enough were found that fit.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn walk(
        &self,
        filter: &InventoryFilter,
        rules: &StateRules,
        order: Order,
        after: Option<Mark>,
        enough: u32,
    ) -> Result<Walked, StoreError> {
        let after = after.unwrap_or_else(|| order.start(filter));
        let walking = match order {
            Order::Age => filter.by_age().walk,
            Order::Name => sql::WALK_BY_NAME,
            Order::Use => sql::WALK_BY_USE,
        };
        let asked = after.bind(filter.bind(rules, query(walking))).bind(enough);
        let found = owned(asked.fetch_all(self.reader()).await?)?;
        let on = if found.len() >= enough as usize {
            found.last().map(|(token, _)| order.mark(token))
        } else {
            self.end_of_stride(filter, order, &after).await?
        };
        Ok(Walked { found, on: on.filter(|on| !order.is_past(filter, on)) })
    }

    /// The same, newest first, of which only the places are told.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn walk_places(
        &self,
        filter: &InventoryFilter,
        rules: &StateRules,
        after: Option<Mark>,
        enough: usize,
    ) -> Result<Walked<Vec<Mark>>, StoreError> {
        let after = after.unwrap_or_else(|| Order::Age.start(filter));
        let limit = i64::try_from(enough).unwrap_or(i64::MAX);
        let asked = after.bind(filter.bind(rules, query(filter.by_age().places))).bind(limit);
        let found: Vec<(Uuid, i64)> = asked.fetch_all(self.reader()).await?;
        let mark = |(id, made): (Uuid, i64)| Mark { key: MarkKey::Micros(made), id: id.into() };
        let found: Vec<_> = found.into_iter().map(mark).collect();
        let on = match found.last() {
            Some(last) if found.len() >= enough => Some(last.clone()),
            _ => self.end_of_stride(filter, Order::Age, &after).await?,
        };
        Ok(Walked { found, on })
    }

    /// The same, of which only the number is told.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn walk_count(
        &self,
        filter: &InventoryFilter,
        rules: &StateRules,
        after: Option<Mark>,
    ) -> Result<Walked<usize>, StoreError> {
        let after = after.unwrap_or_else(|| Order::Age.start(filter));
        let asked = after.bind(filter.bind(rules, query(filter.by_age().count)));
        let (found,): (i64,) = asked.fetch_one(self.reader()).await?;
        let found = usize::try_from(found).unwrap_or_default();
        Ok(Walked { found, on: self.end_of_stride(filter, Order::Age, &after).await? })
    }

    /// The last token that a walk from a place has looked at, if there are more behind it.
    async fn end_of_stride(
        &self,
        filter: &InventoryFilter,
        order: Order,
        after: &Mark,
    ) -> Result<Option<Mark>, StoreError> {
        let asked = match (order, filter.owner) {
            (Order::Age, Some(owner)) => after.bind(query(filter.by_age().end)).bind(owner.as_uuid()),
            (Order::Age, None) => after.bind(query(filter.by_age().end)),
            (Order::Name, _) => after.bind(query(sql::END_BY_NAME)),
            (Order::Use, _) => after.bind(query(sql::END_BY_USE)),
        };
        if order == Order::Name {
            let end: Option<(String, Uuid)> = asked.fetch_optional(self.reader()).await?;
            return Ok(end.map(|(name, id)| Mark { key: MarkKey::Name(name), id: id.into() }));
        }
        let end: Option<(i64, Uuid)> = asked.fetch_optional(self.reader()).await?;
        Ok(end.map(|(micros, id)| Mark { key: MarkKey::Micros(micros), id: id.into() }))
    }
}

impl InventoryFilter {
    /// The narrowest index in which those that fit stand by age.
    fn by_age(&self) -> &'static sql::ByAge {
        if self.owner.is_some() {
            &sql::OWNED_BY_AGE
        } else if self.state == Some(TokenState::Revoked) {
            &sql::REVOKED_BY_AGE
        } else if self.leaves_unrevoked() {
            &sql::UNREVOKED_BY_AGE
        } else {
            &sql::ALL_BY_AGE
        }
    }
}
