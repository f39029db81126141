//! One configured provider: discovery, the way to it and the way back.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openidconnect::core::{CoreAuthenticationFlow, CoreClientAuthMethod, CoreGenderClaim};
use openidconnect::{
    AuthType, AuthorizationCode, ClientId, ClientSecret, CsrfToken, Nonce, OAuth2TokenResponse as _, PkceCodeChallenge,
    PkceCodeVerifier, ProviderMetadataWithLogout, RedirectUrl, RequestTokenError, Scope, UserInfoClaims,
};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use url::Url;

use super::access::{AccessError, AccessToken, UnverifiedToken};
use super::claims::{self, Claims};
use super::discovery::{Discovery, unavailable};
use super::fetch::Fetch;
use super::protocol::{OtherClaims, RelyingParty, TokenAnswer, VerifiedClaims};
use super::verify::{self, Failure};
use super::{CallbackParams, LoginError, PendingLogin, Refused, VerifiedLogin};
use crate::domain::entropy::{self, Entropy};
use crate::domain::text::sanitised;
use crate::domain::time::{Clock, Timestamp};
use crate::domain::user::ExternalIdentity;
use crate::server::config::{AccessTokensConfig, OidcConfig, PublicUrl};

/// Longest text of a provider's that is kept, in characters.
const TEXT_MAX: usize = 200;
/// Longest name of a person or a session at a provider, in bytes (OpenID Connect Core, section 2).
const NAME_MAX: usize = 255;
/// Longest name of the place where an answer cannot be read.
const PLACE_MAX: usize = 100;
/// How long a person may take at the provider.
const LOGIN_TTL: Duration = Duration::from_mins(10);

/// All configured providers, in the order of the configuration.
#[derive(Clone)]
pub struct Providers(Arc<[Provider]>);

impl Providers {
    /// From the configuration.
    #[must_use]
    pub fn new(providers: Vec<Provider>) -> Self {
        Self(providers.into())
    }

    /// The provider of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Provider> {
        self.0.iter().find(|provider| provider.name() == name)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Provider> {
        self.0.iter()
    }
}

/// One provider. It is asked when somebody logs in, so that it may be down when we start.
pub struct Provider {
    config: OidcConfig,
    redirect_uri: String,
    after_logout: String,
    fetch: Fetch,
    discovery: Arc<Discovery>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Provider {
    /// A provider, and where it sends browsers back to.
    pub fn new(
        config: OidcConfig,
        public_url: &PublicUrl,
        fetch: Fetch,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self {
            redirect_uri: public_url.join(&format!("/auth/{}/callback", config.name)),
            after_logout: public_url.join("/login"),
            discovery: Arc::new(Discovery::new(config.issuer.clone(), fetch.clone(), clock.clone())),
            fetch,
            config,
            clock,
            entropy,
        }
    }

    /// The configured name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// The issuer, exactly as the provider writes it.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.config.issuer
    }

    /// Which of its access tokens are credentials here.
    #[must_use]
    pub fn access_tokens(&self) -> &AccessTokensConfig {
        &self.config.access_tokens
    }

    /// Verifies an access token that names this provider as its issuer. Waits only where no key is known that it could
    /// be verified with, and then not for long.
    ///
    /// # Errors
    /// When it is not good, or when no keys are known and none can be had.
    pub async fn access_token(&self, token: UnverifiedToken<'_>) -> Result<AccessToken, AccessError> {
        if token.issuer() != self.config.issuer {
            return Err(AccessError::Refused("it is another provider's"));
        }
        token.verify(&self.discovery, self.config.access_tokens.legacy, self.clock.now()).await
    }

