//! The keys of a provider that can verify a signature here (RFC 7517), each for one algorithm only.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use openidconnect::core::CoreJsonWebKeySet;

/// The verification keys of one provider.
#[derive(Default)]
pub(super) struct KeySet(Vec<Key>);

struct Key {
    name: Option<String>,
    algorithm: Algorithm,
    public: DecodingKey,
}

/// A signature that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SignatureError {
    /// Its key is not among those we know; they may have been rotated.
    UnknownKey,
    /// For good.
    Wrong,
}

/// The parts of a signed text that its verification needs (RFC 7515, section 5.2).
pub(super) struct Signed<'t> {
    /// `alg`
    pub algorithm: &'t str,
    /// `kid`
    pub key: Option<&'t str>,
    /// What was signed.
    pub text: &'t str,
    /// The signature in base64url.
    pub signature: &'t str,
}

impl KeySet {
    /// What a JWKS holds that is of use here: RSA, P-256 and Ed25519 keys for signatures.
    pub fn new(jwks: &CoreJsonWebKeySet) -> Self {
        let read = |key| serde_json::from_value(serde_json::to_value(key).ok()?).ok();
        Self(jwks.keys().iter().filter_map(read).filter_map(|jwk| Key::new(&jwk)).collect())
    }

    /// Verifies a signature with the key that it names. Without a name there must be one key only that it can mean.
    pub fn verify(&self, signed: &Signed<'_>) -> Result<(), SignatureError> {
        let algorithm = accepted(signed.algorithm).ok_or(SignatureError::Wrong)?;
        let named: Vec<_> = match signed.key {
            Some(name) => self.0.iter().filter(|key| key.name.as_deref() == Some(name)).collect(),
            None => self.0.iter().filter(|key| key.algorithm == algorithm).collect(),
        };
        if named.is_empty() {
            return Err(SignatureError::UnknownKey);
        }
        if signed.key.is_none() && named.len() > 1 {
            return Err(SignatureError::Wrong);
        }
        let mut keys = named.into_iter().filter(|key| key.algorithm == algorithm);
        if keys.any(|key| key.verifies(signed)) { Ok(()) } else { Err(SignatureError::Wrong) }
    }
}

impl Key {
    fn new(jwk: &Jwk) -> Option<Self> {
        let algorithm = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => Algorithm::RS256,
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Algorithm::ES256,
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
            _ => return None,
        };
        let common = &jwk.common;
        let for_signatures = common.public_key_use.as_ref().is_none_or(|meant| *meant == PublicKeyUse::Signature);
        let for_algorithm = common.key_algorithm.is_none_or(|meant| meant == KeyAlgorithm::from(algorithm));
        let public = DecodingKey::from_jwk(jwk).ok().filter(|_| for_signatures && for_algorithm)?;
        Some(Self { name: common.key_id.clone(), algorithm, public })
    }

    fn verifies(&self, signed: &Signed<'_>) -> bool {
        crypto::verify(signed.signature, signed.text.as_bytes(), &self.public, self.algorithm).unwrap_or(false)
    }
}

/// The algorithms that are accepted, whatever a provider offers. Never `none`, never a shared secret.
fn accepted(name: &str) -> Option<Algorithm> {
    match name {
        "RS256" => Some(Algorithm::RS256),
        "ES256" => Some(Algorithm::ES256),
        "EdDSA" => Some(Algorithm::EdDSA),
        _ => None,
    }
}
