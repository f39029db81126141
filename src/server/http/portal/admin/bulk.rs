//! Ending many tokens at once.

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use leptos::prelude::*;

use super::super::super::api::{FilterText, read_mark, write_mark};
use super::super::super::form::Fields;
use super::super::super::login::{is_way_back, way_back};
use super::super::super::session::AdminVisitor;
use super::super::super::{Web, page};
use super::super::new_token::log_in_again;
use super::token::chosen;
use super::{failed, owner_name, problem_of, tokens};
use crate::domain::error::FieldErrors;
use crate::server::service::admin::{Bulk, Confirmed, InventoryFilter, Mark, Order};
use crate::server::service::tokens::TokenError;
use crate::server::ui::pages::admin::bulk::{BulkPage, BulkPreview};
use crate::server::ui::pages::{FormProblem, ReasonForm, address};

/// Tokens that the page names.
const SHOWN: usize = 20;
/// The fields of a filter besides ids.
const FIELDS: [&str; 7] = ["q", "state", "scope", "user", "unused_since", "created_before", "expires_within"];

/// The field that says where to look for them.
const FROM: &str = "from";

/// What was typed besides the filter.
#[derive(Default)]
struct Typed {
    reason: ReasonForm,
    /// The number, where the form was sent.
    count: Option<String>,
    /// What stood for the tokens that were shown, and where these were looked for.
    shown: Option<String>,
    from: Option<Mark>,
    errors: FieldErrors,
    problem: Option<FormProblem>,
}

impl Typed {
    /// What a link back from a login may fill in: anything but the number.
    fn read(fields: &Fields) -> Self {
        let reason = ReasonForm { code: fields.get("reason"), words: fields.get("words") };
        Self { reason, ..Self::default() }
    }

    /// The same, and what a form confirms.
    fn sent(fields: &Fields) -> Self {
        let shown = Some(fields.get("shown")).filter(|shown| !shown.is_empty());
        Self { count: Some(fields.get("confirm").trim().to_owned()), shown, from: from(fields), ..Self::read(fields) }
    }

    /// What was confirmed. What is no number is none of tokens.
    fn confirmed(&self) -> Option<Confirmed> {
        let count = self.count.as_ref()?.replace(',', "").parse().unwrap_or(usize::MAX);
        Some(Confirmed { from: self.from.clone(), count, shown: self.shown.clone() })
    }
}

/// What would end.
pub(in crate::server::http) async fn preview(
    State(web): State<Web>,
    admin: AdminVisitor,
    RawQuery(query): RawQuery,
) -> Response {
    let fields = Fields::parse(query.unwrap_or_default().as_bytes());
    ask(&web, &admin, &fields, Typed::read(&fields)).await
}

/// Ends them, if the number that was typed is theirs.
pub(in crate::server::http) async fn revoke(State(web): State<Web>, admin: AdminVisitor, fields: Fields) -> Response {
    let mut typed = Typed::sent(&fields);
    let filter = match filter(&web, &admin, &fields).await {
        Ok(filter) => filter,
        Err(page) => return page,
    };
    let reason = match chosen(&typed.reason) {
        Ok(reason) => reason,
        Err(errors) => {
            typed.errors = errors;
            return ask(&web, &admin, &fields, typed).await;
        }
    };
    let bulk = Bulk { filter, reason, confirmed: typed.confirmed() };
    match web.admin.revoke_all(&admin.administrator, &bulk).await {
        Ok(outcome) => page::see_other(&listed(&fields, &format!("revoked-{}", outcome.revoked))),
        Err(error) => refused(&web, &admin, &fields, typed, error).await,
    }
}

/// The form again, with what stands against it.
async fn refused(web: &Web, admin: &AdminVisitor, fields: &Fields, mut typed: Typed, error: TokenError) -> Response {
    typed.problem = Some(match error {
        error @ TokenError::Partly { .. } => FormProblem { message: error.to_string(), link: None },
        TokenError::StaleLogin => return stale(web, admin, fields, &typed).await,
        TokenError::Invalid(errors) => {
            typed.errors = errors;
            return ask(web, admin, fields, typed).await;
        }
        error => return failed(web, admin, &error).await,
    });
    ask(web, admin, fields, typed).await
}

