//! `/api/v1`: contract, sections 7 and 10.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{Answer, Browser, Call, TestApp, days, minutes, seconds, unknown_token};

const TOKENS: &str = "/api/v1/tokens";

fn path_of(id: &str) -> String {
    format!("{TOKENS}/{id}")
}

fn wanted(name: &str) -> Value {
    json!({"name": name, "scopes": ["read:users"]})
}

/// A good request for a token, with these members replaced or added.
fn wanted_with(members: &Value) -> Value {
    let mut body = wanted("t");
    body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    body
}

/// Every operation on tokens and the account, for one token.
fn operations(id: &str) -> Vec<Call> {
    let path = path_of(id);
    vec![
        Call::get("/api/v1/me"),
        Call::get("/api/v1/scopes"),
        Call::get(TOKENS),
        Call::new("POST", TOKENS).json(&wanted("t")),
        Call::get(&path),
        Call::new("PATCH", &path).json(&json!({"name": "x"})),
        Call::new("POST", &format!("{path}/regenerate")).json(&json!({"mode": "now"})),
        Call::new("POST", &format!("{path}/revoke")),
    ]
}

/// The operations on one token, for one that the caller may not see.
fn operations_on(id: &str) -> Vec<Call> {
    let with_fetch = |call: Call| call.header("sec-fetch-site", "same-origin");
    operations(id).split_off(4).into_iter().map(with_fetch).collect()
}

#[tokio::test]
async fn me_tells_who_is_logged_in() {
    let app = TestApp::new().await;
    let mut me = app.browser_of("alice").await.get("/api/v1/me").await.expect(200).json();
    assert_eq!(me.as_object_mut().unwrap().remove("id").unwrap().as_str().unwrap().len(), 36);
    assert_eq!(
        me,
        json!({
            "username": "alice", "email": "alice@demo.example", "roles": ["staff"],
            "attributes": {"department": ["research"]}, "is_admin": false
        })
    );
    assert_eq!(app.browser_of("admin").await.get("/api/v1/me").await.json()["is_admin"], true);
}

#[tokio::test]
async fn scopes_are_those_that_the_caller_may_grant() {
    let app = TestApp::new().await;
    for (user, expected) in [
        ("bob", vec!["read:reports", "read:users", "write:users"]),
        ("alice", vec!["read:reports", "read:users", "write:reports", "write:users"]),
        ("admin", vec!["admin:all", "read:reports", "read:users", "write:reports", "write:users"]),
    ] {
        let scopes = app.browser_of(user).await.get("/api/v1/scopes").await.expect(200).json();
        let names: Vec<_> = scopes.as_array().unwrap().iter().map(|scope| scope["name"].as_str().unwrap()).collect();
        assert_eq!(names, expected, "{user}");
        assert!(scopes.as_array().unwrap().iter().all(|scope| scope["description"].is_string()));
    }
}

#[tokio::test]
async fn a_token_is_created_and_its_secret_shown_once() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let body = json!({
        "name": " nightly ", "description": "copies", "scopes": ["write:users", "read:users"], "expires_in": "30d",
        "allowed_ips": ["10.0.0.0/8", "192.0.2.7"]
    });
    let answer = alice.api_json("POST", TOKENS, &body).await.expect(201);
    assert_eq!(answer.header("cache-control"), "no-store");
    let (token, secret) = (answer.json()["token"].clone(), answer.json()["secret"].as_str().unwrap().to_owned());
    let id = token["id"].as_str().unwrap();
    assert_eq!(answer.header("location"), path_of(id));
    assert_eq!(secret.len(), 71);
    let secret_id = secret.split('_').nth(1).unwrap();
    let expected = json!({
        "id": id, "name": "nightly", "description": "copies", "scopes": ["read:users", "write:users"],
        "effective_scopes": ["read:users", "write:users"], "state": "active",
        "created_at": "2026-05-03T14:05:00Z", "expires_at": "2026-06-02T14:05:00Z",
        "last_used_at": null, "last_used_ip": null, "revoked_at": null, "revoked_reason": null,
        "allowed_ips": ["10.0.0.0/8", "192.0.2.7/32"],
        "secrets": [{
            "id": secret_id, "state": "active", "created_at": "2026-05-03T14:05:00Z",
            "ends_at": "2026-06-02T14:05:00Z", "last_used_at": null
        }],
        "version": 1
    });
    assert_eq!(token, expected);
    let again = alice.get(&path_of(id)).await.expect(200);
    assert_eq!(again.json(), expected);
    assert!(!again.body.contains(&secret) && !alice.get(TOKENS).await.body.contains(&secret));
}

