//! What the pages of the panel say, and what they lose on the way.

use std::time::Duration;

use crate::support::{Browser, TestApp, form, minutes, seconds};

use super::administrator;

const REVOKE: &str = "/admin/tokens/revoke";

/// Logs in again by the link that a page offers, and gives where that leads.
async fn log_in_again(browser: &Browser, page: &crate::support::Answer) -> String {
    let link = page.link("/auth/main/login");
    browser.log_in_through(&link, "admin").await.expect(303).location().to_owned()
}

async fn ids(app: &TestApp, count: usize) -> Vec<String> {
    let alice = app.browser_of("alice").await;
    let mut ids = Vec::new();
    for index in 0..count {
        ids.push(alice.create_token(&format!("batch-{index}"), &["read:users"]).await.id);
    }
    ids
}

#[tokio::test]
async fn so_many_chosen_tokens_that_no_address_holds_them_are_ticked_again_in_the_same_list() {
    let app = TestApp::new().await;
    let admin = administrator(&app).await;
    app.clock.advance(minutes(16));
    for (chosen, leads_to) in [(40, "/admin/tokens?q=batch&sort=name"), (5, "/admin/tokens/revoke?id=")] {
        let id = "41cef11a-bec4-45e9-fd87-33cde4ae0e0b".to_owned();
        let mut fields = vec![("list", "q=batch&sort=name")];
        fields.extend(std::iter::repeat_n(("id", id.as_str()), chosen));
        let page = admin.get(&format!("{REVOKE}?{}", form(&fields))).await.expect(403);
        assert_eq!(page.words().contains("tick them again"), chosen == 40, "{page}");
        let back = log_in_again(&admin, &page).await;
        assert!(back.starts_with(leads_to), "{back}");
        app.clock.advance(minutes(16));
    }
}

#[tokio::test]
async fn a_bulk_form_that_needs_a_fresh_login_keeps_what_was_typed_but_for_the_number() {
    let app = TestApp::new().await;
    ids(&app, 2).await;
    let admin = administrator(&app).await;
    app.clock.advance(minutes(16));
    let typed = [("q", "batch"), ("reason", "policy"), ("words", "two & more"), ("confirm", "2")];
    let page = admin.post_form(REVOKE, &typed).await.expect(403);
    let back = log_in_again(&admin, &page).await;
    let again = admin.get(&back).await.expect(200);
    assert!(again.body.contains("value=\"policy\" checked"), "{again}");
    assert!(again.field("words").contains("value=\"two &amp; more\""), "{again}");
    assert!(again.field("confirm").contains("value=\"\""), "nobody types a number by accident: {again}");
}

#[tokio::test]
async fn every_mistake_in_the_bulk_form_is_named_at_once() {
    let app = TestApp::new().await;
    ids(&app, 2).await;
    let admin = administrator(&app).await;
    let page = admin.post_form(REVOKE, &[("q", "batch"), ("reason", ""), ("confirm", "3")]).await.expect(422);
    for mistake in ["href=\"#reason\"", "href=\"#confirm\""] {
        assert!(page.body.contains(mistake), "{mistake}: {page}");
    }
    let words = page.words();
    assert!(words.contains("Nothing was changed.") && !words.contains("saved"), "{words}");
    assert!(words.contains("Why? Please say why.") && !words.contains("?:"), "{words}");
    let page = admin.post_form(REVOKE, &[("q", "batch"), ("reason", ""), ("confirm", "2")]).await.expect(422);
    assert!(!page.body.contains("href=\"#confirm\""), "the number was right: {page}");
}

#[tokio::test]
async fn a_search_is_kept_whether_its_tokens_are_revoked_or_kept() {
    let app = TestApp::new().await;
    let ids = ids(&app, 2).await;
    let admin = administrator(&app).await;
    let list = admin.get("/admin/tokens?q=batch&sort=name").await.expect(200);
    let all = list.link(REVOKE);
    let chosen = format!("{REVOKE}?{}", form(&[("id", ids[0].as_str()), ("list", "q=batch&sort=name")]));
    for (asked, count) in [(chosen, "1"), (all, "1")] {
        let page = admin.get(&asked).await.expect(200);
        assert_eq!(page.link("/admin/tokens?"), "/admin/tokens?q=batch&sort=name", "{asked}");
        let hidden = page.body.split("<input type=\"hidden\" ").skip(1).map(|rest| rest.split('>').next().unwrap());
        let hidden = hidden.map(|tag| {
            let attribute = |name: &str| tag.split(&format!("{name}=\"")).nth(1).unwrap().split('"').next().unwrap();
            (attribute("name"), attribute("value").replace("&amp;", "&"))
        });
        let hidden: Vec<_> = hidden.collect();
        let mut fields: Vec<_> = hidden.iter().map(|(name, value)| (*name, value.as_str())).collect();
        fields.extend([("reason", "policy"), ("confirm", count)]);
        let done = admin.post_form(REVOKE, &fields).await.expect(303);
        assert_eq!(done.location(), "/admin/tokens?q=batch&sort=name&notice=revoked-1", "{asked}");
    }
    let nothing = admin.get(&format!("{REVOKE}?q=batch&sort=name")).await.expect(200);
    assert!(nothing.words().contains("Nothing to revoke"), "{nothing}");
    assert_eq!(nothing.link("/admin/tokens?"), "/admin/tokens?q=batch&sort=name");
}

