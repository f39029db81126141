//! The audit log.

use leptos::prelude::*;
use leptos_meta::Title;
use serde::Deserialize;

use super::heading;
use crate::domain::time::Timestamp;
use crate::server::service::log::EventView;
use crate::server::ui::components::events::{ACTIONS, Reader, events as event_list};
use crate::server::ui::components::filters::{choice, date, narrowing};
use crate::server::ui::components::notice::{FormAlert, FormProblem};
use crate::server::ui::components::paging::{address, paging};

const PATH: &str = "/admin/audit";

/// What the log is narrowed to, as it stands in the address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct LogForm {
    /// An action's name.
    pub action: String,
    /// `done` or `refused`.
    pub result: String,
    /// The id of a user whom it is about.
    pub user: String,
    /// The id of who did it.
    pub actor: String,
    /// The id of what it was done to.
    pub object: String,
    /// A date or a time.
    pub since: String,
    /// A date or a time.
    pub until: String,
}

impl LogForm {
    /// Its parameters.
    #[must_use]
    pub fn parameters(&self) -> Vec<(&'static str, &str)> {
        vec![
            ("action", &self.action),
            ("result", &self.result),
            ("user", &self.user),
            ("actor", &self.actor),
            ("object", &self.object),
            ("since", &self.since),
            ("until", &self.until),
        ]
    }
}

/// The page of the audit log.
#[component]
pub fn LogPage(
    /// Events, newest first.
    events: Vec<EventView>,
    /// The filter.
    form: LogForm,
    /// The name of the user to whom it narrows.
    user: Option<String>,
    /// What is wrong with it.
    problem: Option<String>,
    /// Whether newer events were left out.
    is_later_page: bool,
    /// Where older ones begin.
    next: Option<i64>,
    /// The present.
    now: Timestamp,
) -> impl IntoView {
    let title = if problem.is_some() { "Please check: Audit log" } else { "Audit log" };
    let problem = problem.map(|message| FormProblem { message, link: None });
    let first = is_later_page.then(|| address(PATH, &form.parameters()));
    let next = next.map(|next| {
        let next = next.to_string();
        let mut parameters = form.parameters();
        parameters.push(("before", &next));
        address(PATH, &parameters)
    });
    let body = if events.is_empty() {
        view! { <p class="py-8 text-muted">"Nothing of that kind has happened."</p> }.into_any()
    } else {
        event_list(&events, Reader::Administrator, now)
    };
    view! {
        <Title text=title/>
        {heading("Audit log", PATH)}
        <p class="mt-1 text-muted">
            "Every change, and who made it. Each entry is bound to the one before it; " <code class="prose-code">
                "hallpass audit verify"
            </code> " says whether any was altered."
        </p>
        {filters(&form)}
        {narrowed(&form, user)}
        <FormAlert problem/>
        {body}
        {paging(first, next)}
        {exports(&form)}
    }
    .into_any()
}

fn filters(form: &LogForm) -> AnyView {
    let mut actions = vec![("", "Every action")];
    actions.extend(ACTIONS);
    let results = [("", "Done or refused"), ("done", "Done"), ("refused", "Refused")];
    let hidden = [("user", &form.user), ("actor", &form.actor), ("object", &form.object)];
    let hidden: Vec<_> = hidden
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| view! { <input type="hidden" name=name value=value.clone()/> })
        .collect();
    let is_set = *form != LogForm::default();
    view! {
        <form method="get" action=PATH role="search" class="mt-6 mb-4 flex flex-wrap items-center gap-2">
            {choice("action", "Action", &actions, &form.action)}
            {choice("result", "Result", &results, &form.result)}
            {date("since", "From", &form.since)}
            {date("until", "To", &form.until)}
            {hidden}
            <button type="submit" class="btn btn-plain">
                "Show"
            </button>
            {is_set.then(|| view! { <a class="place" href=PATH>"Show all"</a> })}
        </form>
    }
    .into_any()
}

/// What narrows the log besides what the fields show.
fn narrowed(form: &LogForm, user: Option<String>) -> AnyView {
    let user = user.unwrap_or_else(|| form.user.clone());
    let parts = [("about the user ", user), ("done by ", form.actor.clone()), ("done to ", form.object.clone())];
    let parts =
        parts.into_iter().filter(|(_, value)| !value.is_empty()).map(|(words, value)| format!("{words}{value}"));
    narrowing("Only what is ", parts.collect())
}

fn exports(form: &LogForm) -> AnyView {
    let hidden: Vec<_> = form
        .parameters()
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| view! { <input type="hidden" name=name value=value.to_owned()/> })
        .collect();
    view! {
        <form method="post" action="/admin/audit/export" class="mt-8 border-t border-base-300 pt-6">
            {hidden}
            <h2 class="mb-1">"Take it with you"</h2>
            <p class="mb-3 text-muted">
                "Everything that the filter leaves, as a file. That it was taken is written down, too."
            </p>
            <div class="flex flex-wrap gap-2">
                <button type="submit" class="btn btn-plain" name="format" value="jsonl">
                    "Export as JSON Lines"
                </button>
                <button type="submit" class="btn btn-plain" name="format" value="csv">
                    "Export as CSV"
                </button>
            </div>
        </form>
    }
    .into_any()
}
