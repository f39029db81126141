//! The keys that sign JWTs for upstreams: which one signs, which are published, and when the next is made.
//!
//! A verifier fetches the published keys now and then. So a key is published well before it signs, and stays published
//! until nobody can accept a JWT of it any more. Keys follow each other without a gap: one signs until the next starts.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

use super::time::Timestamp;

/// Shortest life of a JWT that can be configured.
pub const TTL_MIN: Duration = Duration::from_secs(5);
/// Longest life of a JWT that can be configured.
pub const TTL_MAX: Duration = Duration::from_mins(15);
/// For how long a key is the one that signs.
pub const SIGNS_FOR: Duration = Duration::from_hours(30 * 24);
/// Within this time every server publishes a key that another process made.
pub const NOTICED_WITHIN: Duration = Duration::from_mins(1);
/// From the making of a key to its first signature: half an hour in which every server publishes it. Verifiers fetch
/// keys every 10 to 20 minutes, some of them through caches.
pub const PUBLISHED_BEFORE: Duration = Duration::from_mins(30).saturating_add(NOTICED_WITHIN);
/// By how much verifiers let a JWT outlive its `exp`, for clocks that differ.
pub const SKEW: Duration = Duration::from_mins(1);

/// How JWTs are signed (RFC 7518, section 3.1; RFC 8037, section 3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256: signatures of 64 bytes.
    #[default]
    Es256,
    /// Ed25519: signatures of 64 bytes.
    EdDsa,
    /// RSASSA-PKCS1-v1_5 with SHA-256 and 2048 bits: signatures of 256 bytes.
    Rs256,
}

/// Not one of the algorithms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("please choose one of ES256, EdDSA and RS256")]
pub struct AlgorithmError;

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Es256, Self::EdDsa, Self::Rs256];

    /// The value of `alg`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = AlgorithmError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == text).ok_or(AlgorithmError)
    }
}

/// For whom a JWT can be made out (`aud`; RFC 7519, section 4.1.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audiences {
    /// Where nobody asks for another.
    pub default: String,
    /// Those that may be asked for.
    pub others: Vec<String>,
}

impl Audiences {
    /// The audience of a JWT, given what was asked for; `None` where that is not configured.
    #[must_use]
    pub fn choose(&self, requested: Option<&str>) -> Option<&str> {
        let Some(requested) = requested else { return Some(&self.default) };
        self.all().find(|audience| *audience == requested)
    }

    /// Every audience, the usual one first.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.default).chain(&self.others).map(String::as_str)
    }
}

/// What the rules know of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFacts {
    /// Its name: the thumbprint of the public key (RFC 7638).
    pub kid: String,
    /// How it signs.
    pub algorithm: Algorithm,
    /// When it was made, and published.
    pub created_at: Timestamp,
    /// From when on it signs.
    pub signs_from: Timestamp,
    /// The longest life of a JWT that it may have signed.
    pub longest_ttl: Duration,
}

/// What a key is for at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Published, so that verifiers know it when it starts to sign.
    Next,
    /// Signs.
    Signing,
    /// Signs no more, but JWTs of it may still be accepted.
    Retired,
    /// Nobody needs it any more.
    Withdrawn,
}

impl KeyState {
    /// The state in one word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Signing => "signing",
            Self::Retired => "retired",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// The state of a key, and its limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyStanding {
    /// What it is for.
    pub state: KeyState,
    /// Since when.
    pub since: Timestamp,
    /// Until when, as far as that is settled.
    pub until: Option<Timestamp>,
}

/// The keys of an installation in the order in which they sign.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule(Vec<KeyFacts>);

impl Schedule {
    /// Of keys in any order.
    #[must_use]
    pub fn new(mut keys: Vec<KeyFacts>) -> Self {
        keys.sort_by(|a, b| (a.signs_from, a.created_at, &a.kid).cmp(&(b.signs_from, b.created_at, &b.kid)));
        Self(keys)
    }

    /// The key that signs; none only where there are no keys. With a clock that was set back, the earliest.
    #[must_use]
    pub fn signing(&self, now: Timestamp) -> Option<&KeyFacts> {
        self.0.iter().rev().find(|key| key.signs_from <= now).or(self.0.first())
    }

