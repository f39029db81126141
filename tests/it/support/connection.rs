//! HTTP with nothing between the test and the server.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// One connection that is kept open, and nothing between it and the server.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub async fn open(url: &str) -> Self {
        Self::try_open(url).await.unwrap()
    }

    /// Nothing where nobody listens.
    pub async fn try_open(url: &str) -> Option<Self> {
        let stream = TcpStream::connect(url.trim_start_matches("http://")).await.ok()?;
        stream.set_nodelay(true).ok()?;
        Some(Self { stream, buffer: Vec::new() })
    }

    /// Sends a request and gives the status of its answer, whose body is read away.
    pub async fn ask(&mut self, method: &str, path: &str, secret: &str) -> u16 {
        self.try_ask(method, path, secret).await.expect("the connection was closed")
    }

    /// The same; nothing where the connection is closed before the answer has come.
    pub async fn try_ask(&mut self, method: &str, path: &str, secret: &str) -> Option<u16> {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {secret}\r\n\r\n");
        self.stream.write_all(request.as_bytes()).await.ok()?;
        self.buffer.clear();
        let end = loop {
            self.read().await?;
            if let Some(at) = self.buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break at + 4;
            }
        };
        let head = String::from_utf8(self.buffer[..end].to_vec()).unwrap();
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
        while self.buffer.len() < end + length {
            self.read().await?;
        }
        head[9..12].parse().ok()
    }

    async fn read(&mut self) -> Option<()> {
        let count = self.stream.read_buf(&mut self.buffer).await.ok()?;
        (count > 0).then_some(())
    }
}
