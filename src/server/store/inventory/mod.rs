//! Everybody's tokens, for administrators.
//!
//! There may be millions, and what is asked for may be rare or common. What few tokens have is found by its index; what
//! many have is met soon when walking through all of them in order. Which of both it is shows when the index is asked for
//! a few more than few.

mod search;
pub(super) mod sql;
mod walk;

use std::cmp::Ordering;
use std::time::Duration;

use uuid::Uuid;

use self::search::Condition;
use super::query::{Query, query};
use super::standing::StateRules;
use super::tokens::{TokenColumns, TokenRow, group};
use super::users::{UserColumns, user};
use super::{Db, StoreError};
use crate::domain::id::{TokenId, UserId};
use crate::domain::time::Timestamp;
use crate::domain::token::TokenState;
use crate::domain::user::User;

/// More than this are not few.
pub const FEW: usize = 1_000;
/// So many are looked at together where it may show soon that there are too few.
const PART: usize = 500;

/// What a token has to be like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InventoryFilter {
    /// One of these.
    pub ids: Option<Vec<TokenId>>,
    /// Of this owner.
    pub owner: Option<UserId>,
    /// Part of the name, the description, the owner's name or address; the beginning of an id.
    pub text: String,
    /// With this scope.
    pub scope: String,
    /// In this state.
    pub state: Option<TokenState>,
    /// Made before this.
    pub created_before: Option<Timestamp>,
    /// Not used since this, nor made.
    pub unused_since: Option<Timestamp>,
    /// Good, and running out before this.
    pub expires_before: Option<Timestamp>,
    /// Not revoked.
    pub unrevoked: bool,
}

/// The order of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Newest first.
    #[default]
    Age,
    /// By name, whatever the case of ASCII letters.
    Name,
    /// Longest unused first.
    Use,
}

/// A place in an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// What is ordered by.
    pub key: MarkKey,
    /// The token's id, where several have the same.
    pub id: TokenId,
}

/// What is ordered by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MarkKey {
    /// A moment, in microseconds.
    Micros(i64),
    /// A name in lower case.
    Name(String),
}

/// A token and its owner.
pub type OwnedToken = (TokenRow, User);

/// What a walk has found.
#[derive(Debug)]
pub struct Walked<T = Vec<OwnedToken>> {
    /// Tokens that fit, in order; or their ids, or how many there are.
    pub found: T,
    /// Where to go on; nowhere at the end.
    pub on: Option<Mark>,
}

/// Where tokens are that fit a filter.
#[derive(Debug)]
pub struct Located {
    /// Their places, in order.
    pub marks: Vec<Mark>,
    /// There are no others.
    pub is_all: bool,
}

/// Tokens that an index names.
struct Hits {
    ids: Vec<Uuid>,
    /// There are no others.
    is_all: bool,
}

#[derive(sqlx::FromRow)]
struct OwnedColumns {
    #[sqlx(flatten)]
    token: TokenColumns,
    owner_id: Uuid,
    #[sqlx(flatten)]
    owner: UserColumns,
}

impl Order {
    /// The place of a token.
    #[must_use]
    pub fn mark(self, token: &TokenRow) -> Mark {
        let (made, used) = (token.created_at.as_micros(), token.last_used_at.map(Timestamp::as_micros));
        Mark { key: self.key(&token.name, made, used), id: token.id }
    }

    fn key(self, name: &str, made: i64, used: Option<i64>) -> MarkKey {
        match self {
            Self::Age => MarkKey::Micros(made),
            Self::Use => MarkKey::Micros(used.unwrap_or(made)),
            Self::Name => MarkKey::Name(name.to_ascii_lowercase()),
        }
    }

    /// Which of two places comes first.
    #[must_use]
    pub fn compare(self, one: &Mark, other: &Mark) -> Ordering {
        let keys = match self {
            Self::Age => other.key.cmp(&one.key),
            Self::Name | Self::Use => one.key.cmp(&other.key),
        };
        keys.then(one.id.cmp(&other.id))
    }

    /// Where a walk for what fits a filter begins: whoever asks for what is old is not led past all that is new.
    fn start(self, filter: &InventoryFilter) -> Mark {
        // Uses may be noted by a clock that is a little behind the one that made the token.
        let unused_since = filter.unused_since.map(|since| since.plus(Duration::from_mins(1)));
        let made_before = [filter.created_before, unused_since].into_iter().flatten().min();
        let (key, id) = match self {
            // Behind all of that moment.
            Self::Age => (MarkKey::Micros(made_before.map_or(i64::MAX, Timestamp::as_micros)), Uuid::max()),
            Self::Use => (MarkKey::Micros(i64::MIN), Uuid::nil()),
            Self::Name => (MarkKey::Name(String::new()), Uuid::nil()),
        };
        Mark { key, id: id.into() }
    }

    /// Whether nothing from a place on can fit a filter.
    fn is_past(self, filter: &InventoryFilter, on: &Mark) -> bool {
        let since = filter.unused_since.map(|since| MarkKey::Micros(since.as_micros()));
        self == Self::Use && since.is_some_and(|since| on.key >= since)
    }
}

impl Mark {
    fn bind(&self, query: Query) -> Query {
        let query = match &self.key {
            MarkKey::Micros(micros) => query.bind(*micros),
            MarkKey::Name(name) => query.bind(name),
        };
        query.bind(self.id.as_uuid())
    }
}

