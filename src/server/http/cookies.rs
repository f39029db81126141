//! Names and attributes of our cookies (RFC 6265bis).

use axum::http::{HeaderMap, HeaderValue, header};

use crate::server::config::PublicUrl;

/// Most logins that one browser may have in progress.
const PENDING_MAX: usize = 5;
/// Seconds for which a login in progress is kept.
const PENDING_AGE: u32 = 600;

/// The name of the session cookie. Browsers refuse the `__Host-` prefix over plain http on some loopback hosts, so the
/// prefix and `Secure` go together with https.
pub(super) const fn session_name(secure: bool) -> &'static str {
    if secure { "__Host-hallpass" } else { "hallpass" }
}

/// The name of the cookie of a login in progress.
pub(super) fn pending_name(public_url: &PublicUrl, state: &str) -> String {
    let short: String = state.chars().take(8).collect();
    format!("{}{short}", pending_prefix(public_url))
}

fn pending_prefix(public_url: &PublicUrl) -> String {
    format!("{}-login-", session_name(public_url.is_https()))
}

/// Every cookie of a request.
fn all(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='))
}

/// The value of a cookie.
pub(super) fn get<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    all(headers).find(|(found, _)| *found == name).map(|(_, value)| value)
}

/// The oldest logins in progress, so many that a new one fits. Browsers send older cookies first (RFC 6265, section
/// 5.4).
pub(super) fn superfluous_pending(headers: &HeaderMap, public_url: &PublicUrl) -> Vec<String> {
    let prefix = pending_prefix(public_url);
    let names: Vec<_> = all(headers).map(|(name, _)| name).filter(|name| name.starts_with(&prefix)).collect();
    let superfluous = (names.len() + 1).saturating_sub(PENDING_MAX);
    names.into_iter().take(superfluous).map(str::to_owned).collect()
}

/// Sets the cookie of a login in progress.
pub(super) fn set_pending(public_url: &PublicUrl, name: &str, value: &str) -> Option<HeaderValue> {
    set(public_url, name, value, PENDING_AGE)
}

/// Removes a cookie.
pub(super) fn remove(public_url: &PublicUrl, name: &str) -> Option<HeaderValue> {
    set(public_url, name, "", 0)
}

fn set(public_url: &PublicUrl, name: &str, value: &str, max_age: u32) -> Option<HeaderValue> {
    let secure = if public_url.is_https() { "; Secure" } else { "" };
    HeaderValue::try_from(format!("{name}={value}; HttpOnly; SameSite=Lax; Path=/; Max-Age={max_age}{secure}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sixth_login_in_progress_pushes_the_oldest_out() {
        let url = PublicUrl::parse("http://localhost:3000").unwrap();
        let cookies: Vec<_> = (0..5).map(|n| format!("hallpass-login-{n}=x")).collect();
        let line = format!("other=1; {}", cookies.join("; "));
        let headers = HeaderMap::from_iter([(header::COOKIE, line.parse().unwrap())]);
        assert_eq!(superfluous_pending(&headers, &url), ["hallpass-login-0"]);
        assert_eq!(get(&headers, "hallpass-login-3"), Some("x"));
    }

    #[test]
    fn cookies_over_https_are_bound_to_the_host() {
        let url = PublicUrl::parse("https://tokens.example.org").unwrap();
        let name = pending_name(&url, "abcdefghijkl");
        let cookie = set_pending(&url, &name, "v").unwrap();
        assert_eq!(cookie, "__Host-hallpass-login-abcdefgh=v; HttpOnly; SameSite=Lax; Path=/; Max-Age=600; Secure");
    }
}
