//! What must hold of those who may report leaked tokens.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::raw::RawLeakKey;
use super::super::{LeakAction, LeakIntakeConfig, LeakKeyConfig};
use super::Judge;

const NO_KEY: &str = "please give a public key for ECDSA on P-256 as PEM, beginning with -----BEGIN PUBLIC KEY-----";
/// What a key on P-256 begins with (RFC 5480, section 2): the algorithm, the curve, and that no bit is unused.
const P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

impl Judge<'_> {
    pub(super) fn leak_intake(&mut self) -> LeakIntakeConfig {
        let raw = &self.loaded.raw.leak_intake;
        let action = match raw.action.as_str() {
            "revoke" => LeakAction::Revoke,
            "notify" => LeakAction::Notify,
            _ => {
                self.problem("leak_intake.action", "please give \"revoke\" or \"notify\"");
                LeakAction::Revoke
            }
        };
        let mut ids = BTreeSet::new();
        let mut keys = Vec::new();
        for (index, raw) in self.loaded.raw.leak_intake.keys.iter().enumerate() {
            let place = format!("leak_intake.keys.{index}");
            if raw.id.is_empty() || !ids.insert(&raw.id) {
                self.problem(format!("{place}.id"), "please give each key an id of its own, as its owner names it");
            }
            keys.extend(self.leak_key(&place, raw));
        }
        LeakIntakeConfig { action, keys }
    }

    fn leak_key(&mut self, place: &str, raw: &RawLeakKey) -> Option<LeakKeyConfig> {
        let point = point_of(&raw.public_key);
        if point.is_none() {
            self.problem(format!("{place}.public_key"), NO_KEY);
        }
        Some(LeakKeyConfig { id: raw.id.clone(), point: point? })
    }
}

/// The point of a key, uncompressed.
fn point_of(pem: &str) -> Option<Vec<u8>> {
    let body = pem.trim().strip_prefix("-----BEGIN PUBLIC KEY-----")?.strip_suffix("-----END PUBLIC KEY-----")?;
    let der = STANDARD.decode(body.split_whitespace().collect::<String>()).ok()?;
    let point = der.strip_prefix(&P256)?;
    (point.len() == 65 && point.first() == Some(&4)).then(|| point.to_vec())
}
