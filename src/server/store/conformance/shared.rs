//! What only a database that several servers share has to do.

use secrecy::ExposeSecret as _;

use super::*;
use crate::domain::id::ReplicaId;
use crate::domain::lease::{Mark, Point, Seq};
use crate::server::store::query::query;
use crate::server::store::{Doubt, Rewind, Warrant};

#[tokio::test]
async fn changes_that_no_replica_asks_for_any_more_are_deleted() {
    let store = Store::on_postgres().await;
    let (first, _) = store.token().await;
    let head = store.db.list_changes(Point::default()).await.unwrap().head;
    store.db.delete_old_changes().await.unwrap();
    assert!(!store.db.list_changes(Point::default()).await.unwrap().noted.is_empty(), "they are young");
    query("UPDATE change_head SET seq = seq + 100000").execute(store.db.writer()).await.unwrap();
    let later = event(Action::TokenRevoked);
    store.db.revoke_token(first, None, None, &later, NOW).await.unwrap();
    store.db.delete_old_changes().await.unwrap();
    // One of them by SQL, with more rows than are deleted at once.
    let many =
        "INSERT INTO changes (seq, kind, id) SELECT 1, 'token', gen_random_uuid() FROM generate_series(1, 20001)";
    query(many).execute(store.db.writer()).await.unwrap();
    store.db.delete_old_changes().await.unwrap();
    let (oldest,): (i64,) = query("SELECT min(seq) FROM changes").fetch_one(store.db.reader()).await.unwrap();
    assert_eq!(Seq::new(oldest.try_into().unwrap()).number(), head.seq.number() + 100_001, "what came last is kept");
}

#[tokio::test]
async fn whoever_owns_the_database_needs_no_other_rights() {
    let url = cluster::new_database().await;
    let role = cluster::give_away(&url).await;
    let store = Store::open(Home::Server(place(url.replace("hallpass@", &format!("{role}@"))))).await;
    let (key, _) = store.token().await;
    store.db.revoke_token(key, None, None, &event(Action::TokenRevoked), NOW).await.unwrap();
    let replica = crate::domain::id::ReplicaId::from_random([7; 16]);
    store.db.renew(replica, Point::default()).await.unwrap();
    store.db.examine(Warrant::Commit).await.unwrap();
}

#[tokio::test]
async fn a_clock_that_is_ahead_ends_no_tokens() {
    let store = Store::on_postgres().await;
    let (first, _) = store.token().await;
    let secret = store.new_secret(Some(LATER), 10);
    let id = secret.id;
    store.add(first.owner, "soon", &secret).await;
    let latched = async || {
        let asked = query("SELECT count(*) FROM secrets WHERE expired_at IS NOT NULL");
        let (count,): (i64,) = asked.fetch_one(store.db.reader()).await.unwrap();
        count
    };
    store.db.latch_expiry(id, Timestamp::from_seconds(9_999_999_999)).await.unwrap();
    assert_eq!(latched().await, 0, "the database knows better");
    store.db.latch_expiry(id, LATER).await.unwrap();
    assert_eq!(latched().await, 1);
}

#[tokio::test]
async fn two_signs_of_life_are_never_the_same() {
    let store = Store::on_postgres().await;
    let replica = crate::domain::id::ReplicaId::from_random([7; 16]);
    let heard = async || {
        store.db.renew(replica, Point::default()).await.unwrap();
        let (heard,): (i64,) = query("SELECT heard FROM replicas").fetch_one(store.db.reader()).await.unwrap();
        heard
    };
    let first = heard().await;
    assert!(heard().await > first);
    store.db.leave(replica).await.unwrap();
    let second = heard().await;
    assert!(second > first + 1, "a row that was taken away and came back is not the old one");
}

#[tokio::test]
async fn what_was_applied_in_another_history_counts_for_nothing() {
    let store = Store::on_postgres().await;
    store.token().await;
    let replica = crate::domain::id::ReplicaId::from_random([7; 16]);
    let applied = async |point| {
        store.db.renew(replica, point).await.unwrap();
        let (applied,): (i64,) = query("SELECT applied FROM replicas").fetch_one(store.db.reader()).await.unwrap();
        applied
    };
    let head = store.db.list_changes(Point::default()).await.unwrap().head;
    let other = Point { mark: Mark::new(7), ..head };
    assert_eq!(applied(other).await, 0);
    assert_eq!(store.db.list_changes(other).await.unwrap().doubt, Some(Doubt::Forgotten { is_noted: false }));
    assert_eq!(applied(Point { seq: head.seq.next(), ..head }).await, 0);
    assert_eq!(applied(head).await, i64::try_from(head.seq.number()).unwrap());
    assert_eq!(store.db.list_changes(head).await.unwrap().doubt, None);
}

/// Something was changed, and a replica has seen other changes with the same numbers.
async fn another_history() -> (Store, Point, ReplicaId) {
    let store = Store::on_postgres().await;
    store.token().await;
    let head = store.db.list_changes(Point::default()).await.unwrap().head;
    (store, Point { mark: Mark::new(7), ..head }, ReplicaId::from_random([7; 16]))
}

#[tokio::test]
async fn whoever_acknowledges_is_told_of_all_that_is_deleted() {
    let (store, other, replica) = another_history().await;
    let lost = Lost { tokens: vec![TokenId::from_random([1; 16])], users: vec![UserId::from_random([2; 16])] };
    assert!(store.db.note_rewind(replica, other, &lost).await.unwrap());
    let mut told = Vec::new();
    let tell = |rewinds: &[Rewind]| told = rewinds.to_vec();
    store.db.pass_rewinds(&event(Action::RestoreAcknowledged), NOW, tell).await.unwrap();
    assert_eq!(told, [Rewind { replica: "test".to_owned(), applied: other.seq, lost }]);
    assert_eq!(store.db.list_rewinds().await.unwrap(), []);
}

