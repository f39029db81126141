-- What administrators ask: everybody's tokens and events, quickly also where there are millions.

-- Whom an event is about: who did it, to whom it was done, for whom. Can be made again from the events; no evidence.
CREATE TABLE audit_of_users (
    user_id UUID NOT NULL,
    seq     BIGINT NOT NULL REFERENCES audit_events (seq) ON DELETE RESTRICT,
    PRIMARY KEY (user_id, seq)
);

INSERT INTO audit_of_users
SELECT user_id, seq FROM audit_personal WHERE user_id IS NOT NULL
UNION SELECT actor_id::UUID, seq FROM audit_events WHERE actor_type = 'user' AND actor_id IS NOT NULL
UNION SELECT on_behalf_of::UUID, seq FROM audit_events WHERE on_behalf_of IS NOT NULL;

CREATE INDEX audit_events_by_action ON audit_events (action, seq);
CREATE INDEX audit_events_by_time ON audit_events (time, seq);
CREATE INDEX audit_events_refused ON audit_events (seq) WHERE result = 'refused';

-- What the log was at some moments, signed. Copies stand outside of the database.
CREATE TABLE audit_checkpoints (
    seq       BIGINT PRIMARY KEY,
    -- Of the event with that number.
    hash      BYTEA NOT NULL CHECK (length(hash) = 32),
    time      BIGINT NOT NULL,
    -- Ed25519 over number, hash and time.
    signature BYTEA NOT NULL CHECK (length(signature) = 64)
);

CREATE INDEX tokens_by_age ON tokens (created_at DESC, id);
CREATE INDEX tokens_by_name ON tokens (lower(name), id);
CREATE INDEX tokens_by_last_use ON tokens (coalesce(last_used_at, created_at), id);
CREATE INDEX tokens_revoked ON tokens (created_at DESC, id) WHERE revoked_at IS NOT NULL;
CREATE INDEX secrets_by_expiry ON secrets (expires_at) WHERE state = 'active';
CREATE INDEX secrets_by_age ON secrets (created_at) WHERE state = 'active';
-- Enough to count somebody's tokens without reading any.
CREATE INDEX tokens_kept ON tokens (owner_id, id) WHERE revoked_at IS NULL;
CREATE INDEX secrets_kept ON secrets (token_id, expired_at, expires_at) WHERE state = 'active';
CREATE INDEX users_by_name ON users (lower(username), id);

-- The words of tokens in groups of three letters, so that any part of them is found at once. The extension comes with
-- PostgreSQL, and whoever owns a database may use it.
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE INDEX tokens_by_text ON tokens USING gin (lower(name || ' ' || description) gin_trgm_ops);
CREATE INDEX tokens_by_scopes ON tokens USING gin (scopes gin_trgm_ops);
