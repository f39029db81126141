//! Where a change or its event cannot be written nothing is changed, and all goes on when it can: in the program itself.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection as _};

use crate::csrf::{Subject, changes, changes_nothing, changes_without_cookies};
use crate::support::program::Server;
use crate::support::whole::Whole;
use crate::support::{Browser, Call, Scanner, cluster};

/// A shell that mounts for itself alone.
const IN_ITS_OWN: [&str; 4] = ["--mount", "--map-root-user", "sh", "-c"];

/// A file system of its own for the data, which nobody else sees.
const SMALL: &str = r#"mkdir data && mount -t tmpfs -o size=16m,mode=0700 tmpfs data && exec "$0" serve"#;

/// With its data on a small file system; none where mounting is not allowed, as in most containers.
#[expect(clippy::print_stderr, reason = "whoever runs the tests should know what was not tried")]
async fn start_on_a_small_file_system(settings: &[(&str, &str)]) -> Option<Whole> {
    let may_mount = Command::new("unshare").args([&IN_ITS_OWN[..], &["mount -t tmpfs tmpfs /mnt"]].concat()).output();
    if !may_mount.unwrap().status.success() {
        eprintln!("not tried: nobody may mount anything here");
        return None;
    }
    let start = |folder: &Path, arguments: &[&str], env: &[(&str, &str)]| {
        Server::start_other("unshare", folder, arguments, &[env, settings].concat())
    };
    Some(Whole::start_by(start, &[&IN_ITS_OWN[..], &[SMALL, env!("CARGO_BIN_EXE_hallpass")]].concat()).await)
}

/// Takes all the room that the file system has, in a file that it gives the path of.
fn take_room(program: &Whole) -> PathBuf {
    // As the server sees its files.
    let root = format!("/proc/{}/root", program.server.child.id());
    let ballast = Path::new(&root).join(program.folder.path().strip_prefix("/").unwrap()).join("data/ballast");
    let mut file = File::create(&ballast).unwrap();
    let full = (0..).find_map(|_| file.write(&[1; 512]).err()).unwrap();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    ballast
}

/// Where the keys of those are configured who search public places.
const SCANNERS: &str = "HALLPASS_LEAK_INTAKE__KEYS";

/// An administrator with a token, bob, who is to suffer, and somebody who finds the token.
struct People {
    bob: Browser,
    admin: Browser,
    admins_other: Browser,
    stranger: Browser,
    scanner: Scanner,
    subject: Subject,
}

impl People {
    async fn of(program: &Whole, scanner: Scanner) -> Self {
        let bob = program.browser_of("bob").await;
        let user = bob.get("/api/v1/me").await.json()["id"].as_str().unwrap().to_owned();
        let (admin, admins_other) = (program.browser_of("admin").await, program.browser_of("admin").await);
        let token = admin.create_token("t", &["read:users"]).await;
        let subject = Subject { id: token.id, secret: token.secret, user };
        Self { bob, admin, admins_other, stranger: program.browser(), scanner, subject }
    }

    /// Everything that would change something, and who does it.
    fn changes(&self) -> Vec<(&'static str, &Browser, Call)> {
        let own = changes(&self.subject).into_iter().filter(|(route, _)| !changes_nothing(route));
        let own = own.map(|(route, change)| (route, &self.admin, change.header("sec-fetch-site", "same-origin")));
        let others = changes_without_cookies(&self.subject.secret, &self.scanner);
        own.chain(others.map(|(route, change)| (route, &self.stranger, change))).collect()
    }

    async fn check(&self) -> u16 {
        self.bob.send(Call::get("/check").bearer(&self.subject.secret)).await.status
    }

    async fn must_fail(&self, route: &str, who: &Browser, change: Call) {
        let answer = who.send(change).await;
        let is_told = route == "POST /ui/revoke_token" && answer.location().ends_with("notice=not-revoked");
        assert!(answer.status == 503 || is_told, "{route}: {answer}");
        assert!(!answer.body.contains("hpat_") || route == "POST /report", "{route}: {answer}");
    }

