//! The accept loop. Our own, because `axum::serve` never times a silent client out, and hyper's timer for heads would
//! also cut connections that rest between two requests.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, Sleep};
use tower::ServiceExt as _;

use super::Peer;

/// From the first byte of a head, or from the start of a connection, to the end of the head.
const HEAD_DEADLINE: Duration = Duration::from_secs(9);
/// How long a connection may rest between two requests.
const IDLE_DEADLINE: Duration = Duration::from_secs(75);
/// From the end of the head to the end of the body.
const BODY_DEADLINE: Duration = Duration::from_secs(15);
/// Longest head, in bytes.
const HEAD_MAX: usize = 16 * 1024;
/// How long requests in flight may take after the signal to stop.
const DRAIN: Duration = Duration::from_secs(8);
/// Pause after a failed accept: out of file descriptors, mostly.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop` resolves, then finishes what is in flight.
pub async fn serve(listener: TcpListener, router: Router, stop: impl Future<Output = ()>) {
    let graceful = GracefulShutdown::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        match accepted {
            Ok((stream, address)) => start(stream, Peer(address.ip()), router.clone(), &graceful),
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

fn start(stream: TcpStream, peer: Peer, router: Router, graceful: &GracefulShutdown) {
    // Answers are small: waiting to fill a packet only delays them.
    let _ = stream.set_nodelay(true);
    let phase = SharedPhase::new();
    let io =
        TokioIo::new(Guarded { stream, phase: phase.clone(), deadline: Box::pin(tokio::time::sleep(HEAD_DEADLINE)) });
    let service = hyper::service::service_fn(move |request| respond(request, peer, router.clone(), phase.clone()));
    let connection = http1::Builder::new().max_buf_size(HEAD_MAX).serve_connection(io, service);
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection ended early");
        }
    });
}

async fn respond(
    request: hyper::Request<Incoming>,
    peer: Peer,
    router: Router,
    phase: SharedPhase,
) -> Result<Response<Tail>, Infallible> {
    let without_body = request.body().is_end_stream();
    phase.set(Phase::Answering { without_body });
    let (mut parts, body) = request.into_parts();
    parts.extensions.insert(peer);
    let body = Body::new(Timed { body, deadline: Box::pin(tokio::time::sleep(BODY_DEADLINE)) });
    let response = router.oneshot(Request::from_parts(parts, body)).await?;
    Ok(response.map(|body| Tail { body, _end: EndOfAnswer(phase) }))
}

/// Where a connection is in its cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Waiting for a head that has begun, or for the first.
    Head,
    /// Between the end of a head and the end of the answer.
    Answering {
        /// Whatever arrives now belongs to the next request.
        without_body: bool,
    },
    /// At rest.
    Idle,
}

/// The phase, shared by the two ends of hyper: the stream below and the service above. The counter tells the stream that
/// its deadline is to be set anew.
#[derive(Clone)]
struct SharedPhase(Arc<Mutex<PhaseState>>);

struct PhaseState {
    phase: Phase,
    next_head_began: bool,
    changed: bool,
}

impl SharedPhase {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(PhaseState { phase: Phase::Head, next_head_began: false, changed: false })))
    }

    fn set(&self, phase: Phase) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *state = PhaseState { phase, next_head_began: false, changed: true };
    }

    /// The answer is sent. Bytes that came meanwhile and were no body are the start of the next head.
    fn answered(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.phase = if state.next_head_began { Phase::Head } else { Phase::Idle };
        state.next_head_began = false;
        state.changed = true;
    }

    /// Bytes came.
    fn received(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match state.phase {
            Phase::Idle => {
                state.phase = Phase::Head;
                state.changed = true;
            }
            Phase::Answering { without_body } => state.next_head_began |= without_body,
            Phase::Head => {}
        }
    }

    /// The phase, and whether it is new since the last look.
    fn look(&self) -> (Phase, bool) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (state.phase, std::mem::take(&mut state.changed))
    }
}

/// A stream that ends when a head does not come in time.
struct Guarded {
    stream: TcpStream,
    phase: SharedPhase,
    deadline: Pin<Box<Sleep>>,
}

impl Guarded {
    fn is_late(&mut self, context: &mut Context<'_>) -> bool {
        let (phase, changed) = self.phase.look();
        let limit = match phase {
            Phase::Head => HEAD_DEADLINE,
            Phase::Idle => IDLE_DEADLINE,
            // The body has a deadline of its own, and the answer is ours to give.
            Phase::Answering { .. } => return false,
        };
        if changed {
            self.deadline.as_mut().reset(Instant::now() + limit);
        }
        self.deadline.as_mut().poll(context).is_ready()
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.phase.received();
        }
        if polled.is_pending() && self.is_late(context) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        polled
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// A request body that must be complete in time, however slowly it drips.
struct Timed {
    body: Incoming,
    deadline: Pin<Box<Sleep>>,
}

impl http_body::Body for Timed {
    type Data = bytes::Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if self.deadline.as_mut().poll(context).is_ready() {
            return Poll::Ready(Some(Err("the body did not arrive in time".into())));
        }
        Pin::new(&mut self.body).poll_frame(context).map_err(Into::into)
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
