//! Reading the audit log.

use futures_util::StreamExt as _;
use hallpass::domain::audit::{Action, Draft, Origin, Party};
use hallpass::domain::time::Clock as _;
use serde_json::json;

use super::{administrator, all, items};
use crate::support::{Call, TestApp, minutes, unknown_token, with_wrong_secret};

#[tokio::test]
async fn everybody_sees_their_own_events_and_an_administrator_all() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let token = alice.create_token("t", &["read:users"]).await;
    app.browser_of("bob").await;
    let admin = administrator(&app).await;
    let revoke = format!("/api/v1/admin/tokens/{}/revoke", token.id);
    admin.api_json("POST", &revoke, &json!({"reason": "leaked: in a log"})).await.expect(204);

    let own = alice.get("/api/v1/audit").await;
    assert_eq!(all(&own, "action"), ["token.revoked", "token.created", "user.logged_in"]);
    let revoked = &items(&own)[0];
    assert_eq!(revoked["reason"], "leaked: in a log");
    assert_eq!(revoked["actor"], json!({"type": "administrator", "id": null, "name": null}), "it is not hers to know");
    assert_eq!((&revoked["ip"], &revoked["object"]["name"]), (&json!(null), &json!("t")));
    let created = &items(&own)[1];
    assert_eq!((&created["actor"]["name"], &created["ip"]), (&json!("alice"), &json!("192.0.2.10")));
    assert_eq!((&created["result"], created["seq"].as_i64()), (&json!("done"), Some(2)));

    let who = admin.get("/api/v1/me").await.json()["id"].as_str().unwrap().to_owned();
    let guessed = alice.get(&format!("/api/v1/audit?action=token.revoked&actor={who}")).await;
    assert_eq!(all(&guessed, "action"), [""; 0], "nor to be found out by trying");
    let page = alice.get(&format!("/tokens/{}", token.id)).await.body;
    assert!(page.contains("Revoked by an administrator") && page.matches("192.0.2.10").count() == 1, "{page}");

    let every = admin.get("/api/v1/admin/audit").await;
    let actions = ["token.revoked", "user.logged_in", "user.logged_in", "token.created", "user.logged_in"];
    assert_eq!(all(&every, "action"), actions);
    assert_eq!(items(&every)[0]["actor"]["name"], "admin");
}

#[tokio::test]
async fn the_log_is_narrowed_by_everything_that_it_says() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let token = alice.create_token("t", &["read:users"]).await;
    app.clock.advance(minutes(60));
    alice.revoke(&token.id).await;
    let admin = administrator(&app).await;
    let id = alice.get("/api/v1/me").await.json()["id"].as_str().unwrap().to_owned();
    let mine = vec!["token.revoked", "token.created", "user.logged_in"];
    for (query, actions) in [
        (format!("user={id}"), mine.clone()),
        (format!("actor={id}"), mine.clone()),
        (format!("actor={id}&action=token.created"), vec!["token.created"]),
        (format!("object={}", token.id), vec!["token.revoked", "token.created"]),
        ("action=token.revoked".to_owned(), vec!["token.revoked"]),
        ("result=refused".to_owned(), vec![]),
        ("result=done&limit=1".to_owned(), vec!["user.logged_in"]),
        ("since=30m".to_owned(), vec!["user.logged_in", "token.revoked"]),
        ("until=30m".to_owned(), vec!["token.created", "user.logged_in"]),
        ("since=2999-01-01".to_owned(), vec![]),
        ("until=2000-01-01".to_owned(), vec![]),
    ] {
        assert_eq!(all(&admin.get(&format!("/api/v1/admin/audit?{query}")).await, "action"), actions, "{query}");
    }
    for (query, field) in [
        ("result=good", "result"),
        ("user=alice", "user"),
        ("since=soon", "since"),
        ("cursor=x", "cursor"),
        ("limit=0", "limit"),
    ] {
        let refused = admin.get(&format!("/api/v1/admin/audit?{query}")).await.problem(422);
        assert_eq!(refused["errors"][0]["field"], field);
    }
    // Whoever asks for somebody else's gets their own.
    let other = app.browser_of("bob").await.get(&format!("/api/v1/audit?user={id}")).await;
    assert_eq!(all(&other, "action"), ["user.logged_in"]);
}

