//! The choice of a lifetime, as forms make it.

use std::time::Duration;

use super::super::Web;
use crate::domain::lifetime::{ExpiryRequest, LifetimePolicy, Offer};
use crate::domain::time::Timestamp;
use crate::server::ui::pages::LifetimeChoice;

const DAY: Duration = Duration::from_hours(24);

/// What is offered at present beside what is chosen.
pub(super) fn choice(web: &Web, lifetime: &str, date: &str) -> LifetimeChoice {
    let (policy, now) = (web.tokens.policy().lifetime, web.clock.now());
    LifetimeChoice {
        // However a link has written it.
        lifetime: lifetime.parse().map_or_else(|_| lifetime.to_owned(), |offer: Offer| offer.to_string()),
        date: date.to_owned(),
        offers: policy.offers(),
        max_date: max_date(&policy, now),
        allow_never: policy.allow_never,
        now,
    }
}

/// What is chosen before somebody chooses: the administrator's default.
pub(super) fn preset(web: &Web) -> String {
    web.tokens.policy().lifetime.default_offer().to_string()
}

/// The last date that may be chosen, whose last second lies within the maximum; none where the present day is too long.
fn max_date(policy: &LifetimePolicy, now: Timestamp) -> Option<String> {
    let last = now.plus(policy.max).minus(DAY).iso_date();
    (last >= now.iso_date()).then_some(last)
}

/// What was chosen.
pub(super) fn chosen(lifetime: &str, date: &str) -> ExpiryRequest {
    match lifetime {
        "never" => ExpiryRequest::Never,
        "date" => Timestamp::parse_end_of_date(date).map_or(ExpiryRequest::Unreadable, ExpiryRequest::At),
        offer => offer.parse().map_or(ExpiryRequest::Unreadable, |offer: Offer| ExpiryRequest::In(offer.span())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(default: Duration, max: Duration) -> LifetimePolicy {
        LifetimePolicy { default, max, allow_never: false }
    }

    #[test]
    fn a_choice_is_an_offer_a_date_or_never() {
        assert_eq!(chosen("30", ""), ExpiryRequest::In(DAY * 30));
        assert_eq!(chosen("12h", ""), ExpiryRequest::In(DAY / 2));
        assert_eq!(chosen("never", ""), ExpiryRequest::Never);
        assert!(matches!(chosen("date", "2026-05-03"), ExpiryRequest::At(_)));
        for (lifetime, date) in
            [("", ""), ("-1", ""), ("date", ""), ("date", "tomorrow"), ("99999999999", ""), ("1.5", "")]
        {
            assert_eq!(chosen(lifetime, date), ExpiryRequest::Unreadable, "{lifetime} {date}");
        }
    }

    #[test]
    fn what_is_chosen_before_somebody_chooses_is_accepted() {
        let noons = (0..24).map(|hour| Timestamp::from_seconds(1_800_000_000).plus(Duration::from_hours(hour)));
        for now in noons {
            for span in [DAY * 365, DAY * 45, DAY * 14, DAY, DAY / 2, Duration::from_mins(90), Duration::from_secs(61)]
            {
                let policy = policy(span, span);
                assert!(policy.offers().contains(&policy.default_offer()));
                let expiry = policy.expiry(chosen(&policy.default_offer().to_string(), ""), now);
                assert_eq!(expiry, Ok(Some(now.plus(span))));
            }
        }
    }

    #[test]
    fn the_last_date_that_is_offered_is_accepted_and_the_next_is_not() {
        for hour in 0..24 {
            let now = Timestamp::from_seconds(1_800_000_000).plus(Duration::from_hours(hour));
            for max in [DAY * 365, DAY * 2, DAY, DAY / 2, DAY / 24] {
                let policy = policy(max, max);
                let is_accepted = |date: &str| policy.expiry(chosen("date", date), now).is_ok();
                match max_date(&policy, now) {
                    Some(date) => {
                        let next = Timestamp::parse_end_of_date(&date).unwrap().plus(DAY).iso_date();
                        assert!(is_accepted(&date) && !is_accepted(&next), "{date} after {now:?} within {max:?}");
                    }
                    None => assert!(!is_accepted(&now.iso_date()), "{now:?} within {max:?}"),
                }
            }
        }
    }
}
