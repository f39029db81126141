-- Refusals of one action among very many others.
CREATE INDEX audit_events_refused_by_action ON audit_events (action, seq) WHERE result = 'refused';
-- Whose name was written down before they were known here.
CREATE INDEX audit_personal_of_strangers ON audit_personal (value) WHERE field = 'changes.subject.to';
