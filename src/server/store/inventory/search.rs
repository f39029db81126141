//! What a filter is in the words of the database: as one condition, and as questions that an index answers.

use uuid::Uuid;

use super::{InventoryFilter, sql};
use crate::domain::id::UserId;
use crate::domain::token::TokenState;
use crate::server::store::Db;
use crate::server::store::query::{Query, query};
use crate::server::store::standing::StateRules;
use crate::server::store::tokens::{exact_pattern, like_pattern};

impl InventoryFilter {
    /// The nineteen values that `fits!` takes, in their order.
    pub(super) fn bind(&self, rules: &StateRules, query: Query) -> Query {
        // From the last to the first there is nothing.
        let (first, last) = id_range(&self.text).unwrap_or((Uuid::max(), Uuid::nil()));
        let (first_secret, last_secret) = secret_range(&self.text).unwrap_or_default();
        let scope = if self.scope.is_empty() { String::new() } else { format!(" {} ", self.scope) };
        let query = query
            .bind(like_pattern(&self.text))
            .bind(first)
            .bind(last)
            .bind(first_secret)
            .bind(last_secret)
            .bind(scope)
            .bind(self.state.map_or("", TokenState::as_str));
        let query =
            rules.bind(query).bind(self.unused_since).bind(self.owner.map(UserId::as_uuid)).bind(self.created_before);
        let then = self.expires_before.map(|before| rules.over_before(before));
        query
            .bind(then.map(|then| then.at))
            .bind(then.map(|then| then.made))
            .bind(then.map(|then| then.made_for_ever))
            .bind(if self.unrevoked { "unrevoked" } else { "" })
    }

    /// Whether nothing that is revoked fits.
    pub(super) fn leaves_unrevoked(&self) -> bool {
        self.unrevoked || self.state.is_some_and(|state| state != TokenState::Revoked)
    }

    /// Whoever ends what matches goes on behind what has ended, and a list goes through all in order as soon as they are not
    /// few.
    fn find_word(&self, word: &sql::FindWord, pattern: String, limit: u32) -> Condition {
        if !self.unrevoked {
            return Condition::of(vec![query(word.all).bind(pattern).bind(limit)]);
        }
        let is_all = Some(query(word.is_all).bind(pattern.clone()));
        Condition { questions: vec![query(word.unrevoked).bind(pattern).bind(limit)], is_all }
    }

    fn find(&self, question: &sql::Find) -> Query {
        query(if self.leaves_unrevoked() { question.unrevoked } else { question.all })
    }
}

/// Questions that together find all tokens that fit, or more than were asked for.
pub(super) struct Condition {
    pub questions: Vec<Query>,
    /// Says of a question whether it has looked at everything, where that is not sure.
    pub is_all: Option<Query>,
}

impl Condition {
    fn of(questions: Vec<Query>) -> Self {
        Self { questions, is_all: None }
    }
}

impl Db {
    /// The conditions of a filter that an index can answer, each for so many tokens and one more.
    pub(super) fn conditions(&self, filter: &InventoryFilter, rules: &StateRules, most: usize) -> Vec<Condition> {
        let limit = u32::try_from(most + 1).unwrap_or(u32::MAX);
        let over = rules.over();
        let owned = |owner: UserId| filter.find(&sql::FIND_OWNED).bind(owner.as_uuid()).bind(limit);
        let owned = filter.owner.map(|owner| Condition::of(vec![owned(owner)]));
        let named = [owned, self.by_text(filter, limit), self.by_scope(filter, limit)];
        let mut others = Vec::new();
        match filter.state {
            Some(TokenState::Revoked) => others.push(vec![query(sql::FIND_REVOKED).bind(limit)]),
            Some(TokenState::Expired) => others.push(vec![
                query(sql::FIND_EXPIRED).bind(over.at).bind(limit),
                query(sql::FIND_NOTICED).bind(limit),
                query(sql::FIND_TOO_OLD).bind(over.made).bind(over.made_for_ever).bind(limit),
            ]),
            Some(TokenState::Suspended) => others.push(vec![
                query(sql::FIND_OF_AWAY).bind(rules.away_since).bind(limit),
                query(sql::FIND_IDLE).bind(rules.idle_since).bind(limit),
            ]),
            Some(TokenState::Active) | None => {}
        }
        if let Some(before) = filter.expires_before {
            let then = rules.over_before(before);
            let ageing = query(sql::FIND_AGEING).bind(over.made).bind(then.made);
            others.push(vec![
                query(sql::FIND_EXPIRING).bind(over.at).bind(then.at).bind(limit),
                ageing.bind(over.at).bind(then.made_for_ever).bind(limit),
            ]);
        }
        if let Some(since) = filter.unused_since {
            others.push(vec![filter.find(&sql::FIND_UNUSED).bind(since).bind(limit)]);
        }
        named.into_iter().flatten().chain(others.into_iter().map(Condition::of)).collect()
    }

    fn by_text(&self, filter: &InventoryFilter, limit: u32) -> Option<Condition> {
        let text = &filter.text;
        let pattern = like_pattern(text);
        let mut condition = if self.is_shared() {
            filter.find_word(&sql::FIND_TEXT_OF_POSTGRES, pattern.clone(), limit)
        } else {
            filter.find_word(&sql::FIND_TEXT_OF_SQLITE, indexed_pattern(text)?, limit)
        };
        has_index(text).then(|| {
            condition.questions.push(filter.find(&sql::FIND_OWNER_TEXT).bind(pattern).bind(limit));
            condition.questions.extend(by_id(filter, limit));
            condition
        })
    }

    fn by_scope(&self, filter: &InventoryFilter, limit: u32) -> Option<Condition> {
        let scope = &filter.scope;
        let condition = if self.is_shared() {
            filter.find_word(&sql::FIND_SCOPE_OF_POSTGRES, exact_pattern(scope), limit)
        } else {
            filter.find_word(&sql::FIND_SCOPE_OF_SQLITE, indexed_pattern(scope)?, limit)
        };
        has_index(scope).then_some(condition)
    }
}

/// Questions for ids that begin with a text, where one could.
fn by_id(filter: &InventoryFilter, limit: u32) -> Vec<Query> {
    let mut asked = Vec::new();
    if let Some((first, last)) = id_range(&filter.text) {
        asked.push(filter.find(&sql::FIND_ID).bind(first).bind(last).bind(limit));
    }
    if let Some((first, last)) = secret_range(&filter.text) {
        asked.push(query(sql::FIND_SECRET).bind(first).bind(last).bind(limit));
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

/// The public ids of secrets that begin with a text, in the right case; up to the second, which is none.
fn secret_range(text: &str) -> Option<(String, String)> {
    let could = text.len() <= 16 && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (could && has_index(text)).then(|| (text.to_owned(), format!("{text}\u{7f}")))
}

/// Less than three letters are in no index, and begin too many ids.
fn has_index(text: &str) -> bool {
    text.chars().count() >= 3
}

/// A text as a pattern for the index of SQLite, which escapes nothing; nothing where it has no three letters in a row
/// that the index could help with.
fn indexed_pattern(text: &str) -> Option<String> {
    let runs = text.split(['%', '_']);
    let is_indexed = runs.map(|run| run.chars().count()).any(|length| length >= 3);
    is_indexed.then(|| format!("%{text}%"))
}
