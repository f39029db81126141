//! The secret key of the installation, the keys that are derived from it, and those that sign.

mod audit;
pub mod signing;

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretBox};
use sha2::Sha256;
use thiserror::Error;

use crate::domain::entropy::{self, Entropy};
use crate::domain::secret::TokenText;
use crate::domain::signing::Algorithm;

use signing::Pkcs8;

pub use audit::AuditKey;

/// Bytes of the secret key.
const KEY_LEN: usize = 32;

/// The key from which all others are derived (HKDF, RFC 5869). It cannot print itself.
pub struct SecretKey(SecretBox<[u8; KEY_LEN]>);

/// Why there is no secret key.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The file cannot be read or made.
    #[error("secret_key_file {path}: {error}")]
    Io {
        /// The file.
        path: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// The file holds something else.
    #[error("secret_key_file {0}: please put 32 random bytes in base64 there")]
    Malformed(String),
    /// A key cannot be derived.
    #[error("a key cannot be derived from the secret key")]
    Derivation,
}

impl SecretKey {
    /// Reads the key.
    ///
    /// # Errors
    /// When the file cannot be read or is not a key.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let text = std::fs::read_to_string(path).map_err(|error| io_error(path, error))?;
        let bytes = STANDARD.decode(text.trim()).ok().and_then(|bytes| bytes.try_into().ok());
        let key = bytes.ok_or_else(|| KeyError::Malformed(path.display().to_string()))?;
        Ok(Self(SecretBox::new(Box::new(key))))
    }

    /// Makes a key and a file for it that only its owner may read. An existing file is never overwritten.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn create(path: &Path, entropy: &dyn Entropy) -> Result<Self, KeyError> {
        let key: [u8; KEY_LEN] = entropy::bytes(entropy);
        let write = || {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
            writeln!(file, "{}", STANDARD.encode(key))?;
            file.sync_all()
        };
        write().map_err(|error| io_error(path, error))?;
        Ok(Self(SecretBox::new(Box::new(key))))
    }

    /// Derives the keys in use.
    ///
    /// # Errors
    /// Never with a key of the right length.
    pub fn derive(&self) -> Result<Keys, KeyError> {
        let hkdf = Hkdf::<Sha256>::new(None, self.0.expose_secret());
        let expand = |info: &[u8]| {
            let mut key = [0; KEY_LEN];
            hkdf.expand(info, &mut key).map_err(|_| KeyError::Derivation).map(|()| key)
        };
        let cipher =
            |info: &[u8]| RandomizedNonceKey::new(&AES_256_GCM, &expand(info)?).map_err(|_| KeyError::Derivation);
        Ok(Keys {
            token_mac: Hmac::new_from_slice(&expand(b"hallpass/token-proof/v1")?).map_err(|_| KeyError::Derivation)?,
            id: hex(&expand(b"hallpass/key-id/v1")?[..8]),
            check_value: hex(&expand(b"hallpass/check-value/v1")?),
            login_cookie: cipher(b"hallpass/login-cookie/v1")?,
            signing: cipher(b"hallpass/signing-keys/v1")?,
            audit: AuditKey::from_seed(&expand(b"hallpass/audit-checkpoints/v1")?).ok_or(KeyError::Derivation)?,
        })
    }
}

fn io_error(path: &Path, error: std::io::Error) -> KeyError {
    KeyError::Io { path: path.display().to_string(), error }
}

