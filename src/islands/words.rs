//! A token in words, as the page and the browser say it alike.

use crate::domain::time::Timestamp;

/// Verbs that read well before what they act on; other scopes are named as they are.
const VERBS: [&str; 10] = ["read", "write", "create", "edit", "update", "delete", "manage", "list", "run", "send"];

/// What a scope lets a token do: `read users` for `read:users`, `use admin:all` for `admin:all`.
#[must_use]
pub fn ability(scope: &str) -> String {
    match scope.split_once(':') {
        Some((verb, resource)) if VERBS.contains(&verb) => [verb, " ", resource].concat(),
        _ => ["use ", scope].concat(),
    }
}

/// `A token that can read users and write reports, until 3 May 2026.`
#[must_use]
pub fn summary<'a>(scopes: impl IntoIterator<Item = &'a str>, until: &str) -> String {
    // Reading before everything else, as the form has it.
    let (mut abilities, others): (Vec<_>, Vec<_>) =
        scopes.into_iter().map(ability).partition(|ability| ability.starts_with("read "));
    abilities.extend(others);
    let Some((last, others)) = abilities.split_last() else {
        return "A token that can do nothing yet: please choose at least one scope.".to_owned();
    };
    let others = others.join(", ");
    let and = if others.is_empty() { "" } else { " and " };
    let pause = if until.is_empty() { "" } else { ", " };
    ["A token that can ", &others, and, last, pause, until, "."].concat()
}

/// The end of the [`summary`] for an expiry, `None` being never.
#[must_use]
pub fn until(expiry: Option<Timestamp>) -> String {
    expiry.map_or_else(|| "until you revoke it".to_owned(), |at| ["until ", &at.short_date()].concat())
}

/// `Expires in 90 days, on Sunday 3 May 2026.`
#[must_use]
pub fn expiry_sentence(expiry: Option<Timestamp>, now: Timestamp) -> String {
    match expiry {
        Some(at) => ["Expires ", &at.relative_to(now), ", on ", &at.long_date(), "."].concat(),
        None => "Never expires. It works until you revoke it.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_grows_with_the_choices() {
        let until = "until 3 May 2026";
        for (scopes, words) in [
            (&["read:users"][..], "A token that can read users, until 3 May 2026."),
            (&["write:reports", "read:users"], "A token that can read users and write reports, until 3 May 2026."),
            (
                &["read:a", "read:b", "admin:all"],
                "A token that can read a, read b and use admin:all, until 3 May 2026.",
            ),
            (&[], "A token that can do nothing yet: please choose at least one scope."),
        ] {
            assert_eq!(summary(scopes.iter().copied(), until), words);
        }
    }

    #[test]
    fn an_expiry_is_said_with_its_date() {
        let now = Timestamp::from_seconds(1_800_000_000);
        let later = Timestamp::from_seconds(1_800_000_000 + 7 * 86_400);
        assert_eq!(expiry_sentence(Some(later), now), "Expires in 7 days, on Friday 22 January 2027.");
        assert_eq!(until(Some(later)), "until 22 January 2027");
    }
}
