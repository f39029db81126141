//! The pages: contract, sections 8 and 10.

use crate::support::{Answer, Browser, Call, TOKEN_PAGES, TestApp, form, minutes};

const NEW: &str = "/tokens/new";

/// The fields of the form for a new token, with a key of its own.
async fn new_token_form<'a>(browser: &Browser, fields: &[(&'a str, &'a str)]) -> Vec<(String, String)> {
    let key = browser.get(NEW).await.expect(200).form_key();
    let typed = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    std::iter::once(("form_key".to_owned(), key)).chain(typed).collect()
}

async fn post(browser: &Browser, path: &str, fields: &[(String, String)]) -> Answer {
    let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    browser.post_form(path, &fields).await
}

/// The secret on the one page that shows it.
#[track_caller]
fn shown_secret(page: &Answer) -> String {
    format!("hpat_{}", page.between(">hpat_", "<").trim())
}

/// What is chosen in the forms of a page.
fn checked_values(page: &Answer) -> Vec<&str> {
    let tags = page.body.split("<input ").skip(1).map(|rest| rest.split('>').next().unwrap());
    let checked = tags.filter(|tag| tag.contains(" checked"));
    checked.map(|tag| tag.split("value=\"").nth(1).unwrap().split('"').next().unwrap()).collect()
}

const GOOD: [(&str, &str); 4] =
    [("name", "nightly"), ("description", "copies"), ("scope", "read:users"), ("lifetime", "30")];

#[tokio::test]
async fn a_form_makes_a_token_and_the_answer_shows_its_secret() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let page = post(&alice, NEW, &new_token_form(&alice, &GOOD).await).await.expect(200);
    assert_eq!(page.header("cache-control"), "no-store");
    let secret = shown_secret(&page);
    assert_eq!(
        app.check("?scope=read:users", &secret).await.expect(200).header("x-auth-expires"),
        "2026-06-02T14:05:00Z"
    );
    let token = &alice.get("/api/v1/tokens").await.json()["items"][0];
    assert_eq!((&token["name"], &token["description"]), (&"nightly".into(), &"copies".into()));
}

#[tokio::test]
async fn several_scopes_networks_and_a_date_can_be_chosen() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let fields = [
        ("name", "t"),
        ("scope", "read:users"),
        ("scope", "write:users"),
        ("lifetime", "date"),
        ("date", "2026-05-10"),
        ("allowed_ips", "10.0.0.0/8\r\n\r\n 192.0.2.0/24 \r\n"),
    ];
    post(&alice, NEW, &new_token_form(&alice, &fields).await).await.expect(200);
    let token = &alice.get("/api/v1/tokens").await.json()["items"][0];
    assert_eq!(token["scopes"], serde_json::json!(["read:users", "write:users"]));
    assert_eq!(token["allowed_ips"], serde_json::json!(["10.0.0.0/8", "192.0.2.0/24"]));
    assert_eq!(token["expires_at"], "2026-05-10T23:59:59Z");
}

#[tokio::test]
async fn the_same_form_again_leads_to_the_token_and_shows_no_secret() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let fields = new_token_form(&alice, &GOOD).await;
    let secret = shown_secret(&post(&alice, NEW, &fields).await.expect(200));
    let id = alice.get("/api/v1/tokens").await.json()["items"][0]["id"].as_str().unwrap().to_owned();
    for _ in 0..2 {
        let again = post(&alice, NEW, &fields).await.expect(303);
        assert_eq!(again.location(), format!("/tokens/{id}"));
        assert!(!again.to_string().contains(&secret));
    }
    assert_eq!(app.value("SELECT count(*) FROM tokens").await, "1");
    assert!(!alice.get(&format!("/tokens/{id}")).await.expect(200).body.contains(&secret));
}

#[tokio::test]
async fn the_same_form_twice_at_once_makes_one_token() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let fields = new_token_form(&alice, &GOOD).await;
    let (one, two) = tokio::join!(post(&alice, NEW, &fields), post(&alice, NEW, &fields));
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 303]);
    assert_eq!(app.value("SELECT count(*) FROM tokens").await, "1");
}

