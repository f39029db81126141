//! Browser sessions: tower-sessions carries the cookie, the service decides what it is worth.

use std::collections::HashMap;

use async_trait::async_trait;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::{Deserialize, Serialize};
use tower_sessions::cookie::SameSite;
use tower_sessions::session::{Id, Record};
use tower_sessions::{Expiry, Session, SessionManagerLayer, SessionStore, session_store};

use super::problem::{Problem, Slug};
use super::{Web, cookies, page};
use crate::domain::audit::Origin;
use crate::domain::authority::{Actor, Credential};
use crate::domain::id::{SessionId, UserId};
use crate::domain::time::Timestamp;
use crate::domain::user::User;
use crate::domain::view::MeView;
use crate::server::service::Caller;
use crate::server::service::authority::Administrator;
use crate::server::service::sessions::{LiveSession, Sessions, cookie_hash};

/// The key under which a session holds whose it is.
const KEY: &str = "login";

/// The layer that reads and writes the session cookie.
pub(super) fn layer(web: &Web) -> SessionManagerLayer<Store> {
    let secure = web.public_url.is_https();
    SessionManagerLayer::new(Store { sessions: web.sessions.clone() })
        .with_name(cookies::session_name(secure))
        .with_secure(secure)
        .with_http_only(true)
        // Strict would lose the session on the way back from the provider.
        .with_same_site(SameSite::Lax)
        .with_path("/")
        // The server enforces idle and absolute limits; the browser forgets at its end.
        .with_expiry(Expiry::OnSessionEnd)
}

/// What tower-sessions calls. A session begins only with a completed login, which writes the row itself, so nothing is
/// created or changed here: saving a session that was ended meanwhile cannot bring it back.
#[derive(Clone, Debug)]
pub(super) struct Store {
    sessions: Sessions,
}

/// What a session holds.
#[derive(Debug, Serialize, Deserialize)]
struct Held {
    id: SessionId,
    user: UserId,
    provider: String,
    auth_time: Timestamp,
}

#[async_trait]
impl SessionStore for Store {
    async fn create(&self, _record: &mut Record) -> session_store::Result<()> {
        Ok(())
    }

    async fn save(&self, _record: &Record) -> session_store::Result<()> {
        Ok(())
    }

    async fn load(&self, id: &Id) -> session_store::Result<Option<Record>> {
        let found = self.sessions.find(&hash(*id)).await;
        let Some(live) = found.map_err(|error| session_store::Error::Backend(error.to_string()))? else {
            return Ok(None);
        };
        let held = Held { id: live.id, user: live.user, provider: live.provider, auth_time: live.auth_time };
        let value = serde_json::to_value(held).map_err(|error| session_store::Error::Encode(error.to_string()))?;
        let expiry_date = time::OffsetDateTime::from_unix_timestamp(Timestamp::MAX.as_seconds());
        let expiry_date = expiry_date.map_err(|error| session_store::Error::Encode(error.to_string()))?;
        Ok(Some(Record { id: *id, data: HashMap::from([(KEY.to_owned(), value)]), expiry_date }))
    }

    async fn delete(&self, _id: &Id) -> session_store::Result<()> {
        Ok(())
    }
}

/// What the database knows of a session id.
fn hash(id: Id) -> [u8; 32] {
    cookie_hash(&id.0.to_be_bytes())
}

/// Begins a session under a new id and gives the hash under which the login must write it. The cookie is set with the
/// answer.
pub(super) async fn begin(session: &Session) -> Result<[u8; 32], tower_sessions::session::Error> {
    session.clear().await;
    session.cycle_id().await?;
    // Whatever is inserted makes the layer send the cookie; what counts is read from the row at the next request.
    session.insert(KEY, true).await?;
    session.save().await?;
    session.id().map(hash).ok_or_else(|| session_store::Error::Backend("no session id".to_owned()).into())
}

/// Takes the cookie away from the browser.
pub(super) async fn forget(session: &Session) {
    if let Err(error) = session.flush().await {
        tracing::warn!(%error, "a session cookie could not be taken back; the session itself has ended");
    }
}

/// The hash of the session that a request came with.
pub(super) fn present_hash(session: &Session) -> Option<[u8; 32]> {
    session.id().map(hash)
}

/// Somebody who is logged in with a browser.
#[derive(Clone, Debug)]
pub(super) struct Visitor {
    /// For the service.
    pub caller: Caller,
    /// Their session.
    pub session: LiveSession,
    /// Whether they administrate.
    pub is_admin: bool,
}

impl Visitor {
    /// What pages show of them.
    pub fn me(&self) -> MeView {
        me(&self.caller.user, self.is_admin)
    }

