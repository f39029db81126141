//! Why a token is ended, in words that its owner is shown.

use std::fmt;

use super::text::{self, TextError};

/// A reason from the fixed list, after those of certificates (RFC 5280, section 5.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// Somebody has it who must not: it stood in a repository, a log, a message.
    Leaked,
    /// Another token does its work.
    Superseded,
    /// Nobody needs it.
    NoLongerNeeded,
    /// Its owner has left, or has another task.
    OwnerLeft,
    /// It is not what the rules allow.
    Policy,
    /// As the text says.
    Other,
}

impl Code {
    /// All of them, in the order in which they are offered.
    pub const ALL: [Self; 6] =
        [Self::Leaked, Self::Superseded, Self::NoLongerNeeded, Self::OwnerLeft, Self::Policy, Self::Other];

    /// Its lasting name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Leaked => "leaked",
            Self::Superseded => "superseded",
            Self::NoLongerNeeded => "no_longer_needed",
            Self::OwnerLeft => "owner_left",
            Self::Policy => "policy",
            Self::Other => "other",
        }
    }

    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Leaked => "Leaked",
            Self::Superseded => "Replaced by another token",
            Self::NoLongerNeeded => "No longer needed",
            Self::OwnerLeft => "The owner has left",
            Self::Policy => "Against the rules here",
            Self::Other => "Another reason",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == name)
    }
}

/// A reason as it is given and kept: a code, somebody's own words, or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// What kind of reason.
    pub code: Code,
    /// More about it.
    pub text: String,
}

impl Reason {
    /// What is said to whoever gives none where one is needed.
    pub const MISSING: &'static str = "Please say why. The owner is shown it.";

    /// From what [`Display`](fmt::Display) writes, and from what people write: `leaked`, `leaked: in a repository`, or
    /// words of their own. Nothing where nothing is said.
    ///
    /// # Errors
    /// When the text cannot be kept.
    pub fn parse(text: &str) -> Result<Option<Self>, TextError> {
        let text = text::reason(text)?;
        let (first, rest) = text.split_once(':').unwrap_or((&text, ""));
        match Code::named(first.trim()) {
            Some(code) => Self::of(code, rest.trim().to_owned()).map(Some),
            None if text.is_empty() => Ok(None),
            None => Self::of(Code::Other, text).map(Some),
        }
    }

    /// From a choice and words beside it, as a form has them.
    ///
    /// # Errors
    /// When the text cannot be kept.
    pub fn choose(code: &str, words: &str) -> Result<Option<Self>, TextError> {
        let Some(code) = Code::named(code) else { return Self::parse(words) };
        Self::of(code, text::reason(words)?).map(Some)
    }

    /// What is kept is both together, so both together have to fit.
    fn of(code: Code, text: String) -> Result<Self, TextError> {
        let reason = Self { code, text };
        text::reason(&reason.to_string())?;
        Ok(reason)
    }

    /// For people.
    #[must_use]
    pub fn words(&self) -> String {
        match (self.code, self.text.as_str()) {
            (Code::Other, text) if !text.is_empty() => text.to_owned(),
            (code, "") => code.words().to_owned(),
            (code, text) => format!("{}: {text}", code.words()),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&joined(self.code.as_str(), &self.text))
    }
}

/// A code and words beside it, which may be none, as they are kept. That it is another reason is said by the words.
#[must_use]
pub fn joined(code: &str, text: &str) -> String {
    match (code, text) {
        (code, "") => code.to_owned(),
        (code, text) if code == Code::Other.as_str() => text.to_owned(),
        (code, text) => format!("{code}: {text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_a_code_or_words_or_both() {
        for (given, code, text, kept, words) in [
            ("leaked", Code::Leaked, "", "leaked", "Leaked"),
            (" leaked : on a wiki", Code::Leaked, "on a wiki", "leaked: on a wiki", "Leaked: on a wiki"),
            ("I lost it", Code::Other, "I lost it", "I lost it", "I lost it"),
            ("note: leaked", Code::Other, "note: leaked", "note: leaked", "note: leaked"),
            ("other", Code::Other, "", "other", "Another reason"),
            ("other: why not", Code::Other, "why not", "why not", "why not"),
        ] {
            let reason = Reason::parse(given).unwrap().unwrap();
            assert_eq!((reason.code, reason.text.as_str()), (code, text), "{given}");
            assert_eq!((reason.to_string().as_str(), reason.words().as_str()), (kept, words), "{given}");
            assert_eq!(Reason::parse(kept).unwrap(), Some(reason), "{given}");
        }
        assert_eq!(Reason::parse("  "), Ok(None));
        // What is kept is as long as may be, also where less was typed.
        for (typed, is_kept) in [("leaked:", 492), ("leaked: ", 492), ("x", 499)] {
            assert!(Reason::parse(&format!("{typed}{}", "x".repeat(is_kept))).is_ok(), "{typed}");
            assert!(Reason::parse(&format!("{typed}{}", "x".repeat(is_kept + 1))).is_err(), "{typed}");
        }
    }

    #[test]
    fn a_choice_comes_with_words_or_without() {
        let chosen = |code, words| Reason::choose(code, words).unwrap().map(|reason| reason.to_string());
        assert_eq!(chosen("policy", " too wide ").as_deref(), Some("policy: too wide"));
        assert_eq!(chosen("", "because").as_deref(), Some("because"));
        assert_eq!(chosen("", ""), None);
        assert!(Reason::choose("leaked", &"x".repeat(492)).is_ok());
        assert!(Reason::choose("leaked", &"x".repeat(493)).is_err());
    }
}
