//! `hallpass selftest`: does a deployed proxy do what it must? Asked from outside, as anybody could ask.
//!
//! What cannot be seen from outside is not called good: it is listed as not checked, with how to check it.

mod checks;
mod probe;

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;
use url::Url;

use crate::domain::entropy::{self, Entropy};
use crate::domain::secret::{PlainToken, Prefix};

use checks::Tester;
use probe::{Probe, ProbeError};

/// What is to be tested.
#[derive(Debug)]
pub struct Target {
    /// An address that the proxy protects.
    pub url: Url,
    /// An address behind the same proxy that answers with the headers it got.
    pub echo: Url,
    /// A token that is good there.
    pub token: Option<SecretString>,
}

/// Why there is nothing to test.
#[derive(Debug, Error)]
pub enum TargetError {
    /// Not an address.
    #[error("--url: please give an http(s) address without user, such as https://api.example.org/users")]
    Url,
    /// Not a path on the same host.
    #[error("--echo-path: please give a path, such as /echo")]
    Echo,
    /// A token that no header can carry.
    #[error("the token must be one line of printable ASCII characters")]
    Token,
}

impl Target {
    /// From the command line's words.
    ///
    /// # Errors
    /// When one of them cannot be used.
    pub fn parse(url: &str, echo_path: Option<&str>, token: Option<SecretString>) -> Result<Self, TargetError> {
        let url: Url = url.parse().map_err(|_| TargetError::Url)?;
        if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() || url.password().is_some() {
            return Err(TargetError::Url);
        }
        let echo = match echo_path {
            Some(path) if path.starts_with('/') && !path.starts_with("//") => {
                url.join(path).map_err(|_| TargetError::Echo)?
            }
            Some(_) => return Err(TargetError::Echo),
            None => url.clone(),
        };
        let readable = |token: &SecretString| token.expose_secret().bytes().all(|byte| byte.is_ascii_graphic());
        if token.as_ref().is_some_and(|token| !readable(token)) {
            return Err(TargetError::Token);
        }
        Ok(Self { url, echo, token })
    }
}

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// As it must be.
    Passed,
    /// Not as it must be.
    Failed,
    /// Nobody can say from what was given.
    Unchecked,
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How it went.
    pub mark: Mark,
    /// What was checked, and what was seen.
    pub text: String,
}

impl Finding {
    fn new(mark: Mark, what: &str, seen: &str) -> Self {
        Self { mark, text: format!("{what}: {seen}") }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.mark {
            Mark::Passed => '✓',
            Mark::Failed => '✗',
            Mark::Unchecked => '–',
        };
        write!(f, "{mark} {}", self.text)
    }
}

/// Makes every check and tells each finding at once. True if nothing failed.
pub async fn run(target: &Target, entropy: &dyn Entropy, mut tell: impl FnMut(&Finding)) -> bool {
    let mut good = true;
    let mut note = |finding: Finding| {
        good &= finding.mark != Mark::Failed;
        tell(&finding);
    };
    if let Err(error) = check(target, entropy, &mut note).await {
        note(Finding::new(Mark::Failed, target.url.as_str(), &error.to_string()));
    }
    good
}

async fn check(target: &Target, entropy: &dyn Entropy, note: &mut impl FnMut(Finding)) -> Result<(), ProbeError> {
    let unknown = PlainToken::generate(&prefix(target), |buffer| entropy.fill(buffer));
    let nonce = u64::from_be_bytes(entropy::bytes(entropy));
    let tester = Tester { probe: Probe::new()?, target, unknown: unknown.reveal(), nonce: format!("{nonce:016x}") };
    if tester.refusals(note).await? {
        tester.passing(note).await?;
    }
    Ok(())
}

/// The prefix of the good token, so that the unknown one is looked up and not only misread.
fn prefix(target: &Target) -> Prefix {
    let token = target.token.as_ref().map(ExposeSecret::expose_secret);
    let prefix = token.and_then(|token| token.split('_').next()).and_then(|prefix| prefix.parse().ok());
    prefix.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_tested_is_taken() {
        for bad in ["", "api.example.org", "ftp://x", "https://", "https://u@x/", "https://:p@x/"] {
            assert!(matches!(Target::parse(bad, None, None), Err(TargetError::Url)), "{bad}");
        }
        for bad in ["", "echo", "//other.example.org/", "https://other.example.org/"] {
            assert!(matches!(Target::parse("https://x/a", Some(bad), None), Err(TargetError::Echo)), "{bad}");
        }
        for bad in ["a b", "a\r\nb", "é"] {
            let token = Some(SecretString::from(bad));
            assert!(matches!(Target::parse("https://x/a", None, token), Err(TargetError::Token)), "{bad}");
        }
        let target = Target::parse("https://x/a?b=c", Some("/echo"), Some(SecretString::from("hpat_1"))).unwrap();
        assert_eq!((target.url.as_str(), target.echo.as_str()), ("https://x/a?b=c", "https://x/echo"));
        assert_eq!(Target::parse("http://x/a", None, None).unwrap().echo.as_str(), "http://x/a");
    }
}
