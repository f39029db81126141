//! What the panel opens with.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use leptos::prelude::*;

use super::super::super::session::AdminVisitor;
use super::super::super::{Web, page};
use super::failed;
use crate::server::service::log::LogFilter;
use crate::server::ui::pages::admin::overview::OverviewPage;

/// Events on the page.
const SHOWN: u32 = 10;

/// The page.
pub(in crate::server::http) async fn show(State(web): State<Web>, admin: AdminVisitor) -> Response {
    let events = match web.log.all_named(&admin.administrator, &LogFilter::default(), None, SHOWN).await {
        Ok(events) => events.items,
        Err(error) => return failed(&web, &admin, &error.into()).await,
    };
    let (figures, now) = (web.overview.figures(&admin.administrator).await, web.clock.now());
    let view = move || view! { <OverviewPage figures=figures.clone() events=events.clone() now=now/> };
    page::render(&web, StatusCode::OK, Some(admin.visitor.me()), "/admin", view).await
}
