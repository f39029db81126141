//! What the panel opens with: that its numbers are true, on both engines, and lead to what they count.

use std::time::Duration;

use hallpass::domain::audit::{Action, Draft, Origin, Party};
use hallpass::domain::time::Clock as _;
use hallpass::server::service::overview::{Figures, Overview};
use hallpass::server::store::{Census, PeopleFilter};
use serde_json::json;

use super::{administrator, items};
use crate::support::{Answer, Browser, TestApp, cluster, days, minutes, store, unknown_token};

/// A place with something of everything in it, and an administrator who looks at it.
async fn place() -> (TestApp, Browser) {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let make = async |owner: &Browser, name: &str, seconds: u32| {
        let token = json!({"name": name, "scopes": ["read:users"], "expires_in": seconds});
        owner.create_token_with(&token).await
    };
    let (day, year) = (86_400, 86_400 * 365);
    make(&alice, "run out", 60).await;
    let used = make(&alice, "in use", year).await;
    make(&alice, "never used", year).await;
    let bob = app.browser_of("bob").await;
    make(&bob, "of somebody who is away", year).await;
    make(&bob, "of somebody who is away, ends soon", 95 * day).await;

    app.clock.advance(days(91));
    alice.log_in("alice").await;
    app.check("", &used.secret).await.expect(200);
    app.app.usage.flush().await;
    make(&alice, "ends soon", 3 * day).await;
    let revoked = make(&alice, "revoked", year).await;
    alice.revoke(&revoked.id).await;
    let admin = administrator(&app).await;
    let id = items(&admin.get("/api/v1/admin/users?q=bob").await)[0]["id"].as_str().unwrap().to_owned();
    admin.api("POST", &format!("/api/v1/admin/users/{id}/disable")).await.expect(204);
    app.browser().log_in_through("/auth/main/login", "bob").await.expect(403);
    for _ in 0..3 {
        app.check("", &unknown_token()).await.expect(401);
    }
    app.app.refused.write().await.unwrap();
    (app, admin)
}

fn assert_true(figures: &Figures) {
    let census = Census { revoked: 1, expired: 1, suspended: 2, active: 3, expiring: 1, unused: 1 };
    assert_eq!((figures.census, figures.users, figures.disabled), (census, 3, 1));
    let (today, before) = figures.days.split_last().unwrap();
    assert_eq!((today.created, today.revoked, today.checks_refused), (2, 1, 3));
    // Alice and the administrator came, and bob could not.
    assert_eq!((today.logins, today.logins_refused), (2, 1));
    assert_eq!(before.len(), 29);
    let happened = |day: &hallpass::server::service::overview::Day| {
        day.created + day.revoked + day.logins + day.logins_refused + day.checks_refused
    };
    assert_eq!(before.iter().map(happened).sum::<i64>(), 0, "what was made here is three months old");
}

#[tokio::test]
async fn what_is_counted_is_what_there_is_on_both_engines() {
    let (app, _) = place().await;
    assert_true(&app.app.overview.count().await.unwrap());

    let shared = store::postgres(&cluster::new_database().await).await;
    let moved = Draft::new(Action::StoreMigrated, Party::OPERATOR, Party::SYSTEM, &Origin::default());
    app.app.db.transfer_to(&shared, &moved, app.clock.now(), |_| {}).await.unwrap();
    let overview = Overview::new(shared.clone(), *app.app.web.tokens.policy(), app.clock.clone(), Duration::MAX);
    assert_true(&overview.count().await.unwrap());

    let filter = PeopleFilter { limit: 9, ..PeopleFilter::default() };
    let (now, since) = (app.clock.now(), app.clock.now().minus(minutes(720)));
    let over = app.app.web.tokens.policy().lifetime.due(now);
    let [here, there] = [&app.app.db, &shared].map(|db| db.list_people(&filter, over, since, since));
    let (here, there) = (here.await.unwrap(), there.await.unwrap());
    let tokens_and_sessions: Vec<_> = here.iter().map(|person| (person.tokens, person.sessions)).collect();
    assert_eq!(tokens_and_sessions, [(0, 1), (3, 1), (2, 0)]);
    assert_eq!(format!("{here:?}"), format!("{there:?}"));
}

/// The number of a figure, and where it leads.
fn figure(page: &Answer, words: &str) -> (usize, String) {
    let figures = page.body.split("class=\"figure\"").collect::<Vec<_>>();
    let index = figures.iter().position(|figure| figure.split("</a>").next().unwrap().contains(words));
    let index = index.unwrap_or_else(|| panic!("no {words}: {page}"));
    let number = figures[index].split("font-semibold\">").nth(1).unwrap().split('<').next().unwrap();
    let tag = if figures[index].starts_with(" href") || figures[index].split('>').next().unwrap().contains("href") {
        figures[index].split('>').next().unwrap()
    } else {
        figures[index - 1].rsplit("<a ").next().unwrap()
    };
    let href = tag.split("href=\"").nth(1).unwrap().split('"').next().unwrap();
    (number.parse().unwrap(), href.replace("&amp;", "&"))
}

#[tokio::test]
async fn each_number_leads_to_so_many() {
    let (app, admin) = place().await;
    app.app.overview.count().await.unwrap();
    let page = admin.get("/admin").await.expect(200);
    for (words, number, row) in [
        ("active tokens", 3, "data-label=\"State\""),
        ("expires within 7 days", 1, "data-label=\"State\""),
        ("unused for 90 days", 1, "data-label=\"State\""),
        ("suspended", 2, "data-label=\"State\""),
        ("users", 3, "data-label=\"State\""),
        ("disabled user", 1, "data-label=\"State\""),
    ] {
        let (shown, href) = figure(&page, words);
        let listed = admin.get(&href).await.expect(200);
        assert_eq!((shown, listed.body.matches(row).count()), (number, number), "{words}: {href} {listed}");
    }
    for words in [
        "Tokens made: 2 in 30 days, at most 2 on a day",
        "Tokens revoked: 1 in 30 days, at most 1 on a day",
        "Logins: 2 in 30 days, at most 2 on a day",
        "Logins refused: 1 in 30 days, at most 1 on a day",
        "Checks refused: 3 in 30 days, at most 3 on a day",
    ] {
        assert!(page.body.contains(words), "{words}: {page}");
    }
}
