//! The engine for several servers: one PostgreSQL database, its primary.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::postgres::{PgConnectOptions, PgListener, PgPool, PgPoolOptions, Postgres as Driver};
use sqlx::{Acquire as _, ConnectOptions as _, Connection as _, Transaction};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use super::changes::{LEAVE, is_known, number, point, uuid};
use super::commit::{Change, Numbered};
use super::error::{Late, NoStandby};
use super::query::{ANSWER_TIMEOUT, Route, Target, query, within};
use super::{ACQUIRE_TIMEOUT, StoreError, Warrant, pool, schema};
use crate::domain::lease::{Flaw, Moment, Point, Seq, Settlement, Standing, SteadyClock, Terms};
use crate::domain::time::Timestamp;

/// As it stands in `pg_stat_activity`.
const APPLICATION: &str = "hallpass";
/// Hears what is announced on the channel of changes.
const LISTEN: &str = "LISTEN hallpass_changes";

/// Begins a change: whoever makes one holds the head to the end, so changes take turns, as they do with SQLite. A server
/// that stops in the middle must not keep the others waiting, so the database gives up on it. In one message, so that
/// nobody stops halfway.
const BEGIN_CHANGE: &str = "
    BEGIN;
    SET LOCAL lock_timeout = '800ms';
    SET LOCAL statement_timeout = '2s';
    SET LOCAL idle_in_transaction_session_timeout = '500ms';
    SELECT seq FROM change_head FOR UPDATE";

/// Longer than the database waits for the head: twice as long as it may wait for a lock, because whoever is next has waited
/// for that first.
const TURN_TIMEOUT: Duration = Duration::from_millis(1_800);

const BEGIN_NOTES: &str = "
    BEGIN;
    SET LOCAL synchronous_commit = off;
    SET LOCAL lock_timeout = '800ms';
    SET LOCAL idle_in_transaction_session_timeout = '500ms'";

/// A write that changes nothing, as a condition that always holds.
macro_rules! written {
    () => {
        "(SELECT pg_logical_emit_message(TRUE, 'hallpass', '')) IS NOT NULL"
    };
}
pub(super) use written;
/// Not that of a standby, to which a pooler may lead as well: it may be an earlier one.
pub(super) const FIND_CHANGE_HEAD: &str =
    "SELECT seq, mark FROM change_head WHERE current_setting('transaction_read_only') = 'off'";
/// Whether commits wait for a standby.
macro_rules! is_sync {
    () => {
        "(current_setting('synchronous_commit') NOT IN ('off', 'local')
            AND current_setting('synchronous_standby_names') <> '')"
    };
}
pub(super) use is_sync;
pub(super) const NUMBER_CHANGE: &str = concat!("SELECT seq, mark, ", is_sync!(), " FROM change_head");
macro_rules! examine {
    () => {
        concat!("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::BIGINT, ", is_sync!())
    };
}
pub(super) const EXAMINE: &str = examine!();
pub(super) const EXAMINE_WITH_WRITE: &str = concat!(examine!(), " WHERE ", written!());
/// How far replicas are, and whether this is the database that has the change (`$1` with the mark `$2`): another one may not
/// know of all replicas. There is a row even where there are none.
pub(super) const LIST_STANDINGS: &str = concat!(
    "SELECT ",
    is_known!("$1", "$2"),
    " AS is_known, r.id, r.applied, r.heard FROM (SELECT 1) one LEFT JOIN replicas r ON TRUE"
);
pub(super) const STORE_END: &str = "UPDATE replicas SET heard = $2 WHERE id = $1";
pub(super) const FORGET_REPLICA: &str = "DELETE FROM replicas WHERE id = $1 AND heard = $2";

/// What waits for a standby and is waited for by nobody any more: renewals, and what vouches for a reading; behind a pooler,
/// where one cannot be told from others, all that is written by one statement. To end the wait for a standby is to commit
/// without it, so this is for no change that anybody is told of; and the whole session ends, or it would answer as if the
/// standby had it.
pub(super) const END_OLD_WAITS: &str = "
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid() AND wait_event = 'SyncRep'
        AND (query LIKE '%INSERT INTO replicas%' OR query LIKE '%SELECT pg_logical_emit_message%'
            OR application_name = 'hallpass, one statement')
        AND query_start < clock_timestamp() - INTERVAL '2 s'";
