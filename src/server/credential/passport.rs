//! What an upstream gets to know of who passes: the values of the headers of an allowed request, as they are held.
//!
//! Ten thousand tokens of one owner have nearly the same headers, so a [`Passport`] holds what it shares with others
//! once for all of them, and beside it only what is its own.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use smallvec::SmallVec;

use crate::domain::identity_headers;
use crate::domain::time::Timestamp;

/// The header with the JWT, and the identity headers.
pub const FIELD_COUNT: usize = identity_headers::NAMES.len() + 1;

/// The names of the headers: first the one with the JWT.
#[must_use]
pub fn field_names() -> [&'static str; FIELD_COUNT] {
    let mut names = ["authorization"; FIELD_COUNT];
    names[1..].copy_from_slice(&identity_headers::NAMES);
    names
}

/// One text for each field, in one piece of memory.
#[derive(PartialEq, Eq, Hash)]
pub struct Texts {
    text: Box<[u8]>,
    ends: [u16; FIELD_COUNT],
}

impl Texts {
    /// Puts them together.
    #[must_use]
    pub fn new(texts: [&str; FIELD_COUNT]) -> Self {
        Self { text: texts.concat().into_bytes().into(), ends: ends(texts.map(str::len)) }
    }

    fn get(&self, field: usize) -> &[u8] {
        &self.text[range(&self.ends, field)]
    }
}

/// The headers of an allowed request, for as long as they may be handed out. It cannot print itself.
pub struct Passport {
    common: Arc<Texts>,
    own: Texts,
    renew_at: Timestamp,
}

impl Passport {
    /// From the beginnings of the values, which others have too, and what follows them. To be replaced at `renew_at`.
    #[must_use]
    pub const fn new(common: Arc<Texts>, own: Texts, renew_at: Timestamp) -> Self {
        Self { common, own, renew_at }
    }

    /// Writes the values out.
    #[must_use]
    pub fn write(&self) -> Fields {
        let mut text = Vec::with_capacity(self.common.text.len() + self.own.text.len());
        let mut ends = [0; FIELD_COUNT];
        for (field, end) in ends.iter_mut().enumerate() {
            text.extend_from_slice(self.common.get(field));
            text.extend_from_slice(self.own.get(field));
            *end = position(text.len());
        }
        Fields { text: text.into(), ends }
    }

    fn is_good(&self, now: Timestamp) -> bool {
        now < self.renew_at
    }
}

/// The values of the headers of one allowed request. They hold a credential for the upstream and cannot print
/// themselves.
pub struct Fields {
    text: Bytes,
    ends: [u16; FIELD_COUNT],
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fields(…)")
    }
}

impl Fields {
    /// The values, in the order of [`field_names`].
    pub fn values(&self) -> impl Iterator<Item = Bytes> {
        (0..FIELD_COUNT).map(|field| self.text.slice(range(&self.ends, field)))
    }
}

/// The passports of one row, one for each audience that was asked for. After any change of token or owner there is
/// another row, so none outlives what it says.
#[derive(Default)]
pub struct Issued(RwLock<Held>);

/// Nearly always there is one: it lies in the row itself.
type Held = SmallVec<[(usize, Passport); 1]>;

impl Issued {
    /// The values for an audience, where there is a passport that is still to be handed out.
    #[must_use]
    pub fn write(&self, audience: usize, now: Timestamp) -> Option<Fields> {
        let held = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let (_, passport) = held.iter().find(|(of, passport)| *of == audience && passport.is_good(now))?;
        Some(passport.write())
    }

    /// Keeps a passport in place of an older one for the same audience.
    pub fn keep(&self, audience: usize, passport: Passport) {
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        held.retain(|(of, _)| *of != audience);
        held.push((audience, passport));
    }

    /// Lets go of what has to be renewed anyway.
    pub fn forget_old(&self, now: Timestamp) {
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        held.retain(|(_, passport)| passport.is_good(now));
        held.shrink_to_fit();
    }
}

fn ends(lengths: [usize; FIELD_COUNT]) -> [u16; FIELD_COUNT] {
    let mut end = 0;
    lengths.map(|length| {
        end += length;
        position(end)
    })
}

fn range(ends: &[u16; FIELD_COUNT], field: usize) -> std::ops::Range<usize> {
    let start = field.checked_sub(1).map_or(0, |before| ends[before]);
    start.into()..ends[field].into()
}

/// Every value is bounded, and all together are far shorter than this can count.
fn position(at: usize) -> u16 {
    u16::try_from(at).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passport(common: &str, own: &str, renew_at: i64) -> Passport {
        let texts = |text: &str| Texts::new(std::array::from_fn(|field| &text[..field.min(text.len())]));
        Passport::new(Arc::new(texts(common)), texts(own), Timestamp::from_seconds(renew_at))
    }

    fn second(fields: &Fields) -> Vec<u8> {
        fields.values().nth(2).unwrap().to_vec()
    }

    #[test]
    fn each_value_is_what_is_common_and_then_what_is_own() {
        let values: Vec<_> = passport("abc", "xyz", 1).write().values().collect();
        assert_eq!(values.len(), FIELD_COUNT);
        assert_eq!(values[..5], ["", "ax", "abxy", "abcxyz", "abcxyz"]);
    }

    #[test]
    fn a_passport_is_handed_out_for_its_audience_until_it_is_to_be_renewed() {
        let (issued, at) = (Issued::default(), Timestamp::from_seconds);
        issued.keep(0, passport("ab", "", 10));
        issued.keep(1, passport("cd", "", 20));
        assert_eq!(issued.write(0, at(9)).as_ref().map(second), Some(b"ab".to_vec()));
        assert_eq!(issued.write(1, at(9)).as_ref().map(second), Some(b"cd".to_vec()));
        assert!(issued.write(0, at(10)).is_none());
        assert!(issued.write(2, at(9)).is_none());
        issued.keep(0, passport("ef", "", 30));
        assert_eq!(issued.write(0, at(10)).as_ref().map(second), Some(b"ef".to_vec()));
        issued.forget_old(at(20));
        assert_eq!(issued.0.read().unwrap().len(), 1);
    }

    #[test]
    fn nothing_of_it_can_be_printed() {
        assert_eq!(format!("{:?}", passport("secret", "secret", 1).write()), "Fields(…)");
    }
}
