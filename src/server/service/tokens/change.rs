//! Editing and revoking.

use std::time::Duration;

use crate::domain::audit::{Action, Draft, Origin, Party};
use crate::domain::error::FieldErrors;
use crate::domain::id::{TokenId, UserId};
use crate::domain::reason::{Code, Reason};
use crate::domain::scope::{ScopeName, ScopeSet};
use crate::domain::secret::SecretId;
use crate::domain::text;
use crate::domain::time::Timestamp;
use crate::domain::token::may_narrow;
use crate::domain::verdict::Grant;
use crate::domain::view::TokenView;
use crate::server::store::{ChangeOutcome, Edit, LogFilter, TokenKey, Touched};

use super::make::stale;
use super::{Caller, EditToken, TokenError, Tokens};
use crate::server::service::authority::Administrator;

/// What others did with a token is told to its owner for so long.
pub const TOLD_FOR: Duration = Duration::from_hours(14 * 24);
/// Most places that are noted of a token in that time.
const NOTED_MAX: u32 = 50;

/// Who holds a secret and ends its token with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// Whoever uses it.
    Holder,
    /// Somebody who found it where it should not be.
    Finder,
    /// Somebody who searches public places.
    Scanner {
        /// Where it was found, as a part of a sentence.
        place: String,
    },
}

impl By {
    /// The reason that the token shows.
    fn reason(&self) -> Reason {
        match self {
            Self::Holder => Reason { code: Code::Other, text: "Revoked by its holder".to_owned() },
            Self::Finder => Reason { code: Code::Leaked, text: "reported by somebody who found it".to_owned() },
            Self::Scanner { place } => Reason { code: Code::Leaked, text: place.clone() },
        }
    }
}

/// New values of a token that were found good.
struct Edited {
    name: String,
    description: String,
    scopes: ScopeSet,
}

impl Tokens {
    /// Changes name, description or scopes of a token.
    ///
    /// # Errors
    /// When there is no such token, a value is wrong, scopes would widen, or another change came first.
    pub async fn edit(&self, caller: &Caller, id: TokenId, request: &EditToken) -> Result<TokenView, TokenError> {
        let present = self.get(&caller.user, id).await?;
        if request.if_version.is_some_and(|version| version != present.version) {
            return Err(TokenError::VersionMismatch);
        }
        let edited = accept(request, &present).map_err(TokenError::Invalid)?;
        if edited.is_same_as(&present) {
            // Whoever made it so may still be waiting for it to hold everywhere.
            self.settled(Touched::Token(id)).await?;
            return Ok(present);
        }
        let draft = Draft::new(Action::TokenEdited, caller.party(), Party::token(id, &edited.name), &caller.origin)
            .about(caller.user.id)
            .changed("scopes", Some(present.scopes.to_string()), Some(edited.scopes.to_string()))
            .reworded("name", Some(present.name), Some(edited.name.clone()))
            .reworded("description", Some(present.description), Some(edited.description.clone()));
        let edit = Edit {
            version: present.version,
            name: &edited.name,
            description: &edited.description,
            scopes: &edited.scopes,
        };
        let key = TokenKey { id, owner: caller.user.id };
        match self.parts.db.edit_token(key, &edit, &draft, self.parts.clock.now()).await? {
            Some(row) => Ok(self.lens(&caller.user).view(row)),
            None => Err(stale()),
        }
    }

    /// Revokes a token for ever. Revoking it again is no error and changes nothing.
    ///
    /// # Errors
    /// When there is no such token, the reason is not acceptable, or the store cannot be asked.
    pub async fn revoke(
        &self,
        caller: &Caller,
        id: TokenId,
        reason: Option<&str>,
        if_version: Option<i64>,
    ) -> Result<(), TokenError> {
        let present = self.get(&caller.user, id).await?;
        if if_version.is_some_and(|version| version != present.version) {
            return Err(TokenError::VersionMismatch);
        }
        self.end(Revocation {
            owner: caller.user.id,
            token: &present,
            draft: revoked(caller.party(), &present, &caller.origin),
            version: if_version,
            reason: acceptable(reason)?,
        })
        .await
    }

    /// Revokes anybody's token. Revoking it again is no error and changes nothing.
    ///
    /// # Errors
    /// When there is no such token, it has another version, or the store cannot be asked.
    pub async fn revoke_anybodys(
        &self,
        administrator: &Administrator,
        id: TokenId,
        reason: Option<Reason>,
        if_version: Option<i64>,
    ) -> Result<Ended, TokenError> {
        let (present, owner) = self.get_anybodys(administrator, id).await?;
        if if_version.is_some_and(|version| version != present.version) {
            return Err(TokenError::VersionMismatch);
        }
        let draft = revoked(administrator.party(), &present, &administrator.origin()).on_behalf_of(owner.id);
        let revocation = Revocation { owner: owner.id, token: &present, draft, version: if_version, reason };
        self.end(revocation).await?;
        Ok(if present.revoked_at.is_some() { Ended::Before } else { Ended::Now })
    }