#[tokio::test]
async fn the_log_goes_on_where_it_stopped() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    for index in 0..4 {
        alice.create_token(&format!("t{index}"), &["read:users"]).await;
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = alice.get(&format!("/api/v1/audit?limit=2&cursor={cursor}")).await;
        seen.extend(items(&page).iter().map(|item| item["seq"].as_i64().unwrap()));
        match page.json()["next_cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    assert_eq!(seen, [5, 4, 3, 2, 1]);
}

#[tokio::test]
async fn the_use_of_a_token_that_is_over_is_written_down_once_an_hour() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let token = alice.create_token("t", &["read:users"]).await;
    alice.revoke(&token.id).await;
    let used = async |times: usize| {
        for _ in 0..times {
            app.check("", &token.secret).await.expect(401);
            app.check("", &with_wrong_secret(&token.secret)).await.expect(401);
            app.app.usage.flush().await;
        }
        app.actions().await.iter().filter(|action| *action == "token.used_after_end").count()
    };
    assert_eq!(used(3).await, 1);
    app.clock.advance(minutes(59));
    assert_eq!(used(2).await, 1);
    app.clock.advance(minutes(2));
    assert_eq!(used(2).await, 2);
    // Also where the first one was told before a restart.
    app.clock.advance(minutes(59));
    let app = app.restart().await;
    let used = async || {
        app.check("", &token.secret).await.expect(401);
        app.app.usage.flush().await;
        app.actions().await.iter().filter(|action| *action == "token.used_after_end").count()
    };
    assert_eq!(used().await, 2);
    app.clock.advance(minutes(2));
    assert_eq!(used().await, 3);
    let told = Call::get("/check").bearer(&token.secret).header("x-request-id", "of-the-proxy");
    app.clock.advance(minutes(61));
    app.send(told.header("user-agent", "thief/1")).await.expect(401);
    app.app.usage.flush().await;
    let event = app.verified_events().await.pop().unwrap();
    assert_eq!((event.result.as_str(), event.reason.as_deref()), ("refused", Some("revoked")));
    assert_eq!(event.request_id.as_deref(), Some("of-the-proxy"), "the proxy's log says what was asked for");
    let agent = format!("SELECT value FROM audit_personal WHERE seq = {} AND field = 'user_agent'", event.seq);
    assert_eq!(app.value(&agent).await, "thief/1");
    assert_eq!(event.object.1, Some(token.id));
    let mine = app.browser_of("alice").await.get("/api/v1/audit?action=token.used_after_end").await;
    assert_eq!((items(&mine).len(), &items(&mine)[0]["ip"]), (4, &json!("192.0.2.10")), "the owner is told from where");
}

#[tokio::test]
async fn uses_of_very_many_tokens_that_are_over_are_all_written_down() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let good = alice.create_token("good", &["read:users"]).await;
    let mut over = Vec::new();
    for user in ["alice", "bob", "admin"] {
        let browser = app.browser_of(user).await;
        for _ in 0..40 {
            over.push(browser.create_token("t", &["read:users"]).await.secret);
        }
    }
    app.execute("UPDATE tokens SET revoked_at = 1 WHERE name = 't'").await;
    for secret in &over {
        app.check("", secret).await.expect(401);
    }
    app.check("", &good.secret).await.expect(200);
    let written = async || app.actions().await.iter().filter(|action| *action == "token.used_after_end").count();
    // It gives up after a while where the disk is slow, and goes on.
    while written().await < over.len() {
        app.app.usage.flush().await;
    }
    assert_eq!(written().await, over.len(), "each once");
    assert_eq!(app.value("SELECT count(*) FROM tokens WHERE last_used_at IS NOT NULL").await, "1");
}

