//! Audit events and the chain of hashes through them.
//!
//! Each event is bound to its predecessor by SHA-256, so that an edit, a deletion or an exchange is found. Personal
//! values (names, addresses, user agents, free text) enter the chain only as `SHA-256(salt ‖ value)`; value and salt
//! stand beside it and can be removed without breaking it.

mod action;
mod chain;
mod checkpoint;
mod verify;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::id::{SessionId, TokenId, UserId};
use super::reason::Reason;
use super::text::sanitised;
use super::user::ExternalIdentity;
use super::verdict::Method;

pub use action::{Action, is_finder};
pub use chain::{Digest, Event, PersonalValue, Place, SALT_LEN};
pub use checkpoint::Checkpoint;
pub use verify::{Broken, Fault, Verified, Verifier};

/// Longest user agent that is kept, in characters.
pub const USER_AGENT_MAX: usize = 256;

/// Longest name that a provider has for somebody, in characters.
const IDENTITY_MAX: usize = 512;

/// The attribute of an erasure that says how many values it removed.
const VALUES: &str = "values";

/// Somebody or something in an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// `user`, `token`, `session`, `key`, `provider`, `audit`, `operator` or `system`.
    pub kind: &'static str,
    /// Its id, where it has one.
    pub id: Option<String>,
    /// Its name at the time: a personal value.
    pub name: Option<String>,
}

impl Party {
    /// Hallpass itself.
    pub const SYSTEM: Self = Self { kind: "system", id: None, name: None };

    /// Somebody at the command line of the server.
    pub const OPERATOR: Self = Self { kind: "operator", id: None, name: None };

    /// A key that signs JWTs.
    #[must_use]
    pub fn key(kid: &str) -> Self {
        Self { kind: "key", id: Some(kid.to_owned()), name: None }
    }

    /// A user.
    #[must_use]
    pub fn user(id: UserId, name: &str) -> Self {
        Self { kind: "user", id: Some(id.to_string()), name: Some(name.to_owned()) }
    }

    /// A token.
    #[must_use]
    pub fn token(id: TokenId, name: &str) -> Self {
        Self { kind: "token", id: Some(id.to_string()), name: Some(name.to_owned()) }
    }

    /// A browser session.
    #[must_use]
    pub fn session(id: SessionId) -> Self {
        Self { kind: "session", id: Some(id.to_string()), name: None }
    }

    /// A login provider, by its name in the configuration.
    #[must_use]
    pub fn provider(name: &str) -> Self {
        Self { kind: "provider", id: Some(name.to_owned()), name: None }
    }

    /// The log itself.
    pub const AUDIT: Self = Self { kind: "audit", id: None, name: None };

    /// Somebody who is not known here: a login that was refused.
    #[must_use]
    pub fn stranger(name: &str) -> Self {
        Self { kind: "user", id: None, name: Some(name.to_owned()) }
    }
}

/// From where a change was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Names the request in every log line and error page.
    pub request_id: Option<String>,
    /// The client's address, as far as trusted proxies tell.
    pub ip: Option<IpAddr>,
    /// The address of the connection itself.
    pub peer_ip: Option<IpAddr>,
    /// The client's own description of itself.
    pub user_agent: Option<String>,
    /// How the actor was recognised, where it was neither by a browser session nor by a token of ours …
    pub method: Option<Method>,
    /// … and the OAuth client through which they acted.
    pub client: Option<String>,
    /// The browser session in which the actor did it.
    pub session: Option<SessionId>,
}

impl Origin {
    /// How somebody acted, under the names that events give it.
    fn means(&self) -> impl Iterator<Item = (&'static str, String)> {
        let method = self.method.map(|method| method.as_str().to_owned());
        let session = self.session.map(|session| session.to_string());
        let means = MEANS.into_iter().zip([method, self.client.clone(), session]);
        means.filter_map(|(name, value)| Some((name, value?)))
    }
}

/// What tells how somebody acted stands among the changes of an event, under these names.
pub const MEANS: [&str; 3] = ["method", "client", "session"];

/// One public attribute before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Change {
    field: &'static str,
    from: Option<String>,
    to: Option<String>,
    personal: bool,
}

/// An event before it has its place in the chain.
#[derive(Clone, Debug)]
pub struct Draft {
    /// What happened.
    pub action: Action,
    /// Who did it.
    pub actor: Party,
    /// For whom, if not for the actor.
    pub on_behalf_of: Option<UserId>,
    /// To what it was done.
    pub object: Party,
    /// Whose personal values the event holds: who may have them erased.
    pub subject: Option<UserId>,
    /// Whether it was done or refused.
    pub result: Outcome,
    /// A code from a fixed list.
    pub reason: Option<&'static str>,
    reason_text: Option<String>,
    origin: Origin,
    changes: Vec<Change>,
}

/// Whether something was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was refused.
    Refused,
}

impl Outcome {
    /// The outcome's lasting name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
        }
    }
}

/// Issuer and subject as events of strangers have them.
#[must_use]
pub fn identity_as_noted(identity: &ExternalIdentity) -> [String; 2] {
    [&identity.issuer, &identity.subject].map(|text| sanitised(text, IDENTITY_MAX))
}

