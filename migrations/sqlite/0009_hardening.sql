-- What is erased leaves nothing in the index of texts, either.
INSERT INTO token_texts (token_texts, rank) VALUES ('secure-delete', 1);

-- What was done in somebody's place, however much they did themselves.
CREATE INDEX audit_events_in_place ON audit_events (on_behalf_of, action, seq) WHERE on_behalf_of IS NOT NULL;
