//! Asking why.

use leptos::prelude::*;

use super::field::{FieldProblem, described_by};
use crate::domain::error::FieldErrors;
use crate::domain::reason::Code;
use crate::domain::text::REASON_MAX;

/// A reason as it was chosen and typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReasonForm {
    /// The name of the code.
    pub code: String,
    /// Words beside it.
    pub words: String,
}

/// The fields of a reason.
#[component]
pub fn ReasonFields(
    /// What was chosen and typed.
    form: ReasonForm,
    /// What is wrong with it.
    errors: FieldErrors,
) -> impl IntoView {
    let message = errors.message("reason").map(ToOwned::to_owned);
    let wrong = message.is_some();
    let choices: Vec<_> = Code::ALL
        .iter()
        .map(|code| {
            let checked = code.as_str() == form.code;
            view! {
                <label class="choice">
                    <input type="radio" class="radio mt-0.5" name="reason" value=code.as_str() checked=checked required=true/>
                    <span>{code.words()}</span>
                </label>
            }
        })
        .collect();
    view! {
        <fieldset id="reason" tabindex="-1" class="flex min-w-0 flex-col gap-3" aria-describedby=described_by("reason", wrong)>
            <legend class="font-semibold">"Why?"</legend>
            <p id="reason-hint" class="text-sm text-muted">
                "The owner is shown this, and it stays in the log."
            </p>
            <FieldProblem field="reason" message/>
            <div class="grid gap-3 sm:grid-cols-2">{choices}</div>
            <label class="flex flex-col gap-2">
                <span>"In your words, if you like"</span>
                <input
                    name="words"
                    type="text"
                    class="input"
                    value=form.words
                    maxlength=REASON_MAX.to_string()
                    autocomplete="off"
                />
            </label>
        </fieldset>
    }
    .into_any()
}
