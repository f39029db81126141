//! The `X-Auth-*` headers of an answer that allows: always all of them, never empty, printable ASCII, bounded.

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::domain::scope::ScopeName;
use crate::domain::time::Timestamp;
use crate::domain::verdict::Grant;

/// What stands for "unknown" or "none".
const NONE: &str = "-";
const USER_MAX: usize = 192;
const EMAIL_MAX: usize = 256;
const LIST_MAX: usize = 512;

/// Writes the headers of a grant.
pub(super) fn write(headers: &mut HeaderMap, grant: &Grant) {
    let mut cut = Cut::default();
    let profile = &grant.profile;
    let mut put = |name: &'static str, value: String| {
        // Everything was encoded as printable ASCII; the fallback is never reached.
        let value = HeaderValue::try_from(value).unwrap_or(HeaderValue::from_static(NONE));
        headers.insert(HeaderName::from_static(name), value);
    };
    put("x-auth-subject", grant.user.to_string());
    put("x-auth-user", cut.text("user", Some(&profile.username), USER_MAX));
    put("x-auth-email", cut.text("email", profile.email.as_deref(), EMAIL_MAX));
    put("x-auth-roles", cut.list("roles", profile.roles.iter().map(String::as_str), ','));
    put("x-auth-scopes", cut.list("scopes", grant.scopes.iter().map(ScopeName::as_str), ' '));
    put("x-auth-token-id", grant.token.map_or_else(|| NONE.to_owned(), |id| id.to_string()));
    put("x-auth-method", grant.method.as_str().to_owned());
    put("x-auth-expires", grant.expires_at.map_or_else(|| NONE.to_owned(), Timestamp::rfc3339));
    put("x-auth-truncated", cut.names());
}

/// Remembers which headers were too long.
#[derive(Default)]
struct Cut(Vec<&'static str>);

impl Cut {
    fn text(&mut self, name: &'static str, value: Option<&str>, max: usize) -> String {
        let Some(value) = value.filter(|value| !value.is_empty()) else { return NONE.to_owned() };
        if value == NONE {
            return "%2D".to_owned();
        }
        let mut encoded = String::with_capacity(value.len());
        for c in value.chars() {
            let before = encoded.len();
            encode(c, false, &mut encoded);
            if encoded.len() > max {
                encoded.truncate(before);
                self.0.push(name);
                break;
            }
        }
        encoded
    }

    fn list<'a>(&mut self, name: &'static str, items: impl Iterator<Item = &'a str>, separator: char) -> String {
        let mut list = String::new();
        for item in items.filter(|item| !item.is_empty()) {
            let before = list.len();
            if !list.is_empty() {
                list.push(separator);
            }
            item.chars().for_each(|c| encode(c, true, &mut list));
            if list.len() > LIST_MAX {
                list.truncate(before);
                self.0.push(name);
                break;
            }
        }
        match list.as_str() {
            "" => NONE.to_owned(),
            NONE => "%2D".to_owned(),
            _ => list,
        }
    }

    fn names(&self) -> String {
        if self.0.is_empty() { NONE.to_owned() } else { self.0.join(",") }
    }
}

/// Percent-encodes (RFC 3986, section 2.1) what is not printable ASCII, the percent sign, and in list items what would
/// separate them. Spaces at the ends of a value would be lost on the way, so they are encoded there by the caller's
/// trimming of names.
fn encode(c: char, in_list: bool, out: &mut String) {
    let plain = matches!(c, ' '..='~') && c != '%' && !(in_list && matches!(c, ' ' | ','));
    if plain {
        out.push(c);
    } else {
        let mut bytes = [0; 4];
        for byte in c.encode_utf8(&mut bytes).bytes() {
            out.push('%');
            out.push(hex_digit(byte >> 4));
            out.push(hex_digit(byte & 0xF));
        }
    }
}

fn hex_digit(nibble: u8) -> char {
    char::from_digit(u32::from(nibble), 16).unwrap_or('0').to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::UserId;
    use crate::domain::scope::ScopeSet;
    use crate::domain::user::Profile;
    use crate::domain::verdict::Method;

    fn headers(profile: Profile) -> HeaderMap {
        let grant = Grant {
            method: Method::Pat,
            user: UserId::from_random([1; 16]),
            profile,
            token: None,
            scopes: ScopeSet::default(),
            expires_at: None,
        };
        let mut headers = HeaderMap::new();
        write(&mut headers, &grant);
        headers
    }

    fn roles(names: &[&str]) -> Profile {
        Profile {
            username: "u".to_owned(),
            roles: names.iter().map(ToString::to_string).collect(),
            ..Profile::default()
        }
    }

    #[test]
    fn every_header_is_there_and_none_is_empty() {
        let headers = headers(Profile::default());
        for name in ["subject", "user", "email", "roles", "scopes", "token-id", "method", "expires", "truncated"] {
            let value = headers.get(format!("x-auth-{name}")).unwrap();
            assert!(!value.is_empty(), "{name}");
        }
        assert_eq!(headers["x-auth-user"], "-");
        assert_eq!(headers["x-auth-scopes"], "-");
    }

    #[test]
    fn values_are_encoded_so_that_they_stay_one_header_and_one_item() {
        let profile = Profile { username: "Zoë 100%\r\nX-Evil: 1".to_owned(), ..roles(&["a,b c", "d"]) };
        let headers = headers(profile);
        assert_eq!(headers["x-auth-user"], "Zo%C3%AB 100%25%0D%0AX-Evil: 1");
        assert_eq!(headers["x-auth-roles"], "a%2Cb%20c,d");
    }

    #[test]
    fn a_real_dash_is_not_nothing() {
        let headers = headers(Profile { username: "-".to_owned(), ..roles(&["-"]) });
        assert_eq!(
            (&headers["x-auth-user"], &headers["x-auth-roles"]),
            (&"%2D".parse().unwrap(), &"%2D".parse().unwrap())
        );
    }

    #[test]
    fn long_values_are_cut_at_a_boundary_and_named() {
        let long: Vec<String> = (0..40).map(|n| format!("role-number-{n:010}")).collect();
        let names: Vec<&str> = long.iter().map(String::as_str).collect();
        let headers = headers(Profile { username: "é".repeat(100), ..roles(&names) });
        assert_eq!(headers["x-auth-user"].len(), 192);
        assert!(headers["x-auth-roles"].len() <= 512);
        assert!(headers["x-auth-roles"].to_str().unwrap().split(',').all(|role| role.len() == 22));
        assert_eq!(headers["x-auth-truncated"], "user,roles");
    }
}