#[tokio::test]
async fn tokens_of_one_name_can_be_told_apart_before_they_end() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let first = alice.create_token("nightly", &["read:users"]).await;
    app.clock.advance(minutes(3 * 24 * 60));
    let second = app.browser_of("alice").await.create_token("nightly", &["read:users"]).await;
    let words = administrator(&app).await.get(&format!("{REVOKE}?user=alice")).await.expect(200).words();
    assert!(words.contains("This ends 2 tokens of the user alice."), "{words}");
    for (token, made) in [(first, "made 3 May 2026"), (second, "made 6 May 2026")] {
        assert!(words.contains(made) && words.contains(&token.id[..8]), "{made}: {words}");
    }
    assert!(words.contains("never used") && !words.contains("used never"), "{words}");
}

#[tokio::test]
async fn what_is_wrong_with_a_filter_of_the_log_is_said_beside_its_field() {
    let app = TestApp::new().await;
    let admin = administrator(&app).await;
    for (query, field, shown, summary) in [
        ("since=the-day-before&result=done", "since", "value=\"the-day-before\"", "From: Please give a time"),
        ("until=2026-02-30", "until", "value=\"2026-02-30\"", "To: Please give a time"),
        ("since=2026-05-03&until=2026-05-02", "until", "value=\"2026-05-02\"", "To: This has to be after “From”."),
        ("since=7d&until=30d", "until", "value=\"30d\"", "To: This has to be after “From”."),
        ("action=foo.bar", "action", "", "Action: Nothing is called “foo.bar”."),
        ("result=good", "result", "", "Result: Please choose one."),
        ("user=alice", "user", "value=\"alice\"", "User: Please give the id of a user."),
    ] {
        let page = admin.get(&format!("/admin/audit?{query}")).await.expect(422);
        assert!(page.title().starts_with("Please check: "), "{query}: {page}");
        let tag = page.field(field);
        for part in [shown, &format!("id=\"{field}\""), "aria-invalid=\"true\"", &format!("\"{field}-error\"")] {
            assert!(tag.contains(part), "{query}: no {part} in {tag}");
        }
        assert!(page.body.contains(&format!("id=\"{field}-error\"")), "{query}: {page}");
        let words = page.words();
        assert!(words.contains(summary), "{query}: {words}");
        for claim in ["Nothing of that kind", "Export as", "Only what is"] {
            assert!(!words.contains(claim), "{query}: nobody looked, but {claim:?}: {words}");
        }
    }
    let both = admin.get("/admin/audit?since=x&until=y").await.expect(422).words();
    assert!(both.contains("From: ") && both.contains("To: "), "all mistakes at once: {both}");
    let unknown = admin.get("/admin/audit?action=foo.bar").await;
    assert!(
        unknown.body.contains("<option value=\"foo.bar\" selected"),
        "the field shows what was asked for: {unknown}"
    );
}

