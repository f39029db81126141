//! Fields of forms: each with a label, a one-line hint, and its error beneath in words that say what to do.

use leptos::prelude::*;

use super::icon::Icon;
use crate::domain::error::FieldErrors;

/// What a text field is made of.
#[derive(Clone, Debug, Default)]
pub struct Text {
    /// Its id, its name in the form and its name in [`FieldErrors`].
    pub field: &'static str,
    /// The label.
    pub label: &'static str,
    /// What to write, in one line.
    pub hint: &'static str,
    /// What it holds.
    pub value: String,
    /// The most characters that are accepted.
    pub max: Option<usize>,
    /// Whether it may not stay empty.
    pub required: bool,
}

/// The message under a field.
#[component]
pub fn FieldProblem(
    /// The field's id; the message's is `{field}-error`.
    field: &'static str,
    /// The message; nothing is shown without it.
    message: Option<String>,
) -> impl IntoView {
    message.map(|message| {
        view! {
            <p id=format!("{field}-error") class="flex gap-2 text-error">
                <span class="lead-icon">{Icon::Warning.view()}</span>
                <span class="min-w-0">{message}</span>
            </p>
        }
    })
}

/// The ids that describe a field: its error first, where there is one.
#[must_use]
pub fn described_by(field: &str, wrong: bool) -> String {
    if wrong { format!("{field}-error {field}-hint") } else { format!("{field}-hint") }
}

/// One line of text.
#[component]
pub fn TextField(
    /// What the field is made of.
    text: Text,
    /// What is wrong in the form.
    errors: FieldErrors,
) -> impl IntoView {
    let Text { field, label, hint, value, max, required } = text;
    let message = errors.message(field).map(ToOwned::to_owned);
    let wrong = message.is_some();
    view! {
        <div class="flex flex-col gap-2">
            <FieldLabel field label hint/>
            <input
                id=field
                name=field
                type="text"
                class="input"
                value=value
                maxlength=max.map(|max| max.to_string())
                required=required
                autocomplete="off"
                aria-describedby=described_by(field, wrong)
                aria-invalid=wrong.then_some("true")
            />
            <FieldProblem field message/>
        </div>
    }
    .into_any()
}

/// Several lines of text.
#[component]
pub fn TextArea(
    /// What the field is made of.
    text: Text,
    /// What is wrong in the form.
    errors: FieldErrors,
    /// How many lines it shows.
    #[prop(default = 2)]
    rows: u8,
) -> impl IntoView {
    let Text { field, label, hint, value, max, required } = text;
    let message = errors.message(field).map(ToOwned::to_owned);
    let wrong = message.is_some();
    // Leptos writes the text of a textarea as it is.
    let escaped = html_escape::encode_text(&value).into_owned();
    view! {
        <div class="flex flex-col gap-2">
            <FieldLabel field label hint/>
            <textarea
                id=field
                name=field
                class="textarea"
                rows=rows.to_string()
                maxlength=max.map(|max| max.to_string())
                required=required
                aria-describedby=described_by(field, wrong)
                aria-invalid=wrong.then_some("true")
            >
                {escaped}
            </textarea>
            <FieldProblem field message/>
        </div>
    }
    .into_any()
}

#[component]
fn FieldLabel(field: &'static str, label: &'static str, hint: &'static str) -> impl IntoView {
    view! {
        <div>
            <label class="font-semibold" for=field>
                {label}
            </label>
            <p id=format!("{field}-hint") class="text-sm text-muted">
                {hint}
            </p>
        </div>
    }
    .into_any()
}
