//! Tokens that somebody pasted into an address: where they look for something, or by mistake.
//!
//! Browsers remember addresses, and proxies log them: none with a secret is answered with a page, whether there is one or
//! not.

use std::borrow::Cow;

use axum::extract::Request;
use axum::http::{Method, Uri};
use axum::middleware::Next;
use axum::response::Response;
use url::form_urlencoded::{Serializer, parse};

use super::page;
use crate::domain::paste::{first_name, holds_a_token, masked};

/// Leads from an address with a secret to the same one without, which still names the token.
pub(super) async fn leave_out(request: Request, next: Next) -> Response {
    let is_safe = matches!(*request.method(), Method::GET | Method::HEAD);
    let is_page = is_safe && !page::wants_json(request.uri().path());
    match without_secrets(request.uri()).filter(|_| is_page) {
        Some(address) => page::see_other(&address),
        None => next.run(request).await,
    }
}

/// The same address, if it has a secret. Of a parameter with one only the name of the token is left.
fn without_secrets(address: &Uri) -> Option<String> {
    let (path, query) = (address.path(), address.query().unwrap_or_default().as_bytes());
    let is_asked = parse(query).any(|(name, value)| holds_a_token(&name) || holds_a_token(&value));
    if !is_asked && !holds_a_token(path) {
        return None;
    }
    // A second slash, which browsers also see in a backslash, would begin the name of another host.
    let path = format!("/{}", path.trim_start_matches(['/', '\\']));
    // What stands for a secret is not ASCII.
    let path = masked(&path).replace('…', "%E2%80%A6");
    if query.is_empty() {
        return Some(path);
    }
    let begins = path.len() + 1;
    let mut kept = Serializer::for_suffix(format!("{path}?"), begins);
    kept.extend_pairs(parse(query).map(|(name, value)| (named(name), named(value))));
    Some(kept.finish())
}

fn named(text: Cow<'_, str>) -> Cow<'_, str> {
    first_name(&text).map_or(text, Cow::Owned)
}