#[tokio::test]
async fn a_lifetime_is_a_text_seconds_a_date_or_the_default() {
    let app = TestApp::with(&[("tokens.allow_never", "true")]).await;
    let alice = app.browser_of("alice").await;
    let table = [
        (json!({}), json!("2026-08-01T14:05:00Z")),
        (json!({"expires_in": null}), json!("2026-08-01T14:05:00Z")),
        (json!({"expires_in": "30d"}), json!("2026-06-02T14:05:00Z")),
        (json!({"expires_in": "12h"}), json!("2026-05-04T02:05:00Z")),
        (json!({"expires_in": "365d"}), json!("2027-05-03T14:05:00Z")),
        (json!({"expires_in": 60}), json!("2026-05-03T14:06:00Z")),
        (json!({"expires_in": 31_536_000}), json!("2027-05-03T14:05:00Z")),
        (json!({"expires_at": "2026-05-03T16:06:00+02:00"}), json!("2026-05-03T14:06:00Z")),
        (json!({"expires_in": null, "expires_at": "2026-05-03T14:06:00Z"}), json!("2026-05-03T14:06:00Z")),
        (json!({"expires_in": "never"}), json!(null)),
    ];
    for (members, expected) in table {
        let answer = alice.api_json("POST", TOKENS, &wanted_with(&members)).await.expect(201);
        assert_eq!(answer.json()["token"]["expires_at"], expected, "{members}");
    }
}

#[tokio::test]
async fn values_that_cannot_be_accepted_are_named() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let many: Vec<_> = (0..101).map(|n| format!("scope:{n}")).collect();
    let long = "x".repeat(10_000);
    let table = [
        (json!({"name": ""}), "name"),
        (json!({"name": " \t "}), "name"),
        (json!({"name": long}), "name"),
        (json!({"name": "x".repeat(101)}), "name"),
        (json!({"name": "good\u{202E}live"}), "name"),
        (json!({"name": "two\nlines"}), "name"),
        (json!({"name": "nul\u{0}"}), "name"),
        (json!({"description": long}), "description"),
        (json!({"description": "\u{2066}x"}), "description"),
        (json!({"scopes": []}), "scopes"),
        (json!({"scopes": ["unknown"]}), "scopes"),
        (json!({"scopes": [""]}), "scopes"),
        (json!({"scopes": ["read:users write:users"]}), "scopes"),
        (json!({"scopes": ["read:users", "admin:all"]}), "scopes"),
        (json!({"scopes": many}), "scopes"),
        (json!({"scopes": [long]}), "scopes"),
        (json!({"expires_in": 0}), "expires_in"),
        (json!({"expires_in": -1}), "expires_in"),
        (json!({"expires_in": i64::MIN}), "expires_in"),
        (json!({"expires_in": i64::MAX}), "expires_in"),
        (json!({"expires_in": "0d"}), "expires_in"),
        (json!({"expires_in": "-1d"}), "expires_in"),
        (json!({"expires_in": "366d"}), "expires_in"),
        (json!({"expires_in": 31_536_001}), "expires_in"),
        (json!({"expires_in": "99999999999999999999d"}), "expires_in"),
        (json!({"expires_in": "never"}), "expires_in"),
        (json!({"expires_in": "soon"}), "expires_in"),
        (json!({"expires_in": long}), "expires_in"),
        (json!({"expires_at": "2026-05-03T14:05:00Z"}), "expires_at"),
        (json!({"expires_at": "2027-05-03T14:05:01Z"}), "expires_at"),
        (json!({"expires_at": "9999-12-31T23:59:59Z"}), "expires_at"),
        (json!({"allowed_ips": ["10.0.0.0/33"]}), "allowed_ips"),
        (json!({"allowed_ips": ["everywhere"]}), "allowed_ips"),
        // What is left of a variable that nobody set must not mean everywhere.
        (json!({"allowed_ips": [""]}), "allowed_ips"),
        (json!({"allowed_ips": ["10.0.0.0/8", " "]}), "allowed_ips"),
        (json!({"allowed_ips": vec!["10.0.0.1"; 10_000 / 20]}), "allowed_ips"),
    ];
    for (members, field) in table {
        let answer = alice.api_json("POST", TOKENS, &wanted_with(&members)).await;
        assert_eq!(answer.wrong_fields(), [field], "{members}");
    }
    assert_eq!(alice.get(TOKENS).await.json()["items"], json!([]));
}

#[tokio::test]
async fn a_date_that_cannot_be_read_is_named_as_the_field_it_was_given_in() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    for date in ["", "tomorrow", "2026-06-31T00:00:00Z", "2026-06-01"] {
        let answer = alice.api_json("POST", TOKENS, &wanted_with(&json!({"expires_at": date}))).await;
        assert_eq!(answer.wrong_fields(), ["expires_at"], "{date}");
    }
}