/// The keys in use. They cannot print themselves.
pub struct Keys {
    token_mac: Hmac<Sha256>,
    id: String,
    check_value: String,
    login_cookie: RandomizedNonceKey,
    signing: RandomizedNonceKey,
    audit: AuditKey,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Keys {
    /// Names the key under which fast proofs are made; public.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What the database remembers of the secret key, to notice another one.
    #[must_use]
    pub fn check_value(&self) -> &str {
        &self.check_value
    }

    /// The fast proof of a token: HMAC-SHA-256 (RFC 2104).
    #[must_use]
    pub fn prove(&self, token: TokenText<'_>) -> [u8; 32] {
        let mut mac = self.token_mac.clone();
        mac.update(token.reveal().as_bytes());
        mac.finalize().into_bytes().into()
    }

    /// Whether `proof` is the fast proof of a token, in constant time.
    #[must_use]
    pub fn verify(&self, token: TokenText<'_>, proof: &[u8]) -> bool {
        let mut mac = self.token_mac.clone();
        mac.update(token.reveal().as_bytes());
        mac.verify_slice(proof).is_ok()
    }

    /// Signs checkpoints of the audit log.
    #[must_use]
    pub const fn audit(&self) -> &AuditKey {
        &self.audit
    }

    /// Encrypts the state of a login in progress for its cookie, bound to the cookie's name. `None` only when the
    /// cipher fails.
    #[must_use]
    pub fn seal_login(&self, name: &str, plain: &[u8]) -> Option<String> {
        seal(&self.login_cookie, name, plain).map(|message| URL_SAFE_NO_PAD.encode(message))
    }

    /// Decrypts what [`Keys::seal_login`] made; `None` for anything else.
    #[must_use]
    pub fn open_login(&self, name: &str, sealed: &str) -> Option<Vec<u8>> {
        open(&self.login_cookie, name, URL_SAFE_NO_PAD.decode(sealed).ok()?)
    }

    /// Encrypts the private half of a signing key for the database, bound to the key's name and algorithm. `None` only
    /// when the cipher fails.
    #[must_use]
    pub fn seal_signing_key(&self, kid: &str, algorithm: Algorithm, plain: &Pkcs8) -> Option<Vec<u8>> {
        seal(&self.signing, &signing_key_name(kid, algorithm), plain.expose_secret())
    }

    /// Decrypts what [`Keys::seal_signing_key`] made; `None` for anything else.
    #[must_use]
    pub fn open_signing_key(&self, kid: &str, algorithm: Algorithm, sealed: &[u8]) -> Option<Pkcs8> {
        open(&self.signing, &signing_key_name(kid, algorithm), sealed.to_vec()).map(Pkcs8::from)
    }
}

fn signing_key_name(kid: &str, algorithm: Algorithm) -> String {
    format!("{algorithm} {kid}")
}

/// A nonce, then what it was encrypted to, bound to a name.
fn seal(key: &RandomizedNonceKey, name: &str, plain: &[u8]) -> Option<Vec<u8>> {
    let mut sealed = plain.to_vec();
    let nonce = key.seal_in_place_append_tag(Aad::from(name), &mut sealed).ok()?;
    let mut message = nonce.as_ref().to_vec();
    message.extend(sealed);
    Some(message)
}

fn open(key: &RandomizedNonceKey, name: &str, mut message: Vec<u8>) -> Option<Vec<u8>> {
    if message.len() < NONCE_LEN {
        return None;
    }
    let mut body = message.split_off(NONCE_LEN);
    let nonce = Nonce::try_assume_unique_for_key(&message).ok()?;
    let length = key.open_in_place(nonce, Aad::from(name), &mut body).ok()?.len();
    body.truncate(length);
    Some(body)
}

/// What [`hex`] wrote; `None` for anything else.
#[must_use]
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) {
        return None;
    }
    let byte = |at: usize| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    (0..text.len()).step_by(2).map(byte).collect()
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::secret::PlainToken;

    fn keys(byte: u8) -> Keys {
        SecretKey(SecretBox::new(Box::new([byte; KEY_LEN]))).derive().unwrap()
    }

    #[test]
    fn another_secret_key_has_another_id_and_proves_nothing() {
        let token = PlainToken::generate(&"hpat".parse().unwrap(), |buffer| buffer.fill(1));
        let proof = keys(1).prove(token.as_text());
        assert!(keys(1).verify(token.as_text(), &proof));
        assert!(!keys(2).verify(token.as_text(), &proof));
        assert_ne!(keys(1).id(), keys(2).id());
        assert_ne!(keys(1).check_value(), keys(2).check_value());
    }

    #[test]
    fn a_sealed_login_opens_only_under_its_name_and_unchanged() {
        let keys = keys(1);
        let sealed = keys.seal_login("a", b"state").unwrap();
        assert_eq!(keys.open_login("a", &sealed).as_deref(), Some(b"state".as_slice()));
        assert_eq!(keys.open_login("b", &sealed), None);
        assert_eq!(keys.open_login("a", &sealed[1..]), None);
        assert_eq!(keys.open_login("a", ""), None);
    }

    #[test]
    fn a_sealed_signing_key_opens_only_under_its_name_algorithm_and_secret_key() {
        let plain = Pkcs8::from(b"private".to_vec());
        let sealed = keys(1).seal_signing_key("kid", Algorithm::Es256, &plain).unwrap();
        assert!(!sealed.windows(7).any(|part| part == b"private"));
        let opened = |byte, kid, algorithm| {
            let opened = keys(byte).open_signing_key(kid, algorithm, &sealed);
            opened.map(|plain| plain.expose_secret().to_vec())
        };
        assert_eq!(opened(1, "kid", Algorithm::Es256).as_deref(), Some(b"private".as_slice()));
        assert_eq!(opened(2, "kid", Algorithm::Es256), None);
        assert_eq!(opened(1, "other", Algorithm::Es256), None);
        assert_eq!(opened(1, "kid", Algorithm::EdDsa), None);
    }

    #[test]
    fn a_key_file_is_private_and_never_overwritten() {
        use std::os::unix::fs::PermissionsExt as _;
        struct Zeros;
        impl Entropy for Zeros {
            fn fill(&self, buffer: &mut [u8]) {
                buffer.fill(0);
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret.key");
        let made = SecretKey::create(&path, &Zeros).unwrap().derive().unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(SecretKey::read(&path).unwrap().derive().unwrap().id(), made.id());
        assert!(SecretKey::create(&path, &Zeros).is_err());
        std::fs::write(&path, "short").unwrap();
        assert!(matches!(SecretKey::read(&path), Err(KeyError::Malformed(_))));
    }
}