#[tokio::test]
async fn the_same_form_an_hour_later_still_leads_to_the_token() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let fields = new_token_form(&alice, &GOOD).await;
    post(&alice, NEW, &fields).await.expect(200);
    app.clock.advance(minutes(50));
    post(&alice, NEW, &fields).await.expect(303);
}

#[tokio::test]
async fn the_same_form_leads_to_the_token_also_at_the_limit() {
    let app = TestApp::with(&[("tokens.max_active_per_user", "1")]).await;
    let alice = app.browser_of("alice").await;
    let fields = new_token_form(&alice, &GOOD).await;
    post(&alice, NEW, &fields).await.expect(200);
    post(&alice, NEW, &fields).await.expect(303);
    let page = post(&alice, NEW, &new_token_form(&alice, &GOOD).await).await.expect(409);
    assert!(page.body.contains("value=\"nightly\"") && page.body.contains("role=\"alert\""), "{page}");
}

#[tokio::test]
async fn somebody_else_s_form_key_neither_leads_to_their_token_nor_stops_anybody() {
    let app = TestApp::new().await;
    let (alice, bob) = (app.browser_of("alice").await, app.browser_of("bob").await);
    let fields = new_token_form(&alice, &GOOD).await;
    post(&bob, NEW, &fields).await.expect(200);
    post(&alice, NEW, &fields).await.expect(200);
    for browser in [&alice, &bob] {
        let tokens = browser.get("/api/v1/tokens").await.json();
        assert_eq!(tokens["items"].as_array().unwrap().len(), 1);
        let own = format!("/tokens/{}", tokens["items"][0]["id"].as_str().unwrap());
        assert_eq!(post(browser, NEW, &fields).await.expect(303).location(), own);
    }
}

#[tokio::test]
async fn somebody_else_s_form_key_does_not_stop_a_regeneration() {
    let app = TestApp::new().await;
    let (alice, bob) = (app.browser_of("alice").await, app.browser_of("bob").await);
    let fields = new_token_form(&alice, &GOOD).await;
    post(&alice, NEW, &fields).await.expect(200);
    let path = format!("/tokens/{}/regenerate", bob.create_token("bob's", &["read:users"]).await.id);
    let page = bob.post_form(&path, &[("form_key", &fields[0].1), ("lifetime", "30")]).await.expect(200);
    assert_eq!(app.check("", &shown_secret(&page)).await.expect(200).header("x-auth-user"), "bob");
}

#[tokio::test]
async fn what_was_typed_is_kept_and_every_error_stands_beside_its_field() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let long_name = format!("\"><script>alert(1)</script>{}", "x".repeat(100));
    let fields = [
        ("name", long_name.as_str()),
        ("description", "copies the reports"),
        ("lifetime", "date"),
        ("date", "2031-01-01"),
        ("allowed_ips", "not a network"),
    ];
    let page = post(&alice, NEW, &new_token_form(&alice, &fields).await).await.expect(422);
    for field in ["name", "scopes", "expires_in", "allowed_ips"] {
        assert!(page.body.contains(&format!("id=\"{field}-error\"")), "no error beside {field}: {page}");
        assert!(page.body.contains(&format!("href=\"#{field}\"")), "no link to {field}: {page}");
    }
    assert!(!page.body.contains("description-error"));
    assert!(!page.body.contains("<script>alert"), "{page}");
    for kept in ["&gt;&lt;script&gt;alert(1)", ">copies the reports<", "2031-01-01", "not a network"] {
        assert!(page.body.contains(kept), "{kept} is lost: {page}");
    }
    assert_eq!(app.value("SELECT count(*) FROM tokens").await, "0");
    let corrected = [
        ("form_key", page.form_key()),
        ("name", "ok".to_owned()),
        ("scope", "read:users".to_owned()),
        ("lifetime", "7".to_owned()),
    ];
    let corrected: Vec<_> = corrected.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    post(&alice, NEW, &corrected).await.expect(200);
}

