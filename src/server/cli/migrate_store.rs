//! `hallpass migrate-store`: moves an installation from SQLite to PostgreSQL.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use secrecy::SecretString;

use super::beside::Failure;
use super::{in_runtime, print};
use crate::domain::audit::{Action, Draft, Origin, Party};
use crate::server::open::TOGETHER;
use crate::server::store::{Db, DbOptions, Meters, NoWatcher, Place, PostgresPlace, Progress, SoleServer};
use crate::server::{Ambient, StartError, telemetry};

/// Pause between two lines of progress.
const REPORT_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(super) struct MigrateStoreArgs {
    /// Where the installation is: sqlite:// and a path. No server may be running
    #[arg(long, value_name = "URL", value_parser = sqlite_file)]
    from: PathBuf,
    /// Where to: the URL of an empty PostgreSQL database
    #[arg(long, value_name = "URL", env = "HALLPASS_MIGRATE_TO", hide_env_values = true)]
    to: SecretString,
    /// Taken for the sake of uniformity; nothing is read from it
    #[arg(long, value_name = "FILE", hide = true)]
    config: Option<PathBuf>,
}

pub(super) fn run(args: MigrateStoreArgs) -> ExitCode {
    let _ = telemetry::init_logs(false);
    in_runtime(async move { migrate(&args.from, args.to).await })
}

fn sqlite_file(url: &str) -> Result<PathBuf, String> {
    let path = url.strip_prefix("sqlite://").filter(|path| !path.is_empty()).map(PathBuf::from);
    path.ok_or_else(|| "please give \"sqlite://\" and the path of a file".to_owned())
}

async fn migrate(file: &Path, to: SecretString) -> Result<(), Failure> {
    if !file.exists() {
        return Err(StartError::NoDatabase(file.display().to_string()).into());
    }
    let claimed = SoleServer::claim(file).map_err(|error| StartError::Lock(file.display().to_string(), error))?;
    let _alone = claimed.ok_or_else(|| StartError::NotAlone(file.display().to_string()))?;
    let ambient = Ambient::system();
    let source = open(Place::Sqlite(file), &ambient).await?;
    let clock = ambient.steady.clone();
    let place = PostgresPlace { url: to, direct_url: None, require_sync: false, terms: TOGETHER, clock };
    let target = open(Place::Postgres(&place), &ambient).await?;
    let draft = Draft::new(Action::StoreMigrated, Party::OPERATOR, Party::SYSTEM, &Origin::default());
    let moved = source.transfer_to(&target, &draft, ambient.clock.now(), reporter()).await;
    moved.map_err(|error| Failure::Refused(error.to_string()))?;
    source.close().await;
    target.close().await;
    print(
        "Everything was moved, counted and verified. Please set database.url to the new database, keep the secret key \
         file, and start the server. The old file still has everything.",
    );
    Ok(())
}

async fn open(place: Place<'_>, ambient: &Ambient) -> Result<Db, StartError> {
    let entropy = ambient.entropy.clone();
    let options = DbOptions {
        place,
        connections: 2,
        entropy,
        replica: "command",
        meters: Meters::none(),
        watcher: Arc::new(NoWatcher),
    };
    Ok(Db::open(options).await?)
}

/// Says how far it is: each table when it is done, and in between once a second.
fn reporter() -> impl FnMut(Progress) + Send {
    let mut last: Option<Instant> = None;
    move |Progress { table, done, total }| {
        let now = telemetry::now();
        if done == total || last.is_none_or(|last| now - last >= REPORT_EVERY) {
            last = Some(now);
            // Nobody reading is no reason to stop.
            let _ = writeln!(std::io::stderr(), "{table}: {done} of {total}");
        }
    }
}
