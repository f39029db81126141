//! "Whose token is this?"

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use leptos::prelude::*;

use super::super::super::form::Fields;
use super::super::super::session::AdminVisitor;
use super::super::super::{Web, page};
use super::failed;
use crate::server::service::admin::Identified;
use crate::server::ui::pages::admin::identify::IdentifyPage;

/// The form.
pub(in crate::server::http) async fn ask(State(web): State<Web>, admin: AdminVisitor) -> Response {
    render(&web, &admin, None).await
}

/// What was found. The answer is no redirect: what was pasted is in no address.
pub(in crate::server::http) async fn answer(State(web): State<Web>, admin: AdminVisitor, fields: Fields) -> Response {
    match web.admin.identify(&admin.administrator, &fields.get("text")).await {
        Ok(found) => render(&web, &admin, Some(found)).await,
        Err(error) => failed(&web, &admin, &error).await,
    }
}

async fn render(web: &Web, admin: &AdminVisitor, found: Option<Vec<Identified>>) -> Response {
    let now = web.clock.now();
    let view = move || view! { <IdentifyPage found=found.clone() now=now/> };
    page::render(web, StatusCode::OK, Some(admin.visitor.me()), "/admin/identify", view).await
}
