//! What an upstream is told of who passes, ready to be sent.

use std::sync::Arc;

use bytes::Bytes;

use crate::domain::identity_headers;
use crate::domain::verdict::Grant;

use super::check::Pass;

/// The values of the headers of an allowed request, in one piece of memory.
#[derive(Debug)]
pub struct Passport {
    text: Bytes,
    ends: [u16; Passport::FIELDS.len()],
}

impl Passport {
    /// The names of the headers.
    pub const FIELDS: [&'static str; identity_headers::NAMES.len()] = identity_headers::NAMES;

    /// For a grant.
    #[must_use]
    pub fn new(grant: &Grant) -> Self {
        let values = identity_headers::values(grant, &[]);
        let mut text = String::with_capacity(values.iter().map(String::len).sum());
        let ends = values.map(|value| {
            text.push_str(&value);
            u16::try_from(text.len()).unwrap_or(u16::MAX)
        });
        Self { text: text.into(), ends }
    }

    /// The values, in the order of [`Passport::FIELDS`].
    pub fn values(&self) -> impl Iterator<Item = Bytes> {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let end = usize::from(*end);
            let value = self.text.slice(start..end);
            start = end;
            value
        })
    }
}

/// Issues passports.
#[derive(Debug, Default)]
pub struct Passports;

impl Passports {
    /// The passport of a credential that passed.
    #[must_use]
    pub fn issue(&self, pass: &Pass) -> Arc<Passport> {
        Arc::new(Passport::new(pass.grant()))
    }
}
