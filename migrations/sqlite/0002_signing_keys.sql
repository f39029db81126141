-- Keys that sign JWTs for upstreams. One signs until signs_from of the next; each is published from its making until
-- nobody can accept a JWT of it any more.
CREATE TABLE signing_keys (
    -- Thumbprint of the public key (RFC 7638).
    kid          TEXT PRIMARY KEY CHECK (length(kid) = 43),
    algorithm    TEXT NOT NULL CHECK (algorithm IN ('ES256', 'EdDSA', 'RS256')),
    -- The public half as it is published (RFC 7517): a record of what JWTs were verified with.
    public_jwk   TEXT NOT NULL CHECK (json_valid(public_jwk)),
    -- The private half (PKCS#8) under AES-256-GCM with a key derived from secret_key, bound to kid and algorithm. Removed
    -- when the key is withdrawn.
    sealed       BLOB CHECK (length(sealed) > 28),
    created_at   INTEGER NOT NULL,
    -- The first key signs at once, every other one at least half an hour after it was made.
    signs_from   INTEGER NOT NULL CHECK (signs_from >= created_at),
    -- Longest life of a JWT that it may have signed, in microseconds.
    longest_ttl  INTEGER NOT NULL CHECK (longest_ttl > 0),
    -- When it was no longer needed.
    withdrawn_at INTEGER,
    CHECK ((sealed IS NULL) = (withdrawn_at IS NOT NULL))
) STRICT;

CREATE INDEX signing_keys_in_use ON signing_keys (signs_from) WHERE withdrawn_at IS NULL;

CREATE TRIGGER signing_keys_are_never_deleted BEFORE DELETE ON signing_keys
BEGIN SELECT RAISE(ABORT, 'signing keys are never deleted'); END;

CREATE TRIGGER signing_keys_keep_their_identity BEFORE UPDATE ON signing_keys
WHEN NEW.kid IS NOT OLD.kid OR NEW.algorithm IS NOT OLD.algorithm OR NEW.public_jwk IS NOT OLD.public_jwk
    OR NEW.created_at IS NOT OLD.created_at OR NEW.signs_from IS NOT OLD.signs_from
BEGIN SELECT RAISE(ABORT, 'name, algorithm, public half and times of a signing key never change'); END;

CREATE TRIGGER the_withdrawal_of_a_signing_key_is_final BEFORE UPDATE ON signing_keys
WHEN OLD.withdrawn_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'the withdrawal of a signing key is final'); END;

-- REPLACE deletes the rows that are in its way without asking the trigger against DELETE, so it must not find any.
CREATE TRIGGER signing_keys_are_never_replaced BEFORE INSERT ON signing_keys
WHEN EXISTS (SELECT 1 FROM signing_keys WHERE kid = NEW.kid)
BEGIN SELECT RAISE(ABORT, 'signing keys are never replaced'); END;
