//! A primary that is lost, and a standby that takes its place.

use std::time::Duration;

use hallpass::domain::id::ReplicaId;
use hallpass::domain::lease::{History, Point};
use hallpass::server::telemetry;
use sqlx::PgConnection;

use super::around::Pooler;
use super::judge::Deed;
use super::stage::{ROUNDS, Stage};
use super::trial::{is_confirmed, revoke, revoke_once};
use crate::support::cluster::{self, Pair};
use crate::support::replicas::{Flaw, Replicas};
use crate::support::store;
use crate::support::tokens::Token;
use crate::support::wire::{Mode, Wire, target};

/// Until a revocation is answered: the standby takes over, and another one is put behind it.
const PATIENCE: Duration = Duration::from_secs(20);

/// Three replicas that reach whichever is the primary.
fn replicas_of(pair: &Pair, wire: &Wire, require_sync: &str) -> Replicas {
    let way = wire.lead(&pair.url);
    let mut replicas = Replicas::start_through(way.clone(), &[]);
    for _ in 0..3 {
        replicas.add_with(&way, &[("HALLPASS_DATABASE__REQUIRE_SYNC", require_sync)]);
    }
    replicas
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_takes_over_knows_of_every_revocation_that_was_answered() {
    let mut pair = Pair::new().await;
    let wire = Wire::to(target(&pair.url)).await;
    let mut stage = Stage::with(replicas_of(&pair, &wire, "true")).await;
    for round in 0..ROUNDS {
        let (url, token) = (&stage.replicas.servers[0].url, &stage.tokens[round]);
        let revoked_while_it_fails_over = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let fail_over = async {
                // Before, within and after the first try.
                tokio::time::sleep(Duration::from_millis(round as u64 * 4)).await;
                tokio::task::block_in_place(|| pair.fail_over());
                wire.turn(target(&pair.url));
                // Until then commits wait.
                tokio::task::block_in_place(|| pair.follow());
            };
            let (deed, healed) = tokio::join!(revoke(url, token), async {
                fail_over.await;
                telemetry::now()
            });
            Deed { healed: Some(healed), ..deed }
        };
        let record = stage.hammers.round(token, revoked_while_it_fails_over).await;
        stage.verdict.add(&record);
    }
    stage.insist("a standby takes over", PATIENCE).await;
}

/// A primary that has not noticed that a standby has taken its place. Two replicas reach the new one; two, of which the
/// last is strict, are left with the old one.
pub struct Schism {
    pub stage: Stage,
    old: String,
    _pair: Pair,
    _ways: [Wire; 2],
}

