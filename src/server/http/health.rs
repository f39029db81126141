//! `/healthz`, `/readyz`, `/metrics`.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;

use super::Web;

/// The process lives.
pub(super) async fn alive() -> impl IntoResponse {
    ([(header::CACHE_CONTROL, "no-store")], "ok\n")
}

/// The store answers, and this replica is up to date.
pub(super) async fn ready(State(web): State<Web>) -> impl IntoResponse {
    let no_store = [(header::CACHE_CONTROL, "no-store")];
    match web.readiness.examine().await {
        Ok(()) => (StatusCode::OK, no_store, "ready\n".to_owned()),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, no_store, format!("{reason}\n")),
    }
}

/// Prometheus exposition format.
pub(super) async fn metrics(State(web): State<Web>) -> impl IntoResponse {
    // As it is now: nothing that a replica does by itself can be relied on where it is cut off.
    web.metrics.note_lease(web.readiness.is_believed());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], web.metrics.render())
}
