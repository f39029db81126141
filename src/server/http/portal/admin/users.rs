//! Users.

use axum::extract::{FromRequestParts, Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use leptos::prelude::*;
use serde::Deserialize;

use super::super::super::api::{read_person, write_person};
use super::super::super::form::Fields;
use super::super::super::params::Params;
use super::super::super::session::{AdminVisitor, Visitor};
use super::super::super::{Web, page};
use super::super::notice;
use super::super::tokens::NoticeQuery;
use super::failed;
use crate::domain::error::FieldErrors;
use crate::domain::id::{SessionId, UserId};
use crate::domain::reason::Reason;
use crate::domain::user::User;
use crate::server::service::admin::{PeopleFilter, may_disable};
use crate::server::service::log::LogFilter;
use crate::server::service::tokens::TokenError;
use crate::server::ui::pages::FormProblem;
use crate::server::ui::pages::admin::user::{DisableUserPage, UserPage};
use crate::server::ui::pages::admin::users::{UsersForm, UsersPage};

/// Users on one page.
const SHOWN: u32 = 50;
/// Events on a user's page.
const EVENTS: u32 = 20;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(in crate::server::http) struct UsersQuery {
    #[serde(flatten)]
    form: UsersForm,
    cursor: String,
}

/// The list.
pub(in crate::server::http) async fn list(
    State(web): State<Web>,
    admin: AdminVisitor,
    Params(UsersQuery { form, cursor }): Params<UsersQuery>,
) -> Response {
    let after = read_person(&cursor);
    let is_later_page = after.is_some();
    let filter = PeopleFilter {
        text: form.q.trim().to_owned(),
        disabled: match form.state.as_str() {
            "enabled" => Some(false),
            "disabled" => Some(true),
            _ => None,
        },
        after,
        limit: SHOWN,
    };
    let found = match web.admin.list_people(&admin.administrator, &filter).await {
        Ok(found) => found,
        Err(error) => return failed(&web, &admin, &error).await,
    };
    let (next, now) = (found.next.as_ref().map(write_person), web.clock.now());
    let view = move || {
        view! {
            <UsersPage
                people=found.items.clone()
                form=form.clone()
                is_later_page=is_later_page
                next=next.clone()
                now=now
            />
        }
    };
    page::render(&web, StatusCode::OK, Some(admin.visitor.me()), "/admin/users", view).await
}

/// A user who is named in the path.
pub(in crate::server::http) struct AnyUser {
    admin: AdminVisitor,
    user: User,
}

impl FromRequestParts<Web> for AnyUser {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Response> {
        let admin = AdminVisitor::from_request_parts(parts, web).await?;
        let id =
            Path::<String>::from_request_parts(parts, web).await.ok().and_then(|Path(id)| id.parse::<UserId>().ok());
        let found = match id {
            Some(id) => web.admin.person(&admin.administrator, id).await,
            None => Err(TokenError::NoSuchUser),
        };
        match found {
            Ok(user) => Ok(Self { admin, user }),
            Err(error) => Err(failed(web, &admin, &error).await),
        }
    }
}

impl AnyUser {
    fn page(&self, notice: &str) -> Response {
        page::see_other(&format!("/admin/users/{}?notice={notice}", self.user.id))
    }
}

/// The user.
pub(in crate::server::http) async fn show(
    State(web): State<Web>,
    AnyUser { admin, user }: AnyUser,
    Params(query): Params<NoticeQuery>,
) -> Response {
    let filter = LogFilter { user: Some(user.id), ..LogFilter::default() };
    let found = async {
        let events = web.log.all_named(&admin.administrator, &filter, None, EVENTS).await?;
        Ok::<_, TokenError>((events.items, web.admin.sessions(&admin.administrator, user.id).await?))
    };
    let (events, sessions) = match found.await {
        Ok(found) => found,
        Err(error) => return failed(&web, &admin, &error).await,
    };
    let own = (admin.visitor.caller.user.id == user.id).then_some(admin.visitor.session.id);
    let (now, notice) = (web.clock.now(), notice(&query.notice));
    let view = move || {
        view! {
            <UserPage
                user=user.clone()
                sessions=sessions.clone()
                events=events.clone()
                own=own
                now=now
                notice=notice.clone()
            />
        }
    };
    page::render(&web, StatusCode::OK, Some(admin.visitor.me()), "/admin/users", view).await
}

/// Says what it means to lock somebody out before it is done.
pub(in crate::server::http) async fn confirm(State(web): State<Web>, any: AnyUser) -> Response {
    if any.user.disabled_at.is_some() {
        return page::see_other(&format!("/admin/users/{}", any.user.id));
    }
    let refused = may_disable(&any.admin.administrator, any.user.id).err();
    let problem = refused.map(|error| FormProblem { message: error.to_string(), link: None });
    ask(&web, any, String::new(), FieldErrors::default(), problem).await
}

/// Locks somebody out.
pub(in crate::server::http) async fn disable(State(web): State<Web>, any: AnyUser, fields: Fields) -> Response {
    let typed = fields.get("reason");
    let reason = match Reason::parse(&typed) {
        Ok(reason) => reason,
        Err(error) => {
            let errors = FieldErrors::one("reason", error.to_string());
            return ask(&web, any, typed, errors, None).await;
        }
    };
    match web.admin.disable(&any.admin.administrator, any.user.id, reason.as_ref()).await {
        Ok(()) => any.page("disabled"),
        Err(error @ TokenError::Conflict(_)) => {
            let problem = FormProblem { message: error.to_string(), link: None };
            ask(&web, any, typed, FieldErrors::default(), Some(problem)).await
        }
        Err(error) => failed(&web, &any.admin, &error).await,
    }
}

async fn ask(web: &Web, any: AnyUser, reason: String, errors: FieldErrors, problem: Option<FormProblem>) -> Response {
    let AnyUser { admin, user } = any;
    let is_self = admin.visitor.caller.user.id == user.id;
    let status = match (&problem, errors.is_empty()) {
        (Some(_), _) => StatusCode::CONFLICT,
        (None, false) => StatusCode::UNPROCESSABLE_ENTITY,
        (None, true) => StatusCode::OK,
    };
    let view = move || {
        view! {
            <DisableUserPage
                user=user.clone()
                is_self=is_self
                reason=reason.clone()
                errors=errors.clone()
                problem=problem.clone()
            />
        }
    };
    page::render(web, status, Some(admin.visitor.me()), "/admin/users", view).await
}

/// Lets somebody in again.
pub(in crate::server::http) async fn enable(State(web): State<Web>, any: AnyUser) -> Response {
    match web.admin.enable(&any.admin.administrator, any.user.id).await {
        Ok(()) => any.page("enabled"),
        Err(error) => failed(&web, &any.admin, &error).await,
    }
}

/// Ends one of somebody's sessions, or all of them where none is named, but never the one that asks.
pub(in crate::server::http) async fn end_sessions(State(web): State<Web>, any: AnyUser, fields: Fields) -> Response {
    let named = fields.get("session");
    let only = named.parse::<SessionId>().ok();
    if only.is_none() && !named.is_empty() {
        return page::see_other(&format!("/admin/users/{}", any.user.id));
    }
    let Visitor { caller, session, .. } = &any.admin.visitor;
    let ended = if caller.user.id == any.user.id {
        web.sessions.end_others(caller, session.id, only).await.map_err(TokenError::from)
    } else {
        web.admin.end_sessions(&any.admin.administrator, any.user.id, only).await.map(drop)
    };
    match ended {
        Ok(()) => any.page("sessions-ended"),
        Err(error) => failed(&web, &any.admin, &error).await,
    }
}
