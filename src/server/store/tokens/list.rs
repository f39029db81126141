//! Reading tokens for their owner.

use uuid::Uuid;

use super::{SecretRow, TokenKey, TokenRow, sql};
use crate::domain::id::{TokenId, UserId};
use crate::domain::time::Timestamp;
use crate::domain::token::SecretFacts;
use crate::server::store::commit::Change;
use crate::server::store::query::query;
use crate::server::store::{Db, StoreError, row};

/// Which part of somebody's tokens.
#[derive(Clone, Debug)]
pub struct TokenPage<'a> {
    /// Whose.
    pub owner: UserId,
    /// Part of the name or description, in any case of ASCII letters; everything when empty.
    pub search: &'a str,
    /// Only those that come after this one, in the order of the list.
    pub after: Option<(Timestamp, TokenId)>,
    /// How many at most.
    pub limit: u32,
}

#[derive(sqlx::FromRow)]
pub(in crate::server::store) struct TokenColumns {
    pub id: Uuid,
    name: String,
    description: String,
    scopes: String,
    allowed_ips: String,
    created_at: i64,
    revoked_at: Option<i64>,
    revoked_reason: Option<String>,
    last_used_at: Option<i64>,
    last_used_ip: Option<String>,
    version: i64,
    secret_id: String,
    secret_state: String,
    secret_created_at: i64,
    expires_at: Option<i64>,
    ends_at: Option<i64>,
    ended_at: Option<i64>,
    expired_at: Option<i64>,
    secret_last_used_at: Option<i64>,
}

impl Db {
    /// A page of somebody's tokens, newest first.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn list_tokens(&self, page: &TokenPage<'_>) -> Result<Vec<TokenRow>, StoreError> {
        let (created_at, id) = match page.after {
            Some((created_at, id)) => (created_at.as_micros(), id.as_uuid()),
            None => (i64::MAX, Uuid::nil()),
        };
        let rows = query(sql::LIST_TOKENS)
            .bind(page.owner.as_uuid())
            .bind(created_at)
            .bind(id)
            .bind(like_pattern(page.search))
            .bind(page.limit)
            .fetch_all(self.reader())
            .await?;
        group(rows)
    }

    /// One token of its owner.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn lookup_token(&self, key: TokenKey) -> Result<Option<TokenRow>, StoreError> {
        let asked = query(sql::LOOKUP_TOKEN);
        let rows = asked.bind(key.id.as_uuid()).bind(key.owner.as_uuid()).fetch_all(self.reader()).await?;
        Ok(group(rows)?.pop())
    }
}

/// A token that is being changed, as it is going to be: whoever made a change must not be told that it failed because
/// reading it failed afterwards.
pub(super) async fn read_back(tx: &mut Change, key: TokenKey) -> Result<TokenRow, StoreError> {
    let asked = query(sql::LOOKUP_TOKEN).bind(key.id.as_uuid()).bind(key.owner.as_uuid());
    group(asked.fetch_all(tx).await?)?
        .pop()
        .ok_or_else(|| StoreError::corrupt("a token that was just written is not there"))
}

/// Gathers the rows of each token, which stand together.
pub(in crate::server::store) fn group(rows: Vec<TokenColumns>) -> Result<Vec<TokenRow>, StoreError> {
    let mut tokens: Vec<TokenRow> = Vec::new();
    for columns in rows {
        let secret = secret_row(&columns)?;
        match tokens.last_mut() {
            Some(token) if token.id.as_uuid() == columns.id => token.secrets.push(secret),
            _ => tokens.push(token_row(columns, secret)?),
        }
    }
    Ok(tokens)
}

fn token_row(columns: TokenColumns, secret: SecretRow) -> Result<TokenRow, StoreError> {
    Ok(TokenRow {
        id: columns.id.into(),
        name: columns.name,
        description: columns.description,
        scopes: row::scopes(&columns.scopes)?,
        allowed_ips: row::json(&columns.allowed_ips)?,
        created_at: row::time(columns.created_at),
        revoked_at: row::time_or_none(columns.revoked_at),
        revoked_reason: columns.revoked_reason,
        last_used_at: row::time_or_none(columns.last_used_at),
        last_used_ip: columns.last_used_ip,
        version: columns.version,
        secrets: vec![secret],
    })
}

fn secret_row(columns: &TokenColumns) -> Result<SecretRow, StoreError> {
    Ok(SecretRow {
        id: row::parse(&columns.secret_id)?,
        facts: SecretFacts {
            state: row::parse(&columns.secret_state)?,
            created_at: row::time(columns.secret_created_at),
            expires_at: row::time_or_none(columns.expires_at),
            ends_at: row::time_or_none(columns.ends_at),
            expired_at: row::time_or_none(columns.expired_at),
        },
        ended_at: row::time_or_none(columns.ended_at),
        last_used_at: row::time_or_none(columns.secret_last_used_at),
    })
}

/// A search text as a `LIKE` pattern in which every character means itself, for text in lower case.
pub(in crate::server::store) fn like_pattern(search: &str) -> String {
    exact_pattern(&search.to_ascii_lowercase())
}

/// The same for text as it is.
pub(in crate::server::store) fn exact_pattern(search: &str) -> String {
    if search.is_empty() {
        return String::new();
    }
    let mut pattern = String::from("%");
    for c in search.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}
