//! Filters of tokens, from queries, forms and bodies alike.

use serde::Deserialize;
use utoipa::ToSchema;

use super::super::super::Web;
use super::super::super::params::NUL_REFUSED;
use super::super::ApiError;
use super::super::list::{moment, state, within, wrong};
use crate::domain::id::UserId;
use crate::server::service::admin::InventoryFilter;
use crate::server::service::authority::Administrator;
use crate::server::service::tokens::TokenError;

/// Most characters of what is looked for. Nothing that can be found is as long, but a line with a token in it may be.
const SEARCH_MAX: usize = 1_000;
/// Most ids in one filter.
const IDS_MAX: usize = 1_000;

/// Which tokens. At least one of these has to be given.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::server::http) struct FilterText {
    /// Ids of tokens (UUID).
    pub ids: Option<Vec<String>>,
    /// The owner: id (UUID) or name.
    pub user: Option<String>,
    /// Part of the name or purpose, the owner's name or e-mail, or the beginning of an id.
    pub q: Option<String>,
    /// `active`, `expired`, `revoked` or `suspended`.
    pub state: Option<String>,
    /// A scope.
    pub scope: Option<String>,
    /// Made before this: RFC 3339, a date, or a span such as `90d` before now.
    pub created_before: Option<String>,
    /// Not used since this.
    pub unused_since: Option<String>,
    /// Good, and running out within this span, such as `7d`.
    pub expires_within: Option<String>,
}

impl FilterText {
    /// What the service takes.
    pub async fn read(&self, web: &Web, administrator: &Administrator) -> Result<InventoryFilter, ApiError> {
        let now = web.clock.now();
        for (field, text) in [("user", &self.user), ("q", &self.q), ("scope", &self.scope)] {
            let Some(text) = text else { continue };
            if text.contains('\0') {
                return Err(wrong(field, NUL_REFUSED).into());
            }
            if text.chars().count() > SEARCH_MAX {
                return Err(wrong(field, "Please look for something shorter.").into());
            }
        }
        let text = |text: &Option<String>| text.clone().unwrap_or_default().trim().to_owned();
        Ok(InventoryFilter {
            ids: self.ids()?,
            owner: owner(web, administrator, &text(&self.user)).await?,
            text: text(&self.q),
            scope: text(&self.scope),
            state: state(self.state.as_deref())?,
            created_before: moment("created_before", self.created_before.as_deref(), now)?,
            unused_since: moment("unused_since", self.unused_since.as_deref(), now)?,
            expires_before: within("expires_within", self.expires_within.as_deref(), now)?,
            unrevoked: false,
        })
    }

    fn ids(&self) -> Result<Option<Vec<crate::domain::id::TokenId>>, ApiError> {
        let Some(ids) = &self.ids else { return Ok(None) };
        if ids.len() > IDS_MAX {
            return Err(wrong("ids", "Please give at most 1,000 ids.").into());
        }
        let ids = ids.iter().map(|id| id.parse()).collect::<Result<Vec<_>, _>>();
        Ok(Some(ids.map_err(|_| wrong("ids", "Please give ids of tokens."))?))
    }
}

async fn owner(web: &Web, administrator: &Administrator, text: &str) -> Result<Option<UserId>, ApiError> {
    if text.is_empty() {
        return Ok(None);
    }
    if let Ok(id) = text.parse() {
        return Ok(Some(id));
    }
    match web.admin.person_named(administrator, text).await {
        Ok(user) => Ok(Some(user.id)),
        Err(error @ (TokenError::NoSuchUser | TokenError::Conflict(_))) => {
            Err(wrong("user", &error.to_string()).into())
        }
        Err(error) => Err(error.into()),
    }
}
