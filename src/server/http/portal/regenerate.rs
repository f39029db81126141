//! The form for a new secret.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use leptos::prelude::*;

use super::super::form::Fields;
use super::super::login::way_back;
use super::super::{Web, page};
use super::new_token::{MAKING_FIRST, Refusal, log_in_again, outdated, refusal};
use super::{OwnToken, lifetime, new_form_key, posted_form_key, shown_once, unexpected};
use crate::domain::token::TokenState;
use crate::server::service::tokens::{RegenerateToken, TokenError};
use crate::server::ui::pages::RegeneratePage;

/// What was chosen.
struct Chosen {
    lifetime: String,
    date: String,
}

/// The form, with the choice that an address names. A revoked token has none: its page says why.
pub(in crate::server::http) async fn show(
    State(web): State<Web>,
    own: OwnToken,
    RawQuery(query): RawQuery,
) -> Response {
    if own.token.state == TokenState::Revoked {
        return page::see_other(&format!("/tokens/{}", own.token.id));
    }
    let mut form = read(&Fields::parse(query.unwrap_or_default().as_bytes()));
    let stale = web.tokens.require_fresh_login(&own.visitor.caller).is_err();
    let problem = stale.then(|| log_in_again(&own.visitor, &return_to(&own, &form), MAKING_FIRST));
    if form.lifetime.is_empty() {
        form.lifetime = lifetime::preset(&web);
    }
    let form_key = new_form_key(&web);
    render(&web, own, form, form_key, Refusal::none(problem)).await
}

/// Makes the secret and shows it, or the form again.
pub(in crate::server::http) async fn submit(State(web): State<Web>, own: OwnToken, fields: Fields) -> Response {
    let form = read(&fields);
    let Some(form_key) = posted_form_key(&fields) else {
        let form_key = new_form_key(&web);
        return render(&web, own, form, form_key, outdated()).await;
    };
    let expiry = lifetime::chosen(&form.lifetime, &form.date);
    let request = RegenerateToken { expiry, if_version: None, form_key: Some(form_key.clone()) };
    match web.tokens.regenerate(&own.visitor.caller, own.token.id, &request).await {
        Ok(issued) => shown_once(&web, &own.visitor, issued.token, &issued.secret, true).await,
        Err(TokenError::FormUsed(id)) => page::see_other(&format!("/tokens/{id}")),
        Err(error) => match refusal(&own.visitor, error, &return_to(&own, &form)) {
            Ok(refusal) => render(&web, own, form, form_key, refusal).await,
            Err(error) => unexpected(&web, &own.visitor, &error).await,
        },
    }
}

fn read(fields: &Fields) -> Chosen {
    Chosen { lifetime: fields.get("lifetime"), date: fields.get("date") }
}

/// This page with what was chosen, for the way back from a login.
fn return_to(own: &OwnToken, form: &Chosen) -> String {
    way_back(&path(own), [("lifetime", form.lifetime.as_str()), ("date", form.date.as_str())])
}

fn path(own: &OwnToken) -> String {
    format!("/tokens/{}/regenerate", own.token.id)
}

async fn render(web: &Web, own: OwnToken, form: Chosen, form_key: String, refusal: Refusal) -> Response {
    let lifetime = lifetime::choice(web, &form.lifetime, &form.date);
    let OwnToken { visitor, token } = own;
    let Refusal { status, errors, problem } = refusal;
    let view = move || {
        view! {
            <RegeneratePage
                token=token.clone()
                errors=errors.clone()
                lifetime=lifetime.clone()
                form_key=form_key.clone()
                form_error=problem.clone()
            />
        }
    };
    page::render(web, status, Some(visitor.me()), "/tokens", view).await
}
