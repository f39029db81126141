//! From columns to domain values.

use std::str::FromStr;

use serde::de::DeserializeOwned;

use super::StoreError;
use crate::domain::scope::ScopeSet;
use crate::domain::time::Timestamp;
use crate::domain::user::Profile;

/// A time column.
pub(super) const fn time(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

/// A time column that may be empty.
pub(super) fn time_or_none(micros: Option<i64>) -> Option<Timestamp> {
    micros.map(Timestamp::from_micros)
}

/// A JSON column.
pub(super) fn json<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    Ok(serde_json::from_str(text)?)
}

/// The columns of a profile.
pub(super) fn profile(
    username: String,
    email: Option<String>,
    roles: &str,
    attributes: &str,
) -> Result<Profile, StoreError> {
    Ok(Profile { username, email, roles: json(roles)?, attributes: json(attributes)? })
}

/// A column of scopes.
pub(super) fn scopes(text: &str) -> Result<ScopeSet, StoreError> {
    ScopeSet::parse(text).map_err(StoreError::corrupt)
}

/// A column that a domain type knows how to read.
pub(super) fn parse<T>(text: &str) -> Result<T, StoreError>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    text.parse().map_err(StoreError::corrupt)
}