#[tokio::test]
async fn spans_and_instants_stay_in_the_filter_of_the_log() {
    let app = TestApp::new().await;
    let admin = administrator(&app).await;
    for value in ["7d", "2026-05-01T00:00:00Z", "2026-05-01"] {
        let page = admin.get(&format!("/admin/audit?since={value}")).await.expect(200);
        assert!(page.field("since").contains(&format!("value=\"{value}\"")), "{value}: {page}");
        let kind = if value.len() == 10 { "type=\"date\"" } else { "type=\"text\"" };
        assert!(page.field("since").contains(kind), "a field for dates shows nothing else: {page}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_filter_of_tokens_is_said_beside_its_field() {
    let app = TestApp::new().await;
    let admin = administrator(&app).await;
    for (query, field, summary) in [
        ("expires_within=soon", "expires_within", "Expires within: Please give a span"),
        ("created_before=soon", "created_before", "Made before: Please give a time"),
        ("unused_since=soon", "unused_since", "Last use: Please give a time"),
        ("state=good", "state", "State: Please give one of"),
        ("user=nobody", "user", "User: "),
    ] {
        let page = admin.get(&format!("/admin/tokens?{query}")).await.expect(422);
        assert!(page.title().starts_with("Please check: "), "{query}: {page}");
        let tag = page.field(field);
        for part in [&format!("id=\"{field}\"") as &str, "aria-invalid=\"true\""] {
            assert!(tag.contains(part), "{query}: no {part} in {tag}");
        }
        let words = page.words();
        assert!(words.contains(summary), "{query}: {words}");
        for claim in ["No token matches", "Only tokens", "Revoke all"] {
            assert!(!words.contains(claim), "{query}: nobody looked, but {claim:?}: {words}");
        }
    }
    let page = admin.get("/admin/tokens?unused_since=10d").await.expect(200);
    assert!(page.body.contains("<option value=\"10d\" selected"), "what narrows is shown: {page}");
}

#[tokio::test]
async fn a_session_that_ended_is_said_to_be_whose() {
    let app = TestApp::new().await;
    let bob = app.browser_of("bob").await;
    let id = bob.get("/api/v1/me").await.json()["id"].as_str().unwrap().to_owned();
    bob.log_in("bob").await;
    let admin = administrator(&app).await;
    for by in ["a new login", "an administrator"] {
        let page = admin.get("/admin/audit?action=session.ended").await.expect(200);
        assert!(page.words().contains("Session ended of bob"), "{by}: {page}");
        assert!(page.body.contains(&format!("href=\"/admin/users/{id}\"")), "{by}: {page}");
        app.clock.advance(minutes(1));
        admin.post_form(&format!("/admin/users/{id}/sessions"), &[]).await.expect(303);
    }
    let page = admin.get(&format!("/admin/users/{id}")).await.expect(200);
    assert_eq!(page.words().matches("Session ended of bob").count(), 2, "{page}");
    let own = app.browser_of("bob").await.get("/activity").await.words();
    assert!(own.contains("Session ended") && !own.contains("of bob"), "they know who they are: {own}");
}

#[tokio::test]
async fn administrators_are_told_at_once_that_they_cannot_disable_themselves() {
    let app = TestApp::new().await;
    let admin = administrator(&app).await;
    let id = admin.get("/api/v1/me").await.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/admin/users/{id}/disable");
    for page in [admin.get(&path).await, admin.post_form(&path, &[("reason", "")]).await] {
        assert!(page.status == 409 && page.words().contains("You cannot disable yourself"), "{page}");
        assert!(!page.body.contains("name=\"reason\"") && !page.words().contains("Disable user"), "{page}");
    }
}

#[tokio::test]
async fn administrators_see_which_session_is_theirs_and_keep_it_when_they_end_the_others() {
    let app = TestApp::new().await;
    let (admin, other) = (administrator(&app).await, administrator(&app).await);
    let id = admin.get("/api/v1/me").await.json()["id"].as_str().unwrap().to_owned();
    let words = admin.get(&format!("/admin/users/{id}")).await.expect(200).words();
    assert!(words.contains("This browser") && words.contains("Another browser"), "{words}");
    assert!(words.contains("End all other sessions"), "{words}");
    admin.post_form(&format!("/admin/users/{id}/sessions"), &[]).await.expect(303);
    let words = admin.get(&format!("/admin/users/{id}")).await.expect(200).words();
    assert!(words.contains("This browser") && !words.contains("End all"), "{words}");
    other.get("/admin").await.expect(303);
}

#[tokio::test]
async fn the_overview_says_to_the_second_how_old_its_numbers_are() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let admin = administrator(&app).await;
    app.app.overview.count().await.unwrap();
    assert!(admin.get("/admin").await.expect(200).words().contains("Counted just now."));
    alice.create_token("t", &["read:users"]).await;
    app.clock.advance(seconds(2));
    let words = admin.get("/admin").await.expect(200).words();
    assert!(words.contains("0active tokens") && words.contains("Counted 2 seconds ago."), "{words}");
    app.clock.advance(seconds(1));
    let words = admin.get("/admin").await.expect(200).words();
    assert!(words.contains("1active token") && words.contains("Counted just now."), "{words}");
}

#[tokio::test]
async fn nobody_waits_for_a_slow_count() {
    let app = TestApp::with_ambient(&[], |ambient| ambient.quick = Duration::ZERO).await;
    let alice = app.browser_of("alice").await;
    let admin = administrator(&app).await;
    app.app.overview.count().await.unwrap();
    alice.create_token("t", &["read:users"]).await;
    app.clock.advance(seconds(59));
    let words = admin.get("/admin").await.expect(200).words();
    assert!(words.contains("0active tokens") && words.contains("Counted 59 seconds ago."), "{words}");
    app.clock.advance(minutes(60));
    assert!(app.app.overview.is_due(), "a count of few tokens is made again after a while");
    app.app.overview.count().await.unwrap();
    assert!(!app.app.overview.is_due(), "but not at once, where it is slow");
    admin.log_in("admin").await;
    let words = admin.get("/admin").await.expect(200).words();
    assert!(words.contains("1active token") && words.contains("Counted just now."), "{words}");
}

#[tokio::test]
async fn a_chart_of_nothing_says_so() {
    let app = TestApp::new().await;
    let admin = administrator(&app).await;
    app.app.overview.count().await.unwrap();
    let words = admin.get("/admin").await.expect(200).words();
    assert!(words.contains("Tokens madenone in 30 days") && words.contains("Logins1 in 30 days"), "{words}");
}

#[tokio::test]
async fn what_can_be_done_with_a_user_stands_beside_what_happened_and_not_below() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await.get("/api/v1/me").await.json()["id"].as_str().unwrap().to_owned();
    let page = administrator(&app).await.get(&format!("/admin/users/{alice}")).await.expect(200);
    assert!(!page.body.contains("<h3") && page.between("<h2", "What happened").contains("Where they are"), "{page}");
}

