//! Finding tokens in text that somebody pasted: a token, a log line with one, or with what logs say of one.

use std::borrow::Cow;
use std::collections::HashSet;

use uuid::Uuid;

use super::id::TokenId;
use super::secret::{Prefix, SecretId, TokenText};

/// Most tokens that are looked for by what names them in one text.
const MENTIONS_MAX: usize = 20;
/// Most words that are looked for because they have the form of an id: logs are full of such words.
const WORDS_MAX: usize = 200;

/// What names a token in a text. Never the secret itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mention {
    /// The public part of a token's text.
    Secret(SecretId),
    /// A token's lasting id.
    Token(TokenId),
}

/// Every token in a text, whole and with the right checksum, wherever it stands and whatever stands around it; each once.
#[must_use]
pub fn tokens<'t, 'p>(text: &'t str, prefixes: impl IntoIterator<Item = &'p Prefix>) -> Vec<TokenText<'t>> {
    let beginnings = |prefix: &'p Prefix| text.match_indices(prefix.as_str()).map(move |(start, _)| (start, prefix));
    let token = |(start, prefix)| Some((start, TokenText::parse_start(&text[start..], prefix).ok()?));
    let mut found: Vec<_> = prefixes.into_iter().flat_map(beginnings).filter_map(token).collect();
    found.sort_by_key(|(start, _)| *start);
    let mut seen = HashSet::new();
    found.into_iter().map(|(_, token)| token).filter(|token| seen.insert(token.reveal())).collect()
}

/// A text without the secrets of tokens, whatever their prefixes: what is left still names them. For whatever is written
/// down and may be read by others.
#[must_use]
pub fn masked(text: &str) -> Cow<'_, str> {
    let mut kept = String::new();
    let mut from = 0;
    for (underscore, _) in text.match_indices('_') {
        if let Some((start, token)) = token_around(text, underscore).filter(|(start, _)| *start >= from) {
            kept.extend([&text[from..underscore], "_", token.id().as_str(), "_…"]);
            from = start + token.reveal().len();
        }
    }
    if from == 0 {
        return Cow::Borrowed(text);
    }
    kept.push_str(&text[from..]);
    Cow::Owned(kept)
}

/// What names the first token in a text, whatever its prefix: the token without its secret.
#[must_use]
pub fn first_name(text: &str) -> Option<String> {
    text.match_indices('_').find_map(|(underscore, _)| {
        let (start, token) = token_around(text, underscore)?;
        Some(format!("{}_{}_…", &text[start..underscore], token.id()))
    })
}

/// Whether there is a token in a text, whatever its prefix.
#[must_use]
pub fn holds_a_token(text: &str) -> bool {
    text.match_indices('_').any(|(underscore, _)| token_around(text, underscore).is_some())
}

/// The token whose prefix ends before an underscore, and where it begins. The checksum tells how long the prefix is.
fn token_around(text: &str, underscore: usize) -> Option<(usize, TokenText<'_>)> {
    let mut lengths = Prefix::LENGTHS;
    lengths.find_map(|length| {
        let start = underscore.checked_sub(length)?;
        let prefix: Prefix = text.get(start..underscore)?.parse().ok()?;
        Some((start, TokenText::parse_start(&text[start..], &prefix).ok()?))
    })
}

/// The secret that stands first in a text behind a prefix, by its public part: what somebody means who pastes a token, or a
/// line with one, where they look for something.
#[must_use]
pub fn first_secret<'p>(text: &str, prefixes: impl IntoIterator<Item = &'p Prefix> + Clone) -> Option<SecretId> {
    words(text).find_map(|word| behind_prefix(word, prefixes.clone()))
}

/// What in a text may name a token, each once: first what stands behind a prefix, then what has the form of an id, which
/// may be one of anything; that is for the store to say.
#[must_use]
pub fn mentions<'p>(text: &str, prefixes: impl IntoIterator<Item = &'p Prefix> + Clone) -> Vec<Mention> {
    let mut seen = HashSet::new();
    let mut found: Vec<_> = words(text).filter_map(|word| behind_prefix(word, prefixes.clone())).collect();
    found.retain(|id| seen.insert(Mention::Secret(*id)));
    found.truncate(MENTIONS_MAX);
    let mut found: Vec<_> = found.into_iter().map(Mention::Secret).collect();
    let ids = words(text).filter_map(id).filter(|mention| seen.insert(*mention));
    found.extend(ids.take(WORDS_MAX));
    found
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-');
    words.map(|word| word.trim_matches('-'))
}

fn behind_prefix<'p>(word: &str, prefixes: impl IntoIterator<Item = &'p Prefix>) -> Option<SecretId> {
    let named = |behind: &str| behind.strip_prefix('_')?.split('_').next()?.parse().ok();
    prefixes.into_iter().find_map(|prefix| {
        // A word may have the prefix more than once, such as a file that is named after the token in it.
        word.match_indices(prefix.as_str()).find_map(|(at, prefix)| named(&word[at + prefix.len()..]))
    })
}

