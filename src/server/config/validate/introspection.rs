//! What must hold of the APIs that may ask about tokens.

use std::collections::BTreeSet;

use argon2::Params;
use argon2::password_hash::phc::{Output, PasswordHash};
use secrecy::{ExposeSecret as _, SecretString};

use super::super::IntrospectionClientConfig;
use super::super::raw::RawIntrospectionClient;
use super::Judge;
use crate::domain::scope::{ScopeName, ScopeNameError, ScopeSet};

/// Longest id of a client, in bytes.
const ID_MAX: usize = 256;
/// Least and most memory of a proof, in KiB. Less is a proof that is quickly tried out; more is a calculation that one
/// request should not cost.
const MEMORY: std::ops::RangeInclusive<u32> = 7_168..=262_144;
/// Most memory times passes, in KiB: about a second of one core.
const WORK_MAX: u32 = 1_048_576;
/// Most lanes.
const LANES_MAX: u32 = 16;
/// Bytes of the salt at least (RFC 9106, section 3.1), and of the result.
const SALT_MIN: usize = 8;
const OUTPUT_LEN: usize = 32;

const NO_PROOF: &str = "please give the argon2id PHC string that `hallpass hash-secret` prints";

impl Judge<'_> {
    pub(super) fn introspection_clients(&mut self) -> Vec<IntrospectionClientConfig> {
        let mut ids = BTreeSet::new();
        let mut clients = Vec::new();
        for (index, raw) in self.loaded.raw.introspection_clients.iter().enumerate() {
            let key = format!("introspection_clients.{index}");
            if !ids.insert(&raw.id) {
                self.problem(format!("{key}.id"), format!("there is another client with the id \"{}\"", raw.id));
            }
            clients.extend(self.introspection_client(&key, raw));
        }
        clients
    }

    fn introspection_client(&mut self, key: &str, raw: &RawIntrospectionClient) -> Option<IntrospectionClientConfig> {
        self.keep(&format!("{key}.id"), client_id(&raw.id));
        if let Some(index) = raw.audiences.iter().position(|audience| audience.trim().is_empty()) {
            self.problem(format!("{key}.audiences.{index}"), "please give the name of an audience");
        }
        let scopes = self.keep(&format!("{key}.scopes"), scopes(&raw.scopes));
        let secret_hash = self.secret_hash(&format!("{key}.secret_hash"), raw);
        Some(IntrospectionClientConfig {
            id: raw.id.clone(),
            secret_hash: secret_hash?,
            audiences: raw.audiences.iter().cloned().collect(),
            scopes: scopes?,
            sends_client_ip: raw.sends_client_ip,
        })
    }

    fn secret_hash(&mut self, key: &str, raw: &RawIntrospectionClient) -> Option<SecretString> {
        let (value, file) = (raw.secret_hash.as_deref(), raw.secret_hash_file.as_deref());
        if value.is_none() && file.is_none() {
            self.problem(key, format!("required: {NO_PROOF}"));
        }
        let hash = self.secret(key, value, file)?;
        let key = if file.is_some() { format!("{key}_file") } else { key.to_owned() };
        self.keep(&key, proof(hash.expose_secret()))?;
        Some(hash)
    }
}

/// Printable ASCII without space, so that it survives every way of writing Basic credentials. A colon does too, because
/// clients encode it there (RFC 6749, section 2.3.1).
fn client_id(id: &str) -> Result<(), String> {
    let shape = !id.is_empty() && id.len() <= ID_MAX && id.bytes().all(|byte| byte.is_ascii_graphic());
    if shape { Ok(()) } else { Err(format!("required: 1 to {ID_MAX} printable ASCII characters without space")) }
}

/// One name per entry: a list in one text would be taken for the name of a single scope by whoever reads it.
fn scopes(names: &[String]) -> Result<ScopeSet, ScopeNameError> {
    names.iter().map(String::as_str).map(ScopeName::parse).collect()
}

/// Whether a text is an argon2id PHC string that one request may cost.
fn proof(phc: &str) -> Result<(), String> {
    let stored = PasswordHash::new(phc).map_err(|_| NO_PROOF.to_owned())?;
    if stored.algorithm.as_str() != "argon2id" || stored.version != Some(argon2::Version::V0x13.into()) {
        return Err(NO_PROOF.to_owned());
    }
    let params = Params::try_from(&stored).map_err(|_| NO_PROOF.to_owned())?;
    let salt = stored.salt.as_ref().map_or(0, |salt| salt.len());
    if salt < SALT_MIN || stored.hash.as_ref().map(Output::len) != Some(OUTPUT_LEN) {
        return Err(format!("{NO_PROOF}: a salt of at least {SALT_MIN} bytes and a result of {OUTPUT_LEN} are needed"));
    }
    let work = params.m_cost().saturating_mul(params.t_cost());
    if !MEMORY.contains(&params.m_cost()) || work > WORK_MAX || params.p_cost() > LANES_MAX {
        let (least, most) = MEMORY.into_inner();
        return Err(format!(
            "{NO_PROOF}: m from {least} to {most}, m times t at most {WORK_MAX} and p at most {LANES_MAX} are possible"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phc(parameters: &str) -> String {
        let (salt, output) = ("c29tZXNhbHRzb21lc2FsdA", "A".repeat(43));
        format!("${parameters}${salt}${output}")
    }

    #[test]
    fn proofs_of_a_reasonable_cost_are_good() {
        for good in ["m=19456,t=2,p=1", "m=7168,t=5,p=1", "m=65536,t=3,p=4", "m=262144,t=4,p=16"] {
            assert_eq!(proof(&phc(&format!("argon2id$v=19${good}"))), Ok(()), "{good}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for bad in [
            "argon2i$v=19$m=19456,t=2,p=1",
            "argon2d$v=19$m=19456,t=2,p=1",
            "argon2id$v=16$m=19456,t=2,p=1",
            "argon2id$m=19456,t=2,p=1",
            "argon2id$v=19$m=8,t=1,p=1",
            "argon2id$v=19$m=7167,t=2,p=1",
            "argon2id$v=19$m=262145,t=1,p=1",
            "argon2id$v=19$m=4294967295,t=4294967295,p=1",
            "argon2id$v=19$m=262144,t=5,p=1",
            "argon2id$v=19$m=19456,t=2,p=17",
            "argon2id$v=19$m=19456,t=0,p=1",
            "argon2id$v=19$m=19456,t=2,p=1,x=1",
            "scrypt$ln=17,r=8,p=1",
            "2b$12",
        ] {
            assert!(proof(&phc(bad)).is_err(), "{bad}");
        }
        for bad in ["", "secret", "$argon2id$v=19$m=19456,t=2,p=1", "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$AAAA"] {
            assert!(proof(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_id_is_printable() {
        for good in ["billing-api", "https://api.example.org/", "a%b+c"] {
            assert_eq!(client_id(good), Ok(()), "{good}");
        }
        for bad in ["", "a b", "é", "a\n", &"a".repeat(257)] {
            assert!(client_id(bad).is_err(), "{bad:?}");
        }
    }
}
