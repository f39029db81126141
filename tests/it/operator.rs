//! An operator's tools without a browser: finding tokens, locking people out, and looking after the audit log.

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::support::Database;
use crate::support::installation::Installation;
use crate::support::program::{CONFIG, Server, command, folder_with, refused, run, run_with};
use crate::support::tokens::Token;

/// Runs a command with something on its standard input.
fn run_on(installation: &Installation, arguments: &[&str], input: &str) -> (i32, String, String) {
    let mut command = command(installation.folder.path(), arguments, &[]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// Runs a command that must work, and gives what it says.
#[track_caller]
fn say(installation: &Installation, arguments: &[&str]) -> String {
    let (code, said, complaints) = run(&installation.folder, arguments);
    assert_eq!((code, complaints.as_str()), (0, ""), "{said}");
    said
}

async fn user_of(installation: &Installation) -> String {
    let hex = installation.column("SELECT lower(hex(id)) FROM users").await.remove(0);
    uuid::Uuid::parse_str(&hex).unwrap().to_string()
}

#[tokio::test]
async fn tokens_are_listed_and_recognised() {
    let installation = Installation::new();
    let [token, other] = installation.tokens().await;
    let listed = say(&installation, &["token", "list"]);
    assert!(listed.starts_with("id ") && listed.lines().count() == 3, "{listed}");
    assert!(listed.contains(&token.id.to_string()) && listed.contains(&other.id.to_string()));
    assert_eq!(say(&installation, &["token", "list", "--limit", "1"]).lines().count(), 2);
    assert_eq!(say(&installation, &["token", "list", &token.id.to_string()[..13]]).lines().count(), 2);
    assert_eq!(say(&installation, &["token", "list", "--state", "revoked"]).lines().count(), 1);

    let line = format!("GET /x 401 \"Bearer {}\"", token.secret.reveal());
    let (code, said, complaints) = run_on(&installation, &["token", "identify"], &line);
    assert_eq!((code, complaints.as_str()), (0, ""));
    assert!(said.contains(&token.id.to_string()) && said.contains("state      active"), "{said}");
    assert!(!said.contains(token.secret.reveal()));
    let (code, said, complaints) = run_on(&installation, &["token", "identify"], "hello");
    assert_eq!((code, said.as_str(), complaints.trim()), (1, "", "that names no token of this installation"));
}

#[tokio::test]
async fn a_user_who_is_disabled_at_the_command_line_is_out_when_the_command_is_over() {
    let installation = Installation::new();
    let [token] = installation.tokens().await;
    let user = user_of(&installation).await;
    for _ in 0..3 {
        assert_eq!(installation.check(&token).await, 200);
        assert_eq!(say(&installation, &["user", "disable", &user, "--reason", "left"]).trim(), "The user is disabled.");
        assert_eq!(installation.check(&token).await, 401);
        assert!(say(&installation, &["user", "list"]).contains("disabled"));
        assert_eq!(say(&installation, &["user", "enable", &user]).trim(), "The user is enabled.");
    }
    assert_eq!(installation.check(&token).await, 200);
    let actors = "SELECT DISTINCT actor_type FROM audit_events WHERE action LIKE 'user.%abled'";
    assert_eq!(installation.column(actors).await, ["operator"]);
    let stranger = "00000000-0000-4000-8000-000000000000";
    let (code, _, complaints) = run(&installation.folder, &["user", "disable", stranger]);
    assert_eq!((code, complaints.trim()), (1, format!("there is no user {stranger}").as_str()));
}

#[tokio::test]
async fn what_is_erased_is_gone_and_the_log_is_still_whole() {
    let installation = Installation::new();
    let [token, other] = installation.tokens().await;
    let user = user_of(&installation).await;
    say(&installation, &["token", "revoke", &token.id.to_string(), "--reason", "leaked: by Mallory Quux"]);
    assert!(say(&installation, &["audit", "export"]).contains("Mallory Quux"));
    assert_eq!(installation.check(&other).await, 200);
    // Nobody is asked where there is no terminal.
    say(&installation, &["user", "erase", &user]);
    assert_eq!(installation.check(&other).await, 401);
    assert!(!say(&installation, &["audit", "export"]).contains("Mallory Quux"));
    assert_eq!(installation.column("SELECT username FROM users").await, ["erased"]);
    assert_eq!(installation.column("SELECT DISTINCT name FROM tokens").await, ["erased"]);
    let verified = say(&installation, &["audit", "verify"]);
    assert!(verified.contains("whole") && verified.contains("erased"), "{verified}");
    for file in std::fs::read_dir(installation.folder.path().join("data")).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        assert!(!bytes.windows(12).any(|window| window == b"Mallory Quux"), "{}", path.display());
    }
}

#[tokio::test]
async fn somebody_with_very_many_tokens_is_erased_too() {
    let installation = Installation::new();
    let tokens: [Token; 120] = installation.tokens().await;
    let user = user_of(&installation).await;
    assert_eq!(installation.check(&tokens[7]).await, 200);
    say(&installation, &["user", "erase", &user, "--yes"]);
    assert_eq!(installation.check(&tokens[7]).await, 401);
    assert_eq!(installation.column("SELECT count(*) FROM tokens WHERE revoked_at IS NULL").await, ["0"]);
    let told = "SELECT count(*) FROM audit_events WHERE action = 'token.revoked'";
    assert_eq!(installation.column(told).await, ["120"], "each once");
    assert_eq!(installation.column("SELECT DISTINCT name FROM tokens").await, ["erased"]);
    assert!(say(&installation, &["audit", "verify"]).contains("whole"));
}

#[tokio::test]
async fn the_log_is_exported_as_lines_and_as_a_table() {
    let installation = Installation::new();
    let [token] = installation.tokens().await;
    say(&installation, &["token", "revoke", &token.id.to_string(), "--reason", "=1+1, \"x\""]);
    let lines = say(&installation, &["audit", "export", "--action", "token.revoked"]);
    let event: Value = serde_json::from_str(lines.trim()).unwrap();
    assert_eq!((&event["action"], &event["reason"]), (&"token.revoked".into(), &"=1+1, \"x\"".into()));
    let table = say(&installation, &["audit", "export", "--format", "csv", "--object", &token.id.to_string()]);
    assert!(table.starts_with("seq,id,time,action,") && table.contains(",\"'=1+1, \"\"x\"\"\","), "{table}");
    let exports = "SELECT count(*) FROM audit_events WHERE action = 'audit.exported'";
    assert_eq!(installation.column(exports).await, ["2"]);
    assert_eq!(say(&installation, &["audit", "export", "--until", "2000-01-01T00:00:00Z"]), "");
}

#[tokio::test]
async fn whatever_is_done_to_the_log_in_the_database_is_found() {
    for (deed, seq, fault) in [
        ("UPDATE audit_events SET reason = 'nothing' WHERE seq = 2", 2, "was changed"),
        // They read as the same nothing.
        ("UPDATE audit_events SET changes = '[]' WHERE seq = 2", 2, "was changed"),
        ("UPDATE audit_events SET changes = 'null' WHERE seq = 4", 4, "was changed"),
        ("UPDATE audit_events SET personal = personal || ' ' WHERE seq = 2", 2, "was changed"),
        ("UPDATE audit_personal SET value = 'somebody' WHERE seq = 3", 3, "has a personal value that was changed"),
        ("DELETE FROM audit_personal WHERE seq = 2", 2, "has lost a personal value that nobody erased"),
        ("DELETE FROM audit_events WHERE seq = 3", 3, "is missing"),
        ("DELETE FROM audit_events WHERE seq = 1", 1, "is missing"),
        (
            "UPDATE audit_events SET seq = 9 WHERE seq = 2; UPDATE audit_events SET seq = 2 WHERE seq = 3;
          UPDATE audit_events SET seq = 3 WHERE seq = 9",
            2,
            "does not continue the one before it",
        ),
    ] {
        let installation = Installation::new();
        for token in &installation.tokens::<4>().await {
            say(&installation, &["token", "revoke", &token.id.to_string(), "--reason", "a reason"]);
        }
        assert!(say(&installation, &["audit", "verify"]).contains("4 events"));
        let mut database = Database::open(&installation.folder.path().join("data/hallpass.db")).await;
        let guards = drop_guards(&mut database).await;
        database.execute(&format!("PRAGMA foreign_keys = OFF; {guards} {deed}")).await.unwrap();
        let (code, said, complaints) = run(&installation.folder, &["audit", "verify"]);
        assert_eq!((code, said.as_str()), (1, ""), "{deed}");
        assert_eq!(complaints.trim(), format!("the audit log is broken: event {seq} {fault}"), "{deed}");
    }
}

#[tokio::test]
async fn on_a_full_disk_nothing_is_changed_unrecorded_and_all_goes_on_when_there_is_room() {
    let installation = Installation::new();
    let [token] = installation.tokens().await;
    let revoke = async || {
        let request = installation.server.client.delete(format!("{}/api/v1/self", installation.server.url));
        request.bearer_auth(token.secret.reveal()).send().await.unwrap().status().as_u16()
    };
    assert_eq!(installation.check(&token).await, 200);
    installation.server.fill_disk(true);
    assert_eq!(revoke().await, 503);
    assert_eq!(installation.check(&token).await, 200, "it was not revoked");
    installation.server.fill_disk(false);
    assert_eq!(installation.column("SELECT count(*) FROM audit_events").await, ["0"]);
    assert_eq!(revoke().await, 204);
    assert_eq!(installation.check(&token).await, 401);
    assert_eq!(installation.column("SELECT action FROM audit_events").await, ["token.revoked"]);
}

/// What somebody runs first who owns the database.
async fn drop_guards(database: &mut Database) -> String {
    let guards = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name LIKE 'audit%'";
    let drops = database.column(guards).await.into_iter().map(|name| format!("DROP TRIGGER {name};"));
    drops.collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn an_older_copy_of_the_database_is_noticed_by_what_stands_outside_of_it() {
    let folder = folder_with(&format!("audit.checkpoint_file = \"outside/checkpoints\"\n{CONFIG}"));
    std::fs::create_dir(folder.path().join("outside")).unwrap();
    let data = folder.path().join("data/hallpass.db");
    let start = || Server::configured(folder.path());
    let stop = |server: Server| assert_eq!(server.stop().0, 0);
    // Everything is in one file once the server has stopped.
    let event = || assert_eq!(run(&folder, &["audit", "export"]).0, 0);
    stop(start());
    event();
    stop(start());
    let copy = std::fs::read(&data).unwrap();
    event();
    stop(start());
    let checkpoints = std::fs::read_to_string(folder.path().join("outside/checkpoints")).unwrap();
    assert_eq!(checkpoints.lines().count(), 2, "{checkpoints}");
    let (code, said, _) = run(&folder, &["audit", "verify"]);
    assert_eq!((code, said.trim()), (0, "The audit log is whole: 2 events, 2 checkpoints."));
    let named = folder.path().join("named");
    let with = |file: &Path| run(&folder, &["audit", "verify", "--checkpoints", file.to_str().unwrap()]);
    let (code, _, complaint) = with(&named);
    assert!(code == 2 && complaint.contains("named"), "{complaint}");
    std::fs::write(&named, &checkpoints).unwrap();
    assert_eq!(with(&named).0, 0);

    std::fs::write(&data, copy).unwrap();
    let complaint = refused(folder.path(), &["serve"], &[]);
    assert!(complaint.contains("does not have event 2") && complaint.contains("restore-ack"), "{complaint}");
    let (code, _, complaint) = run(&folder, &["audit", "verify"]);
    assert_eq!((code, complaint.trim()), (1, "the audit log is broken: event 2 is missing"));
    let (code, said, complaint) = run(&folder, &["restore-ack"]);
    assert_eq!((code, complaint.as_str()), (0, ""), "{said}");
    stop(start());
    assert_eq!(run(&folder, &["audit", "verify"]).0, 0);
    let kept = std::fs::read_dir(folder.path().join("outside")).unwrap().count();
    assert_eq!(kept, 2, "what was known of the lost state is kept");
}

#[tokio::test]
async fn a_checkpoint_that_somebody_wrote_themselves_counts_for_nothing() {
    let folder = folder_with(&format!("audit.checkpoint_file = \"checkpoints\"\n{CONFIG}"));
    assert_eq!(Server::configured(folder.path()).stop().0, 0);
    assert_eq!(run(&folder, &["audit", "export"]).0, 0);
    assert_eq!(Server::configured(folder.path()).stop().0, 0);
    let file = folder.path().join("checkpoints");
    let line = std::fs::read_to_string(&file).unwrap();
    let forged = line.replace("\"seq\":1", "\"seq\":2");
    assert_ne!(forged, line);
    std::fs::write(&file, forged).unwrap();
    let complaint = refused(folder.path(), &["serve"], &[]);
    assert!(complaint.contains("line 1 was not signed by this installation"), "{complaint}");
    let (code, _, complaint) = run(&folder, &["audit", "verify"]);
    assert_eq!(code, 1, "{complaint}");
    // Half a line is what a power cut leaves, and says nothing.
    std::fs::write(&file, format!("{line}{}", &line[..20])).unwrap();
    assert_eq!(run_with(folder.path(), &["audit", "verify"], &[]).0, 0);
    // Nor does it spoil what is written after it.
    assert_eq!(run(&folder, &["audit", "export"]).0, 0);
    assert_eq!(Server::configured(folder.path()).stop().0, 0);
    assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 3);
    assert_eq!(Server::configured(folder.path()).stop().0, 0);
    assert_eq!(run(&folder, &["audit", "verify"]).0, 0);
}
