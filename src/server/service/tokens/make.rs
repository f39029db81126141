//! Making secrets: a new token, or a new secret for a token.

use sha2::{Digest as _, Sha256};

use crate::domain::audit::{Action, Draft, Party};
use crate::domain::entropy;
use crate::domain::error::FieldErrors;
use crate::domain::id::TokenId;
use crate::domain::net::network;
use crate::domain::scope::ScopeSet;
use crate::domain::secret::PlainToken;
use crate::domain::text;
use crate::domain::time::Timestamp;
use crate::domain::token::may_regenerate;
use crate::domain::view::TokenView;
use crate::server::store::{AddOutcome, NewSecret, NewToken, TokenKey, Touched};

use super::{Caller, CreateToken, Issued, RegenerateToken, TokenError, Tokens};

/// Most networks of one token.
const NETWORKS_MAX: usize = 50;

/// The name of the expiry in field errors; whoever asked in another field renames it.
pub(super) const EXPIRY: &str = "expires_in";

/// A request whose values were found good.
struct Accepted {
    name: String,
    description: String,
    scopes: ScopeSet,
    expires_at: Option<Timestamp>,
    allowed_ips: Vec<String>,
}

impl Tokens {
    /// Makes a token.
    ///
    /// # Errors
    /// When the login is too old, a value is wrong, the limit is reached, the form was used before, or the store cannot be
    /// asked. Then nothing has changed.
    pub async fn create(&self, caller: &Caller, request: &CreateToken) -> Result<Issued, TokenError> {
        self.require_unused_form(caller, request.form_key.as_deref()).await?;
        self.require_fresh_login(caller)?;
        // A clock that is ahead must not make a token that outlives what is allowed.
        let now = self.surely().await?;
        let accepted = self.accept(caller, request, now).map_err(TokenError::Invalid)?;
        let key = TokenKey { id: TokenId::from_random(entropy::bytes(&*self.parts.entropy)), owner: caller.user.id };
        let (plain, secret) = self.make_secret(accepted.expires_at, request.form_key.as_deref()).await?;
        let draft =
            Draft::new(Action::TokenCreated, caller.party(), Party::token(key.id, &accepted.name), &caller.origin)
                .about(caller.user.id)
                .changed("scopes", None, Some(accepted.scopes.to_string()))
                .changed("expires_at", None, Some(expiry_text(accepted.expires_at)))
                .reworded("allowed_ips", None, Some(accepted.allowed_ips.join(" ")).filter(|text| !text.is_empty()))
                .changed("secret", None, Some(secret.id.to_string()));
        let token = NewToken {
            key,
            name: &accepted.name,
            description: &accepted.description,
            scopes: &accepted.scopes,
            allowed_ips: &accepted.allowed_ips,
        };
        let outcome = self.parts.db.add_token(&token, &secret, &draft, now).await?;
        self.issued(outcome, caller, plain).await
    }

    /// Gives a token a new secret; the earlier ones end in the same moment.
    ///
    /// # Errors
    /// As [`Tokens::create`], and when there is no such token, it is revoked, or another change came first.
    pub async fn regenerate(
        &self,
        caller: &Caller,
        id: TokenId,
        request: &RegenerateToken,
    ) -> Result<Issued, TokenError> {
        self.require_unused_form(caller, request.form_key.as_deref()).await?;
        self.require_fresh_login(caller)?;
        let now = self.surely().await?;
        let present = self.get(&caller.user, id).await?;
        if request.if_version.is_some_and(|version| version != present.version) {
            return Err(TokenError::VersionMismatch);
        }
        may_regenerate(present.revoked_at).map_err(|error| TokenError::Conflict(error.to_string()))?;
        let expiry = self.parts.policy.lifetime.expiry(request.expiry, now);
        let expires_at = expiry.map_err(|error| TokenError::Invalid(FieldErrors::one(EXPIRY, error.to_string())))?;
        let (plain, secret) = self.make_secret(expires_at, request.form_key.as_deref()).await?;
        let draft = regeneration(caller, &present, &secret);
        let key = TokenKey { id, owner: caller.user.id };
        let outcome = self.parts.db.regenerate_token(key, present.version, &secret, &draft, now).await?;
        self.issued(outcome, caller, plain).await
    }

