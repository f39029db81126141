//! Ending tokens that somebody found: without an account, and by those who search public places.

use serde_json::{Value, json};

use super::{administrator, items};
use crate::support::{
    Answer, Call, Scanner, TestApp, minutes, token_of, unknown_token, with_wrong_checksum, with_wrong_secret,
};

async fn send(app: &TestApp, key: &str, signature: &str, body: &str) -> Answer {
    app.send(Scanner::message(key, signature, body)).await
}

#[tokio::test]
async fn a_token_that_a_scanner_reports_is_revoked_and_its_owner_is_told_where_it_was() {
    let scanner = Scanner::new();
    let app = scanner.app("revoke").await;
    let alice = app.browser_of("alice").await;
    let token = alice.create_token("careless", &["read:users"]).await;
    let body = json!([
        {"token": token.secret, "type": "hallpass_token", "url": "https://git.example.org/a/b/blob/x#L7", "source": "content"},
        {"token": unknown_token(), "type": "hallpass_token", "url": ""},
    ]);
    for _ in 0..2 {
        assert_eq!(scanner.tell(&app, &body.to_string()).await.expect(204).body, "");
    }
    app.check("", &token.secret).await.expect(401);
    let seen = alice.get(&format!("/api/v1/tokens/{}", token.id)).await.json();
    assert_eq!(seen["revoked_reason"], "leaked: found at https://git.example.org/a/b/blob/x#L7");
    assert_eq!(app.actions().await.iter().filter(|action| *action == "token.revoked").count(), 1);
    assert!(alice.get("/tokens").await.body.contains("Somebody who found it"));
}

#[tokio::test]
async fn where_leaks_are_only_told_the_token_goes_on() {
    let scanner = Scanner::new();
    let app = scanner.app("notify").await;
    let alice = app.browser_of("alice").await;
    let token = alice.create_token("careless", &["read:users"]).await;
    scanner.tell(&app, &json!([{"token": token.secret, "url": "https://x"}]).to_string()).await.expect(204);
    app.check("", &token.secret).await.expect(200);
    let event = app.verified_events().await.pop().unwrap();
    assert_eq!((event.action.as_str(), event.reason.as_deref()), ("token.reported", Some("leaked")));
    let page = alice.get("/tokens").await.body;
    assert!(page.contains("Somebody who found it") && page.contains("careless") && page.contains(" reported "));
}

#[tokio::test]
async fn a_message_that_comes_again_is_noted_once_and_no_place_holds_the_secret() {
    let scanner = Scanner::new();
    let app = scanner.app("notify").await;
    let alice = app.browser_of("alice").await;
    let token = alice.create_token("careless", &["read:users"]).await;
    let at = |url: String| json!([{"token": token.secret, "url": url}]).to_string();
    for _ in 0..3 {
        scanner.tell(&app, &at(format!("https://ci/?t={}", token.secret))).await.expect(204);
    }
    scanner.tell(&app, &at("https://elsewhere".to_owned())).await.expect(204);
    let reports = app.actions().await.iter().filter(|action| *action == "token.reported").count();
    assert_eq!(reports, 2, "one for each place");
    let dump = app.dump().await;
    assert!(!dump.contains(&token.secret[22..]) && dump.contains("found at https://ci/?t="), "{dump}");
}

#[tokio::test]
async fn every_token_in_a_text_is_ended_however_often_others_are_in_it() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let mut tokens = Vec::new();
    for index in 0..25 {
        tokens.push(alice.create_token(&format!("t{index}"), &["read:users"]).await.secret);
    }
    let text = format!("{} {}", format!("{} ", tokens[0]).repeat(30), tokens.join("\n"));
    app.send(Call::new("POST", "/report").form(&[("text", &text)])).await.expect(200);
    for token in &tokens {
        app.check("", token).await.expect(401);
    }
}