    /// Every key, with what it is for.
    pub fn standings(&self, now: Timestamp) -> impl Iterator<Item = (&KeyFacts, KeyStanding)> {
        self.0.iter().enumerate().map(move |(index, key)| (key, self.standing(index, key, now)))
    }

    fn standing(&self, index: usize, key: &KeyFacts, now: Timestamp) -> KeyStanding {
        let stops = self.0.get(index + 1).map(|successor| successor.signs_from);
        match stops {
            Some(stopped) if stopped <= now => after_stop(key, stopped, now),
            _ if key.signs_from <= now || index == 0 => {
                KeyStanding { state: KeyState::Signing, since: key.signs_from, until: stops }
            }
            _ => KeyStanding { state: KeyState::Next, since: key.created_at, until: Some(key.signs_from) },
        }
    }

    /// From when on a new key would sign, if one has to be made now: because there is none, because the last one is of
    /// another algorithm, or because it will have signed for long enough when the new one starts.
    #[must_use]
    pub fn due(&self, algorithm: Algorithm, now: Timestamp) -> Option<Timestamp> {
        let fits = |last: &KeyFacts| {
            let old_from = last.signs_from.plus(SIGNS_FOR).minus(PUBLISHED_BEFORE);
            last.algorithm == algorithm && now < old_from
        };
        if self.0.last().is_some_and(fits) { None } else { self.successor(now) }
    }

    /// From when on a key that is made now would sign; `None` where one waits already, which then is the successor. The
    /// very first key signs at once: nobody can have fetched the keys before there was any.
    #[must_use]
    pub fn successor(&self, now: Timestamp) -> Option<Timestamp> {
        match self.0.last() {
            None => Some(now),
            Some(last) if last.signs_from > now => None,
            Some(_) => Some(now.plus(PUBLISHED_BEFORE)),
        }
    }

    /// The last key: the one that signs, or the one that waits.
    #[must_use]
    pub fn last(&self) -> Option<&KeyFacts> {
        self.0.last()
    }
}

