//! What even a SQL prompt cannot do: contract, section 5.

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

#[tokio::test]
async fn what_is_final_cannot_be_undone_by_hand() {
    let app = app_with_every_state().await;
    let mut database = app.database().await;
    // As at a prompt: the guards alone have to do it.
    database.execute("PRAGMA foreign_keys = OFF").await.unwrap();
    let before = database.dump().await;
    let active = "(SELECT id FROM tokens WHERE name = 'active')";
    let revoked = "(SELECT id FROM tokens WHERE name = 'revoked')";
    let another = |token: &str| {
        format!(
            "INSERT INTO secrets (id, token_id, state, created_at, phc) \
             VALUES ('0123456789ABCDEF', {token}, 'active', 1, '{}')",
            "x".repeat(60)
        )
    };
    let statements = [
        "DELETE FROM tokens".to_owned(),
        format!("DELETE FROM tokens WHERE id = {active}"),
        "DELETE FROM secrets".to_owned(),
        "DELETE FROM secrets WHERE state = 'ended'".to_owned(),
        "DELETE FROM users".to_owned(),
        "DELETE FROM audit_events".to_owned(),
        "DELETE FROM audit_events WHERE seq = (SELECT max(seq) FROM audit_events)".to_owned(),
        "UPDATE tokens SET revoked_at = NULL, revoked_reason = NULL WHERE revoked_at IS NOT NULL".to_owned(),
        "UPDATE tokens SET revoked_at = revoked_at + 1 WHERE revoked_at IS NOT NULL".to_owned(),
        "UPDATE tokens SET id = randomblob(16)".to_owned(),
        "UPDATE tokens SET created_at = 1".to_owned(),
        "UPDATE tokens SET owner_id = randomblob(16)".to_owned(),
        "UPDATE secrets SET state = 'active', ended_at = NULL WHERE state = 'ended'".to_owned(),
        "UPDATE secrets SET state = 'superseded', ended_at = NULL WHERE state = 'ended'".to_owned(),
        "UPDATE secrets SET ended_at = ended_at + 1 WHERE state = 'ended'".to_owned(),
        "UPDATE secrets SET expired_at = NULL WHERE expired_at IS NOT NULL".to_owned(),
        "UPDATE secrets SET expired_at = expired_at + 1 WHERE expired_at IS NOT NULL".to_owned(),
        "UPDATE secrets SET expires_at = expires_at + 1 WHERE state = 'active'".to_owned(),
        "UPDATE secrets SET expires_at = NULL".to_owned(),
        "UPDATE secrets SET created_at = created_at + 1".to_owned(),
        "UPDATE secrets SET phc = phc || 'x'".to_owned(),
        "UPDATE secrets SET id = '0123456789ABCDEF' WHERE state = 'active'".to_owned(),
        format!("UPDATE secrets SET token_id = {active} WHERE token_id <> {active}"),
        another(active),
        another(revoked),
        "UPDATE audit_events SET action = 'token.edited'".to_owned(),
        "UPDATE audit_events SET time = time + 1 WHERE seq = 1".to_owned(),
        "UPDATE audit_events SET hash = zeroblob(32)".to_owned(),
        "UPDATE audit_personal SET value = 'mallory'".to_owned(),
        "DELETE FROM audit_of_users".to_owned(),
        "UPDATE audit_of_users SET user_id = randomblob(16)".to_owned(),
        "UPDATE sessions SET ended_at = NULL WHERE ended_at IS NOT NULL".to_owned(),
        "UPDATE sessions SET last_seen_at = last_seen_at + 1 WHERE ended_at IS NOT NULL".to_owned(),
    ];
    for statement in statements {
        assert!(database.execute(&statement).await.is_err(), "{statement}");
        assert_eq!(database.dump().await, before, "{statement}");
    }
}

#[tokio::test]
async fn rows_cannot_be_replaced_around_the_triggers() {
    let app = app_with_every_state().await;
    let mut database = app.database().await;
    database.execute("DELETE FROM audit_personal").await.unwrap();
    // As at a prompt, where rows that others refer to are not kept by that alone.
    database.execute("PRAGMA foreign_keys = OFF").await.unwrap();
    let before = database.dump().await;
    let mut changed = Vec::new();
    for statement in [
        "UPDATE OR REPLACE tokens SET revoked_at = NULL, revoked_reason = NULL WHERE revoked_at IS NOT NULL",
        "INSERT OR REPLACE INTO tokens SELECT id, owner_id, name, description, scopes, allowed_ips, created_at, NULL, NULL, \
         last_used_at, last_used_ip, version, NULL FROM tokens WHERE revoked_at IS NOT NULL",
        "INSERT OR REPLACE INTO tokens SELECT randomblob(16), owner_id, name, description, scopes, allowed_ips, created_at, \
         NULL, NULL, last_used_at, last_used_ip, version, number FROM tokens WHERE revoked_at IS NOT NULL",
        "INSERT OR REPLACE INTO tokens (rowid, id, owner_id, name, description, scopes, allowed_ips, created_at) \
         SELECT rowid, randomblob(16), owner_id, name, description, scopes, allowed_ips, created_at \
         FROM tokens WHERE revoked_at IS NOT NULL",
        "UPDATE OR REPLACE tokens SET number = (SELECT number FROM tokens WHERE name = 'revoked') WHERE name = 'active'",
        "UPDATE OR REPLACE tokens SET rowid = (SELECT rowid FROM tokens WHERE name = 'revoked') WHERE name = 'active'",
        "UPDATE OR REPLACE secrets SET rowid = (SELECT max(rowid) FROM secrets WHERE state = 'ended') WHERE state = 'active'",
        "INSERT OR REPLACE INTO secrets (rowid, id, token_id, state, created_at, phc) \
         SELECT max(rowid), '0123456789ABCDEF', (SELECT id FROM tokens WHERE name = 'active'), 'superseded', created_at, phc \
         FROM secrets WHERE state = 'ended'",
        "INSERT OR REPLACE INTO secrets SELECT id, token_id, 'active', created_at, expires_at, NULL, NULL, NULL, phc, hmac, \
         hmac_key_id, last_used_at FROM secrets WHERE expired_at IS NOT NULL",
        "INSERT OR REPLACE INTO secrets SELECT id, token_id, 'superseded', created_at, expires_at, NULL, NULL, NULL, phc, \
         hmac, hmac_key_id, last_used_at FROM secrets WHERE state = 'ended' \
         AND token_id = (SELECT id FROM tokens WHERE name = 'replaced')",
        "INSERT OR REPLACE INTO audit_events SELECT seq, id, time, 'token.forged', actor_type, actor_id, on_behalf_of, \
         object_type, object_id, result, reason, request_id, replica, version, changes, personal, prev_hash, hash \
         FROM audit_events WHERE seq = 2",
        "UPDATE OR REPLACE audit_events SET seq = seq - 1 WHERE seq > 1",
        "UPDATE OR REPLACE secrets SET state = 'active' WHERE state = 'ended'",
    ] {
        database.execute("BEGIN").await.unwrap();
        // Whatever refuses it, it must be understood: what has a mistake proves nothing.
        if let Err(complaint) = database.execute(statement).await {
            let is_mistaken = ["columns", "syntax", "no such"].iter().any(|word| complaint.contains(word));
            assert!(!is_mistaken, "{statement}: {complaint}");
        }
        if database.dump().await != before {
            changed.push(statement);
        }
        database.execute("ROLLBACK").await.unwrap();
    }
    assert!(changed.is_empty(), "{changed:#?}");
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
