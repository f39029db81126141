//! Reading the audit log: one's own events, and for administrators all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::domain::audit::{Action, Broken, Checkpoint, Draft, MEANS, Party, Verified, is_finder};
use crate::domain::id::UserId;
use crate::domain::reason;
use crate::domain::time::{Clock, Timestamp};
use crate::server::store::{Db, LogPart, LogRow, StoreError, TokenKey};

pub use crate::server::store::LogFilter;

use super::Caller;
use super::authority::Administrator;

/// Looks into the audit log.
#[derive(Clone)]
pub struct Log {
    db: Db,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log").finish_non_exhaustive()
    }
}

/// Somebody or something in an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartyView {
    /// `user`, `token`, `session`, `key`, `operator`, `system` and the like.
    pub kind: String,
    /// Its id, where it has one.
    pub id: Option<String>,
    /// Its name at the time, unless it was erased.
    pub name: Option<String>,
}

/// An event as it may be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventView {
    /// Gap-free number.
    pub seq: i64,
    /// Id.
    pub id: String,
    /// When.
    pub time: Timestamp,
    /// The action's name.
    pub action: String,
    /// Who did it.
    pub actor: PartyView,
    /// It was done by somebody who had found the token, and whose name nobody knows.
    pub by_finder: bool,
    /// For whom, if not for the actor.
    pub on_behalf_of: Option<String>,
    /// Their present name, where it was asked for.
    pub on_behalf_of_name: Option<String>,
    /// What it was done to.
    pub object: PartyView,
    /// `done` or `refused`.
    pub result: String,
    /// A code, or somebody's own words, or both.
    pub reason: Option<String>,
    /// The request.
    pub request_id: Option<String>,
    /// From where.
    pub ip: Option<String>,
    /// With what.
    pub user_agent: Option<String>,
    /// Attributes before and after.
    pub changes: BTreeMap<String, (Option<String>, Option<String>)>,
}

/// Part of the log, newest first.
#[derive(Clone, Debug, Default)]
pub struct Events {
    /// The events.
    pub items: Vec<EventView>,
    /// The next part lies before this number, if there is one.
    pub next: Option<i64>,
}

impl Log {
    /// Of a store.
    #[must_use]
    pub const fn new(db: Db, clock: Arc<dyn Clock>) -> Self {
        Self { db, clock }
    }

    /// The caller's own events: what they did, and what was done to what is theirs.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn own(
        &self,
        caller: &Caller,
        filter: &LogFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Events, StoreError> {
        if !self.may_ask_for(caller, &filter.actor).await? {
            return Ok(Events::default());
        }
        let filter = LogFilter { user: Some(caller.user.id), ..filter.clone() };
        let mut events = self.list(&filter, before, limit).await?;
        for event in &mut events.items {
            event.hide_from(caller.user.id);
        }
        Ok(events)
    }

    /// Whether somebody may ask what one actor did: they themselves and their tokens. Of others they are not even told whether
    /// there is something.
    async fn may_ask_for(&self, caller: &Caller, actor: &str) -> Result<bool, StoreError> {
        if actor.is_empty() || actor == caller.user.id.to_string() {
            return Ok(true);
        }
        let Ok(id) = actor.parse() else { return Ok(false) };
        Ok(self.db.lookup_token(TokenKey { id, owner: caller.user.id }).await?.is_some())
    }

    /// Everybody's events.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn all(
        &self,
        _: &Administrator,
        filter: &LogFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Events, StoreError> {
        self.list(filter, before, limit).await
    }

    /// The same, with the names of those for whom somebody else acted.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn all_named(
        &self,
        administrator: &Administrator,
        filter: &LogFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Events, StoreError> {
        let mut events = self.all(administrator, filter, before, limit).await?;
        let owners: BTreeSet<_> = events.items.iter().filter_map(EventView::owner).collect();
        let names = self.db.list_usernames(&Vec::from_iter(owners)).await?;
        for event in &mut events.items {
            event.on_behalf_of_name = event.owner().and_then(|owner| names.get(&owner).cloned());
        }
        Ok(events)
    }

    /// A part of everybody's events for a file; the first part writes down that it was taken.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn export(
        &self,
        administrator: &Administrator,
        filter: &LogFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Events, StoreError> {
        if before.is_none() {
            let draft = Draft::new(Action::AuditExported, administrator.party(), Party::AUDIT, &administrator.origin());
            let draft = draft.changed("part", None, Some(filter.to_string()));
            self.db.record(&draft, self.clock.now()).await?;
        }
        self.list(filter, before, limit).await
    }

    /// Whether the log is what was written. Says now and then how many events it has seen.
    ///
    /// # Errors
    /// When the store cannot be asked. Where the log is broken, if it is.
    pub async fn verify(
        &self,
        checkpoints: impl IntoIterator<Item = Checkpoint>,
        report: impl FnMut(i64),
    ) -> Result<Result<Verified, Broken>, StoreError> {
        self.db.verify_log(checkpoints, report).await
    }

    async fn list(&self, filter: &LogFilter, before: Option<i64>, limit: u32) -> Result<Events, StoreError> {
        let LogPart { rows, on } = self.db.walk_log(filter, before, limit).await?;
        Ok(Events { items: rows.into_iter().map(EventView::from).collect(), next: on })
    }
}

impl EventView {
    /// For whom somebody else acted.
    fn owner(&self) -> Option<UserId> {
        self.on_behalf_of.as_ref()?.parse().ok()
    }

    /// What tells of somebody else who acted is theirs: their name, address, program and session. Whoever finds a token and
    /// reports it must not fear its owner.
    fn hide_from(&mut self, reader: UserId) {
        let is_others = self.actor.kind == "user" && self.actor.id.as_deref() != Some(&reader.to_string());
        if is_others {
            self.actor = PartyView { kind: "administrator".to_owned(), id: None, name: None };
        }
        if is_others || self.by_finder {
            (self.request_id, self.ip, self.user_agent) = (None, None, None);
            self.changes.retain(|field, _| !MEANS.contains(&field.as_str()));
        }
    }
}

impl From<LogRow> for EventView {
    fn from(row: LogRow) -> Self {
        let LogRow { placed, mut values } = row;
        let event = placed.event;
        let mut changes = event.changes;
        for (field, value) in &values {
            let Some((name, side)) = field.strip_prefix("changes.").and_then(|field| field.rsplit_once('.')) else {
                continue;
            };
            let change = changes.entry(name.to_owned()).or_default();
            if side == "from" { change.0 = Some(value.clone()) } else { change.1 = Some(value.clone()) }
        }
        let party = |(kind, id): (String, Option<String>), name| PartyView { kind, id, name };
        Self {
            seq: event.seq,
            id: event.id.to_string(),
            time: event.time,
            action: event.action,
            by_finder: is_finder(&event.actor.0, event.reason.as_deref()),
            actor: party(event.actor, values.remove("actor_name")),
            on_behalf_of: event.on_behalf_of,
            on_behalf_of_name: None,
            object: party(event.object, values.remove("object_name")),
            result: event.result,
            reason: reason(event.reason, values.remove("reason_text")),
            request_id: event.request_id,
            ip: values.remove("ip"),
            user_agent: values.remove("user_agent"),
            changes,
        }
    }
}

/// As it was given. A code may be none of those that people choose from.
fn reason(code: Option<String>, text: Option<String>) -> Option<String> {
    code.map(|code| reason::joined(&code, text.as_deref().unwrap_or_default())).or(text)
}
