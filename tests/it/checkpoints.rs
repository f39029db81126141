//! Checkpoints of the audit log: contract, section 10.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hallpass::domain::audit::{Action, Draft, Origin, Party};
use hallpass::domain::time::{Clock as _, Timestamp};
use hallpass::server::ambient::SystemEntropy;
use hallpass::server::config::AuditConfig;
use hallpass::server::keys::{Keys, SecretKey};
use hallpass::server::service::checkpoints::{CheckpointError, Checkpoints};
use hallpass::server::store::Db;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Logs, TestClock, cluster, minutes, seconds, store};

/// After so many events one is due …
const MANY: u32 = 5;
/// … or after so much time.
const LONG: Duration = minutes(5);
const NOT_QUITE: Duration = seconds(299);

/// What the servers of an installation share, and what one of them is.
struct Scene {
    folder: TempDir,
    keys: Arc<Keys>,
    clock: Arc<TestClock>,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = SecretKey::create(&folder.path().join("key"), &SystemEntropy).unwrap();
        Self { folder, keys: Arc::new(key.derive().unwrap()), clock: Arc::new(TestClock::new()) }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn on_both_engines(&self) -> [Db; 2] {
        [store::sqlite(&self.file("test.db")).await, store::postgres(&cluster::new_database().await).await]
    }

    /// A server with a file of its own.
    fn server(&self, db: &Db, file: &Path) -> Checkpoints {
        let config = AuditConfig {
            checkpoint_file: Some(file.to_owned()),
            checkpoint_every: LONG,
            checkpoint_events: NonZeroU32::new(MANY).unwrap(),
            decision_log: None,
        };
        Checkpoints::new(db.clone(), self.keys.clone(), config, self.clock.clone())
    }

    async fn record(&self, db: &Db, count: u32) {
        let draft = Draft::new(Action::KeyRotated, Party::SYSTEM, Party::SYSTEM, &Origin::default());
        for _ in 0..count {
            db.record(&draft, self.clock.now()).await.unwrap();
        }
    }
}

