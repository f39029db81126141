//! `hallpass selftest`: see [`crate::server::selftest`].

use std::io::{IsTerminal as _, Read as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use secrecy::SecretString;

use super::{USAGE, complain, print};
use crate::server::Ambient;
use crate::server::selftest::{self, Mark, Target};

/// Where the token is given, if not on standard input.
const TOKEN: &str = "HALLPASS_TOKEN";
/// Longest text that is read in search of a token, in bytes.
const TOKEN_MAX: u64 = 4_096;

#[derive(Debug, Args)]
#[command(after_help = "Exit status: 0 nothing failed, 1 something failed, 2 wrong usage.")]
pub(super) struct SelftestArgs {
    /// An address that the proxy protects and that answers a good token with 200. HEAD and POST are tried without one
    #[arg(long, value_name = "URL")]
    url: String,
    /// The path of something behind the same proxy that answers with the headers it got, if --url does not
    #[arg(long, value_name = "PATH")]
    echo_path: Option<String>,
    /// Taken for the sake of uniformity; the test knows only what can be seen from outside
    #[arg(long, value_name = "FILE", hide = true)]
    config: Option<PathBuf>,
}

/// Makes the checks and prints each as it is made.
pub(super) fn run(args: &SelftestArgs) -> ExitCode {
    let target = token().and_then(|token| {
        Target::parse(&args.url, args.echo_path.as_deref(), token).map_err(|error| error.to_string())
    });
    match target.and_then(|target| check(&target)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            complain(&error);
            ExitCode::from(USAGE)
        }
    }
}

fn check(target: &Target) -> Result<bool, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("the runtime does not start: {error}"))?;
    let mut unchecked = 0;
    let good = runtime.block_on(selftest::run(target, &*Ambient::system().entropy, |finding| {
        unchecked += usize::from(finding.mark == Mark::Unchecked);
        print(&finding.to_string());
    }));
    print(match (good, unchecked) {
        (false, _) => "Something is not as it must be.",
        (true, 0) => "Everything is as it must be.",
        (true, _) => "Nothing failed, but not everything was checked.",
    });
    Ok(good)
}

/// The good token, never from the command line, which everybody on the machine can read.
fn token() -> Result<Option<SecretString>, String> {
    let text = match std::env::var(TOKEN) {
        Ok(text) => text,
        Err(std::env::VarError::NotUnicode(_)) => return Err(format!("{TOKEN} is not text")),
        Err(std::env::VarError::NotPresent) => read_input().map_err(|error| format!("standard input: {error}"))?,
    };
    let text = text.trim();
    Ok((!text.is_empty()).then(|| SecretString::from(text)))
}

fn read_input() -> std::io::Result<String> {
    let input = std::io::stdin();
    let mut text = String::new();
    if !input.is_terminal() {
        input.take(TOKEN_MAX).read_to_string(&mut text)?;
    }
    Ok(text)
}