/// With connections that were cut, or that lead on to the old one until they are found to be of no use.
pub async fn schism(flaw: Option<Flaw>, are_cut: bool) -> Schism {
    let mut pair = Pair::new().await;
    let [way, left] = [Wire::to(target(&pair.url)).await, Wire::to(target(&pair.url)).await];
    let (sync, strict) = (("HALLPASS_DATABASE__REQUIRE_SYNC", "true"), ("HALLPASS_CHECK__MODE", "strict"));
    let mut replicas = Replicas::start_with(flaw, way.lead(&pair.url), &[]);
    for (wire, env) in [(&way, &[sync][..]), (&way, &[sync]), (&left, &[sync]), (&left, &[sync, strict])] {
        replicas.add_with(&wire.lead(&pair.url), env);
    }
    let stage = Stage::with(replicas).await;
    let old = tokio::task::block_in_place(|| pair.take_over());
    way.turn(target(&pair.url));
    if are_cut {
        way.set(Mode::Reset);
    }
    // Until then commits of the new primary wait.
    tokio::task::block_in_place(|| pair.follow());
    way.set(Mode::Whole);
    Schism { stage, old, _pair: pair, _ways: [way, left] }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_has_not_noticed_that_its_place_is_taken_vouches_for_nothing() {
    let Schism { mut stage, old, _pair, _ways } = schism(None, true).await;
    for round in 0..ROUNDS {
        stage.lone_round(round).await;
    }
    stage.insist("a primary does not know that it is none any more", PATIENCE).await;
    for index in [2, 3] {
        for token in [&stage.good, &stage.tokens[0], &Token::new()] {
            assert_eq!(stage.replicas.check(index, token).await, 503, "it cannot know");
        }
        assert_eq!(stage.replicas.servers[index].get("/readyz").await.status(), 503);
    }
    let answered = "SELECT count(*) FROM tokens WHERE revoked_at IS NOT NULL";
    let mut old = connect(&old).await;
    let known: i64 = sqlx::query_scalar(answered).fetch_one(&mut old).await.unwrap();
    assert_eq!(known, 0, "it knows better, so nothing is tried");
    assert!(stuck(&mut old).await.is_empty(), "they are ended");
    // Whoever stops waiting for a standby vouches for nothing, either.
    for sql in ["ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()"] {
        sqlx::Executor::execute(&mut old, sql).await.unwrap();
    }
    // A renewal that waited for one until now is answered, and runs out.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    for _ in 0..5 {
        for index in [2, 3] {
            assert_eq!(stage.replicas.check(index, &stage.good).await, 503, "commits wait for nobody");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_still_lead_there_do_no_harm() {
    let mut schism = schism(None, false).await;
    for round in 0..ROUNDS {
        schism.stage.lone_round(round).await;
    }
    schism.stage.insist("some connections lead to an old primary", PATIENCE).await;
    let doubts = schism.stage.replicas.column("SELECT name FROM rewinds").await;
    assert!(doubts.is_empty(), "what the old one says is no reason to doubt the new one");
}

/// Processes of the database that wait for a standby although nobody waits for them.
async fn stuck(connection: &mut PgConnection) -> Vec<i32> {
    let stuck = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'
        AND query_start < clock_timestamp() - INTERVAL '5 s'";
    sqlx::query_scalar(stuck).fetch_all(connection).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_knows_less_than_was_answered_vouches_for_nothing() {
    let mut pair = Pair::new().await;
    let wire = Wire::to(target(&pair.url)).await;
    let replicas = replicas_of(&pair, &wire, "false");
    let tokens = replicas.tokens(2).await;
    for index in 0..3 {
        assert_eq!(replicas.check(index, &tokens[0]).await, 200);
    }
    pair.part().await;
    assert_eq!(revoke_once(&replicas.servers[0].url, &tokens[0]).await, Some(204));
    tokio::task::block_in_place(|| pair.fail_over());
    wire.turn(target(&pair.url));
    let lost = "SELECT count(*)::TEXT FROM tokens WHERE revoked_at IS NOT NULL";
    assert_eq!(replicas.column(lost).await, ["0"], "nothing was lost, so nothing is tried");
    replicas.execute("ALTER SYSTEM RESET synchronous_standby_names").await;
    replicas.execute("SELECT pg_reload_conf()").await;
    for index in 0..3 {
        assert_eq!(replicas.check(index, &tokens[0]).await, 503, "it was revoked");
        assert_eq!(replicas.check(index, &tokens[1]).await, 503);
    }
    let (code, said, complaints) = replicas.run(&["restore-ack"]);
    assert_eq!(code, 0, "{complaints}");
    assert!(said.contains(&tokens[0].id.to_string()), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_history_is_told_from_those_of_other_servers_and_from_its_own_before() {
    let mut pair = Pair::new().await;
    let other = history(&cluster::new_database().await).await;
    let before = history(&pair.url).await;
    assert_eq!(history(&pair.url).await, before);
    assert_ne!(before.system, other.system);
    tokio::task::block_in_place(|| pair.fail_over());
    assert_eq!(history(&pair.url).await, History { timeline: before.timeline + 1, ..before });
}

/// As a replica is told when it is renewed.
async fn history(url: &str) -> History {
    let db = store::postgres(url).await;
    let head = db.renew(ReplicaId::from_random([7; 16]), Point::default()).await.unwrap();
    db.close().await;
    head.history
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_standby_heard_of_passes_again_where_nobody_remembers_it() {
    // Why commits have to wait for a standby: this is not promised to anybody who does not let them.
    let mut pair = Pair::new().await;
    let wire = Wire::to(target(&pair.url)).await;
    let mut replicas = replicas_of(&pair, &wire, "false");
    let tokens = replicas.tokens(1).await;
    pair.part().await;
    assert_eq!(revoke_once(&replicas.servers[0].url, &tokens[0]).await, Some(204));
    replicas.servers.clear();
    tokio::task::block_in_place(|| pair.fail_over());
    wire.turn(target(&pair.url));
    replicas.execute("ALTER SYSTEM RESET synchronous_standby_names").await;
    replicas.execute("SELECT pg_reload_conf()").await;
    let way = replicas.database.clone();
    replicas.add(&way);
    assert_eq!(replicas.check(0, &tokens[0]).await, 200, "nothing was lost, so nothing is tried");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_that_only_the_primary_has_is_confirmed_to_nobody() {
    let pair = Pair::new().await;
    let wire = Wire::to(target(&pair.url)).await;
    let replicas = replicas_of(&pair, &wire, "true");
    let tokens = replicas.tokens(1).await;
    // Renewals would keep the change waiting.
    replicas.servers.iter().for_each(|server| server.signal("STOP"));
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    pair.cut().await;
    let mut shell = replicas.connection().await;
    let revoked = format!("UPDATE tokens SET revoked_at = 1800000000000000 WHERE id = '{}'", tokens[0].id);
    let revoked = sqlx::raw_sql(sqlx::AssertSqlSafe(revoked));
    let waits = tokio::time::timeout(Duration::from_secs(1), revoked.execute(&mut shell)).await;
    assert!(waits.is_err(), "the commit does not wait for the standby");
    // It starts again and shows what it has, whoever else has it.
    tokio::task::block_in_place(|| pair.crash());
    replicas.servers.iter().for_each(|server| server.signal("CONT"));
    let url = &replicas.servers[0].url;
    let shown = "SELECT count(*)::TEXT FROM tokens WHERE revoked_at IS NOT NULL";
    assert_eq!(replicas.column(shown).await, ["1"], "nothing is to be confirmed, so nothing is tried");
    for _ in 0..5 {
        assert!(!is_confirmed(url, &tokens[0]).await);
        assert_ne!(revoke_once(url, &tokens[0]).await, Some(204));
    }
}

/// Insists that servers do not take more and more connections when the standby is lost.
async fn does_not_pile_up(pair: &Pair, replicas: &Replicas) {
    pair.cut().await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    uses_up_no_connections(replicas).await;
}

/// Insists that servers take no more and more connections.
pub async fn uses_up_no_connections(replicas: &Replicas) {
    // Those that are given up and made anew come and go.
    let before = most_backends(replicas).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    let after = most_backends(replicas).await;
    assert!(after <= before + 4, "{before} connections became {after}");
}

async fn most_backends(replicas: &Replicas) -> usize {
    let mut most = 0;
    for _ in 0..10 {
        most = most.max(replicas.backends().await);
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    most
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn renewals_that_wait_for_a_lost_standby_do_not_pile_up() {
    let pair = Pair::new().await;
    let wire = Wire::to(target(&pair.url)).await;
    does_not_pile_up(&pair, &replicas_of(&pair, &wire, "true")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_do_they_behind_a_pooler() {
    let pair = Pair::new().await;
    let pooler = Pooler::before(target(&pair.url)).await;
    let wire = Wire::to(pooler.address).await;
    let way = wire.lead(&pair.url);
    let mut replicas = Replicas::start_through(pair.url.clone(), &[]);
    for _ in 0..2 {
        let env = [("HALLPASS_DATABASE__LISTEN_URL", pair.url.as_str()), ("HALLPASS_DATABASE__REQUIRE_SYNC", "true")];
        replicas.add_with(&way, &env);
    }
    does_not_pile_up(&pair, &replicas).await;
    assert!(stuck(&mut replicas.connection().await).await.is_empty(), "they are ended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_led_to_a_standby_answers_nothing() {
    let pair = Pair::new().await;
    let wire = Wire::to(target(&pair.url)).await;
    let mut replicas = Replicas::start_through(pair.url.clone(), std::slice::from_ref(&pair.url));
    replicas.add(&wire.lead(&pair.url));
    let tokens = replicas.tokens(2).await;
    for index in [0, 1] {
        assert_eq!(replicas.check(index, &tokens[0]).await, 200);
    }
    // It has what was committed, and does not show it yet.
    sqlx::Executor::execute(&mut connect(&pair.standby()).await, "SELECT pg_wal_replay_pause()").await.unwrap();
    wire.turn(target(&pair.standby()));
    wire.set(Mode::Reset);
    assert_eq!(revoke_once(&replicas.servers[0].url, &tokens[0]).await, Some(204));
    wire.set(Mode::Whole);
    let until = tokio::time::Instant::now() + Duration::from_secs(2);
    while tokio::time::Instant::now() < until {
        for token in &tokens {
            assert_eq!(replicas.check(1, token).await, 503);
        }
    }
}

async fn connect(url: &str) -> PgConnection {
    <PgConnection as sqlx::Connection>::connect(url).await.unwrap()
}
