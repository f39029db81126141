//! Servers that make a mistake on purpose: the trials must notice each. What is done to the last replica gives the mistake
//! its chance; a program without it keeps the promise all the same.

use std::time::Duration;

use sqlx::PgConnection;

use super::failover::schism;
use super::judge::{Deed, Expected};
use super::stage::{ROUNDS, Stage};
use super::trial::{Hammers, revoke};
use crate::support::cluster;
use crate::support::replicas::{Flaw, Replicas};
use crate::support::report;
use crate::support::tokens::Token;
use crate::support::wire::{Bytes, Mode, Wire, renewal_of, target};

/// How long whatever was done lasts after the answer.
const OVER: Duration = Duration::from_millis(600);
/// The last replica's clock is almost as slow as is allowed, in parts of a hundred.
const SLOW: &str = "92";

/// What stands in a question for changes alone: how many at most, in the form of the wire.
const QUESTION_FOR_CHANGES: Bytes = [0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0x03, 0xe9];

/// What changes of tokens go by when they do not take turns: numbers of a sequence, and a head that only grows.
const OUT_OF_TURN: &str = "
    CREATE SEQUENCE numbers;
    SELECT setval('numbers', greatest(seq, 1), seq > 0) FROM change_head;
    CREATE OR REPLACE FUNCTION lock_change_head() RETURNS TRIGGER LANGUAGE plpgsql AS $$
    BEGIN
        RETURN NULL;
    END $$;
    CREATE OR REPLACE FUNCTION note_change(kind TEXT, id UUID) RETURNS VOID LANGUAGE plpgsql AS $$
    DECLARE
        number BIGINT := nullif(current_setting('hallpass.change', TRUE), '');
    BEGIN
        IF number IS NULL THEN
            number := nextval('numbers');
            PERFORM set_config('hallpass.change', number::TEXT, TRUE);
            PERFORM pg_notify('hallpass_changes', '');
        END IF;
        INSERT INTO changes VALUES (number, kind, id) ON CONFLICT DO NOTHING;
    END $$;
    CREATE FUNCTION move_head() RETURNS TRIGGER LANGUAGE plpgsql AS $$
    BEGIN
        UPDATE change_head SET seq = NEW.seq WHERE seq < NEW.seq;
        RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER the_head_moves AFTER INSERT ON changes DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION move_head()";

/// What is done to the last replica while a token is revoked at the first.
#[derive(Clone, Copy)]
enum Trouble {
    /// Its way to the database, from just before the revocation on.
    Way(Mode),
    /// The same from the start, or what is read then would be there in no time.
    WayFromTheStart(Mode),
    /// It is told of a renewal after so long, and cut off then.
    LateRenewal(Duration),
    /// What it is told of changes is so old that it has missed the next one when it asks to be renewed.
    LateNews(Duration),
    /// It is cut off while the revocation waits for its turn, and renewals do not.
    LateTurn,
    /// It is cut off right after it was renewed, and the revocation comes at once.
    FreshRenewal,
    /// It is stopped, and goes on later.
    Stopped,
    /// Nothing; but another change comes while the revocation waits to be written down.
    Overtaken,
}

/// A mistake, and a program that can make it.
fn made(flaw: &'static str) -> Flaw {
    let program = std::env::var("HALLPASS_FLAWED_BIN").expect("the path of a program that was built with flaws");
    Flaw { name: flaw, program: program.leak() }
}

/// Replicas of which the last can be troubled.
struct Theatre {
    stage: Stage,
    wire: Wire,
    /// What the database calls the last replica.
    last: String,
}

impl Theatre {
    async fn with(flaw: &'static str) -> Self {
        let flaw = made(flaw);
        let database = cluster::new_database().await;
        let wire = Wire::to(target(&database)).await;
        let ways = [database.clone(), database.clone()];
        let mut replicas = Replicas::start_with(Some(flaw), database.clone(), &ways);
        let others = replicas.ids().await;
        replicas.add_with(&wire.lead(&database), &[("HALLPASS_CLOCK_RATE", SLOW)]);
        let mut all = replicas.ids().await;
        all.retain(|id| !others.contains(id));
        let mut stage = Stage::with(replicas).await;
        stage.hammers = Hammers::new(&stage.replicas, 1, &stage.good).without_pause();
        if flaw.name == "numbers-out-of-turn" {
            stage.replicas.execute(OUT_OF_TURN).await;
        }
        Self { stage, wire, last: all.pop().unwrap() }
    }

    async fn round(&mut self, round: usize, trouble: Trouble) {
        if let Trouble::WayFromTheStart(mode) = trouble {
            self.wire.set(mode);
        }
        let Stage { replicas, hammers, tokens, .. } = &mut self.stage;
        let act = Act { replicas, wire: &self.wire, last: &self.last, token: &tokens[round] };
        let deed = async {
            // Until everybody answers from memory.
            pause(50).await;
            let deed = act.revoke(trouble).await;
            act.end(trouble).await;
            deed.healed_now()
        };
        let record = hammers.round(act.token, deed).await;
        self.stage.verdict.add(&record);
    }
}

