//! The command line.

mod audit;
mod beside;
mod hash_secret;
mod keys;
mod migrate_store;
mod restore_ack;
mod selftest;
mod table;
mod token;
mod user;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand, ValueEnum};

use beside::Failure;

use super::config::load::Problem;
use super::config::{self, Checked, Config, Purpose, raw};
use super::open::Opening;
use super::store::{Meters, NoWatcher};
use super::{Ambient, StartError, telemetry};

/// Exit status of a usage or configuration error.
const USAGE: u8 = 2;

/// Self-hosted personal access tokens for any API.
#[derive(Debug, Parser)]
#[command(name = "hallpass", version, about, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the portal, the API and /check
    Serve(ServeArgs),
    /// Bring the database up to date and exit; `serve` does it too
    Migrate(ConfigArgs),
    /// Look at the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Look after the keys that sign JWTs for upstreams
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Find and end tokens without a browser
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Lock people out, let them in again, forget them
    #[command(subcommand)]
    User(user::UserCommand),
    /// Verify the audit log, or take it away as a file
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Move everything from SQLite to PostgreSQL: all of it, or nothing if it is interrupted
    MigrateStore(migrate_store::MigrateStoreArgs),
    /// After a restore of the database: say what replicas know to be lost, and let them answer again
    RestoreAck(InstallationArgs),
    /// Read a secret from standard input and print its argon2id PHC string for the configuration
    HashSecret {
        /// Taken for the sake of uniformity; nothing is read from it
        #[arg(long, value_name = "FILE", hide = true)]
        config: Option<PathBuf>,
    },
    /// Check a deployed proxy from outside, with a good token from the environment or standard input
    Selftest(selftest::SelftestArgs),
}

#[derive(Debug, Args)]
struct ServeArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Serve without any configuration, with a login provider of its own on a loopback address
    #[arg(long)]
    demo: bool,
    /// How log lines are written
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

#[derive(Debug, Args)]
struct ConfigArgs {
    /// The configuration file; without it ./hallpass.toml is read if it is there
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Which installation a command looks after.
#[derive(Debug, Args)]
struct InstallationArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Look after what `serve --demo` serves
    #[arg(long)]
    demo: bool,
}

impl InstallationArgs {
    fn read(&self) -> Result<Config, ExitCode> {
        let purpose = if self.demo { Purpose::Demo } else { Purpose::Operate };
        read(self.config.config.as_deref(), purpose)
    }
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Say everything that is wrong with the configuration; exit 1 if anything is
    Check(ConfigArgs),
    /// Print the JSON Schema of the configuration
    Schema {
        /// Taken for the sake of uniformity; the schema does not depend on it
        #[arg(long, value_name = "FILE", hide = true)]
        config: Option<PathBuf>,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    /// For people
    Text,
    /// One JSON object per line
    Json,
}

/// Runs a command.
pub fn run(cli: Cli) -> ExitCode {
    match cli.command {
        Command::Serve(args) => serve(&args),
        Command::Migrate(args) => migrate(args.config.as_deref()),
        Command::Config(ConfigCommand::Check(args)) => check(args.config.as_deref()),
        Command::Config(ConfigCommand::Schema { .. }) => schema(),
        Command::Keys(command) => keys::run(&command),
        Command::Token(command) => token::run(command),
        Command::User(command) => user::run(command),
        Command::Audit(command) => audit::run(command),
        Command::MigrateStore(args) => migrate_store::run(args),
        Command::RestoreAck(args) => restore_ack::run(&args),
        Command::HashSecret { .. } => hash_secret::run(),
        Command::Selftest(args) => selftest::run(&args),
    }
}

fn serve(args: &ServeArgs) -> ExitCode {
    // Only fails when logging was set up before, which nothing does.
    let _ = telemetry::init_logs(matches!(args.log_format, LogFormat::Json));
    let purpose = if args.demo { Purpose::Demo } else { Purpose::Serve };
    match read(args.config.config.as_deref(), purpose) {
        Ok(config) => in_runtime(super::serve(config, args.demo, Ambient::system())),
        Err(status) => status,
    }
}

fn migrate(file: Option<&Path>) -> ExitCode {
    let _ = telemetry::init_logs(false);
    let config = match read(file, Purpose::Serve) {
        Ok(config) => config,
        Err(status) => return status,
    };
    in_runtime(async move {
        let ambient = Ambient::system();
        let opening = Opening { demo: Some(false), ..Opening::beside(&config, &ambient) };
        let (db, _) = opening.open(Meters::none(), Arc::new(NoWatcher)).await?;
        db.close().await;
        Ok::<_, StartError>(())
    })
}

fn check(file: Option<&Path>) -> ExitCode {
    match config::read(file, environment(), Purpose::Serve) {
        Ok(Checked { warnings, .. }) => {
            for warning in &warnings {
                complain(warning);
            }
            print("The configuration is good.");
            ExitCode::SUCCESS
        }
        Err(problems) => {
            complain_about(&problems);
            ExitCode::FAILURE
        }
    }
}

fn schema() -> ExitCode {
    print(&serde_json::to_string_pretty(&raw::schema()).unwrap_or_default());
    ExitCode::SUCCESS
}

fn read(file: Option<&Path>, purpose: Purpose) -> Result<Config, ExitCode> {
    match config::read(file, environment(), purpose) {
        Ok(Checked { config, warnings }) => {
            for warning in &warnings {
                tracing::warn!("{warning}");
            }
            Ok(config)
        }
        Err(problems) => {
            complain_about(&problems);
            Err(ExitCode::from(USAGE))
        }
    }
}

fn complain_about(problems: &[Problem]) {
    for problem in problems {
        complain(&problem.to_string());
    }
}

/// Variables that are not text cannot be settings.
fn environment() -> Vec<(String, String)> {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text).collect()
}

fn in_runtime<E: Into<Failure>>(work: impl Future<Output = Result<(), E>>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match runtime {
        Ok(runtime) => match runtime.block_on(work) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => error.into().exit(),
        },
        Err(error) => {
            complain(&format!("the runtime does not start: {error}"));
            ExitCode::from(USAGE)
        }
    }
}

/// The output of a command. Nobody reading it to the end is no error.
fn print(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// The complaints of a command.
fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
