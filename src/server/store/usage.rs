//! What checks leave behind, written in batches after them: last uses, observed expiries, fast proofs made again.

use std::collections::HashSet;
use std::net::IpAddr;
use std::time::Duration;

use uuid::Uuid;

use super::commit::Change;
use super::postgres::Postgres;
use super::query::query;
use super::{Db, Engine, StoreError, Touched};
use crate::domain::audit::{Action, Draft, Origin, Party};
use crate::domain::id::{TokenId, UserId};
use crate::domain::secret::SecretId;
use crate::domain::time::Timestamp;

/// Forward only: two writers cannot move a last use back. What was erased stays without an address.
pub(super) const MARK_TOKEN_USED: &str = "
    UPDATE tokens SET last_used_at = $2, last_used_ip = $3
    WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2) AND NOT (revoked_at IS NOT NULL AND name = 'erased')";
pub(super) const MARK_SECRET_USED: &str = "
    UPDATE secrets SET last_used_at = $2
    WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)";
/// The same for many at once, where each statement is a way through the network. A row that somebody is changing is left
/// out, so that nobody waits, and its id is given back. No use is later than the database's present: a server whose clock is
/// ahead must not keep tokens that nobody uses from being suspended.
pub(super) const MARK_TOKENS_USED: &str = "
    WITH later AS (
        SELECT t.id, u.at, u.ip
        FROM (
            SELECT id, least(at, (extract(epoch FROM clock_timestamp()) * 1000000)::BIGINT) AS at, ip
            FROM unnest($1::UUID[], $2::BIGINT[], $3::TEXT[]) AS n (id, at, ip)
        ) u JOIN tokens t ON t.id = u.id
        WHERE (t.last_used_at IS NULL OR t.last_used_at < u.at) AND NOT (t.revoked_at IS NOT NULL AND t.name = 'erased')
    ), free AS (
        SELECT t.id, later.at, later.ip FROM later JOIN tokens t ON t.id = later.id
        ORDER BY t.id FOR UPDATE OF t SKIP LOCKED
    ), marked AS (
        UPDATE tokens t SET last_used_at = free.at, last_used_ip = free.ip
        FROM free WHERE t.id = free.id AND (t.last_used_at IS NULL OR t.last_used_at < free.at)
        RETURNING t.id
    )
    SELECT id FROM later EXCEPT SELECT id FROM marked";
pub(super) const MARK_SECRETS_USED: &str = "
    WITH later AS (
        SELECT s.id, u.at
        FROM (
            SELECT id, least(at, (extract(epoch FROM clock_timestamp()) * 1000000)::BIGINT) AS at
            FROM unnest($1::TEXT[], $2::BIGINT[]) AS n (id, at)
        ) u JOIN secrets s ON s.id = u.id
        WHERE s.last_used_at IS NULL OR s.last_used_at < u.at
    ), free AS (
        SELECT s.id, later.at FROM later JOIN secrets s ON s.id = later.id
        ORDER BY s.id FOR UPDATE OF s SKIP LOCKED
    ), marked AS (
        UPDATE secrets s SET last_used_at = free.at
        FROM free WHERE s.id = free.id AND (s.last_used_at IS NULL OR s.last_used_at < free.at)
        RETURNING s.id
    )
    SELECT id FROM later EXCEPT SELECT id FROM marked";
pub(super) const BACKFILL_HMAC: &str = "UPDATE secrets SET hmac = $2, hmac_key_id = $3 WHERE id = $1";
pub(super) const LATCH_EXPIRY: &str = "
    UPDATE secrets SET expired_at = $2
    WHERE id = $1 AND expired_at IS NULL AND state <> 'ended'";
pub(super) const FIND_TOKEN_OF_SECRET: &str =
    "SELECT t.id, t.owner_id, t.name FROM tokens t JOIN secrets s ON s.token_id = t.id WHERE s.id = $1";
pub(super) const FIND_OVERDUE: &str = "
    SELECT id FROM secrets
    WHERE expired_at IS NULL AND state <> 'ended' AND expires_at <= $1
    ORDER BY expires_at LIMIT $2";

/// Only PostgreSQL has a clock of its own.
pub(super) const DATABASE_TIME: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::BIGINT";
/// How much a server's clock may be ahead of the database's.
const AHEAD_MAX: Duration = Duration::from_secs(2);

/// The last use of one secret within a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use {
    /// The token.
    pub token: TokenId,
    /// The secret.
    pub secret: SecretId,
    /// When.
    pub at: Timestamp,
    /// From where.
    pub ip: Option<IpAddr>,
}

/// A fast proof that was made again from a presented secret.
#[derive(Clone, Debug)]
pub struct HmacBackfill {
    /// The secret.
    pub secret: SecretId,
    /// The proof.
    pub hmac: [u8; 32],
    /// The key that made it.
    pub key_id: String,
}

