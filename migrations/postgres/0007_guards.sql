-- It proves nothing, but whoever takes a row away hides an event from those whom it is about.
CREATE TRIGGER events_of_users_are_never_deleted BEFORE DELETE ON audit_of_users FOR EACH ROW
EXECUTE FUNCTION refuse('events are never taken away from users');

CREATE TRIGGER events_of_users_never_change BEFORE UPDATE ON audit_of_users FOR EACH ROW
EXECUTE FUNCTION refuse('events are never taken away from users');

CREATE TRIGGER events_of_users_are_never_truncated BEFORE TRUNCATE ON audit_of_users
EXECUTE FUNCTION refuse('events are never taken away from users');

-- Refusals of one action among very many others.
CREATE INDEX audit_events_refused_by_action ON audit_events (action, seq) WHERE result = 'refused';
-- Whose name was written down before they were known here.
CREATE INDEX audit_personal_of_strangers ON audit_personal (value) WHERE field = 'changes.subject.to';

-- Enough to tell the state of tokens without reading their secrets.
DROP INDEX secrets_kept;
CREATE INDEX secrets_kept ON secrets (token_id, expired_at, expires_at, created_at, id) WHERE state = 'active';
-- Whose expiry was noticed, also where it would not be due any more.
CREATE INDEX secrets_noticed ON secrets (expired_at) WHERE state = 'active' AND expired_at IS NOT NULL;
