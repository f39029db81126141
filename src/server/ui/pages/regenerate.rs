//! Giving a token a new secret.

use leptos::prelude::*;
use leptos_meta::Title;

use crate::domain::error::FieldErrors;
use crate::domain::token::TokenState;
use crate::domain::view::TokenView;
use crate::islands::LiveSummary;
use crate::server::ui::components::facts::last_use_sentence;
use crate::server::ui::components::lifetime::{LifetimeChoice, LifetimeFields};
use crate::server::ui::components::notice::{ErrorSummary, FormAlert, FormProblem};

/// The page that regenerates a token. It posts to `/tokens/{id}/regenerate`.
#[component]
pub fn RegeneratePage(
    /// The token.
    token: TokenView,
    /// What is wrong with it.
    errors: FieldErrors,
    /// Which lifetimes there are, and which is chosen.
    lifetime: LifetimeChoice,
    /// The key that makes the form good for one regeneration.
    form_key: String,
    /// What is wrong with the form as a whole.
    form_error: Option<FormProblem>,
) -> impl IntoView {
    let back = format!("/tokens/{}", token.id);
    let title = format!("Regenerate {}", token.name);
    let now = lifetime.now;
    let message = errors.message("expires_in").map(ToOwned::to_owned);
    view! {
        <Title text=title.clone()/>
        <div class="form-width">
            <h1 class="mb-6">{title}</h1>
            <FormAlert problem=form_error/>
            <ErrorSummary errors/>
            <div class="mb-8 flex flex-col gap-2">
                <p>{last_use_sentence(&token, now)}</p>
                <p>{consequence(token.state)}</p>
                <p>"Name, scopes and history stay as they are."</p>
            </div>
            <form method="post" action=format!("{back}/regenerate") class="flex flex-col gap-8">
                <input type="hidden" name="form_key" value=form_key/>
                <LifetimeFields choice=lifetime message/>
                <LiveSummary/>
                <div class="actions">
                    <button type="submit" class="btn btn-primary">
                        "Regenerate token"
                    </button>
                    <a class="place" href=back.clone()>
                        "Keep the old secret"
                    </a>
                </div>
            </form>
        </div>
    }
    .into_any()
}

const fn consequence(state: TokenState) -> &'static str {
    match state {
        TokenState::Expired => "It has expired. With a new secret it works again; the old secret stays refused.",
        _ => {
            "It gets a new secret, and the old one stops working at once: whatever uses it is refused until you have put \
             the new one in place."
        }
    }
}
