//! Ending many tokens at once.

use hallpass::server::service::admin::BULK_MAX;
use serde_json::{Value, json};

use super::administrator;
use crate::support::{Answer, TestApp, form, minutes};

const PATH: &str = "/api/v1/admin/tokens/revoke";

fn ask(filter: &Value, dry_run: bool) -> Value {
    json!({"filter": filter, "reason": "owner_left", "dry_run": dry_run})
}

#[tokio::test]
async fn a_dry_run_counts_what_the_real_one_ends() {
    let app = TestApp::new().await;
    let bob = app.browser_of("bob").await;
    let mut tokens = Vec::new();
    for index in 0..3 {
        tokens.push(bob.create_token(&format!("t{index}"), &["read:users"]).await);
    }
    let kept = app.token_of_alice(&["read:users"]).await;
    let admin = administrator(&app).await;
    let filter = json!({"user": "bob"});
    let dry = admin.api_json("POST", PATH, &ask(&filter, true)).await.expect(200).json();
    assert_eq!(dry, json!({"matched": 3, "revoked": 0}));
    for token in &tokens {
        app.check("", &token.secret).await.expect(200);
    }
    let before = app.actions().await.len();
    let real = admin.api_json("POST", PATH, &ask(&filter, false)).await.expect(200).json();
    assert_eq!(real, json!({"matched": 3, "revoked": 3}));
    for token in &tokens {
        app.check("", &token.secret).await.expect(401);
    }
    app.check("", &kept.secret).await.expect(200);
    assert_eq!(app.actions().await[before..], ["token.revoked"; 3]);
    let again = admin.api_json("POST", PATH, &ask(&filter, false)).await.expect(200).json();
    assert_eq!(again, json!({"matched": 0, "revoked": 0}));
}

#[tokio::test]
async fn only_as_many_end_as_were_confirmed() {
    let app = TestApp::new().await;
    let bob = app.browser_of("bob").await;
    bob.create_token("t0", &["read:users"]).await;
    let admin = administrator(&app).await;
    let id =
        admin.get("/api/v1/admin/tokens?user=bob").await.json()["items"][0]["owner"]["id"].as_str().unwrap().to_owned();
    let form = |confirm| [("user", id.as_str()), ("reason", "policy"), ("confirm", confirm)];
    // Another one was made since the page was shown.
    bob.create_token("t1", &["read:users"]).await;
    let ended = "SELECT count(*) FROM tokens WHERE revoked_at IS NOT NULL";
    for wrong in ["1", "", "two", "3", "-2"] {
        let page = admin.post_form("/admin/tokens/revoke", &form(wrong)).await.expect(422);
        assert!(page.body.contains("the number of tokens that would end now: 2"), "{wrong}: {page}");
        assert_eq!(app.value(ended).await, "0");
    }
    admin.post_form("/admin/tokens/revoke", &form("2")).await.expect(303);
    assert_eq!(app.value(ended).await, "2");
    app.clock.advance(minutes(16));
    let stale = [
        admin.get(&format!("/admin/tokens/revoke?user={id}")).await,
        admin.post_form("/admin/tokens/revoke", &form("0")).await,
    ];
    for page in stale {
        assert!(page.status == 403 && page.body.contains("needs a recent one"), "{page}");
    }
}

/// What a page sends along without showing it.
fn hidden(page: &Answer, name: &str) -> String {
    page.between(&format!("name=\"{name}\" value=\""), "\"").to_owned()
}

#[tokio::test]
async fn only_those_end_that_were_shown() {
    let app = TestApp::new().await;
    let bob = app.browser_of("bob").await;
    let seen = bob.create_token("seen", &["read:users"]).await;
    let admin = administrator(&app).await;
    let page = admin.get("/admin/tokens/revoke?scope=read%3Ausers").await.expect(200);
    let shown_first = hidden(&page, "shown");
    let post = async |shown: &str| {
        let form = [("scope", "read:users"), ("reason", "policy"), ("confirm", "1"), ("shown", shown)];
        admin.post_form("/admin/tokens/revoke", &form).await
    };
    // One leaves and another comes: there are still as many.
    bob.api_json("POST", &format!("/api/v1/tokens/{}/revoke", seen.id), &json!({})).await.expect(204);
    let unseen = bob.create_token("unseen", &["read:users"]).await;
    let page = post(&shown_first).await.expect(422);
    assert!(page.body.contains("other tokens than those that you were shown"), "{page}");
    app.check("", &unseen.secret).await.expect(200);
    // The page shows them now.
    assert!(page.words().contains("unseen") && hidden(&page, "shown") != shown_first, "{page}");
    post(&hidden(&page, "shown")).await.expect(303);
    app.check("", &unseen.secret).await.expect(401);
}

