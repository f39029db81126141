//! `grpc.health.v1.Health`: the same as `/readyz`, for load balancers and orchestrators that speak gRPC.

use envoy_types::pb::envoy::service::auth::v3::authorization_server::SERVICE_NAME as AUTHORIZATION;
use futures_util::stream::Empty;
use tonic::{Request, Response, Status};
use tonic_health::ServingStatus;
use tonic_health::pb::{self, HealthCheckRequest, HealthCheckResponse};

use crate::server::service::readiness::Readiness;

/// Tells whether checks can be answered.
pub(super) struct Health(Readiness);

impl Health {
    pub const fn new(readiness: Readiness) -> Self {
        Self(readiness)
    }
}

#[tonic::async_trait]
impl pb::health_server::Health for Health {
    async fn check(&self, request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        if !matches!(request.get_ref().service.as_str(), "" | AUTHORIZATION) {
            return Err(Status::not_found("no such service"));
        }
        let status = if self.0.examine().await.is_ok() { ServingStatus::Serving } else { ServingStatus::NotServing };
        Ok(Response::new(HealthCheckResponse { status: pb::health_check_response::ServingStatus::from(status).into() }))
    }

    type WatchStream = Empty<Result<HealthCheckResponse, Status>>;

    async fn watch(&self, _: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("please ask Check now and then"))
    }
}