#[tokio::test]
async fn all_wrong_fields_are_named_at_once() {
    let app = TestApp::new().await;
    let body =
        json!({"name": "", "description": "x".repeat(1_001), "scopes": [], "expires_in": 0, "allowed_ips": ["x"]});
    let answer = app.browser_of("alice").await.api_json("POST", TOKENS, &body).await;
    assert_eq!(answer.wrong_fields(), ["name", "description", "scopes", "expires_in", "allowed_ips"]);
}

#[tokio::test]
async fn unknown_fields_wrong_types_and_two_expiries_are_422() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let bodies = [
        wanted_with(&json!({"scope": "read:users"})),
        wanted_with(&json!({"owner": "bob"})),
        wanted_with(&json!({"name": 1})),
        wanted_with(&json!({"name": null})),
        wanted_with(&json!({"description": []})),
        wanted_with(&json!({"scopes": "read:users"})),
        wanted_with(&json!({"scopes": [1]})),
        wanted_with(&json!({"scopes": null})),
        wanted_with(&json!({"expires_in": 1.5})),
        wanted_with(&json!({"expires_in": true})),
        wanted_with(&json!({"expires_in": {}})),
        wanted_with(&json!({"expires_in": 18_446_744_073_709_551_615_u64})),
        wanted_with(&json!({"expires_at": 1_800_000_000})),
        wanted_with(&json!({"allowed_ips": "10.0.0.0/8"})),
        wanted_with(&json!({"expires_in": "1d", "expires_at": "2026-06-01T00:00:00Z"})),
        json!({"scopes": ["read:users"]}),
        json!({"name": "t"}),
        json!("t"),
        json!(null),
    ];
    for body in bodies {
        let answer = alice.api_json("POST", TOKENS, &body).await;
        assert!(!answer.wrong_fields().is_empty(), "{body}");
    }
    let twice = r#"{"name": "a", "name": "b", "scopes": ["read:users"]}"#;
    let call = Call::new("POST", TOKENS).header("sec-fetch-site", "same-origin").body("application/json", twice);
    alice.send(call).await.problem(422);
}

#[tokio::test]
async fn a_body_that_is_no_object_is_422() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let token = alice.create_token("t", &["read:users"]).await;
    let path = path_of(&token.id);
    alice.api_json("PATCH", &path, &json!([])).await.problem(422);
    alice.api_json("PATCH", &path, &json!(["new name"])).await.problem(422);
    alice.api_json("POST", &format!("{path}/regenerate"), &json!(["now"])).await.problem(422);
    alice.api_json("POST", TOKENS, &json!(["t", null, ["read:users"]])).await.problem(422);
}

#[tokio::test]
async fn json_that_breaks_off_is_400_whatever_comes_before() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    for body in [&"[".repeat(10_000), "{\"name\": 1", "{\"x\": 1,", "\"open"] {
        let call =
            Call::new("POST", TOKENS).header("sec-fetch-site", "same-origin").body("application/json", body.as_bytes());
        alice.send(call).await.problem(400);
    }
}

#[tokio::test]
async fn a_body_that_is_no_json_is_400_of_another_kind_415_and_too_large_413() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let good = wanted("t").to_string();
    let large = wanted_with(&json!({"description": "x".repeat(64 * 1024)})).to_string();
    let table = [
        ("application/json", "", 400),
        ("application/json", "{", 400),
        ("application/json", "{\"name\": }", 400),
        ("application/json", "name=t", 400),
        ("application/json", &format!("{good} {good}"), 400),
        ("text/plain", &good, 415),
        ("application/x-www-form-urlencoded", "name=t&scopes=read:users", 415),
        ("application/jsonx", &good, 415),
        ("", &good, 415),
        ("application/json", &large, 413),
        ("application/json; charset=utf-8", &good, 201),
        ("Application/JSON", &good, 201),
    ];
    for (kind, body, status) in table {
        let call = Call::new("POST", TOKENS).header("sec-fetch-site", "same-origin").body(kind, body);
        let answer = alice.send(call).await;
        assert_eq!(answer.status, status, "{kind}: {answer}");
        if status != 201 {
            answer.problem(status);
        }
    }
    let bytes = Call::new("POST", TOKENS).header("sec-fetch-site", "same-origin").body("application/json", b"\"\xFF\"");
    alice.send(bytes).await.problem(400);
}

#[tokio::test]
async fn repeated_scopes_are_merged() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let body = wanted_with(&json!({"scopes": vec!["read:users"; 100]}));
    let answer = alice.api_json("POST", TOKENS, &body).await.expect(201);
    assert_eq!(answer.json()["token"]["scopes"], json!(["read:users"]));
}

#[tokio::test]
async fn repeated_scopes_are_merged_before_they_are_counted() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    alice.create_token_with(&wanted_with(&json!({"scopes": vec!["read:users"; 200]}))).await;
}

