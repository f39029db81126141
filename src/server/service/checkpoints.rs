//! Checkpoints of the audit log: signed, and also written where the database cannot change them.

use std::fs::OpenOptions;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::domain::audit::Checkpoint;
use crate::domain::time::{Clock, Timestamp};
use crate::server::config::AuditConfig;
use crate::server::keys::{Keys, hex, unhex};
use crate::server::store::{CheckpointRow, Db, StoreError};

/// Pause between two looks at whether one is due.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Makes and reads checkpoints.
#[derive(Clone)]
pub struct Checkpoints {
    db: Db,
    keys: Arc<Keys>,
    config: AuditConfig,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Checkpoints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checkpoints").field("config", &self.config).finish_non_exhaustive()
    }
}

/// Why there are no checkpoints to rely on.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// The database cannot be asked.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The file cannot be read or written.
    #[error("audit.checkpoint_file {path}: {error}")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        error: io::Error,
    },
    /// A line of the file was not written by this installation.
    #[error("audit.checkpoint_file {path}: line {line} was not signed by this installation")]
    Forged {
        /// The file.
        path: String,
        /// The line, counted from one.
        line: usize,
    },
    /// A checkpoint in the database was not written by this installation.
    #[error("the checkpoint of event {0} in the database was not signed by this installation")]
    ForgedRow(i64),
    /// The database is older than a checkpoint, or has another history.
    #[error(
        "the audit log does not have event {seq} as {path} knows it: the database is an older copy, or was changed. \
         If that is meant to be so, please run `hallpass restore-ack`"
    )]
    Older {
        /// The event.
        seq: i64,
        /// The file.
        path: String,
    },
}

/// What a server knows of the checkpoints that were made.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// From when on the time counts after which one is due.
    since: Timestamp,
    /// The newest that is in the file.
    known: Option<Checkpoint>,
}

/// A line of the file.
#[derive(Serialize, Deserialize)]
struct Line {
    seq: i64,
    hash: String,
    time: String,
    signature: String,
}

impl Checkpoints {
    /// For a database, as configured.
    #[must_use]
    pub const fn new(db: Db, keys: Arc<Keys>, config: AuditConfig, clock: Arc<dyn Clock>) -> Self {
        Self { db, keys, config, clock }
    }

    /// Makes checkpoints for as long as it is polled, after so many events or so much time.
    pub async fn keep_making(self) {
        let mut tick = tokio::time::interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut pace = self.pace();
        loop {
            tick.tick().await;
            if let Err(error) = self.look(&mut pace).await {
                tracing::error!(%error, "no checkpoint of the audit log could be made; it will be tried again");
            }
        }
    }

    /// Begins to count the time, from what the file knows.
    #[must_use]
    pub fn pace(&self) -> Pace {
        // Whoever starts a server has read it before and was told what is wrong with it.
        Pace { since: self.clock.now(), known: self.newest_outside().ok().flatten() }
    }

    /// Makes a checkpoint if one is due, and takes over what another replica made. Whether one was made.
    ///
    /// # Errors
    /// When it cannot be written. It is due as before then.
    pub async fn look(&self, pace: &mut Pace) -> Result<bool, CheckpointError> {
        let now = self.clock.now();
        if let Some((next, events)) = self.db.next_checkpoint(now).await?
            && self.is_due(events, now, pace)
        {
            self.write(next)?;
            self.keep(next).await?;
            *pace = Pace { since: now, known: Some(next) };
            return Ok(true);
        }
        self.take_over(pace).await?;
        Ok(false)
    }

    fn is_due(&self, events: i64, now: Timestamp, pace: &Pace) -> bool {
        let many = events >= i64::from(self.config.checkpoint_events.get());
        many || now.since(pace.since) >= self.config.checkpoint_every
    }

