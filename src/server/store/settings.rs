//! Facts about the installation itself.

use super::{Db, StoreError};

pub(super) const LOOKUP_SETTING: &str = "SELECT value FROM settings WHERE name = $1";
pub(super) const ADD_SETTING: &str = "INSERT INTO settings (name, value) VALUES ($1, $2)";

impl Db {
    /// The value of a setting.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn lookup_setting(&self, name: &str) -> Result<Option<String>, StoreError> {
        Ok(sqlx::query_scalar(LOOKUP_SETTING).bind(name).fetch_optional(self.reader()).await?)
    }

    /// Writes a setting that is not there yet.
    ///
    /// # Errors
    /// When it is there, or the database cannot be asked.
    pub async fn add_setting(&self, name: &str, value: &str) -> Result<(), StoreError> {
        sqlx::query(ADD_SETTING).bind(name).bind(value).execute(self.writer()).await?;
        Ok(())
    }
}
