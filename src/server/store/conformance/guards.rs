//! What even a SQL prompt cannot do. Each guard has to say so itself: a statement with a mistake is refused as well,
//! and one that meets another rule on its way proves nothing.

use super::*;
use crate::domain::signing::Algorithm;

/// What a guard says, and statements that it refuses.
type Guard = (&'static str, &'static [&'static str]);

const REVIVE_TOKEN: &str = "
    INSERT INTO tokens (id, owner_id, name, description, scopes, allowed_ips, created_at)
    SELECT id, owner_id, name, description, scopes, allowed_ips, created_at FROM tokens WHERE name = 'revoked'
    ON CONFLICT (id) DO UPDATE SET revoked_at = NULL, revoked_reason = NULL";
const REVIVE_SECRET: &str = "
    INSERT INTO secrets (id, token_id, state, created_at, phc)
    SELECT id, token_id, state, created_at, phc FROM secrets WHERE expired_at IS NOT NULL
    ON CONFLICT (id) DO UPDATE SET expired_at = NULL";
const FORGE_EVENT: &str = "
    INSERT INTO audit_events SELECT * FROM audit_events WHERE seq = 1
    ON CONFLICT (seq) DO UPDATE SET action = 'token.forged'";
const FORGE_KEY: &str = "
    INSERT INTO signing_keys SELECT * FROM signing_keys WHERE withdrawn_at IS NULL
    ON CONFLICT (kid) DO UPDATE SET public_jwk = '[]'";

const COME_FIRST: &str = "
    INSERT INTO audit_events
    SELECT 0, (SELECT id FROM tokens WHERE name = 'active'), time, action, actor_type, actor_id, on_behalf_of, object_type,
        object_id, result, reason, request_id, replica, version, changes, personal, prev_hash, hash
    FROM audit_events WHERE seq = 1";

const ON_EITHER: &[Guard] = &[
    ("users are erased, never deleted", &["DELETE FROM users", "DELETE FROM users WHERE username = 'bob'"]),
    ("ids of users never change", &["UPDATE users SET id = (SELECT id FROM tokens WHERE name = 'active')"]),
    ("tokens are never deleted", &["DELETE FROM tokens", "DELETE FROM tokens WHERE name = 'active'"]),
    (
        "a revocation is final",
        &[
            "UPDATE tokens SET revoked_at = NULL, revoked_reason = NULL WHERE name = 'revoked'",
            "UPDATE tokens SET revoked_at = revoked_at + 1 WHERE name = 'revoked'",
        ],
    ),
    (
        "id, owner and creation of a token never change",
        &[
            "UPDATE tokens SET id = owner_id WHERE name = 'active'",
            "UPDATE tokens SET owner_id = id",
            "UPDATE tokens SET created_at = 1",
        ],
    ),
    ("secrets are never deleted", &["DELETE FROM secrets", "DELETE FROM secrets WHERE state = 'ended'"]),
    (
        "the end of a secret is final",
        &[
            "UPDATE secrets SET state = 'active', ended_at = NULL
             WHERE token_id = (SELECT id FROM tokens WHERE name = 'revoked')",
            "UPDATE secrets SET state = 'superseded', ended_at = NULL WHERE state = 'ended'",
            "UPDATE secrets SET ended_at = ended_at + 1 WHERE state = 'ended'",
        ],
    ),
    (
        "an observed expiry is final",
        &[
            "UPDATE secrets SET expired_at = NULL WHERE expired_at IS NOT NULL",
            "UPDATE secrets SET expired_at = expired_at + 1 WHERE expired_at IS NOT NULL",
        ],
    ),
    (
        "id, token, creation, expiry and proof of a secret never change",
        &[
            "UPDATE secrets SET id = '0123456789ABCDEF' WHERE state = 'active'",
            "UPDATE secrets SET token_id = (SELECT id FROM tokens WHERE name = 'active') WHERE state = 'ended'",
            "UPDATE secrets SET created_at = created_at + 1",
            "UPDATE secrets SET expires_at = expires_at + 1 WHERE state = 'active'",
            "UPDATE secrets SET expires_at = NULL",
            "UPDATE secrets SET phc = phc || 'x'",
        ],
    ),
    (
        "a revoked token gets no new secret",
        &["INSERT INTO secrets (id, token_id, state, created_at, phc)
           SELECT '0123456789ABCDEF', token_id, 'active', created_at, phc
           FROM secrets WHERE token_id = (SELECT id FROM tokens WHERE name = 'revoked')"],
    ),
    (
        "the end of a session is final",
        &[
            "UPDATE sessions SET ended_at = NULL WHERE ended_at IS NOT NULL",
            "UPDATE sessions SET last_seen_at = last_seen_at + 1 WHERE ended_at IS NOT NULL",
            "INSERT INTO sessions SELECT * FROM sessions WHERE ended_at IS NOT NULL
             ON CONFLICT (id_hash) DO UPDATE SET ended_at = NULL",
        ],
    ),
    (
        "audit events are never deleted",
        &["DELETE FROM audit_events", "DELETE FROM audit_events WHERE seq = (SELECT max(seq) FROM audit_events)"],
    ),
    (
        "audit events never change",
        &[
            "UPDATE audit_events SET action = 'token.edited'",
            "UPDATE audit_events SET time = time + 1 WHERE seq = 1",
            "UPDATE audit_events SET hash = prev_hash",
        ],
    ),
    (
        "personal values are removed, never changed",
        &[
            "UPDATE audit_personal SET value = 'mallory'",
            "INSERT INTO audit_personal SELECT * FROM audit_personal WHERE TRUE
             ON CONFLICT (seq, field) DO UPDATE SET value = 'mallory'",
        ],
    ),
    (
        "events are never taken away from users",
        &[
            "DELETE FROM audit_of_users",
            "UPDATE audit_of_users SET seq = seq + 1",
            "UPDATE audit_of_users SET user_id = (SELECT id FROM tokens WHERE name = 'active')",
            "INSERT INTO audit_of_users SELECT * FROM audit_of_users WHERE TRUE
             ON CONFLICT (user_id, seq) DO UPDATE SET seq = excluded.seq + 1",
        ],
    ),
    ("signing keys are never deleted", &["DELETE FROM signing_keys"]),
    (
        "name, algorithm, public half and times of a signing key never change",
        &[
            "UPDATE signing_keys SET kid = algorithm WHERE withdrawn_at IS NULL",
            "UPDATE signing_keys SET algorithm = 'RS256' WHERE withdrawn_at IS NULL",
            "UPDATE signing_keys SET public_jwk = '[]' WHERE withdrawn_at IS NULL",
            "UPDATE signing_keys SET signs_from = signs_from + 1 WHERE withdrawn_at IS NULL",
        ],
    ),
    (
        "the withdrawal of a signing key is final",
        &[
            "UPDATE signing_keys SET withdrawn_at = withdrawn_at + 1 WHERE withdrawn_at IS NOT NULL",
            "UPDATE signing_keys
             SET withdrawn_at = NULL, sealed = (SELECT sealed FROM signing_keys WHERE withdrawn_at IS NULL)
             WHERE withdrawn_at IS NOT NULL",
        ],
    ),
];

/// Rows that are in the way of others are asked for before anything else.
const ON_SQLITE: &[Guard] = &[
    ("tokens are never replaced", &[REVIVE_TOKEN]),
    ("secrets are never replaced", &[REVIVE_SECRET]),
    ("audit events are never replaced", &[FORGE_EVENT]),
    ("signing keys are never replaced", &[FORGE_KEY]),
    ("audit events begin with number 1", &[COME_FIRST]),
];

/// Who truncates a table asks no trigger for rows.
const ON_POSTGRES: &[Guard] = &[
    ("a revocation is final", &[REVIVE_TOKEN]),
    ("an observed expiry is final", &[REVIVE_SECRET]),
    ("audit events never change", &[FORGE_EVENT]),
    ("name, algorithm, public half and times of a signing key never change", &[FORGE_KEY]),
    ("events_begin_with_one", &[COME_FIRST]),
    ("users are erased, never deleted", &["TRUNCATE users CASCADE"]),
    ("tokens are never deleted", &["TRUNCATE tokens CASCADE"]),
    ("secrets are never deleted", &["TRUNCATE secrets"]),
    ("audit events are never deleted", &["TRUNCATE audit_events CASCADE"]),
    ("events are never taken away from users", &["TRUNCATE audit_of_users"]),
    ("signing keys are never deleted", &["TRUNCATE signing_keys"]),
    ("the number of the last change is never deleted", &["DELETE FROM change_head", "TRUNCATE change_head"]),
    ("the number of the last change only grows", &["UPDATE change_head SET seq = -1"]),
];

/// What a statement is refused with.
async fn refusal(store: &Store, statement: &'static str) -> String {
    query(statement).execute(store.db.writer()).await.expect_err(statement).to_string()
}

/// Somebody with a token in every state, a session that goes on and another one that has ended.
async fn somebody_with_everything(store: &Store) -> UserId {
    let owner = store.log_in("alice", &[]).await;
    store.log_in("bob", &[]).await;
    query("UPDATE sessions SET ended_at = created_at").execute(store.db.writer()).await.unwrap();
    store.log_in("alice", &[]).await;
    let add = async |name: &str| {
        let secret = store.new_secret(Some(LATER), 10);
        (store.add(owner, name, &secret).await.0, secret.id)
    };
    add("active").await;
    let (replaced, _) = add("replaced").await;
    let (revoked, _) = add("revoked").await;
    let (_, expired) = add("expired").await;
    let new = store.new_secret(Some(LATER), 10);
    store.db.regenerate_token(replaced, 1, &new, &event(Action::TokenRegenerated), NOW).await.unwrap();
    store.db.revoke_token(revoked, Some("lost"), None, &event(Action::TokenRevoked), NOW).await.unwrap();
    store.db.latch_expiry(expired, LATER).await.unwrap();
    let (alice, token) = (Party::user(owner, "alice"), Party::token(revoked.id, "revoked"));
    let named = Draft::new(Action::TokenEdited, alice, token, &Origin::default());
    store.db.record(&named.about(owner), NOW).await.unwrap();
    owner
}

/// Two signing keys, of which the first is withdrawn.
async fn signing_keys(store: &Store) {
    let kids = ["1", "2"].map(|digit| digit.repeat(43));
    for kid in &kids {
        let (algorithm, ttl) = (Algorithm::EdDsa, Duration::from_mins(1));
        let key = NewSigningKey { kid, algorithm, public_jwk: "{}", sealed: &[7; 60], ttl };
        let draft = |_: &_| event(Action::KeyRotated);
        assert!(store.db.add_signing_key(&key, |_| Some(NOW), draft, NOW).await.unwrap());
    }
    store.db.withdraw_signing_key(&kids[0], &event(Action::KeyWithdrawn), NOW).await.unwrap();
}

/// What guards keep, as text.
async fn kept(store: &Store, owner: UserId) -> String {
    let tokens = store.db.list_tokens(&TokenPage { owner, search: "", after: None, limit: 99 }).await.unwrap();
    let began = Timestamp::from_seconds(0);
    let sessions = store.db.list_sessions(owner, began, began).await.unwrap();
    let log = store.db.list_log(&LogFilter::default(), None, 99).await.unwrap();
    let theirs = store.db.list_log(&LogFilter { user: Some(owner), ..LogFilter::default() }, None, 99).await.unwrap();
    let keys = store.db.list_signing_keys().await.unwrap();
    let keys: Vec<_> = keys.iter().map(|key| (&key.facts, &key.sealed)).collect();
    format!("{tokens:?} {sessions:?} {log:?} {theirs:?} {keys:?}")
}

pub async fn what_is_final_cannot_be_undone_by_hand(store: Store) {
    let owner = somebody_with_everything(&store).await;
    signing_keys(&store).await;
    let others = if store.db.is_shared() {
        ON_POSTGRES
    } else {
        // As at a prompt, where rows that others refer to are not kept by that alone.
        query("PRAGMA foreign_keys = OFF").execute(store.db.writer()).await.unwrap();
        ON_SQLITE
    };
    let before = kept(&store, owner).await;
    for (guard, statements) in ON_EITHER.iter().chain(others) {
        for statement in *statements {
            let refusal = refusal(&store, statement).await;
            assert!(refusal.contains(guard), "{statement}: {refusal}");
            assert_eq!(kept(&store, owner).await, before, "{statement}");
        }
    }
}

pub async fn a_signing_key_is_withdrawn_together_with_its_private_half(store: Store) {
    signing_keys(&store).await;
    for statement in [
        "UPDATE signing_keys SET withdrawn_at = 1 WHERE sealed IS NOT NULL",
        "UPDATE signing_keys SET sealed = NULL WHERE sealed IS NOT NULL",
    ] {
        let refusal = refusal(&store, statement).await.to_lowercase();
        assert!(refusal.contains("check constraint"), "{statement}: {refusal}");
    }
}
