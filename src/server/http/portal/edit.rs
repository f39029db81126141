//! The form that renames a token or takes scopes from it.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use leptos::prelude::*;

use super::super::form::Fields;
use super::super::{Web, page};
use super::new_token::{Refusal, refusal};
use super::{OwnToken, unexpected};
use crate::server::service::tokens::EditToken;
use crate::server::ui::pages::{EditTokenForm, EditTokenPage};

/// The form, filled in.
pub(in crate::server::http) async fn show(State(web): State<Web>, own: OwnToken) -> Response {
    let token = &own.token;
    if token.revoked_at.is_some() {
        return page::see_other(&format!("/tokens/{}", token.id));
    }
    let form = EditTokenForm {
        name: token.name.clone(),
        description: token.description.clone(),
        scopes: token.scopes.iter().map(ToString::to_string).collect(),
    };
    render(&web, own, form, Refusal::none(None)).await
}

/// Saves the changes, or shows the form again with everything that was typed.
pub(in crate::server::http) async fn submit(State(web): State<Web>, own: OwnToken, fields: Fields) -> Response {
    let form =
        EditTokenForm { name: fields.get("name"), description: fields.get("description"), scopes: fields.all("scope") };
    let request = EditToken {
        name: Some(form.name.clone()),
        description: Some(form.description.clone()),
        scopes: Some(form.scopes.clone()),
        // A form without its version is none that we made: it matches nothing.
        if_version: Some(fields.get("version").parse().unwrap_or_default()),
    };
    match web.tokens.edit(&own.visitor.caller, own.token.id, &request).await {
        Ok(token) => page::see_other(&format!("/tokens/{}?notice=saved", token.id)),
        Err(error) => match refusal(&own.visitor, error, &format!("/tokens/{}/edit", own.token.id)) {
            Ok(mut refusal) => {
                // Whoever must look at it again is led there.
                if let Some(problem) = refusal.problem.as_mut().filter(|_| refusal.status == StatusCode::CONFLICT) {
                    problem.link = Some((format!("/tokens/{}", own.token.id), "See the token".to_owned()));
                }
                render(&web, own, form, refusal).await
            }
            Err(error) => unexpected(&web, &own.visitor, &error).await,
        },
    }
}

async fn render(web: &Web, own: OwnToken, form: EditTokenForm, refusal: Refusal) -> Response {
    let catalogue = web.tokens.catalogue().clone();
    let OwnToken { visitor, token } = own;
    let Refusal { status, errors, problem } = refusal;
    let view = move || {
        view! {
            <EditTokenPage
                version=token.version
                token=token.clone()
                form=form.clone()
                errors=errors.clone()
                catalogue=catalogue.clone()
                form_error=problem.clone()
            />
        }
    };
    page::render(web, status, Some(visitor.me()), "/tokens", view).await
}
