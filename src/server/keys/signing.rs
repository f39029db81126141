//! Key pairs that sign JWTs, as JSON Web Signatures (RFC 7515) and Keys (RFC 7517).

use std::fmt;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::error::{KeyRejected, Unspecified};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretSlice};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::domain::signing::Algorithm;

/// Bytes of a coordinate on P-256.
const COORDINATE: usize = 32;

/// The library refused: a key that is none, or no randomness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a signing key cannot be used")]
pub struct SigningKeyError;

impl From<Unspecified> for SigningKeyError {
    fn from(_: Unspecified) -> Self {
        Self
    }
}

impl From<KeyRejected> for SigningKeyError {
    fn from(_: KeyRejected) -> Self {
        Self
    }
}

/// The private key in PKCS#8 form (RFC 5208). It cannot print itself.
pub type Pkcs8 = SecretSlice<u8>;

/// A key pair. Its private half cannot print itself.
pub struct SigningKey {
    pair: Pair,
    algorithm: Algorithm,
    kid: String,
    public_jwk: String,
    /// The JOSE header of everything that it signs, encoded.
    header: String,
}

enum Pair {
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

impl SigningKey {
    /// Makes a key. The library uses its own randomness. RSA takes its time: not for an async worker.
    ///
    /// # Errors
    /// When the library has no randomness.
    pub fn generate(algorithm: Algorithm) -> Result<(Self, Pkcs8), SigningKeyError> {
        let pkcs8 = match algorithm {
            Algorithm::Es256 => {
                EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?.to_pkcs8v1()?.as_ref().to_vec()
            }
            Algorithm::EdDsa => Ed25519KeyPair::generate()?.to_pkcs8v1()?.as_ref().to_vec(),
            Algorithm::Rs256 => {
                let der: Pkcs8V1Der<'_> = RsaKeyPair::generate(KeySize::Rsa2048)?.as_der()?;
                der.as_ref().to_vec()
            }
        };
        let pkcs8 = Pkcs8::from(pkcs8);
        Ok((Self::read(algorithm, &pkcs8)?, pkcs8))
    }