    /// The same form again leads to what it made, whatever has become of it; two at once are told apart when they are
    /// written.
    async fn require_unused_form(&self, caller: &Caller, form_key: Option<&str>) -> Result<(), TokenError> {
        let Some(form_key) = form_key else { return Ok(()) };
        match self.parts.db.find_form(caller.user.id, form_hash(form_key)).await? {
            Some(made) => Err(self.used_form(made).await?),
            None => Ok(()),
        }
    }

    /// Whoever sent the form first may still be waiting for the end of the earlier secrets to hold everywhere.
    async fn used_form(&self, made: TokenId) -> Result<TokenError, TokenError> {
        self.settled(Touched::Token(made)).await?;
        Ok(TokenError::FormUsed(made))
    }

    fn accept(&self, caller: &Caller, request: &CreateToken, now: Timestamp) -> Result<Accepted, FieldErrors> {
        let mut errors = FieldErrors::default();
        let name = errors.keep("name", text::name(&request.name));
        let description = errors.keep("description", text::description(&request.description));
        let chosen = request.scopes.iter().map(String::as_str);
        let scopes = errors.keep("scopes", self.parts.catalogue.grant(chosen, &caller.user.profile.roles));
        let expires_at = errors.keep(EXPIRY, self.parts.policy.lifetime.expiry(request.expiry, now));
        let allowed_ips = errors.keep("allowed_ips", networks(&request.allowed_ips));
        match (name, description, scopes, expires_at, allowed_ips) {
            (Some(name), Some(description), Some(scopes), Some(expires_at), Some(allowed_ips)) => {
                Ok(Accepted { name, description, scopes, expires_at, allowed_ips })
            }
            _ => Err(errors),
        }
    }

    async fn make_secret(
        &self,
        expires_at: Option<Timestamp>,
        form_key: Option<&str>,
    ) -> Result<(PlainToken, NewSecret), TokenError> {
        let parts = &self.parts;
        let plain = PlainToken::generate(&parts.prefix, |buffer| parts.entropy.fill(buffer));
        let secret = NewSecret {
            id: plain.id(),
            expires_at,
            phc: parts.hasher.hash(&plain).await?,
            hmac: parts.keys.prove(plain.as_text()),
            hmac_key_id: parts.keys.id().to_owned(),
            form_key: form_key.map(form_hash),
            limit: parts.max_active,
            lifetime: parts.policy.lifetime,
        };
        Ok((plain, secret))
    }

    async fn issued(&self, outcome: AddOutcome, caller: &Caller, secret: PlainToken) -> Result<Issued, TokenError> {
        match outcome {
            AddOutcome::Added(row) => Ok(Issued { token: self.lens(&caller.user).view(*row), secret }),
            AddOutcome::LimitReached => Err(TokenError::LimitReached(self.parts.max_active)),
            AddOutcome::FormUsed(made) => Err(self.used_form(made).await?),
            AddOutcome::Stale => Err(stale()),
        }
    }
}

/// Another change won.
pub(super) fn stale() -> TokenError {
    TokenError::Conflict("The token was changed or revoked in the same moment. Please look at it again.".to_owned())
}

fn form_hash(key: &str) -> [u8; 32] {
    Sha256::digest(key).into()
}

fn regeneration(caller: &Caller, present: &TokenView, secret: &NewSecret) -> Draft {
    let object = Party::token(present.id, &present.name);
    let previous = present.secrets.first().map(|secret| secret.id.to_string());
    Draft::new(Action::TokenRegenerated, caller.party(), object, &caller.origin)
        .about(caller.user.id)
        .changed("secret", previous, Some(secret.id.to_string()))
        .changed("expires_at", Some(expiry_text(present.expires_at)), Some(expiry_text(secret.expires_at)))
}

fn expiry_text(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "never".to_owned(), Timestamp::rfc3339)
}

fn networks(texts: &[String]) -> Result<Vec<String>, String> {
    if texts.len() > NETWORKS_MAX {
        return Err(format!("Please give at most {NETWORKS_MAX} networks."));
    }
    let parse = |text: &String| network(text.trim()).map(|net| net.to_string()).map_err(|error| error.to_string());
    texts.iter().map(parse).collect()
}
