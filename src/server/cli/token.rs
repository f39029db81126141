//! `hallpass token`: an operator's emergency tools. They work beside a running server.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::beside::{Existing, Failure};
use super::{ConfigArgs, in_runtime, print, read};
use crate::domain::id::TokenId;
use crate::server::config::Config;
use crate::server::service::tokens::{Ended, TokenError};
use crate::server::{Ambient, telemetry};

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// End a token for ever; returns when the running server refuses it
    Revoke(RevokeArgs),
}

#[derive(Debug, Args)]
pub(super) struct RevokeArgs {
    /// The token's id, as the portal and X-Auth-Token-Id show it
    id: TokenId,
    /// Why; the owner is shown it
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
}

pub(super) fn run(TokenCommand::Revoke(args): TokenCommand) -> ExitCode {
    let _ = telemetry::init_logs(false);
    match read(args.config.config.as_deref(), false) {
        Ok(config) => in_runtime(async move { revoke(&config, args.id, args.reason.as_deref()).await }),
        Err(status) => status,
    }
}

async fn revoke(config: &Config, id: TokenId, reason: Option<&str>) -> Result<(), Failure> {
    let ambient = Ambient::system();
    let existing = Existing::open(config, &ambient).await?;
    let ended = existing.tokens(&ambient).revoke_as_operator(id, reason).await.map_err(|error| refusal(id, &error))?;
    existing.confirmed().await?;
    print(match ended {
        Ended::Now => "The token is revoked.",
        Ended::Before => "The token was revoked before.",
    });
    existing.close().await;
    Ok(())
}

fn refusal(id: TokenId, error: &TokenError) -> Failure {
    Failure::Refused(match error {
        TokenError::NotFound => format!("there is no token {id}"),
        TokenError::Invalid(errors) => errors.iter().map(|error| error.message.as_str()).collect::<Vec<_>>().join(" "),
        error => format!("nothing was changed: {error}"),
    })
}
