//! How long a token lives: what is offered as radio cards, a date, or never.

use leptos::prelude::*;

use super::field::FieldProblem;
use crate::domain::lifetime::Offer;
use crate::domain::time::Timestamp;

/// What the choice of a lifetime is made of.
#[derive(Clone, Debug)]
pub struct LifetimeChoice {
    /// What is chosen: the text of an offer, `date` or `never`.
    pub lifetime: String,
    /// The date that goes with `date`, as `2026-05-03`.
    pub date: String,
    /// What is offered.
    pub offers: Vec<Offer>,
    /// The last date that is accepted, as `2026-05-03`; none where not even the present day is.
    pub max_date: Option<String>,
    /// Whether a token may live for ever.
    pub allow_never: bool,
    /// The present.
    pub now: Timestamp,
}

/// The lifetime of a form, with the fields `lifetime` and `date`.
#[component]
pub fn LifetimeFields(
    /// What is offered and chosen.
    choice: LifetimeChoice,
    /// What is wrong with it.
    message: Option<String>,
) -> impl IntoView {
    let offers: Vec<_> = choice.offers.iter().map(|each| offer(*each, &choice)).collect();
    let is_date = choice.lifetime == "date";
    let date =
        choice.max_date.is_some().then(|| card("date", is_date, None, "Until a date", "You choose the last day"));
    let never = choice
        .allow_never
        .then(|| card("never", choice.lifetime == "never", None, "Never expires", "Works until you revoke it"));
    let wrong = message.is_some();
    view! {
        <fieldset
            id="expires_in"
            tabindex="-1"
            class="lifetimes flex flex-col gap-3"
            data-now=choice.now.as_seconds().to_string()
            aria-describedby=if wrong { "expires_in-error expires_in-hint" } else { "expires_in-hint" }
        >
            <legend class="font-semibold">"Lifetime"</legend>
            <p id="expires_in-hint" class="text-sm text-muted">
                "Shorter is safer. You can regenerate a token at any time, also after it has expired."
            </p>
            <FieldProblem field="expires_in" message/>
            <div class="grid gap-2 sm:grid-cols-2">
                {offers}
                {date}
                {never}
            </div>
            {choice.max_date.clone().map(|max| chosen_date(&choice, max, wrong))}
            <p id="expiry-sentence" class="font-medium" aria-live="polite" hidden=true></p>
        </fieldset>
    }
    .into_any()
}

fn offer(lifetime: Offer, choice: &LifetimeChoice) -> AnyView {
    let (at, value) = (choice.now.plus(lifetime.span()), lifetime.to_string());
    let checked = choice.lifetime == value;
    let until = if lifetime.is_of_days() { at.long_date() } else { at.exact() };
    card(&value, checked, Some(at), &lifetime.words(), &format!("until {until}"))
}

fn card(value: &str, checked: bool, at: Option<Timestamp>, title: &str, detail: &str) -> AnyView {
    view! {
        <label class="choice">
            <input
                type="radio"
                class="radio mt-0.5"
                name="lifetime"
                value=value.to_owned()
                checked=checked
                data-at=at.map(|at| at.as_seconds().to_string())
            />
            <span class="flex flex-col">
                <span class="font-medium">{title.to_owned()}</span>
                <span class="text-sm text-muted">{detail.to_owned()}</span>
            </span>
        </label>
    }
    .into_any()
}

fn chosen_date(choice: &LifetimeChoice, max: String, wrong: bool) -> AnyView {
    view! {
        <div class="chosen-date flex flex-col gap-1">
            <label class="font-medium" for="date">
                "Last day"
            </label>
            <input
                id="date"
                name="date"
                type="date"
                class="input max-w-56"
                value=choice.date.clone()
                min=choice.now.iso_date()
                max=max
                aria-describedby=if wrong { "expires_in-error date-hint" } else { "date-hint" }
                aria-invalid=(wrong && choice.lifetime == "date").then_some("true")
            />
            <p id="date-hint" class="text-sm text-muted">
                "It works until the end of that day, UTC."
            </p>
        </div>
    }
    .into_any()
}