impl Db {
    /// Where all tokens are that fit a filter, in an order, if one of its conditions leaves few.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn find_few(
        &self,
        filter: &InventoryFilter,
        rules: &StateRules,
        order: Order,
    ) -> Result<Option<Vec<Mark>>, StoreError> {
        if let Some(ids) = &filter.ids {
            let ids: Vec<_> = ids.iter().map(|id| id.as_uuid()).collect();
            return self.marks(&ids, filter, rules, order).await.map(Some);
        }
        for condition in self.conditions(filter, rules, FEW) {
            if let Hits { ids, is_all: true } = self.hits(condition, FEW).await? {
                return self.marks(&ids, filter, rules, order).await.map(Some);
            }
        }
        Ok(None)
    }

    /// Where all tokens are that fit a filter, newest first, if one of its conditions leaves only a few more than `most`; else
    /// where more than `most` are, which an index names first. Nothing where one has to walk to know.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn find_many(
        &self,
        filter: &InventoryFilter,
        rules: &StateRules,
        most: usize,
    ) -> Result<Option<Located>, StoreError> {
        let order = Order::Age;
        if filter.ids.is_some() {
            let few = self.find_few(filter, rules, order).await?;
            return Ok(few.map(|marks| Located { marks, is_all: true }));
        }
        // What an index names may fail to fit in another way.
        let looked_at = most + most / 5;
        let mut named = None;
        for condition in self.conditions(filter, rules, looked_at) {
            let hits = self.hits(condition, looked_at).await?;
            let is_all = hits.is_all;
            named = named.filter(|_| !is_all).or(Some(hits));
            if is_all {
                break;
            }
        }
        let Some(Hits { ids, is_all }) = named else { return Ok(None) };
        let marks = if is_all {
            Some(self.marks(&ids, filter, rules, order).await?)
        } else {
            self.marks_of_many(&ids, filter, rules, most).await?
        };
        Ok(marks.map(|marks| Located { marks, is_all }))
    }

    /// Where more than `most` of some tokens are that fit a filter, newest first. Nothing as soon as it shows that there are not
    /// so many: what was looked at up to then is of no use to whoever has to walk after all.
    async fn marks_of_many(
        &self,
        ids: &[Uuid],
        filter: &InventoryFilter,
        rules: &StateRules,
        most: usize,
    ) -> Result<Option<Vec<Mark>>, StoreError> {
        let (order, mut left) = (Order::Age, ids.len());
        let mut marks = Vec::new();
        for part in ids.chunks(PART) {
            marks.extend(self.marks(part, filter, rules, order).await?);
            left -= part.len();
            if marks.len() + left <= most {
                return Ok(None);
            }
        }
        marks.sort_by(|one, other| order.compare(one, other));
        Ok(Some(marks))
    }

    /// Where those of some tokens are that fit a filter.
    async fn marks(
        &self,
        ids: &[Uuid],
        filter: &InventoryFilter,
        rules: &StateRules,
        order: Order,
    ) -> Result<Vec<Mark>, StoreError> {
        let sql = if self.is_shared() { sql::MARKS_OF_POSTGRES } else { sql::MARKS_OF_SQLITE };
        let asked = filter.bind(rules, query(sql)).bind(self.ids(ids)?);
        let rows: Vec<(Uuid, String, i64, Option<i64>)> = asked.fetch_all(self.reader()).await?;
        let mark =
            |(id, name, made, used): (Uuid, String, _, _)| Mark { key: order.key(&name, made, used), id: id.into() };
        let mut marks: Vec<_> = rows.into_iter().map(mark).collect();
        marks.sort_by(|one, other| order.compare(one, other));
        Ok(marks)
    }

    /// The tokens that a condition leaves, or more than so many of them.
    async fn hits(&self, condition: Condition, most: usize) -> Result<Hits, StoreError> {
        let mut ids = Vec::new();
        for question in condition.questions {
            let found: Vec<(Uuid,)> = question.fetch_all(self.reader()).await?;
            ids.extend(found.into_iter().map(|(id,)| id));
            if ids.len() > most {
                break;
            }
        }
        let is_all = match condition.is_all {
            _ if ids.len() > most => false,
            Some(asked) => asked.fetch_one::<(bool,)>(self.reader()).await?.0,
            None => true,
        };
        ids.sort_unstable();
        ids.dedup();
        Ok(Hits { ids, is_all })
    }

    /// Tokens with their owners, newest first.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn list_owned(&self, ids: &[TokenId]) -> Result<Vec<OwnedToken>, StoreError> {
        let ids: Vec<_> = ids.iter().map(|id| id.as_uuid()).collect();
        let sql = if self.is_shared() { sql::LIST_OF_POSTGRES } else { sql::LIST_OF_SQLITE };
        owned(query(sql).bind(self.ids(&ids)?).fetch_all(self.reader()).await?)
    }

    /// Those of some tokens that fit a filter, with their owners, newest first.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn list_fitting(
        &self,
        ids: &[TokenId],
        filter: &InventoryFilter,
        rules: &StateRules,
    ) -> Result<Vec<OwnedToken>, StoreError> {
        let ids: Vec<_> = ids.iter().map(|id| id.as_uuid()).collect();
        let sql = if self.is_shared() { sql::FITTING_OF_POSTGRES } else { sql::FITTING_OF_SQLITE };
        let asked = filter.bind(rules, query(sql)).bind(self.ids(&ids)?);
        owned(asked.fetch_all(self.reader()).await?)
    }
}

fn owned(rows: Vec<OwnedColumns>) -> Result<Vec<OwnedToken>, StoreError> {
    let mut owners = Vec::new();
    let mut columns = Vec::new();
    let mut last = None;
    for row in rows {
        if last.replace(row.token.id) != Some(row.token.id) {
            let mut owner = row.owner;
            owner.id = row.owner_id;
            owners.push(user(owner)?);
        }
        columns.push(row.token);
    }
    Ok(group(columns)?.into_iter().zip(owners).collect())
}
