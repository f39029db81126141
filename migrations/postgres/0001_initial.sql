-- Times are microseconds since the Unix epoch, UTC. Lists and maps are JSON text. Text is ordered and lowered by its bytes,
-- whatever the locale of the database.

-- Facts about the installation itself.
CREATE TABLE settings (
    name  TEXT COLLATE "C" PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 64),
    value TEXT COLLATE "C" NOT NULL CHECK (length(value) <= 1000)
);

-- People, as of their last login. (issuer, subject) identifies; nothing else does.
CREATE TABLE users (
    id            UUID PRIMARY KEY,
    issuer        TEXT COLLATE "C" NOT NULL CHECK (length(issuer) BETWEEN 1 AND 500),
    subject       TEXT COLLATE "C" NOT NULL CHECK (length(subject) BETWEEN 1 AND 255),
    provider      TEXT COLLATE "C" NOT NULL CHECK (length(provider) BETWEEN 1 AND 64),
    username      TEXT COLLATE "C" NOT NULL CHECK (length(username) <= 200),
    email         TEXT COLLATE "C" CHECK (length(email) <= 320),
    roles         TEXT COLLATE "C" NOT NULL CHECK (roles::JSON IS NOT NULL),
    attributes    TEXT COLLATE "C" NOT NULL CHECK (attributes::JSON IS NOT NULL),
    created_at    BIGINT NOT NULL,
    last_login_at BIGINT NOT NULL,
    disabled_at   BIGINT,
    UNIQUE (issuer, subject)
);

-- Tokens: the lasting grants that people see in their list.
CREATE TABLE tokens (
    id             UUID PRIMARY KEY,
    owner_id       UUID NOT NULL REFERENCES users (id) ON DELETE RESTRICT,
    name           TEXT COLLATE "C" NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    description    TEXT COLLATE "C" NOT NULL CHECK (length(description) <= 1000),
    -- Space-separated, sorted (RFC 6749, section 3.3).
    scopes         TEXT COLLATE "C" NOT NULL CHECK (length(scopes) BETWEEN 1 AND 6600),
    -- CIDRs; [] is everywhere.
    allowed_ips    TEXT COLLATE "C" NOT NULL CHECK (allowed_ips::JSON IS NOT NULL),
    created_at     BIGINT NOT NULL,
    revoked_at     BIGINT,
    revoked_reason TEXT COLLATE "C" CHECK (length(revoked_reason) <= 500),
    last_used_at   BIGINT,
    last_used_ip   TEXT COLLATE "C" CHECK (length(last_used_ip) <= 45),
    -- Grows by one with every change that its owner or an administrator makes.
    version        BIGINT NOT NULL DEFAULT 1,
    CHECK (revoked_reason IS NULL OR revoked_at IS NOT NULL)
);

CREATE INDEX tokens_by_owner ON tokens (owner_id, created_at DESC, id);

-- Secrets: the versions of a token's secret. Only proofs are kept, never the secret.
CREATE TABLE secrets (
    -- The public part of the token's text.
    id           TEXT COLLATE "C" PRIMARY KEY CHECK (length(id) = 16),
    token_id     UUID NOT NULL REFERENCES tokens (id) ON DELETE RESTRICT,
    state        TEXT COLLATE "C" NOT NULL CHECK (state IN ('active', 'waiting', 'superseded', 'ended')),
    created_at   BIGINT NOT NULL,
    -- NULL is never.
    expires_at   BIGINT CHECK (expires_at > created_at),
    -- When a superseded secret stops being good.
    ends_at      BIGINT,
    ended_at     BIGINT,
    -- When the expiry was first observed. Final, so that a clock set back revives nothing.
    expired_at   BIGINT,
    -- Durable proof: an argon2id PHC string.
    phc          TEXT COLLATE "C" NOT NULL CHECK (length(phc) BETWEEN 60 AND 200),
    -- Fast proof: HMAC-SHA-256 under a key derived from secret_key; can be made again from the secret.
    hmac         BYTEA CHECK (length(hmac) = 32),
    hmac_key_id  TEXT COLLATE "C" CHECK (length(hmac_key_id) = 16),
    last_used_at BIGINT,
    CHECK ((state = 'ended') = (ended_at IS NOT NULL)),
    CHECK ((hmac IS NULL) = (hmac_key_id IS NULL))
);

