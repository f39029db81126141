//! The form for a new token.

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use leptos::prelude::*;

use super::super::form::Fields;
use super::super::login::way_back;
use super::super::session::{MaybeVisitor, Visitor};
use super::super::{Web, page, session};
use super::{lifetime, new_form_key, posted_form_key, shown_once, unexpected};
use crate::domain::error::FieldErrors;
use crate::server::service::tokens::{CreateToken, TokenError};
use crate::server::ui::pages::{FormProblem, NewTokenForm, NewTokenPage};

/// What is shown above a form that was refused as a whole.
pub(super) struct Refusal {
    pub status: StatusCode,
    pub errors: FieldErrors,
    pub problem: Option<FormProblem>,
}

impl Refusal {
    /// Nothing was refused, but something may be said at once.
    pub fn none(problem: Option<FormProblem>) -> Self {
        Self { status: StatusCode::OK, errors: FieldErrors::default(), problem }
    }
}

/// The empty form, or one that a link fills in: `?name=…&description=…&scope=…&lifetime=…`.
pub(in crate::server::http) async fn show(
    State(web): State<Web>,
    visitor: Visitor,
    RawQuery(query): RawQuery,
) -> Response {
    let mut form = read(&Fields::parse(query.unwrap_or_default().as_bytes()));
    if form.lifetime.is_empty() {
        form.lifetime = lifetime::preset(&web);
    }
    let stale = web.tokens.require_fresh_login(&visitor.caller).is_err();
    let problem = stale.then(|| log_in_again(&visitor, &return_to(&form), MAKING_FIRST));
    render(&web, &visitor, form, new_form_key(&web), Refusal::none(problem)).await
}

/// Makes the token and shows its secret, or the form again with everything that was typed.
pub(in crate::server::http) async fn submit(
    State(web): State<Web>,
    MaybeVisitor(visitor): MaybeVisitor,
    fields: Fields,
) -> Response {
    let form = read(&fields);
    let Some(visitor) = visitor else { return session::over(&return_to(&form)) };
    let Some(form_key) = posted_form_key(&fields) else {
        return render(&web, &visitor, form, new_form_key(&web), outdated()).await;
    };
    match web.tokens.create(&visitor.caller, &request(&form, form_key.clone())).await {
        Ok(issued) => shown_once(&web, &visitor, issued.token, &issued.secret, false).await,
        Err(TokenError::FormUsed(id)) => page::see_other(&format!("/tokens/{id}")),
        Err(error) => match refusal(&visitor, error, &return_to(&form)) {
            // Whoever was not told that it was done sends the same form again, and gets no second token.
            Ok(refusal) => render(&web, &visitor, form, form_key, refusal).await,
            Err(error) => unexpected(&web, &visitor, &error).await,
        },
    }
}

/// How a form is answered that was not accepted; an error that is not about the form comes back.
pub(super) fn refusal(visitor: &Visitor, error: TokenError, return_to: &str) -> Result<Refusal, TokenError> {
    let message = error.to_string();
    let simple = |status| Refusal {
        status,
        errors: FieldErrors::default(),
        problem: Some(FormProblem { message: message.clone(), link: None }),
    };
    match error {
        TokenError::Invalid(errors) => Ok(Refusal { status: StatusCode::UNPROCESSABLE_ENTITY, errors, problem: None }),
        TokenError::StaleLogin => Ok(Refusal {
            status: StatusCode::FORBIDDEN,
            errors: FieldErrors::default(),
            problem: Some(log_in_again(visitor, return_to, MAKING)),
        }),
        // The version stands in the form, and in no `If-Match`.
        TokenError::LimitReached(_) | TokenError::Conflict(_) | TokenError::VersionMismatch => {
            Ok(simple(StatusCode::CONFLICT))
        }
        TokenError::Unavailable | TokenError::Unconfirmed | TokenError::Partly { .. } => {
            Ok(simple(StatusCode::SERVICE_UNAVAILABLE))
        }
        TokenError::NotFound | TokenError::NoSuchUser | TokenError::FormUsed(_) => Err(error),
    }
}

/// A form without its one-use key cannot be told from one that was sent twice.
pub(super) fn outdated() -> Refusal {
    let message = "This form was incomplete. Nothing has changed; please send it again.".to_owned();
    Refusal {
        status: StatusCode::UNPROCESSABLE_ENTITY,
        errors: FieldErrors::default(),
        problem: Some(FormProblem { message, link: None }),
    }
}

/// Why a secret needs a fresh login, to somebody who has not begun …
pub(super) const MAKING_FIRST: &str = "Making a secret needs a recent one. Please log in again before you begin.";
/// … and to somebody who has.
const MAKING: &str = "Making a secret needs a recent one; what you typed will still be here.";

/// A login that is too old, with a way to a fresh one that comes back here.
pub(super) fn log_in_again(visitor: &Visitor, return_to: &str, why: &str) -> FormProblem {
    FormProblem {
        message: format!("Your login is a while ago. {why}"),
        link: Some((visitor.fresh_login_path(return_to), "Log in again".to_owned())),
    }
}

fn read(fields: &Fields) -> NewTokenForm {
    NewTokenForm {
        name: fields.get("name"),
        description: fields.get("description"),
        scopes: fields.all("scope"),
        lifetime: fields.get("lifetime"),
        date: fields.get("date"),
        allowed_ips: fields.get("allowed_ips"),
    }
}

fn request(form: &NewTokenForm, form_key: String) -> CreateToken {
    CreateToken {
        name: form.name.clone(),
        description: form.description.clone(),
        scopes: form.scopes.clone(),
        expiry: lifetime::chosen(&form.lifetime, &form.date),
        allowed_ips: form.allowed_ips.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect(),
        form_key: Some(form_key),
    }
}

/// This page with what was typed, for the way back from a login.
fn return_to(form: &NewTokenForm) -> String {
    let short = [("name", &form.name), ("lifetime", &form.lifetime), ("date", &form.date)];
    let scopes = form.scopes.iter().map(|scope| ("scope", scope));
    let long = [("allowed_ips", &form.allowed_ips), ("description", &form.description)];
    let typed = short.into_iter().chain(scopes).chain(long);
    way_back("/tokens/new", typed.map(|(name, value)| (name, value.as_str())))
}

async fn render(web: &Web, visitor: &Visitor, form: NewTokenForm, form_key: String, refusal: Refusal) -> Response {
    let lifetime = lifetime::choice(web, &form.lifetime, &form.date);
    let scopes = web.tokens.grantable(&visitor.caller.user);
    let Refusal { status, errors, problem } = refusal;
    let view = move || {
        view! {
            <NewTokenPage
                form=form.clone()
                errors=errors.clone()
                scopes=scopes.clone()
                lifetime=lifetime.clone()
                form_key=form_key.clone()
                form_error=problem.clone()
            />
        }
    };
    page::render(web, status, Some(visitor.me()), "/tokens", view).await
}
