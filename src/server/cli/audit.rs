//! `hallpass audit`: whether the log is what was written, and taking it away. Works beside a running server.

use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};

use super::beside::{Existing, Failure};
use super::{InstallationArgs, complain, in_runtime, print};
use crate::domain::audit::Action;
use crate::domain::time::Timestamp;
use crate::server::config::Config;
use crate::server::http::export;
use crate::server::service::authority::Administrator;
use crate::server::service::log::LogFilter;
use crate::server::{Ambient, telemetry};

/// Events that are read at once.
const BATCH: u32 = 1_000;

#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// Say whether every event is what was written and none is missing; exit 1 and the first bad number if not
    Verify(VerifyArgs),
    /// Print events, newest first; that they were taken is written down, too
    Export(ExportArgs),
}

#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// Checkpoints that were kept outside of the database, in place of the configured file
    #[arg(long, value_name = "FILE")]
    checkpoints: Option<PathBuf>,
    #[command(flatten)]
    config: InstallationArgs,
}

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// How events are written
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    format: Format,
    /// Not before this: RFC 3339
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Timestamp>,
    /// Before this: RFC 3339
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,
    /// Only this action, such as token.revoked
    #[arg(long, value_name = "ACTION", value_parser = action)]
    action: Option<Action>,
    /// Only what was done to this (id)
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    object: String,
    #[command(flatten)]
    config: InstallationArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// One JSON object per line
    Jsonl,
    /// A table, safe to be opened by programs that calculate
    Csv,
}

fn moment(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse_rfc3339(text).ok_or_else(|| "please give a time such as 2026-01-31T12:00:00Z".to_owned())
}

fn action(text: &str) -> Result<Action, String> {
    Action::named(text).ok_or_else(|| {
        let names: Vec<_> = Action::ALL.iter().map(|action| action.as_str()).collect();
        format!("please give one of {}", names.join(", "))
    })
}

pub(super) fn run(command: AuditCommand) -> ExitCode {
    let _ = telemetry::init_logs(false);
    let (AuditCommand::Verify(VerifyArgs { config, .. }) | AuditCommand::Export(ExportArgs { config, .. })) = &command;
    let config = match config.read() {
        Ok(config) => config,
        Err(status) => return status,
    };
    in_runtime(async move {
        match command {
            AuditCommand::Verify(args) => verify(&config, args.checkpoints.as_deref()).await,
            AuditCommand::Export(args) => export(&config, args).await,
        }
    })
}

async fn verify(config: &Config, file: Option<&Path>) -> Result<(), Failure> {
    let ambient = Ambient::system();
    let existing = Existing::open(config, &ambient).await?;
    let checkpoints = existing.checkpoints(&ambient).all(file).await?;
    let report = |seen: i64| {
        if std::io::stderr().is_terminal() {
            let _ = write!(std::io::stderr(), "\r{seen} events …");
        }
    };
    let verified = existing.log(&ambient).verify(checkpoints, report).await?;
    existing.close().await;
    if std::io::stderr().is_terminal() {
        complain("");
    }
    let verified = verified.map_err(|broken| Failure::Refused(format!("the audit log is broken: {broken}")))?;
    let erased = match verified.erased {
        0 => String::new(),
        count => format!(", {count} personal values erased"),
    };
    print(&format!(
        "The audit log is whole: {} events, {} checkpoints{erased}.",
        verified.events, verified.checkpoints
    ));
    Ok(())
}

async fn export(config: &Config, args: ExportArgs) -> Result<(), Failure> {
    let ambient = Ambient::system();
    let existing = Existing::open(config, &ambient).await?;
    let filter = LogFilter {
        action: args.action.map(|action| action.as_str().to_owned()).unwrap_or_default(),
        object: args.object,
        since: args.since,
        until: args.until,
        ..LogFilter::default()
    };
    let format = match args.format {
        Format::Jsonl => export::Format::JsonLines,
        Format::Csv => export::Format::Csv,
    };
    let (log, mut out, mut before) = (existing.log(&ambient), std::io::stdout().lock(), None);
    let mut written = out.write_all(format.head().unwrap_or_default().as_bytes());
    loop {
        let part = log.export(&Administrator::operator(), &filter, before, BATCH).await?;
        for event in &part.items {
            written = written.and_then(|()| out.write_all(format.line(event).as_bytes()));
        }
        before = part.next;
        if before.is_none() || written.is_err() {
            break;
        }
    }
    existing.close().await;
    match written.and_then(|()| out.flush()) {
        // Nobody reading to the end is no error; a disk that is full is one.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::Refused(format!("the events could not be written: {error}")))
        }
        _ => Ok(()),
    }
}
