//! All that people and operators do, with a pooler before the database that gives each transaction another session.

use super::around::Pooler;
use crate::csrf::{Subject, changes, changes_nothing};
use crate::support::program::run_with;
use crate::support::whole::{KEY, Whole};
use crate::support::wire::target;
use crate::support::{Call, TOKEN_PAGES, cluster};

/// What administrators look at, and what programs ask.
const LOOKS: [&str; 24] = [
    "/activity",
    "/admin",
    "/admin/tokens",
    "/admin/tokens?q=wanted",
    "/admin/tokens?q=x",
    "/admin/tokens?sort=name&state=active",
    "/admin/tokens?sort=unused&unused_since=1d",
    "/admin/tokens?state=expired",
    "/admin/tokens?state=suspended",
    "/admin/tokens?state=revoked&scope=read:users&expires_within=7d",
    "/admin/tokens/{id}",
    "/admin/tokens/{id}/revoke",
    "/admin/tokens/revoke?q=wanted&state=active",
    "/admin/users",
    "/admin/users/{user}",
    "/admin/audit",
    "/admin/audit?result=refused&action=user.logged_in",
    "/admin/audit?object={id}&since=1d",
    "/admin/audit?actor={user}&user={user}",
    "/admin/identify",
    "/api/v1/me",
    "/api/v1/tokens?q=wanted",
    "/api/v1/audit",
    "/api/v1/admin/users?q=bob",
];

const COMMANDS: [&[&str]; 9] = [
    &["token", "list"],
    &["user", "list"],
    &["user", "disable", "{user}"],
    &["user", "enable", "{user}"],
    &["keys", "list"],
    &["keys", "rotate"],
    &["audit", "verify"],
    &["audit", "export"],
    &["restore-ack"],
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_that_people_do_works_behind_a_pooler() {
    let database = cluster::new_database().await;
    let pooler = Pooler::before(target(&database)).await;
    let way = database.replace(&target(&database).port().to_string(), &pooler.address.port().to_string());
    let places = [("HALLPASS_DATABASE__URL", way.as_str()), ("HALLPASS_DATABASE__LISTEN_URL", &database)];
    let program = Whole::start_on(&places).await;
    let bob = program.browser_of("bob").await;
    let user = bob.get("/api/v1/me").await.json()["id"].as_str().unwrap().to_owned();
    let admin = program.browser_of("admin").await;
    let wanted = admin.create_token("wanted", &["read:users"]).await;
    // More often than anything is prepared anew.
    for path in TOKEN_PAGES.iter().chain(&LOOKS).cycle().take(3 * (TOKEN_PAGES.len() + LOOKS.len())) {
        let path = path.replace("{id}", &wanted.id).replace("{user}", &user);
        admin.get(&path).await.expect(200);
    }
    for index in 0..changes(&Subject::default()).len() {
        let admin = program.browser_of("admin").await;
        let token = admin.create_token("t", &["read:users"]).await;
        admin.send(Call::get("/check").bearer(&token.secret)).await.expect(200);
        let subject = Subject { id: token.id, secret: token.secret, user: user.clone() };
        let (route, change) = changes(&subject).swap_remove(index);
        if !changes_nothing(route) {
            let answer = admin.send(change.header("sec-fetch-site", "same-origin")).await;
            assert!(answer.status < 400, "{route}: {answer}");
        }
    }
    for command in COMMANDS {
        let env = [&KEY[..], &places, &[("HALLPASS_PUBLIC_URL", program.url.as_str())]].concat();
        let command: Vec<_> = command.iter().map(|word| if *word == "{user}" { user.as_str() } else { word }).collect();
        let (code, said, complaint) = run_with(program.folder.path(), &command, &env);
        assert_eq!(code, 0, "{command:?}: {said}{complaint}");
    }
}
