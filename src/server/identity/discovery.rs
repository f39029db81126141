//! What a provider says about itself, and its keys: asked for when needed, and remembered.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use openidconnect::core::CoreJsonWebKeySet;
use openidconnect::{IssuerUrl, ProviderMetadataWithLogout};

use super::LoginError;
use super::fetch::Fetch;
use super::keys::KeySet;
use crate::domain::text::sanitised;
use crate::domain::time::{Clock, Timestamp};

/// How long discovery is believed before it is asked for again.
const DISCOVERY_TTL: Duration = Duration::from_mins(10);
/// Pause before a provider that failed is asked again.
const FAILURE_PAUSE: Duration = Duration::from_secs(3);
/// Pause between two looks for new keys, whatever came of the first.
const KEYS_PAUSE: Duration = Duration::from_secs(30);
/// Longest wait of a check: a proxy holds a request back meanwhile.
const CHECK_PATIENCE: Duration = Duration::from_millis(1_500);
/// Longest text about a failure, in characters.
const FAILURE_MAX: usize = 400;

/// What is known of a provider.
#[derive(Clone)]
pub(super) struct Known {
    /// Its endpoints, and its keys as logins need them.
    pub metadata: Arc<ProviderMetadataWithLogout>,
    /// Its keys as checks need them.
    pub keys: Arc<KeySet>,
}

/// Finds out about one provider.
pub(super) struct Discovery {
    issuer: String,
    fetch: Fetch,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// Held while the provider is asked, so that it is asked once; whoever waits takes the answer, good or bad.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    known: Option<Known>,
    failure: Option<LoginError>,
    ask_again_at: Option<Timestamp>,
    look: Option<Look>,
}

/// The last look for new keys.
struct Look {
    at: Timestamp,
    failure: Option<LoginError>,
}

impl Discovery {
    /// Nothing is asked yet.
    pub fn new(issuer: String, fetch: Fetch, clock: Arc<dyn Clock>) -> Self {
        Self { issuer, fetch, clock, state: Mutex::default(), asking: tokio::sync::Mutex::default() }
    }

    /// What is known, however old it is, without asking.
    pub fn known(&self) -> Option<Known> {
        self.state().known.clone()
    }

    /// What the provider says about itself, asked for at most every few minutes. An old answer is better than none, and
    /// a failure is remembered for a moment, so that a provider that hangs does not gather a queue.
    pub async fn ask(&self) -> Result<Known, LoginError> {
        if let Some(remembered) = self.remembered() {
            return remembered;
        }
        let _asking = self.asking.lock().await;
        if let Some(remembered) = self.remembered() {
            return remembered;
        }
        let issuer = IssuerUrl::new(self.issuer.clone()).map_err(unavailable)?;
        let answer = ProviderMetadataWithLogout::discover_async(issuer, &self.fetch).await.map_err(unavailable);
        let now = self.clock.now();
        let mut state = self.state();
        match answer {
            Ok(metadata) => {
                state.known = Some(Known::new(metadata));
                state.ask_again_at = Some(now.plus(DISCOVERY_TTL));
            }
            Err(error) => {
                state.failure = Some(error);
                state.ask_again_at = Some(now.plus(FAILURE_PAUSE));
            }
        }
        state.answer()
    }

    /// Looks for new keys because one is not known, at most every half minute: anybody can make a token that names an
    /// unknown key.
    pub async fn look_for_keys(&self) -> Result<Known, LoginError> {
        let _asking = self.asking.lock().await;
        let now = self.clock.now();
        let known = self.state().answer()?;
        if let Some(look) = self.state().look.as_ref().filter(|look| now.since(look.at) < KEYS_PAUSE) {
            return look.failure.clone().map_or(Ok(known), Err);
        }
        let answer = CoreJsonWebKeySet::fetch_async(known.metadata.jwks_uri(), &self.fetch).await.map_err(unavailable);
        let mut state = self.state();
        state.look = Some(Look { at: now, failure: answer.as_ref().err().cloned() });
        let known = Known::new((*known.metadata).clone().set_jwks(answer?));
        state.known = Some(known.clone());
        Ok(known)
    }

    /// As [`Self::ask`], for a check: what is known is taken at once and renewed behind its back.
    pub async fn ask_briefly(self: &Arc<Self>) -> Result<Known, LoginError> {
        let this = self.clone();
        let work = async move { this.ask().await };
        let Some(known) = self.known() else { return briefly(work).await };
        if self.remembered().is_none() && self.asking.try_lock().is_ok() {
            tokio::spawn(work);
        }
        Ok(known)
    }

    /// As [`Self::look_for_keys`], for a check.
    pub async fn look_for_keys_briefly(self: &Arc<Self>) -> Result<Known, LoginError> {
        let this = self.clone();
        briefly(async move { this.look_for_keys().await }).await
    }

    fn remembered(&self) -> Option<Result<Known, LoginError>> {
        let now = self.clock.now();
        let state = self.state();
        state.ask_again_at.is_some_and(|at| now < at).then(|| state.answer())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn answer(&self) -> Result<Known, LoginError> {
        let unknown = || LoginError::ProviderUnavailable("it was not asked yet".to_owned());
        self.known.clone().ok_or_else(|| self.failure.clone().unwrap_or_else(unknown))
    }
}

impl Known {
    fn new(metadata: ProviderMetadataWithLogout) -> Self {
        Self { keys: Arc::new(KeySet::new(metadata.jwks())), metadata: Arc::new(metadata) }
    }
}

/// Waits for the provider, but not for long. The work goes on when nobody waits any more: the next check finds what it
/// brought.
async fn briefly<T: Send + 'static>(
    work: impl Future<Output = Result<T, LoginError>> + Send + 'static,
) -> Result<T, LoginError> {
    match tokio::time::timeout(CHECK_PATIENCE, tokio::spawn(work)).await {
        Ok(Ok(outcome)) => outcome,
        _ => Err(LoginError::ProviderUnavailable("it does not answer in time".to_owned())),
    }
}

/// The whole chain of causes, since the outermost of them rarely says what happened.
pub(super) fn unavailable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> LoginError {
    let error = error.into();
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    LoginError::ProviderUnavailable(sanitised(&text, FAILURE_MAX))
}
