-- Times are microseconds since the Unix epoch, UTC. UUIDs are 16 bytes. Lists and maps are JSON text.

-- Facts about the installation itself.
CREATE TABLE settings (
    name  TEXT PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 64),
    value TEXT NOT NULL CHECK (length(value) <= 1000)
) STRICT;

-- People, as of their last login. (issuer, subject) identifies; nothing else does.
CREATE TABLE users (
    id            BLOB PRIMARY KEY CHECK (length(id) = 16),
    issuer        TEXT NOT NULL CHECK (length(issuer) BETWEEN 1 AND 500),
    subject       TEXT NOT NULL CHECK (length(subject) BETWEEN 1 AND 255),
    provider      TEXT NOT NULL CHECK (length(provider) BETWEEN 1 AND 64),
    username      TEXT NOT NULL CHECK (length(username) <= 200),
    email         TEXT CHECK (length(email) <= 320),
    roles         TEXT NOT NULL CHECK (json_valid(roles)),
    attributes    TEXT NOT NULL CHECK (json_valid(attributes)),
    created_at    INTEGER NOT NULL,
    last_login_at INTEGER NOT NULL,
    disabled_at   INTEGER,
    UNIQUE (issuer, subject)
) STRICT;

-- Tokens: the lasting grants that people see in their list.
CREATE TABLE tokens (
    id             BLOB PRIMARY KEY CHECK (length(id) = 16),
    owner_id       BLOB NOT NULL REFERENCES users (id) ON DELETE RESTRICT,
    name           TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    description    TEXT NOT NULL CHECK (length(description) <= 1000),
    -- Space-separated, sorted (RFC 6749, section 3.3).
    scopes         TEXT NOT NULL CHECK (length(scopes) BETWEEN 1 AND 6600),
    -- CIDRs; [] is everywhere.
    allowed_ips    TEXT NOT NULL CHECK (json_valid(allowed_ips)),
    created_at     INTEGER NOT NULL,
    revoked_at     INTEGER,
    revoked_reason TEXT CHECK (length(revoked_reason) <= 500),
    last_used_at   INTEGER,
    last_used_ip   TEXT CHECK (length(last_used_ip) <= 45),
    -- Grows by one with every change that its owner or an administrator makes.
    version        INTEGER NOT NULL DEFAULT 1,
    CHECK (revoked_reason IS NULL OR revoked_at IS NOT NULL)
) STRICT;

CREATE INDEX tokens_by_owner ON tokens (owner_id, created_at DESC, id);

-- Secrets: the versions of a token's secret. Only proofs are kept, never the secret.
CREATE TABLE secrets (
    -- The public part of the token's text.
    id           TEXT PRIMARY KEY CHECK (length(id) = 16),
    token_id     BLOB NOT NULL REFERENCES tokens (id) ON DELETE RESTRICT,
    state        TEXT NOT NULL CHECK (state IN ('active', 'waiting', 'superseded', 'ended')),
    created_at   INTEGER NOT NULL,
    -- NULL is never.
    expires_at   INTEGER CHECK (expires_at > created_at),
    -- When a superseded secret stops being good.
    ends_at      INTEGER,
    ended_at     INTEGER,
    -- When the expiry was first observed. Final, so that a clock set back revives nothing.
    expired_at   INTEGER,
    -- Durable proof: an argon2id PHC string.
    phc          TEXT NOT NULL CHECK (length(phc) BETWEEN 60 AND 200),
    -- Fast proof: HMAC-SHA-256 under a key derived from secret_key; can be made again from the secret.
    hmac         BLOB CHECK (length(hmac) = 32),
    hmac_key_id  TEXT CHECK (length(hmac_key_id) = 16),
    last_used_at INTEGER,
    CHECK ((state = 'ended') = (ended_at IS NOT NULL)),
    CHECK ((hmac IS NULL) = (hmac_key_id IS NULL))
) STRICT;