impl Draft {
    /// An event that was done.
    #[must_use]
    pub fn new(action: Action, actor: Party, object: Party, origin: &Origin) -> Self {
        Self {
            action,
            actor,
            on_behalf_of: None,
            object,
            subject: None,
            result: Outcome::Done,
            reason: None,
            reason_text: None,
            origin: origin.clone(),
            changes: Vec::new(),
        }
    }

    /// An event about something that comes to pass along with this one.
    #[must_use]
    pub fn along(&self, action: Action, object: Party) -> Self {
        let on_behalf_of = self.on_behalf_of.or(self.subject);
        Self { action, object, on_behalf_of, reason_text: None, changes: Vec::new(), ..self.clone() }
    }

    /// Names the user whose personal values it holds.
    #[must_use]
    pub const fn about(mut self, subject: UserId) -> Self {
        self.subject = Some(subject);
        self
    }

    /// Names the user in whose place the actor did it.
    #[must_use]
    pub const fn on_behalf_of(mut self, user: UserId) -> Self {
        self.on_behalf_of = Some(user);
        self
    }

    /// Marks it as refused, with a code.
    #[must_use]
    pub const fn refused(mut self, reason: &'static str) -> Self {
        self.result = Outcome::Refused;
        self.reason = Some(reason);
        self
    }

    /// Adds a reason: its code, and somebody's own words beside it.
    #[must_use]
    pub fn because(mut self, reason: Option<&Reason>) -> Self {
        self.reason = reason.map(|reason| reason.code.as_str()).or(self.reason);
        self.reason_text = reason.map(|reason| reason.text.clone()).filter(|text| !text.is_empty());
        self
    }

    /// Whose value a field holds: what tells of who acted is theirs, all else is the subject's.
    #[must_use]
    pub fn owner_of(&self, field: &str) -> Option<UserId> {
        let of_actor = matches!(field, "actor_name" | "ip" | "peer_ip" | "user_agent");
        self.acting_user().filter(|_| of_actor).or(self.subject)
    }

    fn acting_user(&self) -> Option<UserId> {
        self.actor.id.as_ref().filter(|_| self.actor.kind == "user").and_then(|id| id.parse().ok())
    }

    /// Users whom it is about: who did it, for whom, and whose values it holds.
    #[must_use]
    pub fn users(&self) -> BTreeSet<UserId> {
        self.acting_user().into_iter().chain(self.on_behalf_of).chain(self.subject).collect()
    }

    /// Says how many personal values an erasure removes: no more may be missing.
    #[must_use]
    pub fn removing(self, values: u64) -> Self {
        self.changed(VALUES, None, Some(values.to_string()))
    }

    /// Notes an attribute that changed.
    #[must_use]
    pub fn changed(self, field: &'static str, from: Option<String>, to: Option<String>) -> Self {
        self.with_change(field, from, to, false)
    }

    /// Notes a text that changed and that somebody wrote: a personal value.
    #[must_use]
    pub fn reworded(self, field: &'static str, from: Option<String>, to: Option<String>) -> Self {
        self.with_change(field, from, to, true)
    }

    /// Notes what a provider calls somebody who is not known here: personal values, by which an erasure finds the event
    /// when they are known.
    #[must_use]
    pub fn of_stranger(self, identity: &ExternalIdentity) -> Self {
        let [issuer, subject] = identity_as_noted(identity);
        self.reworded("issuer", None, Some(issuer)).reworded("subject", None, Some(subject))
    }

    fn with_change(mut self, field: &'static str, from: Option<String>, to: Option<String>, personal: bool) -> Self {
        if from != to {
            self.changes.push(Change { field, from, to, personal });
        }
        self
    }

    /// The personal values, each under the name of its field.
    fn personal_values(&self) -> BTreeMap<String, String> {
        let origin = &self.origin;
        let mut values = BTreeMap::new();
        let mut put = |field: &str, value: Option<String>| {
            if let Some(value) = value {
                values.insert(field.to_owned(), value);
            }
        };
        put("actor_name", self.actor.name.clone());
        put("object_name", self.object.name.clone());
        put("reason_text", self.reason_text.clone());
        put("ip", origin.ip.map(|ip| ip.to_string()));
        put("peer_ip", origin.peer_ip.map(|ip| ip.to_string()));
        put("user_agent", origin.user_agent.as_deref().map(|text| sanitised(text, USER_AGENT_MAX)));
        for change in self.changes.iter().filter(|change| change.personal) {
            put(&format!("changes.{}.from", change.field), change.from.clone());
            put(&format!("changes.{}.to", change.field), change.to.clone());
        }
        values
    }

    fn public_changes(&self) -> BTreeMap<String, (Option<String>, Option<String>)> {
        let public = self.changes.iter().filter(|change| !change.personal);
        let public = public.map(|change| (change.field, (change.from.clone(), change.to.clone())));
        let means = self.origin.means().map(|(name, value)| (name, (None, Some(value))));
        public.chain(means).map(|(field, change)| (field.to_owned(), change)).collect()
    }
}