/// The events that the lines of a file name.
fn known(file: &Path) -> Vec<i64> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["seq"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn one_is_made_after_so_many_events_or_so_much_time_and_not_before() {
    let scene = Scene::new();
    for (index, db) in scene.on_both_engines().await.iter().enumerate() {
        let file = scene.file(&index.to_string());
        let server = scene.server(db, &file);
        let mut pace = server.pace();
        scene.clock.advance(LONG);
        assert!(!server.look(&mut pace).await.unwrap(), "there is nothing to tell");
        let mut pace = server.pace();
        scene.record(db, MANY - 1).await;
        assert!(!server.look(&mut pace).await.unwrap(), "neither many nor long ago");
        scene.record(db, 1).await;
        assert!(server.look(&mut pace).await.unwrap(), "many");
        scene.record(db, 1).await;
        scene.clock.advance(NOT_QUITE);
        assert!(!server.look(&mut pace).await.unwrap(), "not yet long ago");
        scene.clock.advance(seconds(1));
        assert!(server.look(&mut pace).await.unwrap(), "long ago");
        assert!(!server.look(&mut pace).await.unwrap(), "once");
        assert_eq!(known(&file), [i64::from(MANY), i64::from(MANY) + 1]);
        let made: Vec<_> = db.list_checkpoints().await.unwrap().iter().map(|row| row.checkpoint.seq).collect();
        assert_eq!(made, known(&file));
    }
}

#[tokio::test]
async fn one_stands_in_the_file_and_in_the_log_of_the_server_with_what_proves_it() {
    let logs = Logs::default();
    let subscriber = tracing_subscriber::fmt().json().with_writer(logs.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let scene = Scene::new();
    let [db, _] = scene.on_both_engines().await;
    let file = scene.file("outside");
    let server = scene.server(&db, &file);
    scene.record(&db, MANY).await;
    assert!(server.look(&mut server.pace()).await.unwrap());

    let written: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    let logged = logs.text();
    let logged = logged.lines().find(|line| line.contains("checkpoint of the audit log")).unwrap();
    let logged: Value = serde_json::from_str(logged).unwrap();
    assert_eq!(logged["level"], "INFO");
    for field in ["seq", "hash", "signature"] {
        assert_eq!(logged["fields"][field], written[field], "{field}");
    }
    let time = logged["fields"]["time"].as_i64().unwrap();
    assert_eq!(Timestamp::from_seconds(time).rfc3339(), written["time"].as_str().unwrap());
    // Whoever has neither database nor key can say that the log had another history.
    let held = db.list_events(i64::from(MANY) - 1, 1).await.unwrap();
    assert_eq!(written["hash"], hallpass::server::keys::hex(&held[0].hash));
}

#[tokio::test]
async fn a_file_that_is_gone_is_missed() {
    let logs = Logs::default();
    let _guard = tracing::subscriber::set_default(tracing_subscriber::fmt().with_writer(logs.clone()).finish());
    let scene = Scene::new();
    for (index, db) in scene.on_both_engines().await.iter().enumerate() {
        let file = scene.file(&format!("{index}.log"));
        let server = scene.server(db, &file);
        let is_missed = async || {
            server.require_newer().await.unwrap();
            logs.text().contains(&format!("{index}.log"))
        };
        assert!(!is_missed().await, "none was made");
        scene.record(db, MANY).await;
        assert!(server.look(&mut server.pace()).await.unwrap());
        assert!(!is_missed().await, "it is there");
        std::fs::remove_file(&file).unwrap();
        assert!(is_missed().await);
    }
}

#[tokio::test]
async fn what_cannot_be_written_outside_is_due_until_it_can() {
    let scene = Scene::new();
    for (index, db) in scene.on_both_engines().await.iter().enumerate() {
        let folder = scene.file(&format!("folder-{index}"));
        let server = scene.server(db, &folder.join("outside"));
        let mut pace = server.pace();
        scene.record(db, MANY).await;
        for _ in 0..2 {
            assert!(matches!(server.look(&mut pace).await, Err(CheckpointError::File { .. })));
        }
        assert!(db.list_checkpoints().await.unwrap().is_empty(), "the database is not ahead of what is outside");
        std::fs::create_dir(&folder).unwrap();
        assert!(server.look(&mut pace).await.unwrap());
    }
}

#[tokio::test]
async fn every_server_s_own_file_knows_the_newest_and_notices_an_older_copy() {
    let scene = Scene::new();
    let url = cluster::new_database().await;
    let db = store::postgres(&url).await;
    let files = ["a", "b"].map(|name| scene.file(name));
    let servers = [&files[0], &files[1]].map(|file| scene.server(&db, file));
    let mut paces = [servers[0].pace(), servers[1].pace()];
    scene.record(&db, MANY).await;
    assert!(servers[0].look(&mut paces[0]).await.unwrap());
    assert!(!servers[1].look(&mut paces[1]).await.unwrap(), "one of them makes it");
    let copy = cluster::copy_of(&url).await;
    scene.record(&db, MANY).await;
    assert!(servers[1].look(&mut paces[1]).await.unwrap());
    for _ in 0..2 {
        assert!(!servers[0].look(&mut paces[0]).await.unwrap());
    }
    let lines = [i64::from(MANY), i64::from(MANY) * 2];
    assert_eq!([known(&files[0]), known(&files[1])], [lines, lines], "each of them once");
    // One that is started anew goes on where its file ends.
    assert!(!servers[0].look(&mut servers[0].pace()).await.unwrap());
    assert_eq!(known(&files[0]), lines);
    for server in &servers {
        server.require_newer().await.unwrap();
    }

    db.close().await;
    cluster::put_back(&url, &copy).await;
    let db = store::postgres(&url).await;
    for file in &files {
        let started = scene.server(&db, file);
        let refused = started.require_newer().await.unwrap_err().to_string();
        assert!(refused.contains("does not have event 10") && refused.contains("restore-ack"), "{refused}");
        // Nor does a look at the older copy take its word for what is newest.
        assert!(!started.look(&mut started.pace()).await.unwrap());
        assert_eq!(known(file), lines);
    }
}

#[tokio::test]
async fn what_another_server_is_said_to_have_made_is_taken_over_only_with_its_proof() {
    let scene = Scene::new();
    let [db, _] = scene.on_both_engines().await;
    let (mine, other) = (scene.server(&db, &scene.file("mine")), scene.server(&db, &scene.file("other")));
    scene.record(&db, MANY).await;
    assert!(other.look(&mut other.pace()).await.unwrap());
    let mut forged = db.list_checkpoints().await.unwrap().remove(0);
    forged.checkpoint.seq += 1;
    scene.record(&db, 1).await;
    db.add_checkpoint(&forged).await.unwrap();
    assert!(matches!(mine.look(&mut mine.pace()).await, Err(CheckpointError::ForgedRow(_))));
    assert_eq!(known(&scene.file("mine")), [0_i64; 0]);
}