#[tokio::test]
async fn the_title_says_whose_token_it_is() {
    let app = TestApp::new().await;
    let token = app.token_of_alice(&["read:users"]).await;
    let other = app.token_of_alice(&["read:users"]).await;
    let admin = administrator(&app).await;
    for (text, title) in [
        (token.id.clone(), "a token of alice: Whose token is this?"),
        (format!("{} {}", token.id, other.id), "2 tokens found: Whose token is this?"),
        ("nothing".to_owned(), "No token found: Whose token is this?"),
    ] {
        let page = admin.post_form("/admin/identify", &[("text", &text)]).await.expect(200);
        assert_eq!(page.title(), format!("{title} · Hallpass"));
    }
}

#[tokio::test]
async fn what_changed_is_told_in_plain_words() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    alice.create_token("t", &["read:users"]).await;
    let words = alice.get("/activity").await.words();
    assert!(words.contains("secret id: ") && !words.contains("secret: "), "{words}");
    assert!(words.contains("login provider: main") && !words.contains("attributes: "), "{words}");
}

#[tokio::test]
async fn a_token_that_is_pasted_into_the_search_is_found_and_stays_in_no_address() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let token = alice.create_token("wanted", &["read:users"]).await;
    alice.create_token("another", &["read:users"]).await;
    let admin = administrator(&app).await;
    for pasted in [token.secret.clone(), format!("curl%20-H%20Bearer%20{}%20api", token.secret)] {
        let masked =
            admin.get(&format!("/admin/tokens?state=active&q={pasted}")).await.expect(303).location().to_owned();
        assert!(!masked.contains(&token.secret[22..]), "{masked}");
        let place = admin.get(&masked).await.expect(303).location().to_owned();
        assert_eq!(place, format!("/admin/tokens?q={}&state=active", token.secret_id()));
        let words = admin.get(&place).await.expect(200).words();
        assert!(words.contains("wanted") && !words.contains("another"), "{words}");
    }
}

#[tokio::test]
async fn a_pasted_token_stays_in_the_address_of_no_page() {
    let app = TestApp::new().await;
    let admin = administrator(&app).await;
    let token = admin.create_token("wanted", &["read:users"]).await;
    let (secret, name) = (&token.secret, format!("hpat_{}_%E2%80%A6", token.secret_id()));
    // Whoever looks for something gets no further with a secret, whoever they are; so nobody learns what pages there are.
    for browser in [&admin, &app.browser_of("bob").await, &app.browser()] {
        for place in
            ["/tokens?state=&q", "/admin/users?q", "/admin/audit?object", "/admin/none?x", "/none?x", "/login?x"]
        {
            for text in [secret.clone(), format!("a+{secret}%0A{secret}"), format!("%68{}", &secret[1..])] {
                let moved = browser.get(&format!("{place}={text}&more=1")).await.expect(303);
                assert_eq!(moved.location(), format!("{place}={name}&more=1"));
            }
        }
        for (place, target) in [
            (format!("/tokens?{secret}"), format!("/tokens?{name}=")),
            (format!("/tokens/{secret}"), format!("/tokens/{name}")),
            (format!("/admin/tokens/{secret}/revoke"), format!("/admin/tokens/{name}/revoke")),
            (format!("//evil.example/{secret}?a=b"), format!("/evil.example/{name}?a=b")),
            (format!("/\\/evil.example/{secret}"), format!("/evil.example/{name}")),
            (format!("/{secret}"), format!("/{name}")),
        ] {
            assert_eq!(browser.get(&place).await.expect(303).location(), target);
        }
    }
    admin.get(&format!("/admin/users?q={name}")).await.expect(200);
    admin.get(&format!("/tokens/{name}")).await.expect(404);
    // A program is told in its own way.
    admin.get(&format!("/api/v1/tokens?q={secret}")).await.expect(200);
}
