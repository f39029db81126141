//! The place of an event in the chain, and the hash that binds it there.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::Draft;
use crate::domain::id::EventId;
use crate::domain::time::Timestamp;

/// A SHA-256 value.
pub type Digest = [u8; 32];
/// Bytes of salt before each personal value.
pub const SALT_LEN: usize = 16;

const DOMAIN: &[u8] = b"audit/v1";

/// A personal value beside the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonalValue {
    /// The field it belongs to.
    pub field: String,
    /// Random bytes before the value.
    pub salt: [u8; SALT_LEN],
    /// The value.
    pub value: String,
}

impl PersonalValue {
    /// What the chain holds in its place.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Sha256::new().chain_update(self.salt).chain_update(self.value.as_bytes()).finalize().into()
    }
}

/// The place of an event: what the store knows when it appends.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// One more than the predecessor's.
    pub seq: i64,
    /// The predecessor's hash; zeros at the start.
    pub prev_hash: Digest,
    /// The event's id.
    pub id: EventId,
    /// When it was appended.
    pub time: Timestamp,
    /// The process that wrote it.
    pub replica: &'a str,
    /// The version of the program that wrote it.
    pub version: &'a str,
}

/// An event in its place. Every field is covered by [`Event::hash`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Gap-free number.
    pub seq: i64,
    /// Id.
    pub id: EventId,
    /// When.
    pub time: Timestamp,
    /// The lasting name of the action.
    pub action: String,
    /// Kind and id of who did it.
    pub actor: (String, Option<String>),
    /// For whom it was done, if not for the actor.
    pub on_behalf_of: Option<String>,
    /// Kind and id of what it was done to.
    pub object: (String, Option<String>),
    /// `done` or `refused`.
    pub result: String,
    /// A code.
    pub reason: Option<String>,
    /// The request.
    pub request_id: Option<String>,
    /// The process that wrote it.
    pub replica: String,
    /// The version of the program that wrote it.
    pub version: String,
    /// Public attributes before and after.
    pub changes: BTreeMap<String, (Option<String>, Option<String>)>,
    /// Digests of personal values.
    pub personal: BTreeMap<String, Digest>,
    /// The predecessor's hash.
    pub prev_hash: Digest,
}

impl Event {
    /// Puts a draft into its place. `salt` makes a fresh random salt for each personal value.
    pub fn place(
        draft: &Draft,
        place: Place<'_>,
        mut salt: impl FnMut() -> [u8; SALT_LEN],
    ) -> (Self, Vec<PersonalValue>) {
        let values = draft.personal_values().into_iter();
        let values: Vec<_> = values.map(|(field, value)| PersonalValue { field, salt: salt(), value }).collect();
        let event = Self {
            seq: place.seq,
            id: place.id,
            time: place.time,
            action: draft.action.as_str().to_owned(),
            actor: (draft.actor.kind.to_owned(), draft.actor.id.clone()),
            on_behalf_of: draft.on_behalf_of.map(|user| user.to_string()),
            object: (draft.object.kind.to_owned(), draft.object.id.clone()),
            result: draft.result.as_str().to_owned(),
            reason: draft.reason.map(str::to_owned),
            request_id: draft.origin.request_id.clone(),
            replica: place.replica.to_owned(),
            version: place.version.to_owned(),
            changes: draft.public_changes(),
            personal: values.iter().map(|value| (value.field.clone(), value.digest())).collect(),
            prev_hash: place.prev_hash,
        };
        (event, values)
    }

    /// `SHA-256("audit/v1" ‖ seq ‖ prev_hash ‖ fields)`. Each field is written with its length before it and absent
    /// ones are marked, so that no two events have the same bytes.
    #[must_use]
    pub fn hash(&self) -> Digest {
        let mut canonical = Canonical(Sha256::new());
        canonical.0.update(DOMAIN);
        canonical.0.update(self.seq.to_be_bytes());
        canonical.0.update(self.prev_hash);
        canonical.bytes(self.id.as_uuid().as_bytes());
        canonical.bytes(&self.time.as_micros().to_be_bytes());
        canonical.text(&self.action);
        canonical.party(&self.actor);
        canonical.optional(self.on_behalf_of.as_deref());
        canonical.party(&self.object);
        canonical.text(&self.result);
        canonical.optional(self.reason.as_deref());
        canonical.optional(self.request_id.as_deref());
        canonical.text(&self.replica);
        canonical.text(&self.version);
        canonical.count(self.changes.len());
        for (field, (from, to)) in &self.changes {
            canonical.text(field);
            canonical.optional(from.as_deref());
            canonical.optional(to.as_deref());
        }
        canonical.count(self.personal.len());
        for (field, digest) in &self.personal {
            canonical.text(field);
            canonical.bytes(digest);
        }
        canonical.0.finalize().into()
    }
}