    /// Where to log in again so that it counts as fresh, and come back.
    pub fn fresh_login_path(&self, return_to: &str) -> String {
        fresh_login_path(&self.session.provider, return_to)
    }
}

/// What is shown of somebody.
pub(super) fn me(user: &User, is_admin: bool) -> MeView {
    MeView {
        id: user.id,
        username: user.profile.username.clone(),
        email: user.profile.email.clone(),
        roles: user.profile.roles.iter().cloned().collect(),
        attributes: user.profile.attributes.clone(),
        is_admin,
    }
}

/// Where to log in again through a provider so that it counts as fresh, and come back.
pub(super) fn fresh_login_path(provider: &str, return_to: &str) -> String {
    let query: String = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("return_to", return_to)
        .append_pair("fresh", "1")
        .finish();
    format!("/auth/{provider}/login?{query}")
}

/// Nobody can say who is logged in.
#[derive(Debug)]
pub(super) struct SessionUnavailable;

/// Who is logged in, if anybody.
pub(super) async fn visitor(parts: &Parts, web: &Web) -> Result<Option<Visitor>, SessionUnavailable> {
    let Some(session) = parts.extensions.get::<Session>() else { return Ok(None) };
    let held: Option<Held> = session.get(KEY).await.map_err(|error| {
        tracing::error!(%error, "a session could not be read");
        SessionUnavailable
    })?;
    let Some(held) = held else { return Ok(None) };
    let live = LiveSession { id: held.id, user: held.user, provider: held.provider, auth_time: held.auth_time };
    let user = web.sessions.user(&live).await.map_err(|error| {
        tracing::error!(%error, "a user could not be read");
        SessionUnavailable
    })?;
    let origin = parts.extensions.get::<Origin>().cloned().unwrap_or_default();
    let origin = Origin { session: Some(live.id), ..origin };
    Ok(user.map(|user| Visitor {
        // The same person may have come through another provider since.
        is_admin: web.admin_rule.admits(&user) && web.admin_rule.trusts(&live.provider),
        caller: Caller { user, auth_time: live.auth_time, origin },
        session: live,
    }))
}

/// For pages that everybody may see.
pub(super) struct MaybeVisitor(pub Option<Visitor>);

impl FromRequestParts<Web> for MaybeVisitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Response> {
        match visitor(parts, web).await {
            Ok(visitor) => Ok(Self(visitor)),
            Err(SessionUnavailable) => Err(page::unavailable(web, page::request_id(&parts.extensions)).await),
        }
    }
}

/// For pages that need a login: without one, the browser is sent to it and comes back afterwards.
impl FromRequestParts<Web> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Response> {
        let MaybeVisitor(visitor) = MaybeVisitor::from_request_parts(parts, web).await?;
        visitor.ok_or_else(|| {
            if parts.method.is_safe() {
                let wanted = parts.uri.path_and_query().map_or("/", |path| path.as_str());
                Redirect::to(&login_path(&[("return_to", wanted)])).into_response()
            } else {
                over(page_of_form(parts.uri.path()))
            }
        })
    }
}

/// For pages of administrators. Nobody else is told that there is something.
pub(super) struct AdminVisitor {
    /// For the service.
    pub administrator: Administrator,
    /// For the page.
    pub visitor: Visitor,
}

impl FromRequestParts<Web> for AdminVisitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Response> {
        let visitor = Visitor::from_request_parts(parts, web).await?;
        let actor = Actor { credential: Credential::Session, is_admin: visitor.is_admin };
        match Administrator::admit(visitor.caller.clone(), actor) {
            Ok(administrator) => Ok(Self { administrator, visitor }),
            Err(_) => Err(page::missing(web, Some(visitor.me()), page::request_id(&parts.extensions)).await),
        }
    }
}

/// For a form that came after its session had ended: the login page says that nothing was done, and leads back.
pub(super) fn over(return_to: &str) -> Response {
    Redirect::to(&login_path(&[("return_to", return_to), ("ended", "1")])).into_response()
}

fn login_path(parameters: &[(&str, &str)]) -> String {
    let query: String = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    format!("/login?{query}")
}

/// The page with the form that is posted to a path.
fn page_of_form(path: &str) -> &str {
    match path {
        "/admin/tokens/revoke" => "/admin/tokens",
        path if path.starts_with("/ui/") => "/tokens",
        path => ["/sessions", "/enable", "/export"].iter().find_map(|end| path.strip_suffix(end)).unwrap_or(path),
    }
}

/// For the API: without a session, a problem instead of a page.
pub(super) async fn api_visitor(parts: &Parts, web: &Web) -> Result<Option<Visitor>, Response> {
    visitor(parts, web).await.map_err(|SessionUnavailable| Problem::new(Slug::Unavailable).respond(web))
}
