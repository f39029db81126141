//! The way in: the hot path first, then the routes of the site.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use tower::{Service, ServiceExt as _};

use super::accept::Arrival;
use super::{Peer, Web, check};

/// Answers requests.
pub trait Handler: Clone + Send + Sync + 'static {
    /// Answers one.
    fn handle(&self, arrival: Arrival) -> impl Future<Output = Response> + Send;
}

impl Handler for Router {
    async fn handle(&self, arrival: Arrival) -> Response {
        let Ok(response) = self.clone().oneshot(arrival.into_request()).await;
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
    async fn handle(&self, arrival: Arrival) -> Response {
        match check::Form::of(arrival.path()) {
            Some(form) => {
                let peer = arrival.peer;
                check::answer(&self.web, form, peer, &arrival.into_head()).await
            }
            None => self.site.handle(arrival).await,
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
        let Self { web, site } = self.clone();
        Box::pin(async move {
            match check::Form::of(request.uri().path()) {
                Some(form) => {
                    let peer = request.extensions().get().copied().unwrap_or(Peer::NOBODY);
                    Ok(check::answer(&web, form, peer, &request.into_parts().0).await)
                }
                None => site.oneshot(request).await,
            }
        })
    }
}
