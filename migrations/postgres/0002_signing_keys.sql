-- Keys that sign JWTs for upstreams. One signs until signs_from of the next; each is published from its making until
-- nobody can accept a JWT of it any more.
CREATE TABLE signing_keys (
    -- Thumbprint of the public key (RFC 7638).
    kid          TEXT COLLATE "C" PRIMARY KEY CHECK (length(kid) = 43),
    algorithm    TEXT COLLATE "C" NOT NULL CHECK (algorithm IN ('ES256', 'EdDSA', 'RS256')),
    -- The public half as it is published (RFC 7517): a record of what JWTs were verified with.
    public_jwk   TEXT COLLATE "C" NOT NULL CHECK (public_jwk::JSON IS NOT NULL),
    -- The private half (PKCS#8) under AES-256-GCM with a key derived from secret_key, bound to kid and algorithm. Removed
    -- when the key is withdrawn.
    sealed       BYTEA CHECK (length(sealed) > 28),
    created_at   BIGINT NOT NULL,
    -- The first key signs at once, every other one at least half an hour after it was made.
    signs_from   BIGINT NOT NULL CHECK (signs_from >= created_at),
    -- Longest life of a JWT that it may have signed, in microseconds.
    longest_ttl  BIGINT NOT NULL CHECK (longest_ttl > 0),
    -- When it was no longer needed.
    withdrawn_at BIGINT,
    CHECK ((sealed IS NULL) = (withdrawn_at IS NOT NULL))
);

CREATE INDEX signing_keys_in_use ON signing_keys (signs_from) WHERE withdrawn_at IS NULL;

CREATE TRIGGER signing_keys_are_never_deleted BEFORE DELETE ON signing_keys FOR EACH ROW
EXECUTE FUNCTION refuse('signing keys are never deleted');

CREATE TRIGGER signing_keys_keep_their_identity BEFORE UPDATE ON signing_keys FOR EACH ROW
WHEN (NEW.kid IS DISTINCT FROM OLD.kid OR NEW.algorithm IS DISTINCT FROM OLD.algorithm OR NEW.public_jwk IS DISTINCT FROM OLD.public_jwk
    OR NEW.created_at IS DISTINCT FROM OLD.created_at OR NEW.signs_from IS DISTINCT FROM OLD.signs_from)
EXECUTE FUNCTION refuse('name, algorithm, public half and times of a signing key never change');

CREATE TRIGGER the_withdrawal_of_a_signing_key_is_final BEFORE UPDATE ON signing_keys FOR EACH ROW
WHEN (OLD.withdrawn_at IS NOT NULL)
EXECUTE FUNCTION refuse('the withdrawal of a signing key is final');

CREATE TRIGGER signing_keys_are_never_truncated BEFORE TRUNCATE ON signing_keys
EXECUTE FUNCTION refuse('signing keys are never deleted');