#[tokio::test]
async fn names_are_kept_as_they_are_typed() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    for name in [
        "<script>alert(1)</script>",
        "\"'&amp;",
        "日本語 🦀",
        "a; DROP TABLE tokens; --",
        "=HYPERLINK(1)",
        &"é".repeat(100),
    ] {
        let token = alice.create_token(name, &["read:users"]).await;
        assert_eq!(alice.get(&path_of(&token.id)).await.json()["name"], name);
    }
}

#[tokio::test]
async fn what_belongs_to_others_is_not_there() {
    let app = TestApp::new().await;
    let token = app.token_of_alice(&["read:users"]).await;
    let before = app.dump().await;
    let bob = app.browser_of("bob").await;
    let unknown = operations_on("00000000-0000-4000-8000-000000000000");
    for (index, call) in operations_on(&token.id).into_iter().enumerate() {
        let answer = bob.send(call).await.without_request_id();
        answer.problem(404);
        assert_eq!(bob.send(unknown[index].clone()).await.without_request_id(), answer, "operation {index}");
    }
    for id in ["nonsense", "0", "%20", "..%2Fme"] {
        for call in operations_on(id) {
            bob.send(call).await.problem(404);
        }
    }
    let tokens = |dump: &str| dump.split("tokens\n").nth(1).unwrap().split("users\n").next().unwrap().to_owned();
    assert_eq!(tokens(&app.dump().await), tokens(&before));
}

#[tokio::test]
async fn an_id_that_is_not_even_text_is_not_found() {
    let app = TestApp::new().await;
    let bob = app.browser_of("bob").await;
    for call in operations_on("%FF") {
        bob.send(call).await.problem(404);
    }
}

#[tokio::test]
async fn what_is_not_in_the_api_is_a_problem_too() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    for path in ["/api/v1/unknown", "/api/v1", "/api/v1/tokens/"] {
        alice.get(path).await.problem(404);
    }
    alice.api("PUT", TOKENS).await.problem(405);
}

#[tokio::test]
async fn lists_are_bounded_and_their_parameters_checked() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=abc", "limit"),
        ("limit=-1", "limit"),
        ("limit=1.5", "limit"),
        ("limit=", "limit"),
        ("limit=99999999999999999999", "limit"),
        ("state=good", "state"),
        ("state=ACTIVE", "state"),
        ("cursor=nonsense", "cursor"),
        ("cursor=AAAA", "cursor"),
    ] {
        assert_eq!(alice.get(&format!("{TOKENS}?{query}")).await.wrong_fields(), [field], "{query}");
    }
    let list = alice.get(&format!("{TOKENS}?limit=200&state=&q=&cursor=")).await.expect(200).json();
    assert_eq!(list, json!({"items": [], "next_cursor": null}));
}

#[tokio::test]
async fn a_parameter_given_twice_is_a_problem() {
    let app = TestApp::new().await;
    let answer = app.browser_of("alice").await.get(&format!("{TOKENS}?limit=1&limit=2")).await;
    assert!(matches!(answer.status, 400 | 422), "{answer}");
    answer.problem(answer.status);
}

async fn walk(browser: &Browser, query: &str) -> (Vec<String>, usize) {
    let (mut ids, mut pages, mut cursor) = (Vec::new(), 0, String::new());
    loop {
        let list = browser.get(&format!("{TOKENS}?{query}&cursor={cursor}")).await.expect(200).json();
        ids.extend(list["items"].as_array().unwrap().iter().map(|token| token["id"].as_str().unwrap().to_owned()));
        pages += 1;
        match list["next_cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => return (ids, pages),
        }
    }
}

#[tokio::test]
async fn paging_gives_each_token_exactly_once_newest_first() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let mut made = Vec::new();
    for number in 0..7 {
        made.push(alice.create_token(&format!("token {number}"), &["read:users"]).await.id);
        if number % 2 == 1 {
            app.clock.advance(seconds(1));
        }
    }
    app.browser_of("bob").await.create_token("not alice's", &["read:users"]).await;
    let distinct: BTreeSet<_> = made.iter().cloned().collect();
    for (limit, pages) in [(1, 7), (2, 4), (3, 3), (6, 2), (7, 1), (200, 1)] {
        let (ids, walked) = walk(&alice, &format!("limit={limit}")).await;
        assert_eq!((ids.len(), walked), (7, pages), "limit {limit}");
        assert_eq!(ids.iter().cloned().collect::<BTreeSet<_>>(), distinct);
        assert_eq!(ids[0], made[6]);
    }
}