-- A token has at most one current secret. Superseded and waiting ones stand beside it.
CREATE UNIQUE INDEX secrets_one_active ON secrets (token_id) WHERE state = 'active';
CREATE INDEX secrets_by_token ON secrets (token_id, created_at DESC);
CREATE INDEX secrets_to_expire ON secrets (expires_at) WHERE expired_at IS NULL AND state <> 'ended';

CREATE TRIGGER tokens_are_never_deleted BEFORE DELETE ON tokens
BEGIN SELECT RAISE(ABORT, 'tokens are never deleted'); END;

CREATE TRIGGER revocation_is_final BEFORE UPDATE ON tokens
WHEN OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS NOT OLD.revoked_at
BEGIN SELECT RAISE(ABORT, 'a revocation is final'); END;

CREATE TRIGGER tokens_keep_their_identity BEFORE UPDATE ON tokens
WHEN NEW.id IS NOT OLD.id OR NEW.owner_id IS NOT OLD.owner_id OR NEW.created_at IS NOT OLD.created_at
BEGIN SELECT RAISE(ABORT, 'id, owner and creation of a token never change'); END;

CREATE TRIGGER secrets_are_never_deleted BEFORE DELETE ON secrets
BEGIN SELECT RAISE(ABORT, 'secrets are never deleted'); END;

CREATE TRIGGER the_end_of_a_secret_is_final BEFORE UPDATE ON secrets
WHEN OLD.state = 'ended' AND (NEW.state IS NOT 'ended' OR NEW.ended_at IS NOT OLD.ended_at)
BEGIN SELECT RAISE(ABORT, 'the end of a secret is final'); END;

CREATE TRIGGER an_observed_expiry_is_final BEFORE UPDATE ON secrets
WHEN OLD.expired_at IS NOT NULL AND NEW.expired_at IS NOT OLD.expired_at
BEGIN SELECT RAISE(ABORT, 'an observed expiry is final'); END;

CREATE TRIGGER secrets_keep_their_identity BEFORE UPDATE ON secrets
WHEN NEW.id IS NOT OLD.id OR NEW.token_id IS NOT OLD.token_id OR NEW.created_at IS NOT OLD.created_at
    OR NEW.expires_at IS NOT OLD.expires_at OR NEW.phc IS NOT OLD.phc
BEGIN SELECT RAISE(ABORT, 'id, token, creation, expiry and proof of a secret never change'); END;

-- REPLACE deletes the rows that are in its way without asking the triggers against DELETE, so it must not find any.
CREATE TRIGGER tokens_are_never_replaced BEFORE INSERT ON tokens
WHEN EXISTS (SELECT 1 FROM tokens WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'tokens are never replaced'); END;

CREATE TRIGGER secrets_are_never_replaced BEFORE INSERT ON secrets
WHEN EXISTS (SELECT 1 FROM secrets WHERE id = NEW.id)
    OR (NEW.state = 'active' AND EXISTS (SELECT 1 FROM secrets WHERE token_id = NEW.token_id AND state = 'active'))
BEGIN SELECT RAISE(ABORT, 'secrets are never replaced'); END;

CREATE TRIGGER secrets_do_not_push_each_other_out BEFORE UPDATE OF state ON secrets
WHEN NEW.state = 'active' AND OLD.state <> 'active'
    AND EXISTS (SELECT 1 FROM secrets WHERE token_id = NEW.token_id AND state = 'active')
BEGIN SELECT RAISE(ABORT, 'a token has one current secret'); END;

-- A revoked token has no secret that could still be good.
CREATE TRIGGER a_revocation_ends_every_secret AFTER UPDATE OF revoked_at ON tokens
WHEN NEW.revoked_at IS NOT NULL
BEGIN
    UPDATE secrets SET state = 'ended', ended_at = NEW.revoked_at WHERE token_id = NEW.id AND state <> 'ended';
END;

CREATE TRIGGER revoked_tokens_get_no_secret BEFORE INSERT ON secrets
WHEN (SELECT revoked_at FROM tokens WHERE id = NEW.token_id) IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a revoked token gets no new secret'); END;

