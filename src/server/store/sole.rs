//! One server for one SQLite file.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// The right to be the only server of a SQLite file, for as long as it is held; the system gives it back when the
/// process ends, however it ends.
///
/// What is held in memory is true only because nobody else changes the file without being noticed, and two servers would
/// not notice each other in time.
#[derive(Debug)]
pub struct SoleServer {
    _lock: File,
}

impl SoleServer {
    /// Takes the right, or says `None` when another server has it.
    ///
    /// # Errors
    /// When the lock file beside the database cannot be made.
    pub fn claim(database: &Path) -> io::Result<Option<Self>> {
        if let Some(folder) = database.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder)?;
        }
        let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(lock_file(database))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Self { _lock: lock })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
    /// Whether a server has the right; where that cannot be found out, it may have. Asking takes the right for a moment,
    /// which whoever claims it has to bear with.
    #[must_use]
    pub fn is_running(database: &Path) -> bool {
        match OpenOptions::new().write(true).open(lock_file(database)) {
            Ok(lock) => lock.try_lock_shared().is_err(),
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        }
    }
}

fn lock_file(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}
