//! The identity provider of `hallpass serve --demo`: a small but real OIDC provider with three users and
//! no passwords, so that a first look at Hallpass takes the same login path as any installation.
//!
//! It knows one public client (RFC 6749, section 2.1), the authorization code flow with PKCE (OIDC Core 1.0,
//! section 3.1; RFC 7636), user info and RP-initiated logout. It keeps no session: every login asks again who is there.

mod authorize;
mod claims;
mod discovery;
mod end_session;
mod grants;
mod keys;
mod pages;
mod params;
#[cfg(test)]
mod testing;
mod token;
mod userinfo;
mod users;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use thiserror::Error;
use url::Url;

use crate::domain::entropy::Entropy;
use crate::domain::time::{Clock, Timestamp};

use self::grants::Grants;
use self::keys::SigningKey;
pub use self::users::{DemoUser, USERS};

const BODY_LIMIT: usize = 64 * 1024;

/// What the provider has to know about itself and its one client.
#[derive(Clone)]
pub struct DemoSettings {
    /// The address under which it is reached, without a slash at the end: `http://127.0.0.1:3001`.
    pub issuer: String,
    /// The one client that may ask for logins.
    pub client_id: String,
    /// Where that client takes its answers; compared as text (OIDC Core 1.0, section 3.1.2.1).
    pub redirect_uri: String,
    /// Where that client takes its users back after a logout; compared as text.
    pub post_logout_redirect_uri: String,
    /// The present time.
    pub clock: Arc<dyn Clock>,
    /// Where codes and access tokens come from.
    pub entropy: Arc<dyn Entropy>,
}

/// Why the provider cannot start.
#[derive(Debug, Error)]
pub enum DemoError {
    /// One of the settings is not an absolute address.
    #[error("the demo provider's {0} is not an address: {1}")]
    Address(&'static str, url::ParseError),
    /// No signing key could be made.
    #[error("the demo provider's signing key cannot be made")]
    Key,
}

/// The whole provider, ready to be served at its issuer's address.
///
/// # Errors
///
/// When an address in the settings cannot be read or no signing key can be made.
pub fn router(settings: DemoSettings) -> Result<Router, DemoError> {
    let provider = Arc::new(Provider::new(settings)?);
    Ok(Router::new()
        .route("/.well-known/openid-configuration", get(discovery::metadata))
        .route("/jwks", get(discovery::jwks))
        .route("/authorize", get(authorize::ask).post(authorize::answer))
        .route("/token", post(token::exchange))
        .route("/userinfo", get(userinfo::show).post(userinfo::show))
        .route("/end_session", get(end_session::end).post(end_session::end))
        .route("/style.css", get(pages::style))
        .fallback(unknown)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(provider))
}

async fn unknown() -> Response {
    pages::message(StatusCode::NOT_FOUND, "Not found", "There is nothing at this address.")
}

/// What every handler shares.
struct Provider {
    settings: DemoSettings,
    redirect_uri: Url,
    post_logout_redirect_uri: Url,
    key: SigningKey,
    grants: Mutex<Grants>,
}

impl Provider {
    fn new(settings: DemoSettings) -> Result<Self, DemoError> {
        let address = |name, text: &str| Url::parse(text).map_err(|error| DemoError::Address(name, error));
        address("issuer", &settings.issuer)?;
        Ok(Self {
            redirect_uri: address("redirect_uri", &settings.redirect_uri)?,
            post_logout_redirect_uri: address("post_logout_redirect_uri", &settings.post_logout_redirect_uri)?,
            key: SigningKey::generate()?,
            grants: Mutex::default(),
            settings,
        })
    }

    fn now(&self) -> Timestamp {
        self.settings.clock.now()
    }

    fn grants(&self) -> MutexGuard<'_, Grants> {
        self.grants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::testing::Demo;
    use super::*;

    #[tokio::test]
    async fn an_unknown_path_is_not_found() {
        let answer = Demo::new().get("/admin").await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
    }

    #[test]
    fn a_setting_that_is_no_address_is_named() {
        let settings = DemoSettings { redirect_uri: "/callback".to_owned(), ..Demo::settings() };
        let error = router(settings).unwrap_err();
        assert!(error.to_string().contains("redirect_uri"), "{error}");
    }
}
