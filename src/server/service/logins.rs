//! From a verified identity to a session.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::domain::audit::{Action, Draft, Origin, Party};
use crate::domain::entropy::{self, Entropy};
use crate::domain::id::{SessionId, UserId};
use crate::domain::time::Clock;
use crate::domain::user::{ExternalIdentity, Profile, User};
use crate::server::identity::VerifiedLogin;
use crate::server::store::{Arrival, Db, LoginRow, NewSession, StoreError};

/// Completes logins.
#[derive(Clone)]
pub struct Logins {
    db: Db,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl std::fmt::Debug for Logins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Logins").finish_non_exhaustive()
    }
}

/// A verified person who is not let in.
#[derive(Clone, Debug)]
pub struct RefusedLogin {
    /// The configured name of the provider.
    pub provider: String,
    /// Who it is.
    pub identity: ExternalIdentity,
    /// The name to show.
    pub username: String,
    /// A code.
    pub reason: &'static str,
    /// Whether it is for what the provider says of them, and not only for how they logged in.
    pub is_barred: bool,
}

/// What became of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginOutcome {
    /// The session is open.
    Admitted,
    /// The user is disabled here.
    Disabled,
}

impl Logins {
    /// From their parts.
    #[must_use]
    pub fn new(db: Db, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { db, clock, entropy }
    }

    /// Makes or refreshes the user and opens a session under the hash of its cookie, with the audit event.
    ///
    /// # Errors
    /// When the store cannot be asked; then nobody is logged in.
    pub async fn complete(
        &self,
        login: &VerifiedLogin,
        id_hash: [u8; 32],
        origin: &Origin,
    ) -> Result<LoginOutcome, StoreError> {
        // For as long as a login counts, it counts for everybody who uses the same database.
        let now = self.db.surely(self.clock.now()).await?;
        let session = NewSession {
            id_hash,
            id: SessionId::from_random(entropy::bytes(&*self.entropy)),
            provider_sid: login.provider_sid.clone(),
            // A provider whose clock runs ahead must not make a login fresh for longer than it is.
            auth_time: login.auth_time.map_or(now, |at| at.min(now)),
        };
        let row = LoginRow {
            identity: &login.identity,
            provider: &login.provider,
            profile: &login.profile,
            new_id: UserId::from_random(entropy::bytes(&*self.entropy)),
            session: &session,
        };
        let event = |arrival: &Arrival| login_event(login, arrival, session.id, origin);
        let admitted = self.db.log_in(&row, event, now).await?;
        Ok(if admitted { LoginOutcome::Admitted } else { LoginOutcome::Disabled })
    }

    /// Records that a verified person was not let in. Who came in through the same provider before and may not any more
    /// has no roles and no sessions from then on.
    ///
    /// # Errors
    /// When the store cannot be asked; then nothing has changed.
    pub async fn refuse(&self, login: &RefusedLogin, origin: &Origin) -> Result<(), StoreError> {
        let RefusedLogin { provider, identity, .. } = login;
        let now = self.clock.now();
        if login.is_barred {
            let draft = |known: Option<&User>| refusal(login, known, origin);
            return self.db.turn_away(identity, provider, draft, now).await;
        }
        let known = self.db.find_user(identity).await?;
        self.db.record(&refusal(login, known.as_ref(), origin), now).await
    }
}

fn refusal(login: &RefusedLogin, known: Option<&User>, origin: &Origin) -> Draft {
    let RefusedLogin { provider, identity, username, reason, is_barred } = login;
    let draft = |actor| Draft::new(Action::UserLoginRefused, actor, Party::provider(provider), origin).refused(reason);
    let Some(user) = known else {
        // A name is anybody's; what the provider calls them is theirs alone.
        return draft(Party::stranger(username)).of_stranger(identity);
    };
    // Somebody who was let in before may have it erased.
    let draft = draft(Party::user(user.id, username)).about(user.id);
    if !is_barred || user.provider != *provider {
        return draft;
    }
    draft.changed("roles", Some(roles(&user.profile)), Some(String::new())).reworded(
        "attributes",
        attributes(&user.profile),
        None,
    )
}

fn login_event(login: &VerifiedLogin, arrival: &Arrival, session: SessionId, origin: &Origin) -> Draft {
    let VerifiedLogin { provider, profile, .. } = login;
    let actor = Party::user(arrival.id, &profile.username);
    let object = Party::session(session);
    if !arrival.is_admitted() {
        let draft = Draft::new(Action::UserLoginRefused, actor, object, origin);
        return draft.about(arrival.id).refused("user_disabled");
    }
    // What somebody may do hangs on what the provider says of them, so what it says anew is told.
    let before = arrival.before.as_ref();
    let profile_before = before.map(|user| &user.profile);
    Draft::new(Action::UserLoggedIn, actor, object, origin)
        .about(arrival.id)
        .changed("provider", before.map(|user| user.provider.clone()), Some(provider.clone()))
        .changed("roles", profile_before.map(roles), Some(roles(profile)))
        .reworded("attributes", profile_before.and_then(attributes), attributes(profile))
}

fn roles(profile: &Profile) -> String {
    profile.roles.iter().map(String::as_str).collect::<Vec<_>>().join(" ")
}

/// In words; nothing where there are none.
fn attributes(profile: &Profile) -> Option<String> {
    let words = |(name, values): (&String, &BTreeSet<String>)| {
        let values: Vec<_> = values.iter().map(String::as_str).collect();
        format!("{name} = {}", values.join(", "))
    };
    let attributes: Vec<_> = profile.attributes.iter().map(words).collect();
    (!attributes.is_empty()).then(|| attributes.join("; "))
}