#[tokio::test]
async fn every_key_of_a_filter_narrows_it() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let first = alice.create_token("first", &["read:users"]).await;
    app.clock.advance(minutes(60));
    alice.log_in("alice").await.create_token("second", &["read:reports"]).await;
    app.clock.advance(minutes(10));
    let admin = administrator(&app).await;
    for (filter, matched) in [
        (json!({"ids": [first.id]}), 1),
        (json!({"ids": []}), 0),
        (json!({"q": "second"}), 1),
        (json!({"state": "active"}), 2),
        (json!({"state": "expired"}), 0),
        (json!({"scope": "read:reports"}), 1),
        (json!({"created_before": "30m"}), 1),
        (json!({"unused_since": "30m"}), 1),
        (json!({"user": "alice", "q": "second", "scope": "read:users"}), 0),
    ] {
        let dry = admin.api_json("POST", PATH, &ask(&filter, true)).await.expect(200).json();
        assert_eq!(dry["matched"], matched, "{filter}");
    }
}

#[tokio::test]
async fn a_wish_that_is_not_clear_ends_nothing() {
    let app = TestApp::new().await;
    let token = app.token_of_alice(&["read:users"]).await;
    let admin = administrator(&app).await;
    for (body, field) in [
        (json!({"filter": {}, "reason": "leaked"}), "filter"),
        (json!({"filter": {"q": ""}, "reason": "leaked"}), "filter"),
        (json!({"filter": {"owner": "alice"}, "reason": "leaked"}), "filter.owner"),
        (json!({"filter": {"user": "alice"}, "reason": ""}), "reason"),
        (json!({"filter": {"user": "alice"}}), "reason"),
        (json!({"reason": "leaked"}), "filter"),
        (json!({"filter": {"ids": ["x"]}, "reason": "leaked"}), "ids"),
        (json!({"filter": {"ids": "x"}, "reason": "leaked"}), "filter.ids"),
        (json!({"filter": {"state": "good"}, "reason": "leaked"}), "state"),
        (json!({"filter": {"user": "alice"}, "reason": "leaked", "dry": true}), "dry"),
    ] {
        let refused = admin.api_json("POST", PATH, &body).await.problem(422);
        assert_eq!(refused["errors"][0]["field"], field, "{body}");
    }
    app.check("", &token.secret).await.expect(200);
}

#[tokio::test]
async fn an_old_login_is_not_enough() {
    let app = TestApp::new().await;
    let token = app.token_of_alice(&["read:users"]).await;
    let admin = administrator(&app).await;
    app.clock.advance(minutes(16));
    for dry_run in [true, false] {
        let refused = admin.api_json("POST", PATH, &ask(&json!({"user": "alice"}), dry_run)).await.problem(403);
        assert!(refused["login_url"].as_str().unwrap().contains("fresh=1"), "{refused}");
    }
    app.check("", &token.secret).await.expect(200);
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_done() {
    let app = TestApp::new().await;
    let token = app.token_of_alice(&["read:users"]).await;
    let admin = administrator(&app).await;
    app.break_audit().await;
    admin.api_json("POST", PATH, &ask(&json!({"user": "alice"}), false)).await.problem(503);
    app.check("", &token.secret).await.expect(200);
    app.mend_audit().await;
    admin.api_json("POST", PATH, &ask(&json!({"user": "alice"}), false)).await.expect(200);
    app.check("", &token.secret).await.expect(401);
}

/// Gives alice and bob so many tokens together.
async fn many(app: &TestApp, count: usize) {
    let owners = [app.browser_of("alice").await, app.browser_of("bob").await];
    for index in 0..count {
        owners[index % 2].create_token("many", &["read:users"]).await;
    }
}

#[tokio::test]
async fn whoever_loses_the_right_in_the_middle_ends_no_more() {
    for loss in [
        "UPDATE users SET disabled_at = 1 WHERE username = 'admin'",
        "UPDATE users SET roles = '[]' WHERE username = 'admin'",
        "UPDATE sessions SET ended_at = 1 WHERE user_id = (SELECT id FROM users WHERE username = 'admin')",
    ] {
        let app = TestApp::new().await;
        many(&app, 52).await;
        let admin = administrator(&app).await;
        app.execute(&format!(
            "CREATE TRIGGER in_the_middle AFTER UPDATE OF revoked_at ON tokens
            WHEN (SELECT count(*) FROM tokens WHERE revoked_at IS NOT NULL) = 50 BEGIN {loss}; END"
        ))
        .await;
        let stopped = admin.api_json("POST", PATH, &ask(&json!({"q": "many"}), false)).await.problem(503);
        assert!(stopped["detail"].as_str().unwrap().contains("50 of 52 tokens are revoked"), "{loss}: {stopped}");
        assert_eq!(app.value("SELECT count(*) FROM tokens WHERE revoked_at IS NOT NULL").await, "50", "{loss}");
    }
}

#[tokio::test]
async fn what_begins_with_a_letter_of_a_search_by_chance_does_not_end() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let token = alice.create_token("nightly", &["read:users"]).await;
    let admin = administrator(&app).await;
    let id = token.secret_id();
    for text in [&id[..1], &id[..2], &id.to_ascii_lowercase()[..1]] {
        if ["nightly", "alice"].iter().any(|word| word.contains(&text.to_ascii_lowercase())) {
            continue;
        }
        for filter in [json!({"user": "alice", "q": text}), json!({"state": "active", "q": text})] {
            let dry = admin.api_json("POST", PATH, &ask(&filter, true)).await.expect(200).json();
            assert_eq!(dry["matched"], 0, "{filter}");
        }
    }
    let whole = json!({"user": "alice", "q": &id[..3]});
    let dry = admin.api_json("POST", PATH, &ask(&whole, true)).await.expect(200).json();
    assert_eq!(dry["matched"], 1);
}