#[tokio::test]
async fn refused_checks_are_written_down_together() {
    let app = TestApp::new().await;
    let token = app.token_of_alice(&["read:users"]).await;
    for _ in 0..3 {
        app.check("", &unknown_token()).await.expect(401);
        app.check("?scope=write:users", &token.secret).await.expect(403);
    }
    app.check("", &with_wrong_secret(&token.secret)).await.expect(401);
    app.send(Call::get("/check")).await.expect(401);
    app.check("", &token.secret).await.expect(200);
    let before = app.verified_events().await.len();
    app.break_audit().await;
    assert!(app.app.refused.write().await.is_err());
    app.mend_audit().await;
    for _ in 0..2 {
        app.app.refused.write().await.unwrap();
    }
    let events = app.verified_events().await;
    assert_eq!(events.len(), before + 1);
    let count = |count: &str| (None, Some(count.to_owned()));
    let counted = [("unknown", count("3")), ("insufficient", count("3")), ("wrong_secret", count("1"))];
    let counted = counted.into_iter().map(|(kind, count)| (kind.to_owned(), count)).collect();
    assert_eq!((events[before].action.as_str(), &events[before].changes), ("check.refused", &counted));

    app.app.overview.count().await.unwrap();
    let admin = administrator(&app).await;
    let page = admin.get("/admin").await.expect(200).body;
    assert!(page.contains("Checks refused: 7 in 30 days, at most 7 on a day"), "{page}");
}

#[tokio::test]
async fn what_is_told_late_does_not_hide_what_came_before_it() {
    let app = TestApp::new().await;
    let token = app.token_of_alice(&["read:users"]).await;
    let admin = administrator(&app).await;
    let start = app.verified_events().await.len();
    app.clock.advance(minutes(1));
    let now = app.clock.now();
    let draft = |action| Draft::new(action, Party::SYSTEM, Party::SYSTEM, &Origin::default());
    app.app.db.record(&draft(Action::TokenRevoked), now).await.unwrap();
    app.app.db.record(&draft(Action::TokenExpired), now.minus(minutes(1))).await.unwrap();
    assert!(app.verified_events().await[start..].is_sorted_by_key(|event| event.time));
    let seen = admin.get(&format!("/api/v1/admin/audit?since={}", now.rfc3339())).await;
    assert_eq!(all(&seen, "action"), ["token.expired", "token.revoked"]);
    drop(token);
}

#[tokio::test]
async fn an_event_that_somebody_made_illegible_is_named_and_hides_no_other() {
    let app = TestApp::new().await;
    let admin = administrator(&app).await;
    let token = admin.create_token("t", &["read:users"]).await;
    for (column, value) in [("changes", "'[]'"), ("personal", "'{\"ip\":\"zz\"}'")] {
        let guard = app.value("SELECT sql FROM sqlite_master WHERE name = 'audit_events_never_change'").await;
        app.execute("DROP TRIGGER audit_events_never_change").await;
        let (before, set) = (format!("SELECT {column} FROM audit_events WHERE seq = 2"), |to: &str| {
            format!("UPDATE audit_events SET {column} = {to} WHERE seq = 2")
        });
        let before = app.value(&before).await;
        app.execute(&set(value)).await;
        let found = app.app.db.verify_log([], |_| {}).await.unwrap().unwrap_err();
        assert_eq!(found.seq, 2, "{column}");
        for page in ["/admin", "/admin/audit", "/api/v1/admin/audit"] {
            assert!(admin.get(page).await.expect(200).body.len() > 100, "{page}");
        }
        admin.get(&format!("/tokens/{}", token.id)).await.expect(200);
        app.execute(&set(&format!("'{before}'"))).await;
        app.execute(&guard).await;
    }
    assert!(app.app.db.verify_log([], |_| {}).await.unwrap().is_ok());
}

