//! What a token or a secret is, said with a word, an icon and a colour.

use std::time::Duration;

use leptos::prelude::*;

use super::facts::{When, when_or};
use super::icon::Icon;
use crate::domain::time::Timestamp;
use crate::domain::token::{SecretState, Suspension, TokenState};
use crate::domain::view::TokenView;

/// An expiry nearer than this is "soon".
const SOON: Duration = Duration::from_hours(14 * 24);

/// Whether a token is over: it stays in the list, folded away.
#[must_use]
pub const fn is_over(token: &TokenView) -> bool {
    matches!(token.state, TokenState::Expired | TokenState::Revoked)
}

/// Whether a token is good, but not for much longer.
#[must_use]
pub fn expires_soon(token: &TokenView, now: Timestamp) -> bool {
    token.state == TokenState::Active && token.expires_at.is_some_and(|at| at < now.plus(SOON))
}

/// The state of a token.
#[component]
pub fn State(
    /// The state.
    state: TokenState,
) -> impl IntoView {
    let (icon, word, class) = match state {
        TokenState::Active => (Icon::Check, "Active", "text-primary"),
        TokenState::Expired => (Icon::Hourglass, "Expired", "text-muted"),
        TokenState::Revoked => (Icon::Cross, "Revoked", "text-error"),
        TokenState::Suspended => (Icon::Pause, "Suspended", "text-warning"),
    };
    view! { <span class=format!("inline-flex items-center gap-1.5 font-medium {class}")>{icon.view()} {word}</span> }
        .into_any()
}

/// The state of a secret, in the words of the list.
#[must_use]
pub const fn secret_state(state: SecretState) -> &'static str {
    match state {
        SecretState::Active => "In use",
        SecretState::Waiting => "Waiting for its first use",
        SecretState::Superseded => "Replaced, still good",
        SecretState::Ended => "Ended",
    }
}

/// Why a token is suspended, and what ends that.
#[must_use]
pub const fn suspension_advice(suspension: Suspension) -> &'static str {
    match suspension {
        Suspension::Idle => "It was not used for a long time. Regenerate it to use it again.",
        Suspension::OwnerLogin => "You had not logged in for a long time. It works again after your next login.",
        Suspension::OwnerDisabled => "Your account is disabled. Please ask your administrator.",
    }
}

/// When a token expires; amber and with an icon when that is soon.
#[component]
pub fn Expiry(
    /// The token.
    token: TokenView,
    /// The present.
    now: Timestamp,
) -> impl IntoView {
    let Some(at) = token.expires_at else { return "never".into_any() };
    if expires_soon(&token, now) {
        view! {
            <span class="inline-flex items-center gap-1.5 font-medium text-warning">
                {Icon::Clock.view()} <When at now/> <span class="sr-only">"(soon)"</span>
            </span>
        }
        .into_any()
    } else {
        view! { <When at now/> }.into_any()
    }
    .into_any()
}

/// The last cells of a token's row: its last use, its end and its state.
pub fn life(token: &TokenView, now: Timestamp) -> AnyView {
    let is_revoked = token.revoked_at.is_some();
    let expires = if is_revoked { "–".into_any() } else { view! { <Expiry token=token.clone() now/> }.into_any() };
    view! {
            <td role="cell" data-label="Last used">
                <span>{when_or(token.last_used_at, now, "never")}</span>
            </td>
            <td role="cell" data-label="Expires">
                <span>{expires}</span>
            </td>
            <td role="cell" data-label="State">
                <span><State state=token.state/></span>
            </td>
    }
    .into_any()
}
