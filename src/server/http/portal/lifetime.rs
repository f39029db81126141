//! The choice of a lifetime, as forms make it.

use std::time::Duration;

use crate::domain::lifetime::{ExpiryRequest, LifetimePolicy};
use crate::domain::time::Timestamp;

const DAY: Duration = Duration::from_hours(24);

/// The fields that the administrator's default fills in: `lifetime` and `date`.
pub(super) fn preset(policy: &LifetimePolicy, now: Timestamp) -> (String, String) {
    let days = policy.default.as_secs() / DAY.as_secs();
    let is_offered =
        policy.default == DAY * u32::try_from(days).unwrap_or(0) && policy.presets().any(|preset| preset == days);
    if is_offered {
        (days.to_string(), String::new())
    } else {
        ("date".to_owned(), now.plus(policy.default).iso_date())
    }
}

/// The last date that may be chosen: its last second lies within the maximum.
pub(super) fn max_date(policy: &LifetimePolicy, now: Timestamp) -> String {
    now.plus(policy.max).minus(DAY).iso_date()
}

/// What was chosen.
pub(super) fn chosen(lifetime: &str, date: &str) -> ExpiryRequest {
    match lifetime {
        "never" => ExpiryRequest::Never,
        "date" => Timestamp::parse_end_of_date(date).map_or(ExpiryRequest::Unreadable, ExpiryRequest::At),
        days => {
            days.parse::<u32>().map_or(ExpiryRequest::Unreadable, |days| ExpiryRequest::In(DAY.saturating_mul(days)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_a_number_of_days_a_date_or_never() {
        assert_eq!(chosen("30", ""), ExpiryRequest::In(DAY * 30));
        assert_eq!(chosen("never", ""), ExpiryRequest::Never);
        assert!(matches!(chosen("date", "2026-05-03"), ExpiryRequest::At(_)));
        for (lifetime, date) in
            [("", ""), ("-1", ""), ("date", ""), ("date", "tomorrow"), ("99999999999", ""), ("1.5", "")]
        {
            assert_eq!(chosen(lifetime, date), ExpiryRequest::Unreadable, "{lifetime} {date}");
        }
    }

    #[test]
    fn the_default_is_a_preset_or_a_date() {
        let now = Timestamp::from_seconds(1_800_000_000);
        let policy = |default| LifetimePolicy { default, max: DAY * 365, allow_never: false };
        assert_eq!(preset(&policy(DAY * 90), now), ("90".to_owned(), String::new()));
        assert_eq!(preset(&policy(DAY * 45), now), ("date".to_owned(), now.plus(DAY * 45).iso_date()));
    }
}
