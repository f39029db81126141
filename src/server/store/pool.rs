//! Connections to the primary that wait to be used: which of them are of use.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::postgres::{PgConnection, PgPoolOptions};
use sqlx::{Connection as _, Row as _};

use super::ACQUIRE_TIMEOUT;
use super::query::Route;
use crate::domain::lease::SteadyClock;

pub(super) const IS_WRITABLE: &str = "SELECT current_setting('transaction_read_only') = 'off'";
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
        .after_release(|connection, _| Box::pin(answers(connection)))
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
        if let Ok(is_writable) = tokio::time::timeout(SILENCE, is_writable(connection)).await {
            return is_writable;
        }
        self.lost.fetch_max(now, Ordering::Relaxed);
        Err(sqlx::Error::PoolTimedOut)
    }
}

/// A connection that leads to a standby is none. What belongs to a session is set only where it is ours.
async fn prepare(connection: &mut PgConnection, route: Route) -> Result<(), sqlx::Error> {
    if !is_writable(connection).await? {
        return Err(sqlx::Error::Protocol("this database can only be read".to_owned()));
    }
    if route == Route::Direct {
        sqlx::raw_sql(SESSION).execute(connection).await?;
    }
    Ok(())
}

/// A connection to a server that was the primary and is no more must not be used again.
async fn is_writable(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    // As one message: it has to be answered by one session, whoever stands in between.
    sqlx::raw_sql(IS_WRITABLE).fetch_one(connection).await?.try_get(0)
}

/// A connection on which nothing comes any more must not be waited for, or soon there is no other.
async fn answers(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let answered = tokio::time::timeout(ACQUIRE_TIMEOUT, connection.ping()).await;
    answered.map_err(|_| sqlx::Error::PoolTimedOut)?.map(|()| true)
}
