//! Changing a token's name and description, and taking scopes away.

use leptos::prelude::*;
use leptos_meta::Title;

use crate::domain::error::FieldErrors;
use crate::domain::scope::{Catalogue, ScopeEntry, ScopeName};
use crate::domain::text::{DESCRIPTION_MAX, NAME_MAX};
use crate::domain::view::TokenView;
use crate::server::ui::components::field::{FieldProblem, Text, TextArea, TextField};
use crate::server::ui::components::notice::{ErrorSummary, FormAlert, FormProblem};
use crate::server::ui::components::scopes::{choice, loss};

/// The form as it was typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EditTokenForm {
    /// The name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The scopes that stay.
    pub scopes: Vec<String>,
}

/// The page that edits a token. It posts to `/tokens/{id}/edit`.
#[component]
pub fn EditTokenPage(
    /// The token as it is.
    token: TokenView,
    /// What was typed.
    form: EditTokenForm,
    /// What is wrong with it.
    errors: FieldErrors,
    /// All scopes that are offered.
    catalogue: Catalogue,
    /// The version that is edited.
    version: i64,
    /// What is wrong with the form as a whole.
    form_error: Option<FormProblem>,
) -> impl IntoView {
    let back = format!("/tokens/{}", token.id);
    let title = format!("{}Edit {}", if errors.is_empty() { "" } else { "Please check: " }, token.name);
    view! {
        <Title text=title/>
        <div class="form-width">
            <h1 class="mb-6">{format!("Edit {}", token.name)}</h1>
            <FormAlert problem=form_error/>
            <ErrorSummary errors=errors.clone()/>
            <form method="post" action=format!("{back}/edit") class="flex flex-col gap-8">
                <input type="hidden" name="version" value=version.to_string()/>
                {about(&form, &errors)}
                {scope_fields(&token, &form, &errors, &catalogue)}
                <div class="actions">
                    <button type="submit" class="btn btn-primary">
                        "Save changes"
                    </button>
                    <a class="place" href=back.clone()>
                        "Cancel"
                    </a>
                </div>
            </form>
        </div>
    }
    .into_any()
}

fn about(form: &EditTokenForm, errors: &FieldErrors) -> AnyView {
    let name = Text {
        field: "name",
        label: "Name",
        hint: "So that you recognise it in a year.",
        value: form.name.clone(),
        max: Some(NAME_MAX),
        required: true,
    };
    let description = Text {
        field: "description",
        label: "What it is for",
        hint: "Where it is used and by what, if you like.",
        value: form.description.clone(),
        max: Some(DESCRIPTION_MAX),
        required: false,
    };
    view! {
        <TextField text=name errors=errors.clone()/>
        <TextArea text=description errors=errors.clone()/>
    }
    .into_any()
}

fn scope_fields(token: &TokenView, form: &EditTokenForm, errors: &FieldErrors, catalogue: &Catalogue) -> AnyView {
    let message = errors.message("scopes").map(ToOwned::to_owned);
    let describedby = if message.is_some() { "scopes-error scopes-hint" } else { "scopes-hint" };
    let choices: Vec<_> = token
        .scopes
        .iter()
        .map(|name| {
            let checked = form.scopes.iter().any(|kept| kept == name.as_str());
            choice(&entry(name, token, catalogue), checked)
        })
        .collect();
    view! {
        <fieldset id="scopes" tabindex="-1" class="flex min-w-0 flex-col gap-3" aria-describedby=describedby>
            <legend class="font-semibold">"Scopes"</legend>
            <p id="scopes-hint" class="text-sm text-muted">
                "You can take scopes away: they end at once, and cannot come back. For more scopes, create a new token."
            </p>
            <FieldProblem field="scopes" message/>
            <div class="scope-group">{choices}</div>
        </fieldset>
    }
    .into_any()
}

/// The scope as it is offered, or why it is of no use any more.
fn entry(name: &ScopeName, token: &TokenView, catalogue: &Catalogue) -> ScopeEntry {
    let description = if token.effective_scopes.contains(name.as_str()) {
        catalogue.get(name).map(|entry| entry.description.clone()).unwrap_or_default()
    } else {
        format!("You may not use this any more: {}.", loss(name, catalogue))
    };
    ScopeEntry { name: name.clone(), description, roles: [].into() }
}