#[tokio::test]
async fn events_name_the_session_in_which_somebody_acted() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let tokens = [alice.create_token("a", &["read:users"]).await, alice.create_token("b", &["read:users"]).await];
    app.send(Call::new("DELETE", "/api/v1/self").bearer(&tokens[0].secret)).await.expect(204);
    let admin = administrator(&app).await;
    admin.post_form(&format!("/admin/tokens/{}/revoke", tokens[1].id), &[("reason", "policy")]).await.expect(303);

    let sessions = |events: &crate::support::Answer| -> Vec<_> {
        let session = |event: &serde_json::Value| event["changes"]["session"][1].as_str().unwrap_or("-").to_owned();
        items(events).iter().map(session).collect()
    };
    let login = |events: &crate::support::Answer, index: usize| {
        items(events)[index]["object"]["id"].as_str().unwrap().to_owned()
    };
    let every = admin.get("/api/v1/admin/audit").await;
    let [hers, theirs] = [login(&every, 5), login(&every, 1)];
    assert_eq!(sessions(&every), [&theirs, "-", "-", &hers, &hers, "-"], "{every}");
    assert_eq!(sessions(&alice.get("/api/v1/audit").await), ["-", "-", &hers, &hers, "-"], "another's is not told");
    assert!(!alice.get("/activity").await.body.contains("session: "), "it says nothing to people");
}

#[tokio::test]
async fn an_export_holds_everything_that_the_filter_leaves_however_much() {
    let app = TestApp::new().await;
    let admin = administrator(&app).await;
    for number in 0..1_201 {
        let action = if number % 3 == 0 { Action::KeyRotated } else { Action::TokenExpired };
        let draft = Draft::new(action, Party::SYSTEM, Party::SYSTEM, &Origin::default());
        app.app.db.record(&draft, app.clock.now()).await.unwrap();
    }
    let export = async |fields: &[(&str, &str)]| admin.post_form("/admin/audit/export", fields).await.expect(200).body;
    let lines = export(&[("format", "jsonl"), ("until", "1h")]).await;
    assert_eq!(lines, "", "nothing is so old");
    let lines = export(&[("format", "jsonl")]).await;
    let seqs: Vec<i64> = lines
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["seq"].as_i64().unwrap())
        .collect();
    // All of them, and before them the login and the two exports.
    assert_eq!(seqs, (1..=1_204).rev().collect::<Vec<_>>());
    let table = export(&[("format", "csv"), ("action", "key.rotated")]).await;
    assert_eq!(table.lines().count(), 1 + 401, "with a line of names");
    assert!(table.lines().skip(1).all(|line| line.contains(",key.rotated,")), "{table}");
    let event = app.verified_events().await.pop().unwrap();
    assert_eq!(event.action, "audit.exported");
    assert!(event.changes["part"].1.as_deref().unwrap().contains("key.rotated"), "{event:?}");
}

#[tokio::test]
async fn what_was_pasted_into_a_filter_stays_out_of_the_log() {
    let app = TestApp::new().await;
    let token = app.token_of_alice(&["read:users"]).await;
    let admin = administrator(&app).await;
    for (field, value) in [("object", token.secret.as_str()), ("actor", &token.secret), ("actor", "bob@example.org")] {
        let sent = admin.post_form("/admin/audit/export", &[("format", "jsonl"), (field, value)]).await;
        assert_eq!(sent.status, 200, "{sent}");
        let noted = app.verified_events().await.pop().unwrap().changes["part"].1.clone();
        assert_eq!(noted, Some(format!("{field}=…")));
    }
    admin.post_form("/admin/audit/export", &[("format", "jsonl"), ("object", &token.id)]).await.expect(200);
    let noted = app.verified_events().await.pop().unwrap().changes["part"].1.clone();
    assert_eq!(noted, Some(format!("object={}", token.id)));
    let dump = app.dump().await;
    assert!(!dump.contains(&token.secret[22..60]) && !dump.contains("bob@example.org"));
}

