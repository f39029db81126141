//! Tokens that somebody pasted where they look for something.
//!
//! Browsers remember addresses, and proxies log them: none with a secret is answered with a page.

use std::borrow::Cow;

use axum::extract::Request;
use axum::http::{Method, Uri};
use axum::middleware::Next;
use axum::response::Response;
use url::form_urlencoded::{Serializer, parse};

use super::super::page;
use crate::domain::paste::{first_name, holds_a_token};

/// Leads from an address with a secret to the same one without, which still names the token.
pub(super) async fn leave_out(request: Request, next: Next) -> Response {
    let is_safe = matches!(*request.method(), Method::GET | Method::HEAD);
    match without_secrets(request.uri()).filter(|_| is_safe) {
        Some(address) => page::see_other(&address),
        None => next.run(request).await,
    }
}

/// The same address, if it has a secret. Of a text with one only the name of the token is left.
fn without_secrets(address: &Uri) -> Option<String> {
    let query = address.query()?.as_bytes();
    if !parse(query).any(|(name, value)| holds_a_token(&name) || holds_a_token(&value)) {
        return None;
    }
    let path = address.path();
    let mut kept = Serializer::for_suffix(format!("{path}?"), path.len() + 1);
    kept.extend_pairs(parse(query).map(|(name, value)| (named(name), named(value))));
    Some(kept.finish())
}

fn named(text: Cow<'_, str>) -> Cow<'_, str> {
    first_name(&text).map_or(text, Cow::Owned)
}