#[tokio::test]
async fn chosen_scopes_stay_chosen() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let fields = [("name", ""), ("scope", "write:users"), ("lifetime", "60")];
    let page = post(&alice, NEW, &new_token_form(&alice, &fields).await).await.expect(422);
    assert_eq!(checked_values(&page), ["write:users", "60"]);
}

#[tokio::test]
async fn the_form_as_it_comes_is_good_whatever_the_lifetimes_are() {
    for span in ["14d", "45d", "36h", "24h", "12h", "90m"] {
        let settings = [("tokens.default_lifetime", span), ("tokens.max_lifetime", span)];
        let app = TestApp::with(&settings).await;
        let alice = app.browser_of("alice").await;
        let page = alice.get(NEW).await.expect(200);
        let lifetime = checked_values(&page)[0];
        let fields = [
            ("form_key", page.form_key()),
            ("name", "t".into()),
            ("scope", "read:users".into()),
            ("lifetime", lifetime.into()),
        ];
        let made = post(&alice, NEW, &fields.map(|(name, value): (&str, String)| (name.to_owned(), value))).await;
        assert_eq!(made.status, 200, "{span}: {made}");
        let token = &alice.get("/api/v1/tokens").await.json()["items"][0];
        let again = alice.get(&format!("/tokens/{}/regenerate", token["id"].as_str().unwrap())).await.expect(200);
        assert_eq!(checked_values(&again), [lifetime], "{span}");
    }
}

#[tokio::test]
async fn a_form_that_was_refused_is_still_good_for_one_token() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let mut fields = new_token_form(&alice, &GOOD).await;
    let key = fields[0].1.clone();
    let name = fields[1].1.clone();
    fields[1].1.clear();
    assert_eq!(post(&alice, NEW, &fields).await.expect(422).form_key(), key);
    // Whoever is told to try again sends the same form: had it been done, there would be one token, not two.
    app.break_audit().await;
    fields[1].1 = name;
    let page = post(&alice, NEW, &fields).await.expect(503);
    assert_eq!((page.form_key(), page.header("retry-after")), (key, "5"));
    app.mend_audit().await;
    post(&alice, NEW, &fields).await.expect(200);
    post(&alice, NEW, &fields).await.expect(303);
    assert_eq!(app.value("SELECT count(*) FROM tokens").await, "1");
}

#[tokio::test]
async fn a_form_without_its_key_makes_nothing() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    for key in [None, Some(""), Some("x"), Some("0123456789abcdef0123456789abcdeg")] {
        let fields: Vec<_> = GOOD.into_iter().chain(key.map(|key| ("form_key", key))).collect();
        let page = alice.post_form(NEW, &fields).await.expect(422);
        assert!(page.body.contains("value=\"nightly\""), "{page}");
    }
    assert_eq!(app.value("SELECT count(*) FROM tokens").await, "0");
}

#[tokio::test]
async fn after_a_fresh_login_the_form_is_as_it_was_typed() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let fields = [
        ("name", "a & \"b\""),
        ("description", "two\nlines"),
        ("scope", "read:users"),
        ("scope", "write:users"),
        ("lifetime", "date"),
        ("date", "2026-06-07"),
        ("allowed_ips", "10.0.0.0/8"),
    ];
    let typed = new_token_form(&alice, &fields).await;
    app.clock.advance(minutes(16));
    let page = post(&alice, NEW, &typed).await.expect(403);
    let link = format!("/auth/main/login{}", page.between("href=\"/auth/main/login", "\"").replace("&amp;", "&"));
    let back = alice.log_in_through(&link, "alice").await.expect(303).location().to_owned();
    let again = alice.get(&back).await.expect(200);
    let key = again.form_key();
    for kept in ["value=\"a &amp; &quot;b&quot;\"", "two\nlines", "value=\"2026-06-07\"", "10.0.0.0/8"] {
        assert!(again.body.contains(kept), "{kept} is lost: {again}");
    }
    let mut typed = typed;
    typed[0].1 = key;
    post(&alice, NEW, &typed).await.expect(200);
}

