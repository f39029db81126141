//! Logging in and out.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use leptos::prelude::*;
use serde::Deserialize;
use tower_sessions::Session;
use url::form_urlencoded::Serializer;

use super::params::Params;
use super::session::MaybeVisitor;
use super::{Web, cookies, page, session};
use crate::domain::audit::Origin;
use crate::domain::paste::masked;
use crate::domain::user::ExternalIdentity;
use crate::server::config::PublicUrl;
use crate::server::identity::{CallbackParams, LoginError, PendingLogin, Provider, VerifiedLogin};
use crate::server::service::StoreError;
use crate::server::service::logins::{LoginOutcome, RefusedLogin};
use crate::server::ui::pages::{LoginPage, LoginProblem, LoginReason, ProviderButton};

/// Where a login leads when nothing else was wanted.
const HOME: &str = "/tokens";

/// Longest path that a login leads to. It is kept in a cookie, and the cookies of five logins must fit into a request.
const RETURN_TO_MAX: usize = 1_024;

/// The routes.
pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/login", get(show))
        .route("/auth/{name}/login", get(begin))
        .route("/auth/{name}/callback", get(finish))
        .route("/auth/logout", post(log_out))
}

#[derive(Default, Deserialize)]
struct LoginQuery {
    return_to: Option<String>,
    fresh: Option<String>,
    ended: Option<String>,
}

/// The login page; somebody who is logged in already goes on.
async fn show(
    State(web): State<Web>,
    MaybeVisitor(visitor): MaybeVisitor,
    Params(query): Params<LoginQuery>,
) -> Response {
    let return_to = local_path(&web.public_url, query.return_to.as_deref());
    if visitor.is_some() {
        return page::see_other(&return_to);
    }
    let why = query.ended.map(|_| LoginReason::SessionEnded);
    login_page(&web, StatusCode::OK, &return_to, why).await
}

async fn login_page(web: &Web, status: StatusCode, return_to: &str, why: Option<LoginReason>) -> Response {
    let query: String = Serializer::new(String::new()).append_pair("return_to", return_to).finish();
    let button = |provider: &Provider| ProviderButton {
        label: provider.name().to_owned(),
        href: format!("/auth/{}/login?{query}", provider.name()),
    };
    let providers: Vec<_> = web.providers.iter().map(button).collect();
    let view = move || view! { <LoginPage providers=providers.clone() why=why.clone()/> };
    page::render(web, status, None, "/login", view).await
}

/// Sends the browser to the provider.
async fn begin(
    State(web): State<Web>,
    Path(name): Path<String>,
    Params(query): Params<LoginQuery>,
    parts: Parts,
) -> Response {
    let Some(provider) = web.providers.get(&name) else {
        return page::missing(&web, None, page::request_id(&parts.extensions)).await;
    };
    let return_to = local_path(&web.public_url, query.return_to.as_deref());
    let max_age = web.fresh_login.filter(|_| query.fresh.is_some());
    match provider.begin(&return_to, max_age).await {
        Ok((url, pending)) => send_away(&web, &parts.headers, url.as_str(), &pending),
        Err(error) => failed(&web, &error, &return_to, &parts).await,
    }
}

