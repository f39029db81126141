//! The decision log: a line of JSON for each check, so that it can be told what a leaked token was used for. Written beside
//! the checks: none waits for it.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use metrics::Counter;
use serde::Serialize;
use tokio::sync::oneshot;

/// Others may not read who used what; a group may be let in.
const FILE_MODE: u32 = 0o640;
/// Lines that wait at most. Past that they are dropped and counted.
const CAPACITY: usize = 16_384;
/// After so much time everything is on its way to the disk.
const FLUSH_EVERY: Duration = Duration::from_millis(200);

/// One decision. What is absent is not known.
#[derive(Debug, Default, Serialize)]
pub struct Decision<'a> {
    /// RFC 3339, with microseconds.
    pub time: String,
    /// Names the request in the logs of the proxy and here.
    pub request_id: &'a str,
    /// What was answered: `allowed`, or the name of the refusal.
    pub outcome: &'static str,
    /// Why it was refused, in more detail than anybody outside is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// `pat`, `oidc` or `none`.
    pub method: &'static str,
    /// The token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_id: Option<String>,
    /// The public part of what was presented.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_id: Option<String>,
    /// The owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// What was required.
    pub requirement: String,
    /// For whom the answer was.
    pub audience: &'a str,
    /// The client's address, as far as trusted proxies tell.
    pub ip: Option<IpAddr>,
    /// The address of the proxy.
    pub peer_ip: Option<IpAddr>,
    /// The host that was asked for, as the proxy says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The method, as the proxy says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_method: Option<String>,
    /// The path without its query, as the proxy says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// Takes decisions.
#[derive(Clone, Debug)]
pub struct Decisions {
    sender: SyncSender<Note>,
    dropped: Counter,
}

/// What the writer is told.
#[derive(Debug)]
enum Note {
    Line(String),
    /// Somebody waits until everything before this is written.
    Finish(oneshot::Sender<()>),
}

impl Decisions {
    /// Starts writing to a file, which is made if it is not there. It is opened anew when it was moved away.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn start(path: &Path, dropped: Counter) -> io::Result<Self> {
        let file = LogFile::open(path)?;
        let (sender, receiver) = sync_channel(CAPACITY);
        let writer = Writer { file, dropped: dropped.clone() };
        std::thread::Builder::new().name("decisions".to_owned()).spawn(move || writer.run(&receiver))?;
        Ok(Self { sender, dropped })
    }

    /// Takes one, or drops it where there is no room.
    pub fn note(&self, decision: &Decision<'_>) {
        let line = serde_json::to_string(decision).unwrap_or_default();
        if self.sender.try_send(Note::Line(line)).is_err() {
            self.dropped.increment(1);
        }
    }

    /// Returns when everything that was taken is written, as far as it can be.
    pub async fn finish(&self) {
        let (finished, heard) = oneshot::channel();
        let sender = self.sender.clone();
        // There may be no room yet.
        let sent = tokio::task::spawn_blocking(move || sender.send(Note::Finish(finished))).await;
        if matches!(sent, Ok(Ok(()))) {
            let _ = heard.await;
        }
    }
}

struct LogFile {
    path: PathBuf,
    inode: u64,
    writer: BufWriter<File>,
}

impl LogFile {
    fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).mode(FILE_MODE).open(path)?;
        Ok(Self { path: path.to_owned(), inode: file.metadata()?.ino(), writer: BufWriter::new(file) })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()?;
        // Whoever rotates logs has moved it away.
        if std::fs::metadata(&self.path).map_or(true, |present| present.ino() != self.inode) {
            *self = Self::open(&self.path)?;
        }
        Ok(())
    }
}

struct Writer {
    file: LogFile,
    dropped: Counter,
}

impl Writer {
    /// Writes until nobody is left who could send anything.
    fn run(mut self, notes: &Receiver<Note>) {
        loop {
            match notes.recv_timeout(FLUSH_EVERY) {
                Ok(note) => {
                    let notes = std::iter::once(note).chain(notes.try_iter());
                    let waiting: Vec<_> = notes.filter_map(|note| self.take(note)).collect();
                    self.flush();
                    for finished in waiting {
                        // Whoever waited may be gone.
                        let _ = finished.send(());
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.flush(),
                Err(RecvTimeoutError::Disconnected) => return self.flush(),
            }
        }
    }

    /// Writes a line, or gives who is to be told when that is done.
    fn take(&mut self, note: Note) -> Option<oneshot::Sender<()>> {
        match note {
            Note::Line(line) => {
                if writeln!(self.file.writer, "{line}").is_err() {
                    self.dropped.increment(1);
                }
                None
            }
            Note::Finish(finished) => Some(finished),
        }
    }

    fn flush(&mut self) {
        if let Err(error) = self.file.flush() {
            tracing::error!(%error, "decisions could not be logged");
        }
    }
}