/// Writes fields so that the boundaries between them are part of what is hashed.
struct Canonical(Sha256);

impl Canonical {
    fn count(&mut self, count: usize) {
        self.0.update((count as u64).to_be_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.0.update(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn optional(&mut self, text: Option<&str>) {
        self.0.update([u8::from(text.is_some())]);
        if let Some(text) = text {
            self.text(text);
        }
    }

    fn party(&mut self, (kind, id): &(String, Option<String>)) {
        self.text(kind);
        self.optional(id.as_deref());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::audit::{Action, Origin, Party};
    use crate::domain::id::{TokenId, UserId};

    fn event() -> (Event, Vec<PersonalValue>) {
        let user = UserId::from_random([1; 16]);
        let token = TokenId::from_random([2; 16]);
        let origin = Origin {
            request_id: Some("req-1".to_owned()),
            ip: "192.0.2.7".parse().ok(),
            peer_ip: None,
            user_agent: Some("curl/8".to_owned()),
            ..Origin::default()
        };
        let draft =
            Draft::new(Action::TokenEdited, Party::user(user, "alice"), Party::token(token, "new name"), &origin)
                .about(user)
                .changed("scopes", Some("a b".to_owned()), Some("a".to_owned()))
                .changed("expires_at", Some("same".to_owned()), Some("same".to_owned()))
                .reworded("name", Some("old name".to_owned()), Some("new name".to_owned()));
        let place = Place {
            seq: 7,
            prev_hash: [9; 32],
            id: EventId::from_random([3; 16]),
            time: Timestamp::from_seconds(1_800_000_000),
            replica: "r1",
            version: "1.0",
        };
        let mut next = 0;
        Event::place(&draft, place, || {
            next += 1;
            [next; SALT_LEN]
        })
    }

    #[test]
    fn personal_values_stand_beside_the_event_and_only_their_digests_in_it() {
        let (event, values) = event();
        let fields: Vec<_> = values.iter().map(|value| (value.field.as_str(), value.value.as_str())).collect();
        assert_eq!(
            fields,
            [
                ("actor_name", "alice"),
                ("changes.name.from", "old name"),
                ("changes.name.to", "new name"),
                ("ip", "192.0.2.7"),
                ("object_name", "new name"),
                ("user_agent", "curl/8"),
            ]
        );
        for personal in ["alice", "old name", "192.0.2.7", "curl/8"] {
            assert!(!format!("{event:?}").contains(personal), "{personal}");
        }
        assert!(values.iter().all(|value| event.personal[&value.field] == value.digest()));
    }

    #[test]
    fn unchanged_attributes_are_not_noted() {
        assert_eq!(event().0.changes.keys().collect::<Vec<_>>(), ["scopes"]);
    }

    #[test]
    fn the_hash_covers_every_field() {
        let original = event().0;
        let edits: [fn(&mut Event); 15] = [
            |e| e.seq += 1,
            |e| e.id = EventId::from_random([4; 16]),
            |e| e.time = Timestamp::from_seconds(0),
            |e| e.action.push('x'),
            |e| e.actor.0.push('x'),
            |e| e.actor.1 = None,
            |e| e.on_behalf_of = Some(String::new()),
            |e| e.object.1 = None,
            |e| e.result.push('x'),
            |e| e.reason = Some(String::new()),
            |e| e.request_id = None,
            |e| e.replica.push('x'),
            |e| e.version.push('x'),
            |e| e.changes.clear(),
            |e| e.personal.clear(),
        ];
        for (index, edit) in edits.iter().enumerate() {
            let mut edited = original.clone();
            edit(&mut edited);
            assert_ne!(edited.hash(), original.hash(), "edit {index}");
        }
        let moved = Event { prev_hash: [8; 32], ..original.clone() };
        assert_ne!(moved.hash(), original.hash());
    }

    #[test]
    fn text_cannot_move_from_one_field_to_the_next() {
        let original = event().0;
        let shifted = Event { replica: "r".to_owned(), version: "11.0".to_owned(), ..original.clone() };
        assert_ne!(shifted.hash(), original.hash());
    }
}