fn send_away(web: &Web, headers: &HeaderMap, url: &str, pending: &PendingLogin) -> Response {
    let name = cookies::pending_name(&web.public_url, &pending.state);
    let sealed = serde_json::to_vec(pending).ok().and_then(|plain| web.keys.seal_login(&name, &plain));
    let mut response = Redirect::to(url).into_response();
    let old = cookies::superfluous_pending(headers, &web.public_url);
    let removals = old.iter().filter_map(|name| cookies::remove(&web.public_url, name));
    let cookie = sealed.and_then(|sealed| cookies::set_pending(&web.public_url, &name, &sealed));
    for value in removals.chain(cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}

/// Takes the browser back from the provider.
async fn finish(
    State(web): State<Web>,
    Path(name): Path<String>,
    Params(params): Params<CallbackParams>,
    session: Session,
    parts: Parts,
) -> Response {
    let Some(provider) = web.providers.get(&name) else {
        return page::missing(&web, None, page::request_id(&parts.extensions)).await;
    };
    let cookie = cookies::pending_name(&web.public_url, params.state.as_deref().unwrap_or_default());
    let Some(pending) = open_pending(&web, &parts.headers, &cookie) else {
        return failed(&web, &LoginError::NotStartedHere, HOME, &parts).await;
    };
    let mut response = match provider.finish(&pending, params).await {
        Ok(login) => open_session(&web, &login, &session, &pending.return_to, &parts).await,
        Err(error) => failed(&web, &error, &pending.return_to, &parts).await,
    };
    if let Some(value) = cookies::remove(&web.public_url, &cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}

fn open_pending(web: &Web, headers: &HeaderMap, cookie: &str) -> Option<PendingLogin> {
    let plain = web.keys.open_login(cookie, cookies::get(headers, cookie)?)?;
    serde_json::from_slice(&plain).ok()
}

/// Rotates the session and lets the person in.
async fn open_session(web: &Web, login: &VerifiedLogin, session: &Session, return_to: &str, parts: &Parts) -> Response {
    let origin = parts.extensions.get::<Origin>().cloned().unwrap_or_default();
    let previous = session::present_hash(session);
    let Ok(id_hash) = session::begin(session).await else {
        return page::unavailable(web, origin.request_id).await;
    };
    let outcome: Result<_, StoreError> = async {
        if let Some(previous) = previous {
            web.sessions.replace(&previous, &origin).await?;
        }
        web.logins.complete(login, id_hash, &origin).await
    }
    .await;
    match outcome {
        Ok(LoginOutcome::Admitted) => page::see_other(return_to),
        Ok(LoginOutcome::Disabled) => {
            session::forget(session).await;
            let advice =
                "Your account here was disabled by an administrator. Please ask them if you think that is a mistake.";
            refused(web, StatusCode::FORBIDDEN, "Your account is disabled", advice, return_to, &origin).await
        }
        Err(error) => {
            tracing::error!(%error, "a login could not be written");
            session::forget(session).await;
            page::unavailable(web, origin.request_id).await
        }
    }
}

/// Records a refusal of a verified person, and says what happened and what to do.
async fn failed(web: &Web, error: &LoginError, return_to: &str, parts: &Parts) -> Response {
    let origin = parts.extensions.get::<Origin>().cloned().unwrap_or_default();
    tracing::warn!(%error, "a login failed");
    if let Some(reason) = error.refusal() {
        let provider = parts.uri.path().split('/').nth(2).unwrap_or_default();
        let issuer = web.providers.get(provider).map(|provider| provider.issuer().to_owned()).unwrap_or_default();
        let who = error.who().cloned().unwrap_or_default();
        let login = RefusedLogin {
            provider: provider.to_owned(),
            identity: ExternalIdentity { issuer, subject: who.subject },
            username: who.username,
            reason,
            is_barred: matches!(error, LoginError::NotAllowed { .. }),
        };
        if let Err(error) = web.logins.refuse(&login, &origin).await {
            tracing::error!(%error, "a refused login could not be recorded");
            return page::unavailable(web, origin.request_id).await;
        }
    }
    let (status, title, advice) = explain(error);
    refused(web, status, title, advice, return_to, &origin).await
}

async fn refused(
    web: &Web,
    status: StatusCode,
    title: &str,
    advice: &str,
    return_to: &str,
    origin: &Origin,
) -> Response {
    let problem = LoginProblem {
        title: title.to_owned(),
        advice: advice.to_owned(),
        request_id: origin.request_id.clone().unwrap_or_default(),
    };
    login_page(web, status, return_to, Some(LoginReason::Failed(problem))).await
}

fn explain(error: &LoginError) -> (StatusCode, &'static str, &'static str) {
    match error {
        LoginError::ProviderUnavailable(_) => (
            StatusCode::BAD_GATEWAY,
            "The login provider does not answer",
            "Please try again in a minute. Your tokens keep working meanwhile. If it goes on, tell your administrator.",
        ),
        LoginError::ProviderRefused(_) => (
            StatusCode::FORBIDDEN,
            "The login was not completed",
            "The login provider ended the login, or you cancelled it. You can simply try again.",
        ),
        LoginError::NotStartedHere | LoginError::TooLate => (
            StatusCode::BAD_REQUEST,
            "This login has expired",
            "It was started in another browser, or too long ago. Please log in again.",
        ),
        LoginError::Unverified(_) => (
            StatusCode::FORBIDDEN,
            "The login could not be verified",
            "The answer of the login provider does not prove who you are. Please try again; if it goes on, tell your administrator.",
        ),
        LoginError::NotFresh { .. } => (
            StatusCode::FORBIDDEN,
            "The login provider did not ask you again",
            "This step needs a fresh login. Please log out at the login provider and try again.",
        ),
        LoginError::NotAllowed { .. } => (
            StatusCode::FORBIDDEN,
            "You may not use this service",
            "Your login worked, but your account lacks what is required here. Please ask your administrator for access.",
        ),
        LoginError::TooManyGroups { .. } => (
            StatusCode::FORBIDDEN,
            "The login provider left out your groups",
            "You are in so many groups that the provider does not list them, so your rights are unknown. Your administrator can let the provider send only the groups that matter here.",
        ),
    }
}

/// Ends the session, and the provider's own where it offers that.
async fn log_out(
    State(web): State<Web>,
    session: Session,
    MaybeVisitor(visitor): MaybeVisitor,
    parts: Parts,
) -> Response {
    let Some(visitor) = visitor else { return page::see_other("/login") };
    let origin = parts.extensions.get::<Origin>().cloned().unwrap_or_default();
    if let Some(id_hash) = session::present_hash(&session) {
        let ended = web.sessions.log_out(&id_hash, &visitor.caller.user, &visitor.session, &origin).await;
        if let Err(error) = ended {
            tracing::error!(%error, "a session could not be ended");
            return page::unavailable(&web, origin.request_id).await;
        }
    }
    session::forget(&session).await;
    let url = web.providers.get(&visitor.session.provider).and_then(Provider::logout_url);
    let mut response = url.map_or_else(|| page::see_other("/login"), |url| page::see_other(url.as_str()));
    response.headers_mut().insert("clear-site-data", HeaderValue::from_static("\"cache\""));
    response
}

/// Whether a login can lead to a path.
pub(super) const fn is_way_back(path: &str) -> bool {
    path.len() <= RETURN_TO_MAX
}

/// A page with as much of what was typed as a login can lead back to. What no longer fits has to be typed again, so long
/// texts come last; and so has a token's secret, which belongs into no address.
pub(super) fn way_back<'f>(page: &str, typed: impl IntoIterator<Item = (&'f str, &'f str)>) -> String {
    let typed = typed.into_iter().filter(|(_, value)| !value.is_empty());
    typed.fold(page.to_owned(), |page, (name, value)| {
        let pair: String = Serializer::new(String::new()).append_pair(name, &masked(value)).finish();
        let longer = format!("{page}{}{pair}", if page.contains('?') { '&' } else { '?' });
        if is_way_back(&longer) { longer } else { page }
    })
}

/// Where a login may lead: a path of our own, judged after parsing, which can make it longer, else the home page.
pub(super) fn local_path(public_url: &PublicUrl, wanted: Option<&str>) -> String {
    let parse = || {
        let wanted = wanted.filter(|wanted| wanted.starts_with('/'))?;
        let base = url::Url::parse(public_url.as_str()).ok()?;
        let target = base.join(wanted).ok().filter(|target| target.origin() == base.origin())?;
        let query = target.query().map(|query| format!("?{query}")).unwrap_or_default();
        Some(format!("{}{query}", target.path())).filter(|path| !path.starts_with("//") && path.len() <= RETURN_TO_MAX)
    };
    parse().unwrap_or_else(|| HOME.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_leads_only_to_our_own_pages() {
        let url = PublicUrl::parse("https://tokens.example.org").unwrap();
        let local = |wanted| local_path(&url, Some(wanted));
        for (wanted, path) in
            [("/tokens/new?name=a%20b", "/tokens/new?name=a%20b"), ("/help#x", "/help"), ("/a/../b", "/b")]
        {
            assert_eq!(local(wanted), path);
        }
        for foreign in [
            "",
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "/%09/../..//evil.example",
            "javascript:alert(1)",
            "/./\\/evil.example",
            "///evil.example",
            "/..//evil.example",
        ] {
            let path = local(foreign);
            assert!(path.starts_with('/') && !path.starts_with("//"), "{foreign:?} leads to {path:?}");
            let target = url::Url::parse(url.as_str()).unwrap().join(&path).unwrap();
            assert_eq!(target.host_str(), Some("tokens.example.org"), "{foreign:?}");
        }
        assert_eq!(local_path(&url, None), "/tokens");
    }

    #[test]
    fn a_path_too_long_for_a_cookie_is_forgotten() {
        let url = PublicUrl::parse("https://tokens.example.org").unwrap();
        let longest = format!("/tokens?q={}", "x".repeat(RETURN_TO_MAX - 10));
        assert_eq!(local_path(&url, Some(&longest)), longest);
        // Three times as long once it is encoded.
        let accented = format!("/tokens?q={}", "é".repeat(RETURN_TO_MAX / 4));
        for long in [format!("{longest}x"), accented, "/".repeat(100_000)] {
            assert_eq!(local_path(&url, Some(&long)), "/tokens", "{} bytes", long.len());
        }
    }
}
