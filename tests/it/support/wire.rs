//! A way through the network that can be broken.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

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
    /// Answers arrive late, questions at once.
    SlowAnswers(Duration),
    /// It is lost, and nobody says so. When the way is whole again it is sent anew, as TCP does.
    BlackHole,
    /// Connections are reset, also each new one.
    Reset,
    /// Nobody listens, and nothing is connected.
    Refused,
}

/// A way to an address.
pub struct Wire {
    address: SocketAddr,
    target: watch::Sender<SocketAddr>,
    mode: watch::Sender<Mode>,
}

impl Wire {
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (mode, seen) = watch::channel(Mode::Whole);
        let (target, place) = watch::channel(target);
        tokio::spawn(accept(listener, place, seen));
        Self { address, target, mode }
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
}

/// The address of the server that a URL names.
pub fn target(url: &str) -> SocketAddr {
    let url: url::Url = url.parse().unwrap();
    SocketAddr::from(([127, 0, 0, 1], url.port().unwrap()))
}

async fn accept(listener: TcpListener, target: watch::Receiver<SocketAddr>, mut mode: watch::Receiver<Mode>) {
    let address = listener.local_addr().unwrap();
    let mut listener = Some(listener);
    loop {
        if *mode.borrow() == Mode::Refused {
            listener = None;
            mode.changed().await.unwrap();
            continue;
        }
        if listener.is_none() {
            listener = Some(TcpListener::bind(address).await.unwrap());
        }
        tokio::select! {
            accepted = listener.as_ref().unwrap().accept() => {
                tokio::spawn(connect(accepted.unwrap().0, *target.borrow(), mode.clone()));
            }
            changed = mode.changed() => if changed.is_err() { return },
        }
    }
}

async fn connect(near: TcpStream, target: SocketAddr, mut mode: watch::Receiver<Mode>) {
    let Ok(far) = TcpStream::connect(target).await else { return };
    for stream in [&near, &far] {
        stream.set_nodelay(true).unwrap();
        // Whoever is dropped is reset.
        stream.set_zero_linger().unwrap();
    }
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    let (there, back) = (mode.clone(), mode.clone());
    let cut = async {
        while !matches!(*mode.borrow_and_update(), Mode::Reset | Mode::Refused) {
            if mode.changed().await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = carry(near_in, far_out, there, Way::There) => {}
        () = carry(far_in, near_out, back, Way::Back) => {}
        () = cut => {}
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    There,
    Back,
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut mode: watch::Receiver<Mode>, way: Way) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let Ok(count @ 1..) = from.read(&mut buffer).await else { return };
        while *mode.borrow_and_update() == Mode::BlackHole {
            if mode.changed().await.is_err() {
                return;
            }
        }
        let present = *mode.borrow();
        match present {
            Mode::Slow(delay) => tokio::time::sleep(delay).await,
            Mode::SlowRows(delay) if count > LONG => tokio::time::sleep(delay).await,
            Mode::SlowAnswers(delay) if way == Way::Back => tokio::time::sleep(delay).await,
            Mode::Uneven(most) => tokio::time::sleep(most.mul_f64(rand::random())).await,
            _ => {}
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
