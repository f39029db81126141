//! The APIs that may ask about tokens, and how they prove who they are.
//!
//! Their secrets are known only as argon2id proofs. The first good one is remembered as an HMAC under a key that lives
//! as long as the process, so that every further call costs microseconds, and a wrong secret no more than that.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use aws_lc_rs::hmac;
use secrecy::{ExposeSecret as _, SecretString};
use thiserror::Error;
use tokio::sync::{Mutex, Semaphore};

use crate::domain::entropy::{self, Entropy};
use crate::server::config::IntrospectionClientConfig;
use crate::server::credential::argon::Hasher;

/// How many may wait for the first proof of one client. It bounds what wrong secrets can cost before there is one.
const QUEUE: usize = 32;

/// What a request says about who it is.
pub struct ClientCredentials {
    /// The id.
    pub id: String,
    /// The secret.
    pub secret: SecretString,
}

/// Why a client is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ClientError {
    /// No such client, or another secret: told alike.
    #[error("the client is not known or has another secret")]
    Refused,
    /// Nobody can say now.
    #[error("the client cannot be proved now")]
    Unavailable,
}

/// The clients of one server.
pub struct Clients {
    by_id: HashMap<String, Client>,
    key: hmac::Key,
    hasher: Hasher,
}

struct Client {
    config: Arc<IntrospectionClientConfig>,
    proof: OnceLock<hmac::Tag>,
    turn: Mutex<()>,
    waiting: Semaphore,
}

impl Clients {
    /// From the configuration.
    #[must_use]
    pub fn new(configs: &[IntrospectionClientConfig], hasher: Hasher, entropy: &dyn Entropy) -> Self {
        let by_id = configs.iter().map(|config| (config.id.clone(), Client::new(config))).collect();
        let key = hmac::Key::new(hmac::HMAC_SHA256, &entropy::bytes::<32>(entropy));
        Self { by_id, key, hasher }
    }

    /// Who a request is from, by the first of several readings of its credentials that is right.
    ///
    /// # Errors
    /// When none is right, or that cannot be found out now.
    pub async fn authenticate(
        &self,
        readings: &[ClientCredentials],
    ) -> Result<Arc<IntrospectionClientConfig>, ClientError> {
        for reading in readings {
            // An id is no secret, so nothing is calculated for one that nobody has.
            let Some(client) = self.by_id.get(&reading.id) else { continue };
            if self.is_secret_of(client, &reading.secret).await? {
                return Ok(client.config.clone());
            }
        }
        Err(ClientError::Refused)
    }

    async fn is_secret_of(&self, client: &Client, secret: &SecretString) -> Result<bool, ClientError> {
        if let Some(known) = self.compare(client, secret) {
            return Ok(known);
        }
        let _place = client.waiting.try_acquire().map_err(|_| ClientError::Unavailable)?;
        let _turn = client.turn.lock().await;
        match self.compare(client, secret) {
            Some(known) => Ok(known),
            None => self.prove(client, secret).await,
        }
    }

    /// Against the remembered proof, in constant time; `None` as long as there is none.
    fn compare(&self, client: &Client, secret: &SecretString) -> Option<bool> {
        let proof = client.proof.get()?;
        Some(hmac::verify(&self.key, secret.expose_secret().as_bytes(), proof.as_ref()).is_ok())
    }

    async fn prove(&self, client: &Client, secret: &SecretString) -> Result<bool, ClientError> {
        let phc = client.config.secret_hash.expose_secret();
        let good = self.hasher.verify_secret(secret.clone(), phc).await.map_err(|error| {
            tracing::warn!(%error, client = client.config.id, "an introspection client could not be proved");
            ClientError::Unavailable
        })?;
        if good {
            client.proof.get_or_init(|| hmac::sign(&self.key, secret.expose_secret().as_bytes()));
        }
        Ok(good)
    }
}

impl Client {
    fn new(config: &IntrospectionClientConfig) -> Self {
        Self {
            config: Arc::new(config.clone()),
            proof: OnceLock::new(),
            turn: Mutex::new(()),
            waiting: Semaphore::new(QUEUE),
        }
    }
}
