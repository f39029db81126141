//! What was changed and who has noticed: how replicas of a server keep up with each other.

use sqlx::postgres::PgListener;
use uuid::Uuid;

use super::query::query;
use super::{Db, Engine, StoreError, Touched, postgres};
use crate::domain::id::ReplicaId;
use crate::domain::lease::{Head, History, Seq};

/// Changes with their numbers, and the number of the last one as of the same moment.
pub(super) const LIST_CHANGES: &str = "
    SELECT h.seq AS head, c.seq, c.kind, c.id
    FROM change_head h LEFT JOIN changes c ON c.seq > $1 AND c.seq <= h.seq
    ORDER BY c.seq LIMIT $2";
/// Writes down a sign of life and says which change was the last, in which history: of which installation of the database,
/// on which of its timelines. The head is locked until that is committed, so each
/// change either comes after it, or was seen by it.
pub(super) const RENEW: &str = "
    WITH head AS MATERIALIZED (SELECT seq FROM change_head FOR SHARE), written AS (
        INSERT INTO replicas (id, name, applied) SELECT $1, $2, $3 FROM head
        ON CONFLICT (id) DO UPDATE
        SET applied = greatest(replicas.applied, excluded.applied), heard = replicas.heard + 1
    )
    SELECT seq, (SELECT system_identifier FROM pg_control_system()) AS system,
        ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::BIT(32)::BIGINT AS timeline
    FROM head";
pub(super) const LEAVE: &str = "DELETE FROM replicas WHERE id = $1";
pub(super) const DELETE_OLD_CHANGES: &str = "DELETE FROM changes WHERE seq <= (SELECT seq FROM change_head) - $1";

/// Most changes that are told one by one: past that it is cheaper to forget everything.
const TOLD_MAX: usize = 1_000;
/// So many are kept for replicas that are behind.
const KEPT: i64 = 100_000;

/// A part of a change that somebody made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noted {
    /// The change's number.
    pub seq: Seq,
    /// Whose standing it may have altered.
    pub touched: Touched,
}

/// What happened since a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// The last change.
    pub head: Seq,
    /// What came since, in order. Nothing where there is too much to tell.
    pub noted: Vec<Noted>,
}

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
        match &mut self.0 {
            None => std::future::pending().await,
            Some(listener) => match listener.try_recv().await? {
                Some(_) => Ok(()),
                None => Err(StoreError::corrupt("the connection on which changes are announced was closed")),
            },
        }
    }
}

#[derive(sqlx::FromRow)]
struct ChangeColumns {
    head: i64,
    seq: Option<i64>,
    kind: Option<String>,
    id: Option<Uuid>,
}

impl Db {
    /// What others (and we ourselves) have changed after a change.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn list_changes(&self, after: Seq) -> Result<Changes, StoreError> {
        if let Engine::Sqlite(engine) = &self.engine {
            return engine.list_changes(after).await;
        }
        let limit = i64::try_from(TOLD_MAX).unwrap_or(i64::MAX);
        let asked = query(LIST_CHANGES).bind(number(after)).bind(limit + 1);
        let rows: Vec<ChangeColumns> = asked.fetch_all(self.reader()).await?;
        let head = rows.first().map(|row| postgres::seq(row.head)).transpose()?;
        let head = head.ok_or_else(|| StoreError::corrupt("there is no number of the last change"))?;
        let noted = if rows.len() > TOLD_MAX { Vec::new() } else { noted(rows)? };
        Ok(Changes { head, noted })
    }

    /// Writes down that a replica is alive and has applied so many changes. What the database said
    /// when that was written.
    ///
    /// # Errors
    /// When the database cannot be asked; it may have been written all the same.
    pub async fn renew(&self, replica: ReplicaId, applied: Seq) -> Result<Head, StoreError> {
        match &self.engine {
            Engine::Sqlite(engine) => Ok(Head { seq: engine.head().await?, history: History::default() }),
            Engine::Postgres(_) => {
                let asked = query(RENEW).bind(replica.as_uuid()).bind(&*self.replica).bind(number(applied));
                let (seq, system, timeline): (i64, i64, i64) = asked.fetch_one(self.writer()).await?;
                Ok(Head { seq: postgres::seq(seq)?, history: History { system, timeline } })
            }
        }
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
            query(DELETE_OLD_CHANGES).bind(KEPT).execute(self.writer()).await?;
        }
        Ok(())
    }
}

fn number(seq: Seq) -> i64 {
    i64::try_from(seq.number()).unwrap_or(i64::MAX)
}

fn noted(rows: Vec<ChangeColumns>) -> Result<Vec<Noted>, StoreError> {
    let noted = |row: ChangeColumns| {
        let (seq, kind, id) = (row.seq?, row.kind?, row.id?);
        let touched = if kind == "owner" { Touched::Owner(id.into()) } else { Touched::Token(id.into()) };
        Some(postgres::seq(seq).map(|seq| Noted { seq, touched }))
    };
    rows.into_iter().filter_map(noted).collect()
}
