//! The text of a token: `<prefix>_<id>_<secret><crc>`.
//!
//! The id names the secret and is public. The checksum lets a reader tell a mistyped or foreign string from a token
//! without asking anybody.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const ID_LEN: usize = 16;
const SECRET_LEN: usize = 43;
const CRC_LEN: usize = 6;

/// The public name of one secret: 16 characters of `[0-9A-Za-z]`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretId([u8; ID_LEN]);

/// What stands before the first underscore of a token: `[a-z][a-z0-9]{1,9}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Prefix(String);

/// A whole token in the clear. It cannot print itself; [`PlainToken::reveal`] is the only way to its text.
#[derive(Clone, PartialEq, Eq)]
pub struct PlainToken {
    text: String,
    id: SecretId,
}

/// The text of a token as somebody presents it: of the right shape and checksum, not yet proved. It cannot print itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenText<'t> {
    text: &'t str,
    id: SecretId,
}

/// Not a token: wrong shape, foreign prefix or wrong checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a token")]
pub struct Malformed;

/// Not a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a prefix is 2 to 10 characters: a lower-case letter, then lower-case letters or digits")]
pub struct PrefixError;

impl SecretId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only ASCII digits and letters are ever put in, so this cannot fail.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for SecretId {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let bytes: [u8; ID_LEN] = text.as_bytes().try_into().map_err(|_| Malformed)?;
        if bytes.iter().all(u8::is_ascii_alphanumeric) { Ok(Self(bytes)) } else { Err(Malformed) }
    }
}

impl TryFrom<String> for SecretId {
    type Error = Malformed;

    fn try_from(text: String) -> Result<Self, Malformed> {
        text.parse()
    }
}

impl From<SecretId> for String {
    fn from(id: SecretId) -> Self {
        id.as_str().to_owned()
    }
}

impl fmt::Display for SecretId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for SecretId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Prefix {
    /// How many characters it may have.
    pub const LENGTHS: RangeInclusive<usize> = 2..=10;

    /// The prefix as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `hpat`
impl Default for Prefix {
    fn default() -> Self {
        Self("hpat".to_owned())
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let shape = Self::LENGTHS.contains(&text.len())
            && text.starts_with(|first: char| first.is_ascii_lowercase())
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        if shape { Ok(Self(text.to_owned())) } else { Err(PrefixError) }
    }
}

impl TryFrom<String> for Prefix {
    type Error = PrefixError;

    fn try_from(text: String) -> Result<Self, PrefixError> {
        text.parse()
    }
}

impl From<Prefix> for String {
    fn from(prefix: Prefix) -> Self {
        prefix.0
    }
}

impl PlainToken {
    /// Makes a new token. `fill` overwrites a buffer with random bytes.
    pub fn generate(prefix: &Prefix, mut fill: impl FnMut(&mut [u8])) -> Self {
        let mut id = [0; ID_LEN];
        random_digits(&mut id, &mut fill);
        let mut secret = [0; SECRET_LEN];
        random_digits(&mut secret, &mut fill);
        Self::assemble(prefix, SecretId(id), &secret)
    }

    /// Reads a token that was shown.
    ///
    /// # Errors
    /// When it is anything but a token with one of the accepted prefixes.
    pub fn parse<'p>(text: &str, prefixes: impl IntoIterator<Item = &'p Prefix>) -> Result<Self, Malformed> {
        TokenText::parse(text, prefixes).map(TokenText::to_plain)
    }

    /// The token as it would be presented.
    #[must_use]
    pub fn as_text(&self) -> TokenText<'_> {
        TokenText { text: &self.text, id: self.id }
    }

    /// The public name of the secret.
    #[must_use]
    pub const fn id(&self) -> SecretId {
        self.id
    }

    /// The token in the clear: for the one response that shows it, and for proving it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.text
    }

    fn assemble(prefix: &Prefix, id: SecretId, secret: &[u8; SECRET_LEN]) -> Self {
        let mut text = String::with_capacity(prefix.0.len() + 2 + ID_LEN + SECRET_LEN + CRC_LEN);
        text.push_str(&prefix.0);
        text.push('_');
        text.push_str(id.as_str());
        text.push('_');
        text.extend(secret.iter().copied().map(char::from));
        let crc = checksum(text.as_bytes());
        text.extend(crc.map(char::from));
        Self { text, id }
    }
}

impl fmt::Debug for PlainToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PlainToken({}, …)", self.id)
    }
}

impl<'t> TokenText<'t> {
    /// Recognises a token by shape and checksum. Nothing is looked up; this is the first step of every check and costs
    /// well under a microsecond.
    ///
    /// # Errors
    /// When it is anything but a token with one of the accepted prefixes.
    pub fn parse<'p>(text: &'t str, prefixes: impl IntoIterator<Item = &'p Prefix>) -> Result<Self, Malformed> {
        let prefix = prefixes.into_iter().find(|prefix| has_prefix(text, prefix)).ok_or(Malformed)?;
        let body = text.get(prefix.0.len() + 1..).ok_or(Malformed)?;
        let (id, rest) = body.split_once('_').ok_or(Malformed)?;
        if rest.len() != SECRET_LEN + CRC_LEN || !rest.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(Malformed);
        }
        let id = id.parse()?;
        let (covered, crc) = text.split_at(text.len() - CRC_LEN);
        if crc.as_bytes() != checksum(covered.as_bytes()) {
            return Err(Malformed);
        }
        Ok(Self { text, id })
    }

    /// Reads the token with which a text begins, whatever stands behind it.
    ///
    /// # Errors
    /// When it begins with anything else.
    pub fn parse_start(text: &'t str, prefix: &Prefix) -> Result<Self, Malformed> {
        let length = prefix.0.len() + 1 + ID_LEN + 1 + SECRET_LEN + CRC_LEN;
        Self::parse(text.get(..length).ok_or(Malformed)?, [prefix])
    }

    /// The public name of the secret.
    #[must_use]
    pub const fn id(self) -> SecretId {
        self.id
    }

    /// The token in the clear, for proving it.
    #[must_use]
    pub const fn reveal(self) -> &'t str {
        self.text
    }

    /// A copy that outlives the request's text.
    #[must_use]
    pub fn to_plain(self) -> PlainToken {
        PlainToken { text: self.text.to_owned(), id: self.id }
    }
}

