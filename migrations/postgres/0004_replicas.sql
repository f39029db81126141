-- What replicas tell each other: which changes there were, in which order, and how far each replica has applied them.

-- How many transactions have changed what a check may depend on. Whoever makes such a change locks this row first and
-- holds it to the end, so the numbers have the order of the commits and no gaps.
CREATE TABLE change_head (
    only_one BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (only_one),
    seq      BIGINT NOT NULL
);

INSERT INTO change_head (seq) VALUES (0);

-- What those transactions touched.
CREATE TABLE changes (
    seq  BIGINT NOT NULL,
    kind TEXT COLLATE "C" NOT NULL CHECK (kind IN ('token', 'owner')),
    id   UUID NOT NULL,
    PRIMARY KEY (seq, kind, id)
);

-- Servers that may answer from memory. A row says nothing about time: clocks of different machines are never compared.
CREATE TABLE replicas (
    id      UUID PRIMARY KEY,
    -- As it stands in the audit log.
    name    TEXT COLLATE "C" NOT NULL,
    -- Up to where it has applied changes.
    applied BIGINT NOT NULL,
    -- Grows with every sign of life.
    heard   BIGINT NOT NULL DEFAULT 0
);

-- What replicas know of changes that the database has forgotten, because it was put back to an earlier state.
CREATE TABLE rewinds (
    replica UUID PRIMARY KEY,
    name    TEXT COLLATE "C" NOT NULL,
    -- The last change that it had applied.
    applied BIGINT NOT NULL,
    -- Ids of tokens that forgotten changes had touched, as far as it remembers.
    lost    TEXT COLLATE "C" NOT NULL CHECK (lost::JSON IS NOT NULL)
);

-- Gives the present transaction its number, once, and writes down what it touches. The number is remembered in a setting
-- that ends with the transaction.
CREATE FUNCTION note_change(kind TEXT, id UUID) RETURNS VOID LANGUAGE plpgsql AS $$
DECLARE
    number BIGINT := nullif(current_setting('hallpass.change', TRUE), '');
BEGIN
    IF number IS NULL THEN
        UPDATE change_head SET seq = seq + 1 RETURNING seq INTO STRICT number;
        PERFORM set_config('hallpass.change', number::TEXT, TRUE);
        PERFORM pg_notify('hallpass_changes', '');
    END IF;
    INSERT INTO changes VALUES (number, kind, id) ON CONFLICT DO NOTHING;
END
$$;

CREATE FUNCTION note_token_change() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    PERFORM note_change('token', NEW.id);
    RETURN NULL;
END
$$;

CREATE FUNCTION note_secret_change() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    PERFORM note_change('token', NEW.token_id);
    RETURN NULL;
END
$$;

CREATE FUNCTION note_owner_change() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    PERFORM note_change('owner', NEW.id);
    RETURN NULL;
END
$$;

-- Last uses and fast proofs are no changes: no verdict depends on them.
CREATE TRIGGER a_changed_token_is_noted AFTER UPDATE ON tokens FOR EACH ROW
WHEN ((OLD.owner_id, OLD.scopes, OLD.allowed_ips, OLD.revoked_at)
    IS DISTINCT FROM (NEW.owner_id, NEW.scopes, NEW.allowed_ips, NEW.revoked_at))
EXECUTE FUNCTION note_token_change();

CREATE TRIGGER a_new_secret_is_noted AFTER INSERT ON secrets FOR EACH ROW
EXECUTE FUNCTION note_secret_change();

CREATE TRIGGER a_changed_secret_is_noted AFTER UPDATE ON secrets FOR EACH ROW
WHEN ((OLD.token_id, OLD.state, OLD.created_at, OLD.expires_at, OLD.ends_at, OLD.ended_at, OLD.expired_at, OLD.phc)
    IS DISTINCT FROM
    (NEW.token_id, NEW.state, NEW.created_at, NEW.expires_at, NEW.ends_at, NEW.ended_at, NEW.expired_at, NEW.phc))
EXECUTE FUNCTION note_secret_change();

CREATE TRIGGER a_changed_owner_is_noted AFTER UPDATE ON users FOR EACH ROW
WHEN ((OLD.provider, OLD.username, OLD.email, OLD.roles, OLD.attributes, OLD.last_login_at, OLD.disabled_at)
    IS DISTINCT FROM
    (NEW.provider, NEW.username, NEW.email, NEW.roles, NEW.attributes, NEW.last_login_at, NEW.disabled_at))
EXECUTE FUNCTION note_owner_change();

-- Everybody locks in the same order, first the head and then rows, also who writes SQL by hand: else two changes could
-- wait for each other.
CREATE FUNCTION lock_change_head() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM change_head FOR UPDATE;
    RETURN NULL;
END
$$;

CREATE TRIGGER changes_of_tokens_take_turns
BEFORE INSERT OR UPDATE OF owner_id, scopes, allowed_ips, revoked_at ON tokens
EXECUTE FUNCTION lock_change_head();

CREATE TRIGGER changes_of_secrets_take_turns
BEFORE INSERT OR UPDATE OF token_id, state, created_at, expires_at, ends_at, ended_at, expired_at, phc ON secrets
EXECUTE FUNCTION lock_change_head();

CREATE TRIGGER changes_of_owners_take_turns
BEFORE INSERT OR UPDATE ON users
EXECUTE FUNCTION lock_change_head();

-- Without the head nobody could say what was missed.
CREATE TRIGGER the_head_is_never_deleted BEFORE DELETE ON change_head FOR EACH ROW
EXECUTE FUNCTION refuse('the number of the last change is never deleted');
CREATE TRIGGER the_head_is_never_truncated BEFORE TRUNCATE ON change_head
EXECUTE FUNCTION refuse('the number of the last change is never deleted');
CREATE TRIGGER the_head_never_goes_back BEFORE UPDATE ON change_head FOR EACH ROW
WHEN (NEW.seq <= OLD.seq)
EXECUTE FUNCTION refuse('the number of the last change only grows');
