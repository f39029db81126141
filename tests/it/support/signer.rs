//! Keys of a provider in the hands of a test: whoever has them can say anything.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
    RsaPublicKeyComponents,
};
use aws_lc_rs::{hmac, signature};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// A key and its name.
pub struct Signer {
    /// `kid`
    pub name: String,
    pair: Pair,
}

enum Pair {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(RsaKeyPair),
}

impl Signer {
    /// An ES256 key.
    pub fn es256(name: &str) -> Self {
        Self::new(name, Pair::Es256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()))
    }

    /// An `EdDSA` key.
    pub fn eddsa(name: &str) -> Self {
        Self::new(name, Pair::EdDsa(Ed25519KeyPair::generate().unwrap()))
    }

    /// An RS256 key.
    pub fn rs256(name: &str) -> Self {
        Self::new(name, Pair::Rs256(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()))
    }

    fn new(name: &str, pair: Pair) -> Self {
        Self { name: name.to_owned(), pair }
    }

    /// Its `alg`.
    pub fn algorithm(&self) -> &'static str {
        match &self.pair {
            Pair::Es256(_) => "ES256",
            Pair::EdDsa(_) => "EdDSA",
            Pair::Rs256(_) => "RS256",
        }
    }

    /// Its public half (RFC 7517).
    pub fn jwk(&self) -> Value {
        let mut jwk = match &self.pair {
            Pair::Es256(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y)})
            }
            Pair::EdDsa(pair) => json!({"kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key().as_ref())}),
            Pair::Rs256(pair) => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                json!({"kty": "RSA", "n": encode(&public.n), "e": encode(&public.e)})
            }
        };
        jwk["kid"] = json!(self.name);
        jwk["use"] = json!("sig");
        jwk
    }

    /// The header of an access token (RFC 9068).
    pub fn header(&self) -> Value {
        self.header_of("at+jwt")
    }

    /// The header of another type.
    pub fn header_of(&self, typ: &str) -> Value {
        json!({"alg": self.algorithm(), "kid": self.name, "typ": typ})
    }

    /// A JWT with these claims.
    pub fn sign(&self, claims: &Value) -> String {
        self.sign_text(&self.header().to_string(), &claims.to_string())
    }

    /// A JWT with this header.
    pub fn sign_with(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(&header.to_string(), &claims.to_string())
    }

    /// A JWT of exactly these texts.
    pub fn sign_text(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", encode(header), encode(claims));
        let signature = self.signature(signed.as_bytes());
        format!("{signed}.{}", encode(signature))
    }

    fn signature(&self, text: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Es256(pair) => pair.sign(&random, text).unwrap().as_ref().to_vec(),
            Pair::EdDsa(pair) => pair.sign(text).as_ref().to_vec(),
            Pair::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256 as &dyn signature::RsaEncoding, &random, text, &mut signature).unwrap();
                signature
            }
        }
    }

    /// What somebody could use as a shared secret who takes the public key for one.
    pub fn public_secrets(&self) -> Vec<Vec<u8>> {
        let jwk = self.jwk().to_string().into_bytes();
        match &self.pair {
            Pair::Es256(pair) => vec![pair.public_key().as_ref().to_vec(), jwk],
            Pair::EdDsa(pair) => vec![pair.public_key().as_ref().to_vec(), jwk],
            Pair::Rs256(pair) => vec![pair.public_key().as_der().unwrap().as_ref().to_vec(), jwk],
        }
    }
}

/// A JWT signed with a shared secret.
pub fn hs256(secret: &[u8], header: &Value, claims: &Value) -> String {
    let signed = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
    format!("{signed}.{}", encode(tag))
}

/// base64url without padding (RFC 7515, section 2).
pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What a JWT claims, whoever signed it.
pub fn claims_of(jwt: &str) -> Value {
    let payload = jwt.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}
