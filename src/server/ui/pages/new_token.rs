//! Making a token: one column, and beside it what it amounts to.

use leptos::prelude::*;
use leptos_meta::Title;

use crate::domain::error::FieldErrors;
use crate::domain::scope::ScopeEntry;
use crate::domain::text::{DESCRIPTION_MAX, NAME_MAX};
use crate::islands::{LiveSummary, ScopeFilter};
use crate::server::ui::components::field::{FieldProblem, Text, TextArea, TextField};
use crate::server::ui::components::lifetime::{LifetimeChoice, LifetimeFields};
use crate::server::ui::components::notice::{ErrorSummary, FormAlert, FormProblem};
use crate::server::ui::components::scopes::{choice, grouped};

/// More scopes than this are easier to find by typing.
const MANY: usize = 10;

/// The form as it was typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewTokenForm {
    /// The name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The chosen scopes.
    pub scopes: Vec<String>,
    /// A lifetime that is offered, `date` or `never`.
    pub lifetime: String,
    /// The date that goes with `date`.
    pub date: String,
    /// Networks, one on each line.
    pub allowed_ips: String,
}

/// The page for a new token. It posts to `/tokens/new`.
#[component]
pub fn NewTokenPage(
    /// What was typed.
    form: NewTokenForm,
    /// What is wrong with it.
    errors: FieldErrors,
    /// The scopes that may be chosen.
    scopes: Vec<ScopeEntry>,
    /// Which lifetimes there are, and which is chosen.
    lifetime: LifetimeChoice,
    /// The key that makes the form good for one token.
    form_key: String,
    /// What is wrong with the form as a whole.
    form_error: Option<FormProblem>,
) -> impl IntoView {
    let title = if errors.is_empty() { "New token" } else { "Please check: New token" };
    let lifetime_error = errors.message("expires_in").map(ToOwned::to_owned);
    view! {
        <Title text=title/>
        <h1 class="mb-6">"New token"</h1>
        <div class="max-w-[43rem]">
            <FormAlert problem=form_error/>
            <ErrorSummary errors=errors.clone()/>
        </div>
        <form method="post" action="/tokens/new" class="with-aside">
            <input type="hidden" name="form_key" value=form_key/>
            <div class="flex min-w-0 flex-col gap-8">
                {about(&form, &errors)}
                {scope_fields(scopes, &form.scopes, &errors)}
                <LifetimeFields choice=lifetime message=lifetime_error/>
                {restrictions(&form, &errors)}
            </div>
            {summary_panel()}
            <div class="actions">
                <button type="submit" class="btn btn-primary">
                    "Create token"
                </button>
                <a class="place" href="/tokens">
                    "Cancel"
                </a>
            </div>
        </form>
    }
    .into_any()
}

fn about(form: &NewTokenForm, errors: &FieldErrors) -> AnyView {
    let name = Text {
        field: "name",
        label: "Name",
        hint: "So that you recognise it in a year, such as nightly-backup.",
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

fn scope_fields(scopes: Vec<ScopeEntry>, chosen: &[String], errors: &FieldErrors) -> AnyView {
    let many = scopes.len() > MANY;
    let none = scopes.is_empty();
    let message = errors.message("scopes").map(ToOwned::to_owned);
    let describedby = if message.is_some() { "scopes-error scopes-hint" } else { "scopes-hint" };
    let groups: Vec<_> =
        grouped(scopes).into_iter().map(|(resource, entries)| group(&resource, &entries, chosen)).collect();
    view! {
        <fieldset id="scopes" tabindex="-1" class="flex min-w-0 flex-col gap-3" aria-describedby=describedby>
            <legend class="font-semibold">"Scopes"</legend>
            <p id="scopes-hint" class="text-sm text-muted">
                "Choose as little as the work needs. You can take scopes away later, but not add any."
            </p>
            <FieldProblem field="scopes" message/>
            {many.then(|| view! { <ScopeFilter/> })}
            {none.then(|| view! { <p>"There is no scope that you may use. Please ask your administrator."</p> })}
            <div class="flex flex-col gap-4">{groups}</div>
        </fieldset>
    }
    .into_any()
}

fn group(resource: &str, entries: &[ScopeEntry], chosen: &[String]) -> AnyView {
    let choices: Vec<_> =
        entries.iter().map(|entry| choice(entry, chosen.iter().any(|name| name == entry.name.as_str()))).collect();
    view! {
        <fieldset class="scope-group" data-scope-group="">
            <legend class="text-sm font-medium text-muted">{resource.to_owned()}</legend>
            {choices}
        </fieldset>
    }
    .into_any()
}

fn restrictions(form: &NewTokenForm, errors: &FieldErrors) -> AnyView {
    let open = !form.allowed_ips.trim().is_empty() || errors.message("allowed_ips").is_some();
    let networks = Text {
        field: "allowed_ips",
        label: "Networks",
        hint: "Where it works from: one on each line, such as 10.2.0.0/16. Everywhere when empty.",
        value: form.allowed_ips.clone(),
        ..Text::default()
    };
    view! {
        <details open=open>
            <summary class="fold">"Restrictions"</summary>
            <div class="pt-2">
                <TextArea text=networks errors=errors.clone() rows=3/>
            </div>
        </details>
    }
    .into_any()
}

/// The summary is shown by its island: without one it would not follow the choices, and be wrong.
fn summary_panel() -> AnyView {
    view! {
        <aside class="aside" aria-label="Summary">
            <div id="summary-panel" class="mb-4" hidden=true>
                <h2 class="mb-1 text-base">"You are creating"</h2>
                <p id="summary" class="text-lg" aria-live="polite"></p>
            </div>
            <LiveSummary/>
            <p class="text-sm text-muted">
                "The token is shown once, right after you create it. Please have the place ready where you will keep it."
            </p>
        </aside>
    }
    .into_any()
}