#[tokio::test]
async fn after_a_fresh_login_only_what_was_too_long_has_to_be_typed_again() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    // Each would fit, but not all of them.
    let (description, networks) = ("é".repeat(120), "10.0.0.0/8\n".repeat(20));
    let fields = [
        ("name", "nightly"),
        ("description", description.as_str()),
        ("scope", "write:users"),
        ("lifetime", "60"),
        ("allowed_ips", networks.as_str()),
    ];
    let typed = new_token_form(&alice, &fields).await;
    app.clock.advance(minutes(16));
    let page = post(&alice, NEW, &typed).await.expect(403);
    let link = format!("/auth/main/login{}", page.between("href=\"/auth/main/login", "\"").replace("&amp;", "&"));
    let back = alice.log_in_through(&link, "alice").await.expect(303).location().to_owned();
    let again = alice.get(&back).await.expect(200);
    for kept in ["value=\"nightly\"", "10.0.0.0/8"] {
        assert!(again.body.contains(kept), "{kept} is lost: {again}");
    }
    assert_eq!(checked_values(&again), ["write:users", "60"]);
    assert!(!again.body.contains("éé"), "{back} should be too long");
}

#[tokio::test]
async fn a_link_can_fill_the_form_in_and_never_break_it() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let query = form(&[
        ("name", "\"><script>alert(1)</script>"),
        ("scope", "read:users"),
        ("scope", "admin:all"),
        ("lifetime", "7"),
    ]);
    let page = alice.get(&format!("{NEW}?{query}")).await.expect(200);
    assert!(!page.body.contains("<script>alert") && !page.body.contains("admin:all"), "{page}");
    assert_eq!(app.value("SELECT count(*) FROM tokens").await, "0");
}

#[tokio::test]
async fn names_are_text_on_every_page() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let token = alice.create_token("<b>bold</b>", &["read:users"]).await;
    for path in ["/tokens", "/tokens/{id}", "/tokens/{id}/edit", "/tokens/{id}/regenerate", "/tokens/{id}/revoke"] {
        let page = alice.get(&path.replace("{id}", &token.id)).await.expect(200);
        let body = page.body.split("</head>").nth(1).unwrap();
        assert!(body.contains("&lt;b&gt;bold") && !body.contains("<b>bold"), "{path}: {page}");
    }
}

#[tokio::test]
async fn typed_text_cannot_end_its_field() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let evil = "</textarea><form action=/auth/logout method=post><button>Win";
    let fields = [("name", ""), ("description", evil), ("allowed_ips", evil), ("lifetime", "30")];
    let stored = serde_json::json!({"name": "t", "description": evil, "scopes": ["read:users"]});
    let token = alice.create_token_with(&stored).await;
    let pages = [
        post(&alice, NEW, &new_token_form(&alice, &fields).await).await.expect(422),
        alice.get(&format!("{NEW}?{}", form(&[("description", evil)]))).await.expect(200),
        alice.get(&format!("{NEW}?{}", form(&[("allowed_ips", evil)]))).await.expect(200),
        alice.get(&format!("/tokens/{}/edit", token.id)).await.expect(200),
        alice
            .post_form(&format!("/tokens/{}/edit", token.id), &[("description", evil), ("version", "1")])
            .await
            .expect(422),
        alice.get(&format!("/tokens/{}", token.id)).await.expect(200),
        alice.get("/tokens").await.expect(200),
    ];
    for (index, page) in pages.iter().enumerate() {
        assert!(!page.body.contains("<button>Win"), "page {index}: {page}");
    }
}