/// Without a fresh login nothing is even counted. So many ids that no address holds them have to be chosen again.
async fn stale(web: &Web, admin: &AdminVisitor, fields: &Fields, typed: &Typed) -> Response {
    let which = address("/admin/tokens/revoke", &parameters(fields));
    let list = fields.get("list");
    let (again, why) = if is_way_back(&which) {
        let typed = [("list", &list), ("reason", &typed.reason.code), ("words", &typed.reason.words)];
        let again = way_back(&which, typed.map(|(name, value)| (name, value.as_str())));
        (again, "Ending many tokens needs a recent one.")
    } else {
        let why = "Ending many tokens needs a recent one. You chose more than can be kept meanwhile: please tick them again \
                   afterwards.";
        (way_back("/admin/tokens", list_parameters(&Fields::parse(list.as_bytes()))), why)
    };
    let problem = log_in_again(&admin.visitor, &again, why);
    render(web, admin, StatusCode::FORBIDDEN, None, Typed { problem: Some(problem), ..Typed::default() }).await
}

async fn ask(web: &Web, admin: &AdminVisitor, fields: &Fields, mut typed: Typed) -> Response {
    let filter = match filter(web, admin, fields).await {
        Ok(filter) => filter,
        Err(page) => return page,
    };
    let found = match web.admin.preview(&admin.administrator, &filter, from(fields), SHOWN).await {
        Ok(found) => found,
        Err(TokenError::StaleLogin) => return stale(web, admin, fields, &typed).await,
        Err(error) => return failed(web, admin, &error).await,
    };
    let again = parameters(fields).into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    let again = again.chain(std::iter::once(("list".to_owned(), list_of(fields))));
    let shown = found.ending.fingerprint.clone().map(|shown| ("shown".to_owned(), shown));
    let again = again.chain(shown).collect();
    let words = words(fields, owner_name(web, admin, &filter).await);
    let older = found.on.as_ref().map(|on| elsewhere(fields, on));
    let preview = BulkPreview { found, fields: again, words, list: listed(fields, ""), older };
    // All mistakes are named at once.
    if !typed.errors.is_empty()
        && typed.errors.message("confirm").is_none()
        && let Some(objection) = typed.confirmed().and_then(|confirmed| preview.found.ending.objection(&confirmed))
    {
        typed.errors.push("confirm", objection);
    }
    let status = match (&typed.problem, typed.errors.is_empty()) {
        (Some(_), _) => StatusCode::SERVICE_UNAVAILABLE,
        (None, false) => StatusCode::UNPROCESSABLE_ENTITY,
        (None, true) => StatusCode::OK,
    };
    render(web, admin, status, Some(preview), typed).await
}

async fn render(
    web: &Web,
    admin: &AdminVisitor,
    status: StatusCode,
    preview: Option<BulkPreview>,
    typed: Typed,
) -> Response {
    let Typed { reason, count, errors, problem, shown: _, from: _ } = typed;
    let count = count.unwrap_or_default();
    let now = web.clock.now();
    let view = move || {
        view! {
            <BulkPage
                preview=preview.clone()
                form=reason.clone()
                typed=count.clone()
                errors=errors.clone()
                problem=problem.clone()
                now=now
            />
        }
    };
    page::render(web, status, Some(admin.visitor.me()), "/admin/tokens", view).await
}

/// The filter that the fields make. Where they make none, there is nothing to end, and the list says more.
async fn filter(web: &Web, admin: &AdminVisitor, fields: &Fields) -> Result<InventoryFilter, Response> {
    let given = |name| Some(fields.get(name)).filter(|text: &String| !text.is_empty());
    let ids = fields.all("id");
    let text = FilterText {
        ids: Some(ids).filter(|ids| !ids.is_empty()),
        q: given("q"),
        state: given("state"),
        scope: given("scope"),
        user: given("user"),
        unused_since: given("unused_since"),
        expires_within: given("expires_within"),
        created_before: given("created_before"),
    };
    match tokens::filter(&text, web, admin).await {
        Ok(filter) if filter == InventoryFilter::default() => Err(nothing_chosen(fields)),
        Ok(filter) => Ok(filter),
        Err(error) => Err(match problem_of(error, web, admin).await {
            Ok(errors) => wrong_choice(web, admin, fields, &errors).await,
            Err(page) => page,
        }),
    }
}

