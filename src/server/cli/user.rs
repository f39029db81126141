//! `hallpass user`: locking people out without a browser, and forgetting them. Works beside a running server.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::beside::{Existing, Failure};
use super::table::table;
use super::{InstallationArgs, in_runtime, print};
use crate::domain::id::UserId;
use crate::domain::reason::Reason;
use crate::domain::time::Timestamp;
use crate::server::config::Config;
use crate::server::service::admin::{PeopleFilter, Person};
use crate::server::service::authority::Administrator;
use crate::server::service::tokens::TokenError;
use crate::server::{Ambient, telemetry};

/// Users that are read at once.
const BATCH: u32 = 500;

#[derive(Debug, Subcommand)]
pub(super) enum UserCommand {
    /// List users by name
    List(ListArgs),
    /// Lock a user out: sessions end and tokens are refused; returns when the running server acts on it
    Disable(DisableArgs),
    /// Let a user in again; tokens that were not revoked meanwhile are good again
    Enable(UserArgs),
    /// Forget a person: their name, address and words, also in the audit log. Revokes their tokens. Cannot be undone
    Erase(EraseArgs),
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Part of the name or e-mail
    #[arg(value_name = "TEXT", default_value = "")]
    text: String,
    #[command(flatten)]
    config: InstallationArgs,
}

#[derive(Debug, Args)]
pub(super) struct UserArgs {
    /// The user's id, as `hallpass user list` and X-Auth-Subject show it
    id: UserId,
    #[command(flatten)]
    config: InstallationArgs,
}

#[derive(Debug, Args)]
pub(super) struct DisableArgs {
    #[command(flatten)]
    user: UserArgs,
    /// Why; it stays in the audit log
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct EraseArgs {
    #[command(flatten)]
    user: UserArgs,
    /// Do not ask on the terminal whether to go on; this cannot be undone
    #[arg(long)]
    yes: bool,
}

pub(super) fn run(command: UserCommand) -> ExitCode {
    let _ = telemetry::init_logs(false);
    let (UserCommand::List(ListArgs { config, .. })
    | UserCommand::Disable(DisableArgs { user: UserArgs { config, .. }, .. })
    | UserCommand::Enable(UserArgs { config, .. })
    | UserCommand::Erase(EraseArgs { user: UserArgs { config, .. }, .. })) = &command;
    let config = match config.read() {
        Ok(config) => config,
        Err(status) => return status,
    };
    in_runtime(async move {
        match command {
            UserCommand::List(args) => list(&config, args.text).await,
            command => change(&config, command).await,
        }
    })
}

/// Asks whoever sits at a terminal; a script has said what it wants.
fn may_erase(args: &EraseArgs) -> bool {
    if args.yes || !std::io::stdin().is_terminal() {
        return true;
    }
    let id = args.user.id;
    let question = format!("This forgets user {id} and revokes their tokens, for ever. Type \"erase\" to go on: ");
    let asked = write!(std::io::stderr(), "{question}").and_then(|()| std::io::stderr().flush());
    let mut answer = String::new();
    asked.and_then(|()| std::io::stdin().read_line(&mut answer)).is_ok() && answer.trim() == "erase"
}

async fn change(config: &Config, command: UserCommand) -> Result<(), Failure> {
    if let UserCommand::Erase(args) = &command
        && !may_erase(args)
    {
        return Err(Failure::Refused("nothing was erased".to_owned()));
    }
    let ambient = Ambient::system();
    let existing = Existing::open(config, &ambient).await?;
    let (admin, operator) = (existing.admin(&ambient), Administrator::operator());
    let (id, done, said) = match command {
        UserCommand::Disable(args) => {
            let reason = Reason::parse(args.reason.as_deref().unwrap_or_default());
            let reason = reason.map_err(|error| Failure::Refused(error.to_string()))?;
            let id = args.user.id;
            (id, admin.disable(&operator, id, reason.as_ref()).await, "The user is disabled.")
        }
        UserCommand::Enable(args) => (args.id, admin.enable(&operator, args.id).await, "The user is enabled."),
        UserCommand::Erase(args) => {
            let id = args.user.id;
            (
                id,
                admin.erase(&operator, id).await,
                "What was known of the user is erased, and their tokens are revoked.",
            )
        }
        UserCommand::List(_) => return Ok(()),
    };
    done.map_err(|error| match error {
        TokenError::NoSuchUser => Failure::Refused(format!("there is no user {id}")),
        error => error.into(),
    })?;
    existing.confirmed().await?;
    print(said);
    existing.close().await;
    Ok(())
}

async fn list(config: &Config, text: String) -> Result<(), Failure> {
    let ambient = Ambient::system();
    let existing = Existing::open(config, &ambient).await?;
    let (admin, now) = (existing.admin(&ambient), ambient.clock.now());
    let mut filter = PeopleFilter { text, limit: BATCH, ..PeopleFilter::default() };
    let mut rows = Vec::new();
    loop {
        let part = admin.list_people(&Administrator::operator(), &filter).await?;
        rows.extend(part.items.iter().map(|person| row(person, now)));
        filter.after = part.next;
        if filter.after.is_none() {
            break;
        }
    }
    print(&table(["id", "name", "e-mail", "provider", "last login", "tokens", "state"], &rows));
    existing.close().await;
    Ok(())
}

fn row(person: &Person, now: Timestamp) -> [String; 7] {
    let user = &person.user;
    [
        user.id.to_string(),
        user.profile.username.clone(),
        user.profile.email.clone().unwrap_or_else(|| "-".to_owned()),
        user.provider.clone(),
        user.last_login_at.relative_to(now),
        person.tokens.to_string(),
        if user.disabled_at.is_some() { "disabled" } else { "enabled" }.to_owned(),
    ]
}