-- A token has at most one current secret. Superseded and waiting ones stand beside it.
CREATE UNIQUE INDEX secrets_one_active ON secrets (token_id) WHERE state = 'active';
CREATE INDEX secrets_by_token ON secrets (token_id, created_at DESC);
CREATE INDEX secrets_to_expire ON secrets (expires_at) WHERE expired_at IS NULL AND state <> 'ended';

CREATE FUNCTION refuse() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', TG_ARGV[0];
END
$$;

CREATE TRIGGER tokens_are_never_deleted BEFORE DELETE ON tokens FOR EACH ROW
EXECUTE FUNCTION refuse('tokens are never deleted');

CREATE TRIGGER revocation_is_final BEFORE UPDATE ON tokens FOR EACH ROW
WHEN (OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS DISTINCT FROM OLD.revoked_at)
EXECUTE FUNCTION refuse('a revocation is final');

CREATE TRIGGER tokens_keep_their_identity BEFORE UPDATE ON tokens FOR EACH ROW
WHEN (NEW.id IS DISTINCT FROM OLD.id OR NEW.owner_id IS DISTINCT FROM OLD.owner_id OR NEW.created_at IS DISTINCT FROM OLD.created_at)
EXECUTE FUNCTION refuse('id, owner and creation of a token never change');

CREATE TRIGGER secrets_are_never_deleted BEFORE DELETE ON secrets FOR EACH ROW
EXECUTE FUNCTION refuse('secrets are never deleted');

CREATE TRIGGER the_end_of_a_secret_is_final BEFORE UPDATE ON secrets FOR EACH ROW
WHEN (OLD.state = 'ended' AND (NEW.state IS DISTINCT FROM 'ended' OR NEW.ended_at IS DISTINCT FROM OLD.ended_at))
EXECUTE FUNCTION refuse('the end of a secret is final');

CREATE TRIGGER an_observed_expiry_is_final BEFORE UPDATE ON secrets FOR EACH ROW
WHEN (OLD.expired_at IS NOT NULL AND NEW.expired_at IS DISTINCT FROM OLD.expired_at)
EXECUTE FUNCTION refuse('an observed expiry is final');

CREATE TRIGGER secrets_keep_their_identity BEFORE UPDATE ON secrets FOR EACH ROW
WHEN (NEW.id IS DISTINCT FROM OLD.id OR NEW.token_id IS DISTINCT FROM OLD.token_id OR NEW.created_at IS DISTINCT FROM OLD.created_at
    OR NEW.expires_at IS DISTINCT FROM OLD.expires_at OR NEW.phc IS DISTINCT FROM OLD.phc)
EXECUTE FUNCTION refuse('id, token, creation, expiry and proof of a secret never change');

-- A revoked token has no secret that could still be good.
CREATE FUNCTION end_secrets_of_token() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    UPDATE secrets SET state = 'ended', ended_at = NEW.revoked_at WHERE token_id = NEW.id AND state <> 'ended';
    RETURN NULL;
END
$$;

CREATE TRIGGER a_revocation_ends_every_secret AFTER UPDATE OF revoked_at ON tokens FOR EACH ROW
WHEN (NEW.revoked_at IS NOT NULL)
EXECUTE FUNCTION end_secrets_of_token();

-- The token is locked: a secret that comes while it is being revoked waits, and then sees the revocation.
CREATE FUNCTION refuse_secret_of_revoked_token() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE
    revoked BIGINT;
BEGIN
    SELECT revoked_at INTO revoked FROM tokens WHERE id = NEW.token_id FOR UPDATE;
    IF revoked IS NOT NULL THEN
        RAISE EXCEPTION 'a revoked token gets no new secret';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER revoked_tokens_get_no_secret BEFORE INSERT ON secrets FOR EACH ROW
EXECUTE FUNCTION refuse_secret_of_revoked_token();

-- One-use keys of forms: the same form sent twice leads to what the first one made.
CREATE TABLE form_keys (
    -- SHA-256 of the key.
    key_hash BYTEA NOT NULL CHECK (length(key_hash) = 32),
    user_id  UUID NOT NULL REFERENCES users (id) ON DELETE RESTRICT,
    token_id UUID NOT NULL REFERENCES tokens (id) ON DELETE RESTRICT,
    used_at  BIGINT NOT NULL,
    PRIMARY KEY (user_id, key_hash)
);

CREATE INDEX form_keys_by_time ON form_keys (used_at);