    /// Starts a login: where to send the browser, and what to keep for its return. `max_age` asks for a login no older.
    ///
    /// # Errors
    /// When the provider cannot be asked.
    pub async fn begin(&self, return_to: &str, max_age: Option<Duration>) -> Result<(Url, PendingLogin), LoginError> {
        let client = self.client(&self.discovery.ask().await?.metadata)?;
        let pending = PendingLogin {
            provider: self.config.name.clone(),
            state: self.random_text(),
            nonce: self.random_text(),
            verifier: self.random_text(),
            return_to: return_to.to_owned(),
            max_age: max_age.map(|age| age.as_secs()),
            started_at: self.clock.now(),
        };
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&PkceCodeVerifier::new(pending.verifier.clone()));
        let (state, nonce) = (CsrfToken::new(pending.state.clone()), Nonce::new(pending.nonce.clone()));
        let mut request = client
            .authorize_url(CoreAuthenticationFlow::AuthorizationCode, move || state, move || nonce)
            .set_pkce_challenge(challenge)
            // "openid" is always sent by the crate.
            .add_scopes(self.config.scopes.iter().filter(|scope| *scope != "openid").cloned().map(Scope::new));
        if let Some(age) = max_age {
            request = request.set_max_age(age);
        }
        Ok((request.url().0, pending))
    }

    /// Finishes a login: redeems the code, verifies the ID token and judges who may come in.
    ///
    /// # Errors
    /// With the reason for which nobody is logged in.
    pub async fn finish(&self, pending: &PendingLogin, params: CallbackParams) -> Result<VerifiedLogin, LoginError> {
        let now = self.clock.now();
        let code = self.accept_answer(pending, params, now)?;
        let metadata = self.discovery.ask().await?.metadata;
        let answer = self.redeem(&metadata, code, &pending.verifier).await?;
        let verified = self.verify(&metadata, &answer, &Nonce::new(pending.nonce.clone()), now).await?;
        if verified.subject().len() > NAME_MAX || verified.subject().contains('\0') {
            return Err(LoginError::Unverified("its sub is too long, or no text".to_owned()));
        }
        let claims = self.all_claims(&metadata, &answer, &verified).await?;
        let profile = claims::profile(&claims, &self.config)?;
        let subject = verified.subject().as_str().to_owned();
        if !verify::is_fresh(&verified, pending.max_age, now) {
            return Err(LoginError::NotFresh { who: Refused { username: profile.username, subject } });
        }
        Ok(VerifiedLogin {
            provider: self.config.name.clone(),
            identity: ExternalIdentity { issuer: self.config.issuer.clone(), subject },
            profile,
            provider_sid: session_name(&claims),
            auth_time: verify::auth_time(&verified),
        })
    }

    /// Where to end the provider's own session (OpenID Connect RP-Initiated Logout 1.0), if it was discovered to offer
    /// that.
    #[must_use]
    pub fn logout_url(&self) -> Option<Url> {
        let mut url = self.end_session_endpoint()?;
        url.query_pairs_mut()
            .append_pair("client_id", &self.config.client_id)
            .append_pair("post_logout_redirect_uri", &self.after_logout);
        Some(url)
    }

    /// The origin that a logout form may be redirected to.
    #[must_use]
    pub fn logout_origin(&self) -> Option<String> {
        self.end_session_endpoint().map(|url| url.origin().ascii_serialization())
    }

    /// Asks the provider about itself before anybody logs in, so that the first login and the first logout find the
    /// answer. That it is down is no reason not to start.
    pub async fn prepare(&self) {
        if let Err(error) = self.discovery.ask().await {
            tracing::warn!(provider = self.name(), %error, "logins through this provider do not work at the moment");
        }
    }

    fn end_session_endpoint(&self) -> Option<Url> {
        let metadata = self.discovery.known()?.metadata;
        metadata.additional_metadata().end_session_endpoint.as_ref().map(|endpoint| endpoint.url().clone())
    }

    /// State (RFC 6749, section 10.12), issuer (RFC 9207) and errors, before anything is redeemed.
    fn accept_answer(
        &self,
        pending: &PendingLogin,
        params: CallbackParams,
        now: Timestamp,
    ) -> Result<String, LoginError> {
        if pending.provider != self.config.name || params.state.as_deref() != Some(pending.state.as_str()) {
            return Err(LoginError::NotStartedHere);
        }
        if params.iss.is_some_and(|issuer| issuer != self.config.issuer) {
            return Err(LoginError::Unverified("the answer comes from another issuer".to_owned()));
        }
        if now.since(pending.started_at) > LOGIN_TTL {
            return Err(LoginError::TooLate);
        }
        if let Some(error) = params.error {
            let description = params.error_description.unwrap_or_default();
            return Err(refused(&format!("{error} {description}")));
        }
        params.code.ok_or_else(|| LoginError::ProviderRefused("there is no code in the answer".to_owned()))
    }

    async fn redeem(
        &self,
        metadata: &ProviderMetadataWithLogout,
        code: String,
        verifier: &str,
    ) -> Result<TokenAnswer, LoginError> {
        let client = self.client(metadata)?;
        let request = client.exchange_code(AuthorizationCode::new(code)).map_err(unavailable)?;
        let request = request.set_pkce_verifier(PkceCodeVerifier::new(verifier.to_owned()));
        request.request_async(&self.fetch).await.map_err(|error| match error {
            RequestTokenError::ServerResponse(refusal) => refused(&refusal.to_string()),
            // The answer itself is left out: it may hold tokens.
            RequestTokenError::Parse(error, _) => {
                LoginError::Unverified(sanitised(&format!("the token answer, at {}", error.path()), PLACE_MAX))
            }
            other => unavailable(other),
        })
    }

    async fn verify(
        &self,
        metadata: &ProviderMetadataWithLogout,
        answer: &TokenAnswer,
        nonce: &Nonce,
        now: Timestamp,
    ) -> Result<VerifiedClaims, LoginError> {
        let algorithms = metadata.id_token_signing_alg_values_supported();
        match verify::id_token(&self.client(metadata)?, algorithms, answer, nonce, now) {
            Ok(claims) => return Ok(claims),
            Err(Failure::Final(error)) => return Err(error),
            Err(Failure::UnknownKey) => {}
        }
        let metadata = self.discovery.look_for_keys().await?.metadata;
        let unknown_key = || LoginError::Unverified("its key is not among the provider's keys".to_owned());
        verify::id_token(&self.client(&metadata)?, algorithms, answer, nonce, now).map_err(|failure| match failure {
            Failure::Final(error) => error,
            Failure::UnknownKey => unknown_key(),
        })
    }

    /// The claims of the ID token, and those of the userinfo endpoint that it does not have.
    async fn all_claims(
        &self,
        metadata: &ProviderMetadataWithLogout,
        answer: &TokenAnswer,
        verified: &VerifiedClaims,
    ) -> Result<Claims, LoginError> {
        let mut claims = to_map(verified)?;
        if metadata.userinfo_endpoint().is_some() {
            let client = self.client(metadata)?;
            let subject = Some(verified.subject().clone());
            let request = client.user_info(answer.access_token().clone(), subject).map_err(unavailable)?;
            let info: UserInfoClaims<OtherClaims, CoreGenderClaim> =
                request.request_async(&self.fetch).await.map_err(unavailable)?;
            for (name, value) in to_map(&info)? {
                claims.entry(name).or_insert(value);
            }
        }
        Ok(claims)
    }

    fn client(&self, metadata: &ProviderMetadataWithLogout) -> Result<RelyingParty, LoginError> {
        let secret = self.config.client_secret.as_ref();
        let secret = secret.map(|secret| ClientSecret::new(secret.expose_secret().to_owned()));
        let id = ClientId::new(self.config.client_id.clone());
        let redirect = RedirectUrl::new(self.redirect_uri.clone()).map_err(unavailable)?;
        let methods = metadata.token_endpoint_auth_methods_supported();
        let in_body = methods.is_some_and(|methods| {
            !methods.contains(&CoreClientAuthMethod::ClientSecretBasic)
                && methods.contains(&CoreClientAuthMethod::ClientSecretPost)
        });
        let auth_type = if in_body { AuthType::RequestBody } else { AuthType::BasicAuth };
        let client = RelyingParty::from_provider_metadata(metadata.clone(), id, secret);
        Ok(client.set_redirect_uri(redirect).set_auth_type(auth_type))
    }

    /// 256 random bits, as state, nonce and verifier want them.
    fn random_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(entropy::bytes::<32>(&*self.entropy))
    }
}

/// `sid`, for a logout that the provider asks for; one that cannot be kept could not be asked for either.
fn session_name(claims: &Claims) -> Option<String> {
    claims
        .get("sid")
        .and_then(Value::as_str)
        .filter(|sid| sid.len() <= NAME_MAX && !sid.contains('\0'))
        .map(str::to_owned)
}

fn to_map(claims: &impl serde::Serialize) -> Result<Claims, LoginError> {
    match serde_json::to_value(claims) {
        Ok(Value::Object(map)) => Ok(map),
        _ => Err(LoginError::Unverified("the claims cannot be read".to_owned())),
    }
}

/// The provider's own words go into a log line, so they must not be able to look like another.
fn refused(words: &str) -> LoginError {
    LoginError::ProviderRefused(sanitised(words.trim(), TEXT_MAX))
}
