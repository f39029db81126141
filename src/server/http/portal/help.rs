//! Pages that everybody may read.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use leptos::prelude::*;

use super::super::problem::Slug;
use super::super::session::{MaybeVisitor, Visitor};
use super::super::{Web, api, page};
use crate::server::ui::pages::{ApiDocsPage, HelpPage, ProblemPage};

/// How to make, use and look after tokens.
pub(in crate::server::http) async fn help(State(web): State<Web>, MaybeVisitor(visitor): MaybeVisitor) -> Response {
    let (public_url, prefix, logged_in) = (web.public_url.to_string(), web.prefix.clone(), visitor.is_some());
    let view = move || {
        view! { <HelpPage public_url=public_url.clone() header_prefix=prefix.clone() logged_in=logged_in/> }
    };
    page::render(&web, StatusCode::OK, visitor.as_ref().map(Visitor::me), "/help", view).await
}

/// The API, for people.
pub(in crate::server::http) async fn api_docs(State(web): State<Web>, MaybeVisitor(visitor): MaybeVisitor) -> Response {
    let document = api::document(&web);
    let view = move || view! { <ApiDocsPage document=document.clone()/> };
    page::render(&web, StatusCode::OK, visitor.as_ref().map(Visitor::me), "/api/docs", view).await
}

/// What a kind of problem means.
pub(in crate::server::http) async fn problem(
    State(web): State<Web>,
    MaybeVisitor(visitor): MaybeVisitor,
    Path(name): Path<String>,
) -> Response {
    let me = visitor.as_ref().map(Visitor::me);
    let Some(slug) = Slug::ALL.iter().copied().find(|slug| slug.as_str() == name) else {
        return page::missing(&web, me, None).await;
    };
    let view = move || {
        view! { <ProblemPage slug=slug.as_str().to_owned() title=slug.title().to_owned() text=slug.text().to_owned()/> }
    };
    page::render(&web, StatusCode::OK, me, "", view).await
}
