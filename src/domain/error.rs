//! What may be wrong with input, in words that say what to do about it.

use serde::Serialize;

/// One field that cannot be accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// The field, as the request names it.
    pub field: &'static str,
    /// What is wrong and what would be right, as a sentence.
    pub message: String,
}

/// Everything that is wrong with one request; never empty when it is returned as an error.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct FieldErrors(Vec<FieldError>);

impl FieldErrors {
    /// Exactly one wrong field.
    #[must_use]
    pub fn one(field: &'static str, message: impl Into<String>) -> Self {
        let mut errors = Self::default();
        errors.push(field, message);
        errors
    }

    /// Adds a wrong field.
    pub fn push(&mut self, field: &'static str, message: impl Into<String>) {
        self.0.push(FieldError { field, message: message.into() });
    }

    /// Adds all that is wrong elsewhere.
    pub fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// Keeps the value of a field that was right; notes what was wrong otherwise.
    pub fn keep<T, E: ToString>(&mut self, field: &'static str, outcome: Result<T, E>) -> Option<T> {
        outcome.map_err(|error| self.push(field, error.to_string())).ok()
    }

    /// The same errors, with what was found about `from` under the name `to`.
    #[must_use]
    pub fn renamed(mut self, from: &str, to: &'static str) -> Self {
        self.0.iter_mut().filter(|error| error.field == from).for_each(|error| error.field = to);
        self
    }

    /// The message beside `field`, if it is wrong.
    #[must_use]
    pub fn message(&self, field: &str) -> Option<&str> {
        self.0.iter().find(|error| error.field == field).map(|error| error.message.as_str())
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In the order in which they were found.
    pub fn iter(&self) -> impl Iterator<Item = &FieldError> {
        self.0.iter()
    }
}