    /// What was refused is done now, by the same server.
    async fn go_on(&self, program: &Whole) {
        let alice = program.browser_of("alice").await;
        for index in 0..2 {
            let found = alice.create_token("t", &["read:users"]).await.secret;
            let (route, change) = changes_without_cookies(&found, &self.scanner)[index].clone();
            let answer = self.stranger.send(change).await;
            assert_eq!(answer.status, 204, "{route}: {answer}");
            self.stranger.send(Call::get("/check").bearer(&found)).await.problem(401);
        }
        for (route, change) in changes(&self.subject) {
            let first =
                ["POST /tokens/new", "POST /tokens/{id}/edit", "POST /admin/users/{id}/disable", "POST /report"];
            if first.contains(&route) {
                let answer = self.admins_other.send(change.header("sec-fetch-site", "same-origin")).await;
                assert!(answer.status < 400, "{route}: {answer}");
            }
        }
        assert_eq!(self.check().await, 401, "it was reported");
        self.bob.get("/api/v1/me").await.problem(401);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_no_file_may_grow_no_change_is_made_whatever_it_is_and_all_are_when_there_is_room() {
    let scanner = Scanner::new();
    let program = Whole::start(&[(SCANNERS, &scanner.keys())]).await;
    let people = People::of(&program, scanner).await;
    let mut database = program.database().await;
    for (route, who, change) in people.changes() {
        let disabled = if route.ends_with("/enable") { "1" } else { "NULL" };
        database.execute(&format!("UPDATE users SET disabled_at = {disabled} WHERE username = 'bob'")).await.unwrap();
        program.server.fill_disk(true);
        let before = database.dump().await;
        people.must_fail(route, who, change).await;
        assert_eq!(database.dump().await, before, "{route}");
        assert_eq!(people.check().await, 200, "{route}");
        program.server.fill_disk(false);
    }
    program.server.fill_disk(true);
    let refused = program.browser().log_in_through("/auth/main/login", "alice").await;
    assert_eq!(refused.status, 503, "{refused}");
    program.server.fill_disk(false);
    database.execute("UPDATE users SET disabled_at = NULL").await.unwrap();
    people.go_on(&program).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_full_file_system_no_change_is_made_whatever_it_is_and_all_are_when_there_is_room() {
    let scanner = Scanner::new();
    let Some(program) = start_on_a_small_file_system(&[(SCANNERS, &scanner.keys())]).await else { return };
    let people = People::of(&program, scanner).await;
    let ballast = take_room(&program);
    let recorded = async || people.admin.get("/api/v1/admin/audit").await.expect(200).json()["items"].clone();
    let before = recorded().await;
    assert!(matches!(&before, Value::Array(events) if !events.is_empty()), "{before}");
    for (route, who, change) in people.changes() {
        // To enable those who are not disabled changes nothing.
        if route.ends_with("/enable") {
            continue;
        }
        people.must_fail(route, who, change).await;
        assert_eq!(recorded().await, before, "{route}");
        assert_eq!(people.check().await, 200, "{route}");
    }
    std::fs::remove_file(ballast).unwrap();
    people.go_on(&program).await;
}

/// What a change would change, but for when somebody was last seen.
const STATE: &str = "SELECT md5(string_agg(row, ';' ORDER BY row)) FROM (
    SELECT concat_ws('|', id, name, description, scopes, allowed_ips, revoked_at, revoked_reason, version) AS row FROM tokens
    UNION ALL SELECT concat_ws('|', id, state, expires_at, ends_at, ended_at, expired_at, phc) FROM secrets
    UNION ALL SELECT concat_ws('|', id, username, email, roles, disabled_at) FROM users
    UNION ALL SELECT concat_ws('|', id, ended_at) FROM sessions
    UNION ALL SELECT concat_ws('|', seq, hash) FROM audit_events
    UNION ALL SELECT concat_ws('|', seq, field, value) FROM audit_personal
    UNION ALL SELECT concat_ws('|', key_hash, token_id) FROM form_keys) rows";
const BREAK: &str = "
    CREATE FUNCTION break_log() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'broken'; END $$;
    CREATE TRIGGER broken BEFORE INSERT ON audit_events FOR EACH ROW EXECUTE FUNCTION break_log()";
const MEND: &str = "DROP TRIGGER broken ON audit_events; DROP FUNCTION break_log()";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgres_a_change_that_cannot_be_recorded_is_not_made_whatever_it_is() {
    let url = cluster::new_database().await;
    let scanner = Scanner::new();
    let program = Whole::start_on(&[("HALLPASS_DATABASE__URL", &url), (SCANNERS, &scanner.keys())]).await;
    let people = People::of(&program, scanner).await;
    let mut shell = sqlx::PgConnection::connect(&url).await.unwrap();
    for (route, who, change) in people.changes() {
        let disabled = if route.ends_with("/enable") { "1" } else { "NULL" };
        let prepare = format!("UPDATE users SET disabled_at = {disabled} WHERE username = 'bob'; {BREAK}");
        sqlx::raw_sql(AssertSqlSafe(prepare)).execute(&mut shell).await.unwrap();
        let before: String = sqlx::query_scalar(STATE).fetch_one(&mut shell).await.unwrap();
        people.must_fail(route, who, change).await;
        let after: String = sqlx::query_scalar(STATE).fetch_one(&mut shell).await.unwrap();
        assert_eq!(after, before, "{route}");
        assert_eq!(people.check().await, 200, "{route}");
        sqlx::raw_sql(MEND).execute(&mut shell).await.unwrap();
    }
    sqlx::raw_sql("UPDATE users SET disabled_at = NULL").execute(&mut shell).await.unwrap();
    people.go_on(&program).await;
}
