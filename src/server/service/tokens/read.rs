//! Looking at tokens.

use crate::domain::audit::{Action, is_finder};
use crate::domain::id::TokenId;
use crate::domain::scope::ScopeEntry;
use crate::domain::secret::SecretId;
use crate::domain::time::Timestamp;
use crate::domain::user::User;
use crate::domain::view::TokenView;
use crate::server::store::{HistoryRow, TokenKey, TokenPage};

use super::view::Lens;
use super::{Cursor, ListTokens, TokenError, TokenList, Tokens};
use crate::server::service::authority::Administrator;

/// Rows read at once while looking for a state.
const BATCH: u32 = 200;
/// Events shown in a token's history.
const HISTORY: i64 = 50;

/// One line of a token's history, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryEntry {
    /// When.
    pub time: Timestamp,
    /// What.
    pub what: String,
    /// From where.
    pub origin: Option<String>,
}

impl Tokens {
    /// Scopes that a user may grant.
    #[must_use]
    pub fn grantable(&self, user: &User) -> Vec<ScopeEntry> {
        self.parts.catalogue.grantable(&user.profile.roles).cloned().collect()
    }

    /// A user's tokens, newest first.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn list(&self, owner: &User, list: &ListTokens) -> Result<TokenList, TokenError> {
        let lens = self.lens(owner);
        let mut items = Vec::new();
        let mut after = list.after.map(|cursor| (cursor.created_at, cursor.id));
        // A state depends on rules that the database does not know, so it is looked for here, a batch at a time.
        loop {
            let page = TokenPage { owner: owner.id, search: &list.search, after, limit: BATCH };
            let rows = self.parts.db.list_tokens(&page).await?;
            let last_batch = rows.len() < BATCH as usize;
            after = rows.last().map(|row| (row.created_at, row.id)).or(after);
            let views = rows.into_iter().map(|row| lens.view(row));
            items.extend(views.filter(|view| list.state.is_none_or(|state| state == view.state)));
            if last_batch || items.len() > list.limit {
                break;
            }
        }
        let more = items.len() > list.limit;
        items.truncate(list.limit);
        let next = items.last().filter(|_| more).map(|last| Cursor { created_at: last.created_at, id: last.id });
        Ok(TokenList { items, next })
    }

    /// One of a user's tokens.
    ///
    /// # Errors
    /// When there is none with that id, it is somebody else's, or the store cannot be asked.
    pub async fn get(&self, owner: &User, id: TokenId) -> Result<TokenView, TokenError> {
        let row = self.parts.db.lookup_token(TokenKey { id, owner: owner.id }).await?;
        row.map(|row| self.lens(owner).view(row)).ok_or(TokenError::NotFound)
    }

    /// The one of a user's tokens that a secret belongs to, if one does.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn find_by_secret(&self, owner: &User, secret: SecretId) -> Result<Option<TokenId>, TokenError> {
        let row = self.parts.db.lookup_check(secret).await?;
        Ok(row.filter(|row| row.owner.id == owner.id).map(|row| row.token_id))
    }

    /// Anybody's token, with its owner.
    ///
    /// # Errors
    /// When there is none with that id, or the store cannot be asked.
    pub async fn get_anybodys(&self, _: &Administrator, id: TokenId) -> Result<(TokenView, User), TokenError> {
        let owner = self.parts.db.find_owner(id).await?.ok_or(TokenError::NotFound)?;
        Ok((self.get(&owner, id).await?, owner))
    }

    /// What happened to one of a user's tokens, newest first.
    ///
    /// # Errors
    /// As [`Tokens::get`].
    pub async fn history(&self, owner: &User, id: TokenId) -> Result<Vec<HistoryEntry>, TokenError> {
        self.get(owner, id).await?;
        let rows = self.parts.db.list_history(id, HISTORY).await?;
        Ok(rows.into_iter().map(|row| history_entry(row, owner)).collect())
    }

    pub(in crate::server::service) fn lens<'a>(&'a self, owner: &'a User) -> Lens<'a> {
        let parts = &self.parts;
        Lens { policy: &parts.policy, catalogue: &parts.catalogue, owner, now: parts.clock.now() }
    }
}

/// What happened to a token, in a word.
const WORDS: [(Action, &str); 7] = [
    (Action::TokenCreated, "Created"),
    (Action::TokenEdited, "Edited"),
    (Action::TokenRegenerated, "Regenerated"),
    (Action::TokenRevoked, "Revoked"),
    (Action::TokenExpired, "Expired"),
    (Action::TokenUsedAfterEnd, "Used after its end"),
    (Action::TokenReported, "Found by a scanner"),
];

fn history_entry(row: HistoryRow, owner: &User) -> HistoryEntry {
    let known = WORDS.iter().find(|(action, _)| action.as_str() == row.action);
    let what = known.map_or(row.action.as_str(), |(_, word)| word);
    let by_owner = row.actor.1.as_deref() == Some(owner.id.to_string().as_str());
    // Who administrates is nobody else's business, and so is from where; and whoever has found a token has to fear nobody.
    let (who, origin) = match row.actor.0.as_str() {
        "user" if by_owner => ("by you", row.ip),
        "user" => ("by an administrator", None),
        _ if is_finder(&row.actor.0, row.reason.as_deref()) => ("by somebody who found it", None),
        "token" => ("with the token itself", row.ip),
        _ => ("", row.ip),
    };
    HistoryEntry { time: row.time, what: format!("{what} {who}").trim_end().to_owned(), origin }
}