#[tokio::test]
async fn a_name_cannot_end_the_title() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let name = "</title><meta http-equiv=refresh content=0;url=//evil.example>";
    let token = alice.create_token(name, &["read:users"]).await;
    for path in ["/tokens", "/tokens/{id}", "/tokens/{id}/edit", "/tokens/{id}/regenerate", "/tokens/{id}/revoke"] {
        let page = alice.get(&path.replace("{id}", &token.id)).await.expect(200);
        assert!(!page.body.contains("<meta http-equiv=refresh"), "{path}: {}", page.between("<title>", "</head>"));
    }
}

#[tokio::test]
async fn only_our_own_sentences_can_be_asked_for_by_an_address() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let page = alice.get("/tokens?notice=Your+account+was+closed&q=%22%3E%3Cscript%3Ealert(1)").await.expect(200);
    assert!(!page.body.contains("was closed") && !page.body.contains("<script>alert"), "{page}");
    assert!(alice.get("/tokens?notice=saved").await.body.contains("Your changes are saved."));
}

#[tokio::test]
async fn every_page_of_a_token_needs_a_login_and_comes_back() {
    let app = TestApp::new().await;
    let token = app.token_of_alice(&["read:users"]).await;
    let nobody = app.browser();
    for path in TOKEN_PAGES {
        let path = path.replace("{id}", &token.id);
        let expected = format!("/login?{}", form(&[("return_to", &path)]));
        assert_eq!(nobody.get(&path).await.expect(303).location(), expected);
    }
    for path in ["/tokens/new", "/tokens/{id}/edit", "/tokens/{id}/regenerate", "/ui/revoke_token"] {
        nobody.post_form(&path.replace("{id}", &token.id), &[("id", &token.id)]).await.expect(303);
    }
    app.check("", &token.secret).await.expect(200);
}

#[tokio::test]
async fn a_form_that_is_posted_after_the_session_ended_is_said_to_be_lost_and_comes_back() {
    let app = TestApp::new().await;
    let id = app.token_of_alice(&["read:users"]).await.id;
    let nobody = app.browser();
    let user = "/admin/users/00000000-0000-4000-8000-000000000000";
    for (posted, page) in [
        (format!("/tokens/{id}/edit"), format!("/tokens/{id}/edit")),
        (format!("/tokens/{id}/regenerate"), format!("/tokens/{id}/regenerate")),
        ("/ui/revoke_token".to_owned(), "/tokens".to_owned()),
        ("/activity/sessions".to_owned(), "/activity".to_owned()),
        ("/admin/identify".to_owned(), "/admin/identify".to_owned()),
        ("/admin/tokens/revoke".to_owned(), "/admin/tokens".to_owned()),
        (format!("/admin/tokens/{id}/revoke"), format!("/admin/tokens/{id}/revoke")),
        (format!("{user}/disable"), format!("{user}/disable")),
        (format!("{user}/enable"), user.to_owned()),
        (format!("{user}/sessions"), user.to_owned()),
        ("/admin/audit/export".to_owned(), "/admin/audit".to_owned()),
    ] {
        let to = nobody.post_form(&posted, &[("reason", "typed")]).await.expect(303).location().to_owned();
        assert_eq!(to, format!("/login?{}", form(&[("return_to", &page), ("ended", "1")])), "{posted}");
    }
    let page = nobody.get("/login?return_to=%2Ftokens&ended=1").await.expect(200);
    assert!(page.words().contains("Your session had ended, so nothing was saved."), "{page}");
    assert!(!nobody.get("/login?return_to=%2Ftokens").await.words().contains("nothing was saved"));
}

#[tokio::test]
async fn a_new_token_that_is_posted_after_the_session_ended_is_there_again_after_the_login() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let typed = new_token_form(&alice, &GOOD).await;
    app.clock.advance(minutes(61));
    let login = post(&alice, NEW, &typed).await.expect(303).location().to_owned();
    let page = alice.get(&login).await.expect(200);
    assert!(page.words().contains("nothing was saved"), "{page}");
    let back = alice.log_in_through(&page.link("/auth/main/login"), "alice").await.expect(303).location().to_owned();
    let again = alice.get(&back).await.expect(200);
    assert!(again.field("name").contains("value=\"nightly\"") && again.words().contains("copies"), "{again}");
    assert_eq!(checked_values(&again), ["read:users", "30"]);
    assert_eq!(app.value("SELECT count(*) FROM tokens").await, "0");
}

