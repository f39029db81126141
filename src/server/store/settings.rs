//! Facts about the installation itself.

use super::query::query;
use super::{Db, StoreError};

pub(super) const LOOKUP_SETTING: &str = "SELECT value FROM settings WHERE name = $1";
pub(super) const ADD_SETTING: &str = "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING";

impl Db {
    /// The value of a setting.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn lookup_setting(&self, name: &str) -> Result<Option<String>, StoreError> {
        let value = query(LOOKUP_SETTING).bind(name).fetch_optional::<(String,)>(self.reader()).await?;
        Ok(value.map(|(value,)| value))
    }

    /// The value that a setting has, which is this one if it had none. Of several servers that start together all get
    /// the same.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn agree_on(&self, name: &str, value: &str) -> Result<String, StoreError> {
        query(ADD_SETTING).bind(name).bind(value).execute(self.writer()).await?;
        let value = self.lookup_setting(name).await?;
        value.ok_or_else(|| StoreError::corrupt("a setting that was written is not there"))
    }
}
