//! Finding tokens in text that somebody pasted: a token, a log line with one, or with what logs say of one.

use uuid::Uuid;

use super::id::TokenId;
use super::secret::{Prefix, SecretId, TokenText};

/// Most that is looked for in one text.
const MOST: usize = 20;

/// What names a token in a text. Never the secret itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mention {
    /// The public part of a token's text.
    Secret(SecretId),
    /// A token's lasting id.
    Token(TokenId),
}

/// Every token in a text, whole and with the right checksum, wherever it stands.
#[must_use]
pub fn tokens<'t, 'p>(text: &'t str, prefixes: impl IntoIterator<Item = &'p Prefix> + Clone) -> Vec<TokenText<'t>> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let token = |word: &'t str| {
        let mut starts = prefixes.clone().into_iter().flat_map(|prefix| word.match_indices(prefix.as_str()));
        starts.find_map(|(start, _)| TokenText::parse(&word[start..], prefixes.clone()).ok())
    };
    words.filter_map(token).take(MOST).collect()
}

/// Everything in a text that may name a token, in its order, each once. What only looks like it is for the store to say.
#[must_use]
pub fn mentions<'p>(text: &str, prefixes: impl IntoIterator<Item = &'p Prefix> + Clone) -> Vec<Mention> {
    let mut found = Vec::new();
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-');
    for mention in words.filter_map(|word| mention(word, prefixes.clone())) {
        if !found.contains(&mention) {
            found.push(mention);
        }
        if found.len() == MOST {
            break;
        }
    }
    found
}

fn mention<'p>(word: &str, prefixes: impl IntoIterator<Item = &'p Prefix>) -> Option<Mention> {
    let word = word.trim_matches('-');
    let mut prefixes = prefixes.into_iter();
    let behind_prefix = prefixes.find_map(|prefix| word.split_once(prefix.as_str())?.1.strip_prefix('_'));
    let id = behind_prefix.and_then(|rest| rest.split('_').next()).unwrap_or(word);
    if let Ok(id) = id.parse::<SecretId>() {
        return Some(Mention::Secret(id));
    }
    // Only as they are written everywhere: 32 digits alone are anything.
    let is_id = word.len() == 36 && Uuid::try_parse(word).is_ok();
    is_id.then(|| word.parse().ok().map(Mention::Token)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "hpat_0123456789ABCDEF_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ4Nu9rC";
    const ID: &str = "0f9a3c5e-1111-4222-8333-444455556666";

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
        assert_eq!(found(&format!("X-Auth-Token-Id: {ID}\r\n{TOKEN} {TOKEN}")), [ID, secret]);
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
        ] {
            let found: Vec<_> = tokens(&text, &prefixes).iter().map(|token| token.reveal()).collect();
            assert_eq!(found, [TOKEN], "{text}");
        }
        assert_eq!(tokens(&TOKEN.replace("9rC", "9rD"), &prefixes).len(), 0, "a wrong checksum");
    }

    #[test]
    fn ordinary_text_names_nothing() {
        for text in ["", "hpat", "hpat_", "hpat_short_x", "0f9a3c5e111142228333444455556666", "deploy-nightly-backup"] {
            assert_eq!(found(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn a_long_text_is_read_no_further_than_it_helps() {
        let text = (0..99).map(|index| format!("{index:016}")).collect::<Vec<_>>().join(" ");
        assert_eq!(found(&text).len(), MOST);
    }

    #[test]
    fn what_is_found_cannot_hold_the_secret() {
        let prefixes = [Prefix::default()];
        let text = format!("{:?}", mentions(TOKEN, &prefixes));
        assert!(!text.contains("abcdefghijkl"), "{text}");
    }
}
