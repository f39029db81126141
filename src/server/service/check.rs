//! The one validator: every answer to "is this credential good, and for this?" comes from here.

use std::net::IpAddr;
use std::sync::Arc;

use crate::domain::audit::Origin;
use crate::domain::requirement::Requirement;
use crate::domain::time::{Clock, Timestamp};
use crate::domain::token::{Standing, Suspension, TokenPolicy};
use crate::domain::verdict::{Denial, Grant, Invalid, Method};
use crate::server::credential::pat::{KnownToken, ProvenToken};
use crate::server::credential::{Chain, Place, Presented, Proven};

use super::bearer::BearerRules;
use super::ended::{EndedUse, NOTED_EVERY};
use super::usage::{Footprint, Usage};

/// Decides about credentials.
#[derive(Clone)]
pub struct Validator {
    chain: Chain,
    bearers: BearerRules,
    policy: TokenPolicy,
    usage: Usage,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Validator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Validator").finish_non_exhaustive()
    }
}

/// Who sends a credential.
#[derive(Clone, Copy)]
pub struct Sender<'a> {
    /// From where, as far as that is known.
    pub ip: Option<IpAddr>,
    /// What events say of it. Asked only when there is one to be written.
    pub origin: &'a (dyn Fn() -> Origin + Sync),
}

impl std::fmt::Debug for Sender<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sender").field("ip", &self.ip).finish_non_exhaustive()
    }
}

/// A credential that is good, and what it was proved against.
#[derive(Clone, Debug)]
pub enum Pass {
    /// A personal access token.
    Token(Arc<KnownToken>),
    /// Anything else.
    Bearer(Arc<Grant>),
}

impl Pass {
    /// Who it is and what it may do.
    #[must_use]
    pub fn grant(&self) -> &Grant {
        match self {
            Self::Token(known) => &known.grant,
            Self::Bearer(grant) => grant,
        }
    }

    /// When the credential was made, where that is known.
    #[must_use]
    pub fn issued_at(&self) -> Option<Timestamp> {
        match self {
            Self::Token(known) => Some(known.facts.created_at),
            Self::Bearer(_) => None,
        }
    }
}

/// What stands against a credential.
#[derive(Clone, Debug)]
pub struct Refused {
    /// The reason.
    pub denial: Denial,
    /// The credential, where it was proved and is refused for another reason. For logs alone.
    pub proven: Option<Pass>,
}

impl From<Denial> for Refused {
    fn from(denial: Denial) -> Self {
        Self { denial, proven: None }
    }
}

impl Validator {
    /// From its parts.
    #[must_use]
    pub fn new(chain: Chain, bearers: BearerRules, policy: TokenPolicy, usage: Usage, clock: Arc<dyn Clock>) -> Self {
        Self { chain, bearers, policy, usage, clock }
    }

    /// Decides about one credential, against what its place requires, as of `now`.
    ///
    /// # Errors
    /// With the reason for which it does not pass.
    pub async fn check(
        &self,
        presented: Presented<'_>,
        requirement: &Requirement,
        from: Sender<'_>,
        now: Timestamp,
    ) -> Result<Pass, Refused> {
        let token = match self.prove(presented).await? {
            Proven::Pat(token) => self.awake(token, now).await?,
            Proven::Bearer(bearer) => {
                let grant = Arc::new(self.bearers.grant(*bearer, now)?);
                return match admit(requirement, &grant) {
                    Ok(()) => Ok(Pass::Bearer(grant)),
                    Err(denial) => Err(Refused { denial, proven: Some(Pass::Bearer(grant)) }),
                };
            }
        };
        if let Err(denial) = self.judge_at(&token.known, requirement, from, now) {
            return Err(Refused { denial, proven: Some(Pass::Token(token.known)) });
        }
        Ok(Pass::Token(self.note_use(token, now, from.ip)))
    }

    /// Whether a token is good, and for this place.
    fn judge_at(
        &self,
        token: &KnownToken,
        requirement: &Requirement,
        from: Sender<'_>,
        now: Timestamp,
    ) -> Result<(), Denial> {
        self.judge(token, now, from)?;
        admit(requirement, &token.grant)?;
        if token.is_allowed_from(from.ip) { Ok(()) } else { Err(Denial::AddressRefused) }
    }