#[tokio::test]
async fn a_text_with_a_nul_is_refused_beside_its_field() {
    let app = TestApp::new().await;
    let admin = administrator(&app).await;
    for field in ["q", "user", "scope"] {
        let refused = admin.api_json("POST", PATH, &ask(&json!({field: "a\0"}), true)).await.problem(422);
        assert_eq!(refused["errors"][0]["field"], field);
        let page = admin.get(&format!("/admin/tokens/revoke?{field}=abc%00d")).await.expect(422);
        assert!(page.words().contains("NUL"), "{page}");
        let form = [(field, "abc\0d"), ("reason", "policy"), ("confirm", "0")];
        admin.post_form("/admin/tokens/revoke", &form).await.expect(422);
    }
}

#[tokio::test]
async fn what_is_wrong_with_chosen_ids_is_said() {
    let app = TestApp::new().await;
    let admin = administrator(&app).await;
    let id = "41cef11a-bec4-45e9-fd87-33cde4ae0e0b";
    for (ids, said) in [(vec!["x"], "Please give ids of tokens."), (vec![id; 1_001], "at most 1,000 ids")] {
        let fields: Vec<_> = ids.into_iter().map(|id| ("id", id)).chain([("list", "q=batch")]).collect();
        let page = admin.post_form("/admin/tokens/revoke", &fields).await.expect(422);
        assert!(page.words().contains(said), "{page}");
        assert_eq!(page.link("/admin/tokens?"), "/admin/tokens?q=batch");
    }
}

/// As many tokens of one owner as one step ends, and more.
async fn swarm(app: &TestApp, more: usize) {
    let bob = app.browser_of("bob").await;
    let first = bob.create_token("swarm", &["read:users"]).await;
    let copies = BULK_MAX + more - 1;
    app.execute(&format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {copies})
        INSERT INTO tokens (id, owner_id, name, description, scopes, allowed_ips, created_at)
        SELECT randomblob(16), owner_id, 'swarm ' || i, '', scopes, allowed_ips, created_at - i FROM tokens, n
        WHERE id = unhex(replace('{id}', '-', ''))",
        id = first.id
    ))
    .await;
    app.execute(
        "INSERT INTO secrets (id, token_id, state, created_at, expires_at, phc)
        SELECT substr(lower(hex(t.id)), 1, 16), t.id, 'active', t.created_at, s.expires_at, s.phc
        FROM tokens t, (SELECT * FROM secrets LIMIT 1) s WHERE t.id NOT IN (SELECT token_id FROM secrets)",
    )
    .await;
}

