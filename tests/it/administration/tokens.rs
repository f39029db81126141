//! Finding and ending anybody's tokens.

use serde_json::json;

use super::{administrator, all, items};
use crate::support::{TestApp, minutes};

#[tokio::test]
async fn everybodys_tokens_are_listed_with_their_owners_newest_first() {
    let app = TestApp::new().await;
    for (user, name) in [("alice", "first"), ("bob", "second")] {
        app.browser_of(user).await.create_token(name, &["read:users"]).await;
        app.clock.advance(minutes(1));
    }
    let found = administrator(&app).await.get("/api/v1/admin/tokens").await;
    assert_eq!(all(&found, "name"), ["second", "first"]);
    let owners: Vec<_> = items(&found).iter().map(|item| item["owner"]["username"].clone()).collect();
    assert_eq!(owners, ["bob", "alice"]);
    assert!(!found.body.contains("hpat_"));
}

#[tokio::test]
async fn tokens_are_found_by_anything_that_is_known_of_them() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let body = json!({"name": "nightly-backup", "description": "On Rack 7", "scopes": ["read:users"]});
    let token = alice.create_token_with(&body).await;
    app.browser_of("bob").await.create_token("100%_other", &["read:reports"]).await;
    let admin = administrator(&app).await;
    let secret = token.token["secrets"][0]["id"].as_str().unwrap();
    let me = alice.get("/api/v1/me").await.json();
    let (nightly, other, both) = (vec!["nightly-backup"], vec!["100%_other"], vec!["100%_other", "nightly-backup"]);
    for (query, names) in [
        ("", &both),
        ("q=backup", &nightly),
        ("q=BACK", &nightly),
        ("q=ghtly-b", &nightly),
        ("q=rack%207", &nightly),
        ("q=ba", &nightly),
        ("q=alice", &nightly),
        ("q=%25_o", &other),
        ("q=0%25", &other),
        ("q=_%25", &vec![]),
        ("q=nothing", &vec![]),
        (&format!("q={}", token.id), &nightly),
        (&format!("q={}", &token.id[..6]), &nightly),
        (&format!("q={}", &token.id[..13]), &nightly),
        (&format!("q={secret}"), &nightly),
        (&format!("q={}", &secret[..8]), &nightly),
        (&format!("user={}", me["id"].as_str().unwrap()), &nightly),
        ("user=bob", &other),
        ("scope=read:users", &nightly),
        ("scope=read", &vec![]),
        ("scope=read:reports&user=alice", &vec![]),
        ("state=active", &both),
        ("state=revoked", &vec![]),
        ("unused_since=1d", &vec![]),
        ("created_before=2000-01-01", &vec![]),
        ("created_before=2100-01-01T00:00:00Z&q=backup", &nightly),
    ] {
        let mut found = all(&admin.get(&format!("/api/v1/admin/tokens?{query}")).await, "name");
        found.sort();
        assert_eq!(&found, names, "{query}");
    }
}

#[tokio::test]
async fn states_are_found_as_they_are_shown() {
    let app = TestApp::with(&[("tokens.owner_max_login_age", "2d"), ("tokens.idle_suspend", "1d")]).await;
    let bob = app.browser_of("bob").await;
    bob.create_token("suspended", &["read:users"]).await;
    app.clock.advance(minutes(47 * 60));
    let alice = app.browser_of("alice").await;
    alice.create_token("active", &["read:users"]).await;
    let brief = json!({"name": "expired", "scopes": ["read:users"], "expires_in": 3600});
    alice.create_token_with(&brief).await;
    let revoked = alice.create_token("revoked", &["read:users"]).await;
    alice.revoke(&revoked.id).await;
    app.clock.advance(minutes(120));
    let admin = administrator(&app).await;
    for state in ["active", "expired", "revoked", "suspended"] {
        let found = admin.get(&format!("/api/v1/admin/tokens?state={state}")).await;
        assert_eq!((all(&found, "name"), all(&found, "state")), (vec![state.to_owned()], vec![state.to_owned()]));
    }
    assert_eq!(all(&admin.get("/api/v1/admin/tokens?unused_since=1d").await, "name"), ["suspended"]);
}