    /// The present time, by the clock that decides.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Which kind of credential owns a text, by its shape.
    #[must_use]
    pub fn owner_of(&self, credential: &str) -> Option<Method> {
        self.chain.owner_of(credential)
    }

    /// Proves a token and says whose it is, wherever it comes from: enough for what it may do with itself.
    ///
    /// # Errors
    /// With the reason for which it is not good.
    pub async fn identify(&self, presented: Presented<'_>, from: Sender<'_>) -> Result<Pass, Denial> {
        let Proven::Pat(token) = self.prove(presented).await? else {
            return Err(Denial::Invalid(Invalid::Untrusted));
        };
        let now = self.clock.now();
        let token = self.awake(token, now).await?;
        self.judge(&token.known, now, from)?;
        Ok(Pass::Token(token.known))
    }

    async fn prove(&self, presented: Presented<'_>) -> Result<Proven, Denial> {
        let credential = match presented {
            Presented::Nothing => return Err(Denial::NoCredential),
            Presented::Several => return Err(Denial::Invalid(Invalid::Several)),
            Presented::Unreadable => return Err(Denial::Invalid(Invalid::Malformed)),
            Presented::One(credential) => credential,
        };
        Ok(self.chain.prove(credential, Place::Check).await?)
    }

    /// A token that nobody uses here may be in use at another server.
    async fn awake(&self, token: ProvenToken, now: Timestamp) -> Result<ProvenToken, Denial> {
        if self.policy.idle_suspend.is_none() || !self.is_idle(&token.known, now) {
            return Ok(token);
        }
        Ok(ProvenToken { known: self.chain.read_anew(&token.known).await?, ..token })
    }

    fn is_idle(&self, token: &KnownToken, now: Timestamp) -> bool {
        self.policy.standing(&token.token_facts(), &token.facts, now) == Standing::Suspended(Suspension::Idle)
    }

    /// State, expiry and owner, as of now.
    fn judge(&self, token: &KnownToken, now: Timestamp, from: Sender<'_>) -> Result<(), Denial> {
        let reason = match self.policy.standing(&token.token_facts(), &token.facts, now) {
            Standing::Good => return Ok(()),
            Standing::Revoked => Invalid::Revoked,
            Standing::Ended => Invalid::Ended,
            Standing::Expired => self.expired(token, now),
            Standing::Suspended(_) => Invalid::Suspended,
        };
        tracing::debug!(secret_id = %token.secret, ?reason, "a token that is no longer good was presented");
        self.note_ended(token, reason, now, from);
        Err(Denial::Invalid(reason))
    }

    /// The first sight of an expiry makes it final.
    fn expired(&self, token: &KnownToken, now: Timestamp) -> Invalid {
        if token.facts.expired_at.is_none() {
            self.usage.leave(Footprint::Expired { secret: token.secret, at: now });
        }
        Invalid::Expired
    }

    /// Whoever still uses a token that is over may be somebody who found it.
    fn note_ended(&self, known: &KnownToken, reason: Invalid, at: Timestamp, from: Sender<'_>) {
        let Some(token) = known.grant.token.filter(|_| reason != Invalid::Suspended) else { return };
        if known.note_end(at, NOTED_EVERY) {
            let origin = Origin { ip: from.ip, ..(from.origin)() };
            let used = EndedUse { token, owner: known.grant.user, secret: known.secret, reason, at, origin };
            self.usage.leave(Footprint::Ended(Box::new(used)));
        }
    }

    fn note_use(&self, token: ProvenToken, at: Timestamp, ip: Option<IpAddr>) -> Arc<KnownToken> {
        let ProvenToken { known, backfill } = token;
        if let Some(backfill) = backfill {
            self.usage.leave(Footprint::Backfill(backfill));
        }
        if let (true, Some(token)) = (known.note_use(at), known.grant.token) {
            self.usage.leave(Footprint::Used { token, secret: known.secret, at, ip });
        }
        known
    }
}

/// Whether a grant meets what its place requires.
fn admit(requirement: &Requirement, grant: &Grant) -> Result<(), Denial> {
    requirement
        .admit(&grant.scopes, &grant.profile.roles, &grant.profile.attributes)
        .map_err(|missing| Denial::Insufficient { missing, scope: requirement.challenge_scope() })
}