#[tokio::test]
async fn a_list_can_be_narrowed_to_a_state_or_a_text() {
    let app = TestApp::with(&[("tokens.owner_max_login_age", "20d")]).await;
    let alice = app.browser_of("alice").await;
    let brief = wanted_with(&json!({"name": "brief", "expires_in": "1h"}));
    let (brief, gone) = (alice.create_token_with(&brief).await, alice.create_token("gone", &["read:users"]).await);
    let percent = alice.create_token_with(&wanted_with(&json!({"name": "100% Ok_", "description": "Ümläut"}))).await;
    alice.revoke(&gone.id).await;
    app.clock.advance(minutes(61));
    let alice = app.browser_of("alice").await;
    for (query, expected) in [
        ("state=active", vec![&percent.id]),
        ("state=expired", vec![&brief.id]),
        ("state=revoked", vec![&gone.id]),
        ("state=suspended", vec![]),
        ("q=BRIEF", vec![&brief.id]),
        ("q=%25", vec![&percent.id]),
        ("q=_", vec![&percent.id]),
        ("q=*", vec![]),
        ("q=ml", vec![&percent.id]),
        ("q=ok&state=expired", vec![]),
        ("q='", vec![]),
    ] {
        assert_eq!(walk(&alice, query).await.0.iter().collect::<Vec<_>>(), expected, "{query}");
    }
}

#[tokio::test]
async fn a_token_is_renamed_and_narrowed_and_never_widened() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let token = alice.create_token("t", &["read:users", "write:users"]).await;
    let path = path_of(&token.id);
    let edited = json!({"name": "new", "description": "d", "scopes": ["read:users"]});
    let after = alice.api_json("PATCH", &path, &edited).await.expect(200).json();
    assert_eq!(
        (&after["name"], &after["scopes"], &after["version"]),
        (&json!("new"), &json!(["read:users"]), &json!(2))
    );
    assert_eq!(alice.get(&path).await.json(), after);
    for (body, field) in [
        (json!({"scopes": ["read:users", "write:users"]}), "scopes"),
        (json!({"scopes": ["write:users"]}), "scopes"),
        (json!({"scopes": ["unknown"]}), "scopes"),
        (json!({"scopes": []}), "scopes"),
        (json!({"name": ""}), "name"),
        (json!({"name": "x".repeat(10_000)}), "name"),
        (json!({"description": "x".repeat(10_000)}), "description"),
        (json!({"name": "a\u{202E}b"}), "name"),
    ] {
        assert_eq!(alice.api_json("PATCH", &path, &body).await.wrong_fields(), [field], "{body}");
    }
    for body in [json!({"expires_in": "1d"}), json!({"id": 1}), json!({"name": 1})] {
        alice.api_json("PATCH", &path, &body).await.problem(422);
    }
    assert_eq!(alice.api_json("PATCH", &path, &json!({})).await.expect(200).json(), after);
    assert_eq!(alice.get(&path).await.json(), after);
}

#[tokio::test]
async fn scopes_can_be_narrowed_also_when_the_owner_lost_one() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let token = alice.create_token("t", &["read:users", "write:reports"]).await;
    app.execute("UPDATE users SET roles = '[]'").await;
    let path = path_of(&token.id);
    assert_eq!(alice.get(&path).await.json()["effective_scopes"], json!(["read:users"]));
    alice.api_json("PATCH", &path, &json!({"name": "kept"})).await.expect(200);
    alice.api_json("PATCH", &path, &json!({"scopes": ["read:users"]})).await.expect(200);
}

#[tokio::test]
async fn a_regeneration_gives_a_new_secret_and_keeps_everything_else() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let old = alice.create_token("t", &["read:users"]).await;
    app.clock.advance(minutes(1));
    let path = format!("{}/regenerate", path_of(&old.id));
    let answer = alice.api_json("POST", &path, &json!({"mode": "now", "expires_in": "7d"})).await.expect(200);
    assert_eq!(answer.header("cache-control"), "no-store");
    let token = &answer.json()["token"];
    assert_eq!((&token["id"], &token["name"], &token["version"]), (&json!(old.id), &json!("t"), &json!(2)));
    assert_eq!(token["expires_at"], "2026-05-10T14:06:00Z");
    let states: Vec<_> = token["secrets"].as_array().unwrap().iter().map(|secret| secret["state"].clone()).collect();
    assert_eq!(states, ["active", "ended"]);
    assert_eq!(token["secrets"][1]["id"], old.secret_id());
    assert_eq!(token["secrets"][1]["ends_at"], "2026-05-03T14:06:00Z");
}

