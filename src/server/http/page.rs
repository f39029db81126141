//! Sending pages: rendered on the server, under a content security policy with a nonce of their own.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::{Extensions, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use leptos::nonce::Nonce;
use leptos::prelude::*;

use super::api::ApiAdmin;
use super::problem::{Problem, RETRY_AFTER, Slug};
use super::session::AdminVisitor;
use super::{Web, session};
use crate::domain::audit::Origin;
use crate::domain::entropy;
use crate::domain::view::MeView;
use crate::server::ui::app::{Document, View};
use crate::server::ui::pages::ErrorPage;

/// Renders a page.
///
/// `view` is called once; it is `Fn` because the renderer wants it so.
pub(super) async fn render<IV>(
    web: &Web,
    status: StatusCode,
    me: Option<MeView>,
    path: &str,
    view: impl Fn() -> IV + Send + Sync + 'static,
) -> Response
where
    IV: IntoView + 'static,
{
    let nonce = STANDARD.encode(entropy::bytes::<16>(&*web.entropy));
    let policy = content_security_policy(web, &nonce);
    let context = move || provide_context(Nonce::from_value(nonce.as_str()));
    let view: View = Arc::new(move || view().into_any());
    let path = path.to_owned();
    let app = move || view! { <Document me=me.clone() path=path.clone() view=view.clone()/> };
    let renderer = leptos_axum::render_app_async_with_context(context, app);
    let mut response = renderer(Request::new(Body::empty())).await;
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
    }
    if let Ok(policy) = HeaderValue::try_from(policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// Scripts only of our own and with the nonce of this page. Browsers apply `form-action` to redirects after a submit, so
/// the logout of a provider has to be named.
fn content_security_policy(web: &Web, nonce: &str) -> String {
    let mut form_action = String::from("'self'");
    for provider in web.providers.iter() {
        if let Some(origin) = provider.logout_origin() {
            form_action.push(' ');
            form_action.push_str(&origin);
        }
    }
    format!(
        "default-src 'none'; script-src 'self' 'nonce-{nonce}' 'wasm-unsafe-eval'; style-src 'self'; connect-src 'self'; \
         img-src 'self' data:; font-src 'self'; base-uri 'none'; object-src 'none'; form-action {form_action}; \
         frame-ancestors 'none'"
    )
}

/// A page about something that went wrong.
pub(super) async fn error(
    web: &Web,
    me: Option<MeView>,
    status: StatusCode,
    title: &str,
    advice: &str,
    request_id: Option<String>,
) -> Response {
    let (title, advice) = (title.to_owned(), advice.to_owned());
    let code = status.as_u16();
    let view = move || {
        view! { <ErrorPage status=code title=title.clone() advice=advice.clone() request_id=request_id.clone()/> }
    };
    render(web, status, me, "", view).await
}

/// The page for our own trouble.
pub(super) async fn unavailable(web: &Web, request_id: Option<String>) -> Response {
    let slug = Slug::Unavailable;
    error(web, None, slug.status(), slug.title(), slug.text(), request_id).await
}

/// The page for an address at which there is nothing, also for what belongs to others.
pub(super) async fn missing(web: &Web, me: Option<MeView>, request_id: Option<String>) -> Response {
    let title = "There is nothing here";
    let advice = "The address may be mistyped, or what was here is not yours. Your tokens are on the home page.";
    error(web, me, StatusCode::NOT_FOUND, title, advice, request_id).await
}

/// What is answered where no route is.
pub(super) async fn not_found(State(web): State<Web>, request: Request) -> Response {
    if wants_json(request.uri().path()) {
        return Problem::new(Slug::NotFound).respond(&web);
    }
    let (parts, _) = request.into_parts();
    let me = session::visitor(&parts, &web).await.ok().flatten().map(|visitor| visitor.me());
    missing(&web, me, request_id(&parts.extensions)).await
}

/// What is answered where a route does not take the method. Of the routes of administrators only they are told even that.
pub(super) async fn method_not_allowed(State(web): State<Web>, request: Request) -> Response {
    let slug = Slug::MethodNotAllowed;
    let (mut parts, _) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let turned_away = if is_below(&path, "/api/v1/admin") {
        ApiAdmin::from_request_parts(&mut parts, &web).await.err()
    } else if is_below(&path, "/admin") {
        AdminVisitor::from_request_parts(&mut parts, &web).await.err()
    } else {
        None
    };
    match turned_away {
        Some(answer) => answer,
        None if wants_json(&path) => Problem::new(slug).respond(&web),
        None => error(&web, None, slug.status(), slug.title(), slug.text(), request_id(&parts.extensions)).await,
    }
}

/// Which methods a route takes is said only where it is the answer: elsewhere it would tell that there is a route.
pub(super) async fn hide_methods(mut response: Response) -> Response {
    if response.status() != StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().remove(header::ALLOW);
    }
    response
}

fn is_below(path: &str, root: &str) -> bool {
    path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether an address is answered with problems instead of pages.
pub(super) fn wants_json(path: &str) -> bool {
    path.starts_with("/api/v1") || path.starts_with("/oauth/")
}

/// The name of a request.
pub(super) fn request_id(extensions: &Extensions) -> Option<String> {
    extensions.get::<Origin>().and_then(|origin| origin.request_id.clone())
}

/// 303: look there, with GET (RFC 9110, section 15.4.4).
pub(super) fn see_other(path: &str) -> Response {
    axum::response::Redirect::to(path).into_response()
}
