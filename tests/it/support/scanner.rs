//! Somebody who searches public places for tokens, and signs what they find.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::{Answer, Call, TestApp};

/// The name of the key in configurations.
const KEY: &str = "k1";

/// Somebody who searches public places.
pub struct Scanner {
    key: EcdsaKeyPair,
}

impl Scanner {
    pub fn new() -> Self {
        Self { key: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap() }
    }

    /// The public key as PEM (RFC 5480).
    pub fn pem(&self) -> String {
        let mut der = vec![
            0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
            0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
        ];
        der.extend(self.key.public_key().as_ref());
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der))
    }

    /// The value of `leak_intake.keys` that knows them.
    pub fn keys(&self) -> String {
        json!([{"id": KEY, "public_key": self.pem()}]).to_string()
    }

    /// A server that takes their messages.
    pub async fn app(&self, action: &str) -> TestApp {
        TestApp::with(&[("leak_intake.action", action), ("leak_intake.keys", &self.keys())]).await
    }

    pub fn sign(&self, body: &str) -> String {
        STANDARD.encode(self.key.sign(&SystemRandom::new(), body.as_bytes()).unwrap())
    }

    /// The headers of a message.
    pub fn headers(&self, body: &str) -> [(&'static str, String); 2] {
        [("github-public-key-identifier", KEY.to_owned()), ("github-public-key-signature", self.sign(body))]
    }

    /// A message as it comes from whoever has a key of this name.
    pub fn message(key: &str, signature: &str, body: &str) -> Call {
        let call = Call::new("POST", "/leaks").body("application/json", body);
        call.header("github-public-key-identifier", key).header("github-public-key-signature", signature)
    }

    /// A message of theirs.
    pub fn signed(&self, body: &str) -> Call {
        Self::message(KEY, &self.sign(body), body)
    }

    pub async fn tell(&self, app: &TestApp, body: &str) -> Answer {
        app.send(self.signed(body)).await
    }
}
