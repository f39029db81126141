-- What administrators ask: everybody's tokens and events, quickly also where there are millions.

-- Whom an event is about: who did it, to whom it was done, for whom. Can be made again from the events; no evidence.
CREATE TABLE audit_of_users (
    user_id BLOB NOT NULL CHECK (length(user_id) = 16),
    seq     INTEGER NOT NULL REFERENCES audit_events (seq) ON DELETE RESTRICT,
    PRIMARY KEY (user_id, seq)
) STRICT, WITHOUT ROWID;

INSERT OR IGNORE INTO audit_of_users SELECT user_id, seq FROM audit_personal WHERE user_id IS NOT NULL;
INSERT OR IGNORE INTO audit_of_users
SELECT unhex(replace(actor_id, '-', '')), seq FROM audit_events WHERE actor_type = 'user' AND actor_id IS NOT NULL;
INSERT OR IGNORE INTO audit_of_users
SELECT unhex(replace(on_behalf_of, '-', '')), seq FROM audit_events WHERE on_behalf_of IS NOT NULL;

CREATE INDEX audit_events_by_action ON audit_events (action, seq);
CREATE INDEX audit_events_by_time ON audit_events (time, seq);
CREATE INDEX audit_events_refused ON audit_events (seq) WHERE result = 'refused';

-- What the log was at some moments, signed. Copies stand outside of the database.
CREATE TABLE audit_checkpoints (
    seq       INTEGER PRIMARY KEY,
    -- Of the event with that number.
    hash      BLOB NOT NULL CHECK (length(hash) = 32),
    time      INTEGER NOT NULL,
    -- Ed25519 over number, hash and time.
    signature BLOB NOT NULL CHECK (length(signature) = 64)
) STRICT;

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

-- The words of tokens in groups of three letters, so that any part of them is found at once. A number of its own joins
-- both: the database may renumber rows that have none.
ALTER TABLE tokens ADD COLUMN number INTEGER;
UPDATE tokens SET number = rowid;
CREATE UNIQUE INDEX tokens_by_number ON tokens (number);

CREATE VIRTUAL TABLE token_texts USING fts5 (text, scopes, tokenize = 'trigram', detail = 'none', columnsize = 0);
INSERT INTO token_texts (rowid, text, scopes) SELECT number, name || ' ' || description, scopes FROM tokens;

CREATE TRIGGER a_new_token_can_be_found AFTER INSERT ON tokens
BEGIN
    UPDATE tokens SET number = (SELECT coalesce(max(number), 0) + 1 FROM tokens) WHERE id = NEW.id;
    INSERT INTO token_texts (rowid, text, scopes)
    SELECT number, name || ' ' || description, scopes FROM tokens WHERE id = NEW.id;
END;

CREATE TRIGGER an_edited_token_can_be_found AFTER UPDATE OF name, description, scopes ON tokens
BEGIN
    UPDATE token_texts SET text = NEW.name || ' ' || NEW.description, scopes = NEW.scopes WHERE rowid = NEW.number;
END;
