//! Connections to the primary that wait to be used: which of them are of use.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgPoolOptions};

use super::ACQUIRE_TIMEOUT;
use super::query::Route;
use crate::domain::lease::SteadyClock;

/// Whether a connection leads to a server that can be written to, and is in no transaction. As a simple query, which is a
/// transaction of its own: only inside of another one that began earlier than itself.
pub(super) const IS_OF_USE: &str =
    "SELECT current_setting('transaction_read_only') = 'off' AND now() = statement_timestamp()";
/// Nobody waits for an answer any more when so much time is over, so the server must not, either. Compiling a statement takes
/// longer than any of ours.
const SESSION: &str = "SET lock_timeout = '800ms'; SET jit = off";
/// A connection that says nothing for so long is given up: there has to be time left for making a new one, see
/// [`ACQUIRE_TIMEOUT`].
const SILENCE: Duration = Duration::from_millis(400);

/// How connections are made and looked after.
pub(super) fn options(connections: u32, route: Route, clock: Arc<dyn SteadyClock>) -> PgPoolOptions {
    let trust = Trust { clock, lost: Arc::default() };
    PgPoolOptions::new()
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .max_connections(connections)
        // It is tested by what is asked of it.
        .test_before_acquire(false)
        .after_connect(move |connection, _| Box::pin(prepare(connection, route)))
        .before_acquire(move |connection, meta| Box::pin(trust.clone().test(connection, meta.idle_for)))
        .after_release(|connection, _| Box::pin(is_left_clean(connection)))
}

/// What is believed of connections that nobody has used for a while. A network that loses one of them without a word, as
/// firewalls do, has lost the others as well; to find that out of each in turn would take as many times as long.
#[derive(Clone)]
struct Trust {
    clock: Arc<dyn SteadyClock>,
    /// When the last one was found silent, in microseconds of the steady clock.
    lost: Arc<AtomicU64>,
}

impl Trust {
    /// Whether a connection that was idle for so long can be used. An error where it must not even be closed politely.
    async fn test(self, connection: &mut PgConnection, idle: Duration) -> Result<bool, sqlx::Error> {
        let now = self.clock.moment().as_micros();
        let idle = u64::try_from(idle.as_micros()).unwrap_or(u64::MAX);
        if now.saturating_sub(idle) < self.lost.load(Ordering::Relaxed) {
            return Err(sqlx::Error::PoolTimedOut);
        }
        if let Ok(is_of_use) = tokio::time::timeout(SILENCE, is_of_use(connection)).await {
            return is_of_use;
        }
        self.lost.fetch_max(now, Ordering::Relaxed);
        Err(sqlx::Error::PoolTimedOut)
    }
}

/// A connection that leads to a standby is none. What belongs to a session is set only where it is ours.
async fn prepare(connection: &mut PgConnection, route: Route) -> Result<(), sqlx::Error> {
    if !is_of_use(connection).await? {
        return Err(sqlx::Error::Protocol("this database can only be read".to_owned()));
    }
    if route == Route::Direct {
        sqlx::raw_sql(SESSION).execute(connection).await?;
    }
    Ok(())
}

/// A connection to a server that was the primary and is no more must not be used again.
async fn is_of_use(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    // As one message: it has to be answered by one session, whoever stands in between.
    sqlx::raw_sql(IS_OF_USE).fetch_one(connection).await?.try_get(0)
}

/// A connection on which nothing comes any more must not be waited for, or soon there is no other. Nor must one be kept on
/// which somebody gave up in the middle of beginning a transaction: it would hold the locks of that while it waits to be used,
/// and what is written through it then would be part of what nobody commits.
async fn is_left_clean(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let answered = tokio::time::timeout(ACQUIRE_TIMEOUT, is_of_use(connection)).await;
    answered.map_err(|_| sqlx::Error::PoolTimedOut)?
}
