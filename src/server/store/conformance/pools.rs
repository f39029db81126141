//! What happens while every connection is in use.

use std::any::Any;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use super::*;

const PROMISED: Duration = Duration::from_secs(1);

impl Store {
    /// Takes every connection there may be.
    async fn take_all(&self) -> Vec<Box<dyn Any>> {
        let mut taken: Vec<Box<dyn Any>> = Vec::new();
        match &self.db.engine {
            Engine::Sqlite(engine) => {
                taken.push(Box::new(engine.write.acquire().await.unwrap()));
                for _ in 0..engine.read.options().get_max_connections() {
                    taken.push(Box::new(engine.read.acquire().await.unwrap()));
                }
            }
            Engine::Postgres(engine) => {
                for _ in 0..engine.pool.options().get_max_connections() {
                    taken.push(Box::new(engine.pool.acquire().await.unwrap()));
                }
            }
        }
        taken
    }
}

/// Insists that it fails no later than was promised. Of two timers on one thread the one that ends first rings first, however
/// slow the machine: so the promise is counted from when it has begun to wait.
async fn fails_in_time<T, E>(asked: impl Future<Output = Result<T, E>>) {
    let mut asked = pin!(asked);
    let waits = poll_fn(|context| Poll::Ready(asked.as_mut().poll(context).is_pending())).await;
    assert!(waits, "there was a connection");
    tokio::select! {
        biased;
        answer = asked => assert!(answer.is_err(), "there was a connection"),
        () = tokio::time::sleep(PROMISED) => panic!("it still waits"),
    }
}

pub async fn nobody_waits_for_a_connection_longer_than_a_second(store: Store) {
    let (key, secret) = store.token().await;
    let event = event(Action::TokenRevoked);
    let taken = store.take_all().await;
    let connection = async {
        match &store.db.engine {
            Engine::Sqlite(engine) => {
                tokio::join!(fails_in_time(engine.read.acquire()), fails_in_time(engine.write.acquire()));
            }
            Engine::Postgres(engine) => fails_in_time(engine.pool.acquire()).await,
        }
    };
    let reading = fails_in_time(store.db.lookup_check(secret));
    let change = fails_in_time(store.db.revoke_token(key, None, None, &event, NOW));
    tokio::join!(connection, reading, change);
    drop(taken);
    assert!(store.db.lookup_check(secret).await.unwrap().is_some());
    store.db.revoke_token(key, None, None, &event, NOW).await.unwrap();
}
