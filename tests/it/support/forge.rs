//! Tokens that nobody issued, put together from the contract's words alone.

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// `<prefix>_<id>_<secret><crc>` with a checksum that is right.
pub fn token_of(prefix: &str, id: &str, secret: &str) -> String {
    let covered = format!("{prefix}_{id}_{secret}");
    let mut rest = crc32fast::hash(covered.as_bytes());
    let mut digits = [b'0'; 6];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(rest % 62) as usize];
        rest /= 62;
    }
    covered + std::str::from_utf8(&digits).unwrap()
}

/// A well-formed token with an id that nobody has.
pub fn unknown_token() -> String {
    token_of("hpat", "0123456789ABCDEF", &"a".repeat(43))
}

/// The id of a token with somebody else's secret behind it.
pub fn with_wrong_secret(token: &str) -> String {
    token_of("hpat", token.split('_').nth(1).unwrap(), &"b".repeat(43))
}

/// A token with one character of its checksum changed.
pub fn with_wrong_checksum(token: &str) -> String {
    let (rest, last) = token.split_at(token.len() - 1);
    format!("{rest}{}", if last == "0" { "1" } else { "0" })
}
