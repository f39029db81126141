-- The log is read from its first event on, so nothing may stand before that.
CREATE TRIGGER events_begin_with_one BEFORE INSERT ON audit_events
WHEN NEW.seq < 1
BEGIN SELECT RAISE(ABORT, 'audit events begin with number 1'); END;

-- As for tokens and secrets: a statement with OR REPLACE deletes what is in its way without asking the triggers against
-- DELETE, whichever of its names it has. Whoever was disabled would be back, and enabled; a session that has ended would
-- go on; a key that was withdrawn would be unknown.
CREATE TRIGGER users_are_never_replaced BEFORE INSERT ON users
WHEN EXISTS (SELECT 1 FROM users
    WHERE rowid = NEW.rowid OR id = NEW.id OR (issuer = NEW.issuer AND subject = NEW.subject))
BEGIN SELECT RAISE(ABORT, 'users are never replaced'); END;

CREATE TRIGGER users_keep_their_ids BEFORE UPDATE ON users
WHEN NEW.id IS NOT OLD.id
BEGIN SELECT RAISE(ABORT, 'ids of users never change'); END;

CREATE TRIGGER users_keep_their_place BEFORE UPDATE ON users
WHEN NEW.rowid IS NOT OLD.rowid
    OR EXISTS (SELECT 1 FROM users WHERE issuer = NEW.issuer AND subject = NEW.subject AND id <> OLD.id)
BEGIN SELECT RAISE(ABORT, 'a user keeps their place'); END;

CREATE TRIGGER sessions_that_have_ended_are_never_replaced BEFORE INSERT ON sessions
WHEN EXISTS (SELECT 1 FROM sessions
    WHERE ended_at IS NOT NULL AND (rowid = NEW.rowid OR id_hash = NEW.id_hash OR id = NEW.id))
BEGIN SELECT RAISE(ABORT, 'the end of a session is final'); END;

CREATE TRIGGER sessions_keep_their_place BEFORE UPDATE ON sessions
WHEN NEW.rowid IS NOT OLD.rowid OR NEW.id_hash IS NOT OLD.id_hash OR NEW.id IS NOT OLD.id
BEGIN SELECT RAISE(ABORT, 'a session keeps its place'); END;

CREATE TRIGGER signing_keys_keep_their_place BEFORE UPDATE ON signing_keys
WHEN NEW.rowid IS NOT OLD.rowid
BEGIN SELECT RAISE(ABORT, 'a signing key keeps its place'); END;

CREATE TRIGGER signing_keys_take_no_place BEFORE INSERT ON signing_keys
WHEN EXISTS (SELECT 1 FROM signing_keys WHERE rowid = NEW.rowid)
BEGIN SELECT RAISE(ABORT, 'a new signing key gets a place of its own'); END;
