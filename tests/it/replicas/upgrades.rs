//! Replicas of two versions beside each other.

use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use super::judge::Expected;
use super::theatre::{Theatre, Trouble, made};
use crate::support::replicas::Flaw;
use crate::support::wire::Mode;

/// What a next version might do to the schema: it only adds to what is there.
const NEXT: &str =
    "ALTER TABLE tokens ADD COLUMN colour TEXT; ALTER TABLE users ADD COLUMN nickname TEXT DEFAULT 'none';
    CREATE INDEX tokens_by_colour ON tokens (colour); CREATE TABLE colours (name TEXT PRIMARY KEY);";

/// The migrations of three versions: the one before, the present one, and one that might come after it.
struct Versions {
    folder: TempDir,
    present: usize,
}

impl Versions {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let present = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/postgres");
        let mut files: Vec<_> = std::fs::read_dir(present).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        let versions = Self { folder, present: files.len() };
        for version in versions.all() {
            std::fs::create_dir(versions.path(version)).unwrap();
            for file in files.iter().take(version) {
                std::fs::copy(file, versions.path(version).join(file.file_name().unwrap())).unwrap();
            }
        }
        let next = versions.present + 1;
        std::fs::write(versions.path(next).join(format!("{next:04}_next.sql")), NEXT).unwrap();
        versions
    }

    /// The version before, the present one, and the next.
    fn all(&self) -> [usize; 3] {
        [self.present - 1, self.present, self.present + 1]
    }

    /// What runs as a version: the program of the one before, where it is at hand.
    fn program(&self, version: usize) -> Flaw {
        let present = made("none");
        let previous =
            std::env::var("HALLPASS_PREVIOUS_BIN").ok().filter(|path| !path.is_empty() && version < self.present);
        previous.map_or(present, |program| Flaw { program: program.leak(), ..present })
    }

    /// The folder of what a version knows.
    fn path(&self, version: usize) -> PathBuf {
        self.folder.path().join(version.to_string())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a program that was built with flaws: scripts/test makes one"]
async fn upgrades_and_their_way_back_roll_through_replicas() {
    let versions = Versions::new();
    let [previous, present, next] = versions.all();
    let folder = versions.path(previous);
    let mut theatre =
        Theatre::of(versions.program(previous), &[("HALLPASS_MIGRATIONS", folder.to_str().unwrap())]).await;
    let way = theatre.stage.replicas.database.clone();
    let mut round = 0;
    // One after the other is replaced by another version; the schema stays what the newest has made of it.
    for (version, schema) in
        [(present, present), (previous, present), (present, present), (next, next), (present, next)]
    {
        let folder = versions.path(version);
        let env = [("HALLPASS_MIGRATIONS", folder.to_str().unwrap())];
        theatre.stage.replicas.run_as(versions.program(version));
        for _ in 0..3 {
            theatre.stage.replace_first(&way, &env).await;
            let applied = "SELECT max(version)::TEXT FROM _sqlx_migrations";
            assert_eq!(theatre.stage.replicas.column(applied).await, [schema.to_string()]);
            theatre.round(round, Trouble::Way(Mode::Whole)).await;
            round += 1;
        }
    }
    let expected = Expected::of(round, Duration::from_secs(5));
    theatre.stage.insist_on("upgrades and their way back", expected).await;
}