    /// Revokes a token because somebody who holds its secret wants it: whoever that is, it must not stay good.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn revoke_itself(&self, grant: &Grant, by: &By, origin: &Origin) -> Result<(), TokenError> {
        let token = self.get_by_grant(grant).await?;
        let draft = revoked(Party::token(token.id, &token.name), &token, origin).on_behalf_of(grant.user);
        let reason = Some(by.reason());
        self.end(Revocation { owner: grant.user, token: &token, draft, version: None, reason }).await
    }

    /// Writes down that somebody found a token, for its owner to see; not again while it is shown.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn note_leak(&self, grant: &Grant, by: &By, origin: &Origin) -> Result<(), TokenError> {
        let (token, reason) = (self.get_by_grant(grant).await?, by.reason());
        if self.is_noted(token.id, &reason).await? {
            return Ok(());
        }
        let party = Party::token(token.id, &token.name);
        let draft = Draft::new(Action::TokenReported, party.clone(), party, origin).on_behalf_of(grant.user);
        let draft = draft.about(grant.user).because(Some(&reason));
        Ok(self.parts.db.record(&draft, self.parts.clock.now()).await?)
    }

    /// Whether it was written down lately that a token was found in the same place.
    async fn is_noted(&self, token: TokenId, reason: &Reason) -> Result<bool, TokenError> {
        let lately = LogFilter {
            object: token.to_string(),
            action: Action::TokenReported.as_str().to_owned(),
            since: Some(self.parts.clock.now().minus(TOLD_FOR)),
            ..LogFilter::default()
        };
        let noted = self.parts.db.list_log(&lately, None, NOTED_MAX).await?;
        // From ever new places it is not noted without end.
        Ok(noted.len() >= NOTED_MAX as usize
            || noted.iter().any(|row| row.values.get("reason_text") == Some(&reason.text)))
    }

    /// The token that a request was authenticated with.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn get_by_grant(&self, grant: &Grant) -> Result<TokenView, TokenError> {
        let id = grant.token.ok_or(TokenError::NotFound)?;
        let owner = self.parts.db.lookup_user(grant.user).await?.ok_or(TokenError::NotFound)?;
        self.get(&owner, id).await
    }

    async fn end(&self, revocation: Revocation<'_>) -> Result<(), TokenError> {
        let Revocation { owner, token, draft, version, reason } = revocation;
        if token.revoked_at.is_some() {
            return self.settled(Touched::Token(token.id)).await;
        }
        let draft = draft.about(owner).because(reason.as_ref());
        let key = TokenKey { id: token.id, owner };
        let reason = reason.map(|reason| reason.to_string());
        match self.parts.db.revoke_token(key, reason.as_deref(), version, &draft, self.parts.clock.now()).await? {
            ChangeOutcome::Changed => Ok(()),
            // A revocation that came first is as good; any other change is not what the caller has seen.
            ChangeOutcome::Stale if self.is_revoked(key).await? => self.settled(Touched::Token(key.id)).await,
            ChangeOutcome::Stale => Err(TokenError::VersionMismatch),
        }
    }

    /// Returns when whatever was changed up to now holds on every replica. Whoever answers that something has ended says
    /// so of all of them, also when somebody else has ended it.
    pub(in crate::server::service) async fn settled(&self, touched: Touched) -> Result<(), TokenError> {
        Ok(self.parts.db.settled(touched).await?)
    }

    /// The time by which the end of something is judged.
    pub(in crate::server::service) async fn surely(&self) -> Result<Timestamp, TokenError> {
        Ok(self.parts.db.surely(self.parts.clock.now()).await?)
    }

    /// Makes sure that a secret that ran out is over everywhere, whatever the clocks of other replicas say.
    pub(in crate::server::service) async fn expire(&self, secret: SecretId, now: Timestamp) -> Result<(), TokenError> {
        self.parts.db.latch_expiry(secret, now).await?;
        self.settled(Touched::Nothing).await
    }

    async fn is_revoked(&self, key: TokenKey) -> Result<bool, TokenError> {
        Ok(self.parts.db.lookup_token(key).await?.is_some_and(|row| row.revoked_at.is_some()))
    }
}

/// When a token was ended, seen from a wish to end it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By this.
    Now,
    /// It was ended already.
    Before,
}

struct Revocation<'a> {
    owner: UserId,
    token: &'a TokenView,
    draft: Draft,
    version: Option<i64>,
    reason: Option<Reason>,
}

pub(in crate::server::service) fn revoked(actor: Party, token: &TokenView, origin: &Origin) -> Draft {
    Draft::new(Action::TokenRevoked, actor, Party::token(token.id, &token.name), origin)
}

/// A reason as it may be kept; none where nothing is said.
fn acceptable(reason: Option<&str>) -> Result<Option<Reason>, TokenError> {
    let reason = Reason::parse(reason.unwrap_or_default());
    reason.map_err(|error| TokenError::Invalid(FieldErrors::one("reason", error.to_string())))
}

impl Edited {
    fn is_same_as(&self, present: &TokenView) -> bool {
        self.name == present.name && self.description == present.description && self.scopes == present.scopes
    }
}

fn accept(request: &EditToken, present: &TokenView) -> Result<Edited, FieldErrors> {
    let mut errors = FieldErrors::default();
    let name = match &request.name {
        Some(name) => errors.keep("name", text::name(name)),
        None => Some(present.name.clone()),
    };
    let description = match &request.description {
        Some(description) => errors.keep("description", text::description(description)),
        None => Some(present.description.clone()),
    };
    let scopes = match &request.scopes {
        Some(scopes) => errors.keep("scopes", narrowed(present, scopes)),
        None => Some(present.scopes.clone()),
    };
    match (name, description, scopes) {
        (Some(name), Some(description), Some(scopes)) => Ok(Edited { name, description, scopes }),
        _ => Err(errors),
    }
}

fn narrowed(present: &TokenView, wanted: &[String]) -> Result<ScopeSet, String> {
    let names = wanted.iter().map(|name| ScopeName::parse(name));
    let wanted = names.collect::<Result<ScopeSet, _>>().map_err(|error| error.to_string())?;
    if wanted.is_empty() {
        return Err("Please keep at least one scope, or revoke the token.".to_owned());
    }
    may_narrow(&present.scopes, &wanted).map_err(|error| error.to_string())?;
    Ok(wanted)
}
