//! How the command line learns that the running server has noticed what it changed: it puts a question behind its
//! change, and the server takes the question away.

use super::query::query;
use super::{Db, StoreError};
use crate::domain::entropy;

pub(super) const ADD_NOTICE: &str = "INSERT INTO notices (id) VALUES ($1)";
pub(super) const FIND_NOTICE: &str = "SELECT COUNT(*) FROM notices WHERE id = $1";
pub(super) const LIST_NOTICES: &str = "SELECT id FROM notices";
pub(super) const DELETE_NOTICE: &str = "DELETE FROM notices WHERE id = $1";

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice(Vec<u8>);

impl Db {
    /// Asks whether everything that was written up to now was noticed.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn add_notice(&self) -> Result<Notice, StoreError> {
        let id = entropy::bytes::<16>(&*self.entropy).to_vec();
        query(ADD_NOTICE).bind(&id).execute(self.writer()).await?;
        Ok(Notice(id))
    }

    /// Whether it was.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn is_noticed(&self, notice: &Notice) -> Result<bool, StoreError> {
        let (count,): (i64,) = query(FIND_NOTICE).bind(&notice.0).fetch_one(self.reader()).await?;
        Ok(count == 0)
    }

    /// The open questions.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn list_notices(&self) -> Result<Vec<Notice>, StoreError> {
        let ids: Vec<(Vec<u8>,)> = query(LIST_NOTICES).fetch_all(self.reader()).await?;
        Ok(ids.into_iter().map(|(id,)| Notice(id)).collect())
    }

    /// Answers questions.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn delete_notices(&self, notices: &[Notice]) -> Result<(), StoreError> {
        for notice in notices {
            query(DELETE_NOTICE).bind(&notice.0).execute(self.writer()).await?;
        }
        Ok(())
    }
}
