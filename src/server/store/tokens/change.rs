//! Changing tokens. Each change and its audit event are one transaction.

use uuid::Uuid;

use super::list::read_back;
use super::{TokenKey, TokenRow, sql};
use crate::domain::audit::Draft;
use crate::domain::id::{TokenId, UserId};
use crate::domain::lifetime::LifetimePolicy;
use crate::domain::scope::ScopeSet;
use crate::domain::secret::SecretId;
use crate::domain::time::Timestamp;
use crate::server::store::commit::Change;
use crate::server::store::query::query;
use crate::server::store::{Db, StoreError, Touched, standing};

/// A token to be made.
#[derive(Clone, Debug)]
pub struct NewToken<'a> {
    /// Its id and owner.
    pub key: TokenKey,
    /// Its name.
    pub name: &'a str,
    /// Its description.
    pub description: &'a str,
    /// Its scopes.
    pub scopes: &'a ScopeSet,
    /// Networks it may be used from.
    pub allowed_ips: &'a [String],
}

/// A secret to be made: its proofs, never itself.
#[derive(Clone, Debug)]
pub struct NewSecret {
    /// Its public name.
    pub id: SecretId,
    /// When it expires; never if absent.
    pub expires_at: Option<Timestamp>,
    /// Durable proof.
    pub phc: String,
    /// Fast proof.
    pub hmac: [u8; 32],
    /// The key of the fast proof.
    pub hmac_key_id: String,
    /// SHA-256 of the one-use key of the form that asked for it.
    pub form_key: Option<[u8; 32]>,
    /// Most active tokens of its owner.
    pub limit: u32,
    /// Tokens that have run out by these limits do not count.
    pub lifetime: LifetimePolicy,
}

/// New values of a token; `version` is the one on which they were decided.
#[derive(Clone, Debug)]
pub struct Edit<'a> {
    /// The version that was read.
    pub version: i64,
    /// Name.
    pub name: &'a str,
    /// Description.
    pub description: &'a str,
    /// Scopes.
    pub scopes: &'a ScopeSet,
}

/// What became of a new secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddOutcome {
    /// It is there, and the token is like this now.
    Added(Box<TokenRow>),
    /// The owner has as many active tokens as allowed.
    LimitReached,
    /// The form was used before, and led to this token.
    FormUsed(TokenId),
    /// Another change came first.
    Stale,
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeOutcome {
    /// It is done.
    Changed,
    /// Another change came first, or the token is revoked.
    Stale,
}

impl Db {
    /// Makes a token with its first secret. The limit is counted under the writer's lock: no two requests can both
    /// take the last place.
    ///
    /// # Errors
    /// When the database cannot be asked; then nothing has changed.
    pub async fn add_token(
        &self,
        token: &NewToken<'_>,
        secret: &NewSecret,
        draft: &Draft,
        now: Timestamp,
    ) -> Result<AddOutcome, StoreError> {
        let mut tx = self.begin().await?;
        if let Some(outcome) = obstacle(&mut tx, token.key, secret, now).await? {
            return Ok(outcome);
        }
        insert_token(&mut tx, token, now).await?;
        insert_secret(&mut tx, token.key, secret, now).await?;
        let row = read_back(&mut tx, token.key).await?;
        self.append(&mut tx, draft, now).await?;
        self.commit(tx, Touched::Token(token.key.id)).await?;
        Ok(AddOutcome::Added(Box::new(row)))
    }

    /// Gives a token a new secret and ends all earlier ones at once.
    ///
    /// # Errors
    /// When the database cannot be asked; then nothing has changed.
    pub async fn regenerate_token(
        &self,
        key: TokenKey,
        version: i64,
        secret: &NewSecret,
        draft: &Draft,
        now: Timestamp,
    ) -> Result<AddOutcome, StoreError> {
        let mut tx = self.begin().await?;
        if let Some(outcome) = obstacle(&mut tx, key, secret, now).await? {
            return Ok(outcome);
        }
        let advance = query(sql::ADVANCE_TOKEN).bind(key.id.as_uuid()).bind(key.owner.as_uuid()).bind(version);
        if advance.execute(&mut tx).await? == 0 {
            return Ok(AddOutcome::Stale);
        }
        query(sql::END_SECRETS).bind(key.id.as_uuid()).bind(now.as_micros()).execute(&mut tx).await?;
        insert_secret(&mut tx, key, secret, now).await?;
        let row = read_back(&mut tx, key).await?;
        self.append(&mut tx, draft, now).await?;
        self.commit(tx, Touched::Token(key.id)).await?;
        Ok(AddOutcome::Added(Box::new(row)))
    }

    /// Replaces name, description and scopes. What the token is like now; nothing where another change came first, or the token is
    /// revoked.
    ///
    /// # Errors
    /// When the database cannot be asked; then nothing has changed.
    pub async fn edit_token(
        &self,
        key: TokenKey,
        edit: &Edit<'_>,
        draft: &Draft,
        now: Timestamp,
    ) -> Result<Option<TokenRow>, StoreError> {
        let mut tx = self.begin().await?;
        let asked = query(sql::EDIT_TOKEN)
            .bind(key.id.as_uuid())
            .bind(key.owner.as_uuid())
            .bind(edit.version)
            .bind(edit.name)
            .bind(edit.description)
            .bind(edit.scopes.to_string());
        if asked.execute(&mut tx).await? == 0 {
            return Ok(None);
        }
        let row = read_back(&mut tx, key).await?;
        self.append(&mut tx, draft, now).await?;
        self.commit(tx, Touched::Token(key.id)).await?;
        Ok(Some(row))
    }

