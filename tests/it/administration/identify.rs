//! "Whose token is this?"

use serde_json::{Value, json};

use super::administrator;
use crate::support::{Browser, TestApp};

async fn identify(admin: &Browser, text: &str) -> Value {
    admin.api_json("POST", "/api/v1/admin/identify", &json!({"token": text})).await.expect(200).json()
}

#[tokio::test]
async fn a_token_is_recognised_whole_in_a_log_line_and_by_its_ids() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let token = alice.create_token("lost", &["read:users"]).await;
    let secret_id = token.token["secrets"][0]["id"].as_str().unwrap();
    let admin = administrator(&app).await;
    for text in [
        token.secret.clone(),
        format!("10:32 curl -H 'Authorization: Bearer {}' failed", token.secret),
        format!("{}X", &token.secret[..70]),
        secret_id.to_owned(),
    ] {
        let found = identify(&admin, &text).await;
        assert_eq!((&found["found"], &found["token"]["id"]), (&json!(true), &json!(token.id)), "{text}");
        assert_eq!((&found["secret_id"], &found["secret_state"]), (&json!(secret_id), &json!("active")));
        assert_eq!(found["owner"]["username"], "alice");
        assert!(!found.to_string().contains(&token.secret[21..]), "{found}");
    }
    let by_id = identify(&admin, &format!("X-Auth-Token-Id: {}", token.id)).await;
    assert_eq!((&by_id["found"], &by_id["secret_id"]), (&json!(true), &json!(null)));
    alice.regenerate(&token.id).await;
    assert_eq!(identify(&admin, &token.secret).await["secret_state"], "ended");
}

#[tokio::test]
async fn what_names_no_token_is_found_nowhere() {
    let app = TestApp::new().await;
    let admin = administrator(&app).await;
    let forged = "hpat_0123456789ABCDEF_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ4Nu9rC";
    let nothing = json!({"found": false, "token": null, "secret_id": null, "secret_state": null, "owner": null});
    for text in ["", "hello", forged] {
        assert_eq!(identify(&admin, text).await, nothing);
    }
}

#[tokio::test]
async fn the_pasted_text_is_kept_nowhere() {
    let app = TestApp::new().await;
    let token = app.token_of_alice(&["read:users"]).await;
    let admin = administrator(&app).await;
    let before = app.dump().await;
    identify(&admin, &format!("note to self {}", token.secret)).await;
    assert_eq!(app.dump().await, before);
}