/// One revocation.
struct Act<'a> {
    replicas: &'a Replicas,
    wire: &'a Wire,
    last: &'a str,
    token: &'a Token,
}

impl Act<'_> {
    /// Makes trouble, and revokes.
    async fn revoke(&self, trouble: Trouble) -> Deed {
        match trouble {
            Trouble::Way(mode) | Trouble::WayFromTheStart(mode) => {
                self.wire.set(mode);
                pause(20).await;
            }
            Trouble::LateRenewal(delay) => {
                self.wire.catch(renewal_of(self.last), delay).await;
                self.wire.set(Mode::BlackHole);
            }
            Trouble::LateNews(delay) => self.wire.catch(QUESTION_FOR_CHANGES, delay).await,
            Trouble::Stopped => self.signal("STOP"),
            Trouble::Overtaken => return self.call_overtaken().await,
            Trouble::LateTurn => return self.call_in_turn(pause(600)).await,
            Trouble::FreshRenewal => {
                let renewed = async {
                    // Until the revocation waits.
                    pause(100).await;
                    self.wire.catch(renewal_of(self.last), Duration::ZERO).await;
                };
                return self.call_in_turn(renewed).await;
            }
        }
        self.call().await
    }

    async fn call(&self) -> Deed {
        revoke(&self.replicas.servers[0].url, self.token).await
    }

    async fn end(&self, trouble: Trouble) {
        tokio::time::sleep(OVER).await;
        self.wire.set(Mode::Whole);
        if matches!(trouble, Trouble::Stopped) {
            // Until nobody can still have a lease.
            pause(1_500).await;
            self.signal("CONT");
        }
    }

    fn signal(&self, name: &str) {
        self.replicas.servers.last().unwrap().signal(name);
    }

    /// Keeps changes waiting, but not renewals.
    async fn hold_turns(&self) -> PgConnection {
        let mut connection = self.replicas.connection().await;
        sqlx::raw_sql("BEGIN; SELECT seq FROM change_head FOR SHARE").execute(&mut connection).await.unwrap();
        connection
    }

    /// Revokes, but not before something has come to pass; then the last replica is cut off.
    async fn call_in_turn(&self, before: impl Future<Output = ()>) -> Deed {
        let mut turns = self.hold_turns().await;
        let let_go = async {
            before.await;
            self.wire.set(Mode::BlackHole);
            sqlx::raw_sql("COMMIT").execute(&mut turns).await.unwrap();
        };
        tokio::join!(self.call(), let_go).0
    }
}

impl Act<'_> {
    /// Revokes, and lets another change begin when that one has its number and still has to write what it did.
    async fn call_overtaken(&self) -> Deed {
        let mut shell = self.replicas.connection().await;
        sqlx::raw_sql("BEGIN; LOCK TABLE audit_events IN SHARE MODE").execute(&mut shell).await.unwrap();
        let overtake = async {
            pause(150).await;
            let other = self.replicas.execute("UPDATE users SET email = gen_random_uuid()::TEXT");
            let let_go = async {
                pause(250).await;
                sqlx::raw_sql("COMMIT").execute(&mut shell).await.unwrap();
            };
            tokio::join!(other, let_go);
        };
        tokio::join!(self.call(), overtake).0
    }
}

async fn pause(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

/// Whether the trials notice a mistake while the last replica has this trouble.
async fn is_noticed(flaw: &'static str, trouble: Trouble) -> bool {
    let mut theatre = Theatre::with(flaw).await;
    for round in 0..ROUNDS {
        theatre.round(round, trouble).await;
        if theatre.stage.verdict.is_betrayed() {
            report::tell("flaws", &[flaw.to_owned(), (round + 1).to_string()]);
            return true;
        }
    }
    false
}

/// The migrations of a next version, which only adds to what is there.
fn migrations_of_the_next_version() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let present = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/postgres");
    for file in std::fs::read_dir(present).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
    }
    let next = "ALTER TABLE tokens ADD COLUMN colour TEXT; ALTER TABLE users ADD COLUMN nickname TEXT DEFAULT 'none';
        CREATE INDEX tokens_by_colour ON tokens (colour); CREATE TABLE colours (name TEXT PRIMARY KEY);";
    std::fs::write(folder.path().join("9999_next.sql"), next).unwrap();
    folder
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a program that was built with flaws: scripts/test makes one"]
async fn an_upgrade_and_its_way_back_roll_through_replicas() {
    let mut theatre = Theatre::with("none").await;
    let version = "SELECT max(version)::TEXT FROM _sqlx_migrations";
    let present: i64 = theatre.stage.replicas.column(version).await[0].parse().unwrap();
    let next = migrations_of_the_next_version();
    std::fs::rename(next.path().join("9999_next.sql"), next.path().join(format!("{:04}_next.sql", present + 1)))
        .unwrap();
    let (way, folder) = (theatre.stage.replicas.database.clone(), next.path().to_str().unwrap().to_owned());
    let newer = [("HALLPASS_MIGRATIONS", folder.as_str())];
    let mut round = 0;
    // One after the other is replaced by the next version, and then by the present one again.
    for (env, schema) in [(&newer[..], present + 1), (&[], present + 1)] {
        for _ in 0..3 {
            theatre.stage.replace_first(&way, env).await;
            assert_eq!(theatre.stage.replicas.column(version).await, [schema.to_string()]);
            theatre.round(round, Trouble::Way(Mode::Whole)).await;
            round += 1;
        }
    }
    let expected = Expected::of(6, Duration::from_secs(5));
    theatre.stage.insist_on("an upgrade and its way back", expected).await;
}

