//! Points in time, and how people say them.

use std::fmt;
use std::num::NonZeroU64;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::format_description::well_known::Rfc3339;
use time::{Date, OffsetDateTime, UtcOffset};

const MICROS_PER_SECOND: i64 = 1_000_000;
const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// An instant in UTC, counted in microseconds since the Unix epoch: the one unit in which times are stored and
/// compared.
///
/// It is held with its sign turned round, which keeps the order and is never zero. So a time that may be absent takes no
/// more room than one that may not: memory is full of them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "i64", into = "i64")]
pub struct Timestamp(NonZeroU64);

const SIGN: u64 = 1 << 63;

/// Where the present time comes from. A parameter everywhere, so that tests own it.
pub trait Clock: Send + Sync {
    /// The present time.
    fn now(&self) -> Timestamp;
}

/// The Unix epoch.
impl Default for Timestamp {
    fn default() -> Self {
        Self::from_micros(0)
    }
}

impl From<i64> for Timestamp {
    fn from(micros: i64) -> Self {
        Self::from_micros(micros)
    }
}

impl From<Timestamp> for i64 {
    fn from(time: Timestamp) -> Self {
        time.as_micros()
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timestamp({})", self.as_micros())
    }
}

impl Timestamp {
    /// The last instant that RFC 3339 can write: the end of the year 9999.
    pub const MAX: Self = Self::from_micros(253_402_300_799 * MICROS_PER_SECOND);

