//! The form for a new secret.

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use leptos::prelude::*;

use super::super::form::Fields;
use super::super::login::way_back;
use super::super::{Web, page};
use super::new_token::{MAKING_FIRST, Refusal, log_in_again, outdated, refusal};
use super::{OwnToken, lifetime, new_form_key, posted_form_key, shown_once, unexpected};
use crate::domain::error::FieldErrors;
use crate::domain::token::TokenState;
use crate::server::service::tokens::{RegenerateToken, TokenError};
use crate::server::ui::pages::{RegenerateForm, RegeneratePage};

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
    if form.lifetime.is_empty() {
        (form.lifetime, form.date) = lifetime::preset(&web.tokens.policy().lifetime, web.clock.now());
    }
    let stale = web.tokens.require_fresh_login(&own.visitor.caller).is_err();
    let problem = stale.then(|| log_in_again(&own.visitor, &path(&own), MAKING_FIRST));
    let refusal = Refusal { status: StatusCode::OK, errors: FieldErrors::default(), problem };
    render(&web, own, form, refusal).await
}

/// Makes the secret and shows it, or the form again.
pub(in crate::server::http) async fn submit(State(web): State<Web>, own: OwnToken, fields: Fields) -> Response {
    let form = read(&fields);
    let Some(form_key) = posted_form_key(&fields) else { return render(&web, own, form, outdated()).await };
    let expiry = lifetime::chosen(&form.lifetime, &form.date);
    let request = RegenerateToken { expiry, if_version: None, form_key: Some(form_key) };
    match web.tokens.regenerate(&own.visitor.caller, own.token.id, &request).await {
        Ok(issued) => shown_once(&web, &own.visitor, issued.token, &issued.secret, true).await,
        Err(TokenError::FormUsed(id)) => page::see_other(&format!("/tokens/{id}")),
        Err(error) => match refusal(&own.visitor, error, &return_to(&own, &form)) {
            Ok(refusal) => render(&web, own, form, refusal).await,
            Err(error) => unexpected(&web, &own.visitor, &error).await,
        },
    }
}

fn read(fields: &Fields) -> RegenerateForm {
    RegenerateForm { lifetime: fields.get("lifetime"), date: fields.get("date") }
}

/// This page with what was chosen, for the way back from a login.
fn return_to(own: &OwnToken, form: &RegenerateForm) -> String {
    way_back(&path(own), [("lifetime", form.lifetime.as_str()), ("date", form.date.as_str())])
}

fn path(own: &OwnToken) -> String {
    format!("/tokens/{}/regenerate", own.token.id)
}

async fn render(web: &Web, own: OwnToken, form: RegenerateForm, refusal: Refusal) -> Response {
    let now = web.clock.now();
    let policy = web.tokens.policy().lifetime;
    let form_key = new_form_key(web);
    let OwnToken { visitor, token } = own;
    let Refusal { status, errors, problem } = refusal;
    let view = move || {
        view! {
            <RegeneratePage
                token=token.clone()
                form=form.clone()
                errors=errors.clone()
                presets=policy.presets().collect()
                max_date=lifetime::max_date(&policy, now)
                allow_never=policy.allow_never
                form_key=form_key.clone()
                now=now
                form_error=problem.clone()
            />
        }
    };
    page::render(web, status, Some(visitor.me()), "/tokens", view).await
}
