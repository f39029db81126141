//! Finding people, locking them out and letting them in again.

use hallpass::domain::audit::Origin;
use hallpass::domain::authority::{Actor, Credential};
use hallpass::domain::id::UserId;
use hallpass::domain::time::Clock as _;
use hallpass::server::service::Caller;
use hallpass::server::service::authority::Administrator;
use hallpass::server::service::tokens::TokenError;
use serde_json::json;

use super::{administrator, all, items};
use crate::support::{Browser, TestApp, minutes};

async fn id_of(browser: &Browser) -> String {
    browser.get("/api/v1/me").await.json()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn users_are_listed_by_name_with_what_they_have() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    alice.create_token("t", &["read:users"]).await;
    app.browser_of("bob").await;
    let admin = administrator(&app).await;
    let listed = admin.get("/api/v1/admin/users").await;
    assert_eq!(all(&listed, "username"), ["admin", "alice", "bob"]);
    let alice = &items(&listed)[1];
    assert_eq!((&alice["tokens"], &alice["sessions"], &alice["provider"]), (&json!(1), &json!(1), &json!("main")));
    assert_eq!(all(&admin.get("/api/v1/admin/users?q=LIC").await, "username"), ["alice"]);
    let first = admin.get("/api/v1/admin/users?limit=2").await;
    let next = first.json()["next_cursor"].as_str().unwrap().to_owned();
    let rest = admin.get(&format!("/api/v1/admin/users?limit=2&cursor={next}")).await;
    assert_eq!(
        (all(&first, "username"), all(&rest, "username")),
        (vec!["admin".into(), "alice".into()], vec!["bob".into()])
    );
    assert_eq!(rest.json()["next_cursor"], json!(null));
    for (query, field) in [("state=gone", "state"), ("cursor=x", "cursor"), ("limit=x", "limit")] {
        let refused = admin.get(&format!("/api/v1/admin/users?{query}")).await.problem(422);
        assert_eq!(refused["errors"][0]["field"], field);
    }
}

#[tokio::test]
async fn a_list_of_users_says_what_they_may_when_they_came_and_what_is_open() {
    let app = TestApp::new().await;
    let bob = app.browser_of("bob").await;
    app.clock.advance(minutes(10));
    let alice = app.browser_of("alice").await;
    let (revoked, brief) =
        (alice.create_token("a", &["read:users"]).await, json!({"name": "b", "scopes": ["read:users"]}));
    for lifetime in [60, 3_600, 7_200] {
        let mut token = brief.clone();
        token["expires_in"] = lifetime.into();
        alice.create_token_with(&token).await;
    }
    alice.revoke(&revoked.id).await;
    app.browser_of("alice").await;
    app.clock.advance(minutes(5));
    bob.post_form("/auth/logout", &[]).await.expect(303);
    let admin = administrator(&app).await;

    let listed = items(&admin.get("/api/v1/admin/users").await);
    let facts = |index: usize| {
        let person = &listed[index];
        let roles = person["roles"].as_array().unwrap().iter().map(|role| role.as_str().unwrap());
        let times = ["created_at", "last_login_at"].map(|field| person[field].as_str().unwrap()[11..19].to_owned());
        (roles.collect::<Vec<_>>().join(" "), times, person["tokens"].as_i64(), person["sessions"].as_i64())
    };
    let [admins, alices, bobs] = ["14:20:00", "14:15:00", "14:05:00"].map(|time| [time.to_owned(), time.to_owned()]);
    assert_eq!(facts(0), ("hallpass-admin staff".to_owned(), admins, Some(0), Some(1)));
    // One was revoked and one has run out.
    assert_eq!(facts(1), ("staff".to_owned(), alices, Some(2), Some(2)));
    assert_eq!(facts(2), (String::new(), bobs, Some(0), Some(0)), "he has logged out");

    let page = admin.get("/admin/users").await.expect(200).body;
    let rows: Vec<_> = page.split("<tr role=\"row\">").skip(2).map(words).collect();
    assert_eq!(rows[0], "admin admin@demo.example hallpass-admin staff just now 0 1 Enabled");
    assert_eq!(rows[1], "alice alice@demo.example staff 5 minutes ago 2 2 Enabled");
    assert_eq!(rows[2], "bob bob@demo.example none 15 minutes ago 0 0 Enabled");
}

