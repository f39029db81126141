//! Facts about the installation itself.

use super::query::query;
use super::{Db, StoreError, Touched};
use crate::domain::audit::Draft;
use crate::domain::time::Timestamp;

pub(super) const LOOKUP_SETTING: &str = "SELECT value FROM settings WHERE name = $1";
pub(super) const ADD_SETTING: &str = "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING";
pub(super) const PUT_SETTING: &str =
    "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
pub(super) const LIST_RIGHTS: &str = "SELECT name, value FROM settings WHERE name LIKE 'rights.%'";

/// Before the names of settings that keep them.
const RIGHTS: &str = "rights.";

/// What decides who may do what, by its key.
pub type Rights = Vec<(&'static str, String)>;

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

    /// Keeps what decides who may do what, and writes down what of it is new, in an event that begins as the draft; not
    /// the first time.
    ///
    /// # Errors
    /// When the database cannot be asked; then nothing has changed.
    pub async fn note_rights(&self, rights: &Rights, draft: Draft, now: Timestamp) -> Result<(), StoreError> {
        if unknown(rights, &query(LIST_RIGHTS).fetch_all(self.reader()).await?).is_empty() {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        let known: Vec<(String, String)> = query(LIST_RIGHTS).fetch_all(&mut tx).await?;
        let unknown = unknown(rights, &known);
        if unknown.is_empty() {
            return Ok(());
        }
        let mut draft = draft;
        for (key, before, value) in unknown {
            query(PUT_SETTING).bind(format!("{RIGHTS}{key}")).bind(value).execute(&mut tx).await?;
            draft = draft.changed(key, before, Some(value.to_owned()));
        }
        if !known.is_empty() {
            self.append(&mut tx, &draft, now).await?;
        }
        self.commit(tx, Touched::Nothing).await
    }
}

/// Those that are not what is known of them, with that.
fn unknown<'r>(rights: &'r Rights, known: &[(String, String)]) -> Vec<(&'static str, Option<String>, &'r str)> {
    let before = |key: &str| known.iter().find(|(name, _)| name.strip_prefix(RIGHTS) == Some(key));
    let compared =
        rights.iter().map(|(key, value)| (*key, before(key).map(|(_, value)| value.clone()), value.as_str()));
    compared.filter(|(_, before, value)| before.as_deref() != Some(value)).collect()
}