/// A key that stopped stays published for as long as a verifier may accept a JWT of it.
fn after_stop(key: &KeyFacts, stopped: Timestamp, now: Timestamp) -> KeyStanding {
    let gone = stopped.plus(key.longest_ttl).plus(SKEW);
    if now < gone {
        KeyStanding { state: KeyState::Retired, since: stopped, until: Some(gone) }
    } else {
        KeyStanding { state: KeyState::Withdrawn, since: gone, until: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_seconds(1_800_000_000);
    const TTL: Duration = Duration::from_mins(1);

    fn at(minutes: u64) -> Timestamp {
        START.plus(Duration::from_mins(minutes))
    }

    /// A key that is made at one minute and signs from another.
    fn key(kid: &str, created: u64, signs_from: u64) -> KeyFacts {
        KeyFacts {
            kid: kid.to_owned(),
            algorithm: Algorithm::Es256,
            created_at: at(created),
            signs_from: at(signs_from),
            longest_ttl: TTL,
        }
    }

    fn states(schedule: &Schedule, now: Timestamp) -> Vec<(String, &'static str)> {
        schedule.standings(now).map(|(key, standing)| (key.kid.clone(), standing.state.as_str())).collect()
    }

    #[test]
    fn a_key_is_published_before_it_signs_and_until_no_jwt_of_it_can_be_accepted() {
        let schedule = Schedule::new(vec![key("b", 100, 131), key("a", 0, 0)]);
        let second = Duration::from_secs(1);
        let table = [
            (at(0), "signing", "next"),
            (at(131).minus(second), "signing", "next"),
            (at(131), "retired", "signing"),
            // One minute of life and one of skew after the stop.
            (at(133).minus(second), "retired", "signing"),
            (at(133), "withdrawn", "signing"),
        ];
        for (now, first, second) in table {
            assert_eq!(states(&schedule, now), [("a".to_owned(), first), ("b".to_owned(), second)], "{now}");
        }
    }

    #[test]
    fn a_state_says_since_when_and_until_when() {
        let schedule = Schedule::new(vec![key("a", 0, 0), key("b", 100, 131)]);
        let table = [(100, [(0, Some(131)), (100, Some(131))]), (131, [(131, Some(133)), (131, None)])];
        for (now, expected) in table {
            let found: Vec<_> = schedule.standings(at(now)).map(|(_, one)| (one.since, one.until)).collect();
            let expected = expected.map(|(since, until)| (at(since), until.map(at)));
            assert_eq!(found, expected, "{now}");
        }
    }

    #[test]
    fn exactly_one_key_signs_at_any_time() {
        let schedule = Schedule::new(vec![key("a", 10, 10), key("b", 100, 131), key("c", 200, 231)]);
        for (now, kid) in [(0, "a"), (10, "a"), (130, "a"), (131, "b"), (230, "b"), (231, "c"), (9_999, "c")] {
            assert_eq!(schedule.signing(at(now)).unwrap().kid, kid, "{now}");
            let signing = schedule.standings(at(now)).filter(|(_, one)| one.state == KeyState::Signing);
            assert_eq!(signing.map(|(key, _)| key.kid.as_str()).collect::<Vec<_>>(), [kid], "{now}");
        }
        assert_eq!(Schedule::default().signing(at(0)), None);
    }

    #[test]
    fn the_next_key_is_made_by_age_and_for_another_algorithm() {
        let days = |count: u64| count * 24 * 60;
        let one = Schedule::new(vec![key("a", 0, 0)]);
        let two = Schedule::new(vec![key("a", 0, 0), key("b", 100, 131)]);
        let es256 = Algorithm::Es256;
        let table = [
            ("the first signs at once", &Schedule::default(), es256, 5, Some(5)),
            ("young enough", &one, es256, days(30) - 32, None),
            ("replaced after thirty days", &one, es256, days(30) - 31, Some(days(30))),
            ("much too old", &one, es256, days(90), Some(days(90) + 31)),
            ("another algorithm", &one, Algorithm::EdDsa, 50, Some(81)),
            ("another algorithm, but one waits", &two, Algorithm::EdDsa, 130, None),
            ("another algorithm, and it has started", &two, Algorithm::EdDsa, 131, Some(162)),
            ("age counts from the last", &two, es256, days(30), None),
        ];
        for (name, schedule, algorithm, now, expected) in table {
            assert_eq!(schedule.due(algorithm, at(now)), expected.map(at), "{name}");
        }
    }

    #[test]
    fn a_rotation_by_hand_makes_one_next_key_and_not_a_second() {
        assert_eq!(Schedule::default().successor(at(5)), Some(at(5)));
        assert_eq!(Schedule::new(vec![key("a", 0, 0)]).successor(at(5)), Some(at(36)));
        assert_eq!(Schedule::new(vec![key("a", 0, 0), key("b", 5, 36)]).successor(at(35)), None);
    }

    #[test]
    fn every_key_is_published_for_half_an_hour_before_it_signs() {
        let made = at(7);
        let signs_from = Schedule::new(vec![key("a", 0, 0)]).successor(made).unwrap();
        assert!(signs_from.since(made.plus(NOTICED_WITHIN)) >= Duration::from_mins(30));
    }

    #[test]
    fn only_configured_audiences_are_chosen() {
        let audiences = Audiences { default: "hallpass".to_owned(), others: vec!["billing".to_owned()] };
        let table = [
            (None, Some("hallpass")),
            (Some("hallpass"), Some("hallpass")),
            (Some("billing"), Some("billing")),
            (Some("Billing"), None),
            (Some(""), None),
        ];
        for (requested, chosen) in table {
            assert_eq!(audiences.choose(requested), chosen, "{requested:?}");
        }
    }

    #[test]
    fn algorithms_are_named_as_in_the_header() {
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.as_str().parse(), Ok(algorithm));
        }
        for bad in ["", "es256", "HS256", "none"] {
            assert_eq!(bad.parse::<Algorithm>(), Err(AlgorithmError), "{bad}");
        }
    }
}
