//! The audit log.

use leptos::prelude::*;
use leptos_meta::Title;
use serde::Deserialize;

use super::heading;
use crate::domain::audit::Action;
use crate::domain::error::FieldErrors;
use crate::domain::time::Timestamp;
use crate::server::service::log::EventView;
use crate::server::ui::components::events::{Reader, action_options, events as event_list, nothing};
use crate::server::ui::components::filters::{Filter, buttons, carried, choice, date, narrowing};
use crate::server::ui::components::notice::ErrorSummary;
use crate::server::ui::components::paging::{address, paging};

const PATH: &str = "/admin/audit";

/// What may have become of something.
pub const RESULTS: &[(&str, &str)] = &[("done", "Done"), ("refused", "Refused")];

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
    /// What is wrong with it; then nothing was searched.
    errors: FieldErrors,
    /// Whether newer events were left out.
    is_later_page: bool,
    /// Where older ones begin.
    next: Option<i64>,
    /// The present.
    now: Timestamp,
) -> impl IntoView {
    let title = if errors.is_empty() { "Audit log" } else { "Please check: Audit log" };
    let first = is_later_page.then(|| address(PATH, &form.parameters()));
    let next = next.map(|next| {
        let next = next.to_string();
        let mut parameters = form.parameters();
        parameters.push(("before", &next));
        address(PATH, &parameters)
    });
    let found = if errors.is_empty() {
        (narrowed(&form, user), list(&events, next.is_some(), now), paging(first, next), exports(&form)).into_any()
    } else {
        view! { <ErrorSummary errors=errors.clone() nothing="Nothing was searched."/> }.into_any()
    };
    view! {
        <Title text=title/>
        {heading("Audit log", PATH)}
        <p class="mt-1 text-muted">
            "Every change, and who made it. Each entry is bound to the one before it; " <code class="prose-code">
                "hallpass audit verify"
            </code> " says whether any was altered."
        </p>
        {filters(&form, &errors)}
        {found}
    }
    .into_any()
}

fn list(events: &[EventView], is_more: bool, now: Timestamp) -> AnyView {
    if events.is_empty() {
        return view! { <p class="py-8 text-muted">{nothing(is_more)}</p> }.into_any();
    }
    event_list(events, Reader::Administrator, now)
}

fn filters(form: &LogForm, errors: &FieldErrors) -> AnyView {
    let mut actions = vec![("", "Every action")];
    actions.extend(action_options(Action::ALL.iter().copied()));
    let mut results = vec![("", "Done or refused")];
    results.extend(RESULTS);
    let is_set = *form != LogForm::default();
    let field = |name, label, value: &str| Filter::new(name, label, value).checked(errors);
    view! {
        <form method="get" action=PATH role="search" class="filters">
            {choice(field("action", "Action", &form.action), &actions)}
            {choice(field("result", "Result", &form.result), &results)}
            {date(field("since", "From", &form.since))}
            {date(field("until", "To", &form.until))}
            {carried(field("user", "User", &form.user))}
            {carried(field("actor", "Actor", &form.actor))}
            {carried(field("object", "Object", &form.object))}
            {buttons("Show", is_set.then_some(PATH))}
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
