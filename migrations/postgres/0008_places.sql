-- The log is read from its first event on, so nothing may stand before that. What is there already is for `audit verify`:
-- to look through a long log would keep everybody waiting.
ALTER TABLE audit_events ADD CONSTRAINT events_begin_with_one CHECK (seq > 0) NOT VALID;

-- Tokens keep users alive, but not every user has one. Who was disabled would be back, and enabled, at the next login.
CREATE TRIGGER users_are_never_deleted BEFORE DELETE ON users FOR EACH ROW
EXECUTE FUNCTION refuse('users are erased, never deleted');

CREATE TRIGGER users_are_never_truncated BEFORE TRUNCATE ON users
EXECUTE FUNCTION refuse('users are erased, never deleted');

CREATE TRIGGER users_keep_their_ids BEFORE UPDATE OF id ON users FOR EACH ROW
WHEN (NEW.id IS DISTINCT FROM OLD.id)
EXECUTE FUNCTION refuse('ids of users never change');

-- Ids of users that forgotten changes had touched: whoever was disabled is enabled again.
ALTER TABLE rewinds ADD COLUMN owners TEXT COLLATE "C" NOT NULL DEFAULT '[]' CHECK (owners::JSON IS NOT NULL);
