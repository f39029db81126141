//! `/check`: may this request pass? One decision, and a thin adapter for each kind of proxy. Any method; the body is never
//! read; cookies mean nothing here.

mod answer;
mod ask;
mod credential;
mod log;

use std::net::IpAddr;
use std::sync::OnceLock;

use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::response::Response;

use super::{Peer, Web, proxy, security};
use crate::domain::audit::Origin;
use crate::domain::entropy;
use crate::domain::text::sanitised;
use crate::domain::verdict::{Denial, Method};
use crate::server::credential::Presented;
use crate::server::keys::hex;
use crate::server::service::check::Sender;
use crate::server::telemetry;

pub(super) use answer::{Answer, Refusal};
pub use ask::Asks;
pub(super) use ask::{Ask, Mistake};
pub(super) use credential::find;
pub(super) use log::Claimed;

use log::Checked;

/// Longest request id of a proxy that is repeated in logs, in bytes.
const PROXY_REQUEST_ID_MAX: usize = 64;

/// The wire forms over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// For `forward_auth` of Caddy, `forwardAuth` of Traefik, and whoever asks directly.
    Plain,
    /// For `auth_request` of nginx.
    Nginx,
    /// For `ext_authz` of Envoy and Istio, which put the client's path behind.
    Envoy,
}

impl Form {
    /// The form that a path asks for.
    pub fn of(path: &str) -> Option<Self> {
        match path.strip_prefix("/check")? {
            "" => Some(Self::Plain),
            "/nginx" => Some(Self::Nginx),
            rest => {
                rest.strip_prefix("/envoy").filter(|rest| rest.is_empty() || rest.starts_with('/')).map(|_| Self::Envoy)
            }
        }
    }
}

/// Answers a request in a form. Of Envoy's, path and query are the client's and are ignored whole.
pub(super) async fn answer(web: &Web, form: Form, peer: Peer, parts: &Parts) -> Response {
    let name = RequestName::default();
    let request = Request { peer, headers: &parts.headers, name: &name, claimed: claimed(form, parts) };
    let answer = match form {
        Form::Plain | Form::Nginx => decide(web, request, web.asks.of_query(parts.uri.query()).as_deref()).await,
        Form::Envoy => decide(web, request, Ask::from_headers(&parts.headers).as_ref()).await,
    };
    match (answer, form) {
        (Answer::Allowed(headers), _) => answer::pass(headers),
        (Answer::Denied(refusal), Form::Nginx) => refusal.respond_to_nginx(web),
        (Answer::Denied(refusal), Form::Plain | Form::Envoy) => refusal.respond(web),
    }
}

/// What Envoy's form says of the request that it asks for: it is that request, with our path before its own.
fn claimed(form: Form, parts: &Parts) -> Claimed<'_> {
    if form != Form::Envoy {
        return Claimed::default();
    }
    let host = parts.headers.get(axum::http::header::HOST).and_then(|host| host.to_str().ok());
    let path = parts.uri.path().strip_prefix("/check/envoy");
    Claimed { host, method: Some(parts.method.as_str()), path }
}

/// What of a request the decision looks at.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    /// Who is at the other end.
    pub peer: Peer,
    /// The client's headers, as far as the proxy passes them on.
    pub headers: &'a HeaderMap,
    /// What logs call it.
    pub name: &'a RequestName,
    /// What was asked of the proxy, for the log of decisions alone.
    pub claimed: Claimed<'a>,
}

/// The name of a request in logs, made when the first of them needs it.
pub(super) type RequestName = OnceLock<String>;

/// The one decision.
pub(super) async fn decide(web: &Web, request: Request<'_>, ask: Result<&Ask, &Mistake>) -> Answer {
    let started = telemetry::now();
    let (method, outcome, answer) = judge(web, request, ask).await;
    web.metrics.count_check(method, outcome, started);
    answer
}

type Judged = (&'static str, &'static str, Answer);