-- One-use keys of forms: the same form sent twice leads to what the first one made.
CREATE TABLE form_keys (
    -- SHA-256 of the key.
    key_hash BLOB NOT NULL CHECK (length(key_hash) = 32),
    user_id  BLOB NOT NULL REFERENCES users (id) ON DELETE RESTRICT,
    token_id BLOB NOT NULL REFERENCES tokens (id) ON DELETE RESTRICT,
    used_at  INTEGER NOT NULL,
    PRIMARY KEY (user_id, key_hash)
) STRICT;

CREATE INDEX form_keys_by_time ON form_keys (used_at);

-- Browser sessions. A row exists only for a completed login.
CREATE TABLE sessions (
    -- SHA-256 of the cookie's value.
    id_hash      BLOB PRIMARY KEY CHECK (length(id_hash) = 32),
    -- The name under which it may be shown.
    id           BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    user_id      BLOB NOT NULL REFERENCES users (id) ON DELETE RESTRICT,
    provider     TEXT NOT NULL CHECK (length(provider) BETWEEN 1 AND 64),
    -- The provider's own session, where it names one (sid).
    provider_sid TEXT CHECK (length(provider_sid) <= 255),
    -- When the person last proved who they are.
    auth_time    INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    ended_at     INTEGER
) STRICT;

CREATE INDEX sessions_by_user ON sessions (user_id) WHERE ended_at IS NULL;

CREATE TRIGGER the_end_of_a_session_is_final BEFORE UPDATE ON sessions
WHEN OLD.ended_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'the end of a session is final'); END;

-- Audit events, chained by hash in the order of seq. Personal values stand in audit_personal.
CREATE TABLE audit_events (
    seq          INTEGER PRIMARY KEY,
    id           BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    time         INTEGER NOT NULL,
    action       TEXT NOT NULL CHECK (length(action) BETWEEN 3 AND 64),
    actor_type   TEXT NOT NULL,
    actor_id     TEXT,
    on_behalf_of TEXT,
    object_type  TEXT NOT NULL,
    object_id    TEXT,
    result       TEXT NOT NULL CHECK (result IN ('done', 'refused')),
    -- A code from a fixed list.
    reason       TEXT,
    request_id   TEXT,
    replica      TEXT NOT NULL,
    version      TEXT NOT NULL,
    -- {field: [from, to]}
    changes      TEXT NOT NULL CHECK (json_valid(changes)),
    -- {field: hex of SHA-256(salt || value)}
    personal     TEXT NOT NULL CHECK (json_valid(personal)),
    prev_hash    BLOB NOT NULL CHECK (length(prev_hash) = 32),
    hash         BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;

CREATE INDEX audit_events_by_object ON audit_events (object_type, object_id, seq);
CREATE INDEX audit_events_by_actor ON audit_events (actor_id, seq);

CREATE TRIGGER audit_events_are_never_deleted BEFORE DELETE ON audit_events
BEGIN SELECT RAISE(ABORT, 'audit events are never deleted'); END;

CREATE TRIGGER audit_events_never_change BEFORE UPDATE ON audit_events
BEGIN SELECT RAISE(ABORT, 'audit events never change'); END;

CREATE TRIGGER audit_events_are_never_replaced BEFORE INSERT ON audit_events
WHEN EXISTS (SELECT 1 FROM audit_events WHERE seq = NEW.seq OR id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'audit events are never replaced'); END;

-- Personal values of audit events. Removing one leaves the chain whole: it holds only the digest.
CREATE TABLE audit_personal (
    seq     INTEGER NOT NULL REFERENCES audit_events (seq) ON DELETE RESTRICT,
    field   TEXT NOT NULL CHECK (length(field) BETWEEN 1 AND 64),
    -- Whose value it is.
    user_id BLOB CHECK (length(user_id) = 16),
    salt    BLOB NOT NULL CHECK (length(salt) = 16),
    value   TEXT NOT NULL,
    PRIMARY KEY (seq, field)
) STRICT, WITHOUT ROWID;

CREATE INDEX audit_personal_by_user ON audit_personal (user_id);

CREATE TRIGGER personal_values_never_change BEFORE UPDATE ON audit_personal
BEGIN SELECT RAISE(ABORT, 'personal values are removed, never changed'); END;