#[tokio::test]
async fn an_export_ends_where_whoever_asked_for_it_may_not_go_on() {
    let app = TestApp::new().await;
    let draft = Draft::new(Action::TokenExpired, Party::SYSTEM, Party::SYSTEM, &Origin::default());
    for _ in 0..1_001 {
        app.app.db.record(&draft, app.clock.now()).await.unwrap();
    }
    for (deed, goes_on) in [
        ("UPDATE sessions SET last_seen_at = 1 WHERE ended_at IS NULL", true),
        ("UPDATE sessions SET ended_at = 1 WHERE ended_at IS NULL", false),
        ("UPDATE sessions SET created_at = 1 WHERE ended_at IS NULL", false),
        ("DELETE FROM sessions", false),
        ("UPDATE users SET roles = '[\"staff\"]'", false),
        ("UPDATE users SET disabled_at = 1", false),
    ] {
        app.execute("UPDATE users SET disabled_at = NULL").await;
        let admin = administrator(&app).await;
        let call = Call::new("POST", "/admin/audit/export").header("sec-fetch-site", "same-origin");
        let answer = admin.with_cookies(call.form(&[("format", "csv")])).open(&app.router()).await;
        let mut parts = answer.into_body().into_data_stream();
        let head = parts.next().await.unwrap().unwrap();
        assert!(head.starts_with(b"seq,"), "{head:?}");
        let lines = |part: &[u8]| part.split(|byte| *byte == b'\n').count() - 1;
        assert_eq!(lines(&parts.next().await.unwrap().unwrap()), 500);
        app.execute(deed).await;
        match parts.next().await.unwrap() {
            Ok(part) => assert!(goes_on && lines(&part) == 500, "{deed}"),
            Err(_) => assert!(!goes_on && parts.next().await.is_none(), "{deed}"),
        }
    }
}

#[tokio::test]
async fn a_text_with_a_nul_is_no_question() {
    let app = TestApp::new().await;
    let admin = administrator(&app).await;
    for path in ["/api/v1/tokens?q=%00", "/api/v1/admin/audit?action=a%00", "/api/v1/admin/tokens?q=%00"] {
        admin.get(path).await.expect(400);
    }
    admin.get("/admin/tokens?q=%00").await.expect(400);
    for name in ["actor", "object", "user", "action"] {
        let page = admin.post_form("/admin/audit/export", &[(name, "a\0")]).await.expect(303);
        admin.get(page.location()).await.expect(400);
    }
    assert!(!app.actions().await.contains(&"audit.exported".to_owned()), "nothing was read");
}

#[tokio::test]
async fn a_login_tells_what_the_provider_says_anew() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    app.execute("UPDATE users SET roles = '[\"old\"]', attributes = '{}'").await;
    alice.log_in("alice").await;
    let event = app.verified_events().await.pop().unwrap();
    let (before, after) = &event.changes["roles"];
    assert_eq!((before.as_deref(), after.as_deref()), (Some("old"), Some("staff")));
    let attributes = "SELECT value FROM audit_personal WHERE seq = (SELECT max(seq) FROM audit_events) AND field LIKE '%attributes%'";
    assert_eq!(app.column(attributes).await.len(), 1);
    alice.log_in("alice").await;
    assert!(!app.verified_events().await.pop().unwrap().changes.contains_key("roles"), "nothing is new");
}

#[tokio::test]
async fn a_token_reads_no_log() {
    let app = TestApp::new().await;
    let token = app.token_of_alice(&["read:users"]).await;
    for path in ["/api/v1/audit", "/api/v1/admin/audit"] {
        app.send(Call::get(path).bearer(&token.secret)).await.problem(403);
        app.send(Call::get(path)).await.problem(401);
    }
}
