//! What even a SQL prompt cannot do to SQLite: contract, section 5. What it can do to neither engine is tried beside
//! the store.

use serde_json::json;

use crate::support::{TestApp, minutes};

/// A server with a token in every state.
async fn app_with_every_state() -> TestApp {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    alice.create_token("active", &["read:users"]).await;
    let replaced = alice.create_token("replaced", &["read:users"]).await;
    alice.regenerate(&replaced.id).await;
    let revoked = alice.create_token("revoked", &["read:users"]).await;
    alice.revoke(&revoked.id).await;
    let brief = json!({"name": "expired", "scopes": ["read:users"], "expires_in": 60});
    let expired = alice.create_token_with(&brief).await;
    alice.log_in("alice").await;
    app.clock.advance(minutes(2));
    app.check("", &expired.secret).await.expect(401);
    app.app.usage.flush().await;
    app
}

/// What a guard says, and statements that it refuses. Their ids are not all that rows can push each other out by:
/// SQLite has numbers for them, too.
const GUARDS: &[(&str, &[&str])] = &[
    (
        "a revocation is final",
        &["UPDATE OR REPLACE tokens SET revoked_at = NULL, revoked_reason = NULL WHERE revoked_at IS NOT NULL"],
    ),
    (
        "tokens are never replaced",
        &["INSERT OR REPLACE INTO tokens
           SELECT id, owner_id, name, description, scopes, allowed_ips, created_at, NULL, NULL, last_used_at,
               last_used_ip, version, NULL
           FROM tokens WHERE revoked_at IS NOT NULL"],
    ),
    (
        "a new token gets a place of its own",
        &[
            "INSERT OR REPLACE INTO tokens
             SELECT randomblob(16), owner_id, name, description, scopes, allowed_ips, created_at, NULL, NULL,
                 last_used_at, last_used_ip, version, number
             FROM tokens WHERE revoked_at IS NOT NULL",
            "INSERT OR REPLACE INTO tokens (rowid, id, owner_id, name, description, scopes, allowed_ips, created_at)
             SELECT rowid, randomblob(16), owner_id, name, description, scopes, allowed_ips, created_at
             FROM tokens WHERE revoked_at IS NOT NULL",
        ],
    ),
    (
        "a token keeps its place",
        &[
            "UPDATE OR REPLACE tokens SET number = (SELECT number FROM tokens WHERE name = 'revoked')
             WHERE name = 'active'",
            "UPDATE OR REPLACE tokens SET rowid = (SELECT rowid FROM tokens WHERE name = 'revoked')
             WHERE name = 'active'",
        ],
    ),
    (
        "a secret keeps its place",
        &["UPDATE OR REPLACE secrets SET rowid = (SELECT max(rowid) FROM secrets WHERE state = 'ended')
           WHERE state = 'active'"],
    ),
    (
        "a new secret gets a place of its own",
        &["INSERT OR REPLACE INTO secrets (rowid, id, token_id, state, created_at, phc)
           SELECT max(rowid), '0123456789ABCDEF', (SELECT id FROM tokens WHERE name = 'active'), 'superseded',
               created_at, phc
           FROM secrets WHERE state = 'ended'"],
    ),
    (
        "secrets are never replaced",
        &[
            "INSERT OR REPLACE INTO secrets
             SELECT id, token_id, 'active', created_at, expires_at, NULL, NULL, NULL, phc, hmac, hmac_key_id,
                 last_used_at
             FROM secrets WHERE expired_at IS NOT NULL",
            "INSERT OR REPLACE INTO secrets
             SELECT id, token_id, 'superseded', created_at, expires_at, NULL, NULL, NULL, phc, hmac, hmac_key_id,
                 last_used_at
             FROM secrets WHERE state = 'ended' AND token_id = (SELECT id FROM tokens WHERE name = 'replaced')",
        ],
    ),
    ("a token has one current secret", &["UPDATE OR REPLACE secrets SET state = 'active' WHERE state = 'ended'"]),
    (
        "audit events are never replaced",
        &["INSERT OR REPLACE INTO audit_events
           SELECT seq, id, time, 'token.forged', actor_type, actor_id, on_behalf_of, object_type, object_id, result,
               reason, request_id, replica, version, changes, personal, prev_hash, hash
           FROM audit_events WHERE seq = 2"],
    ),
    ("audit events never change", &["UPDATE OR REPLACE audit_events SET seq = seq - 1 WHERE seq > 1"]),
    (
        "signing keys are never replaced",
        &["INSERT OR REPLACE INTO signing_keys
           SELECT kid, algorithm, public_jwk, zeroblob(60), created_at, signs_from, longest_ttl, NULL
           FROM signing_keys"],
    ),
    (
        "a new signing key gets a place of its own",
        &["INSERT OR REPLACE INTO signing_keys (rowid, kid, algorithm, public_jwk, sealed, created_at, signs_from, longest_ttl)
           SELECT rowid, hex(zeroblob(21)) || 'x', algorithm, public_jwk, sealed, created_at, signs_from, longest_ttl
           FROM signing_keys"],
    ),
    ("a signing key keeps its place", &["UPDATE signing_keys SET rowid = rowid + 1"]),
    (
        "users are never replaced",
        &[
            "INSERT OR REPLACE INTO users
             SELECT randomblob(16), issuer, subject, provider, username, email, roles, attributes, created_at,
                 last_login_at, NULL
             FROM users",
            "INSERT OR REPLACE INTO users
             SELECT id, issuer, 'somebody else', provider, username, email, roles, attributes, created_at,
                 last_login_at, NULL
             FROM users",
            "INSERT OR REPLACE INTO users (rowid, id, issuer, subject, provider, username, roles, attributes, created_at,
                 last_login_at)
             SELECT rowid, randomblob(16), issuer, 'somebody else', provider, username, roles, attributes, created_at,
                 last_login_at
             FROM users",
        ],
    ),
    (
        "a user keeps their place",
        &[
            "UPDATE OR REPLACE users SET rowid = (SELECT rowid FROM users WHERE username = 'bob')
             WHERE username = 'alice'",
            "UPDATE OR REPLACE users SET subject = (SELECT subject FROM users WHERE username = 'bob')
             WHERE username = 'alice'",
        ],
    ),
    (
        "the end of a session is final",
        &[
            "INSERT OR REPLACE INTO sessions
             SELECT id_hash, id, user_id, provider, provider_sid, auth_time, created_at, last_seen_at, NULL
             FROM sessions WHERE ended_at IS NOT NULL",
            "INSERT OR REPLACE INTO sessions
             SELECT randomblob(32), id, user_id, provider, provider_sid, auth_time, created_at, last_seen_at, NULL
             FROM sessions WHERE ended_at IS NOT NULL",
        ],
    ),
    (
        "a session keeps its place",
        &[
            "UPDATE OR REPLACE sessions SET rowid = (SELECT rowid FROM sessions WHERE ended_at IS NOT NULL)
             WHERE ended_at IS NULL",
            "UPDATE OR REPLACE sessions SET id_hash = (SELECT id_hash FROM sessions WHERE ended_at IS NOT NULL)
             WHERE ended_at IS NULL",
        ],
    ),
];

#[tokio::test]
async fn rows_cannot_be_replaced_around_the_triggers() {
    let app = app_with_every_state().await;
    app.browser_of("bob").await;
    let mut database = app.database().await;
    database.execute("DELETE FROM audit_personal").await.unwrap();
    // As at a prompt, where rows that others refer to are not kept by that alone.
    database.execute("PRAGMA foreign_keys = OFF").await.unwrap();
    let before = database.dump().await;
    for (guard, statements) in GUARDS {
        for statement in *statements {
            // By that guard: what has a mistake, or meets another rule on its way, proves nothing.
            let refusal = database.execute(statement).await.expect_err(statement);
            assert!(refusal.ends_with(guard), "{statement}: {refusal}");
            assert_eq!(database.dump().await, before, "{statement}");
        }
    }
}

#[tokio::test]
async fn a_revocation_by_hand_ends_the_secrets_too() {
    let app = TestApp::new().await;
    let token = app.token_of_alice(&["read:users"]).await;
    app.execute("UPDATE tokens SET revoked_at = 1").await;
    assert_eq!(app.value("SELECT state FROM secrets").await, "ended");
    app.check("", &token.secret).await.problem(401);
}

#[tokio::test]
async fn what_is_only_noted_may_be_noted_again() {
    let app = app_with_every_state().await;
    for statement in [
        "UPDATE tokens SET name = 'new', last_used_at = 5 WHERE name = 'active'",
        "UPDATE secrets SET hmac = NULL, hmac_key_id = NULL",
        "UPDATE secrets SET last_used_at = 5",
        "DELETE FROM audit_personal",
    ] {
        assert!(app.execute(statement).await > 0, "{statement}");
    }
}
