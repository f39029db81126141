//! Clients that take their time: contract, section 10, *Edges*. The only test that waits in real time.

use std::net::SocketAddr;
use std::time::Duration;

use hallpass::server::http::accept;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout};

use crate::support::TestApp;

/// The longest that anything here may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A request that is answered at once.
const ANSWERED: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

async fn serve(app: &TestApp) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(accept::serve(listener, app.router(), std::future::pending()));
    address
}

fn now() -> Instant {
    Instant::now()
}

/// Sends `first`, then one byte of `drip` each half second, until the other side ends it; says after how long, and what
/// came back.
async fn drip(address: SocketAddr, first: &str, drip: &str) -> (Duration, String) {
    let began = now();
    let (mut read, mut write) = TcpStream::connect(address).await.unwrap().into_split();
    write.write_all(first.as_bytes()).await.unwrap();
    let bytes = drip.as_bytes().to_vec();
    let dripping = tokio::spawn(async move {
        for byte in bytes {
            sleep(Duration::from_millis(500)).await;
            if write.write_all(&[byte]).await.is_err() {
                return;
            }
        }
        // Nothing more comes, but the connection stays open from this side.
        sleep(PATIENCE).await;
    });
    let mut answer = Vec::new();
    let ended = timeout(PATIENCE, read.read_to_end(&mut answer)).await;
    dripping.abort();
    assert!(ended.is_ok(), "never closed: {first:?}");
    (began.elapsed(), String::from_utf8(answer).unwrap())
}

/// Reads one answer with a `content-length`.
async fn read_answer(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    loop {
        let mut buffer = [0; 4_096];
        let read = timeout(PATIENCE, stream.read(&mut buffer)).await.unwrap().unwrap();
        assert!(read > 0, "closed: {}", String::from_utf8_lossy(&text));
        text.extend_from_slice(&buffer[..read]);
        let so_far = String::from_utf8_lossy(&text).into_owned();
        let Some((head, body)) = so_far.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ").map(str::to_owned));
        if body.len() >= length.unwrap().parse::<usize>().unwrap() {
            return so_far;
        }
    }
}

/// Asks again and again on one connection while others are slow.
async fn stays_quick(address: SocketAddr, rests: Duration, rounds: u32) -> Duration {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut slowest = Duration::ZERO;
    for _ in 0..rounds {
        let began = now();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        assert!(read_answer(&mut stream).await.starts_with("HTTP/1.1 200"));
        slowest = slowest.max(began.elapsed());
        sleep(rests).await;
    }
    slowest
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_are_cut_off_and_harm_nobody() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let address = serve(&app).await;
    let cookie = format!("hallpass={}", alice.cookie("hallpass").unwrap());
    let post = format!(
        "POST /api/v1/tokens HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\nSec-Fetch-Site: same-origin\r\n\
         Content-Type: application/json\r\nContent-Length: 200\r\n\r\n{{"
    );
    let (crosses, blanks) = ("x".repeat(40), " ".repeat(60));
    let (silent, half, dripped, second, body, busy, rested) = tokio::join!(
        drip(address, "", ""),
        drip(address, "GET /check HTTP/1.1\r\nHost: x\r\n", ""),
        drip(address, "GET /check HTTP/1.1\r\nHost: x\r\nX: ", &crosses),
        drip(address, ANSWERED, "G"),
        drip(address, &post, &blanks),
        stays_quick(address, Duration::from_millis(100), 100),
        stays_quick(address, Duration::from_secs(11), 2),
    );
    let limit = Duration::from_secs(10);
    for (what, (took, _)) in
        [("silence", &silent), ("half a head", &half), ("a dripping head", &dripped), ("a second head", &second)]
    {
        assert!(*took <= limit, "{what}: {took:?}");
        assert!(*took >= Duration::from_secs(4), "{what} was cut off at once: {took:?}");
    }
    assert!(second.1.starts_with("HTTP/1.1 200"), "{}", second.1);
    assert!(
        body.0 <= Duration::from_millis(15_900) && body.0 >= Duration::from_secs(10),
        "a dripping body: {:?}",
        body.0
    );
    assert!(!body.1.contains("201"), "{}", body.1);
    assert!(busy.max(rested) < Duration::from_secs(1), "{busy:?} {rested:?}");
    assert_eq!(app.value("SELECT count(*) FROM tokens").await, "0");
}

#[tokio::test]
async fn half_a_head_behind_a_whole_one_is_cut_off_too() {
    let app = TestApp::new().await;
    let address = serve(&app).await;
    let (took, answer) = drip(address, &format!("{ANSWERED}GET /healthz HT"), "").await;
    assert!(took <= Duration::from_secs(10), "{took:?}");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn requests_in_one_piece_are_answered_one_after_the_other() {
    let app = TestApp::new().await;
    let address = serve(&app).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let one = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    let last = "GET /check HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(format!("{one}{one}{last}").as_bytes()).await.unwrap();
    let mut answers = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answers)).await.unwrap().unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 2, "{answers}");
    assert_eq!(answers.matches("HTTP/1.1 401").count(), 1, "{answers}");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_431() {
    let app = TestApp::new().await;
    let address = serve(&app).await;
    let request = format!("GET /check HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(64 * 1024));
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The server may close before it has read everything.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap();
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer:?}");
}

#[tokio::test]
async fn a_check_over_the_network_never_waits_for_a_body() {
    let app = TestApp::new().await;
    let token = app.token_of_alice(&["read:users"]).await.secret;
    let address = serve(&app).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head =
        format!("POST /check HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: 1000000\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    assert!(read_answer(&mut stream).await.starts_with("HTTP/1.1 200"));
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("HEAD /check HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = read_answer(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("x-auth-user: alice"), "{answer}");
}
