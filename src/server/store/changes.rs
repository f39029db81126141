//! What was changed and who has noticed: how replicas of a server keep up with each other.

use std::time::Duration;

use sqlx::postgres::PgListener;
use uuid::Uuid;

use super::postgres::{Postgres, is_sync};
use super::query::query;
use super::schema::is_borne;
use super::{Db, Engine, StoreError, Touched, postgres};
use crate::domain::id::ReplicaId;
use crate::domain::lease::{Flaw, Head, History, Mark, Point, Seq};

/// Whether the database knows a change that was seen, or it is older than those that it remembers.
macro_rules! is_known {
    ($seq:literal, $mark:literal) => {
        concat!(
            "(",
            $seq,
            " = 0 OR EXISTS (SELECT 1 FROM change_marks k WHERE k.seq = ",
            $seq,
            " AND k.mark = ",
            $mark,
            ") OR ",
            $seq,
            " < (SELECT min(k.seq) FROM change_marks k))"
        )
    };
}
pub(super) use is_known;

/// Changes with their numbers after one that was seen (`$1` with the mark `$2`), at most so many parts of them, and the last
/// one as of the same moment. Whether the database knows the one that was seen; whether somebody has acknowledged that it
/// need not; whether any replica has seen what the database does not know, and nobody has acknowledged that yet. One part
/// is looked up after the other: by hand somebody may have changed a million rows at once, and whoever plans to read few, but
/// does not know of that yet, reads and sorts them all.
pub(super) const LIST_CHANGES: &str = concat!(
    "WITH RECURSIVE told AS (
        (SELECT seq, kind, id FROM changes WHERE seq > $1 ORDER BY seq, kind, id LIMIT 1)
        UNION ALL
        SELECT next.seq, next.kind, next.id FROM told CROSS JOIN LATERAL (
            SELECT seq, kind, id FROM changes c WHERE (c.seq, c.kind, c.id) > (told.seq, told.kind, told.id)
            ORDER BY seq, kind, id LIMIT 1
        ) next
    )
    SELECT h.seq AS head, h.mark AS head_mark, ",
    is_known!("$1", "$2"),
    " AS is_known, $1 <= h.acknowledged AS is_acknowledged,
        EXISTS (SELECT 1 FROM rewinds r WHERE r.applied > h.acknowledged) AS is_doubted,
        c.seq, (SELECT m.mark FROM change_marks m WHERE m.seq = c.seq) AS mark, c.kind, c.id
    FROM change_head h
    LEFT JOIN (SELECT seq, kind, id FROM told LIMIT $3) c ON c.seq <= h.seq
    ORDER BY c.seq"
);
/// Writes down a sign of life and says which change was the last, in which history: of which installation of the database,
/// on which of its timelines. The head is locked until that is committed, so each
/// change either comes after it, or was seen by it. What was applied in another history counts for nothing here. No two
/// signs of life are the same, also when the row was taken away in between.
pub(super) const RENEW: &str = concat!(
    "WITH head AS MATERIALIZED (SELECT seq, mark FROM change_head FOR SHARE), written AS (
        INSERT INTO replicas (id, name, applied, heard)
        SELECT $1, $2, CASE WHEN ",
    is_known!("$3", "$4"),
    " THEN $3 ELSE 0 END, pg_current_xact_id()::TEXT::BIGINT FROM head
        ON CONFLICT (id) DO UPDATE
        SET applied = greatest(replicas.applied, excluded.applied), heard = excluded.heard
    )
    SELECT seq, mark, (SELECT system_identifier FROM pg_control_system()) AS system,
        ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::BIT(32)::BIGINT AS timeline, ",
    is_sync!(),
    " AS is_sync, ",
    is_borne!(),
    " AS is_borne FROM head"
);
pub(super) const LEAVE: &str = "DELETE FROM replicas WHERE id = $1";
pub(super) const DELETE_OLD_CHANGES: &str = "
    DELETE FROM changes WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM changes WHERE seq <= (SELECT seq FROM change_head) - $1 ORDER BY seq LIMIT $2))";
pub(super) const DELETE_OLD_MARKS: &str = "DELETE FROM change_marks WHERE seq < (SELECT seq FROM change_head) - $1";

