//! The accept loop. Our own, because `axum::serve` never times a silent client out, and hyper's timer for heads would
//! also cut connections that rest between two requests.

mod http2;
mod phase;
mod stream;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::response::Response;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};

use super::{Handler, Peer};
pub use http2::serve as serve_http2;
use phase::SharedPhase;
use stream::Guarded;

/// Longest head, in bytes.
const HEAD_MAX: usize = 16 * 1024;
/// How long requests in flight may take after the signal to stop.
const DRAIN: Duration = Duration::from_secs(8);
/// Pause after a failed accept: out of file descriptors, mostly.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What one client may take from the others.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most connections at a time; more wait to be accepted.
    pub connections: usize,
    /// From the first byte of a head, or from the start of a connection, to the end of the head.
    pub head: Duration,
    /// From the end of the head to the end of the body.
    pub body: Duration,
    /// How long a client may take no byte of an answer.
    pub write: Duration,
    /// How long a connection may rest between two requests.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4_096,
            head: Duration::from_secs(9),
            body: Duration::from_secs(15),
            write: Duration::from_secs(30),
            idle: Duration::from_secs(75),
        }
    }
}

/// Serves HTTP/1.1 until `stop` resolves, then finishes what is in flight.
pub async fn serve(listener: TcpListener, handler: impl Handler, stop: impl Future<Output = ()>) {
    serve_within(Limits::default(), listener, handler, stop).await;
}

/// The same within other limits.
pub async fn serve_within(
    limits: Limits,
    listener: TcpListener,
    handler: impl Handler,
    stop: impl Future<Output = ()>,
) {
    run(limits, listener, stop, |accepted, graceful| start(accepted, limits, handler.clone(), graceful)).await;
}

/// Accepts until `stop` resolves; `start` spawns what serves each connection.
async fn run(
    limits: Limits,
    listener: TcpListener,
    stop: impl Future<Output = ()>,
    start: impl Fn(Accepted, &GracefulShutdown),
) {
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(limits.connections));
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = &mut stop => break,
        };
        match accepted {
            Ok(accepted) => start(accepted, &graceful),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not finish in time");
    }
}

/// A new connection, and its place among those that may be open.
struct Accepted {
    stream: TcpStream,
    peer: Peer,
    place: OwnedSemaphorePermit,
}

async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> io::Result<Accepted> {
    let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, address) = listener.accept().await?;
    // Answers are small: waiting to fill a packet only delays them.
    let _ = stream.set_nodelay(true);
    Ok(Accepted { stream, peer: Peer(address.ip()), place })
}

fn start(accepted: Accepted, limits: Limits, handler: impl Handler, graceful: &GracefulShutdown) {
    let Accepted { stream, peer, place } = accepted;
    let phase = SharedPhase::new();
    let io = TokioIo::new(Guarded::new(stream, phase.clone(), limits));
    // One for each connection: its count of holders is touched with each request, and must not be shared by all of them.
    let handler = Arc::new(handler);
    let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        phase.begin_answer(request.body().size_hint().exact());
        respond(Arrival { request, peer, limits }, handler.clone(), phase.clone())
    });
    let connection = http1::Builder::new().max_buf_size(HEAD_MAX).serve_connection(io, service);
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        let _place = place;
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection ended early");
        }
    });
}

async fn respond(
    arrival: Arrival,
    handler: Arc<impl Handler>,
    phase: SharedPhase,
) -> Result<Response<Tail>, Infallible> {
    Ok(handler.handle(arrival).await.map(|body| Tail { body, _end: EndOfAnswer(phase) }))
}

/// A request whose head has come.
pub struct Arrival {
    request: hyper::Request<Incoming>,
    /// Who is at the other end.
    pub peer: Peer,
    limits: Limits,
}

impl std::fmt::Debug for Arrival {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Arrival").field("peer", &self.peer).finish_non_exhaustive()
    }
}

impl Arrival {
    /// The path that is asked for.
    #[must_use]
    pub fn path(&self) -> &str {
        self.request.uri().path()
    }

    /// The head alone. The body is dropped unread.
    #[must_use]
    pub fn into_head(self) -> Parts {
        self.request.into_parts().0
    }

    /// The request as services take it: with its peer, and with a deadline for its body.
    #[must_use]
    pub fn into_request(self) -> Request {
        let Self { request, peer, limits } = self;
        let (mut parts, body) = request.into_parts();
        parts.extensions.insert(peer);
        let body = Timed { body, until: Instant::now() + limits.body, deadline: None };
        Request::from_parts(parts, Body::new(body))
    }
}

/// A request body that must be complete in time, however slowly it drips.
struct Timed {
    body: Incoming,
    until: Instant,
    /// Set by the first who waits: most bodies are empty.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl http_body::Body for Timed {
    type Data = bytes::Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context).map_err(Into::into);
        if polled.is_ready() && self.deadline.is_none() {
            return polled;
        }
        let until = self.until;
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        if deadline.as_mut().poll(context).is_ready() {
            return Poll::Ready(Some(Err("the body did not arrive in time".into())));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer's body, whose end begins the rest of the connection.
struct Tail {
    body: Body,
    _end: EndOfAnswer,
}

struct EndOfAnswer(SharedPhase);

impl Drop for EndOfAnswer {
    fn drop(&mut self) {
        self.0.answered();
    }
}

impl http_body::Body for Tail {
    type Data = bytes::Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