impl fmt::Debug for TokenText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenText({}, …)", self.id)
    }
}

/// Whether a credential claims to be a token with this prefix, good or not: what decides who looks at it.
#[must_use]
pub fn has_prefix(text: &str, prefix: &Prefix) -> bool {
    text.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.starts_with('_'))
}

/// CRC-32 (ISO-HDLC) in base 62, most significant digit first, zero-padded. 62⁶ exceeds 2³², so six digits suffice.
fn checksum(bytes: &[u8]) -> [u8; CRC_LEN] {
    let mut rest = crc32fast::hash(bytes) as usize;
    let mut digits = [b'0'; CRC_LEN];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[rest % 62];
        rest /= 62;
    }
    digits
}

/// Fills `target` with uniformly distributed digits. Bytes of 248 and more are drawn again: 248 is the largest multiple
/// of 62 in a byte, and taking the rest modulo 62 would favour the first digits.
fn random_digits(target: &mut [u8], fill: &mut impl FnMut(&mut [u8])) {
    let mut pool = [0_u8; 64];
    let mut unused = 0..0;
    for digit in target {
        *digit = loop {
            let Some(index) = unused.next() else {
                fill(&mut pool);
                unused = 0..pool.len();
                continue;
            };
            if pool[index] < 248 {
                break DIGITS[usize::from(pool[index] % 62)];
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EXAMPLE: &str = "hpat_0123456789ABCDEF_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ4Nu9rC";

    fn prefix() -> Prefix {
        "hpat".parse().unwrap()
    }

    /// A generator for tests: bytes counted up from a start, so that rejection is exercised too.
    fn counting(mut next: u8) -> impl FnMut(&mut [u8]) {
        move |buffer| {
            for byte in buffer {
                *byte = next;
                next = next.wrapping_add(1);
            }
        }
    }

    #[test]
    fn the_documented_example_has_the_documented_checksum() {
        let token = PlainToken::parse(EXAMPLE, &[prefix()]).unwrap();
        assert_eq!(token.id().as_str(), "0123456789ABCDEF");
        assert_eq!(token.reveal().len(), 71);
    }

    #[test]
    fn a_token_cannot_print_itself() {
        let token = PlainToken::parse(EXAMPLE, &[prefix()]).unwrap();
        assert_eq!(format!("{token:?}"), "PlainToken(0123456789ABCDEF, …)");
        assert_eq!(format!("{:?}", token.as_text()), "TokenText(0123456789ABCDEF, …)");
    }

    #[test]
    fn only_accepted_prefixes_are_recognised() {
        let other: Prefix = "acme".parse().unwrap();
        assert_eq!(PlainToken::parse(EXAMPLE, std::slice::from_ref(&other)), Err(Malformed));
        assert!(PlainToken::parse(EXAMPLE, &[other, prefix()]).is_ok());
    }

    #[test]
    fn prefixes_are_short_and_lower_case() {
        for good in ["ab", "hpat", "a123456789"] {
            assert!(good.parse::<Prefix>().is_ok(), "{good}");
        }
        for bad in ["", "a", "1a", "Ab", "a_b", "abcdefghijk", "é1"] {
            assert!(bad.parse::<Prefix>().is_err(), "{bad}");
        }
    }

    #[test]
    fn strings_of_the_wrong_shape_are_malformed() {
        let cut = &EXAMPLE[..70];
        let long = format!("{EXAMPLE}0");
        let umlaut = EXAMPLE.replace("abc", "äc");
        for bad in
            ["", "hpat", "hpat_", "hpat__", cut, &long, &umlaut, "hpat_0123456789ABCDEF", &EXAMPLE.to_uppercase()]
        {
            assert_eq!(PlainToken::parse(bad, &[prefix()]), Err(Malformed), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_generated_token_is_recognised(start: u8) {
            let token = PlainToken::generate(&prefix(), counting(start));
            prop_assert_eq!(token.reveal().len(), 71);
            prop_assert_eq!(PlainToken::parse(token.reveal(), &[prefix()]), Ok(token));
        }

        #[test]
        fn any_single_changed_character_is_noticed(position in 0_usize..71, replacement in "[0-9A-Za-z_]") {
            let mut changed = EXAMPLE.to_owned();
            changed.replace_range(position..=position, &replacement);
            prop_assume!(changed != EXAMPLE);
            prop_assert_eq!(PlainToken::parse(&changed, &[prefix()]), Err(Malformed));
        }

        #[test]
        fn arbitrary_text_is_never_a_token_and_never_a_panic(text in any::<String>()) {
            prop_assert_eq!(PlainToken::parse(&text, &[prefix()]), Err(Malformed));
        }
    }
}
