//! What administrators do.

pub(super) mod filter;
pub(super) mod tokens;
pub(super) mod users;
mod wire;

use axum::Router;
use axum::routing::{get, post};

use super::super::Web;
use super::audit;

pub(in super::super) use wire::{read_mark, read_person, write_mark, write_person};

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/api/v1/admin/tokens", get(tokens::list))
        .route("/api/v1/admin/tokens/revoke", post(tokens::revoke_all))
        .route("/api/v1/admin/tokens/{id}", get(tokens::get))
        .route("/api/v1/admin/tokens/{id}/revoke", post(tokens::revoke))
        .route("/api/v1/admin/users", get(users::list))
        .route("/api/v1/admin/users/{id}/disable", post(users::disable))
        .route("/api/v1/admin/users/{id}/enable", post(users::enable))
        .route("/api/v1/admin/audit", get(audit::all))
        .route("/api/v1/admin/identify", post(tokens::identify))
}
