//! Ending many tokens at once: what would end, and only then the button.

use leptos::prelude::*;
use leptos_meta::Title;

use super::tokens::PATH;
use super::{counted, heading};
use crate::domain::error::FieldErrors;
use crate::domain::time::Timestamp;
use crate::server::service::admin::{BULK_MAX, OwnedView, Preview};
use crate::server::ui::components::facts::When;
use crate::server::ui::components::field::{FieldProblem, described_by};
use crate::server::ui::components::notice::{ErrorSummary, FormAlert, FormProblem};
use crate::server::ui::components::reason::{ReasonFields, ReasonForm};

/// What would end.
#[derive(Clone, Debug)]
pub struct BulkPreview {
    /// What one step ends, and whether there may be more.
    pub found: Preview,
    /// The fields that say which, to be sent again.
    pub fields: Vec<(String, String)>,
    /// The same in words that follow a number of tokens, such as `of the user alice`.
    pub words: String,
    /// The address of the list from which it was chosen.
    pub list: String,
    /// The same question about older tokens, where there may be some.
    pub older: Option<String>,
}

/// The page that asks before many tokens are revoked.
#[component]
pub fn BulkPage(
    /// What would end, if that may be said.
    preview: Option<BulkPreview>,
    /// The reason as it was chosen and typed.
    form: ReasonForm,
    /// The number that was typed.
    typed: String,
    /// What is wrong.
    errors: FieldErrors,
    /// What is wrong with all of it.
    problem: Option<FormProblem>,
    /// The present.
    now: Timestamp,
) -> impl IntoView {
    let (title, body) = match &preview {
        None => ("Revoke many tokens".to_owned(), ().into_any()),
        Some(preview) if preview.found.matched == 0 => {
            let title = if preview.older.is_some() { "Nothing found yet" } else { "Nothing to revoke" };
            (title.to_owned(), nothing(preview))
        }
        Some(preview) => {
            let title = format!("Revoke {}?", counted(preview.found.ending.count, "token"));
            (title, asking(preview, form, &typed, &errors, now))
        }
    };
    let document_title = if errors.is_empty() { title.clone() } else { format!("Please check: {title}") };
    view! {
        <Title text=document_title/>
        {heading(&title, PATH)}
        <div class="form-width mt-6">
            <FormAlert problem/>
            <ErrorSummary errors nothing="Nothing was changed."/>
            {body}
        </div>
    }
    .into_any()
}

fn nothing(preview: &BulkPreview) -> AnyView {
    let text = if preview.older.is_none() {
        "No token that still could be used matches. Nothing would change."
    } else {
        "None of the newest tokens matches, and there are too many to look at all of them at once. Please go on to the older \
         ones, or narrow it by a user, a scope or a word."
    };
    let older = preview.older.clone().map(|older| {
        view! {
            <a class="btn btn-primary" href=older>
                "Look at older tokens"
            </a>
        }
    });
    view! {
        <p class="mb-6">{text}</p>
        <div class="actions">
            {older}
            <a class="btn btn-plain" href=preview.list.clone()>
                "Back to the tokens"
            </a>
        </div>
    }
    .into_any()
}

fn asking(preview: &BulkPreview, form: ReasonForm, typed: &str, errors: &FieldErrors, now: Timestamp) -> AnyView {
    let hidden: Vec<_> = preview
        .fields
        .iter()
        .map(|(name, value)| view! { <input type="hidden" name=name.clone() value=value.clone()/> })
        .collect();
    let ending = counted(preview.found.ending.count, "token");
    view! {
        <div class="mb-6 flex flex-col gap-2">
            <p>{format!("This ends {} {}.", ending, preview.words)}</p>
            {left_over(preview)}
            <p>
                "Requests with them will be refused from that moment on. This cannot be undone. Their owners see that an "
                "administrator did it, and why."
            </p>
        </div>
        {list(preview, now)}
        <form method="post" action="/admin/tokens/revoke" class="mt-8 flex flex-col gap-8">
            {hidden}
            <ReasonFields form errors=errors.clone()/>
            {confirmation(preview.found.ending.count, typed, errors)}
            <div class="actions">
                <button type="submit" class="btn btn-error">
                    {format!("Revoke {ending}")}
                </button>
                <a class="place" href=preview.list.clone()>
                    "Keep them"
                </a>
            </div>
        </form>
    }
    .into_any()
}

/// Why this may not be all, and where the others may be.
fn left_over(preview: &BulkPreview) -> Option<AnyView> {
    let found = &preview.found;
    if found.matched > BULK_MAX {
        let most = counted(BULK_MAX, "token");
        let words = format!("More than {most} match. One step revokes at most that many; repeat it for the others.");
        return Some(view! { <p>{words}</p> }.into_any());
    }
    let older = preview.older.clone()?;
    let view = view! {
        <p>
            "There may be more: there are too many tokens to look at all of them at once. Repeat it for the others, or "
            {text_link(older, "look at older ones first".to_owned())} "."
        </p>
    };
    Some(view.into_any())
}

fn list(preview: &BulkPreview, now: Timestamp) -> AnyView {
    let rows: Vec<_> = preview.found.first.iter().map(|owned| row(owned, now)).collect();
    let more = preview.found.ending.count.saturating_sub(preview.found.first.len());
    let more = (more > 0).then(|| {
        let more = counted(more, "other");
        let is_chosen = preview.fields.iter().any(|(name, _)| name == "id");
        let more = if is_chosen { more.into_any() } else { text_link(preview.list.clone(), more) };
        view! { <p class="mt-2 text-muted">"and " {more}</p> }
    });
    view! { <ul class="border-t border-base-300">{rows}</ul> {more} }.into_any()
}

/// A token that would end; several may have the same name, so it says when it was made and how its id begins.
fn row(OwnedView { token, owner }: &OwnedView, now: Timestamp) -> AnyView {
    let id: String = token.id.to_string().chars().take(8).collect();
    let used = match token.last_used_at {
        Some(at) => view! { "last used " <When at now/> }.into_any(),
        None => "never used".into_any(),
    };
    view! {
        <li class="flex flex-wrap justify-between gap-x-6 border-b border-base-300 py-2">
            <span class="min-w-0">
                <a class="link" href=format!("{PATH}/{}", token.id)>
                    {token.name.clone()}
                </a>
                {format!(" of {}", owner.username)}
            </span>
            <span class="text-sm text-muted">
                <span class="prose-code">{id}</span>
                {format!(" · made {} · ", token.created_at.short_date())}
                {used}
            </span>
        </li>
    }
    .into_any()
}

/// Nobody types a number by accident.
fn confirmation(count: usize, typed: &str, errors: &FieldErrors) -> AnyView {
    let message = errors.message("confirm").map(ToOwned::to_owned);
    let wrong = message.is_some();
    view! {
        <div class="flex flex-col gap-2">
            <label class="font-semibold" for="confirm">
                "How many?"
            </label>
            <p id="confirm-hint" class="text-sm text-muted">
                {format!("Please type {count}, so that nobody does this by accident.")}
            </p>
            <input
                id="confirm"
                name="confirm"
                type="text"
                inputmode="numeric"
                class="input sm:w-40!"
                value=typed.to_owned()
                required=true
                autocomplete="off"
                aria-describedby=described_by("confirm", wrong)
                aria-invalid=wrong.then_some("true")
            />
            <FieldProblem field="confirm" message/>
        </div>
    }
    .into_any()
}

fn text_link(href: String, words: String) -> AnyView {
    view! {
        <a class="link" href=href>
            {words}
        </a>
    }
    .into_any()
}
