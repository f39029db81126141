-- A number alone does not tell a change from another one that got the same number in another history: a database that was
-- put back to an earlier state gives its numbers again. So each change has a mark, too.
ALTER TABLE change_head ADD COLUMN mark UUID NOT NULL DEFAULT gen_random_uuid();
-- Up to this number, an operator has taken the present history for the true one.
ALTER TABLE change_head ADD COLUMN acknowledged BIGINT NOT NULL DEFAULT 0;

CREATE TABLE change_marks (
    seq  BIGINT PRIMARY KEY,
    mark UUID NOT NULL
);

INSERT INTO change_marks SELECT seq, mark FROM change_head;

CREATE FUNCTION mark_change() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    NEW.mark := gen_random_uuid();
    INSERT INTO change_marks VALUES (NEW.seq, NEW.mark);
    RETURN NEW;
END
$$;

CREATE TRIGGER each_change_has_a_mark BEFORE UPDATE OF seq ON change_head FOR EACH ROW EXECUTE FUNCTION mark_change();