    /// Of several replicas one makes a checkpoint, and each may have a file that only it can write. The others' files
    /// would not show that the database is an older copy if what is newest were not in them.
    async fn take_over(&self, pace: &mut Pace) -> Result<(), CheckpointError> {
        let Some(newest) = self.db.last_checkpoint().await? else { return Ok(()) };
        let checkpoint = newest.checkpoint;
        if pace.known.is_some_and(|known| checkpoint.seq <= known.seq && checkpoint.time <= known.time) {
            return Ok(());
        }
        if !self.keys.audit().verify(&checkpoint.message(), &newest.signature) {
            return Err(CheckpointError::ForgedRow(checkpoint.seq));
        }
        self.write_to_file(checkpoint)?;
        *pace = Pace { since: pace.since.max(checkpoint.time), known: Some(checkpoint) };
        Ok(())
    }

    /// Makes one now, if there were events since the last.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn make(&self) -> Result<(), CheckpointError> {
        if let Some((next, _)) = self.db.next_checkpoint(self.clock.now()).await? {
            self.write(next)?;
            self.keep(next).await?;
        }
        Ok(())
    }

    async fn keep(&self, checkpoint: Checkpoint) -> Result<(), CheckpointError> {
        let signature = self.keys.audit().sign(&checkpoint.message());
        Ok(self.db.add_checkpoint(&CheckpointRow { checkpoint, signature }).await?)
    }

    /// To the file, if there is one, and to the log in any case: that goes elsewhere, too.
    fn write(&self, checkpoint: Checkpoint) -> Result<(), CheckpointError> {
        let Line { seq, hash, signature, .. } = self.line(checkpoint);
        tracing::info!(seq, hash, time = checkpoint.time.as_seconds(), signature, "checkpoint of the audit log");
        self.write_to_file(checkpoint)
    }

    fn line(&self, checkpoint: Checkpoint) -> Line {
        let signature = hex(&self.keys.audit().sign(&checkpoint.message()));
        Line { seq: checkpoint.seq, hash: hex(&checkpoint.hash), time: checkpoint.time.rfc3339(), signature }
    }

    fn write_to_file(&self, checkpoint: Checkpoint) -> Result<(), CheckpointError> {
        let Some(path) = &self.config.checkpoint_file else { return Ok(()) };
        let line = self.line(checkpoint);
        let append = || append_line(path, &serde_json::to_string(&line)?);
        append().map_err(|error| file_error(path, error))
    }

    /// All checkpoints that are known, from the database and from a file: the given one, or else the configured one.
    ///
    /// # Errors
    /// When one cannot be read or is not ours.
    pub async fn all(&self, file: Option<&Path>) -> Result<Vec<Checkpoint>, CheckpointError> {
        let mut all = Vec::new();
        for CheckpointRow { checkpoint, signature } in self.db.list_checkpoints().await? {
            if !self.keys.audit().verify(&checkpoint.message(), &signature) {
                return Err(CheckpointError::ForgedRow(checkpoint.seq));
            }
            all.push(checkpoint);
        }
        match (file, &self.config.checkpoint_file) {
            // Whoever names one means one that is there.
            (Some(path), _) if !path.exists() => {
                return Err(file_error(path, io::Error::from(io::ErrorKind::NotFound)));
            }
            (Some(path), _) => all.extend(self.read(path)?),
            (None, Some(path)) => all.extend(self.read(path)?),
            (None, None) => {}
        }
        Ok(all)
    }

    fn read(&self, path: &Path) -> Result<Vec<Checkpoint>, CheckpointError> {
        read_lines(path)?.into_iter().map(|signed| self.proven(path, signed)).collect()
    }

    /// What a line says, if it was signed here.
    fn proven(&self, path: &Path, signed: SignedLine) -> Result<Checkpoint, CheckpointError> {
        let SignedLine { number, checkpoint, signature } = signed;
        let is_ours = self.keys.audit().verify(&checkpoint.message(), &signature);
        if is_ours { Ok(checkpoint) } else { Err(forged(path, number)) }
    }

    /// Whether the database is at least as new as the newest checkpoint outside of it.
    ///
    /// # Errors
    /// When it is not, or nobody can say.
    pub async fn require_newer(&self) -> Result<(), CheckpointError> {
        let Some(newest) = self.newest_outside()? else { return self.miss_file().await };
        if self.db.agrees_with(&newest).await? {
            return Ok(());
        }
        let path = self.config.checkpoint_file.as_deref().unwrap_or(Path::new(""));
        Err(CheckpointError::Older { seq: newest.seq, path: path.display().to_string() })
    }

    /// Says so where a file should know something. Its disk may not be there, and a new file would never tell.
    async fn miss_file(&self) -> Result<(), CheckpointError> {
        if let Some(path) = &self.config.checkpoint_file
            && self.db.last_checkpoint().await?.is_some()
        {
            let path = path.display();
            tracing::warn!(%path, "no checkpoint is in this file though some were made: an older copy of the database would not be noticed");
        }
        Ok(())
    }

    /// Several servers may write to one file, so the newest is not always the last. Only that one has to be proven: a file
    /// grows for years, and `audit verify` looks at all of it.
    fn newest_outside(&self) -> Result<Option<Checkpoint>, CheckpointError> {
        let Some(path) = &self.config.checkpoint_file else { return Ok(None) };
        let newest = read_lines(path)?.into_iter().max_by_key(|signed| signed.checkpoint.seq);
        newest.map(|signed| self.proven(path, signed)).transpose()
    }

    /// Whether the database is older than the newest checkpoint outside of it.
    ///
    /// # Errors
    /// When nobody can say.
    pub async fn is_older(&self) -> Result<bool, CheckpointError> {
        match self.require_newer().await {
            Ok(()) => Ok(false),
            Err(CheckpointError::Older { .. }) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Begins anew with the present state of the database: the file is put aside. `false` where nothing stood against it.
    ///
    /// # Errors
    /// When the file cannot be read or moved.
    pub async fn begin_anew(&self) -> Result<Option<PathBuf>, CheckpointError> {
        let Some(path) = self.config.checkpoint_file.as_ref().filter(|path| path.exists()) else { return Ok(None) };
        if !self.is_older().await? {
            return Ok(None);
        }
        let mut aside = path.clone().into_os_string();
        aside.push(format!(".until-{}", self.clock.now().as_seconds()));
        let aside = PathBuf::from(aside);
        std::fs::rename(path, &aside).map_err(|error| file_error(path, error))?;
        Ok(Some(aside))
    }
}

/// A checkpoint as it stands in a file.
struct SignedLine {
    /// Of the line.
    number: usize,
    checkpoint: Checkpoint,
    signature: Vec<u8>,
}

/// What stands in a file, proven or not. A line that was cut off while it was written says nothing.
fn read_lines(path: &Path) -> Result<Vec<SignedLine>, CheckpointError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        // None was made yet.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(file_error(path, error)),
    };
    let read = |(index, line): (usize, &str)| {
        let (checkpoint, signature) = read_line(line).ok_or_else(|| forged(path, index + 1))?;
        Ok(SignedLine { number: index + 1, checkpoint, signature })
    };
    text.lines().enumerate().filter(|(_, line)| line.ends_with('}')).map(read).collect()
}

fn read_line(line: &str) -> Option<(Checkpoint, Vec<u8>)> {
    let line: Line = serde_json::from_str(line).ok()?;
    let hash = unhex(&line.hash)?.try_into().ok()?;
    let checkpoint = Checkpoint { seq: line.seq, hash, time: Timestamp::parse_rfc3339(&line.time)? };
    Some((checkpoint, unhex(&line.signature)?))
}

fn forged(path: &Path, line: usize) -> CheckpointError {
    CheckpointError::Forged { path: path.display().to_string(), line }
}

/// Appends a line. What is left of one that was cut off, when the disk was full or the power was gone, becomes a line of
/// its own, because some files can only be appended to.
fn append_line(path: &Path, line: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    let mut last = [b'\n'];
    if file.seek(SeekFrom::End(0))? > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    let cut_off = if last == *b"\n" { "" } else { "\n" };
    file.write_all(format!("{cut_off}{line}\n").as_bytes())?;
    file.sync_all()
}

fn file_error(path: &Path, error: io::Error) -> CheckpointError {
    CheckpointError::File { path: path.display().to_string(), error }
}
