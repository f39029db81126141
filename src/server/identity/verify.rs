//! What an ID token must satisfy beyond what the openidconnect crate checks (OpenID Connect Core, section 3.1.3.7).

use std::time::Duration;

use openidconnect::core::{CoreJsonWebKey, CoreJwsSigningAlgorithm};
use openidconnect::{
    AccessTokenHash, ClaimsVerificationError, IdTokenVerifier, Nonce, OAuth2TokenResponse as _,
    SignatureVerificationError, TokenResponse as _,
};

use super::LoginError;
use super::protocol::{RelyingParty, TokenAnswer, VerifiedClaims};
use crate::domain::text::sanitised;
use crate::domain::time::Timestamp;

/// The signature algorithms that are accepted: ours, whatever a provider offers. Never `none`, never a shared secret.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 3] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EdDsa,
];
/// How far two clocks may differ.
const LEEWAY: Duration = Duration::from_mins(1);
/// The oldest ID token that is taken.
const OLDEST: Duration = Duration::from_mins(10);

/// An ID token that was not believed.
pub(super) enum Failure {
    /// Its key is not among those we know; they may have been rotated.
    UnknownKey,
    /// For good.
    Final(LoginError),
}

impl From<LoginError> for Failure {
    fn from(error: LoginError) -> Self {
        Self::Final(error)
    }
}

/// Verifies the ID token of an answer and gives its claims.
pub(super) fn id_token(
    client: &RelyingParty,
    offered: &[CoreJwsSigningAlgorithm],
    answer: &TokenAnswer,
    nonce: &Nonce,
    now: Timestamp,
) -> Result<VerifiedClaims, Failure> {
    let token = answer.id_token().ok_or_else(|| unverified("the provider sent no ID token"))?;
    let accepted = ALGORITHMS.into_iter().filter(|algorithm| offered.contains(algorithm));
    let verifier = client
        .id_token_verifier()
        .set_allowed_algs(accepted)
        .set_time_fn(move || utc(now.minus(LEEWAY)))
        .set_issue_time_verifier_fn(move |issued_at| issue_time(Timestamp::from_seconds(issued_at.timestamp()), now));
    let claims = token.claims(&verifier, nonce).map_err(failure)?.clone();
    access_token_hash(answer, &verifier, &claims)?;
    authorized_party(client, &claims)?;
    not_before(&claims, now)?;
    Ok(claims)
}

fn failure(error: ClaimsVerificationError) -> Failure {
    match error {
        ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey) => {
            Failure::UnknownKey
        }
        other => Failure::Final(LoginError::Unverified(sanitised(&other.to_string(), 200))),
    }
}

fn issue_time(issued_at: Timestamp, now: Timestamp) -> Result<(), String> {
    if issued_at > now.plus(LEEWAY) {
        Err("it was issued in the future".to_owned())
    } else if now.since(issued_at) > OLDEST {
        Err("it was issued too long ago".to_owned())
    } else {
        Ok(())
    }
}

/// Section 3.1.3.8: an access token that came along must be the one that the ID token names.
fn access_token_hash(
    answer: &TokenAnswer,
    verifier: &IdTokenVerifier<'_, CoreJsonWebKey>,
    claims: &VerifiedClaims,
) -> Result<(), LoginError> {
    let (Some(expected), Some(token)) = (claims.access_token_hash(), answer.id_token()) else { return Ok(()) };
    let algorithm = token.signing_alg().map_err(|error| unverified(&error.to_string()))?;
    let key = token.signing_key(verifier).map_err(|error| unverified(&error.to_string()))?;
    let actual = AccessTokenHash::from_token(answer.access_token(), algorithm, key);
    if actual.is_ok_and(|actual| actual == *expected) { Ok(()) } else { Err(unverified("at_hash does not match")) }
}

fn authorized_party(client: &RelyingParty, claims: &VerifiedClaims) -> Result<(), LoginError> {
    match claims.authorized_party() {
        Some(party) if party.as_str() != client.client_id().as_str() => Err(unverified("azp is another client")),
        None if claims.audiences().len() > 1 => Err(unverified("azp is missing")),
        _ => Ok(()),
    }
}

fn not_before(claims: &VerifiedClaims, now: Timestamp) -> Result<(), LoginError> {
    match claims.additional_claims().0.get("nbf") {
        None => Ok(()),
        Some(value) => match value.as_i64() {
            Some(seconds) if Timestamp::from_seconds(seconds) <= now.plus(LEEWAY) => Ok(()),
            _ => Err(unverified("it is not valid yet")),
        },
    }
}

/// Whether the login is as fresh as was asked for: then the provider must say when it was.
pub(super) fn is_fresh(claims: &VerifiedClaims, max_age: Option<u64>, now: Timestamp) -> bool {
    let Some(max_age) = max_age else { return true };
    // One that is still to come, such as milliseconds that were taken for seconds, would be fresh for ever.
    auth_time(claims).is_some_and(|at| at <= now.plus(LEEWAY) && now.since(at) <= Duration::from_secs(max_age) + LEEWAY)
}

/// When the person proved who they are.
pub(super) fn auth_time(claims: &VerifiedClaims) -> Option<Timestamp> {
    claims.auth_time().map(|at| Timestamp::from_seconds(at.timestamp()))
}

fn unverified(reason: &str) -> LoginError {
    LoginError::Unverified(reason.to_owned())
}

fn utc(at: Timestamp) -> chrono::DateTime<chrono::Utc> {
    chrono::DateTime::from_timestamp_micros(at.as_micros()).unwrap_or_default()
}