#[tokio::test]
async fn one_step_ends_two_thousand_and_says_that_there_are_more() {
    let app = TestApp::new().await;
    swarm(&app, 3).await;
    let admin = administrator(&app).await;
    let ended = async || app.value("SELECT count(*) FROM tokens WHERE revoked_at IS NOT NULL").await;
    for filter in ["q=swarm", "state=active"] {
        let page = admin.get(&format!("/admin/tokens/revoke?{filter}")).await.expect(200).words();
        let more = "More than 2,000 tokens match. One step revokes at most that many; repeat it for the others.";
        assert!(page.contains(more) && page.contains("and 1,980 others"), "{page}");
    }
    let form = |confirm| [("q", "swarm"), ("reason", "policy"), ("confirm", confirm)];
    for wrong in ["2003", "1999"] {
        let page = admin.post_form("/admin/tokens/revoke", &form(wrong)).await.expect(422);
        assert!(page.words().contains("would end now: 2000"), "{page}");
    }
    let done = admin.post_form("/admin/tokens/revoke", &form("2,000")).await.expect(303);
    assert!(done.location().contains("revoked-2000"), "{done}");
    assert_eq!(ended().await, "2000");
    let page = admin.get("/admin/tokens/revoke?q=swarm").await.expect(200).words();
    assert!(page.contains("Revoke 3 tokens") && !page.contains("repeat it"), "{page}");
    admin.post_form("/admin/tokens/revoke", &form("3")).await.expect(303);
    assert_eq!(ended().await, "2003");
}

#[tokio::test]
async fn a_program_is_told_how_many_match_and_how_many_one_step_has_ended() {
    let app = TestApp::new().await;
    swarm(&app, 1_100).await;
    let admin = administrator(&app).await;
    // By an index that names all of them; by one that names too many; by none.
    for filter in [json!({"q": "swarm"}), json!({"q": "swarm", "scope": "read:users"}), json!({"state": "active"})] {
        let dry = admin.api_json("POST", PATH, &ask(&filter, true)).await.expect(200).json();
        assert_eq!(dry, json!({"matched": 3_100, "revoked": 0}));
    }
    for expected in [json!({"matched": 3_100, "revoked": 2_000}), json!({"matched": 1_100, "revoked": 1_100})] {
        let step = admin.api_json("POST", PATH, &ask(&json!({"q": "swarm"}), false)).await.expect(200).json();
        assert_eq!(step, expected);
    }
}

#[tokio::test]
async fn one_step_looks_no_further_than_it_has_to_and_says_so() {
    let app = TestApp::new().await;
    // More than one step looks at, where no index leads to two letters.
    swarm(&app, 10_000).await;
    app.execute(
        "UPDATE tokens SET name = 'xy'
        WHERE created_at IN ((SELECT min(created_at) FROM tokens), (SELECT max(created_at) FROM tokens))",
    )
    .await;
    let admin = administrator(&app).await;
    // Programs have the time.
    let all = admin.api_json("POST", PATH, &ask(&json!({"q": "xy"}), true)).await.expect(200).json();
    assert_eq!(all, json!({"matched": 2, "revoked": 0}));
    let ended = async || app.value("SELECT count(*) FROM tokens WHERE revoked_at IS NOT NULL").await;
    let page = admin.get("/admin/tokens/revoke?q=xy").await.expect(200);
    let words = page.words();
    assert!(words.contains("This ends 1 token") && words.contains("There may be more"), "{words}");
    let shown = hidden(&page, "shown");
    let post = async |from: &str, shown: &str| {
        let form = [("q", "xy"), ("reason", "policy"), ("confirm", "1"), ("from", from), ("shown", shown)];
        admin.post_form("/admin/tokens/revoke", &form).await
    };
    // Another one than was shown does not end, though there may be more of them.
    app.execute("UPDATE tokens SET name = 'yx' WHERE created_at = (SELECT max(created_at) FROM tokens)").await;
    app.execute("UPDATE tokens SET name = 'xy' WHERE name = 'swarm 7'").await;
    assert!(post("", &shown).await.expect(422).body.contains("other tokens than those that you were shown"));
    assert_eq!(ended().await, "0");
    let page = admin.get("/admin/tokens/revoke?q=xy").await.expect(200);
    post("", &hidden(&page, "shown")).await.expect(303);
    assert_eq!(ended().await, "1");
    // The last one is the oldest of all.
    let mut page = admin.get("/admin/tokens/revoke?q=xy").await.expect(200);
    for _ in 0..2 {
        assert!(page.words().contains("None of the newest tokens matches"), "{page}");
        let older = page.link("/admin/tokens/revoke?");
        page = admin.get(&older).await.expect(200);
    }
    assert!(page.words().contains("This ends 1 token"), "{page}");
    post(&hidden(&page, "from"), &hidden(&page, "shown")).await.expect(303);
    assert_eq!(ended().await, "2");
}

