//! `hallpass hash-secret`: from a secret to what the configuration holds of it.

use std::io::Read;
use std::process::ExitCode;

use metrics::Counter;
use secrecy::SecretString;

use super::beside::Failure;
use super::{USAGE, complain, in_runtime, print};
use crate::server::Ambient;
use crate::server::credential::argon::Hasher;

/// Longest secret, in bytes.
const SECRET_MAX: usize = 4096;

/// Reads the secret from standard input, so that it stands in no list of processes and no history of a shell.
pub(super) fn run() -> ExitCode {
    let secret = match read_secret(std::io::stdin()) {
        Ok(secret) => secret,
        Err(reason) => {
            complain(reason);
            return ExitCode::from(USAGE);
        }
    };
    in_runtime(async {
        let hasher = Hasher::new(Ambient::system().entropy, Counter::noop());
        let phc = hasher.hash_secret(secret).await.map_err(|error| Failure::Refused(error.to_string()))?;
        print(&phc);
        Ok::<_, Failure>(())
    })
}

/// A secret without the newline that a shell puts behind it.
fn read_secret(input: impl Read) -> Result<SecretString, &'static str> {
    let mut text = String::new();
    let most = u64::try_from(SECRET_MAX + 2).unwrap_or(u64::MAX);
    input.take(most).read_to_string(&mut text).map_err(|_| "the secret on standard input cannot be read as text")?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let secret = line.strip_suffix('\r').unwrap_or(line);
    match secret.len() {
        0 => Err("there is no secret on standard input"),
        1..=SECRET_MAX => Ok(SecretString::from(secret)),
        _ => Err("the secret on standard input is longer than 4096 bytes"),
    }
}
