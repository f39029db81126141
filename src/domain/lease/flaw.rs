//! What could be wrong. Model and tests try these to show that they would notice; no server that is used has them.

use super::{Moment, Terms};

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
    /// It counts its lease from when it hears that it was renewed.
    CountsFromTheAnswer,
    /// It takes its lease for renewed, whatever it has missed.
    RenewsWhoIsBehind,
    /// It compares the end of its lease with the moment that a timer noted last.
    BelievesATimer,
    /// When it revokes, it counts the wait from before it began.
    CountsFromTheBeginning,
    /// When it revokes, it waits no longer than a lease is on its own clock.
    IgnoresDrift,
    /// Its clock stands still while it is stopped.
    StandsStillInSleep,
    /// Its renewals wait for no standby, so a primary whose place another has taken renews them as well.
    RenewsWithoutAStandby,
    /// Changes take their numbers without waiting for their turn.
    NumbersOutOfTurn,
    /// A check takes the answer of a question that was asked before it came.
    JoinsAQuestion,
    /// It takes its lease for renewed when it asks for that, so that it may have one that nobody knows of.
    HoldsWhatItAskedFor,
    /// When it revokes, it takes whoever was silent from the list, also when they were heard of since.
    ForgetsWhoWasHeard,
    /// It takes changes for the same when they have the same number, whatever the history.
    IgnoresTheHistory,
    /// A revocation that is asked for again is answered at once: the token is revoked, after all.
    AnswersWhatIsDone,
    /// When it revokes, it reads in the database when leases end, each on the clock of who holds it, and waits for none that
    /// is over on its own.
    BelievesStoredTimes,
    /// It keeps rows before it has a lease, when nobody waits for it. The only one that does no harm: whoever is renewed
    /// has applied everything, and so has forgotten what was changed meanwhile.
    KeepsWithoutALease,
}

impl Flaw {
    /// Whether this program was built to make some.
    pub const CAN_BE_MADE: bool = cfg!(any(test, feature = "flaws"));

    /// Each that does harm, with its name.
    pub const HARMFUL: [(&str, Self); 17] = [
        ("acknowledges-early", Self::AcknowledgesEarly),
        ("keeps-what-it-read", Self::KeepsWhatItRead),
        ("never-ends", Self::NeverEnds),
        ("counts-from-the-answer", Self::CountsFromTheAnswer),
        ("renews-who-is-behind", Self::RenewsWhoIsBehind),
        ("believes-a-timer", Self::BelievesATimer),
        ("counts-from-the-beginning", Self::CountsFromTheBeginning),
        ("ignores-drift", Self::IgnoresDrift),
        ("stands-still-in-sleep", Self::StandsStillInSleep),
        ("renews-without-a-standby", Self::RenewsWithoutAStandby),
        ("numbers-out-of-turn", Self::NumbersOutOfTurn),
        ("joins-a-question", Self::JoinsAQuestion),
        ("holds-what-it-asked-for", Self::HoldsWhatItAskedFor),
        ("forgets-who-was-heard", Self::ForgetsWhoWasHeard),
        ("ignores-the-history", Self::IgnoresTheHistory),
        ("answers-what-is-done", Self::AnswersWhatIsDone),
        ("believes-stored-times", Self::BelievesStoredTimes),
    ];

    /// By its name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::HARMFUL.into_iter().find_map(|(its, flaw)| (its == name).then_some(flaw))
    }
}

impl Terms {
    /// The same, held by a replica that makes a mistake.
    #[must_use]
    pub const fn flawed(self, flaw: Flaw) -> Self {
        Self { flaw: Some(flaw), ..self }
    }

    /// Whether it is made. Never, where nothing is tried.
    #[must_use]
    pub fn has(self, flaw: Flaw) -> bool {
        Flaw::CAN_BE_MADE && self.flaw == Some(flaw)
    }
}