#[tokio::test]
async fn a_regeneration_needs_a_mode_that_is_known_and_a_lifetime_that_is_allowed() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let token = alice.create_token("t", &["read:users"]).await;
    let path = format!("{}/regenerate", path_of(&token.id));
    for body in [
        json!({}),
        json!({"mode": "later"}),
        json!({"mode": null}),
        json!({"mode": "now", "x": 1}),
        json!({"mode": "now", "expires_in": "366d"}),
        json!({"mode": "now", "expires_in": 0}),
        json!({"mode": "now", "expires_in": "never"}),
        json!({"mode": "now", "grace_seconds": "x"}),
        json!({"mode": "now", "expires_in": "1d", "expires_at": "2026-06-01T00:00:00Z"}),
    ] {
        assert!(!alice.api_json("POST", &path, &body).await.wrong_fields().is_empty(), "{body}");
    }
    alice.api("POST", &path).await.problem(415);
    app.check("", &token.secret).await.expect(200);
}

#[tokio::test]
async fn an_expired_token_is_regenerated_and_a_revoked_one_not() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let brief = alice.create_token_with(&wanted_with(&json!({"expires_in": 60}))).await;
    let gone = alice.create_token("gone", &["read:users"]).await;
    alice.revoke(&gone.id).await;
    app.clock.advance(minutes(2));
    assert_eq!(alice.get(&path_of(&brief.id)).await.json()["state"], "expired");
    let again = alice.regenerate(&brief.id).await;
    app.check("", &again.secret).await.expect(200);
    app.check("", &brief.secret).await.problem(401);
    let body = json!({"mode": "now"});
    alice.api_json("POST", &format!("{}/regenerate", path_of(&gone.id)), &body).await.problem(409);
    alice.api_json("PATCH", &path_of(&gone.id), &json!({"name": "x"})).await.problem(409);
}

#[tokio::test]
async fn revoking_is_final_and_may_be_repeated() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let token = alice.create_token("t", &["read:users"]).await;
    let path = format!("{}/revoke", path_of(&token.id));
    let answer = alice.api_json("POST", &path, &json!({"reason": "leaked"})).await.expect(204);
    assert_eq!(answer.body, "");
    app.clock.advance(minutes(1));
    alice.api_json("POST", &path, &json!({"reason": "other"})).await.expect(204);
    alice.api("POST", &path).await.expect(204);
    let after = alice.get(&path_of(&token.id)).await.json();
    assert_eq!((&after["state"], &after["revoked_reason"]), (&json!("revoked"), &json!("leaked")));
    assert_eq!(after["revoked_at"], "2026-05-03T14:05:00Z");
    assert_eq!(after["secrets"][0]["state"], "ended");
}

#[tokio::test]
async fn a_reason_is_short_and_printable() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let token = alice.create_token("t", &["read:users"]).await;
    let path = format!("{}/revoke", path_of(&token.id));
    for body in [
        json!({"reason": "x".repeat(10_000)}),
        json!({"reason": "\u{202E}"}),
        json!({"why": "x"}),
        json!({"reason": 1}),
    ] {
        alice.api_json("POST", &path, &body).await.problem(422);
    }
    let text = Call::new("POST", &path).header("sec-fetch-site", "same-origin").body("text/plain", "leaked");
    alice.send(text).await.problem(415);
    app.check("", &token.secret).await.expect(200);
}

#[tokio::test]
async fn a_change_decided_on_an_older_version_is_refused() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let token = alice.create_token("t", &["read:users"]).await;
    let path = path_of(&token.id);
    let change = |method: &str, path: &str, tag: &str, body: &Value| {
        Call::new(method, path).headers(&[("sec-fetch-site", "same-origin"), ("if-match", tag)]).json(body)
    };
    let (rename, renew) = (json!({"name": "new"}), json!({"mode": "now"}));
    let (regenerate, revoke) = (format!("{path}/regenerate"), format!("{path}/revoke"));
    let operations = [("PATCH", &path, &rename), ("POST", &regenerate, &renew), ("POST", &revoke, &json!({}))];
    for (method, path, body) in &operations {
        for tag in ["\"0\"", "\"2\"", "\"x\"", "\"\""] {
            alice.send(change(method, path, tag, body)).await.problem(412);
        }
    }
    app.check("", &token.secret).await.expect(200);
    alice.send(change("PATCH", &path, "\"1\"", &rename)).await.expect(200);
    alice.send(change("PATCH", &path, "\"1\"", &json!({"name": "x"}))).await.problem(412);
    alice.send(change("POST", &regenerate, "\"2\"", &renew)).await.expect(200);
    alice.send(change("POST", &revoke, "\"2\"", &json!({}))).await.problem(412);
    for scopes in [json!(["read:users write:users"]), json!(["read:users", ""])] {
        alice.api_json("PATCH", &path, &json!({"scopes": scopes})).await.problem(422);
    }
    let admin = app.browser_of("admin").await;
    let end = |tag: &str| {
        change("POST", &format!("/api/v1/admin/tokens/{}/revoke", token.id), tag, &json!({"reason": "policy"}))
    };
    admin.send(end("\"2\"")).await.problem(412);
    alice.send(change("POST", &revoke, "\"3\"", &json!({}))).await.expect(204);
    let other = alice.create_token("other", &["read:users"]).await;
    let path = format!("/api/v1/admin/tokens/{}/revoke", other.id);
    admin.send(change("POST", &path, "\"1\"", &json!({"reason": "policy"}))).await.expect(204);
}

