//! `hallpass keys`: the keys that sign JWTs for upstreams. Works beside a running server.

use std::process::ExitCode;

use clap::Subcommand;

use super::beside::{Existing, Failure};
use super::{InstallationArgs, in_runtime, print};
use crate::domain::signing::{KeyFacts, KeyStanding};
use crate::domain::time::Timestamp;
use crate::server::config::Config;
use crate::server::{Ambient, telemetry};

#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// List the published keys: next, signing and retired
    List(InstallationArgs),
    /// Make the next key now; it signs half an hour later, when upstreams know it
    Rotate(InstallationArgs),
}

pub(super) fn run(command: &KeysCommand) -> ExitCode {
    let _ = telemetry::init_logs(false);
    let (KeysCommand::List(args) | KeysCommand::Rotate(args)) = command;
    let config = match args.read() {
        Ok(config) => config,
        Err(status) => return status,
    };
    in_runtime(async move {
        match command {
            KeysCommand::List(_) => list(&config).await,
            KeysCommand::Rotate(_) => rotate(&config).await,
        }
    })
}

async fn list(config: &Config) -> Result<(), Failure> {
    let ambient = Ambient::system();
    let existing = Existing::open(config, &ambient).await?;
    print(&table(&existing.rotation(&ambient).list().await?));
    existing.close().await;
    Ok(())
}

async fn rotate(config: &Config) -> Result<(), Failure> {
    let ambient = Ambient::system();
    let existing = Existing::open(config, &ambient).await?;
    let rotation = existing.rotation(&ambient);
    if !rotation.rotate().await? {
        print("There is a next key already: it takes over at the time shown here, and no other was made.");
    }
    existing.confirmed().await?;
    print(&table(&rotation.list().await?));
    existing.close().await;
    Ok(())
}

/// One line for each key, and one above that says what stands where.
fn table(keys: &[(KeyFacts, KeyStanding)]) -> String {
    let line = |kid: &str, algorithm: &str, state: &str, since: &str, until: &str| {
        format!("{kid:43}  {algorithm:9}  {state:7}  {since:20}  {until}")
    };
    let mut lines = vec![line("kid", "algorithm", "state", "since", "until")];
    lines.extend(keys.iter().map(|(key, standing)| {
        let until = standing.until.map_or_else(|| "-".to_owned(), Timestamp::rfc3339);
        line(&key.kid, key.algorithm.as_str(), standing.state.as_str(), &standing.since.rfc3339(), &until)
    }));
    lines.join("\n")
}
