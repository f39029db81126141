//! How long a token lives: what people ask for, and what the administrator allows.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

use super::time::{Timestamp, spoken};

/// The lifetimes that people usually want, in days.
const USUAL_DAYS: [u32; 6] = [7, 30, 60, 90, 180, 365];

const DAY: Duration = Duration::from_hours(24);

/// Not a duration such as `90d`, `12h`, `15m` or `30s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("Please write a duration as a whole number and a unit: \"30d\", \"12h\", \"15m\" or \"30s\".")]
pub struct DurationError;

/// Parses a duration in text form: a positive whole number and one of the units `d`, `h`, `m`, `s`.
///
/// # Errors
/// When it is not of that form, is zero or overflows.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let unit = text.chars().next_back().ok_or(DurationError)?;
    let seconds_per_unit = match unit {
        'd' => 86_400,
        'h' => 3_600,
        'm' => 60,
        's' => 1,
        _ => return Err(DurationError),
    };
    let count = &text[..text.len() - 1];
    if !count.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(DurationError);
    }
    let count: u64 = count.parse().map_err(|_| DurationError)?;
    let seconds = count.checked_mul(seconds_per_unit).filter(|seconds| *seconds > 0);
    seconds.map(Duration::from_secs).ok_or(DurationError)
}

/// A lifetime that forms offer. As text it is a number of days, or a duration where it is not of whole days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Offer(Duration);

impl Offer {
    /// How long it is.
    #[must_use]
    pub const fn span(self) -> Duration {
        self.0
    }

    /// Whether it is of whole days.
    #[must_use]
    pub const fn is_of_days(self) -> bool {
        self.0.as_secs().is_multiple_of(DAY.as_secs())
    }

    /// In words, exactly.
    #[must_use]
    pub fn words(self) -> String {
        let (count, unit) = self.whole_units();
        let unit = match unit {
            'd' => "day",
            'h' => "hour",
            'm' => "minute",
            _ => "second",
        };
        format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
    }

    /// In the largest unit of which it is a whole number.
    fn whole_units(self) -> (u64, char) {
        let seconds = self.0.as_secs();
        let units = [('d', DAY.as_secs()), ('h', 3_600), ('m', 60), ('s', 1)];
        let whole = units.into_iter().find(|(_, length)| seconds.is_multiple_of(*length));
        whole.map_or((seconds, 's'), |(unit, length)| (seconds / length, unit))
    }
}

impl fmt::Display for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.whole_units() {
            (days, 'd') => days.fmt(f),
            (count, unit) => write!(f, "{count}{unit}"),
        }
    }
}

impl FromStr for Offer {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        let days = text.parse::<u32>().map(|days| DAY.saturating_mul(days));
        days.or_else(|_| parse_duration(text)).map(Self)
    }
}

/// When a token is asked to expire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExpiryRequest {
    /// After the administrator's default lifetime.
    #[default]
    Default,
    /// After a span.
    In(Duration),
    /// At an instant.
    At(Timestamp),
    /// Never.
    Never,
    /// Something that cannot be understood: refused, beside whatever else is wrong.
    Unreadable,
}

/// What the administrator allows.
#[derive(Clone, Copy, Debug)]
pub struct LifetimePolicy {
    /// For tokens that ask for nothing.
    pub default: Duration,
    /// The most that may be asked for, and the longest that a secret is good for after its creation.
    pub max: Duration,
    /// Whether [`ExpiryRequest::Never`] is accepted.
    pub allow_never: bool,
}

/// What has run out at a moment, told by what is stored of a secret: [`LifetimePolicy::deadline`] for whoever looks for
/// many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// What was asked to expire by then.
    pub at: Timestamp,
    /// What was asked to expire at any time, and was made by then.
    pub made: Timestamp,
    /// What was asked to expire never, and was made by then.
    pub made_for_ever: Timestamp,
}

/// Why an expiry is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LifetimeError {
    /// Not after now.
    #[error("Please choose a time in the future.")]
    NotInFuture,
    /// Beyond the administrator's maximum.
    #[error("Please choose at most {max}: your administrator limits the lifetime of tokens.")]
    BeyondMaximum {
        /// The maximum in words.
        max: String,
    },
    /// Not a lifetime.
    #[error("Please choose how long the token shall work: a duration such as \"30d\", or a date.")]
    Unreadable,
    /// `never` is switched off here.
    #[error("Tokens without an expiry are not allowed here. Please choose a lifetime.")]
    NeverNotAllowed,
}

impl LifetimePolicy {
    /// The instant at which a secret made `now` expires; `None` is never.
    ///
    /// # Errors
    /// When the request is not in the future or not allowed.
    pub fn expiry(&self, request: ExpiryRequest, now: Timestamp) -> Result<Option<Timestamp>, LifetimeError> {
        let at = match request {
            ExpiryRequest::Never if self.allow_never => return Ok(None),
            ExpiryRequest::Never => return Err(LifetimeError::NeverNotAllowed),
            ExpiryRequest::Unreadable => return Err(LifetimeError::Unreadable),
            ExpiryRequest::Default => now.plus(self.default),
            ExpiryRequest::In(span) => now.checked_add(span).ok_or_else(|| self.beyond())?,
            ExpiryRequest::At(at) => at,
        };
        if at <= now {
            Err(LifetimeError::NotInFuture)
        } else if at > now.plus(self.max) {
            Err(self.beyond())
        } else {
            Ok(Some(at))
        }
    }

    /// Which secrets have had their deadline at a moment.
    #[must_use]
    pub fn due(&self, at: Timestamp) -> Due {
        let made = at.minus(self.max);
        Due { at, made, made_for_ever: if self.allow_never { Timestamp::from_micros(i64::MIN) } else { made } }
    }

