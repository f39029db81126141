//! How JWTs write values (RFC 7519, section 2), read strictly.

use serde::de::{Error, IgnoredAny};
use serde::{Deserialize, Deserializer};

use crate::domain::time::Timestamp;

/// Whether a member is there, whatever its value: also `null`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Present(pub bool);

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self(true))
    }
}

/// One text or several, as `aud` has them (section 4.1.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Texts(pub Vec<String>);

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        OneOrMany::deserialize(deserializer).map(|texts| match texts {
            OneOrMany::One(text) => Self(vec![text]),
            OneOrMany::Many(texts) => Self(texts),
        })
    }
}

/// Seconds since 1970, perhaps with a fraction, which is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NumericDate(pub Timestamp);

/// No date of a token lies beyond the year 9999.
const SECONDS_MAX: f64 = 253_402_300_799.0;

impl<'de> Deserialize<'de> for NumericDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        if !(0.0..=SECONDS_MAX).contains(&seconds) {
            return Err(D::Error::custom("not a date"));
        }
        #[expect(clippy::cast_possible_truncation, reason = "the range was just looked at")]
        let whole = seconds as i64;
        Ok(Self(Timestamp::from_seconds(whole)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value, json};

    use super::*;

    fn seconds(value: Value) -> Option<i64> {
        from_value::<NumericDate>(value).ok().map(|date| date.0.as_seconds())
    }

    #[test]
    fn dates_are_numbers_within_reason() {
        assert_eq!(seconds(json!(1_800_000_000)), Some(1_800_000_000));
        assert_eq!(seconds(json!(1_800_000_000.9)), Some(1_800_000_000));
        for bad in [json!("1800000000"), json!(-1), json!(1e300), json!(i64::MAX), json!(null), json!([1])] {
            assert_eq!(seconds(bad.clone()), None, "{bad}");
        }
    }

    #[test]
    fn texts_are_one_or_many_and_nothing_else() {
        let texts = |value: Value| from_value::<Texts>(value).ok().map(|texts| texts.0);
        assert_eq!(texts(json!("a")), Some(vec!["a".to_owned()]));
        assert_eq!(texts(json!(["a", "a"])), Some(vec!["a".to_owned(), "a".to_owned()]));
        assert_eq!(texts(json!([])), Some(Vec::new()));
        for bad in [json!(1), json!(null), json!(["a", 1]), json!({"a": "a"}), json!([["a"]])] {
            assert_eq!(texts(bad.clone()), None, "{bad}");
        }
    }

    #[test]
    fn a_member_is_there_whatever_it_says() {
        #[derive(Deserialize)]
        struct Claims {
            #[serde(default)]
            nonce: Present,
        }
        let there = |value: Value| from_value::<Claims>(value).unwrap().nonce.0;
        assert!(there(json!({"nonce": "x"})) && there(json!({"nonce": null})) && there(json!({"nonce": {}})));
        assert!(!there(json!({})));
    }
}
