-- Rows have more names than their ids: SQLite's own row numbers, and the number that joins a token to its words. A
-- statement with OR REPLACE that gives a row the number of another one deletes that other one without asking the triggers
-- against DELETE, so numbers never change hands.
CREATE TRIGGER tokens_keep_their_place BEFORE UPDATE ON tokens
WHEN NEW.rowid IS NOT OLD.rowid
    OR (NEW.number IS NOT OLD.number
        AND (OLD.number IS NOT NULL OR EXISTS (SELECT 1 FROM tokens WHERE number = NEW.number)))
BEGIN SELECT RAISE(ABORT, 'a token keeps its place'); END;

CREATE TRIGGER tokens_take_no_place BEFORE INSERT ON tokens
WHEN NEW.number IS NOT NULL OR EXISTS (SELECT 1 FROM tokens WHERE rowid = NEW.rowid)
BEGIN SELECT RAISE(ABORT, 'a new token gets a place of its own'); END;

CREATE TRIGGER secrets_keep_their_place BEFORE UPDATE ON secrets
WHEN NEW.rowid IS NOT OLD.rowid
BEGIN SELECT RAISE(ABORT, 'a secret keeps its place'); END;

CREATE TRIGGER secrets_take_no_place BEFORE INSERT ON secrets
WHEN EXISTS (SELECT 1 FROM secrets WHERE rowid = NEW.rowid)
BEGIN SELECT RAISE(ABORT, 'a new secret gets a place of its own'); END;

-- Tokens keep users alive only where foreign keys are enforced, which a SQL prompt does not do by itself.
CREATE TRIGGER users_are_never_deleted BEFORE DELETE ON users
BEGIN SELECT RAISE(ABORT, 'users are erased, never deleted'); END;

-- It proves nothing, but whoever takes a row away hides an event from those whom it is about.
CREATE TRIGGER events_of_users_are_never_deleted BEFORE DELETE ON audit_of_users
BEGIN SELECT RAISE(ABORT, 'events are never taken away from users'); END;

CREATE TRIGGER events_of_users_never_change BEFORE UPDATE ON audit_of_users
BEGIN SELECT RAISE(ABORT, 'events are never taken away from users'); END;

-- Refusals of one action among very many others.
CREATE INDEX audit_events_refused_by_action ON audit_events (action, seq) WHERE result = 'refused';
-- Whose name was written down before they were known here.
CREATE INDEX audit_personal_of_strangers ON audit_personal (value) WHERE field = 'changes.subject.to';

-- Enough to tell the state of tokens without reading their secrets.
DROP INDEX secrets_kept;
CREATE INDEX secrets_kept ON secrets (token_id, expired_at, expires_at, created_at, id) WHERE state = 'active';
-- Whose expiry was noticed, also where it would not be due any more.
CREATE INDEX secrets_noticed ON secrets (expired_at) WHERE state = 'active' AND expired_at IS NOT NULL;
