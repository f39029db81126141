//! Moving an installation from SQLite to PostgreSQL.

use std::process::Stdio;

use crate::support::Database;
use crate::support::cluster;
use crate::support::connection::Connection;
use crate::support::installation::Installation;
use crate::support::program::{Server, command, free_address, run_with};
use crate::support::tokens::Token;

const TOKENS: usize = 500;

/// An installation with tokens, one of them revoked, whose server has stopped.
async fn stopped() -> (tempfile::TempDir, Vec<Token>) {
    let installation = Installation::new();
    let tokens = Box::pin(installation.tokens::<TOKENS>()).await;
    let url = &installation.server.url;
    let mut connection = Connection::open(url).await;
    assert_eq!(connection.ask("DELETE", "/api/v1/self", tokens[0].secret.reveal()).await, 204);
    assert_eq!(installation.check(&tokens[1]).await, 200);
    let Installation { folder, server } = installation;
    assert_eq!(server.stop().0, 0);
    (folder, tokens.into())
}

fn arguments(target: &str) -> [&str; 5] {
    ["migrate-store", "--from", "sqlite://data/hallpass.db", "--to", target]
}

async fn column(url: &str, sql: &'static str) -> Vec<String> {
    use sqlx::Connection as _;
    let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
    sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_installation_goes_on_where_it_was_moved_to() {
    let (folder, tokens) = Box::pin(stopped()).await;
    let target = cluster::new_database().await;
    let (code, said, progress) = run_with(folder.path(), &arguments(&target), &[]);
    assert_eq!(code, 0, "{progress}");
    assert!(said.contains("Everything was moved") && progress.contains("tokens: 500 of 500"), "{said}{progress}");
    assert_eq!(column(&target, "SELECT action FROM audit_events ORDER BY seq DESC LIMIT 1").await, ["store.migrated"]);

    let listen = free_address();
    let url = listen.replace("127.0.0.1", "http://localhost");
    let env =
        [("HALLPASS_LISTEN", listen.as_str()), ("HALLPASS_PUBLIC_URL", &url), ("HALLPASS_DATABASE__URL", &target)];
    let server = Server::start(folder.path(), &["serve"], &[env.as_slice(), &[("RUST_LOG", "off")]].concat());
    let mut connection = Connection::open(&server.url).await;
    assert_eq!(connection.ask("GET", "/check", tokens[0].secret.reveal()).await, 401, "it was revoked");
    for token in &tokens[1..20] {
        assert_eq!(connection.ask("GET", "/check", token.secret.reveal()).await, 200);
    }
    // The guards are there again.
    assert_eq!(connection.ask("DELETE", "/api/v1/self", tokens[1].secret.reveal()).await, 204);
    assert_eq!(connection.ask("GET", "/check", tokens[1].secret.reveal()).await, 401);
    let guards = "SELECT tgname::TEXT FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'O'";
    assert_eq!(column(&target, guards).await, [""; 0]);
}

/// A target that has tables and a key already, because a server was tried there.
async fn prepared_target(folder: &tempfile::TempDir) -> String {
    let target = cluster::new_database().await;
    let listen = free_address();
    let tried = [("HALLPASS_DATABASE__URL", target.as_str()), ("HALLPASS_LISTEN", &listen)];
    let (code, _) = Server::start(folder.path(), &["serve"], &tried).stop();
    assert_eq!(code, 0);
    assert_eq!(column(&target, "SELECT count(*)::TEXT FROM signing_keys").await, ["1"]);
    target
}

async fn execute(url: &str, sql: &str) {
    use sqlx::Connection as _;
    let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
}

async fn is_empty(target: &str) -> bool {
    let rows = "SELECT count(*)::TEXT FROM tokens UNION ALL SELECT count(*)::TEXT FROM users
        UNION ALL SELECT count(*)::TEXT FROM audit_events";
    column(target, rows).await == ["0", "0", "0"]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_that_is_interrupted_leaves_nothing_and_can_be_made_again() {
    use sqlx::Connection as _;
    let (folder, _) = Box::pin(stopped()).await;
    let target = prepared_target(&folder).await;
    let mut shell = sqlx::PgConnection::connect(&target).await.unwrap();
    let held = "BEGIN; LOCK TABLE audit_events IN SHARE MODE";
    sqlx::raw_sql(held).execute(&mut shell).await.unwrap();
    let mut child = command(folder.path(), &arguments(&target), &[]).stderr(Stdio::null()).spawn().unwrap();
    // It has written the tokens, and waits.
    let waits = "SELECT 'x' FROM pg_locks w JOIN pg_locks h ON h.pid = w.pid AND h.relation = 'tokens'::REGCLASS
        WHERE w.relation = 'audit_events'::REGCLASS AND NOT w.granted AND h.mode = 'RowExclusiveLock'";
    while column(&target, waits).await.is_empty() {
        assert!(child.try_wait().unwrap().is_none(), "it does not wait");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    sqlx::raw_sql("ROLLBACK").execute(&mut shell).await.unwrap();
    // Until the database has noticed.
    let at_work = "SELECT 'x' FROM pg_stat_activity
        WHERE datname = current_database() AND application_name LIKE 'hallpass%'";
    while !column(&target, at_work).await.is_empty() {}
    assert!(is_empty(&target).await, "half of it is there");
    let (code, _, progress) = run_with(folder.path(), &arguments(&target), &[]);
    assert_eq!(code, 0, "{progress}");
    assert_eq!(column(&target, "SELECT count(*)::TEXT FROM tokens").await, [TOKENS.to_string()]);
    assert_eq!(column(&target, "SELECT count(*)::TEXT FROM secrets").await, [TOKENS.to_string()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_loses_rows_gets_nothing() {
    let (folder, tokens) = Box::pin(stopped()).await;
    let target = prepared_target(&folder).await;
    let rule = format!(
        "CREATE RULE lose AS ON INSERT TO secrets WHERE NEW.id = '{}' DO INSTEAD NOTHING",
        tokens[7].secret.id()
    );
    execute(&target, &rule).await;
    let (code, _, complaint) = run_with(folder.path(), &arguments(&target), &[]);
    assert_eq!(code, 1, "{complaint}");
    assert!(complaint.contains("500 rows were read and 499 are there. Nothing was moved"), "{complaint}");
    assert!(is_empty(&target).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_audit_log_that_somebody_has_edited_is_not_moved() {
    let (folder, _) = Box::pin(stopped()).await;
    let mut database = Database::open(&folder.path().join("data/hallpass.db")).await;
    for trigger in
        database.column("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit_events'").await
    {
        database.execute(&format!("DROP TRIGGER {trigger}")).await.unwrap();
    }
    database.execute("UPDATE audit_events SET action = 'token.created' WHERE action = 'token.revoked'").await.unwrap();
    drop(database);
    let target = cluster::new_database().await;
    let (code, _, complaint) = run_with(folder.path(), &arguments(&target), &[]);
    assert_eq!(code, 1, "{complaint}");
    assert!(complaint.contains("the audit log is broken") && complaint.contains("Nothing was moved"), "{complaint}");
    assert!(is_empty(&target).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_is_refused_where_there_is_something_or_somebody() {
    let (folder, _) = Box::pin(stopped()).await;
    let target = cluster::new_database().await;
    assert_eq!(run_with(folder.path(), &arguments(&target), &[]).0, 0);
    let (code, _, complaint) = run_with(folder.path(), &arguments(&target), &[]);
    assert_eq!(code, 1);
    assert!(complaint.contains("Please give an empty database"), "{complaint}");

    let server = Server::configured(folder.path());
    let other = cluster::new_database().await;
    let (code, _, complaint) = run_with(folder.path(), &arguments(&other), &[]);
    assert_eq!(code, 2);
    assert!(complaint.contains("another server is using"), "{complaint}");
    drop(server);
    for (from, to) in [("sqlite://data/nothing.db", other.as_str()), ("postgres://db/x", &other)] {
        let (code, ..) = run_with(folder.path(), &["migrate-store", "--from", from, "--to", to], &[]);
        assert!(code == 1 || code == 2, "{from}");
    }
}
