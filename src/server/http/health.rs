//! `/healthz`, `/readyz`, `/metrics`.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;

use super::Web;

/// The process lives.
pub(super) async fn alive() -> impl IntoResponse {
    ([(header::CACHE_CONTROL, "no-store")], "ok\n")
}

/// The store answers.
pub(super) async fn ready(State(web): State<Web>) -> impl IntoResponse {
    let no_store = [(header::CACHE_CONTROL, "no-store")];
    if web.readiness.is_ready().await {
        (StatusCode::OK, no_store, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, no_store, "the database does not answer\n")
    }
}

/// Prometheus exposition format.
pub(super) async fn metrics(State(web): State<Web>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], web.metrics.render())
}
