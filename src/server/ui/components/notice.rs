//! Messages at the top of a page.

use leptos::prelude::*;

use super::icon::Icon;
use crate::domain::error::FieldErrors;

/// What went wrong with a form as a whole, with a way on where there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormProblem {
    /// What happened and what to do.
    pub message: String,
    /// Address and label of a link that helps.
    pub link: Option<(String, String)>,
}

/// Something that has just succeeded.
#[component]
pub fn Notice(
    /// What happened; nothing is shown without it.
    message: Option<String>,
) -> impl IntoView {
    message.map(|message| {
        view! {
            <p role="status" class="mb-6 flex gap-3 rounded-box bg-tint px-4 py-3">
                <span class="lead-icon text-primary">{Icon::Check.view()}</span>
                <span class="min-w-0">{message}</span>
            </p>
        }
    })
}

/// The problem of a form as a whole.
#[component]
pub fn FormAlert(
    /// The problem; nothing is shown without it.
    problem: Option<FormProblem>,
) -> impl IntoView {
    problem.map(|FormProblem { message, link }| {
        view! {
            <div role="alert" class="mb-6 flex gap-3 rounded-box border border-error bg-error-tint px-4 py-3">
                <span class="lead-icon text-error">{Icon::Warning.view()}</span>
                <p class="min-w-0">
                    {message}
                    {link.map(|(href, label)| view! { " " <a class="link" href=href>{label}</a> })}
                </p>
            </div>
        }
    })
}

/// Everything that is wrong with the fields of a form, each a link to its field. Fields are found by their name as id.
#[component]
pub fn ErrorSummary(
    /// What is wrong; nothing is shown when it is empty.
    errors: FieldErrors,
    /// What did not happen.
    #[prop(default = "Nothing was saved.")]
    nothing: &'static str,
) -> impl IntoView {
    (!errors.is_empty()).then(|| {
        let items: Vec<_> = errors
            .iter()
            .map(|error| {
                let href = format!("#{}", error.field);
                view! {
                    <li>
                        <a class="link text-error! inline-block py-2" href=href>
                            {labelled(field_label(error.field), &error.message)}
                        </a>
                    </li>
                }
            })
            .collect();
        view! {
            <section
                id="problems"
                role="alert"
                tabindex="-1"
                aria-labelledby="problems-title"
                class="mb-6 rounded-box border border-error bg-error-tint px-4 py-3"
            >
                <h2 id="problems-title" class="flex items-center gap-2 text-base">
                    <span class="lead-icon text-error">{Icon::Warning.view()}</span>
                    {nothing}
                    " Please look at this again:"
                </h2>
                <ul class="mt-1 flex flex-col ps-6">{items}</ul>
            </section>
        }
    })
}

/// A label with what is wrong; a question needs no colon.
fn labelled(label: &str, message: &str) -> String {
    let colon = if label.ends_with('?') { "" } else { ":" };
    format!("{label}{colon} {message}")
}

/// A field as the form labels it.
fn field_label(field: &str) -> &str {
    match field {
        "name" => "Name",
        "description" => "What it is for",
        "scopes" => "Scopes",
        "expires_in" => "Lifetime",
        "allowed_ips" => "Networks",
        "reason" => "Why?",
        "confirm" => "How many?",
        "action" => "Action",
        "result" => "Result",
        "user" => "User",
        "since" => "From",
        "until" => "To",
        "state" => "State",
        "scope" => "Scope",
        "unused_since" => "Last use",
        "created_before" => "Made before",
        "expires_within" => "Expires within",
        other => other,
    }
}