/// What is wrong with a filter stands beside its field in the list; ids and characters that nobody types have none there.
async fn wrong_choice(web: &Web, admin: &AdminVisitor, fields: &Fields, errors: &FieldErrors) -> Response {
    let has_nul = |text: &str| text.contains('\0');
    let which = if fields.iter().any(|(_, value)| has_nul(value)) { ["user", "q", "scope"] } else { ["ids"; 3] };
    let Some(message) = which.into_iter().find_map(|field| errors.message(field)) else {
        return page::see_other(&address("/admin/tokens", &parameters(fields)));
    };
    let list = list_of(fields);
    let list = Fields::parse(list.as_bytes());
    let list: Vec<_> = list_parameters(&list).into_iter().filter(|(_, value)| !has_nul(value)).collect();
    let link = Some((address("/admin/tokens", &list), "Back to the tokens".to_owned()));
    let problem = Some(FormProblem { message: format!("{message} Nothing was changed."), link });
    render(web, admin, StatusCode::UNPROCESSABLE_ENTITY, None, Typed { problem, ..Typed::default() }).await
}

/// Back to the list, as it was.
fn nothing_chosen(fields: &Fields) -> Response {
    page::see_other(&listed(fields, "none-chosen"))
}

/// The list as it was, with something to say.
fn listed(fields: &Fields, notice: &str) -> String {
    let list = list_of(fields);
    let list = Fields::parse(list.as_bytes());
    let again: Vec<_> = list_parameters(&list).into_iter().chain([("notice", notice)]).collect();
    address("/admin/tokens", &again)
}

/// The query of the list from which the fields come: it is named beside ids, and else narrowed to what is to end.
fn list_of(fields: &Fields) -> String {
    let list = fields.get("list");
    if !list.is_empty() {
        return list;
    }
    address("", &list_parameters(fields)).trim_start_matches('?').to_owned()
}

/// The fields that make a list: a filter without ids, and its order.
fn list_parameters(fields: &Fields) -> Vec<(&str, &str)> {
    fields.iter().filter(|(name, value)| !value.is_empty() && (*name == "sort" || FIELDS.contains(name))).collect()
}

/// The fields that make a filter, and where to look.
fn parameters(fields: &Fields) -> Vec<(&str, &str)> {
    let is_one = |name| name == "id" || name == FROM || FIELDS.contains(&name);
    fields.iter().filter(|(name, value)| !value.is_empty() && is_one(name)).collect()
}

/// Where to look for them.
fn from(fields: &Fields) -> Option<Mark> {
    read_mark(Order::Age, &fields.get(FROM))
}

/// The same question, behind a place.
fn elsewhere(fields: &Fields, on: &Mark) -> String {
    let (on, list) = (write_mark(Order::Age, on), list_of(fields));
    let which = parameters(fields).into_iter().filter(|(name, _)| *name != FROM);
    let which: Vec<_> = which.chain([(FROM, on.as_str()), ("list", list.as_str())]).collect();
    address("/admin/tokens/revoke", &which)
}

/// The same for people.
fn words(fields: &Fields, owner: Option<String>) -> String {
    let ids = fields.all("id").len();
    let mut words: Vec<String> = Vec::new();
    if ids > 0 {
        words.push("that you chose".to_owned());
    }
    let mut say = |name: &str, before: &str, after: &str| {
        let named = owner.clone().filter(|_| name == "user");
        let value = named.unwrap_or_else(|| fields.get(name));
        if !value.is_empty() {
            words.push(format!("{before}{value}{after}"));
        }
    };
    say("q", "found by “", "”");
    say("state", "in the state ", "");
    say("scope", "with the scope ", "");
    say("user", "of the user ", "");
    say("unused_since", "unused for or since ", "");
    say("created_before", "made before ", "");
    say("expires_within", "expiring within ", "");
    words.join(", ")
}
