//! Changes from the command line beside a running server: they are over when the server acts on them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hallpass::domain::id::TokenId;
use hallpass::server::store::SoleServer;

use crate::support::installation::Installation;
use crate::support::program::{CONFIG, Server, folder_with, run};
use crate::support::tokens::Token;

const ROUNDS: usize = 20;

fn revoke(installation: &Installation, token: &Token) -> (i32, String, String) {
    run(&installation.folder, &["token", "revoke", &token.id.to_string()])
}

#[tokio::test]
async fn a_token_that_is_revoked_at_the_command_line_is_refused_when_the_command_is_over() {
    let installation = Installation::new();
    for token in &installation.tokens::<ROUNDS>().await {
        assert_eq!(installation.check(token).await, 200);
        let (code, said, complaints) = revoke(&installation, token);
        assert_eq!(installation.check(token).await, 401, "the command was over too early");
        assert_eq!((code, said.trim(), complaints.as_str()), (0, "The token is revoked.", ""));
    }
}

#[tokio::test]
async fn what_a_server_does_not_confirm_is_written_and_said_to_be_unconfirmed() {
    let installation = Installation::new();
    let [token] = installation.tokens().await;
    assert_eq!(installation.check(&token).await, 200);
    installation.server.signal("STOP");
    for _ in 0..2 {
        // The second time there is nothing left to write, and still nobody has confirmed.
        let (code, said, complaints) = revoke(&installation, &token);
        assert_eq!((code, said.as_str()), (1, ""), "{complaints}");
        assert!(complaints.starts_with("written, not confirmed"), "{complaints}");
    }
    installation.server.signal("CONT");
    assert_eq!(installation.check(&token).await, 401);
    let (code, said, _) = revoke(&installation, &token);
    assert_eq!((code, said.trim()), (0, "The token was revoked before."));
}

#[tokio::test]
async fn without_a_server_there_is_nobody_to_wait_for() {
    let mut installation = Installation::new();
    let [token] = installation.tokens().await;
    installation.server.child.kill().unwrap();
    installation.server.child.wait().unwrap();
    assert_eq!(revoke(&installation, &token).0, 0);
    installation.server = Server::configured(installation.folder.path());
    assert_eq!(installation.check(&token).await, 401);
}

#[tokio::test]
async fn a_revocation_at_the_command_line_is_in_the_record_with_its_reason() {
    let installation = Installation::new();
    let [token] = installation.tokens().await;
    let id = token.id.to_string();
    let (code, _, complaints) = run(&installation.folder, &["token", "revoke", &id, "--reason", "seen in a log"]);
    assert_eq!(code, 0, "{complaints}");
    assert_eq!(installation.column("SELECT revoked_reason FROM tokens").await, ["seen in a log"]);
    let actors = "SELECT actor_type FROM audit_events WHERE action = 'token.revoked'";
    assert_eq!(installation.column(actors).await, ["operator"]);
}

#[tokio::test]
async fn what_cannot_be_revoked_is_said_in_words() {
    let installation = Installation::new();
    let [token] = installation.tokens().await;
    let stranger = TokenId::from_random([7; 16]).to_string();
    let (code, _, complaints) = run(&installation.folder, &["token", "revoke", &stranger]);
    assert_eq!((code, complaints.trim()), (1, format!("there is no token {stranger}").as_str()));
    let (code, _, complaints) = run(&installation.folder, &["token", "revoke", "nonsense"]);
    assert_eq!(code, 2, "{complaints}");
    let long = "x".repeat(501);
    let (code, _, complaints) =
        run(&installation.folder, &["token", "revoke", &token.id.to_string(), "--reason", &long]);
    assert_eq!(code, 1, "{complaints}");
    assert_eq!(installation.check(&token).await, 200);
}

#[tokio::test]
async fn a_key_that_is_made_at_the_command_line_is_published_when_the_command_is_over() {
    let installation = Installation::new();
    let published = |text: String| text.matches("\"kid\"").count();
    let jwks = || async { installation.server.get("/.well-known/jwks.json").await.text().await.unwrap() };
    assert_eq!(published(jwks().await), 1);
    assert_eq!(run(&installation.folder, &["keys", "rotate"]).0, 0);
    assert_eq!(published(jwks().await), 2);
}

/// Asking who is the only server takes its right for a moment.
#[tokio::test]
async fn a_server_starts_although_somebody_asks_whether_there_is_one() {
    let folder = folder_with(CONFIG);
    let (database, enough) = (folder.path().join("data/hallpass.db"), Arc::new(AtomicBool::default()));
    drop(Server::start(folder.path(), &["serve"], &[]));
    let asking = std::thread::spawn({
        let enough = Arc::clone(&enough);
        move || {
            while !enough.load(Ordering::Relaxed) {
                let _ = SoleServer::is_running(&database);
            }
        }
    });
    for _ in 0..3 {
        drop(Server::start(folder.path(), &["serve"], &[]));
    }
    enough.store(true, Ordering::Relaxed);
    asking.join().unwrap();
}