impl Db {
    /// Writes a batch, and gives back what has to be tried again, because somebody else was changing the same token.
    ///
    /// # Errors
    /// When the database cannot be asked; then nothing of the batch was written.
    pub async fn mark_used(&self, uses: &[Use]) -> Result<Vec<Use>, StoreError> {
        if let Engine::Postgres(engine) = &self.engine {
            return mark_used_at_once(engine, uses).await;
        }
        let mut tx = self.begin().await?;
        for one in uses {
            query(MARK_TOKEN_USED)
                .bind(one.token.as_uuid())
                .bind(one.at.as_micros())
                .bind(one.ip.map(|ip| ip.to_string()))
                .execute(&mut tx)
                .await?;
            query(MARK_SECRET_USED).bind(one.secret.as_str()).bind(one.at.as_micros()).execute(&mut tx).await?;
        }
        self.commit(tx, Touched::Nothing).await?;
        Ok(Vec::new())
    }

    /// Keeps a fast proof that was made again.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn backfill_hmac(&self, backfill: &HmacBackfill) -> Result<(), StoreError> {
        query(BACKFILL_HMAC)
            .bind(backfill.secret.as_str())
            .bind(backfill.hmac.as_slice())
            .bind(&backfill.key_id)
            .execute(self.writer())
            .await?;
        Ok(())
    }

    /// Makes an observed expiry final, with its event. Not where the database's own clock says that it is still to come.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn latch_expiry(&self, secret: SecretId, now: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        if self.is_shared() {
            let (there,): (i64,) = query(DATABASE_TIME).fetch_one(&mut tx).await?;
            if now > Timestamp::from_micros(there).plus(AHEAD_MAX) {
                // One clock that is wrong must not end tokens for everybody.
                return Ok(());
            }
        }
        let latch = query(LATCH_EXPIRY).bind(secret.as_str().to_owned()).bind(now.as_micros());
        if latch.execute(&mut tx).await? == 0 {
            return Ok(());
        }
        let (token, draft) = expiry_event(&mut tx, secret).await?;
        self.append(&mut tx, &draft, now).await?;
        self.commit(tx, Touched::Token(token)).await
    }

    /// Secrets whose time has come and that nobody has noticed yet.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn find_overdue(&self, now: Timestamp, limit: u32) -> Result<Vec<SecretId>, StoreError> {
        let asked = query(FIND_OVERDUE).bind(now.as_micros()).bind(limit);
        asked.fetch_all::<(String,)>(self.reader()).await?.iter().map(|(id,)| super::row::parse(id)).collect()
    }
}

async fn mark_used_at_once(engine: &Postgres, uses: &[Use]) -> Result<Vec<Use>, StoreError> {
    let times: Vec<_> = uses.iter().map(|one| one.at.as_micros()).collect();
    // One for each token: of several secrets of one token, the last that was used.
    let mut latest = uses.to_vec();
    latest.sort_unstable_by_key(|one| (one.token, std::cmp::Reverse(one.at)));
    latest.dedup_by_key(|one| one.token);
    let mut notes = engine.begin_notes().await?;
    let tokens: Vec<(Uuid,)> = query(MARK_TOKENS_USED)
        .bind(latest.iter().map(|one| one.token.as_uuid()).collect::<Vec<_>>())
        .bind(latest.iter().map(|one| one.at.as_micros()).collect::<Vec<_>>())
        .bind(latest.iter().map(|one| one.ip.map(|ip| ip.to_string())).collect::<Vec<_>>())
        .fetch_all(&mut notes)
        .await?;
    let secrets: Vec<(String,)> = query(MARK_SECRETS_USED)
        .bind(uses.iter().map(|one| one.secret.to_string()).collect::<Vec<_>>())
        .bind(times)
        .fetch_all(&mut notes)
        .await?;
    notes.commit().await?;
    let tokens: HashSet<_> = tokens.into_iter().map(|(id,)| TokenId::from(id)).collect();
    let secrets: HashSet<_> = secrets.into_iter().map(|(id,)| id).collect();
    let is_left = |one: &&Use| tokens.contains(&one.token) || secrets.contains(one.secret.as_str());
    Ok(uses.iter().filter(is_left).copied().collect())
}

async fn expiry_event(tx: &mut Change, secret: SecretId) -> Result<(TokenId, Draft), StoreError> {
    let (token, owner, name): (Uuid, Uuid, String) =
        query(FIND_TOKEN_OF_SECRET).bind(secret.as_str().to_owned()).fetch_one(&mut *tx).await?;
    let token = TokenId::from(token);
    let object = Party::token(token, &name);
    let draft = Draft::new(Action::TokenExpired, Party::SYSTEM, object, &Origin::default())
        .about(UserId::from(owner))
        .changed("secret", Some(secret.to_string()), None);
    Ok((token, draft))
}
