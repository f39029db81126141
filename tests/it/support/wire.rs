//! A way through the network that can be broken.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};

/// Longer than what a replica is told of a change, shorter than what it reads of a token.
const LONG: usize = 250;

/// What happens to what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It arrives.
    Whole,
    /// It arrives late.
    Slow(Duration),
    /// It arrives late, each time by another span up to this one.
    Uneven(Duration),
    /// What is long arrives late: rows of tokens, but not news of changes.
    SlowRows(Duration),
    /// Answers to questions with these bytes arrive late, also when nothing else arrives any more.
    LateAnswers(Bytes, Duration),
    /// Questions with these bytes wait until this is over; everything else arrives.
    HeldQuestions(Bytes),
    /// It is lost, and nobody says so. When the way is whole again it is sent anew, as TCP does.
    BlackHole,
    /// Connections are reset, also each new one.
    Reset,
    /// Nobody listens, and nothing is connected.
    Refused,
}

/// Part of a question.
pub type Bytes = [u8; 12];

/// What stands in a renewal alone: whose it is.
#[allow(dead_code, reason = "not every test cuts renewals off")]
pub fn renewal_of(replica: &str) -> Bytes {
    uuid::Uuid::parse_str(replica).unwrap().as_bytes()[..12].try_into().unwrap()
}

/// A way to an address.
pub struct Wire {
    address: SocketAddr,
    target: watch::Sender<SocketAddr>,
    mode: watch::Sender<Mode>,
    line: Line,
}

/// What every connection has to know.
#[derive(Clone)]
struct Line {
    target: watch::Receiver<SocketAddr>,
    mode: watch::Receiver<Mode>,
    /// How often all connections were forgotten.
    forgotten: Arc<AtomicUsize>,
    caught: Arc<Notify>,
}

impl Wire {
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (mode, seen) = watch::channel(Mode::Whole);
        let (target, place) = watch::channel(target);
        let line = Line { target: place, mode: seen, forgotten: Arc::default(), caught: Arc::default() };
        tokio::spawn(accept(listener, line.clone()));
        Self { address, target, mode, line }
    }

    /// Whoever connects from now on arrives elsewhere.
    pub fn turn(&self, target: SocketAddr) {
        self.target.send_replace(target);
    }

    /// The same URL through here.
    pub fn lead(&self, url: &str) -> String {
        let mut url: url::Url = url.parse().unwrap();
        url.set_port(Some(self.address.port())).unwrap();
        url.into()
    }

    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// Nothing is carried any more on connections that there are now, for ever, and nobody says so: what a firewall does
    /// that has forgotten them. New ones are as good as ever.
    pub fn forget(&self) {
        self.line.forgotten.fetch_add(1, Ordering::SeqCst);
    }

    /// Makes answers to questions with these bytes late, and waits until there is one that was given.
    pub async fn catch(&self, question: Bytes, delay: Duration) {
        self.catch_in(Mode::LateAnswers(question, delay)).await;
    }

    /// Keeps questions with these bytes, and waits until there is one.
    #[allow(dead_code, reason = "not every test cuts in before a question")]
    pub async fn keep(&self, question: Bytes) {
        self.catch_in(Mode::HeldQuestions(question)).await;
    }

    async fn catch_in(&self, mode: Mode) {
        let caught = self.line.caught.notified();
        self.set(mode);
        caught.await;
    }
}

/// The address of the server that a URL names.
pub fn target(url: &str) -> SocketAddr {
    let url: url::Url = url.parse().unwrap();
    SocketAddr::from(([127, 0, 0, 1], url.port().unwrap()))
}

async fn accept(listener: TcpListener, mut line: Line) {
    let address = listener.local_addr().unwrap();
    let mut listener = Some(listener);
    loop {
        if *line.mode.borrow() == Mode::Refused {
            listener = None;
            line.mode.changed().await.unwrap();
            continue;
        }
        if listener.is_none() {
            listener = Some(TcpListener::bind(address).await.unwrap());
        }
        tokio::select! {
            accepted = listener.as_ref().unwrap().accept() => {
                tokio::spawn(connect(accepted.unwrap().0, line.clone()));
            }
            changed = line.mode.changed() => if changed.is_err() { return },
        }
    }
}

async fn connect(near: TcpStream, line: Line) {
    let target = *line.target.borrow();
    let Ok(far) = TcpStream::connect(target).await else { return };
    for stream in [&near, &far] {
        stream.set_nodelay(true).unwrap();
        // Whoever is dropped is reset.
        stream.set_zero_linger().unwrap();
    }
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    let there = Carrier::of(&line, Way::There);
    let back = Carrier { late: Arc::clone(&there.late), ..Carrier::of(&line, Way::Back) };
    let mut mode = line.mode;
    let cut = async {
        while !matches!(*mode.borrow_and_update(), Mode::Reset | Mode::Refused) {
            if mode.changed().await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = there.carry(near_in, far_out) => {}
        () = back.carry(far_in, near_out) => {}
        () = cut => {}
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    There,
    Back,
}

/// Carries what is sent on one connection in one direction.
struct Carrier {
    way: Way,
    mode: watch::Receiver<Mode>,
    /// How late the next answer is to be; both directions know it.
    late: Arc<Mutex<Option<Duration>>>,
    forgotten: Arc<AtomicUsize>,
    /// How often all connections had been forgotten when this one was made.
    born: usize,
    caught: Arc<Notify>,
}

impl Carrier {
    fn of(line: &Line, way: Way) -> Self {
        let Line { mode, forgotten, caught, .. } = line.clone();
        let born = forgotten.load(Ordering::SeqCst);
        Self { way, mode, late: Arc::default(), forgotten, born, caught }
    }

    async fn carry(mut self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let read = from.read(&mut buffer).await;
            if self.forgotten.load(Ordering::SeqCst) != self.born {
                // Not even that it was closed.
                std::future::pending::<()>().await;
            }
            let Ok(count @ 1..) = read else { return };
            if !self.hold(&buffer[..count]).await || to.write_all(&buffer[..count]).await.is_err() {
                return;
            }
        }
    }

    /// Waits until something may go on. Whether it ever does.
    async fn hold(&mut self, sent: &[u8]) -> bool {
        if let Some(delay) = self.late_answer() {
            self.caught.notify_waiters();
            tokio::time::sleep(delay).await;
            return true;
        }
        while self.is_kept(sent) {
            if self.mode.changed().await.is_err() {
                return false;
            }
        }
        let present = *self.mode.borrow();
        match present {
            Mode::Slow(delay) => tokio::time::sleep(delay).await,
            Mode::SlowRows(delay) if sent.len() > LONG => tokio::time::sleep(delay).await,
            Mode::Uneven(most) => tokio::time::sleep(most.mul_f64(rand::random())).await,
            Mode::LateAnswers(bytes, delay) if self.is_question(sent, bytes) => {
                *self.late.lock().unwrap() = Some(delay);
            }
            _ => {}
        }
        true
    }

    /// Whether something has to wait until the mode is another.
    fn is_kept(&mut self, sent: &[u8]) -> bool {
        let present = *self.mode.borrow_and_update();
        match present {
            Mode::BlackHole => true,
            Mode::HeldQuestions(bytes) if self.is_question(sent, bytes) => {
                self.caught.notify_waiters();
                true
            }
            _ => false,
        }
    }

    fn is_question(&self, sent: &[u8], bytes: Bytes) -> bool {
        self.way == Way::There && sent.windows(bytes.len()).any(|part| part == bytes)
    }

    fn late_answer(&self) -> Option<Duration> {
        if self.way == Way::Back { self.late.lock().unwrap().take() } else { None }
    }
}
