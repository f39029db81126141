//! The read of a check.

use std::collections::HashMap;

use ipnet::IpNet;
use uuid::Uuid;

use super::{CheckRow, sql};
use crate::domain::lease::Point;
use crate::domain::secret::SecretId;
use crate::domain::token::{SecretFacts, TokenFacts};
use crate::domain::user::User;
use crate::server::store::changes::{number, uuid};
use crate::server::store::query::{Query, query};
use crate::server::store::sound::Statements;
use crate::server::store::{Db, StoreError, Warrant, row};

#[derive(sqlx::FromRow)]
struct CheckColumns {
    id: String,
    token_id: Uuid,
    state: String,
    created_at: i64,
    expires_at: Option<i64>,
    ends_at: Option<i64>,
    expired_at: Option<i64>,
    phc: String,
    hmac: Option<Vec<u8>>,
    hmac_key_id: Option<String>,
    secret_last_used_at: Option<i64>,
    scopes: String,
    allowed_ips: String,
    revoked_at: Option<i64>,
    last_used_at: Option<i64>,
    owner_id: Uuid,
    provider: String,
    username: String,
    email: Option<String>,
    roles: String,
    attributes: String,
    last_login_at: i64,
    disabled_at: Option<i64>,
}

impl Db {
    /// What a check needs to know about a secret.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn lookup_check(&self, id: SecretId) -> Result<Option<CheckRow>, StoreError> {
        let asked = query(sql::LOOKUP_CHECK).bind(id.as_str());
        asked.fetch_optional(self.reader()).await?.map(check_row).transpose()
    }

    /// The same for several secrets, in one question, by somebody who has seen a change. Only PostgreSQL understands it: a
    /// file is near enough to be asked for each. A row that cannot be understood is the trouble of whoever asked for it alone.
    ///
    /// # Errors
    /// When the database cannot be asked, or must not be believed.
    pub async fn lookup_checks(
        &self,
        ids: &[SecretId],
        seen: Point,
        warrant: Warrant,
    ) -> Result<HashMap<SecretId, Result<CheckRow, StoreError>>, StoreError> {
        let names: Vec<_> = ids.iter().map(|id| id.as_str().to_owned()).collect();
        let statements = Statements { plain: sql::LOOKUP_CHECKS, with_write: sql::LOOKUP_CHECKS_WITH_WRITE };
        let bind = |asked: Query| asked.bind(names).bind(number(seen.seq)).bind(uuid(seen.mark));
        let found: Vec<CheckColumns> = self.ask_soundly(statements, warrant, bind).await?;
        let mut rows = HashMap::with_capacity(found.len());
        for columns in found {
            rows.insert(row::parse(&columns.id)?, check_row(columns));
        }
        Ok(rows)
    }
}

fn check_row(columns: CheckColumns) -> Result<CheckRow, StoreError> {
    Ok(CheckRow {
        token_id: columns.token_id.into(),
        token: TokenFacts {
            revoked_at: row::time_or_none(columns.revoked_at),
            last_used_at: row::time_or_none(columns.last_used_at),
            owner_disabled_at: row::time_or_none(columns.disabled_at),
            owner_last_login_at: row::time(columns.last_login_at),
        },
        secret: SecretFacts {
            state: row::parse(&columns.state)?,
            created_at: row::time(columns.created_at),
            expires_at: row::time_or_none(columns.expires_at),
            ends_at: row::time_or_none(columns.ends_at),
            expired_at: row::time_or_none(columns.expired_at),
        },
        secret_last_used_at: row::time_or_none(columns.secret_last_used_at),
        phc: columns.phc,
        hmac: columns.hmac_key_id.zip(columns.hmac),
        scopes: row::scopes(&columns.scopes)?,
        allowed_ips: networks(&columns.allowed_ips)?,
        owner: User {
            id: columns.owner_id.into(),
            provider: columns.provider,
            profile: row::profile(columns.username, columns.email, &columns.roles, &columns.attributes)?,
            disabled_at: row::time_or_none(columns.disabled_at),
            last_login_at: row::time(columns.last_login_at),
        },
    })
}

fn networks(json: &str) -> Result<Vec<IpNet>, StoreError> {
    let parse = |text: &String| text.parse().map_err(StoreError::corrupt);
    row::json::<Vec<String>>(json)?.iter().map(parse).collect()
}
