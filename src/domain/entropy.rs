//! Where randomness comes from.

/// A source of random bytes. A parameter everywhere, so that tests can seed it.
pub trait Entropy: Send + Sync {
    /// Overwrites `buffer` with bytes that nobody can predict.
    fn fill(&self, buffer: &mut [u8]);
}

/// A fixed number of random bytes.
pub fn bytes<const N: usize>(entropy: &dyn Entropy) -> [u8; N] {
    let mut buffer = [0; N];
    entropy.fill(&mut buffer);
    buffer
}
