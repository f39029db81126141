//! What the log was at a moment. Kept outside of the database, it shows that events were cut off or all written anew.

use super::Digest;
use crate::domain::time::Timestamp;

/// The newest event at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Its number.
    pub seq: i64,
    /// Its hash.
    pub hash: Digest,
    /// The moment, to the second.
    pub time: Timestamp,
}

impl Checkpoint {
    /// What is signed (Ed25519, RFC 8032): four lines of text.
    #[must_use]
    pub fn message(&self) -> Vec<u8> {
        use std::fmt::Write as _;
        let mut message = format!("hallpass audit checkpoint v1\n{}\n", self.seq);
        for byte in self.hash {
            // Writing to a string never fails.
            let _ = write!(message, "{byte:02x}");
        }
        let _ = writeln!(message, "\n{}", self.time.as_seconds());
        message.into_bytes()
    }
}