    /// From microseconds since the Unix epoch. The least number of all, some 292,000 years ago, counts as the one after.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        match NonZeroU64::new(micros.cast_unsigned() ^ SIGN) {
            Some(held) => Self(held),
            None => Self(NonZeroU64::MIN),
        }
    }

    /// From whole seconds since the Unix epoch, saturating.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self::from_micros(seconds.saturating_mul(MICROS_PER_SECOND))
    }

    /// Microseconds since the Unix epoch.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        (self.0.get() ^ SIGN).cast_signed()
    }

    /// Whole seconds since the Unix epoch, rounded down.
    #[must_use]
    pub const fn as_seconds(self) -> i64 {
        self.as_micros().div_euclid(MICROS_PER_SECOND)
    }

    /// `None` where the sum lies beyond [`Timestamp::MAX`].
    #[must_use]
    pub fn checked_add(self, span: Duration) -> Option<Self> {
        let micros = i64::try_from(span.as_micros()).ok()?;
        self.as_micros().checked_add(micros).map(Self::from_micros).filter(|sum| *sum <= Self::MAX)
    }

    /// The sum, or [`Timestamp::MAX`].
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        self.checked_add(span).unwrap_or(Self::MAX)
    }

    /// The difference, never before the beginning of time.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        let micros = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        Self::from_micros(self.as_micros().saturating_sub(micros))
    }

    /// How long after `earlier` this is; zero when it is not after it.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.as_micros().saturating_sub(earlier.as_micros())).unwrap_or(0))
    }

    /// Parses an RFC 3339 date and time with any offset.
    #[must_use]
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let instant = OffsetDateTime::parse(text, &Rfc3339).ok()?.to_offset(UtcOffset::UTC);
        let micros = i64::try_from(instant.unix_timestamp_nanos().div_euclid(1_000)).ok()?;
        Some(Self::from_micros(micros)).filter(|parsed| *parsed <= Self::MAX)
    }

    /// The last second, in UTC, of a calendar date written `2026-05-03`: what a date in a form means.
    #[must_use]
    pub fn parse_end_of_date(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || year.len() != 4 {
            return None;
        }
        let month = time::Month::try_from(month.parse::<u8>().ok()?).ok()?;
        let date = Date::from_calendar_date(year.parse().ok()?, month, day.parse().ok()?).ok()?;
        let end = date.with_hms(23, 59, 59).ok()?.assume_utc();
        Some(Self::from_seconds(end.unix_timestamp()))
    }

    /// RFC 3339 in UTC, whole seconds: `2026-05-03T14:05:00Z`.
    #[must_use]
    pub fn rfc3339(self) -> String {
        let at = self.civil();
        format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
            at.year(),
            u8::from(at.month()),
            at.day(),
            at.hour(),
            at.minute(),
            at.second()
        )
    }

    /// RFC 3339 in UTC with microseconds, for logs.
    #[must_use]
    pub fn rfc3339_micros(self) -> String {
        let micros = self.as_micros().rem_euclid(1_000_000);
        format!("{}.{micros:06}Z", self.rfc3339().trim_end_matches('Z'))
    }

    /// The calendar date in UTC, as date fields of forms want it: `2026-05-03`.
    #[must_use]
    pub fn iso_date(self) -> String {
        let mut text = self.rfc3339();
        text.truncate(10);
        text
    }

    /// `3 May 2026`
    #[must_use]
    pub fn short_date(self) -> String {
        let at = self.civil();
        format!("{} {} {}", at.day(), at.month(), at.year())
    }

    /// `Sunday 3 May 2026`
    #[must_use]
    pub fn long_date(self) -> String {
        format!("{} {}", self.civil().weekday(), self.short_date())
    }

    /// `Sunday 3 May 2026, 14:05 UTC`
    #[must_use]
    pub fn exact(self) -> String {
        let at = self.civil();
        format!("{}, {:02}:{:02} UTC", self.long_date(), at.hour(), at.minute())
    }

    /// The distance from `now` as people say it: `4 minutes ago`, `in 29 days`, `just now`.
    #[must_use]
    pub fn relative_to(self, now: Self) -> String {
        if self > now {
            match spoken(self.since(now)) {
                Some(span) => format!("in {span}"),
                None => "in less than a minute".to_owned(),
            }
        } else {
            match spoken(now.since(self)) {
                Some(span) => format!("{span} ago"),
                None => "just now".to_owned(),
            }
        }
    }

    fn civil(self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(self.as_seconds()).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

/// A span in its largest sensible unit (`29 days`), or `None` below a minute.
#[must_use]
pub fn spoken(span: Duration) -> Option<String> {
    // Half a unit rounds up, so that ninety days do not read "89 days" a second later.
    let seconds = span.as_secs();
    let (count, unit) = if seconds + HOUR / 2 >= DAY {
        ((seconds + DAY / 2) / DAY, "day")
    } else if seconds + MINUTE / 2 >= HOUR {
        ((seconds + HOUR / 2) / HOUR, "hour")
    } else if seconds >= MINUTE {
        (seconds / MINUTE, "minute")
    } else {
        return None;
    };
    let plural = if count == 1 { "" } else { "s" };
    Some(format!("{count} {unit}{plural}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    #[test]
    fn rfc3339_is_read_with_any_offset_and_written_in_utc() {
        assert_eq!(at("2026-05-03T16:05:00+02:00").rfc3339(), "2026-05-03T14:05:00Z");
        for bad in ["", "2026-05-03", "yesterday", "2026-13-03T00:00:00Z", "2026-05-03T00:00:00"] {
            assert_eq!(Timestamp::parse_rfc3339(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_date_in_a_form_means_its_last_second() {
        assert_eq!(Timestamp::parse_end_of_date("2026-05-03"), Some(at("2026-05-03T23:59:59Z")));
        for bad in ["2026-02-30", "26-05-03", "2026-05", "2026-05-03-01", "+026-05-03T", "a-b-c"] {
            assert_eq!(Timestamp::parse_end_of_date(bad), None, "{bad}");
        }
    }

    #[test]
    fn dates_are_written_as_people_say_them() {
        assert_eq!(at("2026-05-03T14:05:09Z").exact(), "Sunday 3 May 2026, 14:05 UTC");
    }

    #[test]
    fn distances_use_the_largest_sensible_unit() {
        let now = at("2026-05-03T00:00:00Z");
        let table = [
            (0, "just now", "just now"),
            (59, "in less than a minute", "just now"),
            (60, "in 1 minute", "1 minute ago"),
            (3_600, "in 1 hour", "1 hour ago"),
            (86_399, "in 1 day", "1 day ago"),
            (90 * 86_400 - 1, "in 90 days", "90 days ago"),
        ];
        for (seconds, ahead, behind) in table {
            let span = Duration::from_secs(seconds);
            assert_eq!(now.plus(span).relative_to(now), ahead);
            assert_eq!(now.minus(span).relative_to(now), behind);
        }
    }

    #[test]
    fn sums_saturate_at_the_end_of_the_calendar() {
        assert_eq!(at("2026-05-03T00:00:00Z").checked_add(Duration::from_secs(u64::MAX)), None);
        assert_eq!(Timestamp::MAX.plus(Duration::from_secs(1)), Timestamp::MAX);
        assert_eq!(Timestamp::MAX.rfc3339(), "9999-12-31T23:59:59Z");
    }
}