-- Browser sessions. A row exists only for a completed login.
CREATE TABLE sessions (
    -- SHA-256 of the cookie's value.
    id_hash      BYTEA PRIMARY KEY CHECK (length(id_hash) = 32),
    -- The name under which it may be shown.
    id           UUID NOT NULL UNIQUE,
    user_id      UUID NOT NULL REFERENCES users (id) ON DELETE RESTRICT,
    provider     TEXT COLLATE "C" NOT NULL CHECK (length(provider) BETWEEN 1 AND 64),
    -- The provider's own session, where it names one (sid).
    provider_sid TEXT COLLATE "C" CHECK (length(provider_sid) <= 255),
    -- When the person last proved who they are.
    auth_time    BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    ended_at     BIGINT
);

CREATE INDEX sessions_by_user ON sessions (user_id) WHERE ended_at IS NULL;

CREATE TRIGGER the_end_of_a_session_is_final BEFORE UPDATE ON sessions FOR EACH ROW
WHEN (OLD.ended_at IS NOT NULL)
EXECUTE FUNCTION refuse('the end of a session is final');

-- Audit events, chained by hash in the order of seq. Personal values stand in audit_personal.
CREATE TABLE audit_events (
    seq          BIGINT PRIMARY KEY,
    id           UUID NOT NULL UNIQUE,
    time         BIGINT NOT NULL,
    action       TEXT COLLATE "C" NOT NULL CHECK (length(action) BETWEEN 3 AND 64),
    actor_type   TEXT COLLATE "C" NOT NULL,
    actor_id     TEXT COLLATE "C",
    on_behalf_of TEXT COLLATE "C",
    object_type  TEXT COLLATE "C" NOT NULL,
    object_id    TEXT COLLATE "C",
    result       TEXT COLLATE "C" NOT NULL CHECK (result IN ('done', 'refused')),
    -- A code from a fixed list.
    reason       TEXT COLLATE "C",
    request_id   TEXT COLLATE "C",
    replica      TEXT COLLATE "C" NOT NULL,
    version      TEXT COLLATE "C" NOT NULL,
    -- {field: [from, to]}
    changes      TEXT COLLATE "C" NOT NULL CHECK (changes::JSON IS NOT NULL),
    -- {field: hex of SHA-256(salt || value)}
    personal     TEXT COLLATE "C" NOT NULL CHECK (personal::JSON IS NOT NULL),
    prev_hash    BYTEA NOT NULL CHECK (length(prev_hash) = 32),
    hash         BYTEA NOT NULL CHECK (length(hash) = 32)
);

CREATE INDEX audit_events_by_object ON audit_events (object_type, object_id, seq);
CREATE INDEX audit_events_by_actor ON audit_events (actor_id, seq);

CREATE TRIGGER audit_events_are_never_deleted BEFORE DELETE ON audit_events FOR EACH ROW
EXECUTE FUNCTION refuse('audit events are never deleted');

CREATE TRIGGER audit_events_never_change BEFORE UPDATE ON audit_events FOR EACH ROW
EXECUTE FUNCTION refuse('audit events never change');

-- Personal values of audit events. Removing one leaves the chain whole: it holds only the digest.
CREATE TABLE audit_personal (
    seq     BIGINT NOT NULL REFERENCES audit_events (seq) ON DELETE RESTRICT,
    field   TEXT COLLATE "C" NOT NULL CHECK (length(field) BETWEEN 1 AND 64),
    -- Whose value it is.
    user_id UUID,
    salt    BYTEA NOT NULL CHECK (length(salt) = 16),
    value   TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (seq, field)
);

CREATE INDEX audit_personal_by_user ON audit_personal (user_id);

CREATE TRIGGER personal_values_never_change BEFORE UPDATE ON audit_personal FOR EACH ROW
EXECUTE FUNCTION refuse('personal values are removed, never changed');

-- TRUNCATE asks no trigger for rows.
CREATE TRIGGER tokens_are_never_truncated BEFORE TRUNCATE ON tokens
EXECUTE FUNCTION refuse('tokens are never deleted');
CREATE TRIGGER secrets_are_never_truncated BEFORE TRUNCATE ON secrets
EXECUTE FUNCTION refuse('secrets are never deleted');
CREATE TRIGGER audit_events_are_never_truncated BEFORE TRUNCATE ON audit_events
EXECUTE FUNCTION refuse('audit events are never deleted');
