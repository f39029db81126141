//! "Whose token is this?"

use super::{Admin, OwnedView};
use crate::domain::id::TokenId;
use crate::domain::paste::{Mention, first_secret, mentions};
use crate::domain::secret::SecretId;
use crate::domain::view::SecretView;
use crate::server::service::authority::Administrator;
use crate::server::service::tokens::TokenError;

/// A token that a text names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identified {
    /// The token and its owner.
    pub owned: OwnedView,
    /// Which of its secrets was named, if one was.
    pub secret: Option<SecretView>,
}

impl Admin {
    /// The tokens that a pasted text names: by themselves, by the public part of their text, or by their id. Nothing of
    /// the text is kept.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn identify(&self, _: &Administrator, pasted: &str) -> Result<Vec<Identified>, TokenError> {
        let mut found: Vec<Identified> = Vec::new();
        for mention in mentions(pasted, &*self.prefixes) {
            let identified = match mention {
                Mention::Token(id) => self.identify_token(id, None).await?,
                Mention::Secret(id) => self.identify_secret(id).await?,
            };
            let is_new = |new: &Identified| found.iter().all(|old| old.owned.token.id != new.owned.token.id);
            found.extend(identified.filter(is_new));
        }
        Ok(found)
    }

    /// The public part of a token that somebody pasted where they search.
    #[must_use]
    pub fn pasted(&self, text: &str) -> Option<SecretId> {
        first_secret(text, &*self.prefixes)
    }

    async fn identify_secret(&self, id: SecretId) -> Result<Option<Identified>, TokenError> {
        match self.db.lookup_check(id).await? {
            Some(row) => self.identify_token(row.token_id, Some(id)).await,
            None => Ok(None),
        }
    }

    async fn identify_token(&self, id: TokenId, secret: Option<SecretId>) -> Result<Option<Identified>, TokenError> {
        let found = self.db.list_owned(&[id]).await?.pop();
        Ok(found.map(|each| {
            let owned = self.view(each);
            let secret = owned.token.secrets.iter().find(|view| Some(view.id) == secret).cloned();
            Identified { owned, secret }
        }))
    }
}
