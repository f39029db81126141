//! Server functions: single-button actions. Each is a public endpoint: its guard is its first line, and it ends in an
//! explicit redirect. Error texts could end up in addresses, so they say nothing but that it did not work.

#![expect(missing_docs, reason = "server functions become structs, whose fields cannot carry comments")]

use leptos::prelude::*;

use crate::domain::id::TokenId;
use crate::server::service::Caller;
use crate::server::service::tokens::{TokenError, Tokens};

/// Who is asking; nobody else gets any further.
fn guard() -> Result<Caller, ServerFnError> {
    use_context::<Caller>().ok_or_else(|| ServerFnError::new("not logged in"))
}

/// Revokes a token for ever and leads to its page.
///
/// # Errors
/// When nobody is logged in.
#[server(prefix = "/ui", endpoint = "revoke_token")]
pub async fn revoke_token(id: String) -> Result<(), ServerFnError> {
    let caller = guard()?;
    let tokens = expect_context::<Tokens>();
    let outcome = match id.parse::<TokenId>() {
        Ok(id) => tokens.revoke(&caller, id, None, None).await,
        Err(_) => Err(TokenError::NotFound),
    };
    match outcome {
        Ok(()) => leptos_axum::redirect(&format!("/tokens/{id}?notice=revoked")),
        Err(TokenError::NotFound) => leptos_axum::redirect("/tokens?notice=not-found"),
        Err(_) => leptos_axum::redirect(&format!("/tokens/{id}?notice=not-revoked")),
    }
    Ok(())
}
