//! Changes in their order, and the histories in which they have one.

/// The place of a change in the order in which changes were committed, without gaps. Zero is before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Seq(u64);

impl Seq {
    /// From the number itself.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number itself.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The change after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// Tells a change from every other one, also from one that has its number in another history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Mark(u128);

impl Mark {
    /// From the number itself, which is random.
    #[must_use]
    pub const fn new(number: u128) -> Self {
        Self(number)
    }

    /// The number itself.
    #[must_use]
    pub const fn number(self) -> u128 {
        self.0
    }
}

/// A change: its place in the order, and its mark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Point {
    /// Its place.
    pub seq: Seq,
    /// Its mark.
    pub mark: Mark,
}

/// What the numbers of changes belong to: another one begins when another database is put in the place of this one, or a
/// standby takes over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct History {
    /// Names the installation of the database.
    pub system: i64,
    /// Its timeline.
    pub timeline: i64,
}

/// The last change, and the history that it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Head {
    /// The change.
    pub point: Point,
    /// Its history.
    pub history: History,
}