/// Most changes that are told one by one: past that it is cheaper to forget everything.
const TOLD_MAX: usize = 1_000;
/// So many are kept for replicas that are behind.
const KEPT: i64 = 100_000;
/// Rows that are deleted at once. One change by SQL may have written any number of them.
const DELETED_AT_ONCE: u32 = 10_000;

/// A part of a change that somebody made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noted {
    /// The change.
    pub point: Point,
    /// Whose standing it may have altered.
    pub touched: Touched,
}

/// What happened since a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// The last change.
    pub head: Point,
    /// What came since, in order. Nothing where there is too much to tell, or where it goes on from something else.
    pub noted: Vec<Noted>,
    /// Whether the database has gone back, and what is to be done about it.
    pub doubt: Option<Doubt>,
}

impl Changes {
    /// A mistake: what has the number of the change that was seen is taken for it.
    fn mistaken(self, after: Point) -> Self {
        let head = if self.head.seq == after.seq { after } else { self.head };
        Self { head, doubt: None, ..self }
    }
}

/// Why a database must not simply be believed: it was put back to an earlier state, or a standby took over that had seen less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// It does not know the change that was seen.
    Forgotten {
        /// Whether anybody has written that down in it.
        is_noted: bool,
    },
    /// Others have said so, and nobody has acknowledged it yet.
    Unacknowledged,
    /// It does not know the change that was seen, and somebody has taken it for the true one all the same, maybe without
    /// having been told what was seen here.
    Acknowledged,
}

/// After so much silence a connection on which changes are announced is asked whether it still is one: a network that has
/// lost it does not say so.
const SILENCE: Duration = Duration::from_secs(3);

/// Hears of changes sooner than by asking. Only a hint: it may miss any number of them.
pub struct Announcements(Option<PgListener>);

impl std::fmt::Debug for Announcements {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Announcements")
    }
}

impl Announcements {
    /// Hears nothing.
    #[must_use]
    pub const fn none() -> Self {
        Self(None)
    }

    /// Waits for the next announcement.
    ///
    /// # Errors
    /// When there will be no more: then one has to listen anew.
    pub async fn next(&mut self) -> Result<(), StoreError> {
        let Some(listener) = &mut self.0 else { return std::future::pending().await };
        loop {
            // It can be given up in the middle: what was read of a message stays with the connection.
            match tokio::time::timeout(SILENCE, listener.try_recv()).await {
                Ok(Ok(Some(_))) => return Ok(()),
                Ok(Ok(None)) => {
                    return Err(StoreError::corrupt("the connection on which changes are announced was closed"));
                }
                Ok(Err(error)) => return Err(error.into()),
                Err(_) => postgres::listen(listener).await?,
            }
        }
    }
}

#[derive(sqlx::FromRow)]
struct ChangeColumns {
    head: i64,
    head_mark: Uuid,
    is_known: bool,
    is_acknowledged: bool,
    is_doubted: bool,
    seq: Option<i64>,
    mark: Option<Uuid>,
    kind: Option<String>,
    id: Option<Uuid>,
}

#[derive(sqlx::FromRow)]
struct RenewalColumns {
    seq: i64,
    mark: Uuid,
    system: i64,
    timeline: i64,
    is_sync: bool,
    is_borne: bool,
}

impl ChangeColumns {
    fn doubt(&self) -> Option<Doubt> {
        match self {
            Self { is_known: false, is_acknowledged: false, .. } => {
                Some(Doubt::Forgotten { is_noted: self.is_doubted })
            }
            Self { is_doubted: true, .. } => Some(Doubt::Unacknowledged),
            Self { is_known: false, .. } => Some(Doubt::Acknowledged),
            _ => None,
        }
    }
}

