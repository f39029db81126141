//! How much one client may take from the others: places, and the time of whoever answers.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use bytes::Bytes;
use futures_util::stream;
use hallpass::server::http::accept::{self, Limits};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{Instant, timeout};

/// The longest that anything here may take.
const PATIENCE: Duration = Duration::from_secs(10);

async fn serve(limits: Limits, router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(accept::serve_within(limits, listener, router, std::future::pending()));
    address
}

async fn ask(address: SocketAddr, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

async fn answer(mut stream: TcpStream) -> String {
    let mut text = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut text)).await.expect("an answer").unwrap();
    text
}

#[tokio::test]
async fn whoever_comes_when_all_places_are_taken_waits_for_one() {
    let (door, mut guests) = mpsc::unbounded_channel();
    let leave = Arc::new(Semaphore::new(0));
    let may_leave = leave.clone();
    let handler = async move || {
        door.send(()).unwrap();
        may_leave.acquire().await.unwrap().forget();
        "done"
    };
    let limits = Limits { connections: 2, ..Limits::default() };
    let address = serve(limits, Router::new().route("/", get(handler))).await;
    let [one, two, three] = [ask(address, "/").await, ask(address, "/").await, ask(address, "/").await];
    for _ in 0..2 {
        timeout(PATIENCE, guests.recv()).await.expect("two are let in");
    }
    assert!(timeout(Duration::from_millis(300), guests.recv()).await.is_err(), "a third was let in");
    leave.add_permits(1);
    timeout(PATIENCE, guests.recv()).await.expect("the third is let in");
    leave.add_permits(2);
    for client in [one, two, three] {
        assert!(answer(client).await.starts_with("HTTP/1.1 200"));
    }
}

/// An answer without end, and the moment at which it is given up.
fn endless() -> (Body, oneshot::Receiver<()>) {
    let (held, given_up) = oneshot::channel::<()>();
    let piece = move || {
        let _ = &held;
        Ok::<_, Infallible>(Bytes::from_static(&[b'x'; 16 * 1024]))
    };
    (Body::from_stream(stream::repeat_with(piece)), given_up)
}

#[tokio::test]
async fn an_answer_that_nobody_takes_is_given_up_and_its_place_is_free() {
    let limits = Limits { connections: 1, write: Duration::from_millis(300), ..Limits::default() };
    let (body, given_up) = endless();
    let body = Arc::new(Mutex::new(Some(body)));
    let take = move || std::future::ready(body.lock().unwrap().take().unwrap());
    let router = Router::new().route("/endless", get(take)).route("/", get(async || "done"));
    let address = serve(limits, router).await;
    let mut client = ask(address, "/endless").await;
    let began = Instant::now();
    let mut buffer = vec![0; 64 * 1024];
    while began.elapsed() < 3 * limits.write {
        let read = timeout(PATIENCE, client.read(&mut buffer)).await.expect("more").unwrap();
        assert!(read > 0, "cut off while it was read");
    }
    let next = ask(address, "/").await;
    // From here on nothing is read. The other end is dropped with the answer that holds it.
    assert!(timeout(PATIENCE, given_up).await.expect("given up in time").is_err());
    assert!(answer(next).await.starts_with("HTTP/1.1 200"));
}
