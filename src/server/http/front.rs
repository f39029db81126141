//! The way in: the hot path first, then the routes of the site.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use tower::{Service, ServiceExt as _};

use super::{Web, check};

/// Answers requests.
pub trait Handler: Clone + Send + Sync + 'static {
    /// Answers one.
    fn handle(&self, request: Request) -> impl Future<Output = Response> + Send;
}

impl Handler for Router {
    async fn handle(&self, request: Request) -> Response {
        let Ok(response) = self.clone().oneshot(request).await;
        response
    }
}

/// Every route of the web server. `/check` is asked far more often than everything else together, needs no layer of the
/// site, and is recognised by three comparisons, so it does not go through the router.
#[derive(Clone)]
pub struct Front {
    web: Web,
    site: Router,
}

impl Front {
    pub(super) const fn new(web: Web, site: Router) -> Self {
        Self { web, site }
    }
}

impl std::fmt::Debug for Front {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Front").finish_non_exhaustive()
    }
}

impl Handler for Front {
    async fn handle(&self, request: Request) -> Response {
        match check::Form::of(request.uri().path()) {
            // The body is dropped unread.
            Some(form) => check::answer(&self.web, form, &request.into_parts().0).await,
            None => self.site.handle(request).await,
        }
    }
}

/// The same for everything that speaks tower.
impl Service<Request> for Front {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let front = self.clone();
        Box::pin(async move { Ok(front.handle(request).await) })
    }
}
