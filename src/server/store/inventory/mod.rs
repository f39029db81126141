//! Everybody's tokens, for administrators.
//!
//! There may be millions, and what is asked for may be rare or common. What few tokens have is found by its index; what
//! many have is met soon when walking through all of them in order. Which of both it is shows when the index is asked for
//! a few more than few.

pub(super) mod sql;

use std::cmp::Ordering;

use uuid::Uuid;

use super::query::{Query, query};
use super::tokens::{TokenColumns, TokenRow, exact_pattern, group, like_pattern};
use super::users::{UserColumns, user};
use super::{Db, StoreError};
use crate::domain::id::{TokenId, UserId};
use crate::domain::time::Timestamp;
use crate::domain::token::TokenState;
use crate::domain::user::User;

/// More than this are not few.
pub const FEW: usize = 1_000;
/// Tokens that one walk looks at.
const STRIDE: u32 = 20_000;

/// What a token has to be like, as far as the database can tell. What depends on rules it may take for granted.
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
}

/// The moments on which states depend.
#[derive(Clone, Copy, Debug)]
pub struct StateRules {
    /// Now.
    pub now: Timestamp,
    /// What was made before this has run out whatever it was asked for.
    pub oldest: Timestamp,
    /// Owners who logged in last before this are away too long.
    pub away_since: Timestamp,
    /// Tokens that were not used since this are idle.
    pub idle_since: Timestamp,
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
pub struct Walked {
    /// Tokens that may fit, in order.
    pub found: Vec<OwnedToken>,
    /// Where to go on; nowhere at the end.
    pub on: Option<Mark>,
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

    fn start(self) -> Mark {
        let key = match self {
            Self::Age => MarkKey::Micros(i64::MAX),
            Self::Use => MarkKey::Micros(i64::MIN),
            Self::Name => MarkKey::Name(String::new()),
        };
        Mark { key, id: Uuid::nil().into() }
    }