#[tokio::test]
async fn chosen_tokens_are_those_wherever_somebody_looks() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let chosen = alice.create_token("chosen", &["read:users"]).await;
    alice.create_token("other", &["read:users"]).await;
    let admin = administrator(&app).await;
    let next = admin.get("/api/v1/admin/tokens?limit=1").await.json()["next_cursor"].as_str().unwrap().to_owned();
    let from = form(&[("id", &chosen.id), ("from", &next)]);
    let page = admin.get(&format!("/admin/tokens/revoke?{from}")).await.expect(200).words();
    assert!(page.contains("This ends 1 token that you chose") && page.contains("chosen of alice"), "{page}");
    let other = [("id", chosen.id.as_str()), ("from", &next), ("reason", "policy"), ("confirm", "1")];
    admin.post_form("/admin/tokens/revoke", &other).await.expect(303);
    assert_eq!(app.column("SELECT name FROM tokens WHERE revoked_at IS NULL").await, ["other"]);
}

/// Makes tokens of alice so that everybody else's are older.
async fn newer(app: &TestApp, count: usize) {
    app.token_of_alice(&["read:users"]).await;
    app.execute(&format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
        INSERT INTO tokens (id, owner_id, name, description, scopes, allowed_ips, created_at)
        SELECT randomblob(16), owner_id, 'newer ' || i, '', scopes, allowed_ips, created_at + i FROM tokens t, n
        WHERE owner_id = (SELECT id FROM users WHERE username = 'alice')"
    ))
    .await;
}

#[tokio::test]
async fn the_few_tokens_of_somebody_who_had_very_many_are_found() {
    let app = TestApp::new().await;
    swarm(&app, 1_000).await;
    app.execute("UPDATE tokens SET revoked_at = created_at + 1 WHERE name <> 'swarm' AND name NOT LIKE 'swarm 2%00'")
        .await;
    newer(&app, 6_000).await;
    let admin = administrator(&app).await;
    let bob = app.value("SELECT lower(hex(id)) FROM users WHERE username = 'bob'").await;
    let list = admin.get(&format!("/admin/tokens?user={bob}")).await.expect(200);
    assert_eq!(list.body.matches(">swarm").count(), 50, "{list}");
    let left = app.value("SELECT count(*) FROM tokens WHERE revoked_at IS NULL AND name LIKE 'swarm%'").await;
    for filter in [format!("user={bob}"), "q=swarm".to_owned()] {
        let page = admin.get(&format!("/admin/tokens/revoke?{filter}")).await.expect(200).words();
        assert!(page.contains(&format!("Revoke {left} tokens?")), "{filter}: {page}");
    }
}

#[tokio::test]
async fn what_is_left_of_very_many_with_a_word_is_found_behind_all_that_has_ended() {
    let app = TestApp::new().await;
    // More than are looked at for their word.
    swarm(&app, 19_000).await;
    app.execute("UPDATE tokens SET revoked_at = created_at + 1 WHERE name NOT IN ('swarm', 'swarm 20999')").await;
    let admin = administrator(&app).await;
    for filter in ["q=swarm", "scope=read%3Ausers"] {
        let page = admin.get(&format!("/admin/tokens/revoke?{filter}")).await.expect(200).words();
        assert!(page.contains("Revoke 2 tokens?") && !page.contains("There may be more"), "{filter}: {page}");
    }
}

#[tokio::test]
async fn a_revocation_of_very_many_is_repeated_until_nothing_matches() {
    for filter in [("state", "active"), ("q", "swarm"), ("scope", "read:users"), ("created_before", "2999-01-01")] {
        let app = TestApp::new().await;
        swarm(&app, 4_500).await;
        let admin = administrator(&app).await;
        for count in ["2000", "2000", "2000", "500"] {
            let form = [filter, ("reason", "policy"), ("confirm", count)];
            admin.post_form("/admin/tokens/revoke", &form).await.expect(303);
        }
        let page = admin.get(&format!("/admin/tokens/revoke?{}={}", filter.0, filter.1)).await.expect(200).words();
        assert!(page.contains("No token that still could be used matches"), "{filter:?}: {page}");
        assert_eq!(app.value("SELECT count(*) FROM tokens WHERE revoked_at IS NULL").await, "0");
    }
}
