//! Changes from the command line beside a running server.

use std::fmt;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use metrics::Counter;

use super::{USAGE, complain};
use crate::server::config::{Config, DatabasePlace};
use crate::server::credential::argon::Hasher;
use crate::server::keys::Keys;
use crate::server::open::{COMMAND_PATIENCE, Opening, patiently_for};
use crate::server::service::admin::Admin;
use crate::server::service::checkpoints::{CheckpointError, Checkpoints};
use crate::server::service::log::Log;
use crate::server::service::signing::{Rotation, SigningError};
use crate::server::service::tokens::{TokenError, Tokens};
use crate::server::store::{Db, Meters, NoWatcher, SoleServer, StoreError};
use crate::server::{Ambient, StartError, admin, checkpoints, rotation, telemetry, tokens};

/// How long the server may take to say that it has noticed.
const PATIENCE: Duration = Duration::from_secs(2);
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// Why a command did not succeed.
pub(super) enum Failure {
    /// Nothing could be done.
    Start(StartError),
    /// What was asked for is not possible.
    Refused(String),
    /// The change is written. Nobody said that the server acts on it.
    Unconfirmed,
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        Self::Start(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Start(StartError::Store(error))
    }
}

impl From<CheckpointError> for Failure {
    fn from(error: CheckpointError) -> Self {
        match error {
            CheckpointError::Forged { .. } | CheckpointError::ForgedRow(_) => Self::Refused(error.to_string()),
            error => Self::Start(error.into()),
        }
    }
}

impl From<TokenError> for Failure {
    fn from(error: TokenError) -> Self {
        Self::Refused(match error {
            TokenError::Invalid(errors) => {
                errors.iter().map(|error| error.message.as_str()).collect::<Vec<_>>().join(" ")
            }
            error => error.to_string(),
        })
    }
}

impl From<SigningError> for Failure {
    fn from(error: SigningError) -> Self {
        Self::Start(error.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(error) => error.fmt(f),
            Self::Refused(reason) => f.write_str(reason),
            Self::Unconfirmed => f.write_str(
                "written, not confirmed: the running server did not say within 2 s that it acts on the change. \
                 Please look at its log, and run the command again",
            ),
        }
    }
}

impl Failure {
    /// Says it, and with which status the command ends.
    pub fn exit(&self) -> ExitCode {
        complain(&self.to_string());
        match self {
            Self::Start(_) => ExitCode::from(USAGE),
            Self::Refused(_) | Self::Unconfirmed => ExitCode::FAILURE,
        }
    }
}

/// An installation that is there: looking at one must not make it.
pub(super) struct Existing<'c> {
    config: &'c Config,
    db: Db,
    keys: Arc<Keys>,
}

impl<'c> Existing<'c> {
    pub async fn open(config: &'c Config, ambient: &Ambient) -> Result<Self, StartError> {
        if let DatabasePlace::Sqlite(path) = &config.database.place
            && !path.exists()
        {
            return Err(StartError::NoDatabase(path.display().to_string()));
        }
        let opening = Opening::beside(config, ambient);
        let open = async || opening.open(Meters::none(), Arc::new(NoWatcher)).await;
        let (db, keys) = patiently_for(COMMAND_PATIENCE, ambient, open).await?;
        Ok(Self { config, db, keys: Arc::new(keys) })
    }

    pub const fn db(&self) -> &Db {
        &self.db
    }

    pub fn tokens(&self, ambient: &Ambient) -> Tokens {
        let hasher = Hasher::new(ambient.entropy.clone(), Counter::noop());
        tokens(self.config, self.db.clone(), self.keys.clone(), hasher, ambient)
    }

    pub fn admin(&self, ambient: &Ambient) -> Admin {
        admin(self.config, self.db.clone(), self.tokens(ambient), ambient)
    }

    pub fn log(&self, ambient: &Ambient) -> Log {
        Log::new(self.db.clone(), ambient.clock.clone())
    }

    pub fn checkpoints(&self, ambient: &Ambient) -> Checkpoints {
        checkpoints(self.config, self.db.clone(), self.keys.clone(), ambient)
    }

    pub fn rotation(&self, ambient: &Ambient) -> Rotation {
        rotation(self.config, self.db.clone(), self.keys.clone(), ambient)
    }

    /// Returns when the server acts on everything that was written up to now, or when there is no server: the next one
    /// begins with what is written. Replicas need not be asked: what they share answers only when all act on it.
    pub async fn confirmed(&self) -> Result<(), Failure> {
        let DatabasePlace::Sqlite(path) = &self.config.database.place else { return Ok(()) };
        match self.noticed(path).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Failure::Unconfirmed),
            Err(error) => {
                tracing::error!(%error, "the database does not say whether the change was noticed");
                Err(Failure::Unconfirmed)
            }
        }
    }

    async fn noticed(&self, path: &Path) -> Result<bool, StoreError> {
        let notice = self.db.add_notice().await?;
        let started = telemetry::now();
        while !self.db.is_noticed(&notice).await? {
            if !SoleServer::is_running(path) {
                break;
            }
            if started.elapsed() > PATIENCE {
                return Ok(false);
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
        Ok(true)
    }

    pub async fn close(self) {
        self.db.close().await;
    }
}
