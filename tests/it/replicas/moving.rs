//! Moving an installation from SQLite to PostgreSQL.

use std::process::Stdio;
use std::time::Duration;

use crate::support::cluster;
use crate::support::connection::Connection;
use crate::support::installation::Installation;
use crate::support::program::{Server, command, free_address, run_with, wait};
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_that_is_interrupted_leaves_nothing_and_can_be_made_again() {
    let (folder, _) = Box::pin(stopped()).await;
    let target = cluster::new_database().await;
    for pause in [100, 200, 300] {
        let mut child = command(folder.path(), &arguments(&target), &[]).stderr(Stdio::null()).spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(pause)).await;
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let mut child = command(folder.path(), &arguments(&target), &[]).stderr(Stdio::null()).spawn().unwrap();
    // Either one of the others was done already, or this one is.
    assert!(matches!(wait(&mut child), Some(0 | 1)));
    assert_eq!(column(&target, "SELECT count(*)::TEXT FROM tokens").await, [TOKENS.to_string()]);
    assert_eq!(column(&target, "SELECT count(*)::TEXT FROM secrets").await, [TOKENS.to_string()]);
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