#[tokio::test]
async fn a_token_that_was_typed_into_a_form_stands_in_no_address_that_leads_back_to_it() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let token = alice.create_token("t", &["read:users"]).await.secret;
    let purpose = format!("curl -H {token} api");
    let fields = GOOD.map(|(name, value)| (name, if name == "description" { purpose.as_str() } else { value }));
    assert!(fields.contains(&("description", &purpose)));
    let (public, secret) = token.rsplit_once('_').unwrap();
    let typed = new_token_form(&alice, &fields).await;
    app.clock.advance(minutes(16));
    let stale = post(&alice, NEW, &typed).await.expect(403);
    let admin = app.browser_of("admin").await;
    app.clock.advance(minutes(16));
    let reason = [("q", "t"), ("reason", "other"), ("words", purpose.as_str()), ("confirm", "1")];
    let bulk = admin.post_form("/admin/tokens/revoke", &reason).await.expect(403);
    app.clock.advance(minutes(61));
    let over = post(&alice, NEW, &typed).await.expect(303);
    let addresses = [stale.link("/auth/main/login"), bulk.link("/auth/main/login"), over.location().to_owned()];
    for address in addresses {
        assert!(!address.contains(secret), "{address}");
        assert!(address.contains(public) && address.contains("curl"), "the rest is kept: {address}");
    }
    let page = alice.get(over.location()).await.expect(200);
    let back = alice.log_in_through(&page.link("/auth/main/login"), "alice").await.expect(303).location().to_owned();
    let again = alice.get(&back).await.expect(200);
    assert!(again.field("name").contains("value=\"nightly\"") && again.words().contains("curl"), "{again}");
}

#[tokio::test]
async fn what_was_typed_is_promised_to_stay_only_where_something_was() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let token = alice.create_token("t", &["read:users"]).await;
    let typed = new_token_form(&alice, &GOOD).await;
    app.clock.advance(minutes(16));
    let (before, promise) = ("Please log in again before you begin.", "what you typed will still be here");
    for path in [NEW.to_owned(), format!("/tokens/{}/regenerate", token.id)] {
        let asked = alice.get(&path).await.expect(200).words();
        assert!(asked.contains(before) && !asked.contains(promise), "{asked}");
        let refused = post(&alice, &path, &typed).await.expect(403).words();
        assert!(refused.contains(promise) && !refused.contains(before), "{refused}");
    }
}

#[tokio::test]
async fn what_belongs_to_others_is_not_there() {
    let app = TestApp::new().await;
    let token = app.token_of_alice(&["read:users"]).await;
    let bob = app.browser_of("bob").await;
    let fields =
        [("form_key", "0123456789abcdef0123456789abcdef"), ("name", "x"), ("scope", "read:users"), ("lifetime", "30")];
    let before = app.dump().await;
    for path in ["/tokens/{id}", "/tokens/{id}/edit", "/tokens/{id}/regenerate", "/tokens/{id}/revoke"] {
        for id in [token.id.as_str(), "00000000-0000-4000-8000-000000000000", "nonsense"] {
            let page = bob.get(&path.replace("{id}", id)).await.expect(404);
            assert!(!page.body.contains("a token"), "{page}");
        }
    }
    for path in ["/tokens/{id}/edit", "/tokens/{id}/regenerate"] {
        bob.post_form(&path.replace("{id}", &token.id), &fields).await.expect(404);
    }
    let refused = bob.post_form("/ui/revoke_token", &[("id", &token.id)]).await;
    assert_eq!(refused.location(), "/tokens?notice=not-found");
    assert_eq!(app.dump().await, before);
    app.check("", &token.secret).await.expect(200);
}