#[tokio::test]
async fn only_what_a_known_key_signed_is_taken() {
    let scanner = Scanner::new();
    let app = scanner.app("revoke").await;
    let token = app.token_of_alice(&["read:users"]).await;
    let body = json!([{"token": token.secret}]).to_string();
    let (signature, stranger) = (scanner.sign(&body), Scanner::new().sign(&body));
    for (key, signature, body) in [
        ("k1", stranger.as_str(), body.as_str()),
        ("k2", &signature, &body),
        ("", &signature, &body),
        ("k1", "", &body),
        ("k1", "no base64", &body),
        ("k1", &signature, &format!("{body} ")),
    ] {
        send(&app, key, signature, body).await.problem(403);
    }
    app.check("", &token.secret).await.expect(200);
    for malformed in ["", "{}", "[1]", "[{\"tok\": 1}]", "nonsense"] {
        scanner.tell(&app, malformed).await.problem(400);
    }
    send(&app, "k1", &signature, &body).await.expect(204);
    app.check("", &token.secret).await.expect(401);
}

#[tokio::test]
async fn without_a_key_there_is_no_such_address_and_guessing_signatures_has_an_end() {
    let scanner = Scanner::new();
    send(&TestApp::new().await, "k1", &scanner.sign("[]"), "[]").await.problem(404);
    let keys = json!([{"id": "k1", "public_key": scanner.pem()}]).to_string();
    let app = TestApp::with(&[("leak_intake.keys", &keys), ("check.failure_limit", "2/m")]).await;
    for status in [403, 403, 429] {
        send(&app, "k1", "AAAA", "[]").await.problem(status);
    }
    scanner.tell(&app, "[]").await.expect(204);
}

#[tokio::test]
async fn whoever_finds_a_token_ends_it_and_learns_nothing_about_others() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let (good, ended) =
        (alice.create_token("good", &["read:users"]).await, alice.create_token("ended", &["read:users"]).await);
    alice.revoke(&ended.id).await;
    let report = async |text: &str| {
        let answer = app.send(Call::new("POST", "/report").form(&[("text", text)])).await.expect(200);
        assert!(!answer.to_string().contains(&good.secret));
        answer.without_chance()
    };
    let answers = [
        report(&format!("key: {}", with_wrong_secret(&good.secret))).await,
        report(&unknown_token()).await,
        report(&ended.secret).await,
        report("nothing at all").await,
        report(&format!("  token={}  ", good.secret)).await,
    ];
    assert!(answers.iter().all(|answer| *answer == answers[0] && answer.contains("Thank you")), "{answers:?}");
    app.check("", &good.secret).await.expect(401);
    let seen = alice.get(&format!("/api/v1/tokens/{}", good.id)).await.json();
    assert_eq!(seen["revoked_reason"], "leaked: reported by somebody who found it");
}

/// A good token, and others that nobody can use.
async fn tokens_of_every_kind(app: &TestApp) -> (String, Vec<String>) {
    let owner = app.browser_of("alice").await;
    let add = async |name: &str| owner.create_token(name, &["read:users"]).await;
    let (good, revoked, replaced) = (add("good").await.secret, add("revoked").await, add("replaced").await);
    owner.revoke(&revoked.id).await;
    owner.regenerate(&replaced.id).await;
    let expired = json!({"name": "expired", "scopes": ["read:users"], "expires_in": 60});
    let expired = owner.create_token_with(&expired).await;
    app.clock.advance(minutes(2));
    let others = vec![
        unknown_token(),
        with_wrong_secret(&good),
        with_wrong_checksum(&good),
        revoked.secret,
        replaced.secret,
        expired.secret,
        "nonsense".to_owned(),
    ];
    (good, others)
}

/// How somebody tells of a token.
type Way<'a> = &'a dyn Fn(&str) -> Call;

