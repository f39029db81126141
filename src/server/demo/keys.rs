//! The key that signs ID tokens. Made at every start: nothing a demo signed needs to outlive it.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::Serialize;
use serde_json::Value;

use super::DemoError;

/// An ES256 key pair (RFC 7518, section 3.4).
pub struct SigningKey {
    private: EncodingKey,
    public: DecodingKey,
    header: Header,
    jwks: JwkSet,
}

impl SigningKey {
    /// A new key, named by its thumbprint (RFC 7638).
    pub fn generate() -> Result<Self, DemoError> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|_| DemoError::Key)?;
        let pkcs8 = pair.to_pkcs8v1().map_err(|_| DemoError::Key)?;
        Self::from_private(EncodingKey::from_ec_der(pkcs8.as_ref())).map_err(|_| DemoError::Key)
    }

    fn from_private(private: EncodingKey) -> Result<Self, jsonwebtoken::errors::Error> {
        let mut jwk = Jwk::from_encoding_key(&private, Algorithm::ES256)?;
        let kid = jwk.thumbprint(ThumbprintHash::SHA256)?;
        jwk.common.key_id = Some(kid.clone());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        Ok(Self {
            public: DecodingKey::from_jwk(&jwk)?,
            header: Header { kid: Some(kid), ..Header::new(Algorithm::ES256) },
            jwks: JwkSet { keys: vec![jwk] },
            private,
        })
    }

    /// The public half (RFC 7517, section 5).
    pub fn jwks(&self) -> &JwkSet {
        &self.jwks
    }

    /// A signed JWT (RFC 7519) of these claims.
    pub fn sign(&self, claims: &impl Serialize) -> Result<String, jsonwebtoken::errors::Error> {
        encode(&self.header, claims, &self.private)
    }

    /// Whether we signed this ID token for that client. An expired one still says who logs out (RP-Initiated Logout
    /// 1.0, section 4), so its times are not looked at.
    pub fn signed_for(&self, token: &str, client_id: &str) -> bool {
        let mut validation = Validation::new(Algorithm::ES256);
        validation.validate_exp = false;
        validation.set_required_spec_claims(&["aud"]);
        validation.set_audience(&[client_id]);
        decode::<Value>(token, &self.public, &validation).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_our_own_signature_for_that_client_counts() {
        let (ours, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
        let claims = json!({ "aud": "hallpass", "exp": 1 });
        let token = ours.sign(&claims).unwrap();
        assert!(ours.signed_for(&token, "hallpass"));
        assert!(!ours.signed_for(&token, "somebody"));
        assert!(!ours.signed_for(&other.sign(&claims).unwrap(), "hallpass"));
        assert!(!ours.signed_for("no token", "hallpass"));
    }

    #[test]
    fn the_published_key_has_no_private_half() {
        let key = serde_json::to_value(SigningKey::generate().unwrap().jwks()).unwrap();
        assert_eq!(key["keys"][0].get("d"), None);
        assert_eq!(key["keys"][0]["kty"], "EC");
        assert_eq!(key["keys"][0]["use"], "sig");
    }
}