#[tokio::test]
async fn nobody_is_told_anything_without_a_login() {
    let app = TestApp::new().await;
    let token = app.token_of_alice(&["read:users"]).await;
    for call in operations(&token.id) {
        let answer = app.send(call).await;
        answer.problem(401);
        assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"hallpass\"");
    }
    app.send(Call::get("/api/v1/openapi.json")).await.expect(200);
}

#[tokio::test]
async fn a_token_never_manages_tokens() {
    let app = TestApp::new().await;
    let token = app.token_of_alice(&["read:users"]).await;
    let before = app.value("SELECT count(*) FROM audit_events").await;
    for call in operations(&token.id) {
        app.send(call.clone().bearer(&token.secret)).await.problem(403);
        app.send(call.bearer(&unknown_token())).await.problem(401);
    }
    assert_eq!(app.value("SELECT count(*) FROM audit_events").await, before);
}

#[tokio::test]
async fn a_token_may_look_at_itself_and_end_itself() {
    let app = TestApp::new().await;
    let token = app.token_of_alice(&["read:users"]).await;
    let shown = app.send(Call::get("/api/v1/self").bearer(&token.secret)).await.expect(200);
    assert_eq!(shown.json()["id"], token.id);
    assert!(!shown.body.contains(&token.secret));
    app.send(Call::new("DELETE", "/api/v1/self").bearer(&token.secret)).await.expect(204);
    app.check("", &token.secret).await.problem(401);
    for method in ["GET", "DELETE"] {
        app.send(Call::new(method, "/api/v1/self").bearer(&token.secret)).await.problem(401);
        app.send(Call::new(method, "/api/v1/self")).await.problem(401);
        app.browser_of("alice").await.api(method, "/api/v1/self").await.problem(401);
    }
}

#[tokio::test]
async fn whoever_finds_a_leaked_token_can_end_it_wherever_they_are() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let token = alice.create_token_with(&wanted_with(&json!({"allowed_ips": ["198.51.100.7"]}))).await;
    app.check("", &token.secret).await.problem(403);
    app.send(Call::new("DELETE", "/api/v1/self").bearer(&token.secret)).await.expect(204);
    app.send(Call::get("/check").bearer(&token.secret).from("198.51.100.7")).await.problem(401);
}

#[tokio::test]
async fn a_cookie_and_an_authorization_together_are_refused() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let token = alice.create_token("t", &["read:users"]).await;
    let own = ["GET", "DELETE"].map(|method| Call::new(method, "/api/v1/self"));
    for call in operations(&token.id).into_iter().chain(own) {
        alice.send(call.header("sec-fetch-site", "same-origin").bearer(&token.secret)).await.problem(400);
    }
    app.check("", &token.secret).await.expect(200);
}

#[tokio::test]
async fn the_identity_header_counts_as_a_credential_here_too() {
    let app = TestApp::with(&[("check.identity_header", "X-API-Key")]).await;
    let alice = app.browser_of("alice").await;
    let token = alice.create_token("t", &["read:users"]).await;
    app.send(Call::get("/api/v1/self").header("x-api-key", &token.secret)).await.expect(200);
    app.send(Call::get(TOKENS).header("x-api-key", &token.secret)).await.problem(403);
    alice.send(Call::get(TOKENS).header("x-api-key", &token.secret)).await.problem(400);
}

async fn at_once(count: usize, browser: Browser, method: &'static str, path: String, body: Value) -> Vec<Answer> {
    let browser = Arc::new(browser);
    let mut running = JoinSet::new();
    for _ in 0..count {
        let (browser, path, body) = (browser.clone(), path.clone(), body.clone());
        running.spawn(async move { browser.api_json(method, &path, &body).await });
    }
    running.join_all().await
}

