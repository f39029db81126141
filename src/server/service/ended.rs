//! Uses of tokens that are over: somebody still has one, or found one. Each is written down, once per token and hour.

use std::collections::HashMap;
use std::time::Duration;

use crate::domain::audit::{Action, Draft, Origin, Party};
use crate::domain::id::{TokenId, UserId};
use crate::domain::secret::SecretId;
use crate::domain::time::Timestamp;
use crate::domain::verdict::Invalid;
use crate::server::store::{Db, LogFilter, StoreError, TokenKey};

/// Once in so much time.
const TOLD_EVERY: Duration = Duration::from_hours(1);
/// A check says so more often, because it does not know what was written: by others, or before a restart.
pub const NOTED_EVERY: Duration = Duration::from_mins(1);
/// Tokens that wait or are remembered at most.
const TOKENS_MAX: usize = 10_000;

/// A use that was refused because the token is over. Its secret was proved.
#[derive(Clone, Debug)]
pub struct EndedUse {
    /// The token.
    pub token: TokenId,
    /// Its owner.
    pub owner: UserId,
    /// The secret that was presented.
    pub secret: SecretId,
    /// Why it is over.
    pub reason: Invalid,
    /// When.
    pub at: Timestamp,
    /// From where, through whom, and in which request.
    pub origin: Origin,
}

/// Those that wait to be written, and when each token's last was.
#[derive(Default)]
pub(super) struct EndedUses {
    pending: HashMap<TokenId, EndedUse>,
    told: HashMap<TokenId, Timestamp>,
}

impl EndedUses {
    /// Takes one in, if it is time to tell of that token.
    pub fn note(&mut self, used: EndedUse) {
        let is_told = self.told.get(&used.token).is_some_and(|told| used.at.since(*told) < TOLD_EVERY);
        if !is_told && self.pending.len() < TOKENS_MAX {
            self.pending.entry(used.token).or_insert(used);
        }
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Writes down what waits, at most so many. What cannot be written stays.
    pub async fn write(&mut self, db: &Db, most: usize) -> Result<(), StoreError> {
        for used in self.pending.values().take(most).cloned().collect::<Vec<_>>() {
            let told = tell(db, &used).await?;
            self.pending.remove(&used.token);
            if self.told.len() >= TOKENS_MAX {
                self.told.retain(|_, told| used.at.since(*told) < TOLD_EVERY);
            }
            self.told.insert(used.token, told);
        }
        Ok(())
    }
}

/// Writes it down, unless another replica has done so, or we before a restart. When it was.
async fn tell(db: &Db, used: &EndedUse) -> Result<Timestamp, StoreError> {
    let key = TokenKey { id: used.token, owner: used.owner };
    let Some(row) = db.lookup_token(key).await? else { return Ok(used.at) };
    let recently = LogFilter {
        object: used.token.to_string(),
        action: Action::TokenUsedAfterEnd.as_str().to_owned(),
        since: Some(used.at.minus(TOLD_EVERY)),
        ..LogFilter::default()
    };
    if let Some(known) = db.list_log(&recently, None, 1).await?.first() {
        return Ok(known.placed.event.time);
    }
    let token = Party::token(used.token, &row.name);
    let holder = Party { name: None, ..token.clone() };
    let draft = Draft::new(Action::TokenUsedAfterEnd, holder, token, &used.origin);
    let draft = draft.refused(used.reason.as_str()).on_behalf_of(used.owner).about(used.owner);
    db.record(&draft.changed("secret", None, Some(used.secret.to_string())), used.at).await?;
    Ok(used.at)
}
