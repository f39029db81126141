//! Envoy's `ext_authz` over gRPC: the answers of `/check`, and the limits of its listener (contract, section 10, *Edges*).

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use envoy_types::ext_authz::v3::pb::{
    CheckRequest, CheckResponse, HeaderAppendAction, HeaderValue, HeaderValueOption, HttpResponse,
};
use envoy_types::pb::envoy::config::core::v3::HeaderMap;
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Request};
use envoy_types::pb::envoy::service::auth::v3::{AttributeContext, authorization_client::AuthorizationClient};
use hallpass::server::http::accept;
use hallpass::server::http::grpc::Grpc;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::support::{Answer, Call, HEADER, TestApp, unknown_token, with_wrong_checksum};

/// The longest that anything here may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A listener for gRPC on a port of its own.
pub struct Listening {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<()>,
}

pub async fn listen(app: &TestApp) -> Listening {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let stopped = async move {
        if stopped.await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let server = tokio::spawn(accept::serve_http2(listener, Grpc::new(&app.app.web), stopped));
    Listening { address, stop: Some(stop), server }
}

impl Listening {
    pub async fn channel(&self) -> Channel {
        Channel::from_shared(format!("http://{}", self.address)).unwrap().connect().await.unwrap()
    }

    pub async fn envoy(&self) -> Envoy {
        Envoy(AuthorizationClient::new(self.channel().await))
    }
}

/// What asks.
#[derive(Clone)]
pub struct Envoy(AuthorizationClient<Channel>);

impl Envoy {
    async fn try_ask(&self, http: HttpRequest, extensions: &[(&str, &str)]) -> Result<CheckResponse, tonic::Status> {
        let attributes = AttributeContext {
            request: Some(Request { http: Some(http), ..Request::default() }),
            context_extensions: map(extensions),
            ..AttributeContext::default()
        };
        let request = CheckRequest { attributes: Some(attributes) };
        self.0.clone().check(request).await.map(tonic::Response::into_inner)
    }

    /// Asks about a request with these headers, in the form that Envoy has by default.
    async fn ask(&self, headers: &[(&str, &str)], extensions: &[(&str, &str)]) -> CheckResponse {
        self.try_ask(HttpRequest { headers: map(headers), ..HttpRequest::default() }, extensions).await.unwrap()
    }

    /// Asks about a request with these headers, in the form of `encode_raw_headers`.
    async fn ask_raw(&self, headers: &[(&str, &[u8])]) -> CheckResponse {
        let value = |(key, value): &(&str, &[u8])| HeaderValue {
            key: (*key).to_owned(),
            raw_value: value.to_vec(),
            ..HeaderValue::default()
        };
        let header_map = Some(HeaderMap { headers: headers.iter().map(value).collect() });
        self.try_ask(HttpRequest { header_map, ..HttpRequest::default() }, &[]).await.unwrap()
    }

    pub async fn status_of(&self, headers: &[(&str, &str)], extensions: &[(&str, &str)]) -> u16 {
        status(&self.ask(headers, extensions).await)
    }
}

fn map(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn bearer(token: &str) -> (&'static str, String) {
    ("authorization", format!("Bearer {token}"))
}

/// The HTTP status that the client of the proxy sees; 200 is that of a request that goes on.
#[track_caller]
fn status(response: &CheckResponse) -> u16 {
    let code = response.status.as_ref().map_or(2, |status| status.code);
    match response.http_response.as_ref().unwrap() {
        HttpResponse::OkResponse(_) => {
            assert_eq!(code, 0, "{response:?}");
            200
        }
        HttpResponse::DeniedResponse(denied) => {
            let status = denied.status.as_ref().unwrap().code;
            let expected = [(401, 16), (403, 7), (429, 8), (503, 14)].into_iter().find(|(known, _)| *known == status);
            assert_eq!(Some((status, code)), expected, "{response:?}");
            u16::try_from(status).unwrap()
        }
        HttpResponse::ErrorResponse(_) => panic!("an error is no decision: {response:?}"),
    }
}

/// Names and values, sorted; every one of them takes the place of what was there.
#[track_caller]
fn pairs(options: &[HeaderValueOption]) -> Vec<(String, String)> {
    let pair = |option: &HeaderValueOption| {
        assert_eq!(option.append_action, i32::from(HeaderAppendAction::OverwriteIfExistsOrAdd), "{option:?}");
        let header = option.header.clone().unwrap();
        (header.key, header.value)
    };
    let mut pairs: Vec<_> = options.iter().map(pair).collect();
    pairs.sort();
    pairs
}

/// The headers of an answer over HTTP, but for those that describe the answer itself.
fn pairs_of(answer: &Answer, without: &[&str]) -> Vec<(String, String)> {
    let text = |(name, value): (&axum::http::HeaderName, &axum::http::HeaderValue)| {
        (name.to_string(), value.to_str().unwrap().to_owned())
    };
    let mut pairs: Vec<_> = answer.headers.iter().map(text).collect();
    pairs.retain(|(name, _)| name != "content-length" && !without.contains(&name.as_str()));
    pairs.sort();
    pairs
}

#[tokio::test]
async fn a_good_token_passes_with_the_headers_of_check_and_leaves_its_own_behind() {
    let app = TestApp::with(&[("check.identity_header", "X-API-Key")]).await;
    let token = app.token_of_alice(&["read:users", "write:users"]).await.secret;
    let envoy = listen(&app).await.envoy().await;
    let answer = app.check("?scope=read:users", &token).await.expect(200);
    for headers in [bearer(&token), (HEADER, token.clone()), ("X-Api-Key", token)] {
        let response = envoy.ask(&[(headers.0, &headers.1)], &[("scope", "read:users write:users")]).await;
        assert_eq!(status(&response), 200);
        let Some(HttpResponse::OkResponse(ok)) = response.http_response else { unreachable!() };
        let identity = pairs(&ok.headers);
        let unsigned: Vec<_> = identity.iter().filter(|(name, _)| name != "authorization").cloned().collect();
        assert_eq!(unsigned, pairs_of(&answer, &["cache-control", "authorization"]));
        assert!(identity.iter().any(|(name, value)| name == "authorization" && value.starts_with("Bearer ey")));
        let set = |name: &str| identity.iter().any(|(known, _)| known == name);
        assert!(set("x-auth-user") && set("x-auth-subject"), "{identity:?}");
        for name in ["authorization", HEADER] {
            let removed = ok.headers_to_remove.contains(&name.to_owned());
            assert!(removed != set(name), "{name} would reach the upstream, or ours would not: {ok:?}");
        }
    }
}

#[tokio::test]
async fn refusals_are_those_of_check() {
    let app = TestApp::new().await;
    let good = app.token_of_alice(&["read:users"]).await.secret;
    let envoy = listen(&app).await.envoy().await;
    let compare = async |token: Option<&str>, extensions: &[(&str, &str)], query: &str, expected: u16| {
        let header = token.map(bearer);
        let headers: Vec<_> = header.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let response = envoy.ask(&headers, extensions).await;
        let call = Call::get(&format!("/check{query}"));
        let answer = app.send(token.map_or(call.clone(), |token| call.bearer(token))).await;
        answer.problem(expected);
        assert_eq!(status(&response), expected, "{query}");
        let Some(HttpResponse::DeniedResponse(denied)) = response.http_response else { unreachable!() };
        assert_eq!(pairs(&denied.headers), pairs_of(&answer, &[]), "{query}");
        assert_eq!(denied.body, answer.body, "{query}");
    };
    compare(None, &[], "", 401).await;
    compare(Some("nonsense"), &[], "", 401).await;
    compare(Some(&unknown_token()), &[], "", 401).await;
    compare(Some(&with_wrong_checksum(&good)), &[], "", 401).await;
    compare(Some(&good), &[("scope", "read:users write:users")], "?scope=read:users+write:users", 403).await;
    compare(Some(&good), &[("role", "boss, chief")], "?role=boss&role=chief", 403).await;
    compare(Some(&good), &[("attribute", "site:paris")], "?attribute=site:paris", 403).await;
    compare(Some(&good), &[("scop", "read:users")], "?scop=read:users", 403).await;
    compare(None, &[("scope", "")], "?scope=", 403).await;
    compare(None, &[("audience", "other")], "?audience=other", 403).await;
    let unseen = app.token_of_alice(&["read:users"]).await.secret;
    app.app.db.close().await;
    compare(Some(&unseen), &[], "", 503).await;
    compare(None, &[], "", 401).await;
}

#[tokio::test]
async fn more_than_one_credential_is_none() {
    let app = TestApp::with(&[("check.identity_header", "X-API-Key")]).await;
    let token = app.token_of_alice(&["read:users"]).await.secret;
    let envoy = listen(&app).await.envoy().await;
    let one = bearer(&token).1;
    for joined in [format!("{one},{one}"), format!("{one}, Basic Og=="), format!(",{one}"), format!("{one},")] {
        assert_eq!(envoy.status_of(&[("authorization", &joined)], &[]).await, 401, "{joined}");
    }
    let table: [&[(&str, &str)]; 3] = [
        &[(HEADER, &format!("{token},{token}"))],
        &[(HEADER, &token), ("authorization", &one)],
        &[("authorization", &one), ("Authorization", &one)],
    ];
    for headers in table {
        assert_eq!(envoy.status_of(headers, &[]).await, 401, "{headers:?}");
    }
    let raw = |name, value: &'static str| (name, value.as_bytes());
    let good = ("authorization", one.as_bytes());
    assert_eq!(status(&envoy.ask_raw(&[good, raw("x-other", "a"), ("bad name", b"b"), (":path", b"/")]).await), 200);
    for second in [good, raw("Authorization", "Basic Og=="), raw("authorization", "\n"), raw("authorization", "")] {
        assert_eq!(status(&envoy.ask_raw(&[good, second]).await), 401, "{second:?}");
    }
}

#[tokio::test]
async fn requirements_come_from_the_proxy_and_never_from_its_client() {
    let app = TestApp::new().await;
    let token = app.token_of_alice(&["read:users"]).await.secret;
    let envoy = listen(&app).await.envoy().await;
    let table: [(&[(&str, &str)], u16); 10] = [
        (&[], 200),
        (&[("scope", "read:users"), ("role", "staff"), ("audience", "hallpass")], 200),
        (&[("role", "boss,staff")], 200),
        (&[("role", "boss")], 403),
        (&[("role", "staff,")], 403),
        (&[("scope", "read:users"), ("attribute", "no-such")], 403),
        (&[("scope", "read:users,write:users")], 403),
        (&[("scope", " ")], 403),
        (&[("Scope", "read:users")], 403),
        (&[("hallpass.scope", "read:users")], 403),
    ];
    for (extensions, expected) in table {
        let good = bearer(&token);
        assert_eq!(envoy.status_of(&[(good.0, &good.1)], extensions).await, expected, "{extensions:?}");
    }
    let mut headers = map(&[("x-check-scope", ""), ("x-check-role", "boss"), (":path", "/?scope=")]);
    headers.extend([("authorization".to_owned(), bearer(&token).1)]);
    let path = "/check?scope=write:reports&nonsense".to_owned();
    let http = HttpRequest { headers, path, query: "role=boss".to_owned(), ..HttpRequest::default() };
    assert_eq!(status(&envoy.try_ask(http.clone(), &[]).await.unwrap()), 200);
    assert_eq!(status(&envoy.try_ask(http, &[("scope", "write:users")]).await.unwrap()), 403);
}

#[tokio::test]
async fn the_client_is_who_a_trusted_proxy_says_it_is() {
    let (app, trusting) = (TestApp::new().await, TestApp::with(&[("trusted_proxies", r#"["127.0.0.0/8"]"#)]).await);
    for (app, table) in [
        (&app, [("198.51.100.7", 403), ("127.0.0.1", 403), ("", 403)]),
        (&trusting, [("203.0.113.1, 198.51.100.7", 200), ("198.51.100.7,203.0.113.1", 403), ("198.51.100.7,x", 403)]),
    ] {
        let alice = app.browser_of("alice").await;
        let restricted = json!({"name": "t", "scopes": ["read:users"], "allowed_ips": ["198.51.100.7"]});
        let good = bearer(&alice.create_token_with(&restricted).await.secret);
        let envoy = listen(app).await.envoy().await;
        for (forwarded, expected) in table {
            let headers = [(good.0, good.1.as_str()), ("x-forwarded-for", forwarded)];
            assert_eq!(envoy.status_of(&headers, &[]).await, expected, "{forwarded}");
        }
    }
}

#[tokio::test]
async fn long_messages_are_read_up_to_a_limit_that_heads_do_not_reach() {
    let app = TestApp::new().await;
    let good = bearer(&app.token_of_alice(&["read:users"]).await.secret);
    let envoy = listen(&app).await.envoy().await;
    let ask = async |length: usize| {
        let filler = "x".repeat(length);
        let headers = map(&[(good.0, &good.1), ("x-filler", &filler)]);
        envoy.try_ask(HttpRequest { headers, ..HttpRequest::default() }, &[]).await
    };
    assert_eq!(status(&ask(100 * 1024).await.unwrap()), 200);
    for length in [128 * 1024, 4 << 20] {
        assert_eq!(ask(length).await.unwrap_err().code(), tonic::Code::OutOfRange, "{length}");
    }
    assert_eq!(status(&ask(1).await.unwrap()), 200);
}

#[tokio::test]
async fn health_is_readiness() {
    let app = TestApp::new().await;
    let mut health = HealthClient::new(listen(&app).await.channel().await);
    let ask = |service: &str| HealthCheckRequest { service: service.to_owned() };
    let (serving, not_serving) = (1, 2);
    for service in ["", "envoy.service.auth.v3.Authorization"] {
        assert_eq!(health.check(ask(service)).await.unwrap().into_inner().status, serving);
    }
    assert_eq!(health.check(ask("other")).await.unwrap_err().code(), tonic::Code::NotFound);
    assert_eq!(health.watch(ask("")).await.unwrap_err().code(), tonic::Code::Unimplemented);
    app.app.db.close().await;
    assert_eq!(health.check(ask("")).await.unwrap().into_inner().status, not_serving);
}

#[tokio::test]
async fn too_many_bad_credentials_are_told_to_wait() {
    let app = TestApp::with(&[("check.failure_limit", "2/m")]).await;
    let good = bearer(&app.token_of_alice(&["read:users"]).await.secret);
    let envoy = listen(&app).await.envoy().await;
    let bad = bearer(&unknown_token());
    for expected in [401, 401, 429] {
        assert_eq!(envoy.status_of(&[(bad.0, &bad.1)], &[]).await, expected);
    }
    let response = envoy.ask(&[(bad.0, &bad.1)], &[]).await;
    let Some(HttpResponse::DeniedResponse(denied)) = response.http_response else { unreachable!() };
    let headers = pairs(&denied.headers);
    assert!(headers.iter().any(|(name, value)| name == "retry-after" && value.parse::<u32>().is_ok()), "{headers:?}");
    assert_eq!(envoy.status_of(&[(good.0, &good.1)], &[]).await, 200);
}

/// The beginning of every connection: the preface, and settings that are empty (RFC 9113, section 3.4).
const HELLO: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Sends `first`, then one byte of `drip` each half second, until the other side ends it; says after how long.
async fn drip(address: SocketAddr, first: &[u8], drip: &[u8]) -> Duration {
    let began = Instant::now();
    let (mut read, mut write) = TcpStream::connect(address).await.unwrap().into_split();
    write.write_all(first).await.unwrap();
    let bytes = drip.to_vec();
    let dripping = tokio::spawn(async move {
        for byte in bytes {
            sleep(Duration::from_millis(500)).await;
            if write.write_all(&[byte]).await.is_err() {
                return;
            }
        }
        sleep(PATIENCE).await;
    });
    // A reset ends it as well.
    let ended = timeout(PATIENCE, read.read_to_end(&mut Vec::new())).await;
    dripping.abort();
    assert!(ended.is_ok(), "never closed: {first:?}");
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_and_slow_clients_are_cut_off_and_others_may_rest() {
    let app = TestApp::new().await;
    let good = bearer(&app.token_of_alice(&["read:users"]).await.secret);
    let listening = listen(&app).await;
    let address = listening.address;
    let rests = async {
        let envoy = listening.envoy().await;
        assert_eq!(envoy.status_of(&[(good.0, &good.1)], &[]).await, 200);
        sleep(Duration::from_secs(11)).await;
        assert_eq!(envoy.status_of(&[(good.0, &good.1)], &[]).await, 200);
    };
    // The head of a request that says it is 64 bytes long.
    let half_head = [HELLO, b"\0\0\x40\x01\x04\0\0\0\x01"].concat();
    let (silence, half_preface, no_pong, half, dripping, ()) = tokio::join!(
        drip(address, b"", b""),
        drip(address, &HELLO[..10], &HELLO[10..24]),
        drip(address, HELLO, b""),
        drip(address, &half_head, b""),
        drip(address, &half_head, &[0; 60]),
        rests,
    );
    for (what, took) in [
        ("silence", silence),
        ("half a preface", half_preface),
        ("a client that does not answer", no_pong),
        ("half a head", half),
        ("a dripping head", dripping),
    ] {
        assert!(took <= Duration::from_secs(10), "{what}: {took:?}");
        assert!(took >= Duration::from_secs(2), "{what} was cut off at once: {took:?}");
    }
}

#[tokio::test]
async fn a_resting_connection_does_not_keep_it_from_stopping() {
    let app = TestApp::new().await;
    let mut listening = listen(&app).await;
    let envoy = listening.envoy().await;
    assert_eq!(envoy.status_of(&[], &[]).await, 401);
    listening.stop.take().unwrap().send(()).unwrap();
    timeout(Duration::from_secs(2), listening.server).await.expect("it does not stop").unwrap();
    assert!(envoy.try_ask(HttpRequest::default(), &[]).await.is_err());
}