#[tokio::test]
async fn one_button_revokes() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let token = alice.create_token("t", &["read:users"]).await;
    let page = alice.get(&format!("/tokens/{}/revoke", token.id)).await.expect(200);
    assert!(page.body.contains("action=\"/ui/revoke_token\"") && page.body.contains(&token.id));
    let done = alice.post_form("/ui/revoke_token", &[("id", &token.id)]).await;
    assert!(matches!(done.status, 302 | 303), "{done}");
    assert_eq!(done.location(), format!("/tokens/{}?notice=revoked", token.id));
    app.check("", &token.secret).await.problem(401);
    assert!(alice.get(done.location()).await.expect(200).body.contains("The token is revoked."));
    for page in ["edit", "regenerate", "revoke"] {
        let away = alice.get(&format!("/tokens/{}/{page}", token.id)).await.expect(303);
        assert_eq!(away.location(), format!("/tokens/{}", token.id));
    }
}

#[tokio::test]
async fn the_revoking_endpoint_takes_nothing_but_a_post() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let token = alice.create_token("t", &["read:users"]).await;
    for method in ["GET", "HEAD", "PUT", "DELETE"] {
        let call =
            Call::new(method, &format!("/ui/revoke_token?id={}", token.id)).header("sec-fetch-site", "same-origin");
        alice.send(call).await.expect(405);
    }
    assert!(alice.post_form("/ui/unknown", &[]).await.status >= 400);
    app.check("", &token.secret).await.expect(200);
}

#[tokio::test]
async fn a_token_is_edited_with_a_form() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let token = alice.create_token("t", &["read:users", "write:users"]).await;
    let path = format!("/tokens/{}/edit", token.id);
    let edit = |name: &'static str, version: &'static str| {
        [("name", name), ("description", "d"), ("scope", "read:users"), ("version", version)]
    };
    let saved = alice.post_form(&path, &edit("new", "1")).await.expect(303);
    assert_eq!(saved.location(), format!("/tokens/{}?notice=saved", token.id));
    app.check("?scope=write:users", &token.secret).await.problem(403);
    let wrong = alice.post_form(&path, &edit("", "2")).await.expect(422);
    assert!(wrong.body.contains("id=\"name-error\""), "{wrong}");
    let widened = [("name", "typed"), ("scope", "read:users"), ("scope", "write:users"), ("version", "2")];
    let widened = alice.post_form(&path, &widened).await.expect(422);
    assert!(widened.body.contains("id=\"scopes-error\"") && widened.body.contains("value=\"typed\""), "{widened}");
    let late = alice.post_form(&path, &edit("typed", "1")).await;
    assert!(late.status == 409 && late.body.contains("value=\"typed\""), "{late}");
    assert!(late.body.contains(">See the token</a>"), "{late}");
    assert_eq!(alice.get(&format!("/api/v1/tokens/{}", token.id)).await.json()["name"], "new");
}

#[tokio::test]
async fn a_token_is_regenerated_with_a_form() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let old = alice.create_token("t", &["read:users"]).await;
    let path = format!("/tokens/{}/regenerate", old.id);
    let key = alice.get(&path).await.expect(200).form_key();
    let fields = [("form_key", key.as_str()), ("lifetime", "7")];
    let page = alice.post_form(&path, &fields).await.expect(200);
    assert_eq!(page.header("cache-control"), "no-store");
    let secret = shown_secret(&page);
    app.check("", &old.secret).await.problem(401);
    assert_eq!(app.check("", &secret).await.expect(200).header("x-auth-expires"), "2026-05-10T14:05:00Z");
    let again = alice.post_form(&path, &fields).await.expect(303);
    assert_eq!(again.location(), format!("/tokens/{}", old.id));
    app.check("", &secret).await.expect(200);
    for (fields, field) in [
        ([("lifetime", "date"), ("date", "2020-01-01")], "expires_in"),
        ([("lifetime", "x"), ("date", "")], "expires_in"),
    ] {
        let key = alice.get(&path).await.form_key();
        let fields = [&fields[..], &[("form_key", key.as_str())]].concat();
        assert!(alice.post_form(&path, &fields).await.expect(422).body.contains(&format!("id=\"{field}-error\"")));
    }
    alice.post_form(&path, &[("lifetime", "7")]).await.expect(422);
    alice.revoke(&old.id).await;
    alice.post_form(&path, &[("lifetime", "7"), ("form_key", "0123456789abcdef0123456789abcdef")]).await.expect(409);
}