impl Db {
    /// What others (and we ourselves) have changed after a change.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn list_changes(&self, after: Point) -> Result<Changes, StoreError> {
        if let Engine::Sqlite(engine) = &self.engine {
            return engine.list_changes(after.seq).await;
        }
        let limit = i64::try_from(TOLD_MAX).unwrap_or(i64::MAX);
        let asked = query(LIST_CHANGES).bind(number(after.seq)).bind(uuid(after.mark)).bind(limit + 1);
        let rows: Vec<ChangeColumns> = asked.fetch_all(self.reader()).await?;
        let first = rows.first().ok_or_else(|| StoreError::corrupt("there is no number of the last change"))?;
        let (head, doubt) = (point(first.head, first.head_mark)?, first.doubt());
        let goes_on = first.is_known && rows.len() <= TOLD_MAX;
        let noted = if goes_on { noted(rows)? } else { Vec::new() };
        let changes = Changes { head, noted, doubt };
        Ok(if self.has(Flaw::IgnoresTheHistory) { changes.mistaken(after) } else { changes })
    }

    fn has(&self, flaw: Flaw) -> bool {
        matches!(&self.engine, Engine::Postgres(engine) if engine.has(flaw))
    }

    /// Writes down that a replica is alive and has applied so many changes. What the database said
    /// when that was written.
    ///
    /// # Errors
    /// When the database cannot be asked; it may have been written all the same.
    pub async fn renew(&self, replica: ReplicaId, applied: Point) -> Result<Head, StoreError> {
        match &self.engine {
            Engine::Sqlite(engine) => Ok(Head { point: engine.head().await?, history: History::default() }),
            Engine::Postgres(engine) => engine.behind_a_standby(|| self.ask_to_renew(engine, replica, applied)).await,
        }
    }

    async fn ask_to_renew(&self, engine: &Postgres, replica: ReplicaId, applied: Point) -> Result<Head, StoreError> {
        let asked = query(RENEW).bind(replica.as_uuid()).bind(&*self.replica);
        let asked = asked.bind(number(applied.seq)).bind(uuid(applied.mark));
        let row: RenewalColumns = if self.has(Flaw::RenewsWithoutAStandby) {
            let mut alone = engine.begin_notes().await?;
            let row = asked.fetch_one(&mut alone).await?;
            alone.commit().await?;
            row
        } else {
            let row: RenewalColumns = asked.fetch_one(self.writer()).await?;
            engine.admit(row.is_sync)?;
            row
        };
        if self.has(Flaw::BelievesStoredTimes) {
            engine.store_end(replica.as_uuid()).await?;
        }
        if !row.is_borne {
            return Err(StoreError::corrupt(
                "its schema is too new for this program. Please use a newer version of Hallpass",
            ));
        }
        let history = History { system: row.system, timeline: row.timeline };
        Ok(Head { point: point(row.seq, row.mark)?, history })
    }

    /// Takes a replica that has given up its lease from the list: nobody waits for it any more.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn leave(&self, replica: ReplicaId) -> Result<(), StoreError> {
        if self.is_shared() {
            query(LEAVE).bind(replica.as_uuid()).execute(self.writer()).await?;
        }
        Ok(())
    }

    /// Hears of changes as they are made, where the engine announces them.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn announcements(&self) -> Result<Announcements, StoreError> {
        match &self.engine {
            Engine::Sqlite(_) => Ok(Announcements::none()),
            Engine::Postgres(engine) => Ok(Announcements(Some(engine.listen().await?))),
        }
    }

    /// Forgets changes that every replica either knows or is too far behind to be told of.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn delete_old_changes(&self) -> Result<(), StoreError> {
        if self.is_shared() {
            loop {
                let asked = query(DELETE_OLD_CHANGES).bind(KEPT).bind(DELETED_AT_ONCE);
                if asked.execute(self.writer()).await? < u64::from(DELETED_AT_ONCE) {
                    break;
                }
            }
            query(DELETE_OLD_MARKS).bind(KEPT).execute(self.writer()).await?;
        }
        Ok(())
    }
}

pub(super) fn number(seq: Seq) -> i64 {
    i64::try_from(seq.number()).unwrap_or(i64::MAX)
}

pub(super) const fn uuid(mark: Mark) -> Uuid {
    Uuid::from_u128(mark.number())
}

pub(super) fn point(seq: i64, mark: Uuid) -> Result<Point, StoreError> {
    Ok(Point { seq: postgres::seq(seq)?, mark: Mark::new(mark.as_u128()) })
}

fn noted(rows: Vec<ChangeColumns>) -> Result<Vec<Noted>, StoreError> {
    let noted = |row: ChangeColumns| {
        let (seq, mark, kind, id) = (row.seq?, row.mark?, row.kind?, row.id?);
        let touched = if kind == "owner" { Touched::Owner(id.into()) } else { Touched::Token(id.into()) };
        Some(point(seq, mark).map(|point| Noted { point, touched }))
    };
    rows.into_iter().filter_map(noted).collect()
}