    /// When a secret stops being good under the present policy, whatever was allowed when it was made.
    #[must_use]
    pub fn deadline(&self, created_at: Timestamp, expires_at: Option<Timestamp>) -> Option<Timestamp> {
        let ceiling = created_at.plus(self.max);
        match expires_at {
            None if self.allow_never => None,
            None => Some(ceiling),
            Some(at) => Some(at.min(ceiling)),
        }
    }

    /// What forms offer: the usual lifetimes that are allowed, and the administrator's default.
    #[must_use]
    pub fn offers(&self) -> Vec<Offer> {
        let usual = USUAL_DAYS.into_iter().map(|days| DAY.saturating_mul(days)).filter(|span| *span <= self.max);
        let mut offers: Vec<_> = usual.chain([self.default]).map(Offer).collect();
        offers.sort_unstable();
        offers.dedup();
        offers
    }

    /// What forms offer first.
    #[must_use]
    pub const fn default_offer(&self) -> Offer {
        Offer(self.default)
    }

    fn beyond(&self) -> LifetimeError {
        LifetimeError::BeyondMaximum { max: spoken(self.max).unwrap_or_else(|| "a minute".to_owned()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn days(count: u64) -> Duration {
        Duration::from_secs(count * 86_400)
    }

    fn policy() -> LifetimePolicy {
        LifetimePolicy { default: days(90), max: days(365), allow_never: false }
    }

    #[test]
    fn durations_are_a_number_and_a_unit() {
        for (text, seconds) in [("90d", 7_776_000), ("12h", 43_200), ("15m", 900), ("30s", 30)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)));
        }
        for bad in [
            "",
            "d",
            "0d",
            "-1d",
            "+1d",
            "1.5d",
            "1 d",
            "1w",
            "1D",
            "90",
            "99999999999999999999d",
            "18446744073709551615d",
            "1é",
        ] {
            assert_eq!(parse_duration(bad), Err(DurationError), "{bad:?}");
        }
    }

    #[test]
    fn an_expiry_lies_in_the_future_and_within_the_maximum() {
        let beyond = || Err(LifetimeError::BeyondMaximum { max: "365 days".to_owned() });
        let second = Duration::from_secs(1);
        let table = [
            (ExpiryRequest::Default, Ok(Some(NOW.plus(days(90))))),
            (ExpiryRequest::In(second), Ok(Some(NOW.plus(second)))),
            (ExpiryRequest::In(days(365)), Ok(Some(NOW.plus(days(365))))),
            (ExpiryRequest::In(days(365) + second), beyond()),
            (ExpiryRequest::In(Duration::MAX), beyond()),
            (ExpiryRequest::At(NOW), Err(LifetimeError::NotInFuture)),
            (ExpiryRequest::At(NOW.minus(second)), Err(LifetimeError::NotInFuture)),
            (ExpiryRequest::At(Timestamp::MAX), beyond()),
            (ExpiryRequest::Never, Err(LifetimeError::NeverNotAllowed)),
            (ExpiryRequest::Unreadable, Err(LifetimeError::Unreadable)),
        ];
        for (request, outcome) in table {
            assert_eq!(policy().expiry(request, NOW), outcome, "{request:?}");
        }
    }

    #[test]
    fn a_lowered_maximum_shortens_tokens_that_exist() {
        let lowered = LifetimePolicy { max: days(30), ..policy() };
        assert_eq!(lowered.deadline(NOW, Some(NOW.plus(days(90)))), Some(NOW.plus(days(30))));
        assert_eq!(lowered.deadline(NOW, Some(NOW.plus(days(7)))), Some(NOW.plus(days(7))));
    }

    #[test]
    fn never_means_never_only_while_it_is_allowed() {
        let generous = LifetimePolicy { allow_never: true, ..policy() };
        assert_eq!(generous.expiry(ExpiryRequest::Never, NOW), Ok(None));
        assert_eq!(generous.deadline(NOW, None), None);
        assert_eq!(policy().deadline(NOW, None), Some(NOW.plus(days(365))));
    }

    #[test]
    fn many_are_due_when_each_has_had_its_deadline() {
        let tick = Duration::from_micros(1);
        for policy in [policy(), LifetimePolicy { allow_never: true, ..policy() }] {
            for asked in [None, Some(NOW.plus(days(90))), Some(NOW.plus(days(400)))] {
                for at in [0, 90, 365, 400].map(|count| NOW.plus(days(count))) {
                    for at in [at.minus(tick), at, at.plus(tick)] {
                        let due = policy.due(at);
                        let is_due =
                            NOW <= due.made_for_ever || asked.is_some_and(|end| end <= due.at || NOW <= due.made);
                        let deadline = policy.deadline(NOW, asked);
                        assert_eq!(is_due, deadline.is_some_and(|deadline| at >= deadline), "{asked:?} {at:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_offered_is_allowed_and_the_default_is_offered() {
        let offers = |default, max| {
            let offers = LifetimePolicy { default, max, ..policy() }.offers();
            offers.iter().map(|offer| format!("{offer} {}", offer.words())).collect::<Vec<_>>().join(", ")
        };
        assert_eq!(offers(days(30), days(60)), "7 7 days, 30 30 days, 60 60 days");
        assert_eq!(offers(days(14), days(14)), "7 7 days, 14 14 days");
        assert_eq!(offers(days(1), days(1)), "1 1 day");
        let (hours, odd) = (Duration::from_hours(36), Duration::from_secs(61));
        assert_eq!(offers(hours, hours), "36h 36 hours");
        assert_eq!(offers(odd, Duration::from_mins(90)), "61s 61 seconds");
        for text in ["7", "36h", "61s", "90m"] {
            assert_eq!(text.parse::<Offer>().unwrap().to_string(), text);
        }
    }
}
