//! Replicas of which the last can be troubled while a token is revoked. What is done to it gives a mistake its chance; a
//! program without it keeps the promise all the same.

use std::time::Duration;

use sqlx::PgConnection;

use super::judge::Deed;
use super::stage::{ROUNDS, Stage};
use super::trial::{Hammers, revoke, revoke_once};
use crate::support::cluster;
use crate::support::replicas::{Flaw, Replicas};
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
pub enum Trouble {
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
    /// Nobody knows of it any more; it asks for a lease and that is not written down; then it is cut off.
    UnwrittenRenewal,
    /// It was silent, and is heard of again before it is taken from the list; then it is cut off.
    HeardAgain,
    /// It is cut off, and the second replica is asked to revoke the token while the first one waits.
    AskedTwice,
}

/// A mistake, and a program that can make it.
pub fn made(flaw: &'static str) -> Flaw {
    let program = std::env::var("HALLPASS_FLAWED_BIN").expect("the path of a program that was built with flaws");
    Flaw { name: flaw, program: program.leak() }
}

/// Replicas of which the last can be troubled.
pub struct Theatre {
    pub stage: Stage,
    /// Tokens to be revoked before the others.
    spare: Vec<Token>,
    /// The first replica's way to the database, and the last one's.
    first: Wire,
    wire: Wire,
    /// What the database calls the last replica.
    last: String,
}

impl Theatre {
    pub async fn with(flaw: &'static str) -> Self {
        Self::of(made(flaw), &[]).await
    }

    /// The same with more of the environment.
    pub async fn of(flaw: Flaw, env: &[(&str, &str)]) -> Self {
        let database = cluster::new_database().await;
        let (first, wire) = (Wire::to(target(&database)).await, Wire::to(target(&database)).await);
        let mut replicas = Replicas::start_with(Some(flaw), database.clone(), &[]);
        for way in [first.lead(&database), database.clone()] {
            replicas.add_with(&way, env);
        }
        let others = replicas.ids().await;
        replicas.add_with(&wire.lead(&database), &[env, &[("HALLPASS_CLOCK_RATE", SLOW)]].concat());
        let mut all = replicas.ids().await;
        all.retain(|id| !others.contains(id));
        let spare = replicas.tokens(ROUNDS).await;
        let mut stage = Stage::with(replicas).await;
        stage.hammers = Hammers::new(&stage.replicas, 1, &stage.good).without_pause();
        if flaw.name == "numbers-out-of-turn" {
            stage.replicas.execute(OUT_OF_TURN).await;
        }
        Self { stage, spare, first, wire, last: all.pop().unwrap() }
    }

    pub async fn round(&mut self, round: usize, trouble: Trouble) {
        if let Trouble::WayFromTheStart(mode) = trouble {
            self.wire.set(mode);
        }
        let Stage { replicas, hammers, tokens, .. } = &mut self.stage;
        let (first, wire, last) = (&self.first, &self.wire, &self.last);
        let act = Act { replicas, first, wire, last, token: &tokens[round], spare: &self.spare[round] };
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
    first: &'a Wire,
    wire: &'a Wire,
    last: &'a str,
    token: &'a Token,
    spare: &'a Token,
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
            Trouble::UnwrittenRenewal => self.ask_in_vain().await,
            Trouble::HeardAgain => self.be_silent_for_a_while().await,
            Trouble::AskedTwice => return self.call_twice().await,
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

impl Act<'_> {
    /// The last replica is silent for so long that nobody waits for it, and then asks for a lease; but that never arrives.
    async fn ask_in_vain(&self) {
        self.wire.set(Mode::BlackHole);
        pause(1_300).await;
        self.replicas.execute(&format!("DELETE FROM replicas WHERE id = '{}'", self.last)).await;
        self.wire.keep(renewal_of(self.last)).await;
        // Until it has read the token.
        pause(700).await;
        self.wire.set(Mode::BlackHole);
    }

    /// The last replica does not notice another change for so long that it is to be taken from the list, but is heard of
    /// again just before that is done.
    async fn be_silent_for_a_while(&self) {
        self.wire.set(Mode::BlackHole);
        // Only to forget it is it named.
        tokio::join!(revoke(&self.replicas.servers[0].url, self.spare), self.first.keep(renewal_of(self.last)));
        let before = self.heard().await;
        self.wire.set(Mode::Whole);
        while self.heard().await == before {
            pause(5).await;
        }
        // Until it has read the token.
        pause(150).await;
        self.wire.set(Mode::BlackHole);
        self.first.set(Mode::Whole);
        pause(100).await;
    }

    async fn heard(&self) -> Vec<String> {
        self.replicas.column(&format!("SELECT heard::TEXT FROM replicas WHERE id = '{}'", self.last)).await
    }

    /// Revokes at the first, and at the second while that waits. When the second has answered.
    async fn call_twice(&self) -> Deed {
        let [first, second, ..] = &self.replicas.servers[..] else { panic!("there are not two replicas") };
        self.wire.set(Mode::BlackHole);
        let again = async {
            pause(200).await;
            revoke(&second.url, self.token).await
        };
        tokio::join!(again, revoke_once(&first.url, self.token)).0
    }
}

async fn pause(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}
