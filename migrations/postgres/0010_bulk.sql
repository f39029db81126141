-- Who ends many tokens step by step goes on behind those that have ended.
CREATE INDEX tokens_unrevoked ON tokens (created_at DESC, id) WHERE revoked_at IS NULL;

-- What nobody uses any more is mostly revoked already.
CREATE INDEX tokens_unrevoked_by_last_use ON tokens (coalesce(last_used_at, created_at), id) WHERE revoked_at IS NULL;
