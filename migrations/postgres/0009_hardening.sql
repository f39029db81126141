-- Whoever changes something by hand may look for tables elsewhere, even in another installation beside this one. What
-- triggers do is about the tables beside them.
DO $$
DECLARE
    name TEXT;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'refuse()', 'end_secrets_of_token()', 'refuse_secret_of_revoked_token()', 'note_change(TEXT, UUID)',
        'note_token_change()', 'note_secret_change()', 'note_owner_change()', 'lock_change_head()', 'mark_change()'
    ] LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', name, current_schema());
    END LOOP;
END
$$;

-- What was done in somebody's place, however much they did themselves.
CREATE INDEX audit_events_in_place ON audit_events (on_behalf_of, action, seq) WHERE on_behalf_of IS NOT NULL;