#[tokio::test]
async fn whoever_tells_of_a_token_gets_the_same_answer_whatever_it_is() {
    let scanner = Scanner::new();
    let report = |token: &str| Call::new("POST", "/report").form(&[("text", token)]);
    let revoke = |token: &str| Call::new("POST", "/oauth/revoke").form(&[("token", token)]);
    let tell = |token: &str| scanner.signed(&json!([{"token": token, "url": "https://x"}]).to_string());
    let ways: [(Way<'_>, &str, u16, u16); 4] = [
        (&report, "revoke", 200, 401),
        (&revoke, "revoke", 200, 401),
        (&tell, "revoke", 204, 401),
        (&tell, "notify", 204, 200),
    ];
    for (call, action, status, check) in ways {
        let app = scanner.app(action).await;
        let (good, others) = tokens_of_every_kind(&app).await;
        let first = app.send(call(&others[0])).await.expect(status).without_chance();
        for token in others.iter().chain([&good, &good]) {
            assert_eq!(app.send(call(token)).await.without_chance(), first, "{token}");
        }
        app.check("", &good).await.expect(check);
    }
}

#[tokio::test]
async fn nobody_has_a_thousand_tokens_looked_up_by_one_report() {
    let app = TestApp::new().await;
    let token = app.token_of_alice(&["read:users"]).await;
    let guesses: Vec<_> = (0..50).map(|index| token_of("hpat", &format!("{index:016}"), &"a".repeat(43))).collect();
    let text = format!("{} {}", token.secret, guesses.join(" "));
    let refused = app.send(Call::new("POST", "/report").form(&[("text", &text)])).await.expect(422);
    assert!(refused.body.contains("send it in parts"), "{refused}");
    app.check("", &token.secret).await.expect(200);
}

#[tokio::test]
async fn each_token_of_a_report_counts() {
    let app = TestApp::with(&[("check.failure_limit", "5/m")]).await;
    let guesses: Vec<_> = (0..5).map(|index| token_of("hpat", &format!("{index:016}"), &"a".repeat(43))).collect();
    let send = async |text: &str| app.send(Call::new("POST", "/report").form(&[("text", text)])).await.status;
    assert_eq!([send(&guesses.join(" ")).await, send(&guesses[0]).await], [200, 429]);
}

#[tokio::test]
async fn whoever_reports_a_token_is_not_shown_to_its_owner() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let token = alice.create_token("t", &["read:users"]).await;
    let finder = Call::new("POST", "/report").form(&[("text", &token.secret)]).header("user-agent", "finder/1");
    app.send(finder).await.expect(200);
    let told = &items(&alice.get("/api/v1/audit").await)[0];
    assert_eq!(
        (&told["action"], &told["reason"]),
        (&"token.revoked".into(), &"leaked: reported by somebody who found it".into())
    );
    assert_eq!((&told["ip"], &told["user_agent"], &told["request_id"]), (&Value::Null, &Value::Null, &Value::Null));
    let page = alice.get(&format!("/tokens/{}", token.id)).await.body;
    assert_eq!(page.matches("192.0.2.10").count(), 1, "only her own: {page}");
    let admin = administrator(&app).await;
    assert_eq!(items(&admin.get("/api/v1/admin/audit?action=token.revoked").await)[0]["user_agent"], "finder/1");
}

#[tokio::test]
async fn reports_and_revocations_stand_under_the_limit_of_failures_whatever_they_bring() {
    for path in ["/report", "/oauth/revoke"] {
        let app = TestApp::with(&[("check.failure_limit", "2/m")]).await;
        let token = app.token_of_alice(&["read:users"]).await;
        let send =
            async |text: &str| app.send(Call::new("POST", path).form(&[("text", text), ("token", text)])).await.status;
        let unknown = unknown_token();
        let answers = [send(&unknown).await, send(&unknown).await, send(&unknown).await, send(&token.secret).await];
        assert_eq!(answers, [200, 200, 429, 429], "{path}");
        app.check("", &token.secret).await.expect(429);
        let state = "SELECT count(*) FROM tokens WHERE revoked_at IS NOT NULL";
        assert_eq!(app.value(state).await, "1", "what was good is revoked all the same");
    }
}

#[tokio::test]
async fn a_report_that_is_too_long_counts_like_any_other() {
    let app = TestApp::with(&[("check.failure_limit", "2/m")]).await;
    let guesses: Vec<_> = (0..51).map(|index| token_of("hpat", &format!("{index:016}"), &"a".repeat(43))).collect();
    let send = async || app.send(Call::new("POST", "/report").form(&[("text", &guesses.join(" "))])).await.status;
    assert_eq!([send().await, send().await, send().await], [422, 422, 429]);
}