#[tokio::test]
async fn regenerating_needs_a_recent_login_and_offers_one() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let token = alice.create_token("t", &["read:users"]).await;
    app.clock.advance(minutes(16));
    let path = format!("/tokens/{}/regenerate", token.id);
    let page = alice
        .post_form(&path, &[("lifetime", "7"), ("form_key", "0123456789abcdef0123456789abcdef")])
        .await
        .expect(403);
    let link = format!("/auth/main/login{}", page.between("href=\"/auth/main/login", "\"").replace("&amp;", "&"));
    let back = alice.log_in_through(&link, "alice").await.expect(303);
    assert_eq!(back.location(), format!("{path}?lifetime=7"));
    assert_eq!(checked_values(&alice.get(back.location()).await.expect(200)), ["7"]);
    app.check("", &token.secret).await.expect(200);
}

#[tokio::test]
async fn a_form_that_is_too_large_is_refused() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    alice.post_form(NEW, &[("description", &"x".repeat(70_000))]).await.expect(413);
}

#[tokio::test]
async fn the_list_shows_and_finds_what_there_is() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    assert!(alice.get("/tokens").await.expect(200).body.contains("You have no tokens yet"));
    let (one, two) =
        (alice.create_token("first one", &["read:users"]).await, alice.create_token("second", &["read:users"]).await);
    alice.revoke(&two.id).await;
    for (query, shown) in [
        ("", [true, true]),
        ("?q=FIRST", [true, false]),
        ("?state=revoked", [false, true]),
        ("?q=nothing", [false, false]),
    ] {
        let page = alice.get(&format!("/tokens{query}")).await.expect(200);
        let found = [&one.id, &two.id].map(|id| page.body.contains(&format!("href=\"/tokens/{id}\"")));
        assert_eq!(found, shown, "{query}");
    }
}

#[tokio::test]
async fn a_token_s_page_tells_its_history() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let token = alice.create_token("t", &["read:users"]).await;
    alice.regenerate(&token.id).await;
    let page = alice.get(&format!("/tokens/{}", token.id)).await.expect(200);
    for told in ["Created by you", "Regenerated by you", "192.0.2.10", token.secret_id()] {
        assert!(page.body.contains(told), "{told}: {page}");
    }
}

#[tokio::test]
async fn everybody_may_read_the_help() {
    let app = TestApp::new().await;
    for path in ["/help", "/api/docs", "/login"] {
        app.browser().get(path).await.expect(200);
    }
    app.browser_of("alice").await.get("/help").await.expect(200);
    app.browser().get("/nothing/here").await.expect(404);
    app.browser().get("/problems/nothing").await.expect(404);
}

#[tokio::test]
async fn whoever_looks_for_a_token_by_pasting_it_is_led_to_it_if_it_is_theirs() {
    let app = TestApp::new().await;
    let [alice, bob] = [app.browser_of("alice").await, app.browser_of("bob").await];
    let token = alice.create_token("nightly", &["read:users"]).await;
    let masked = format!("/tokens?q=hpat_{}_%E2%80%A6", token.secret_id());
    assert_eq!(alice.get(&masked).await.expect(303).location(), format!("/tokens/{}", token.id));
    let words = bob.get(&masked).await.expect(200).words();
    assert!(!words.contains("nightly"), "{words}");
}