    /// Reads a key.
    ///
    /// # Errors
    /// When it is not a key of this algorithm.
    pub fn read(algorithm: Algorithm, pkcs8: &Pkcs8) -> Result<Self, SigningKeyError> {
        let der = pkcs8.expose_secret();
        let pair = match algorithm {
            Algorithm::Es256 => Pair::Ec(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der)?),
            Algorithm::EdDsa => Pair::Ed(Ed25519KeyPair::from_pkcs8_maybe_unchecked(der)?),
            Algorithm::Rs256 => Pair::Rsa(RsaKeyPair::from_pkcs8(der)?),
        };
        let required = pair.required_members();
        let kid = encode(Sha256::digest(&required));
        let members = required.trim_end_matches('}');
        Ok(Self {
            public_jwk: format!(r#"{members},"kid":"{kid}","use":"sig","alg":"{algorithm}"}}"#),
            header: encode(format!(r#"{{"typ":"at+jwt","alg":"{algorithm}","kid":"{kid}"}}"#)),
            pair,
            algorithm,
            kid,
        })
    }

    /// Its name: the SHA-256 thumbprint of the public key (RFC 7638).
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public half as a JSON Web Key.
    #[must_use]
    pub fn public_jwk(&self) -> &str {
        &self.public_jwk
    }

    /// Signs claims: a JWT in compact form (RFC 7519, section 3) of type `at+jwt` (RFC 9068, section 2.1).
    ///
    /// # Errors
    /// When the library refuses.
    pub fn sign(&self, claims: &[u8]) -> Result<String, SigningKeyError> {
        let mut jwt = String::with_capacity(self.jwt_len(claims.len()));
        jwt.push_str(&self.header);
        jwt.push('.');
        URL_SAFE_NO_PAD.encode_string(claims, &mut jwt);
        let signature = self.pair.sign(jwt.as_bytes())?;
        jwt.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut jwt);
        Ok(jwt)
    }

    /// Bytes of the JWT for claims of this many bytes.
    #[must_use]
    pub fn jwt_len(&self, claims: usize) -> usize {
        let signature = match self.algorithm {
            Algorithm::Es256 | Algorithm::EdDsa => 64,
            Algorithm::Rs256 => 256,
        };
        self.jwt_position(claims) + 1 + encoded_len(signature)
    }

    /// Where so many bytes of claims end in a JWT.
    #[must_use]
    pub fn jwt_position(&self, claims: usize) -> usize {
        self.header.len() + 1 + encoded_len(claims)
    }
}

impl Pair {
    /// The members that make the key, in the order and form of RFC 7638, section 3.3.
    fn required_members(&self) -> String {
        match self {
            Self::Ec(pair) => {
                // An uncompressed point: one byte that says so, then both coordinates.
                let point = pair.public_key().as_ref();
                let [x, y] = [1, 1 + COORDINATE].map(|from| encode(&point[from..from + COORDINATE]));
                format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#)
            }
            Self::Ed(pair) => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, encode(pair.public_key())),
            Self::Rsa(pair) => {
                let key = pair.public_key();
                let exponent = encode(key.exponent().big_endian_without_leading_zero());
                let modulus = encode(key.modulus().big_endian_without_leading_zero());
                format!(r#"{{"e":"{exponent}","kty":"RSA","n":"{modulus}"}}"#)
            }
        }
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningKeyError> {
        let random = SystemRandom::new();
        match self {
            Self::Ec(pair) => Ok(pair.sign(&random, message)?.as_ref().to_vec()),
            Self::Ed(pair) => Ok(pair.try_sign(message)?.as_ref().to_vec()),
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)?;
                Ok(signature)
            }
        }
    }
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

const fn encoded_len(bytes: usize) -> usize {
    (bytes * 4).div_ceil(3)
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::jwk::{Jwk, ThumbprintHash};
    use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
    use serde_json::{Value, json};

    use super::*;

    fn public(key: &SigningKey) -> Jwk {
        serde_json::from_str(key.public_jwk()).unwrap()
    }

    #[test]
    fn what_a_key_signs_verifies_with_its_published_half_in_another_library() {
        for algorithm in Algorithm::ALL {
            let (key, pkcs8) = SigningKey::generate(algorithm).unwrap();
            let jwt = key.sign(json!({ "sub": "me" }).to_string().as_bytes()).unwrap();
            let mut validation = Validation::new(algorithm.as_str().parse().unwrap());
            validation.required_spec_claims.clear();
            let decoded = decode::<Value>(&jwt, &DecodingKey::from_jwk(&public(&key)).unwrap(), &validation).unwrap();
            assert_eq!(decoded.claims, json!({ "sub": "me" }));
            assert_eq!(decoded.header.kid.as_deref(), Some(key.kid()));
            assert_eq!(decode_header(&jwt).unwrap().typ.as_deref(), Some("at+jwt"));
            assert_eq!(SigningKey::read(algorithm, &pkcs8).unwrap().kid(), key.kid());
            let (other, _) = SigningKey::generate(algorithm).unwrap();
            assert!(decode::<Value>(&jwt, &DecodingKey::from_jwk(&public(&other)).unwrap(), &validation).is_err());
        }
    }

    #[test]
    fn the_name_of_a_key_is_the_thumbprint_of_its_published_half() {
        for algorithm in Algorithm::ALL {
            let (key, _) = SigningKey::generate(algorithm).unwrap();
            let published = public(&key);
            assert_eq!(published.thumbprint(ThumbprintHash::SHA256).unwrap(), key.kid());
            assert_eq!(published.common.key_id.as_deref(), Some(key.kid()));
        }
    }

    #[test]
    fn only_public_members_are_published() {
        let members = ["alg", "crv", "e", "kid", "kty", "n", "use", "x", "y"];
        for algorithm in Algorithm::ALL {
            let (key, _) = SigningKey::generate(algorithm).unwrap();
            let published: serde_json::Map<String, Value> = serde_json::from_str(key.public_jwk()).unwrap();
            assert!(published.keys().all(|member| members.contains(&member.as_str())), "{published:?}");
        }
    }

    #[test]
    fn the_length_of_a_jwt_is_known_before_it_is_signed() {
        for algorithm in Algorithm::ALL {
            let (key, _) = SigningKey::generate(algorithm).unwrap();
            for length in 0..5 {
                assert_eq!(key.sign(&vec![b'x'; length]).unwrap().len(), key.jwt_len(length), "{algorithm} {length}");
            }
        }
    }

    #[test]
    fn a_key_does_not_print_its_private_half() {
        let (key, pkcs8) = SigningKey::generate(Algorithm::EdDsa).unwrap();
        assert_eq!(format!("{key:?}"), format!("SigningKey {{ kid: {:?}, .. }}", key.kid()));
        assert!(format!("{pkcs8:?}").contains("REDACTED"), "{pkcs8:?}");
    }

    #[test]
    fn a_key_of_another_algorithm_is_refused() {
        let (_, pkcs8) = SigningKey::generate(Algorithm::Es256).unwrap();
        for algorithm in [Algorithm::EdDsa, Algorithm::Rs256] {
            assert_eq!(SigningKey::read(algorithm, &pkcs8).unwrap_err(), SigningKeyError);
        }
    }
}