macro_rules! trials {
    ($($test:ident: $flaw:literal, $trouble:expr;)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        #[ignore = "needs a program that was built with flaws: scripts/test makes one"]
        async fn $test() {
            assert!(is_noticed($flaw, $trouble).await);
        }
    )*};
}

trials! {
    a_replica_that_acknowledges_before_it_has_applied_is_noticed:
        "acknowledges-early", Trouble::Way(Mode::Whole);
    a_replica_that_keeps_rows_without_asking_what_was_forgotten_is_noticed:
        "keeps-what-it-read", Trouble::WayFromTheStart(Mode::SlowRows(Duration::from_millis(400)));
    a_replica_whose_lease_never_ends_is_noticed:
        "never-ends", Trouble::Way(Mode::Reset);
    a_replica_that_counts_its_lease_from_the_answer_is_noticed:
        "counts-from-the-answer", Trouble::LateRenewal(Duration::from_millis(800));
    a_replica_that_renews_its_lease_though_it_is_behind_is_noticed:
        "renews-who-is-behind", Trouble::LateNews(Duration::from_millis(750));
    a_replica_that_believes_a_timer_instead_of_the_clock_is_noticed:
        "believes-a-timer", Trouble::Stopped;
    a_wait_that_counts_from_before_the_change_was_begun_is_noticed:
        "counts-from-the-beginning", Trouble::LateTurn;
    a_wait_that_takes_all_clocks_for_equally_fast_is_noticed:
        "ignores-drift", Trouble::FreshRenewal;
    a_clock_that_stands_still_while_the_machine_sleeps_is_noticed:
        "stands-still-in-sleep", Trouble::Stopped;
    changes_that_take_their_numbers_out_of_turn_are_noticed:
        "numbers-out-of-turn", Trouble::Overtaken;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a program that was built with flaws: scripts/test makes one"]
async fn renewals_that_wait_for_no_standby_are_noticed() {
    let mut schism = schism(Some(made("renews-without-a-standby")), true).await;
    for round in 0..ROUNDS {
        schism.stage.lone_round(round).await;
        if schism.stage.verdict.is_betrayed() {
            report::tell("flaws", &["renews-without-a-standby".to_owned(), (round + 1).to_string()]);
            return;
        }
    }
    panic!("nothing was noticed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a program that was built with flaws: scripts/test makes one"]
async fn a_check_that_takes_the_answer_of_an_older_question_is_noticed() {
    let flaw = made("joins-a-question");
    let database = cluster::new_database().await;
    let wire = Wire::to(target(&database)).await;
    let mut replicas = Replicas::start_with(Some(flaw), database.clone(), std::slice::from_ref(&database));
    replicas.add_with(&wire.lead(&database), &[("HALLPASS_CHECK__MODE", "strict")]);
    let mut stage = Stage::with(replicas).await;
    // Several, and not in step: one asks before the revocation, and others come after it while that question is under way.
    let pause = |number| Duration::from_millis(90) * (number % 4);
    stage.hammers = Hammers::new(&stage.replicas, 4, &stage.good).pausing(pause);
    wire.set(Mode::SlowRows(Duration::from_millis(400)));
    for round in 0..ROUNDS {
        stage.lone_round(round).await;
        if stage.verdict.is_betrayed() {
            report::tell("flaws", &[flaw.name.to_owned(), (round + 1).to_string()]);
            return;
        }
    }
    panic!("nothing was noticed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a program that was built with flaws: scripts/test makes one"]
async fn the_same_program_without_a_mistake_keeps_the_promise() {
    let troubles = [
        Trouble::WayFromTheStart(Mode::SlowRows(Duration::from_millis(400))),
        Trouble::LateRenewal(Duration::from_millis(800)),
        Trouble::FreshRenewal,
        Trouble::LateNews(Duration::from_millis(750)),
        Trouble::LateTurn,
        Trouble::Stopped,
        Trouble::Overtaken,
    ];
    let mut theatre = Theatre::with("none").await;
    for round in 0..ROUNDS {
        theatre.round(round, troubles[round % troubles.len()]).await;
    }
    assert!(!theatre.stage.verdict.is_betrayed());
}
