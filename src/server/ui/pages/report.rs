//! Ending a token that somebody found, without an account.

use leptos::prelude::*;
use leptos_meta::Title;

use crate::server::ui::components::notice::{FormAlert, FormProblem, Notice};

/// The page for whoever found a token.
#[component]
pub fn ReportPage(
    /// What tokens begin with, such as `hpat`.
    prefix: String,
    /// Whether something was reported just now.
    reported: bool,
    /// Why it could not be taken.
    problem: Option<FormProblem>,
) -> impl IntoView {
    let notice = reported.then(|| {
        "Thank you. If that was a token of this installation, it is refused from now on, and its owner is told."
            .to_owned()
    });
    view! {
        <Title text="Report a token"/>
        <div class="form-width">
            <Notice message=notice/>
            <FormAlert problem/>
            <h1>"You found a token?"</h1>
            <div class="mt-3 mb-8 flex flex-col gap-2">
                <p>
                    "Tokens of this installation begin with " <span class="prose-code">{format!("{prefix}_")}</span>
                    ". One that stands where others can read it should stop working. Paste it here and it is revoked, for "
                    "ever. You need no account; the log keeps your address and the name of your browser, for administrators alone."
                </p>
                <p class="text-muted">
                    "We answer the same whether or not it was a good token, so that nobody can use this page to try some out."
                </p>
            </div>
            <form method="post" action="/report" class="flex flex-col gap-4">
                <div>
                    <label class="font-semibold" for="text">
                        "The token"
                    </label>
                    <p id="text-hint" class="text-sm text-muted">
                        "The whole of it. The text around it does no harm."
                    </p>
                </div>
                <textarea
                    id="text"
                    name="text"
                    class="textarea font-mono"
                    rows="3"
                    required=true
                    spellcheck="false"
                    autocomplete="off"
                    aria-describedby="text-hint"
                ></textarea>
                <div>
                    <button type="submit" class="btn btn-error">
                        "Revoke it"
                    </button>
                </div>
            </form>
        </div>
    }
    .into_any()
}