/// When it is committed, so is everything before it, on the standby, too.
pub(super) const CONFIRM: &str = concat!("SELECT ", written!());
/// Between two looks at how far the replicas are, while somebody waits for them: first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(4);
const MOST_PAUSE: Duration = Duration::from_millis(64);

/// Where a PostgreSQL database is.
#[derive(Clone, Debug)]
pub struct PostgresPlace {
    /// The URL, with the password. May lead through a pooler.
    pub url: SecretString,
    /// A URL that leads to the server itself; the other one if absent.
    pub direct_url: Option<SecretString>,
    /// Whether nothing may be changed unless commits wait for a standby.
    pub require_sync: bool,
    /// How long replicas may answer from memory.
    pub terms: Terms,
    /// Counts that time.
    pub clock: Arc<dyn SteadyClock>,
}

#[derive(sqlx::FromRow)]
struct StandingColumns {
    is_known: bool,
    id: Option<Uuid>,
    applied: Option<i64>,
    heard: Option<i64>,
}

/// Connections to the primary.
pub(super) struct Postgres {
    pub pool: PgPool,
    /// Changes take turns, so most of them only wait. They leave connections to those who do not.
    turns: Arc<Semaphore>,
    pub route: Route,
    direct: PgConnectOptions,
    keeps_waiting: AtomicBool,
    pub require_sync: bool,
    terms: Terms,
    pub clock: Arc<dyn SteadyClock>,
}

impl Postgres {
    /// Connects, and brings the schema up to date.
    pub async fn open(place: &PostgresPlace, connections: u32) -> Result<Self, StoreError> {
        let options = connect_options(&place.url)?;
        let direct = place.direct_url.as_ref().map_or_else(|| Ok(options.clone()), connect_options)?;
        let mut connection = within(ACQUIRE_TIMEOUT, direct.connect()).await?;
        schema::bring_up_to_date(&mut connection).await?;
        within(ANSWER_TIMEOUT, connection.close()).await?;
        let route = if place.direct_url.is_some() { Route::Pooler } else { Route::Direct };
        let pool = pool::options(connections, route, place.clock.clone());
        Ok(Self {
            pool: pool.connect_lazy_with(options),
            turns: Arc::new(Semaphore::new((connections as usize / 2).max(1))),
            route,
            direct,
            keeps_waiting: AtomicBool::new(false),
            require_sync: place.require_sync,
            terms: place.terms,
            clock: place.clock.clone(),
        })
    }

