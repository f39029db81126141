//! What could be wrong. Model and tests try these to show that they would notice; no server that is used has them.

use super::{Moment, Seq, Terms};

/// More than there will ever be, and still a number for every database.
pub(super) const EVERYTHING: Seq = Seq::new(i64::MAX as u64);
/// After everything.
pub(super) const NEVER: Moment = Moment::from_micros(u64::MAX);

/// A mistake in a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flaw {
    /// It says that it has applied changes before memory has forgotten what they touch.
    AcknowledgesEarly,
    /// It keeps a row whatever was forgotten since it was read.
    KeepsWhatItRead,
    /// Its lease never ends.
    NeverEnds,
}

impl Flaw {
    /// Whether this program was built to make some.
    pub const CAN_BE_MADE: bool = cfg!(any(test, feature = "flaws"));

    /// By its name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "acknowledges-early" => Some(Self::AcknowledgesEarly),
            "keeps-what-it-read" => Some(Self::KeepsWhatItRead),
            "never-ends" => Some(Self::NeverEnds),
            _ => None,
        }
    }
}

impl Terms {
    /// The same, held by a replica that makes a mistake.
    #[must_use]
    pub const fn flawed(self, flaw: Flaw) -> Self {
        Self { flaw: Some(flaw), ..self }
    }

    /// Never, where nothing is tried.
    pub(super) fn has(self, flaw: Flaw) -> bool {
        Flaw::CAN_BE_MADE && self.flaw == Some(flaw)
    }
}