#[tokio::test]
async fn a_list_goes_on_where_it_stopped_in_every_order() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    for name in ["delta", "Alpha", "charlie", "bravo", "alpha"] {
        alice.create_token(name, &["read:users"]).await;
    }
    app.clock.advance(minutes(1));
    alice.create_token("echo", &["read:users"]).await;
    let admin = administrator(&app).await;
    for (sort, first, last) in [("name", "alpha", "echo"), ("created", "echo", ""), ("unused", "", "echo")] {
        for query in ["", "&q=alice"] {
            let (mut names, mut cursor) = (Vec::new(), String::new());
            loop {
                let path = format!("/api/v1/admin/tokens?limit=2&sort={sort}&cursor={cursor}{query}");
                let page = admin.get(&path).await;
                names.extend(all(&page, "name"));
                match page.json()["next_cursor"].as_str() {
                    Some(next) => next.clone_into(&mut cursor),
                    None => break,
                }
            }
            assert_eq!(names.len(), 6, "{sort}{query}: {names:?}");
            assert!(names[0].eq_ignore_ascii_case(first) || first.is_empty(), "{names:?}");
            assert!(names[5] == last || last.is_empty(), "{names:?}");
            names.sort();
            names.dedup();
            assert_eq!(names.len(), 6, "{sort}{query}");
        }
    }
}

#[tokio::test]
async fn a_place_in_one_order_is_none_in_another() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    for name in ["a", "b"] {
        alice.create_token(name, &["read:users"]).await;
    }
    let admin = administrator(&app).await;
    let sorts = ["created", "name", "unused"];
    for sort in sorts {
        let page = admin.get(&format!("/api/v1/admin/tokens?limit=1&sort={sort}")).await.json();
        let cursor = page["next_cursor"].as_str().unwrap();
        for other in sorts {
            let path = format!("/api/v1/admin/tokens?sort={other}&cursor={cursor}");
            let answer = admin.get(&path).await;
            if other == sort {
                assert_eq!(items(&answer).len(), 1, "{path}");
            } else {
                assert_eq!(answer.problem(422)["errors"][0]["field"], "cursor", "{path}");
            }
            // A page begins anew, as with any cursor that is none.
            let shown = admin.get(&format!("/admin/tokens?sort={other}&cursor={cursor}")).await.expect(200);
            let rows = shown.body.matches("data-label=\"State\"").count();
            assert_eq!(rows, if other == sort { 1 } else { 2 }, "{path}");
        }
    }
}

#[tokio::test]
async fn parameters_that_mean_nothing_are_named() {
    let app = TestApp::new().await;
    let admin = administrator(&app).await;
    for (query, field) in [
        ("state=good", "state"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("cursor=x", "cursor"),
        ("sort=size", "sort"),
        ("user=nobody", "user"),
        ("unused_since=soon", "unused_since"),
        ("created_before=-1", "created_before"),
    ] {
        let refused = admin.get(&format!("/api/v1/admin/tokens?{query}")).await.problem(422);
        assert_eq!(refused["errors"][0]["field"], field, "{query}");
    }
    let by_age = admin.get("/api/v1/admin/tokens?limit=1").await;
    assert_eq!(by_age.json()["next_cursor"], json!(null));
}

#[tokio::test]
async fn a_token_that_an_administrator_revokes_is_refused_from_the_answer_on_and_its_owner_is_told() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let token = alice.create_token("leaky", &["read:users"]).await;
    let admin = administrator(&app).await;
    let path = format!("/api/v1/admin/tokens/{}", token.id);
    assert_eq!(admin.get(&path).await.expect(200).json()["owner"]["username"], "alice");
    app.check("", &token.secret).await.expect(200);
    for reason in [json!({}), json!({"reason": ""}), json!({"reason": " "})] {
        let refused = admin.api_json("POST", &format!("{path}/revoke"), &reason).await.problem(422);
        assert_eq!(refused["errors"][0]["field"], "reason");
    }
    app.check("", &token.secret).await.expect(200);
    let reason = json!({"reason": "leaked: seen in a repository"});
    for _ in 0..2 {
        admin.api_json("POST", &format!("{path}/revoke"), &reason).await.expect(204);
    }
    app.check("", &token.secret).await.expect(401);
    let seen = alice.get(&format!("/api/v1/tokens/{}", token.id)).await.json();
    assert_eq!((&seen["state"], &seen["revoked_reason"]), (&json!("revoked"), &reason["reason"]));
    let event = app.verified_events().await.pop().unwrap();
    assert_eq!((event.action.as_str(), event.reason.as_deref()), ("token.revoked", Some("leaked")));
    assert_eq!(event.on_behalf_of.as_deref(), alice.get("/api/v1/me").await.json()["id"].as_str());
    assert_eq!(app.actions().await.iter().filter(|action| *action == "token.revoked").count(), 1);
    let page = alice.get("/tokens").await;
    assert!(page.body.contains("An administrator"), "{page}");
    let unknown = "/api/v1/admin/tokens/00000000-0000-4000-8000-000000000000/revoke";
    admin.api_json("POST", unknown, &reason).await.problem(404);
}