    /// Revokes a token with all its secrets. `Stale` when it was revoked before or has another version than the one that
    /// was asked for; then no event is written.
    ///
    /// # Errors
    /// When the database cannot be asked; then nothing has changed.
    pub async fn revoke_token(
        &self,
        key: TokenKey,
        reason: Option<&str>,
        version: Option<i64>,
        draft: &Draft,
        now: Timestamp,
    ) -> Result<ChangeOutcome, StoreError> {
        let mut tx = self.begin().await?;
        let asked = query(sql::REVOKE_TOKEN)
            .bind(key.id.as_uuid())
            .bind(key.owner.as_uuid())
            .bind(now.as_micros())
            .bind(reason)
            .bind(version);
        if asked.execute(&mut tx).await? == 0 {
            return Ok(ChangeOutcome::Stale);
        }
        self.append(&mut tx, draft, now).await?;
        self.commit(tx, Touched::Token(key.id)).await?;
        Ok(ChangeOutcome::Changed)
    }

    /// Revokes several tokens with all their secrets, each with its event. Those that were revoked before stay as they
    /// are. How many were revoked.
    ///
    /// # Errors
    /// When the database cannot be asked; then nothing has changed.
    pub async fn revoke_tokens(
        &self,
        tokens: &[(TokenKey, Draft)],
        reason: &str,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let mut tx = self.begin().await?;
        let mut revoked = 0;
        for (key, draft) in tokens {
            let asked = query(sql::REVOKE_TOKEN)
                .bind(key.id.as_uuid())
                .bind(key.owner.as_uuid())
                .bind(now.as_micros())
                .bind(reason)
                .bind(None::<i64>);
            if asked.execute(&mut tx).await? > 0 {
                self.append(&mut tx, draft, now).await?;
                revoked += 1;
            }
        }
        self.commit(tx, Touched::Everything).await?;
        Ok(revoked)
    }

    /// The token that a form with this key made.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn find_form(&self, owner: UserId, key_hash: [u8; 32]) -> Result<Option<TokenId>, StoreError> {
        let asked = query(sql::FIND_FORM_KEY).bind(key_hash.to_vec()).bind(owner.as_uuid());
        Ok(asked.fetch_optional::<(Uuid,)>(self.reader()).await?.map(|(id,)| id.into()))
    }

    /// Forgets one-use keys that were used before `horizon`.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn delete_old_form_keys(&self, horizon: Timestamp) -> Result<(), StoreError> {
        query(sql::DELETE_OLD_FORM_KEYS).bind(horizon.as_micros()).execute(self.writer()).await?;
        Ok(())
    }
}

/// Why a secret cannot be made, if it cannot.
async fn obstacle(
    tx: &mut Change,
    key: TokenKey,
    secret: &NewSecret,
    now: Timestamp,
) -> Result<Option<AddOutcome>, StoreError> {
    if let Some(form_key) = secret.form_key {
        let asked = query(sql::FIND_FORM_KEY).bind(form_key.to_vec()).bind(key.owner.as_uuid());
        if let Some((made,)) = asked.fetch_optional::<(Uuid,)>(&mut *tx).await? {
            return Ok(Some(AddOutcome::FormUsed(made.into())));
        }
    }
    let asked = query(sql::COUNT_ACTIVE).bind(key.owner.as_uuid()).bind(key.id.as_uuid());
    let (count,): (i64,) = standing::bind(secret.lifetime.due(now), asked).fetch_one(&mut *tx).await?;
    Ok((count >= i64::from(secret.limit)).then_some(AddOutcome::LimitReached))
}

async fn insert_token(tx: &mut Change, token: &NewToken<'_>, now: Timestamp) -> Result<(), StoreError> {
    query(sql::ADD_TOKEN)
        .bind(token.key.id.as_uuid())
        .bind(token.key.owner.as_uuid())
        .bind(token.name)
        .bind(token.description)
        .bind(token.scopes.to_string())
        .bind(serde_json::to_string(token.allowed_ips)?)
        .bind(now.as_micros())
        .execute(&mut *tx)
        .await?;
    Ok(())
}

async fn insert_secret(tx: &mut Change, key: TokenKey, secret: &NewSecret, now: Timestamp) -> Result<(), StoreError> {
    query(sql::ADD_SECRET)
        .bind(secret.id.as_str())
        .bind(key.id.as_uuid())
        .bind(now.as_micros())
        .bind(secret.expires_at.map(Timestamp::as_micros))
        .bind(&secret.phc)
        .bind(secret.hmac.as_slice())
        .bind(&secret.hmac_key_id)
        .execute(&mut *tx)
        .await?;
    if let Some(form_key) = secret.form_key {
        query(sql::ADD_FORM_KEY)
            .bind(form_key.to_vec())
            .bind(key.owner.as_uuid())
            .bind(key.id.as_uuid())
            .bind(now.as_micros())
            .execute(&mut *tx)
            .await?;
    }
    Ok(())
}
