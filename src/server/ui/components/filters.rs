//! Small fields side by side, as above a table.

use leptos::prelude::*;

use super::field::FieldProblem;
use crate::domain::error::FieldErrors;
use crate::domain::time::Timestamp;

/// One field of a filter, which is its id as well.
#[derive(Clone, Debug)]
pub struct Filter {
    name: &'static str,
    label: &'static str,
    value: String,
    message: Option<String>,
}

impl Filter {
    /// A field that holds something.
    #[must_use]
    pub fn new(name: &'static str, label: &'static str, value: &str) -> Self {
        Self { name, label, value: value.to_owned(), message: None }
    }

    /// With what is wrong with it.
    #[must_use]
    pub fn checked(mut self, errors: &FieldErrors) -> Self {
        self.message = errors.message(self.name).map(ToOwned::to_owned);
        self
    }

    fn described_by(&self) -> Option<String> {
        self.message.as_ref().map(|_| format!("{}-error", self.name))
    }

    fn invalid(&self) -> Option<&'static str> {
        self.message.as_ref().map(|_| "true")
    }
}

/// A search field, which says in itself what it is for.
#[must_use]
pub fn search(filter: Filter) -> AnyView {
    input(filter, "search", "filter filter-search", "sr-only", true)
}

/// A choice; the first option stands for everything. What was asked for otherwise than by a choice is one more.
#[must_use]
pub fn choice(filter: Filter, options: &[(&str, &str)]) -> AnyView {
    let (describedby, invalid) = (filter.described_by(), filter.invalid());
    let Filter { name, label, value, message } = filter;
    let is_offered = options.iter().any(|(offered, _)| *offered == value);
    let other = (!is_offered).then_some((value.as_str(), value.as_str()));
    let options: Vec<_> = options
        .iter()
        .copied()
        .chain(other)
        .map(|(offered, label)| {
            let selected = offered == value;
            view! { <option value=offered.to_owned() selected=selected>{label.to_owned()}</option> }
        })
        .collect();
    view! {
        <div class="filter">
            <label class="sr-only" for=name>
                {label}
            </label>
            <select id=name name=name class="select" aria-describedby=describedby aria-invalid=invalid>
                {options}
            </select>
            <FieldProblem field=name message/>
        </div>
    }
    .into_any()
}

/// A date. A field for dates would hide what is none, such as a span or an instant: that is shown as it was written.
#[must_use]
pub fn date(filter: Filter) -> AnyView {
    let is_date = filter.value.is_empty() || Timestamp::parse_end_of_date(&filter.value).is_some();
    labelled(filter, if is_date { "date" } else { "text" })
}

/// A text with its label beside it.
#[must_use]
pub fn text(filter: Filter) -> AnyView {
    labelled(filter, "text")
}

fn labelled(filter: Filter, kind: &'static str) -> AnyView {
    input(filter, kind, "filter filter-labelled", "text-sm text-muted", false)
}

fn input(filter: Filter, kind: &'static str, class: &'static str, label_class: &'static str, hints: bool) -> AnyView {
    let (describedby, invalid) = (filter.described_by(), filter.invalid());
    let Filter { name, label, value, message } = filter;
    view! {
        <div class=class>
            <label class=label_class for=name>
                {label}
            </label>
            <input
                id=name
                name=name
                type=kind
                class="input"
                placeholder=hints.then_some(label)
                value=value
                aria-describedby=describedby
                aria-invalid=invalid
            />
            <FieldProblem field=name message/>
        </div>
    }
    .into_any()
}

/// What narrows a list without a field of its own goes on doing so; where it is wrong it gets one.
#[must_use]
pub fn carried(filter: Filter) -> AnyView {
    if filter.message.is_some() {
        return text(filter);
    }
    let Filter { name, value, .. } = filter;
    (!value.is_empty()).then(|| view! { <input type="hidden" name=name value=value/> }).into_any()
}

/// The button of a filter, and the way out of it.
#[must_use]
pub fn buttons(verb: &'static str, everything: Option<&'static str>) -> AnyView {
    view! {
        <div class="filter-buttons">
            <button type="submit" class="btn btn-plain">
                {verb}
            </button>
            {everything.map(|href| view! { <a class="place" href=href>"Show all"</a> })}
        </div>
    }
    .into_any()
}

/// What narrows a list besides what its fields show.
#[must_use]
pub fn narrowing(before: &'static str, parts: Vec<String>) -> AnyView {
    if parts.is_empty() {
        return ().into_any();
    }
    view! { <p class="mb-4 text-muted">{format!("{before}{}.", parts.join(", "))}</p> }.into_any()
}
