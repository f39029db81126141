//! The durable proof: argon2id (RFC 9106), slow on purpose and therefore kept off the steady path.

use std::sync::{Arc, Mutex, PoisonError};

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use metrics::Counter;
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;
use thiserror::Error;
use tokio::sync::Semaphore;

use crate::domain::entropy::{self, Entropy};
use crate::domain::secret::PlainToken;

/// Memory in KiB, passes and lanes.
const COST: (u32, u32, u32) = (19_456, 2, 1);
/// Bytes of the result.
const OUTPUT_LEN: usize = 32;
/// How many may wait. Past that the answer is "not now" instead of a queue that nobody lives to see the end of.
const QUEUE: usize = 64;

/// No proof was made or checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ArgonError {
    /// Too many wait already.
    #[error("too many proofs are waiting")]
    Busy,
    /// The stored proof cannot be read.
    #[error("the stored proof cannot be read")]
    Unreadable,
    /// The calculation did not finish.
    #[error("the proof could not be calculated")]
    Failed,
}

/// Calculates proofs, at most as many at once as there are cores, in memory that is reused.
#[derive(Clone)]
pub struct Hasher {
    running: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    buffers: Arc<Mutex<Vec<Vec<Block>>>>,
    entropy: Arc<dyn Entropy>,
    count: Counter,
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hasher").finish_non_exhaustive()
    }
}

impl Hasher {
    /// A hasher for this machine. `count` counts calculations.
    #[must_use]
    pub fn new(entropy: Arc<dyn Entropy>, count: Counter) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            running: Arc::new(Semaphore::new(cores)),
            waiting: Arc::new(Semaphore::new(cores + QUEUE)),
            buffers: Arc::default(),
            entropy,
            count,
        }
    }

    /// The durable proof of a token as a PHC string.
    ///
    /// # Errors
    /// When too many wait or the calculation fails.
    pub async fn hash(&self, token: &PlainToken) -> Result<String, ArgonError> {
        self.hash_secret(token.reveal().into()).await
    }

    /// The durable proof of any secret as a PHC string.
    ///
    /// # Errors
    /// When too many wait or the calculation fails.
    pub async fn hash_secret(&self, secret: SecretString) -> Result<String, ArgonError> {
        let salt: [u8; 16] = entropy::bytes(&*self.entropy);
        let (m, t, p) = COST;
        let params = Params::new(m, t, p, Some(OUTPUT_LEN)).map_err(|_| ArgonError::Failed)?;
        let output = self.calculate(secret, salt.to_vec(), params).await?;
        let (salt, output) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(output));
        Ok(format!("$argon2id$v=19$m={m},t={t},p={p}${salt}${output}"))
    }

    /// Whether a PHC string is the durable proof of a token.
    ///
    /// # Errors
    /// When the string cannot be read, too many wait, or the calculation fails.
    pub async fn verify(&self, token: &PlainToken, phc: &str) -> Result<bool, ArgonError> {
        self.verify_secret(token.reveal().into(), phc).await
    }

    /// Whether a PHC string is the durable proof of a secret.
    ///
    /// # Errors
    /// When the string cannot be read, too many wait, or the calculation fails.
    pub async fn verify_secret(&self, secret: SecretString, phc: &str) -> Result<bool, ArgonError> {
        let stored = PasswordHash::new(phc).map_err(|_| ArgonError::Unreadable)?;
        let params = Params::try_from(&stored).map_err(|_| ArgonError::Unreadable)?;
        let (Some(salt), Some(expected)) = (&stored.salt, &stored.hash) else { return Err(ArgonError::Unreadable) };
        if stored.algorithm.as_str() != "argon2id" || expected.len() != OUTPUT_LEN {
            return Err(ArgonError::Unreadable);
        }
        let output = self.calculate(secret, salt.to_vec(), params).await?;
        Ok(output.ct_eq(expected.as_bytes()).into())
    }

    async fn calculate(
        &self,
        secret: SecretString,
        salt: Vec<u8>,
        params: Params,
    ) -> Result<[u8; OUTPUT_LEN], ArgonError> {
        let _place = self.waiting.clone().try_acquire_owned().map_err(|_| ArgonError::Busy)?;
        let permit = self.running.clone().acquire_owned().await.map_err(|_| ArgonError::Failed)?;
        self.count.increment(1);
        let hasher = self.clone();
        let work = move || {
            // The permit lives as long as the work, also when the request that wanted it is gone.
            let _permit = permit;
            hasher.calculate_now(&secret, &salt, params)
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| ArgonError::Failed)?
    }

    fn calculate_now(
        &self,
        secret: &SecretString,
        salt: &[u8],
        params: Params,
    ) -> Result<[u8; OUTPUT_LEN], ArgonError> {
        let mut buffer = self.take_buffer();
        buffer.resize(params.block_count(), Block::new());
        let mut output = [0; OUTPUT_LEN];
        let result = Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into_with_memory(
            secret.expose_secret().as_bytes(),
            salt,
            &mut output,
            &mut buffer,
        );
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
        result.map_err(|_| ArgonError::Failed).map(|()| output)
    }

    fn take_buffer(&self) -> Vec<Block> {
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;

    impl Entropy for Fixed {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(7);
        }
    }

    fn hasher() -> Hasher {
        Hasher::new(Arc::new(Fixed), Counter::noop())
    }

    fn token(byte: u8) -> PlainToken {
        PlainToken::generate(&"hpat".parse().unwrap(), |buffer| buffer.fill(byte))
    }

    #[tokio::test]
    async fn a_proof_is_an_argon2id_phc_string_with_the_promised_cost() {
        let phc = hasher().hash(&token(1)).await.unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
    }

    #[tokio::test]
    async fn only_the_token_itself_verifies_also_with_reused_memory() {
        let hasher = hasher();
        let phc = hasher.hash(&token(1)).await.unwrap();
        for _ in 0..2 {
            assert_eq!(hasher.verify(&token(1), &phc).await, Ok(true));
            assert_eq!(hasher.verify(&token(2), &phc).await, Ok(false));
        }
        assert_eq!(hasher.buffers.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn proofs_that_cannot_be_read_are_an_error_and_not_a_no() {
        for bad in ["", "$argon2id$", "$argon2i$v=19$m=19456,t=2,p=1$BwcHBwcHBwcHBwcHBwcHBw$AAAA"] {
            assert_eq!(hasher().verify(&token(1), bad).await, Err(ArgonError::Unreadable), "{bad}");
        }
    }
}
