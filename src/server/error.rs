//! Why the server does not start.

use thiserror::Error;

use super::demo;
use super::identity::FetchError;
use super::keys::KeyError;
use super::service::checkpoints::CheckpointError;
use super::service::live::LookError;
use super::service::signing::SigningError;
use super::store::StoreError;

/// Why the server does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The database cannot be used.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The lock file beside the database cannot be made.
    #[error("database.url: cannot lock {0}: {1}")]
    Lock(String, std::io::Error),
    /// Another server uses the database.
    #[error("database.url: another server is using {0}. Please stop it first, or use PostgreSQL for several")]
    NotAlone(String),
    /// Memory cannot be brought up to date.
    #[error("{0}")]
    Look(#[from] LookError),
    /// There is no secret key.
    #[error("{0}")]
    Key(#[from] KeyError),
    /// The checkpoints of the audit log cannot be relied on.
    #[error("{0}")]
    Checkpoint(#[from] CheckpointError),
    /// The decision log cannot be written.
    #[error("audit.decision_log {0}: {1}")]
    Decisions(String, std::io::Error),
    /// The keys that sign JWTs cannot be used.
    #[error("{0}")]
    Signing(#[from] SigningError),
    /// The database is there but its key is not.
    #[error(
        "secret_key_file {0}: there is a database but no such file. Please put back the key that the database was made with"
    )]
    KeyMissing(String),
    /// The database was made with another key.
    #[error("secret_key_file: the database was made with another secret key. Please put back the right file")]
    KeyMismatch,
    /// There is nothing to look at.
    #[error("database.url: there is no database at {0} yet; the first start of the server makes it")]
    NoDatabase(String),
    /// A demo database and a real server, or the other way round.
    #[error("{0}")]
    Demo(&'static str),
    /// An address is taken or not ours.
    #[error("{key}: cannot listen on {address}: {error}")]
    Listen {
        /// The key.
        key: &'static str,
        /// The address.
        address: std::net::SocketAddr,
        /// What the system said.
        error: std::io::Error,
    },
    /// Providers cannot be asked.
    #[error("the TLS library cannot be set up: {0}")]
    Fetch(#[from] FetchError),
    /// The demo provider cannot be set up.
    #[error("{0}")]
    DemoProvider(#[from] demo::DemoError),
}

impl StartError {
    /// Whether the database was only too slow.
    pub(super) fn is_late(&self) -> bool {
        match self {
            Self::Store(error)
            | Self::Look(LookError::Store(error))
            | Self::Checkpoint(CheckpointError::Store(error))
            | Self::Signing(SigningError::Store(error)) => error.is_late(),
            _ => false,
        }
    }
}