    /// Any connection.
    pub const fn target(&self) -> Target<'_> {
        Target::PostgresPool(&self.pool, self.route)
    }

    /// Begins a change, after all those that others have begun.
    pub async fn begin(&self) -> Result<Change, StoreError> {
        let begun = self.clock.moment();
        let how = if self.has(Flaw::NumbersOutOfTurn) { "BEGIN" } else { BEGIN_CHANGE };
        let in_turn = async {
            let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| sqlx::Error::PoolClosed)?;
            let pool = self.pool.clone();
            // A task of its own: where nobody waits for it any more, the turn is over when the database has answered, and not
            // before. Or the next one would take one more connection.
            let asked = tokio::spawn(async move {
                let transaction = tokio::time::timeout(TURN_TIMEOUT, pool.begin_with(how)).await;
                (turn, transaction.unwrap_or(Err(sqlx::Error::PoolTimedOut)))
            });
            let (turn, transaction) = asked.await.map_err(|_| sqlx::Error::WorkerCrashed)?;
            Ok((turn, transaction?))
        };
        let (turn, transaction) = within(ANSWER_TIMEOUT, in_turn).await?;
        Ok(self.change(transaction, begun, ANSWER_TIMEOUT, Some(turn)))
    }

    /// Begins to write down what is no change and no secret, such as last uses: it waits for no standby, and may be lost
    /// with the primary.
    pub async fn begin_notes(&self) -> Result<Change, StoreError> {
        let begun = self.clock.moment();
        let transaction = within(ANSWER_TIMEOUT, Box::pin(self.pool.begin_with(BEGIN_NOTES))).await?;
        Ok(self.change(transaction, begun, ANSWER_TIMEOUT, None))
    }

    /// A transaction that has locked the head, as a change whose commit may take so long.
    pub const fn change(
        &self,
        transaction: Transaction<'static, Driver>,
        begun: Moment,
        patience: Duration,
        turn: Option<OwnedSemaphorePermit>,
    ) -> Change {
        Change::Postgres { transaction, route: self.route, begun, patience, turn }
    }

    /// Numbers a change, within its transaction when all is written.
    pub async fn number(&self, change: &mut Change) -> Result<Numbered, StoreError> {
        let begun = change.begun();
        let (number, mark, is_sync): (i64, Uuid, bool) = query(NUMBER_CHANGE).fetch_one(change).await?;
        self.admit(is_sync)?;
        Ok(Numbered { point: point(number, mark)?, begun })
    }

    /// Whether changes may be made here.
    pub fn admit(&self, is_sync: bool) -> Result<(), StoreError> {
        if self.require_sync && !is_sync {
            return Err(StoreError::corrupt(NoStandby));
        }
        Ok(())
    }

    /// Asks something that is answered when a standby has it. If that is gone, the database waits for ever and keeps a
    /// connection; so what waits already is ended before anything more is sent.
    pub async fn behind_a_standby<T, F: Future<Output = Result<T, StoreError>>>(
        &self,
        ask: impl FnOnce() -> F,
    ) -> Result<T, StoreError> {
        if self.keeps_waiting.load(Ordering::Relaxed) {
            query(END_OLD_WAITS).execute(self.target()).await?;
        }
        let answer = ask().await;
        self.keeps_waiting.store(answer.is_err(), Ordering::Relaxed);
        answer
    }

    /// Whether an answer needs a commit for which a standby was waited for.
    pub fn needs_a_standby(&self, warrant: Warrant) -> bool {
        self.require_sync && warrant == Warrant::Commit
    }

    /// Whether a mistake is to be made.
    pub fn has(&self, flaw: Flaw) -> bool {
        self.terms.has(flaw)
    }

    /// What readiness depends on.
    pub async fn examine(&self, warrant: Warrant) -> Result<Timestamp, StoreError> {
        let ask = |statement| query(statement).fetch_one(self.target());
        let (micros, is_sync): (i64, bool) = if self.needs_a_standby(warrant) {
            self.behind_a_standby(|| ask(EXAMINE_WITH_WRITE)).await?
        } else {
            ask(EXAMINE).await?
        };
        self.admit(is_sync)?;
        Ok(Timestamp::from_micros(micros))
    }

    /// The last change that is committed.
    pub async fn last(&self) -> Result<Numbered, StoreError> {
        let (number, mark): (i64, Uuid) = query(FIND_CHANGE_HEAD).fetch_one(self.target()).await?;
        Ok(Numbered { point: point(number, mark)?, begun: self.clock.moment() })
    }

    /// Waits until a change that was committed holds on every replica. Needs no luck: if the database cannot say how far
    /// they are, it takes as long as a lease may still run. How long it took.
    pub async fn settle(&self, change: Numbered) -> Duration {
        let committed = self.clock.moment();
        let mut settlement = Settlement::begin(self.terms, change.point.seq, change.begun, committed);
        let (mut now, mut complaint) = (committed, None);
        while !settlement.is_settled(now) {
            // No answer is worth waiting for longer than without one.
            let left = settlement.at_most(now);
            let heard = tokio::time::timeout(left, self.standings(change.point)).await;
            now = self.clock.moment();
            match heard {
                Ok(Ok(standings)) => settlement.hear(&standings, now),
                Ok(Err(error)) => complaint = Some(error),
                Err(_) if left > MOST_PAUSE => complaint = Some(StoreError::corrupt(Late(left))),
                Err(_) => {}
            }
            if !settlement.is_settled(now) {
                tokio::time::sleep(pause(now.since(committed)).min(settlement.at_most(now))).await;
                now = self.clock.moment();
            }
        }
        if let Some(error) = complaint {
            tracing::warn!(%error, "the database did not always say how far the replicas are");
        }
        let took = self.clock.moment().since(committed);
        if settlement.is_anybody_behind() {
            tokio::spawn(forget_silent(self.pool.clone(), self.route, self.clock.clone(), settlement));
        }
        took
    }

    async fn standings(&self, change: Point) -> Result<BTreeMap<Uuid, Standing>, StoreError> {
        let asked = query(LIST_STANDINGS).bind(number(change.seq)).bind(uuid(change.mark));
        let rows: Vec<StandingColumns> = asked.fetch_all(self.target()).await?;
        if !rows.iter().all(|row| row.is_known) {
            return Err(StoreError::corrupt("it does not have the change that was committed"));
        }
        let replicas = rows.into_iter().filter_map(|row| Some((row.id?, row.applied?, row.heard?)));
        let standing =
            |(id, applied, heard)| Ok((id, Standing { applied: seq(applied)?, heard: seq(heard)?.number() }));
        replicas.map(standing).collect()
    }

    /// A mistake: what others read of a replica is when its lease ends, on its own clock.
    pub async fn store_end(&self, replica: Uuid) -> Result<(), StoreError> {
        let end = self.clock.moment().after(self.terms.length()).as_micros();
        query(STORE_END).bind(replica).bind(i64::try_from(end).unwrap_or(i64::MAX)).execute(self.target()).await?;
        Ok(())
    }

    /// Listens for announcements of changes, on a connection of its own.
    pub async fn listen(&self) -> Result<PgListener, StoreError> {
        let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(ACQUIRE_TIMEOUT);
        let pool = within(ACQUIRE_TIMEOUT, pool.connect_with(self.direct.clone())).await?;
        let mut listener = within(ACQUIRE_TIMEOUT, PgListener::connect_with(&pool)).await?;
        // What was announced meanwhile is lost, so whoever listens has to know that the connection was.
        listener.eager_reconnect(false);
        listen(&mut listener).await?;
        Ok(listener)
    }
}

