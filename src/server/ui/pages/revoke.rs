//! Confirming that a token ends for ever.

use leptos::prelude::*;
use leptos_meta::Title;

use crate::domain::time::Timestamp;
use crate::domain::view::TokenView;
use crate::server::ui::components::facts::last_use_sentence;

/// The page that asks before a token is revoked.
#[component]
pub fn RevokePage(
    /// The token.
    token: TokenView,
    /// The present.
    now: Timestamp,
    /// Where the form goes.
    action: String,
) -> impl IntoView {
    let title = format!("Revoke {}?", token.name);
    let id = token.id.to_string();
    let back = format!("/tokens/{id}");
    view! {
        <Title text=title.clone()/>
        <div class="form-width">
            <h1 class="mb-6">{title}</h1>
            <div class="mb-8 flex flex-col gap-2">
                <p>{last_use_sentence(&token, now)}</p>
                <p>"Requests with it will be refused from the moment you revoke it. This cannot be undone."</p>
            </div>
            <form method="post" action=action class="actions">
                <input type="hidden" name="id" value=id/>
                <button type="submit" class="btn btn-error">
                    "Revoke token"
                </button>
                <a class="place" href=back>
                    "Keep it"
                </a>
            </form>
        </div>
    }
    .into_any()
}
