//! `hallpass token`: an operator's emergency tools. They work beside a running server.

use std::io::Read as _;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::beside::{Existing, Failure};
use super::table::table;
use super::{InstallationArgs, in_runtime, print};
use crate::domain::id::{TokenId, UserId};
use crate::domain::reason::Reason;
use crate::domain::time::Timestamp;
use crate::domain::token::TokenState;
use crate::server::config::Config;
use crate::server::service::admin::{Identified, InventoryFilter, ListInventory, Order, OwnedView};
use crate::server::service::authority::Administrator;
use crate::server::service::tokens::{Ended, TokenError};
use crate::server::{Ambient, telemetry};

/// Tokens that are read at once.
const BATCH: usize = 500;
/// Longest text that is looked through for tokens.
const TEXT_MAX: u64 = 1024 * 1024;

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// List tokens, newest first
    List(ListArgs),
    /// End a token for ever; returns when the running server refuses it
    Revoke(RevokeArgs),
    /// Read a token, a log line or an id from standard input and say whose it is; exit 1 if nobody's
    Identify(InstallationArgs),
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Part of the name or purpose, the owner's name or e-mail, or the beginning of an id
    #[arg(value_name = "TEXT", default_value = "")]
    text: String,
    /// Only tokens of this user
    #[arg(long, value_name = "ID")]
    user: Option<UserId>,
    /// Only tokens in this state: active, suspended, expired or revoked
    #[arg(long)]
    state: Option<TokenState>,
    /// Only tokens with this scope
    #[arg(long, default_value = "", hide_default_value = true)]
    scope: String,
    /// How many at most
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    limit: usize,
    #[command(flatten)]
    config: InstallationArgs,
}

#[derive(Debug, Args)]
pub(super) struct RevokeArgs {
    /// The token's id, as the portal and X-Auth-Token-Id show it
    id: TokenId,
    /// Why, such as leaked or superseded, or in your own words; the owner is shown it
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    config: InstallationArgs,
}

pub(super) fn run(command: TokenCommand) -> ExitCode {
    let _ = telemetry::init_logs(false);
    let (TokenCommand::List(ListArgs { config, .. })
    | TokenCommand::Revoke(RevokeArgs { config, .. })
    | TokenCommand::Identify(config)) = &command;
    let config = match config.read() {
        Ok(config) => config,
        Err(status) => return status,
    };
    in_runtime(async move {
        match command {
            TokenCommand::List(args) => list(&config, args).await,
            TokenCommand::Revoke(args) => revoke(&config, args.id, args.reason.as_deref()).await,
            TokenCommand::Identify(_) => identify(&config).await,
        }
    })
}

async fn list(config: &Config, args: ListArgs) -> Result<(), Failure> {
    let ambient = Ambient::system();
    let existing = Existing::open(config, &ambient).await?;
    let (admin, now) = (existing.admin(&ambient), ambient.clock.now());
    let filter = InventoryFilter {
        owner: args.user,
        text: args.text,
        scope: args.scope,
        state: args.state,
        ..InventoryFilter::default()
    };
    let (mut rows, mut after) = (Vec::new(), None);
    loop {
        let limit = BATCH.min(args.limit - rows.len());
        let wanted = ListInventory { filter: filter.clone(), order: Order::Age, after, limit };
        let part = admin.list_tokens(&Administrator::operator(), &wanted).await?;
        rows.extend(part.items.iter().map(|owned| row(owned, now)));
        after = part.next;
        if after.is_none() || rows.len() >= args.limit {
            break;
        }
    }
    print(&table(["id", "name", "owner", "state", "last used", "expires", "scopes"], &rows));
    existing.close().await;
    Ok(())
}

fn row(OwnedView { token, owner }: &OwnedView, now: Timestamp) -> [String; 7] {
    let when = |at: Option<Timestamp>| at.map_or_else(|| "never".to_owned(), |at| at.relative_to(now));
    [
        token.id.to_string(),
        token.name.clone(),
        owner.username.clone(),
        token.state.to_string(),
        when(token.last_used_at),
        when(token.expires_at),
        token.scopes.to_string(),
    ]
}

async fn revoke(config: &Config, id: TokenId, reason: Option<&str>) -> Result<(), Failure> {
    let reason = Reason::parse(reason.unwrap_or_default()).map_err(|error| Failure::Refused(error.to_string()))?;
    let ambient = Ambient::system();
    let existing = Existing::open(config, &ambient).await?;
    let ended = existing.tokens(&ambient).revoke_anybodys(&Administrator::operator(), id, reason, None).await;
    let ended = ended.map_err(|error| refusal(id, error))?;
    existing.confirmed().await?;
    print(match ended {
        Ended::Now => "The token is revoked.",
        Ended::Before => "The token was revoked before.",
    });
    existing.close().await;
    Ok(())
}

fn refusal(id: TokenId, error: TokenError) -> Failure {
    match error {
        TokenError::NotFound => Failure::Refused(format!("there is no token {id}")),
        error @ TokenError::Unavailable => Failure::Refused(format!("nothing was changed: {error}")),
        error => error.into(),
    }
}

async fn identify(config: &Config) -> Result<(), Failure> {
    let mut text = Vec::new();
    let read = std::io::stdin().take(TEXT_MAX).read_to_end(&mut text);
    read.map_err(|error| Failure::Refused(format!("standard input cannot be read: {error}")))?;
    let ambient = Ambient::system();
    let existing = Existing::open(config, &ambient).await?;
    let text = String::from_utf8_lossy(&text);
    let found = existing.admin(&ambient).identify(&Administrator::operator(), &text).await?;
    existing.close().await;
    if found.is_empty() {
        return Err(Failure::Refused("that names no token of this installation".to_owned()));
    }
    for identified in &found {
        describe(identified, ambient.clock.now());
    }
    Ok(())
}

fn describe(Identified { owned: OwnedView { token, owner }, secret }: &Identified, now: Timestamp) {
    let email = owner.email.as_ref().map(|email| format!(" <{email}>")).unwrap_or_default();
    print(&format!("token      {} ({})", token.name, token.id));
    print(&format!("owner      {}{email} ({})", owner.username, owner.id));
    print(&format!("state      {}", token.state));
    if let Some(secret) = secret {
        print(&format!("secret     {}, {}", secret.id, secret.state));
    }
    let from = token.last_used_ip.as_ref().map(|ip| format!(" from {ip}")).unwrap_or_default();
    let used = token.last_used_at.map_or_else(|| "never".to_owned(), |at| at.relative_to(now));
    print(&format!("last used  {used}{from}"));
    print(&format!("scopes     {}", token.scopes));
}
