//! Text that people type: names, descriptions, reasons.

use thiserror::Error;

use super::paste::{holds_a_token, masked};

/// Longest name of a token, in characters.
pub const NAME_MAX: usize = 100;
/// Longest description, in characters.
pub const DESCRIPTION_MAX: usize = 1_000;
/// Longest free text of a reason, in characters.
pub const REASON_MAX: usize = 500;

/// Why a text is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TextError {
    /// Nothing but white space.
    #[error("Please enter a value.")]
    Empty,
    /// Too long.
    #[error("Please use at most {max} characters.")]
    TooLong {
        /// The most that is accepted.
        max: usize,
    },
    /// Control or direction-changing characters, which would make one text look like another.
    #[error("Please leave out control characters and characters that change the direction of writing.")]
    Unprintable,
    /// There is a token in it, and others can read what is written here.
    #[error("There is a token in this text, and others can read what is written here. Please leave it out.")]
    Secret,
}

/// A token's name: one line, 1 to [`NAME_MAX`] characters, trimmed.
///
/// # Errors
/// When it is empty, too long, could disguise itself or has a token in it.
pub fn name(text: &str) -> Result<String, TextError> {
    let text = one_line(text, NAME_MAX)?;
    if text.is_empty() { Err(TextError::Empty) } else { Ok(text) }
}

/// A description: at most [`DESCRIPTION_MAX`] characters, line breaks allowed, may be empty.
///
/// # Errors
/// When it is too long, could disguise itself or has a token in it.
pub fn description(text: &str) -> Result<String, TextError> {
    let text = text.trim().replace("\r\n", "\n");
    bounded(&text, DESCRIPTION_MAX)?;
    if text.chars().any(|c| c != '\n' && c != '\t' && is_disguise(c)) {
        return Err(TextError::Unprintable);
    }
    without_tokens(text)
}

/// The free text of a reason: one line, at most [`REASON_MAX`] characters, may be empty.
///
/// # Errors
/// When it is too long, could disguise itself or has a token in it.
pub fn reason(text: &str) -> Result<String, TextError> {
    one_line(text, REASON_MAX)
}

/// Makes a text from elsewhere (a provider's claim, a header) safe to store and show: tokens lose their secrets, disguises
/// become `U+FFFD`, and at most `max` characters stay.
#[must_use]
pub fn sanitised(text: &str, max: usize) -> String {
    masked(text).chars().take(max).map(|c| if is_disguise(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

fn one_line(text: &str, max: usize) -> Result<String, TextError> {
    let text = text.trim();
    bounded(text, max)?;
    if text.chars().any(is_disguise) { Err(TextError::Unprintable) } else { without_tokens(text.to_owned()) }
}

fn without_tokens(text: String) -> Result<String, TextError> {
    if holds_a_token(&text) { Err(TextError::Secret) } else { Ok(text) }
}

fn bounded(text: &str, max: usize) -> Result<(), TextError> {
    // Bytes first: counting the characters of a huge text is work for nothing.
    if text.len() > max * 4 || text.chars().count() > max { Err(TextError::TooLong { max }) } else { Ok(()) }
}

/// Characters that are not seen but change what is: controls, bidirectional overrides and isolates (Unicode UAX #9),
/// zero-width spaces, line separators and the byte order mark. Zero-width joiners belong to how some languages are written.
fn is_disguise(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{061C}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_trimmed_and_kept_as_typed() {
        for (typed, kept) in
            [("  nightly backup ", "nightly backup"), ("<b>bold</b>", "<b>bold</b>"), ("Ünïcödé 🎒", "Ünïcödé 🎒")]
        {
            assert_eq!(name(typed).as_deref(), Ok(kept));
        }
    }

    #[test]
    fn names_that_are_empty_long_or_disguised_are_refused() {
        let table = [
            ("", TextError::Empty),
            (" \t ", TextError::Empty),
            ("a\u{0}b", TextError::Unprintable),
            ("a\nb", TextError::Unprintable),
            ("safe\u{202E}gpj.exe", TextError::Unprintable),
            ("a\u{2066}b", TextError::Unprintable),
        ];
        for (typed, error) in table {
            assert_eq!(name(typed), Err(error), "{typed:?}");
        }
        assert!(name(&"é".repeat(NAME_MAX)).is_ok());
        assert_eq!(name(&"é".repeat(NAME_MAX + 1)), Err(TextError::TooLong { max: NAME_MAX }));
        assert_eq!(name(&"x".repeat(10_000)), Err(TextError::TooLong { max: NAME_MAX }));
    }

    #[test]
    fn descriptions_may_have_lines_and_may_be_empty() {
        assert_eq!(description("one\r\ntwo").as_deref(), Ok("one\ntwo"));
        assert_eq!(description("").as_deref(), Ok(""));
        assert_eq!(description("a\u{7}b"), Err(TextError::Unprintable));
    }

    #[test]
    fn foreign_text_is_made_harmless() {
        assert_eq!(sanitised("a\u{202E}b\nc", 4), "a\u{FFFD}b\u{FFFD}");
    }

    #[test]
    fn nobody_writes_a_token_where_others_can_read_it() {
        const TOKEN: &str = "hpat_0123456789ABCDEF_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ4Nu9rC";
        let typed = format!("found in {TOKEN}.txt");
        for rule in [name, description, reason] {
            assert_eq!(rule(&typed), Err(TextError::Secret));
        }
        // Before it is cut off, or half a secret would stay.
        assert_eq!(sanitised(&typed, 40), "found in hpat_0123456789ABCDEF_….txt");
    }
}