#[tokio::test]
async fn what_is_noted_after_it_was_acknowledged_is_kept_and_doubts_nothing() {
    let (store, other, replica) = another_history().await;
    let doubt = async |point| store.db.list_changes(point).await.unwrap().doubt;
    let acknowledge = async || {
        let mut told = Vec::new();
        let tell = |rewinds: &[Rewind]| told = rewinds.to_vec();
        store.db.pass_rewinds(&event(Action::RestoreAcknowledged), NOW, tell).await.unwrap();
        told
    };
    assert_eq!(acknowledge().await, []);
    assert_eq!(doubt(other).await, Some(Doubt::Acknowledged));
    assert!(store.db.note_rewind(replica, other, &Lost::default()).await.unwrap());
    assert_eq!(doubt(other).await, Some(Doubt::Acknowledged));
    assert_eq!(doubt(Point::default()).await, None);
    store.db.lookup_checks(&[], other, Warrant::Lease).await.unwrap();
    assert_eq!(acknowledge().await.len(), 1);
}

#[tokio::test]
async fn a_use_of_what_somebody_is_changing_is_given_back_and_written_later() {
    let store = Store::on_postgres().await;
    let (key, secret) = store.token().await;
    let used = |at| Use { token: key.id, secret, at, ip: None };
    let held = [("SELECT 1 FROM tokens FOR UPDATE", NOW), ("SELECT 1 FROM secrets FOR UPDATE", LATER)];
    for (held, at) in held {
        let mut change = store.db.begin().await.unwrap();
        query(held).execute(&mut change).await.unwrap();
        assert_eq!(store.db.mark_used(&[used(at)]).await.unwrap(), [used(at)], "{held}");
        drop(change);
    }
    // What was given up is undone a little later.
    while !store.db.mark_used(&[used(LATER)]).await.unwrap().is_empty() {}
    let row = store.db.lookup_token(key).await.unwrap().unwrap();
    assert_eq!((row.last_used_at, row.secrets[0].last_used_at), (Some(LATER), Some(LATER)));
}

/// Holds what sqlx takes for a migration, as a server does that was stopped in the middle of one.
async fn hold_migrations(url: &str) -> sqlx::PgConnection {
    let mut connection = <sqlx::PgConnection as sqlx::Connection>::connect(url).await.unwrap();
    sqlx::migrate::Migrate::lock(&mut connection).await.unwrap();
    connection
}

#[tokio::test]
async fn nobody_waits_for_long_for_somebody_who_migrates() {
    let place = place(cluster::new_database().await);
    let url = secrecy::ExposeSecret::expose_secret(&place.url).to_owned();
    let home = Home::Server(place);
    let held = hold_migrations(&url).await;
    let open = async || home.open(Arc::new(Seeded(AtomicU64::new(0)))).await;
    let refusal = tokio::time::timeout(Duration::from_secs(10), open()).await.unwrap().unwrap_err();
    assert!(refusal.is_late() && refusal.to_string().contains("another server"), "{refusal}");
    drop(held);
    while let Err(error) = open().await {
        assert!(error.is_late(), "{error}");
    }
}

#[tokio::test]
async fn where_nothing_is_to_be_migrated_nobody_waits_for_whoever_would() {
    let store = Store::on_postgres().await;
    let Home::Server(place) = &store.home else { unreachable!() };
    let _held = hold_migrations(secrecy::ExposeSecret::expose_secret(&place.url)).await;
    store.open_again().await.unwrap();
}

#[tokio::test]
async fn a_row_that_cannot_be_understood_is_the_trouble_of_whoever_asked_for_it_alone() {
    let store = Store::on_postgres().await;
    let (broken, first) = store.token().await;
    let (_, second) = store.token().await;
    let spoilt = "UPDATE tokens SET allowed_ips = '[\"nowhere\"]' WHERE id = $1";
    query(spoilt).bind(broken.id.as_uuid()).execute(store.db.writer()).await.unwrap();
    let found = store.db.lookup_checks(&[first, second], Point::default(), Warrant::Lease).await.unwrap();
    assert!(found[&first].is_err() && found[&second].is_ok());
}

#[tokio::test]
async fn whoever_changes_something_by_hand_need_not_know_where_the_tables_are() {
    let store = Store::on_postgres().await;
    let (key, secret) = store.token().await;
    let seq = async || {
        let (seq,): (i64,) = query("SELECT seq FROM change_head").fetch_one(store.db.reader()).await.unwrap();
        seq
    };
    let before = seq().await;
    // As if another installation stood first in the path.
    let by_hand = format!(
        "CREATE SCHEMA other; CREATE TABLE other.change_head AS SELECT * FROM public.change_head;
        CREATE TABLE other.changes AS SELECT * FROM public.changes; SET search_path = other;
        UPDATE public.tokens SET revoked_at = 1 WHERE id = '{}'; RESET search_path",
        key.id
    );
    let Home::Server(place) = &store.home else { panic!("it is a server") };
    let mut shell = <sqlx::PgConnection as sqlx::Connection>::connect(place.url.expose_secret()).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(by_hand)).execute(&mut shell).await.unwrap();
    assert_eq!(seq().await, before + 1);
    let row = store.db.lookup_check(secret).await.unwrap().unwrap();
    assert_eq!(row.secret.state, crate::domain::token::SecretState::Ended, "it ends with its token");
}
