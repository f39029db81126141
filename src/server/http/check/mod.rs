//! `/check`: may this request pass? One decision, and a thin adapter for each kind of proxy. Any method; the body is never
//! read; cookies mean nothing here.

mod answer;
mod ask;
mod credential;

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};

use axum::Router;
use axum::extract::{FromRequest, Request as AxumRequest, State};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::any;

use super::{Peer, Web, proxy};
use crate::domain::entropy;
use crate::domain::text::sanitised;
use crate::domain::verdict::{Denial, Method};
use crate::server::credential::Presented;
use crate::server::keys::hex;
use crate::server::telemetry;

pub(super) use answer::{Answer, Refusal};
pub use ask::Asks;
pub(super) use ask::{Ask, Mistake};
pub(super) use credential::find;

/// Longest request id of a proxy that is repeated in logs, in bytes.
const PROXY_REQUEST_ID_MAX: usize = 64;

/// The wire forms over HTTP.
pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/check", any(check))
        .route("/check/nginx", any(check_for_nginx))
        .route("/check/envoy", any(check_for_envoy))
        .route("/check/envoy/", any(check_for_envoy))
        .route("/check/envoy/{*rest}", any(check_for_envoy))
}

async fn check(State(web): State<Web>, Asking(parts): Asking) -> Response {
    match decide(&web, Request::of(&parts), web.asks.of_query(parts.uri.query()).as_deref()).await {
        Answer::Allowed(headers) => answer::pass(headers),
        Answer::Denied(refusal) => refusal.respond(&web),
    }
}

async fn check_for_nginx(State(web): State<Web>, Asking(parts): Asking) -> Response {
    match decide(&web, Request::of(&parts), web.asks.of_query(parts.uri.query()).as_deref()).await {
        Answer::Allowed(headers) => answer::pass(headers),
        Answer::Denied(refusal) => refusal.respond_to_nginx(&web),
    }
}

/// Path and query are the client's here, so they are ignored whole.
async fn check_for_envoy(State(web): State<Web>, Asking(parts): Asking) -> Response {
    match decide(&web, Request::of(&parts), Ask::from_headers(&parts.headers).as_ref()).await {
        Answer::Allowed(headers) => answer::pass(headers),
        Answer::Denied(refusal) => refusal.respond(&web),
    }
}

/// The head of a request as it is, without copies; its body is dropped unread.
struct Asking(Parts);

impl FromRequest<Web> for Asking {
    type Rejection = Infallible;

    async fn from_request(request: AxumRequest, _: &Web) -> Result<Self, Infallible> {
        Ok(Self(request.into_parts().0))
    }
}

/// What of a request the decision looks at.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    /// Who is at the other end.
    pub peer: Peer,
    /// The client's headers, as far as the proxy passes them on.
    pub headers: &'a HeaderMap,
}

impl<'a> Request<'a> {
    fn of(parts: &'a Parts) -> Self {
        let nobody = Peer(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        Self { peer: parts.extensions.get().copied().unwrap_or(nobody), headers: &parts.headers }
    }
}

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
    match web.validator.check(presented, &ask.requirement, Some(ip)).await {
        Ok(pass) => match web.passports.issue(&pass, audience, web.clock.now()) {
            Ok(passport) => (method, "allowed", Answer::allowed(&passport)),
            Err(error) => {
                tracing::error!(%error, "no JWT can be signed");
                refuse(web, request, method, ip, &Denial::Unavailable)
            }
        },
        Err(denial) => refuse(web, request, method, ip, &denial),
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
    if let Denial::Invalid(_) = denial
        && let Err(excess) = web.failures.count(ip)
    {
        return (method, "limited", Answer::Denied(Refusal::too_many(&excess)));
    }
    // Whoever brings nothing is no news, and what is limited is not worth a line each: logs must not be what breaks.
    if *denial != Denial::NoCredential {
        tracing::info!(request_id = request_id(web, request), method, ?denial, %ip, "a request was refused");
    }
    (method, denial.outcome(), Answer::Denied(Refusal::of(denial)))
}

fn misconfigured(web: &Web, request: Request<'_>, mistake: &str) -> Judged {
    let request_id = request_id(web, request);
    tracing::warn!(request_id, mistake, "a proxy asks /check for something that cannot be; its requests are refused");
    ("none", "misconfigured", Answer::Denied(Refusal::misconfigured(mistake)))
}

/// The name of the request in logs: the proxy's where it gives one, so that both logs can be laid side by side.
fn request_id(web: &Web, request: Request<'_>) -> String {
    let given = request.headers.get("x-request-id").and_then(|value| value.to_str().ok());
    let given = given.map(|id| sanitised(id, PROXY_REQUEST_ID_MAX)).filter(|id| !id.is_empty());
    given.unwrap_or_else(|| hex(&entropy::bytes::<8>(&*web.entropy)))
}
