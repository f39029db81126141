//! Small fields side by side, as above a table.

use leptos::prelude::*;

/// A search field.
#[must_use]
pub fn search(name: &'static str, label: &'static str, value: &str) -> AnyView {
    view! {
        <label class="sr-only" for=name>
            {label}
        </label>
        <input id=name name=name type="search" class="input sm:w-80!" placeholder=label value=value.to_owned()/>
    }
    .into_any()
}

/// A choice; the first option stands for everything.
#[must_use]
pub fn choice(name: &'static str, label: &'static str, options: &[(&str, &str)], chosen: &str) -> AnyView {
    let options: Vec<_> = options
        .iter()
        .map(|(value, label)| {
            let (value, label) = ((*value).to_owned(), (*label).to_owned());
            let selected = value == chosen;
            view! { <option value=value selected=selected>{label}</option> }
        })
        .collect();
    view! {
        <label class="sr-only" for=name>
            {label}
        </label>
        <select id=name name=name class="select grow basis-40 sm:w-auto! sm:flex-none">
            {options}
        </select>
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

/// A date.
#[must_use]
pub fn date(name: &'static str, label: &'static str, value: &str) -> AnyView {
    view! {
        <label class="flex items-center gap-2 text-sm text-muted">
            {label}
            <input name=name type="date" class="input w-auto!" value=value.to_owned()/>
        </label>
    }
    .into_any()
}
