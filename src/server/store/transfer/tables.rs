//! The tables of an installation, in the order in which they refer to each other.

use super::Kind::{self, Bytes, Id, Int, Text};

/// A table and its columns.
pub(super) struct Table {
    pub name: &'static str,
    pub columns: &'static [(&'static str, Kind)],
}

pub(super) const TABLES: &[Table] = &[
    Table { name: "settings", columns: &[("name", Text), ("value", Text)] },
    Table {
        name: "users",
        columns: &[
            ("id", Id),
            ("issuer", Text),
            ("subject", Text),
            ("provider", Text),
            ("username", Text),
            ("email", Text),
            ("roles", Text),
            ("attributes", Text),
            ("created_at", Int),
            ("last_login_at", Int),
            ("disabled_at", Int),
        ],
    },
    Table {
        name: "tokens",
        columns: &[
            ("id", Id),
            ("owner_id", Id),
            ("name", Text),
            ("description", Text),
            ("scopes", Text),
            ("allowed_ips", Text),
            ("created_at", Int),
            ("revoked_at", Int),
            ("revoked_reason", Text),
            ("last_used_at", Int),
            ("last_used_ip", Text),
            ("version", Int),
        ],
    },
    Table {
        name: "secrets",
        columns: &[
            ("id", Text),
            ("token_id", Id),
            ("state", Text),
            ("created_at", Int),
            ("expires_at", Int),
            ("ends_at", Int),
            ("ended_at", Int),
            ("expired_at", Int),
            ("phc", Text),
            ("hmac", Bytes),
            ("hmac_key_id", Text),
            ("last_used_at", Int),
        ],
    },
    Table { name: "form_keys", columns: &[("key_hash", Bytes), ("user_id", Id), ("token_id", Id), ("used_at", Int)] },
    Table {
        name: "sessions",
        columns: &[
            ("id_hash", Bytes),
            ("id", Id),
            ("user_id", Id),
            ("provider", Text),
            ("provider_sid", Text),
            ("auth_time", Int),
            ("created_at", Int),
            ("last_seen_at", Int),
            ("ended_at", Int),
        ],
    },
    Table {
        name: "signing_keys",
        columns: &[
            ("kid", Text),
            ("algorithm", Text),
            ("public_jwk", Text),
            ("sealed", Bytes),
            ("created_at", Int),
            ("signs_from", Int),
            ("longest_ttl", Int),
            ("withdrawn_at", Int),
        ],
    },
    Table {
        name: "audit_events",
        columns: &[
            ("seq", Int),
            ("id", Id),
            ("time", Int),
            ("action", Text),
            ("actor_type", Text),
            ("actor_id", Text),
            ("on_behalf_of", Text),
            ("object_type", Text),
            ("object_id", Text),
            ("result", Text),
            ("reason", Text),
            ("request_id", Text),
            ("replica", Text),
            ("version", Text),
            ("changes", Text),
            ("personal", Text),
            ("prev_hash", Bytes),
            ("hash", Bytes),
        ],
    },
    Table {
        name: "audit_personal",
        columns: &[("seq", Int), ("field", Text), ("user_id", Id), ("salt", Bytes), ("value", Text)],
    },
];