    const fn walking(self) -> &'static str {
        match self {
            Self::Age => sql::WALK_BY_AGE,
            Self::Name => sql::WALK_BY_NAME,
            Self::Use => sql::WALK_BY_USE,
        }
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
    /// Where all tokens are that may fit a filter, in an order, if one of its conditions leaves few.
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
            return self.marks(&ids, order).await.map(Some);
        }
        for condition in self.conditions(filter, rules) {
            if let Some(ids) = self.few(condition).await? {
                return self.marks(&ids, order).await.map(Some);
            }
        }
        Ok(None)
    }

    async fn marks(&self, ids: &[Uuid], order: Order) -> Result<Vec<Mark>, StoreError> {
        let sql = if self.is_shared() { sql::MARKS_OF_POSTGRES } else { sql::MARKS_OF_SQLITE };
        let rows: Vec<(Uuid, String, i64, Option<i64>)> =
            query(sql).bind(self.ids(ids)?).fetch_all(self.reader()).await?;
        let mark =
            |(id, name, made, used): (Uuid, String, _, _)| Mark { key: order.key(&name, made, used), id: id.into() };
        let mut marks: Vec<_> = rows.into_iter().map(mark).collect();
        marks.sort_by(|one, other| order.compare(one, other));
        Ok(marks)
    }

    /// The conditions of a filter that an index can answer, each as questions that together find all that fit.
    fn conditions(&self, filter: &InventoryFilter, rules: &StateRules) -> Vec<Vec<Query>> {
        let limit = u32::try_from(FEW + 1).unwrap_or(u32::MAX);
        let mut conditions = Vec::new();
        if let Some(owner) = filter.owner {
            conditions.push(vec![query(sql::FIND_OWNED).bind(owner.as_uuid()).bind(limit)]);
        }
        conditions.extend(self.by_text(&filter.text, limit));
        conditions.extend(self.by_scope(&filter.scope, limit));
        match filter.state {
            Some(TokenState::Revoked) => conditions.push(vec![query(sql::FIND_REVOKED).bind(limit)]),
            Some(TokenState::Expired) => conditions.push(vec![
                query(sql::FIND_EXPIRED).bind(rules.now).bind(limit),
                query(sql::FIND_TOO_OLD).bind(rules.oldest).bind(limit),
            ]),
            Some(TokenState::Suspended) => conditions.push(vec![
                query(sql::FIND_OF_AWAY).bind(rules.away_since).bind(limit),
                query(sql::FIND_IDLE).bind(rules.idle_since).bind(limit),
            ]),
            Some(TokenState::Active) | None => {}
        }
        if let Some(before) = filter.expires_before {
            conditions.push(vec![query(sql::FIND_EXPIRING).bind(rules.now).bind(before).bind(limit)]);
        }
        if let Some(since) = filter.unused_since {
            conditions.push(vec![query(sql::FIND_UNUSED).bind(since).bind(limit)]);
        }
        conditions
    }

    fn by_text(&self, text: &str, limit: u32) -> Option<Vec<Query>> {
        let pattern = like_pattern(text);
        let by_text = if self.is_shared() {
            query(sql::FIND_TEXT_OF_POSTGRES).bind(&pattern)
        } else {
            query(sql::FIND_TEXT_OF_SQLITE).bind(indexed_pattern(text)?)
        };
        // Less than three letters are in no index.
        (text.chars().count() >= 3).then(|| {
            let mut asked = vec![by_text.bind(limit), query(sql::FIND_OWNER_TEXT).bind(&pattern).bind(limit)];
            asked.extend(by_id(text, limit));
            asked
        })
    }

    fn by_scope(&self, scope: &str, limit: u32) -> Option<Vec<Query>> {
        let asked = if self.is_shared() {
            query(sql::FIND_SCOPE_OF_POSTGRES).bind(exact_pattern(scope))
        } else {
            query(sql::FIND_SCOPE_OF_SQLITE).bind(indexed_pattern(scope)?)
        };
        (scope.chars().count() >= 3).then(|| vec![asked.bind(limit)])
    }

    /// The tokens that some questions find, if they are few.
    async fn few(&self, questions: Vec<Query>) -> Result<Option<Vec<Uuid>>, StoreError> {
        let mut ids = Vec::new();
        for question in questions {
            let found: Vec<(Uuid,)> = question.fetch_all(self.reader()).await?;
            ids.extend(found.into_iter().map(|(id,)| id));
            if ids.len() > FEW {
                return Ok(None);
            }
        }
        ids.sort_unstable();
        ids.dedup();
        Ok(Some(ids))
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

    /// Goes through all tokens from a place on, for a while, or until enough were found that may fit.
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
        let after = after.unwrap_or_else(|| order.start());
        let scope = if filter.scope.is_empty() { String::new() } else { exact_pattern(&format!(" {} ", filter.scope)) };
        let asked = after
            .bind(query(order.walking()))
            .bind(STRIDE)
            .bind(enough)
            .bind(like_pattern(&filter.text))
            .bind(scope)
            .bind(filter.state.filter(|state| *state != TokenState::Active).map_or("", TokenState::as_str))
            .bind(rules.now)
            .bind(rules.away_since)
            .bind(rules.idle_since)
            .bind(filter.unused_since)
            .bind(filter.owner.map(UserId::as_uuid))
            .bind(filter.created_before)
            .bind(filter.expires_before);
        let found = owned(asked.fetch_all(self.reader()).await?)?;
        let on = if found.len() >= enough as usize {
            found.last().map(|(token, _)| order.mark(token))
        } else {
            self.end_of_stride(order, &after).await?
        };
        Ok(Walked { found, on })
    }

    /// The last token that a walk from a place has looked at, if there are more behind it.
    async fn end_of_stride(&self, order: Order, after: &Mark) -> Result<Option<Mark>, StoreError> {
        let asked = |sql| after.bind(query(sql)).bind(STRIDE - 1);
        Ok(match order {
            Order::Name => {
                let end: Option<(String, Uuid)> = asked(sql::END_BY_NAME).fetch_optional(self.reader()).await?;
                end.map(|(name, id)| Mark { key: MarkKey::Name(name), id: id.into() })
            }
            Order::Age | Order::Use => {
                let sql = if order == Order::Age { sql::END_BY_AGE } else { sql::END_BY_USE };
                let end: Option<(i64, Uuid)> = asked(sql).fetch_optional(self.reader()).await?;
                end.map(|(micros, id)| Mark { key: MarkKey::Micros(micros), id: id.into() })
            }
        })
    }
}

/// Questions for ids that begin with a text, where one could.
fn by_id(text: &str, limit: u32) -> Vec<Query> {
    let mut asked = Vec::new();
    if let Some((first, last)) = id_range(text) {
        asked.push(query(sql::FIND_ID).bind(first).bind(last).bind(limit));
    }
    if text.len() <= 16 && text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        asked.push(query(sql::FIND_SECRET).bind(text).bind(format!("{text}\u{7f}")).bind(limit));
    }
    asked
}

/// The ids that begin with some hexadecimal digits, with or without hyphens.
fn id_range(text: &str) -> Option<(Uuid, Uuid)> {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    if digits.len() < 4 || digits.len() > 32 {
        return None;
    }
    let padded = |fill: &str| Uuid::try_parse(&format!("{digits}{}", fill.repeat(32 - digits.len()))).ok();
    Some((padded("0")?, padded("f")?))
}

/// A text as a pattern for the index of SQLite, which escapes nothing; nothing where it has no three letters in a row
/// that the index could help with.
fn indexed_pattern(text: &str) -> Option<String> {
    let runs = text.split(['%', '_']);
    let is_indexed = runs.map(|run| run.chars().count()).any(|length| length >= 3);
    is_indexed.then(|| format!("%{text}%"))
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
