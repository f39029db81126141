//! What must hold of `[[oidc]]`.

use std::collections::BTreeSet;
use std::path::Path;

use secrecy::SecretString;
use url::Url;

use super::Judge;
use crate::server::config::raw::RawOidc;
use crate::server::config::{
    AccessTokensConfig, DEMO_PROVIDER, OidcConfig, PublicUrl, Purpose, require_https_unless_loopback,
};

impl Judge<'_> {
    pub(super) fn providers(&mut self, public_url: Option<&PublicUrl>) -> Vec<OidcConfig> {
        let (raw, demo) = (&self.loaded.raw, self.purpose == Purpose::Demo);
        self.require(!raw.oidc.is_empty(), "oidc", "at least one login provider, [[oidc]]");
        if raw.oidc.len() + usize::from(demo) > 1 && raw.admin.providers.is_empty() {
            self.problem(
                "admin.providers",
                "with several login providers, please name those whose roles make administrators",
            );
        }
        let mut names: BTreeSet<&str> = demo.then_some(DEMO_PROVIDER).into_iter().collect();
        let mut providers = Vec::new();
        for (index, oidc) in raw.oidc.iter().enumerate() {
            if !names.insert(&oidc.name) {
                self.problem(
                    format!("oidc.{index}.name"),
                    format!("there is another provider named \"{}\"", oidc.name),
                );
            }
            providers.push(self.provider(&format!("oidc.{index}"), oidc, public_url));
        }
        self.one_place_for_access_tokens(&providers);
        providers
    }

    /// A token names its issuer and nothing else, so its rules must stand in one place.
    fn one_place_for_access_tokens(&mut self, providers: &[OidcConfig]) {
        let mut issuers = BTreeSet::new();
        for (index, provider) in providers.iter().enumerate().filter(|(_, provider)| provider.access_tokens.any()) {
            if !issuers.insert(&provider.issuer) {
                let reason = "another provider of this issuer takes access tokens; please put all audiences there";
                self.problem(format!("oidc.{index}.issuer"), reason);
            }
        }
    }

    fn provider(&mut self, key: &str, raw: &RawOidc, public_url: Option<&PublicUrl>) -> OidcConfig {
        self.provider_name(&format!("{key}.name"), &raw.name);
        self.issuer(&format!("{key}.issuer"), &raw.issuer, public_url);
        if raw.client_id.is_empty() {
            self.problem(format!("{key}.client_id"), "required: our client id at the provider");
        }
        if !raw.scopes.iter().any(|scope| scope == "openid") {
            self.problem(format!("{key}.scopes"), "\"openid\" must be among the scopes");
        }
        OidcConfig {
            name: raw.name.clone(),
            issuer: raw.issuer.clone(),
            client_id: raw.client_id.clone(),
            client_secret: self.secret(
                &format!("{key}.client_secret"),
                raw.client_secret.as_deref(),
                raw.client_secret_file.as_deref(),
            ),
            scopes: raw.scopes.clone(),
            roles_claim: raw.roles_claim.clone(),
            attribute_claims: raw.attribute_claims.clone(),
            email_trusted: raw.email_trusted,
            required_roles: raw.required_roles.iter().cloned().collect(),
            required_claims: raw.required_claims.clone().into_iter().collect(),
            role_prefix: raw.role_prefix.clone(),
            access_tokens: self.access_tokens(key, raw),
        }
    }

    /// Access tokens as credentials. Our own client id as an audience would make ID tokens look like them.
    fn access_tokens(&mut self, key: &str, raw: &RawOidc) -> AccessTokensConfig {
        let only_claimed_scopes = match raw.access_token_scopes.as_str() {
            "all" => false,
            "claim" => true,
            _ => {
                self.problem(format!("{key}.access_token_scopes"), "please give \"all\" or \"claim\"");
                true
            }
        };
        if !raw.api_audiences.is_empty() && raw.api_clients.is_empty() {
            let reason = "required with api_audiences: the clients whose users may manage their tokens with them";
            self.problem(format!("{key}.api_clients"), reason);
        }
        AccessTokensConfig {
            check_audiences: self.audiences(&format!("{key}.check_audiences"), &raw.check_audiences, &raw.client_id),
            api_audiences: self.audiences(&format!("{key}.api_audiences"), &raw.api_audiences, &raw.client_id),
            api_clients: self.names(&format!("{key}.api_clients"), &raw.api_clients),
            only_claimed_scopes,
            legacy: raw.legacy_access_tokens,
        }
    }

    fn audiences(&mut self, key: &str, audiences: &[String], client_id: &str) -> BTreeSet<String> {
        if let Some(index) = audiences.iter().position(|audience| audience == client_id) {
            let reason = "this is our own client_id, the audience of ID tokens; please use one of its own for your API";
            self.problem(format!("{key}.{index}"), reason);
        }
        self.names(key, audiences)
    }

    fn names(&mut self, key: &str, names: &[String]) -> BTreeSet<String> {
        if let Some(index) = names.iter().position(String::is_empty) {
            self.problem(format!("{key}.{index}"), "must not be empty");
        }
        names.iter().cloned().collect()
    }

    fn provider_name(&mut self, key: &str, name: &str) {
        let shape = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.is_empty() || name.len() > 64 || !name.bytes().all(shape) {
            self.problem(key, "required: a name of lower-case letters, digits and hyphens");
        }
    }

    fn issuer(&mut self, key: &str, issuer: &str, public_url: Option<&PublicUrl>) {
        if issuer.is_empty() {
            return self.problem(key, "required: the provider's issuer, such as \"https://id.example.org\"");
        }
        let url = Url::parse(issuer).map_err(|_| "please give the provider's issuer as a URL".to_owned());
        if let Some(url) = self.keep(key, url) {
            self.keep(key, require_https_unless_loopback(&url));
        }
        let own = [public_url.map_or("", PublicUrl::as_str), &self.loaded.raw.jwt.issuer];
        let same = |own: &&str| own.trim_end_matches('/') == issuer.trim_end_matches('/');
        if own.iter().any(same) {
            self.problem(key, "this is our own public_url or jwt.issuer: Hallpass cannot be its own login provider");
        }
    }

    /// A secret is given as itself or as a file, not both.
    pub(super) fn secret(&mut self, key: &str, value: Option<&str>, file: Option<&str>) -> Option<SecretString> {
        let file_key = format!("{key}_file");
        match (value, file) {
            (Some(_), Some(_)) => {
                self.problem(&file_key, "please give the secret or the file, not both");
                None
            }
            (None, Some(file)) => {
                let path = self.path(&file_key, file);
                let text = read_secret(&path);
                self.keep(&file_key, text)
            }
            (Some(value), None) => Some(SecretString::from(value.to_owned())),
            (None, None) => None,
        }
    }
}

fn read_secret(path: &Path) -> Result<SecretString, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let text = text.trim();
    if text.is_empty() { Err(format!("{} is empty", path.display())) } else { Ok(SecretString::from(text.to_owned())) }
}
