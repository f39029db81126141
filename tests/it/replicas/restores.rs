//! Databases that went back to an earlier state, and what replicas still know of the later one.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Barrier;

use super::duties::readiness;
use super::trial::revoke_once;
use crate::support::cluster;
use crate::support::replicas::Replicas;
use crate::support::tokens::Token;

/// Longer than a lease, and than the pause between two looks.
const A_WHILE: Duration = Duration::from_millis(1_500);

/// Insists that a token passes nowhere for a while.
async fn passes_nowhere(replicas: &Replicas, token: &Token) {
    let until = tokio::time::Instant::now() + A_WHILE;
    while tokio::time::Instant::now() < until {
        for index in 0..replicas.servers.len() {
            let status = replicas.check(index, token).await;
            assert_ne!(status, 200, "at replica {index}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_restore_replicas_vouch_for_nothing_until_it_is_acknowledged() {
    let replicas = Replicas::start(2).await;
    let tokens = replicas.tokens(2).await;
    assert_eq!(replicas.run(&["restore-ack"]).0, 0, "there is nothing to acknowledge");
    let disabled = replicas.log_in(&replicas.tokens(1).await[0]).await.user;
    let backup = cluster::copy_of(&replicas.database).await;
    assert_eq!(revoke_once(&replicas.servers[0].url, &tokens[0]).await, Some(204));
    assert_eq!(replicas.run(&["user", "disable", &disabled]).0, 0);
    let lost = tokens[0].id.to_string();

    cluster::put_back(&replicas.database, &backup).await;
    for index in [0, 1] {
        readiness(&replicas, index, 503).await;
        assert_eq!(replicas.check(index, &tokens[0]).await, 503, "it was revoked");
        assert_eq!(replicas.check(index, &tokens[1]).await, 503);
    }
    let (code, said, complaints) = replicas.run(&["restore-ack"]);
    assert_eq!(code, 0, "{complaints}");
    assert!(said.contains(&lost) && said.contains(&disabled) && said.contains("is acknowledged"), "{said}");
    for index in [0, 1] {
        readiness(&replicas, index, 200).await;
        assert_eq!(replicas.check(index, &tokens[1]).await, 200);
    }
    let actions = replicas.column("SELECT action FROM audit_events ORDER BY seq DESC LIMIT 1").await;
    assert_eq!(actions, ["restore.acknowledged"]);
    assert_eq!(replicas.run(&["token", "revoke", &lost]).0, 0);
    assert_eq!(replicas.check(1, &tokens[0]).await, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_a_restore_has_lost_is_not_called_bad() {
    let mut replicas = Replicas::start(2).await;
    let way = replicas.database.clone();
    replicas.add_with(&way, &[("HALLPASS_CHECK__MODE", "strict")]);
    replicas.tokens(1).await;
    for index in 0..3 {
        readiness(&replicas, index, 200).await;
    }
    let backup = cluster::copy_of(&replicas.database).await;
    let replicas = Arc::new(replicas);
    let lost = Arc::new(replicas.tokens(1).await.pop().unwrap());
    // Who has not looked since does not know that there was anything to lose.
    tokio::time::sleep(A_WHILE).await;
    for index in 0..3 {
        readiness(&replicas, index, 200).await;
    }
    let is_over = Arc::new(AtomicBool::new(false));
    let has_passed = Arc::new(Barrier::new(4));
    let checks: Vec<_> = (0..3)
        .map(|index| {
            let (replicas, is_over, lost) = (Arc::clone(&replicas), Arc::clone(&is_over), Arc::clone(&lost));
            let has_passed = Arc::clone(&has_passed);
            tokio::spawn(async move {
                let mut answers = BTreeSet::from([replicas.check(index, &lost).await]);
                has_passed.wait().await;
                while !is_over.load(Ordering::SeqCst) {
                    answers.insert(replicas.check(index, &lost).await);
                }
                answers
            })
        })
        .collect();
    tokio::time::timeout(Duration::from_secs(10), has_passed.wait()).await.expect("nobody answers");
    cluster::put_back(&replicas.database, &backup).await;
    tokio::time::sleep(A_WHILE).await;
    is_over.store(true, Ordering::SeqCst);
    for answers in checks {
        assert_eq!(answers.await.unwrap(), BTreeSet::from([200, 503]), "it was good when it was seen last");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_but_the_acknowledgement_ends_the_doubt() {
    let mut replicas = Replicas::start(2).await;
    let tokens = replicas.tokens(2).await;
    let backup = cluster::copy_of(&replicas.database).await;
    assert_eq!(revoke_once(&replicas.servers[0].url, &tokens[0]).await, Some(204));
    cluster::put_back(&replicas.database, &backup).await;
    for index in [0, 1] {
        readiness(&replicas, index, 503).await;
    }
    // What comes afterwards has the numbers of what was lost, and more.
    for _ in 0..3 {
        replicas.execute("UPDATE users SET last_login_at = last_login_at + 1").await;
    }
    // Nor does it help to begin anew.
    let way = replicas.database.clone();
    replicas.add(&way);
    replicas.add_with(&way, &[("HALLPASS_CHECK__MODE", "strict")]);
    passes_nowhere(&replicas, &tokens[0]).await;
    for index in 0..4 {
        assert_eq!(replicas.check(index, &tokens[1]).await, 503, "replica {index} cannot know");
        readiness(&replicas, index, 503).await;
    }
    assert_eq!(replicas.run(&["restore-ack"]).0, 0);
    for index in 0..4 {
        readiness(&replicas, index, 200).await;
        assert_eq!(replicas.check(index, &tokens[1]).await, 200);
    }
}

/// Tokens at the only replica, which has noticed that the first was revoked. It is stopped, and does not notice that the database
/// is put back to before that, and that the second is revoked then: as many changes, but another one.
async fn with_another_history(replicas: &Replicas) -> Vec<Token> {
    let tokens = replicas.tokens(3).await;
    for token in &tokens {
        assert_eq!(replicas.check(0, token).await, 200);
    }
    let backup = cluster::copy_of(&replicas.database).await;
    assert_eq!(revoke_once(&replicas.servers[0].url, &tokens[0]).await, Some(204));
    replicas.servers[0].signal("STOP");
    cluster::put_back(&replicas.database, &backup).await;
    let (code, _, complaints) = replicas.run(&["token", "revoke", &tokens[1].id.to_string()]);
    assert_eq!(code, 0, "{complaints}");
    tokens
}

/// Whether a token that was revoked in another history passes there.
pub async fn passes_in_another_history(replicas: &Replicas) -> bool {
    let tokens = with_another_history(replicas).await;
    let heard = async || replicas.column("SELECT heard::TEXT FROM replicas").await;
    let before = heard().await;
    replicas.servers[0].signal("CONT");
    // Whoever asks before it is renewed makes it read the token. One that notices is not renewed.
    let _ = tokio::time::timeout(A_WHILE, async { while heard().await == before {} }).await;
    let until = tokio::time::Instant::now() + A_WHILE;
    while tokio::time::Instant::now() < until {
        if replicas.check(0, &tokens[1]).await == 200 {
            return true;
        }
    }
    false
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_many_changes_in_another_history_are_other_changes() {
    let replicas = Replicas::start(1).await;
    let tokens = with_another_history(&replicas).await;
    replicas.servers[0].signal("CONT");
    passes_nowhere(&replicas, &tokens[1]).await;
    passes_nowhere(&replicas, &tokens[0]).await;
    assert_eq!(replicas.check(0, &tokens[2]).await, 503);
    let (code, said, _) = replicas.run(&["restore-ack"]);
    assert!(code == 0 && said.contains(&tokens[0].id.to_string()), "{said}");
    readiness(&replicas, 0, 200).await;
    assert_eq!(replicas.check(0, &tokens[1]).await, 401);
    assert_eq!(replicas.check(0, &tokens[2]).await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_away_when_it_was_acknowledged_says_what_it_knew_and_goes_on() {
    let replicas = Replicas::start(2).await;
    let tokens = replicas.tokens(2).await;
    let backup = cluster::copy_of(&replicas.database).await;
    assert_eq!(revoke_once(&replicas.servers[0].url, &tokens[0]).await, Some(204));
    replicas.servers[1].signal("STOP");
    cluster::put_back(&replicas.database, &backup).await;
    readiness(&replicas, 0, 503).await;
    let noted = async |count: usize| {
        let noted = async { while replicas.column("SELECT name FROM rewinds").await.len() != count {} };
        tokio::time::timeout(Duration::from_secs(10), noted).await.expect("it is not written down");
    };
    noted(1).await;
    assert_eq!(replicas.run(&["restore-ack"]).0, 0);
    noted(0).await;
    readiness(&replicas, 0, 200).await;
    replicas.servers[1].signal("CONT");
    noted(1).await;
    for index in [0, 1] {
        readiness(&replicas, index, 200).await;
        assert_eq!(replicas.check(index, &tokens[1]).await, 200);
    }
    let (code, said, _) = replicas.run(&["restore-ack"]);
    assert!(code == 0 && said.contains(&tokens[0].id.to_string()), "{said}");
    readiness(&replicas, 1, 200).await;
    noted(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_put_back_twice_is_doubted_twice() {
    let mut replicas = Replicas::start(1).await;
    let tokens = replicas.tokens(2).await;
    let backups = [cluster::copy_of(&replicas.database).await, cluster::copy_of(&replicas.database).await];
    assert_eq!(revoke_once(&replicas.servers[0].url, &tokens[0]).await, Some(204));
    for backup in &backups {
        cluster::put_back(&replicas.database, backup).await;
        let written = async { while replicas.column("SELECT name FROM rewinds").await.is_empty() {} };
        tokio::time::timeout(Duration::from_secs(5), written).await.expect("it is not written down");
    }
    let way = replicas.database.clone();
    replicas.add(&way);
    passes_nowhere(&replicas, &tokens[0]).await;
    assert_eq!(replicas.run(&["restore-ack"]).0, 0);
    for index in [0, 1] {
        readiness(&replicas, index, 200).await;
        assert_eq!(replicas.check(index, &tokens[1]).await, 200);
    }
}