/// Says on a connection that it is for announcements. To say so again changes nothing, and shows whether it still is.
pub(super) async fn listen(listener: &mut PgListener) -> Result<(), StoreError> {
    within(ANSWER_TIMEOUT, async { sqlx::raw_sql(LISTEN).execute(listener.acquire().await?).await }).await?;
    Ok(())
}

/// How long to wait before asking again how far the replicas are. It grows with what was waited already, so that whoever
/// waits for one that is silent, maybe with a hundred others, does not ask all the time; and adds little to that.
fn pause(waited: Duration) -> Duration {
    (waited / 4).clamp(FIRST_PAUSE, MOST_PAUSE)
}

/// Nobody has to wait again for a replica that is gone. It is gone when it was silent for a whole lease since it was first
/// missed, which is a little after the change was answered.
async fn forget_silent(pool: PgPool, route: Route, clock: Arc<dyn SteadyClock>, settlement: Settlement<Uuid>) {
    let Some(over) = settlement.silence_ends() else { return };
    tokio::time::sleep(over.since(clock.moment())).await;
    for (id, heard) in settlement.silent(over) {
        let heard = i64::try_from(heard).unwrap_or(i64::MAX);
        let asked = if settlement.has(Flaw::ForgetsWhoWasHeard) {
            query(LEAVE).bind(*id)
        } else {
            query(FORGET_REPLICA).bind(*id).bind(heard)
        };
        match asked.execute(Target::PostgresPool(&pool, route)).await {
            Ok(0) => {}
            Ok(_) => {
                tracing::warn!(replica = %id, "a replica says nothing, and its lease has run out: nobody waits for it");
            }
            Err(error) => tracing::warn!(%error, "the next change will wait for a silent replica again"),
        }
    }
}

/// A column of sequence numbers.
pub(super) fn seq(number: i64) -> Result<Seq, StoreError> {
    u64::try_from(number).map(Seq::new).map_err(StoreError::corrupt)
}

fn connect_options(url: &SecretString) -> Result<PgConnectOptions, StoreError> {
    // The parser's own message repeats the text, which holds the password.
    let options: Result<PgConnectOptions, _> = url.expose_secret().parse();
    let options = options.map_err(|_| StoreError::corrupt("database.url: this is no URL of a PostgreSQL database"))?;
    // Poolers refuse parameters that they do not know, and we have no floating-point columns.
    Ok(options.application_name(APPLICATION).extra_float_digits(None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_for_a_silent_replica_asks_seldom_and_whoever_waits_for_others_hears_soon() {
        let mut asked = Vec::new();
        let mut waited = Duration::ZERO;
        while waited < Duration::from_millis(1_100) {
            asked.push(waited.as_millis());
            waited += pause(waited);
        }
        assert_eq!(asked[..6], [0, 4, 8, 12, 16, 20]);
        assert!(asked.len() < 40, "{asked:?}");
    }
}