async fn judge(web: &Web, request: Request<'_>, ask: Result<&Ask, &Mistake>) -> Judged {
    let known = ask.map_err(Mistake::clone).and_then(|ask| Ok((ask, audience(web, ask)?)));
    let (ask, audience) = match known {
        Ok(known) => known,
        Err(mistake) => return misconfigured(web, request, &mistake),
    };
    let found = find(request.headers, &web.check, |text| web.validator.owner_of(text).is_some());
    let presented = found.presented();
    let method = method_name(web, presented);
    let ip = proxy::client_address(request.peer.0, request.headers, &web.trusted_proxies);
    let now = web.validator.now();
    let from = Sender { ip: Some(ip), origin: &|| origin(web, request) };
    let verdict = web.validator.check(presented, &ask.requirement, from, now).await;
    let judged = match &verdict {
        Ok(pass) => match web.passports.issue(pass, audience, now) {
            Ok(fields) => (method, "allowed", Answer::allowed(&fields)),
            Err(error) => {
                tracing::error!(%error, "no JWT can be signed");
                refuse(web, request, method, ip, &Denial::Unavailable)
            }
        },
        Err(refused) => refuse(web, request, method, ip, &refused.denial),
    };
    let outcome = judged.1;
    log::note(web, request, &Checked { ask, audience, presented, method, ip, now, verdict: &verdict, outcome });
    judged
}

/// What events say of whoever sent a request.
fn origin(web: &Web, request: Request<'_>) -> Origin {
    Origin {
        request_id: Some(request_id(web, request).to_owned()),
        peer_ip: Some(request.peer.0),
        user_agent: security::user_agent(request.headers),
        ..Origin::default()
    }
}

/// For whom the JWT shall be.
fn audience<'w>(web: &'w Web, ask: &Ask) -> Result<&'w str, Mistake> {
    web.signer.audience_for(ask.audience.as_deref()).ok_or_else(|| "the audience is not configured".to_owned())
}

fn method_name(web: &Web, presented: Presented<'_>) -> &'static str {
    match presented {
        Presented::One(text) => web.validator.owner_of(text).map_or("none", Method::as_str),
        _ => "none",
    }
}

fn refuse(web: &Web, request: Request<'_>, method: &'static str, ip: IpAddr, denial: &Denial) -> Judged {
    web.refused.count(denial);
    if let Denial::Invalid(_) = denial
        && let Err(excess) = web.failures.count(ip)
    {
        web.refused.count_limited();
        return (method, "limited", Answer::Denied(Refusal::too_many(&excess)));
    }
    // Whoever brings nothing is no news, and a flood is not worth a line each: logs must not be what breaks.
    if *denial != Denial::NoCredential
        && let Some(unsaid) = web.refusals.admit()
    {
        let request_id = request_id(web, request);
        tracing::info!(request_id, method, ?denial, %ip, unsaid, "a request was refused");
    }
    (method, denial.outcome(), Answer::Denied(Refusal::of(denial)))
}

fn misconfigured(web: &Web, request: Request<'_>, mistake: &str) -> Judged {
    let request_id = request_id(web, request);
    tracing::warn!(request_id, mistake, "a proxy asks /check for something that cannot be; its requests are refused");
    ("none", "misconfigured", Answer::Denied(Refusal::misconfigured(mistake)))
}

/// The name of the request in logs: the proxy's where it gives one, so that both logs can be laid side by side.
fn request_id<'a>(web: &Web, request: Request<'a>) -> &'a str {
    request.name.get_or_init(|| {
        let given = request.headers.get("x-request-id").and_then(|value| value.to_str().ok());
        let given = given.map(|id| sanitised(id, PROXY_REQUEST_ID_MAX)).filter(|id| !id.is_empty());
        given.unwrap_or_else(|| hex(&entropy::bytes::<8>(&*web.entropy)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_asks_for_one_form_and_nothing_near_it_does() {
        let table = [
            ("/check", Some(Form::Plain)),
            ("/check/nginx", Some(Form::Nginx)),
            ("/check/envoy", Some(Form::Envoy)),
            ("/check/envoy/", Some(Form::Envoy)),
            ("/check/envoy//a/%00/../nginx", Some(Form::Envoy)),
            ("/check/", None),
            ("/check/nginx/", None),
            ("/check/envoys", None),
            ("/checks", None),
            ("/Check", None),
            ("//check", None),
            ("/", None),
        ];
        for (path, form) in table {
            assert_eq!(Form::of(path), form, "{path}");
        }
    }
}
