//! The values of the `X-Auth-*` headers: always all of them, never empty, printable ASCII, bounded.

use super::scope::ScopeName;
use super::time::Timestamp;
use super::verdict::Grant;

/// What stands for "unknown" or "none".
pub const NONE: &str = "-";
const USER_MAX: usize = 192;
const EMAIL_MAX: usize = 256;
const LIST_MAX: usize = 512;

/// The headers, in lower case.
pub const NAMES: [&str; 9] = [
    "x-auth-subject",
    "x-auth-user",
    "x-auth-email",
    "x-auth-roles",
    "x-auth-scopes",
    "x-auth-token-id",
    "x-auth-method",
    "x-auth-expires",
    "x-auth-truncated",
];

/// The headers that tell one credential from another with the same owner and scopes.
pub const OF_CREDENTIAL: [&str; 2] = ["x-auth-token-id", "x-auth-expires"];

/// The values for a grant, in the order of [`NAMES`]. `cut` names what had to be left out elsewhere.
#[must_use]
pub fn values(grant: &Grant, cut: &[&'static str]) -> [String; NAMES.len()] {
    let mut cut = Cut(cut.to_vec());
    let profile = &grant.profile;
    [
        grant.user.to_string(),
        cut.text("user", Some(&profile.username), USER_MAX),
        cut.text("email", profile.email.as_deref(), EMAIL_MAX),
        cut.list("roles", profile.roles.iter().map(String::as_str), ','),
        cut.list("scopes", grant.scopes.iter().map(ScopeName::as_str), ' '),
        grant.token.map_or_else(|| NONE.to_owned(), |id| id.to_string()),
        grant.method.as_str().to_owned(),
        grant.expires_at.map_or_else(|| NONE.to_owned(), Timestamp::rfc3339),
        cut.names(),
    ]
}

/// Remembers which headers were too long.
struct Cut(Vec<&'static str>);

impl Cut {
    fn text(&mut self, name: &'static str, value: Option<&str>, max: usize) -> String {
        let Some(value) = value.filter(|value| !value.is_empty()) else { return NONE.to_owned() };
        if value == NONE {
            return "%2D".to_owned();
        }
        let (inner, mut encoded) = (value.trim_end_matches(' '), String::with_capacity(value.len()));
        for (index, c) in value.char_indices() {
            let before = encoded.len();
            // A space at an end would be lost on the way.
            let lost = c == ' ' && (index == 0 || index >= inner.len());
            encode(c, lost, &mut encoded);
            if encoded.len() > max {
                encoded.truncate(encoded[..before].trim_end_matches(' ').len());
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
/// separate them.
fn encode(c: char, strict: bool, out: &mut String) {
    let plain = matches!(c, ' '..='~') && c != '%' && !(strict && matches!(c, ' ' | ','));
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
    use std::collections::{BTreeMap, BTreeSet};
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::id::UserId;
    use crate::domain::user::Profile;
    use crate::domain::verdict::Method;

    fn headers(profile: Profile) -> BTreeMap<&'static str, String> {
        let grant = Grant {
            method: Method::Pat,
            user: UserId::from_random([1; 16]),
            profile: Arc::new(profile),
            token: None,
            scopes: Arc::default(),
            expires_at: None,
        };
        NAMES.into_iter().zip(values(&grant, &[])).collect()
    }

    fn roles(names: &[&str]) -> Profile {
        Profile {
            username: "u".to_owned(),
            roles: names.iter().map(ToString::to_string).collect(),
            ..Profile::default()
        }
    }

    #[test]
    fn what_is_unknown_is_a_dash() {
        let headers = headers(Profile::default());
        assert_eq!((headers["x-auth-user"].as_str(), headers["x-auth-scopes"].as_str()), ("-", "-"));
    }

    #[test]
    fn values_are_encoded_so_that_they_stay_one_header_and_one_item() {
        let profile = Profile { username: "Zoë 100%\r\nX-Evil: 1".to_owned(), ..roles(&["a,b c", "d"]) };
        let headers = headers(profile);
        assert_eq!(headers["x-auth-user"], "Zo%C3%AB 100%25%0D%0AX-Evil: 1");
        assert_eq!(headers["x-auth-roles"], "a%2Cb%20c,d");
    }

    #[test]
    fn spaces_at_the_ends_survive_as_their_encoding() {
        let headers =
            headers(Profile { username: " ".to_owned(), email: Some(" a b ".to_owned()), ..Profile::default() });
        assert_eq!((headers["x-auth-user"].as_str(), headers["x-auth-email"].as_str()), ("%20", "%20a b%20"));
    }

    #[test]
    fn a_real_dash_is_not_nothing() {
        let headers = headers(Profile { username: "-".to_owned(), ..roles(&["-"]) });
        assert_eq!((headers["x-auth-user"].as_str(), headers["x-auth-roles"].as_str()), ("%2D", "%2D"));
    }

    #[test]
    fn long_values_are_cut_at_a_boundary_and_named() {
        let long: Vec<String> = (0..40).map(|n| format!("role-number-{n:010}")).collect();
        let names: Vec<&str> = long.iter().map(String::as_str).collect();
        let headers = headers(Profile { username: "é".repeat(100), ..roles(&names) });
        assert_eq!(headers["x-auth-user"].len(), 192);
        assert!(headers["x-auth-roles"].len() <= 512);
        assert!(headers["x-auth-roles"].split(',').all(|role| role.len() == 22));
        assert_eq!(headers["x-auth-truncated"], "user,roles");
    }

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![any::<String>(), "[ -~]{0,40}", "[\\PC]{0,300}", Just("-".to_owned()), Just(" ".to_owned())]
    }

    proptest! {
        #[test]
        fn whatever_a_provider_says_every_value_is_printable_ascii_and_never_empty(
            username in text(),
            email in proptest::option::of(text()),
            roles in proptest::collection::btree_set(text(), 0..30),
        ) {
            let headers = headers(Profile { username, email, roles, attributes: BTreeMap::<_, BTreeSet<_>>::new() });
            for (name, value) in headers {
                prop_assert!(!value.is_empty(), "{name}");
                prop_assert!(value.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{name}: {value:?}");
                prop_assert_eq!(value.trim(), value.as_str(), "{} would lose its ends on the way", name);
                prop_assert!(value.len() <= LIST_MAX);
            }
        }
    }
}
