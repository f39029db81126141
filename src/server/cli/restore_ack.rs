//! `hallpass restore-ack`: the way on after a database went back to an earlier state.

use std::process::ExitCode;

use super::beside::{Existing, Failure};
use super::{InstallationArgs, in_runtime, print};
use crate::domain::audit::{Action, Draft, Origin, Party};
use crate::server::config::Config;
use crate::server::store::Rewind;
use crate::server::{Ambient, telemetry};

pub(super) fn run(args: &InstallationArgs) -> ExitCode {
    let _ = telemetry::init_logs(false);
    match args.read() {
        Ok(config) => in_runtime(async move { acknowledge(&config).await }),
        Err(status) => status,
    }
}

async fn acknowledge(config: &Config) -> Result<(), Failure> {
    let ambient = Ambient::system();
    let existing = Existing::open(config, &ambient).await?;
    let rewinds = existing.db().list_rewinds().await?;
    let checkpoints = existing.checkpoints(&ambient);
    let is_older = checkpoints.is_older().await?;
    if rewinds.is_empty() && !is_older {
        print("Nobody has noticed that the database went back. There is nothing to acknowledge.");
        existing.close().await;
        return Ok(());
    }
    let draft = Draft::new(Action::RestoreAcknowledged, Party::OPERATOR, Party::SYSTEM, &Origin::default());
    let describe_all = |rewinds: &[Rewind]| rewinds.iter().for_each(describe);
    existing.db().pass_rewinds(&draft, ambient.clock.now(), describe_all).await?;
    // Only now: what was not written down can be tried again.
    if let Some(aside) = checkpoints.begin_anew().await? {
        print(&format!("Checkpoints of the state that was lost are kept in {}.", aside.display()));
    }
    print("The present state of the database is acknowledged. Replicas answer again.");
    existing.close().await;
    Ok(())
}

fn describe(rewind: &Rewind) {
    let Rewind { replica, applied, lost } = rewind;
    print(&format!(
        "Replica {replica} had applied change number {}, which the database has forgotten.",
        applied.number()
    ));
    for token in &lost.tokens {
        print(&format!("  A change of token {token} is gone. If it was revoked: hallpass token revoke {token}"));
    }
    for user in &lost.users {
        print(&format!("  A change of user {user} is gone. If they were disabled: hallpass user disable {user}"));
    }
}
