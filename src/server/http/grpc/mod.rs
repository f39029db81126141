//! gRPC: `envoy.service.auth.v3.Authorization`, which Envoy and what is built on it ask, and `grpc.health.v1.Health`.

mod answer;
mod authorization;
mod health;

use std::convert::Infallible;
use std::task::{Context, Poll};

use axum::extract::Request;
use envoy_types::ext_authz::v3::pb::AuthorizationServer;
use http::Response;
use tonic::body::Body;
use tonic::codegen::BoxFuture;
use tonic_health::pb::health_server::{HealthServer, SERVICE_NAME as HEALTH};
use tower::Service;

use super::Web;
use authorization::ExtAuthz;
use health::Health;

/// Longest message, in bytes: more than twice the headers that Envoy lets pass unless it is told otherwise (60 KiB).
/// Beyond it there is an error instead of an answer, which Envoy's `failure_mode_allow` lets pass, so that clients must
/// not be able to reach it.
const MESSAGE_MAX: usize = 128 * 1024;

/// All gRPC services.
#[derive(Clone)]
pub struct Grpc {
    authorization: AuthorizationServer<ExtAuthz>,
    health: HealthServer<Health>,
}

impl Grpc {
    /// The services, on the same parts as the routes.
    #[must_use]
    pub fn new(web: &Web) -> Self {
        let authorization = AuthorizationServer::new(ExtAuthz::new(web.clone()));
        let health = HealthServer::new(Health::new(web.readiness.clone()));
        Self {
            authorization: authorization.max_decoding_message_size(MESSAGE_MAX),
            health: health.max_decoding_message_size(MESSAGE_MAX),
        }
    }
}

impl std::fmt::Debug for Grpc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Grpc").finish_non_exhaustive()
    }
}

impl Service<Request> for Grpc {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    /// What neither service knows is answered with `UNIMPLEMENTED`.
    fn call(&mut self, request: Request) -> Self::Future {
        let service = request.uri().path().trim_start_matches('/').split('/').next();
        if service == Some(HEALTH) { self.health.call(request) } else { self.authorization.call(request) }
    }
}
