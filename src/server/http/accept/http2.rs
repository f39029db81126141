//! HTTP/2 without TLS, as gRPC clients speak it. Pings find out what is silent or stuck in the middle of a frame: nothing
//! of that answers them.

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::io::Cursor;
use std::time::Duration;

use axum::extract::Request;
use bytes::Bytes;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tower::{Service, ServiceExt as _};

use super::phase::SharedPhase;
use super::stream::Guarded;
use super::{Accepted, Arrival, Limits, run};

/// Every connection begins with so many bytes (RFC 9113, section 3.4).
const PREFACE_LEN: usize = 24;
/// From the start of a connection to the end of its preface. Together with the two spans below less than 10 s.
const PREFACE_DEADLINE: Duration = Duration::from_secs(3);
/// A connection from which nothing whole came for so long is pinged.
const PING_INTERVAL: Duration = Duration::from_secs(3);
/// An answer to a ping must come within this.
const PING_DEADLINE: Duration = Duration::from_secs(3);
/// Most requests at the same time on one connection; clients that have more open another one.
const STREAMS_MAX: u32 = 100;
/// Longest head of a request, in bytes.
const HEAD_MAX: u32 = 16 * 1024;

/// Serves HTTP/2 until `stop` resolves, then finishes what is in flight.
pub async fn serve<S, B>(listener: TcpListener, service: S, stop: impl Future<Output = ()>)
where
    S: Service<Request, Response = http::Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: http_body::Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let limits = Limits::default();
    run(limits, listener, stop, |accepted, graceful| start(accepted, limits, service.clone(), graceful)).await;
}

fn start<S, B>(accepted: Accepted, limits: Limits, service: S, graceful: &GracefulShutdown)
where
    S: Service<Request, Response = http::Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: http_body::Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let watcher = graceful.watcher();
    tokio::spawn(async move {
        if let Err(error) = attend(accepted, limits, service, watcher).await {
            tracing::debug!(%error, "a connection ended early");
        }
    });
}

async fn attend<S, B>(
    accepted: Accepted,
    limits: Limits,
    service: S,
    watcher: Watcher,
) -> Result<(), Box<dyn Error + Send + Sync>>
where
    S: Service<Request, Response = http::Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: http_body::Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let Accepted { stream, peer, place: _place } = accepted;
    let phase = SharedPhase::new();
    let mut stream = Guarded::new(stream, phase.clone(), limits);
    let mut preface = [0; PREFACE_LEN];
    tokio::time::timeout(PREFACE_DEADLINE, stream.read_exact(&mut preface)).await??;
    // The deadlines for heads are those of HTTP/1.1; from here on pings do their work.
    phase.begin_answer(None);
    let (read, write) = tokio::io::split(stream);
    let io = TokioIo::new(tokio::io::join(Cursor::new(preface).chain(read), write));
    let service = service_fn(move |request| service.clone().oneshot(Arrival { request, peer, limits }.into_request()));
    watcher.watch(builder().serve_connection(io, service)).await?;
    Ok(())
}

fn builder() -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_DEADLINE)
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEAD_MAX);
    builder
}
