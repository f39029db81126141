//! A database that went back to an earlier state: what replicas still know of what it has forgotten.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::changes::{is_known, number, uuid};
use super::query::query;
use super::{Db, StoreError, Touched, postgres};
use crate::domain::audit::Draft;
use crate::domain::id::{ReplicaId, TokenId, UserId};
use crate::domain::lease::{Point, Seq};
use crate::domain::time::Timestamp;

/// What comes after an acknowledgement that covers it is there to be read, and stops nobody.
/// Only in a database that does not know the change (`$3` with the mark `$5`): another one may answer by now.
pub(super) const NOTE_REWIND: &str = concat!(
    "INSERT INTO rewinds (replica, name, applied, lost, owners) SELECT $1, $2, $3::BIGINT, $4, $6 WHERE NOT ",
    is_known!("$3", "$5"),
    " ON CONFLICT (replica) DO UPDATE SET applied = excluded.applied, lost = excluded.lost, owners = excluded.owners"
);
pub(super) const LIST_REWINDS: &str = "SELECT name, applied, lost, owners FROM rewinds ORDER BY applied DESC, name";
/// Past everything that anybody has seen.
pub(super) const PASS_REWINDS: &str = "
    UPDATE change_head h SET seq = r.seq, acknowledged = r.seq
    FROM (SELECT greatest(seq, (SELECT coalesce(max(applied), 0) FROM rewinds)) + 1 AS seq FROM change_head) r";
/// Not those that were written down after that and go further. Gives what is deleted, so that none goes unseen.
pub(super) const TAKE_REWINDS: &str =
    "DELETE FROM rewinds WHERE applied <= (SELECT acknowledged FROM change_head) RETURNING name, applied, lost, owners";

/// What a replica knows of changes that the database has forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewind {
    /// The replica, as the audit log names it.
    pub replica: String,
    /// The last change that it had applied.
    pub applied: Seq,
    /// What was touched by changes which are gone.
    pub lost: Lost,
}

/// What forgotten changes have touched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Tokens. Some may have been revoked.
    pub tokens: Vec<TokenId>,
    /// Users. Some may have been disabled, or have lost roles.
    pub users: Vec<UserId>,
}

/// Only PostgreSQL needs this.
pub(super) const LIST_KNOWN: &str = "
    SELECT k.seq FROM change_marks k JOIN unnest($1::BIGINT[], $2::UUID[]) AS seen (seq, mark)
    ON k.seq = seen.seq AND k.mark = seen.mark";

impl Db {
    /// Those of some changes that the database knows.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn known_changes(&self, seen: &[Point]) -> Result<BTreeSet<Seq>, StoreError> {
        if !self.is_shared() {
            return Ok(seen.iter().map(|point| point.seq).collect());
        }
        let numbers: Vec<_> = seen.iter().map(|point| number(point.seq)).collect();
        let marks: Vec<_> = seen.iter().map(|point| uuid(point.mark)).collect();
        let rows: Vec<(i64,)> = query(LIST_KNOWN).bind(numbers).bind(marks).fetch_all(self.reader()).await?;
        rows.into_iter().map(|(seq,)| postgres::seq(seq)).collect()
    }

    /// Writes down what a replica knows of changes that are gone. Whether they are gone.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn note_rewind(&self, replica: ReplicaId, applied: Point, lost: &Lost) -> Result<bool, StoreError> {
        let asked = query(NOTE_REWIND).bind(replica.as_uuid()).bind(&*self.replica).bind(number(applied.seq));
        let asked = asked.bind(serde_json::to_string(&lost.tokens)?).bind(uuid(applied.mark));
        let asked = asked.bind(serde_json::to_string(&lost.users)?);
        Ok(asked.execute(self.writer()).await? > 0)
    }

    /// What replicas know of changes that are gone.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn list_rewinds(&self) -> Result<Vec<Rewind>, StoreError> {
        if !self.is_shared() {
            return Ok(Vec::new());
        }
        rewinds(query(LIST_REWINDS).fetch_all(self.reader()).await?)
    }

    /// Takes the present state for the true one: changes go on from a number that no replica has seen, so each forgets
    /// everything and begins anew. `tell` is given what replicas knew, before the database forgets that, too: afterwards
    /// somebody may lose patience.
    ///
    /// # Errors
    /// When the database cannot be asked; then nothing has changed.
    pub async fn pass_rewinds(
        &self,
        draft: &Draft,
        now: Timestamp,
        tell: impl FnOnce(&[Rewind]),
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        if self.is_shared() {
            query(PASS_REWINDS).execute(&mut tx).await?;
            tell(&rewinds(query(TAKE_REWINDS).fetch_all(&mut tx).await?)?);
        }
        self.append(&mut tx, draft, now).await?;
        self.commit(tx, Touched::Everything).await
    }
}

fn rewinds(rows: Vec<(String, i64, String, String)>) -> Result<Vec<Rewind>, StoreError> {
    let rewind = |(replica, applied, tokens, users): (String, i64, String, String)| {
        let lost = Lost { tokens: ids(&tokens)?, users: ids(&users)? };
        Ok(Rewind { replica, applied: postgres::seq(applied)?, lost })
    };
    rows.into_iter().map(rewind).collect()
}

fn ids<Id: From<Uuid>>(column: &str) -> Result<Vec<Id>, StoreError> {
    let ids: Vec<Uuid> = super::row::json(column)?;
    Ok(ids.into_iter().map(Id::from).collect())
}
