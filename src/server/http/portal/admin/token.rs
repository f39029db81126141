//! Anybody's token.

use axum::extract::{FromRequestParts, Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use leptos::prelude::*;

use super::super::super::form::Fields;
use super::super::super::params::Params;
use super::super::super::session::AdminVisitor;
use super::super::super::{Web, page};
use super::super::notice;
use super::super::tokens::NoticeQuery;
use super::failed;
use crate::domain::error::FieldErrors;
use crate::domain::id::TokenId;
use crate::domain::reason::Reason;
use crate::server::service::admin::{OwnedView, OwnerView};
use crate::server::service::log::LogFilter;
use crate::server::service::tokens::TokenError;
use crate::server::ui::pages::ReasonForm;
use crate::server::ui::pages::admin::token::{AnyTokenPage, RevokeAnyPage};

/// Events on a token's page.
const SHOWN: u32 = 20;

/// A token that is named in the path.
pub(in crate::server::http) struct AnyToken {
    admin: AdminVisitor,
    owned: OwnedView,
}

impl FromRequestParts<Web> for AnyToken {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Response> {
        let admin = AdminVisitor::from_request_parts(parts, web).await?;
        let id =
            Path::<String>::from_request_parts(parts, web).await.ok().and_then(|Path(id)| id.parse::<TokenId>().ok());
        let found = match id {
            Some(id) => web.tokens.get_anybodys(&admin.administrator, id).await,
            None => Err(TokenError::NotFound),
        };
        match found {
            Ok((token, owner)) => Ok(Self { admin, owned: OwnedView { token, owner: OwnerView::from(&owner) } }),
            Err(error) => Err(failed(web, &admin, &error).await),
        }
    }
}

/// The token.
pub(in crate::server::http) async fn show(
    State(web): State<Web>,
    AnyToken { admin, owned }: AnyToken,
    Params(query): Params<NoticeQuery>,
) -> Response {
    let filter = LogFilter { object: owned.token.id.to_string(), ..LogFilter::default() };
    let history = match web.log.all_named(&admin.administrator, &filter, None, SHOWN).await {
        Ok(events) => events.items,
        Err(error) => return failed(&web, &admin, &error.into()).await,
    };
    let (now, notice) = (web.clock.now(), notice(&query.notice));
    let view = move || {
        view! { <AnyTokenPage owned=owned.clone() history=history.clone() now=now notice=notice.clone()/> }
    };
    page::render(&web, StatusCode::OK, Some(admin.visitor.me()), "/admin/tokens", view).await
}

/// Says what a revocation will do before it is done.
pub(in crate::server::http) async fn confirm(State(web): State<Web>, any: AnyToken) -> Response {
    if any.owned.token.revoked_at.is_some() {
        return page::see_other(&format!("/admin/tokens/{}", any.owned.token.id));
    }
    ask(&web, any, ReasonForm::default(), FieldErrors::default()).await
}

/// Revokes it, or asks again why.
pub(in crate::server::http) async fn revoke(State(web): State<Web>, any: AnyToken, fields: Fields) -> Response {
    let form = ReasonForm { code: fields.get("reason"), words: fields.get("words") };
    let reason = match chosen(&form) {
        Ok(reason) => reason,
        Err(errors) => return ask(&web, any, form, errors).await,
    };
    let id = any.owned.token.id;
    match web.tokens.revoke_anybodys(&any.admin.administrator, id, Some(reason), None).await {
        Ok(_) => page::see_other(&format!("/admin/tokens/{id}?notice=revoked")),
        Err(error) => failed(&web, &any.admin, &error).await,
    }
}

/// The reason that a form gives; there has to be one.
pub(super) fn chosen(form: &ReasonForm) -> Result<Reason, FieldErrors> {
    let wrong = |message: String| FieldErrors::one("reason", message);
    let reason = Reason::choose(&form.code, &form.words).map_err(|error| wrong(error.to_string()))?;
    reason.ok_or_else(|| wrong(Reason::MISSING.to_owned()))
}

async fn ask(web: &Web, any: AnyToken, form: ReasonForm, errors: FieldErrors) -> Response {
    let AnyToken { admin, owned } = any;
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let now = web.clock.now();
    let view = move || {
        view! { <RevokeAnyPage owned=owned.clone() form=form.clone() errors=errors.clone() now=now/> }
    };
    page::render(web, status, Some(admin.visitor.me()), "/admin/tokens", view).await
}
