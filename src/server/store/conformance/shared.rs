//! What only a database that several servers share has to do.

use super::*;
use crate::domain::lease::Seq;
use crate::server::store::query::query;

#[tokio::test]
async fn changes_that_no_replica_asks_for_any_more_are_deleted() {
    let store = Store::on_postgres().await;
    let (first, _) = store.token().await;
    let head = store.db.list_changes(Seq::new(0)).await.unwrap().head;
    store.db.delete_old_changes().await.unwrap();
    assert!(!store.db.list_changes(Seq::new(0)).await.unwrap().noted.is_empty(), "they are young");
    query("UPDATE change_head SET seq = seq + 100000").execute(store.db.writer()).await.unwrap();
    let later = event(Action::TokenRevoked);
    store.db.revoke_token(first, None, None, &later, NOW).await.unwrap();
    store.db.delete_old_changes().await.unwrap();
    let (oldest,): (i64,) = query("SELECT min(seq) FROM changes").fetch_one(store.db.reader()).await.unwrap();
    assert_eq!(Seq::new(oldest.try_into().unwrap()).number(), head.number() + 100_001, "what came last is kept");
}

#[tokio::test]
async fn whoever_owns_the_database_needs_no_other_rights() {
    let url = cluster::new_database().await;
    let role = cluster::give_away(&url).await;
    let store = Store::open(Home::Server(place(url.replace("hallpass@", &format!("{role}@"))))).await;
    let (key, _) = store.token().await;
    store.db.revoke_token(key, None, None, &event(Action::TokenRevoked), NOW).await.unwrap();
    let replica = crate::domain::id::ReplicaId::from_random([7; 16]);
    store.db.renew(replica, Seq::new(0)).await.unwrap();
    store.db.examine().await.unwrap();
}