fn count(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_places_are_given_away_exactly_once() {
    let app = TestApp::with(&[("tokens.max_active_per_user", "5")]).await;
    let alice = app.browser_of("alice").await;
    alice.create_token("first", &["read:users"]).await;
    let answers = at_once(8, alice.moved_to(&app), "POST", TOKENS.to_owned(), wanted("t")).await;
    assert_eq!((count(&answers, 201), count(&answers, 409)), (4, 4), "{answers:?}");
    answers.iter().filter(|answer| answer.status == 409).for_each(|answer| drop(answer.problem(409)));
    let first = walk(&alice, "").await.0.pop().unwrap();
    alice.revoke(&first).await;
    alice.create_token("in its place", &["read:users"]).await;
    app.browser_of("bob").await.create_token("bob's", &["read:users"]).await;
}

#[tokio::test]
async fn expired_tokens_take_no_place_until_they_are_regenerated() {
    let app = TestApp::with(&[("tokens.max_active_per_user", "1")]).await;
    let alice = app.browser_of("alice").await;
    let brief = alice.create_token_with(&wanted_with(&json!({"expires_in": 60}))).await;
    alice.regenerate(&brief.id).await;
    alice.api_json("POST", TOKENS, &wanted("t")).await.problem(409);
    alice
        .api_json("POST", &format!("{}/regenerate", path_of(&brief.id)), &json!({"mode": "now", "expires_in": 60}))
        .await
        .expect(200);
    app.clock.advance(minutes(2));
    alice.create_token("second", &["read:users"]).await;
    let body = json!({"mode": "now"});
    alice.api_json("POST", &format!("{}/regenerate", path_of(&brief.id)), &body).await.problem(409);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_regenerations_wins() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let token = alice.create_token("t", &["read:users"]).await;
    let path = format!("{}/regenerate", path_of(&token.id));
    let answers = at_once(6, alice, "POST", path, json!({"mode": "now"})).await;
    assert_eq!((count(&answers, 200), count(&answers, 409)), (1, 5), "{answers:?}");
    let winner = answers.iter().find(|answer| answer.status == 200).unwrap().json();
    app.check("", winner["secret"].as_str().unwrap()).await.expect(200);
    app.check("", &token.secret).await.problem(401);
    assert_eq!(app.value("SELECT count(*) FROM secrets WHERE state = 'active'").await, "1");
    assert_eq!(app.value("SELECT count(*) FROM secrets").await, "2");
}

#[tokio::test]
async fn making_a_secret_needs_a_recent_login_and_says_where_to_get_one() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    app.clock.advance(minutes(15));
    let token = alice.create_token("just in time", &["read:users"]).await;
    app.clock.advance(seconds(1));
    let regenerate = format!("{}/regenerate", path_of(&token.id));
    for (path, body) in [(TOKENS, wanted("t")), (regenerate.as_str(), json!({"mode": "now"}))] {
        let problem = alice.api_json("POST", path, &body).await.problem(403);
        let login_url = problem["login_url"].as_str().unwrap().to_owned();
        let begin = login_url.strip_prefix(app.public_url()).unwrap();
        assert!(alice.moved_to(&app).begin_login(begin).await.contains("max_age=900"), "{login_url}");
    }
    alice.api_json("PATCH", &path_of(&token.id), &json!({"name": "still allowed"})).await.expect(200);
    alice.revoke(&token.id).await;
    alice.log_in("alice").await;
    alice.create_token("after a fresh login", &["read:users"]).await;
}

#[tokio::test]
async fn a_recent_login_is_only_asked_for_where_it_is_configured() {
    let app =
        TestApp::with(&[("tokens.fresh_login", "off"), ("session.idle", "10d"), ("session.absolute", "10d")]).await;
    let alice = app.browser_of("alice").await;
    app.clock.advance(days(9));
    alice.create_token("t", &["read:users"]).await;
}

#[tokio::test]
async fn every_problem_has_a_page_that_explains_it() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let answers = [
        app.send(Call::get("/api/v1/me")).await.problem(401),
        alice.get("/api/v1/nothing").await.problem(404),
        alice.api("POST", TOKENS).await.problem(415),
        alice.api_json("POST", TOKENS, &json!({})).await.problem(422),
    ];
    for problem in answers {
        let page = problem["type"].as_str().unwrap().strip_prefix(app.public_url()).unwrap().to_owned();
        assert!(page.starts_with("/problems/"));
        assert!(app.send(Call::get(&page)).await.expect(200).body.contains(problem["title"].as_str().unwrap()));
    }
}

#[tokio::test]
async fn the_openapi_document_describes_every_operation() {
    let app = TestApp::new().await;
    let document = app.send(Call::get("/api/v1/openapi.json")).await.expect(200).json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3."));
    let described: BTreeSet<_> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, methods)| methods.as_object().unwrap().keys().map(move |method| format!("{method} {path}")))
        .collect();
    let expected = [
        "get /api/v1/me",
        "get /api/v1/scopes",
        "get /api/v1/tokens",
        "post /api/v1/tokens",
        "get /api/v1/tokens/{id}",
        "patch /api/v1/tokens/{id}",
        "post /api/v1/tokens/{id}/regenerate",
        "post /api/v1/tokens/{id}/revoke",
        "get /api/v1/self",
        "delete /api/v1/self",
    ];
    let missing: Vec<_> = expected.iter().filter(|operation| !described.contains(**operation)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