fn id(word: &str) -> Option<Mention> {
    // Ids of tokens only as they are written everywhere: 32 digits alone are anything.
    match word.len() {
        36 if Uuid::try_parse(word).is_ok() => word.parse().ok().map(Mention::Token),
        _ => word.parse().ok().map(Mention::Secret),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::secret::PlainToken;

    const TOKEN: &str = "hpat_0123456789ABCDEF_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ4Nu9rC";
    const ID: &str = "0f9a3c5e-1111-4222-8333-444455556666";

    #[test]
    fn what_is_written_down_has_no_secret_of_any_prefix_and_still_names_the_token() {
        let other = PlainToken::generate(&"corp2".parse().unwrap(), |bytes| bytes.fill(7));
        let text = format!("é x{TOKEN}é{TOKEN},{}_", other.reveal());
        let other_id = other.id();
        let masked = masked(&text);
        assert_eq!(masked, format!("é xhpat_0123456789ABCDEF_…éhpat_0123456789ABCDEF_…,corp2_{other_id}_…_"));
        assert!(holds_a_token(&text) && !holds_a_token(&masked));
        assert_eq!(first_name(&text).as_deref(), Some("hpat_0123456789ABCDEF_…"));
        for harmless in
            ["", "_", "hpat_", "a_b", &TOKEN[..70], &TOKEN.replace('Q', "R"), "é_0123456789ABCDEF_", &"_".repeat(99)]
        {
            assert_eq!(super::masked(harmless), harmless);
            assert!(!holds_a_token(harmless) && first_name(harmless).is_none(), "{harmless}");
        }
    }

    fn found(text: &str) -> Vec<String> {
        let prefixes: Vec<Prefix> = ["hpat", "old"].map(|prefix| prefix.parse().unwrap()).to_vec();
        let name = |mention| match mention {
            Mention::Secret(id) => id.to_string(),
            Mention::Token(id) => id.to_string(),
        };
        mentions(text, &prefixes).into_iter().map(name).collect()
    }

    #[test]
    fn tokens_and_their_ids_are_found_wherever_they_stand() {
        let secret = "0123456789ABCDEF";
        for text in [
            TOKEN.to_owned(),
            format!("Authorization: Bearer {TOKEN}"),
            format!("curl -u x:{TOKEN} https://api"),
            format!("\"token\":\"{TOKEN}\","),
            format!("url?key={TOKEN}&x=1"),
            format!("TOKEN={TOKEN}"),
            format!("MY_TOKEN_{TOKEN}"),
            "hpat_0123456789ABCDEF_…".to_owned(),
            "refused secret_id=0123456789ABCDEF reason=expired".to_owned(),
            "old_0123456789ABCDEF_zzz".to_owned(),
        ] {
            assert_eq!(found(&text), [secret], "{text}");
        }
        assert_eq!(found(&format!("X-Auth-Token-Id: {ID}\r\n{TOKEN} {TOKEN}")), [secret, ID]);
    }

    #[test]
    fn whole_tokens_are_found_where_others_may_not_be() {
        let prefixes = [Prefix::default()];
        for text in [
            TOKEN.to_owned(),
            format!("export API_TOKEN={TOKEN};"),
            format!("MY_TOKEN_{TOKEN}"),
            format!("https://x/?t={TOKEN}#hpat_"),
            format!("`{TOKEN}`, \"{}\"", &TOKEN[..70]),
            format!("_{TOKEN}_"),
            format!("{TOKEN}_backup"),
            format!("{TOKEN}x"),
            format!("hpat_{TOKEN}{TOKEN}"),
            format!("é{TOKEN}é"),
        ] {
            let found: Vec<_> = tokens(&text, &prefixes).iter().map(|token| token.reveal()).collect();
            assert_eq!(found, [TOKEN], "{text}");
        }
        assert_eq!(tokens(&TOKEN.replace("9rC", "9rD"), &prefixes).len(), 0, "a wrong checksum");
        assert_eq!(tokens(&format!("{TOKEN} ").repeat(99), &prefixes).len(), 1, "each once");
    }

    #[test]
    fn who_looks_for_a_token_that_they_have_means_its_public_part() {
        let prefixes = [Prefix::default()];
        for text in [
            TOKEN,
            "GET / hpat_0123456789ABCDEF_… 401",
            "Bearer hpat_0123456789ABCDEF_wrong",
            "hpat-ci_hpat_0123456789ABCDEF_x",
            "hpat_token_hpat_0123456789ABCDEF_x.txt",
        ] {
            assert_eq!(first_secret(text, &prefixes), "0123456789ABCDEF".parse().ok(), "{text}");
        }
        for text in ["", "deploy", "0123456789ABCDEF", "hpat_", "nightly 0123456789ABCDEF"] {
            assert_eq!(first_secret(text, &prefixes), None, "{text}");
        }
    }

    #[test]
    fn ordinary_text_names_nothing() {
        for text in ["", "hpat", "hpat_", "hpat_short_x", "0f9a3c5e111142228333444455556666", "deploy-nightly-backup"] {
            assert_eq!(found(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn a_long_text_is_read_no_further_than_it_helps() {
        let text = (0..999).map(|index| format!("{index:016}")).collect::<Vec<_>>().join(" ");
        assert_eq!(found(&text).len(), WORDS_MAX);
        let text = format!("{text} {TOKEN}");
        assert_eq!(found(&text)[0], "0123456789ABCDEF", "whatever else looks like one");
    }

    #[test]
    fn what_is_found_cannot_hold_the_secret() {
        let prefixes = [Prefix::default()];
        let text = format!("{:?}", mentions(TOKEN, &prefixes));
        assert!(!text.contains("abcdefghijkl"), "{text}");
    }
}