/// What a reader sees of a row.
fn words(html: &str) -> String {
    let row = html.split("</tr>").next().unwrap();
    let texts = row.split('<').map(|piece| piece.split_once('>').map_or("", |(_, text)| text));
    texts.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn a_disabled_user_is_out_from_the_answer_on_until_they_are_let_in_again() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let token = alice.create_token("t", &["read:users"]).await;
    let id = id_of(&alice).await;
    let admin = administrator(&app).await;
    app.check("", &token.secret).await.expect(200);
    let path = |verb: &str| format!("/api/v1/admin/users/{id}/{verb}");
    for _ in 0..2 {
        admin.api_json("POST", &path("disable"), &json!({"reason": "left"})).await.expect(204);
    }
    app.check("", &token.secret).await.expect(401);
    alice.get("/api/v1/me").await.problem(401);
    assert_eq!(all(&admin.get("/api/v1/admin/users?state=disabled").await, "username"), ["alice"]);
    let refused = app.browser().log_in_through("/auth/main/login", "alice").await;
    assert_eq!(refused.status, 403, "{refused}");
    for _ in 0..2 {
        admin.api("POST", &path("enable")).await.expect(204);
    }
    app.check("", &token.secret).await.expect(200);
    alice.get("/api/v1/me").await.problem(401);
    app.browser_of("alice").await.get("/api/v1/me").await.expect(200);
    let actions = app.actions().await;
    // One session of hers ended with it.
    for action in ["user.disabled", "user.enabled", "session.ended"] {
        assert_eq!(actions.iter().filter(|found| *found == action).count(), 1, "{actions:?}");
    }
}

#[tokio::test]
async fn an_administrator_ends_one_session_or_all_and_their_owner_is_told() {
    let app = TestApp::new().await;
    let [first, second] = [app.browser_of("alice").await, app.browser_of("alice").await];
    let login = items(&second.get("/api/v1/audit?action=user.logged_in").await)[0]["object"]["id"].clone();
    let id = id_of(&first).await;
    let admin = administrator(&app).await;
    let path = format!("/admin/users/{id}/sessions");
    admin.post_form(&path, &[("session", login.as_str().unwrap())]).await.expect(303);
    first.get("/api/v1/me").await.expect(200);
    second.get("/api/v1/me").await.problem(401);
    admin.post_form(&path, &[]).await.expect(303);
    first.get("/api/v1/me").await.problem(401);
    admin.get("/api/v1/me").await.expect(200);
    let event = app.verified_events().await.pop().unwrap();
    assert_eq!((event.action.as_str(), event.on_behalf_of), ("session.ended", Some(id.clone())));
    assert_eq!(event.actor.1, Some(id_of(&admin).await));

    let verb = |verb: &str| format!("/api/v1/admin/users/{id}/{verb}");
    admin.api_json("POST", &verb("disable"), &json!({"reason": "policy: on leave"})).await.expect(204);
    admin.api("POST", &verb("enable")).await.expect(204);
    let page = app.browser_of("alice").await.get("/activity").await.body;
    for words in ["Session ended", "User disabled", "User enabled", "An administrator", "on leave"] {
        assert!(page.contains(words), "{words}: {page}");
    }
}

#[tokio::test]
async fn administrators_cannot_lock_everybody_out() {
    let app = TestApp::new().await;
    let admin = administrator(&app).await;
    let id = id_of(&admin).await;
    admin.api("POST", &format!("/api/v1/admin/users/{id}/disable")).await.problem(409);
    admin.get("/api/v1/admin/users").await.expect(200);
    let unknown = "/api/v1/admin/users/00000000-0000-4000-8000-000000000000";
    for verb in ["disable", "enable"] {
        admin.api("POST", &format!("{unknown}/{verb}")).await.problem(404);
    }
}

/// An administrator as the service is told of them once their request was let in.
async fn let_in(app: &TestApp, id: UserId) -> Administrator {
    let user = app.app.db.lookup_user(id).await.unwrap().unwrap();
    let caller = Caller { user, auth_time: app.clock.now(), origin: Origin::default() };
    Administrator::admit(caller, Actor { credential: Credential::Session, is_admin: true }).unwrap()
}

#[tokio::test]
async fn whoever_is_locked_out_after_their_request_was_let_in_locks_nobody_out_or_in() {
    let app = TestApp::new().await;
    let [admin, alice, bob] = [administrator(&app).await, app.browser_of("alice").await, app.browser_of("bob").await];
    let [own, alices, bobs] =
        [id_of(&admin).await, id_of(&alice).await, id_of(&bob).await].map(|id| id.parse().unwrap());
    let (late, service) = (let_in(&app, own).await, &app.app.web.admin);
    for id in [own, bobs] {
        service.disable(&Administrator::operator(), id, None).await.unwrap();
    }
    let before = app.actions().await;
    let outcomes = [
        service.disable(&late, alices, None).await,
        service.enable(&late, bobs).await,
        service.enable(&late, own).await,
    ];
    for outcome in outcomes {
        let refusal = outcome.unwrap_err();
        assert!(matches!(&refusal, TokenError::Conflict(why) if why.contains("disabled yourself")), "{refusal}");
    }
    assert_eq!(app.actions().await, before);
    alice.get("/api/v1/me").await.expect(200);
    let refused = app.browser().log_in_through("/auth/main/login", "bob").await;
    assert_eq!(refused.status, 403, "{refused}");
}
