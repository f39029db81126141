//! The statements on tokens and secrets.

use crate::server::store::sound::{is_sound, is_sound_with_write};
use crate::server::store::standing::is_over;

/// One row per check: secret, token and owner.
macro_rules! columns_of_a_check {
    () => {
        "
        s.id, s.token_id, s.state, s.created_at, s.expires_at, s.ends_at, s.expired_at, s.phc, s.hmac, s.hmac_key_id,
        s.last_used_at AS secret_last_used_at,
        t.scopes, t.allowed_ips, t.revoked_at, t.last_used_at,
        u.id AS owner_id, u.provider, u.username, u.email, u.roles, u.attributes, u.last_login_at, u.disabled_at"
    };
}

/// The same for several at once, with whether the database is the one in which a change was seen (`$2` with the mark `$3`);
/// only PostgreSQL needs this.
macro_rules! lookup_checks {
    ($is_sound:expr) => {
        concat!(
            "SELECT ",
            $is_sound,
            " AS is_sound, s.id IS NOT NULL AS is_found,",
            columns_of_a_check!(),
            "
    FROM (SELECT 1) one
    LEFT JOIN (secrets s JOIN tokens t ON t.id = s.token_id JOIN users u ON u.id = t.owner_id) ON s.id = ANY ($1)"
        )
    };
}

pub const LOOKUP_CHECK: &str = concat!(
    "SELECT",
    columns_of_a_check!(),
    "
    FROM secrets s JOIN tokens t ON t.id = s.token_id JOIN users u ON u.id = t.owner_id
    WHERE s.id = $1"
);
pub const LOOKUP_CHECKS: &str = lookup_checks!(is_sound!("$2", "$3"));
pub const LOOKUP_CHECKS_WITH_WRITE: &str = lookup_checks!(is_sound_with_write!("$2", "$3"));

/// A page of somebody's tokens, newest first, each row once per secret.
pub const LIST_TOKENS: &str = "
    SELECT t.id, t.name, t.description, t.scopes, t.allowed_ips, t.created_at, t.revoked_at, t.revoked_reason,
        t.last_used_at, t.last_used_ip, t.version,
        s.id AS secret_id, s.state AS secret_state, s.created_at AS secret_created_at, s.expires_at, s.ends_at, s.ended_at,
        s.expired_at, s.last_used_at AS secret_last_used_at
    FROM (
        SELECT * FROM tokens
        WHERE owner_id = $1
            AND (created_at < $2 OR (created_at = $2 AND id > $3))
            AND ($4 = '' OR lower(name) LIKE $4 ESCAPE '\\' OR lower(description) LIKE $4 ESCAPE '\\')
        ORDER BY created_at DESC, id LIMIT $5
    ) t
    JOIN secrets s ON s.token_id = t.id
    ORDER BY t.created_at DESC, t.id, s.state <> 'active', s.created_at DESC, s.id";

pub const LOOKUP_TOKEN: &str = "
    SELECT t.id, t.name, t.description, t.scopes, t.allowed_ips, t.created_at, t.revoked_at, t.revoked_reason,
        t.last_used_at, t.last_used_ip, t.version,
        s.id AS secret_id, s.state AS secret_state, s.created_at AS secret_created_at, s.expires_at, s.ends_at, s.ended_at,
        s.expired_at, s.last_used_at AS secret_last_used_at
    FROM tokens t
    JOIN secrets s ON s.token_id = t.id
    WHERE t.id = $1 AND t.owner_id = $2
    ORDER BY s.state <> 'active', s.created_at DESC, s.id";

/// Tokens of somebody that could be used now, but for one.
pub const COUNT_ACTIVE: &str = concat!(
    "
    SELECT count(*) FROM tokens t
    JOIN secrets s ON s.token_id = t.id AND s.state = 'active'
    WHERE t.owner_id = $1 AND t.id <> $2 AND t.revoked_at IS NULL AND NOT ",
    is_over!("$3", "$4", "$5")
);

pub const ADD_TOKEN: &str = "
    INSERT INTO tokens (id, owner_id, name, description, scopes, allowed_ips, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)";

pub const ADD_SECRET: &str = "
    INSERT INTO secrets (id, token_id, state, created_at, expires_at, phc, hmac, hmac_key_id)
    VALUES ($1, $2, 'active', $3, $4, $5, $6, $7)";

pub const FIND_FORM_KEY: &str = "SELECT token_id FROM form_keys WHERE key_hash = $1 AND user_id = $2";
pub const ADD_FORM_KEY: &str = "INSERT INTO form_keys (key_hash, user_id, token_id, used_at) VALUES ($1, $2, $3, $4)";
pub const DELETE_OLD_FORM_KEYS: &str = "DELETE FROM form_keys WHERE used_at < $1";

/// The change of a token is decided on the version that was read.
pub const EDIT_TOKEN: &str = "
    UPDATE tokens SET name = $4, description = $5, scopes = $6, version = version + 1
    WHERE id = $1 AND owner_id = $2 AND version = $3 AND revoked_at IS NULL";
pub const ADVANCE_TOKEN: &str = "
    UPDATE tokens SET version = version + 1
    WHERE id = $1 AND owner_id = $2 AND version = $3 AND revoked_at IS NULL";
pub const END_SECRETS: &str =
    "UPDATE secrets SET state = 'ended', ended_at = $2 WHERE token_id = $1 AND state <> 'ended'";

/// A trigger ends the secrets with it.
pub const REVOKE_TOKEN: &str = "
    UPDATE tokens SET revoked_at = $3, revoked_reason = $4, version = version + 1
    WHERE id = $1 AND owner_id = $2 AND revoked_at IS NULL AND version = coalesce($5, version)";
