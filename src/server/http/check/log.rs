//! What of a check goes to the decision log.

use std::net::IpAddr;

use super::super::Web;
use super::{Ask, Request, request_id};
use crate::domain::secret::SecretId;
use crate::domain::text::sanitised;
use crate::domain::time::Timestamp;
use crate::domain::verdict::{Denial, Method};
use crate::server::credential::Presented;
use crate::server::service::check::{Pass, Refused};
use crate::server::service::decisions::Decision;

/// Longest text of a proxy that is repeated, in characters.
const CLAIM_MAX: usize = 500;
/// Where proxies say what was asked for.
const HOSTS: [&str; 2] = ["x-forwarded-host", "x-original-host"];
const METHODS: [&str; 2] = ["x-forwarded-method", "x-original-method"];
const PATHS: [&str; 3] = ["x-forwarded-uri", "x-original-uri", "x-original-url"];

/// What was asked of the proxy, where the wire form itself says so.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::server::http) struct Claimed<'a> {
    pub host: Option<&'a str>,
    pub method: Option<&'a str>,
    pub path: Option<&'a str>,
}

/// What is known of one check.
pub(super) struct Checked<'a> {
    pub ask: &'a Ask,
    pub audience: &'a str,
    pub presented: Presented<'a>,
    /// `pat`, `oidc` or `none`.
    pub method: &'static str,
    pub ip: IpAddr,
    pub now: Timestamp,
    pub verdict: &'a Result<Pass, Refused>,
    /// What was answered.
    pub outcome: &'static str,
}

/// Notes a decision, where there is a log.
pub(super) fn note(web: &Web, request: Request<'_>, checked: &Checked<'_>) {
    let Some(decisions) = &web.decisions else { return };
    let proven = match checked.verdict {
        Ok(pass) => Some(pass),
        Err(refused) => refused.proven.as_ref(),
    };
    let grant = proven.map(Pass::grant);
    let claim = |claimed: Option<&str>, names: &[&str]| {
        let header = || names.iter().find_map(|name| request.headers.get(*name)?.to_str().ok());
        claimed.or_else(header).map(|text| sanitised(text, CLAIM_MAX))
    };
    decisions.note(&Decision {
        time: checked.now.rfc3339_micros(),
        request_id: request_id(web, request),
        outcome: checked.outcome,
        reason: checked.verdict.as_ref().err().and_then(|refused| reason(&refused.denial)),
        method: checked.method,
        token_id: grant.and_then(|grant| grant.token).map(|token| token.to_string()),
        secret_id: secret_id(checked).map(|id| id.to_string()),
        subject: grant.map(|grant| grant.user.to_string()),
        requirement: checked.ask.requirement.to_string(),
        audience: checked.audience,
        ip: Some(checked.ip),
        peer_ip: Some(request.peer.0),
        host: claim(request.claimed.host, &HOSTS),
        http_method: claim(request.claimed.method, &METHODS),
        // Queries hold what must be in no log.
        path: claim(request.claimed.path, &PATHS)
            .map(|path| path.split(['?', '#']).next().unwrap_or_default().to_owned()),
    });
}

const fn reason(denial: &Denial) -> Option<&'static str> {
    match denial {
        Denial::Invalid(invalid) => Some(invalid.as_str()),
        Denial::Insufficient { missing, .. } => Some(missing.as_str()),
        _ => None,
    }
}

/// The public part of a token's text. In what is no token of ours, the same place may hold somebody's secret.
fn secret_id(checked: &Checked<'_>) -> Option<SecretId> {
    match checked.presented {
        Presented::One(text) if checked.method == Method::Pat.as_str() => text.split('_').nth(1)?.parse().ok(),
        _ => None,
    }
}
