//! One copy of what many hold.

use std::hash::Hash;
use std::sync::Arc;

use quick_cache::sync::Cache;

/// Values that many rows repeat: the same value is the same memory. Which one is held longest does not matter, because
/// nothing but their content is ever looked at.
pub(super) struct Pool<T>(Cache<Arc<T>, Arc<T>>);

impl<T: Hash + Eq> Pool<T> {
    /// With room for so many. Past that, values are no longer shared and nothing else changes.
    pub(super) fn new(room: usize) -> Self {
        Self(Cache::new(room))
    }

    /// The copy that all hold.
    pub(super) fn share(&self, value: T) -> Arc<T> {
        if let Some(held) = self.0.get(&value) {
            return held;
        }
        let value = Arc::new(value);
        self.0.insert(Arc::clone(&value), Arc::clone(&value));
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_one_and_others_are_not() {
        let pool = Pool::new(10);
        let [one, same, other] = ["a", "a", "b"].map(|text| pool.share(text.to_owned()));
        assert!(Arc::ptr_eq(&one, &same));
        assert_eq!(*other, "b");
    }
}
