//! A small load generator: keep-alive connections, each with one request on its way.

use std::{
    fmt, io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// What a run of load came to.
pub struct Report {
    requests: usize,
    time: Duration,
    median: Duration,
    p99: Duration,
    bytes: usize,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = self.requests as f64 / self.time.as_secs_f64();
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        write!(f, "{rate:.0}/s, p50 {:.2} ms, p99 {:.2} ms ({} bytes each)", ms(self.median), ms(self.p99), self.bytes)
    }
}

/// Reads `path` over `connections` for `time`.
///
/// # Errors
/// Of a connection, or when an answer is not 200.
pub async fn run(server: SocketAddr, path: &str, connections: usize, time: Duration) -> io::Result<Report> {
    let (begun, end) = (Instant::now(), Instant::now() + time);
    let request = format!("GET {path} HTTP/1.1\r\nHost: {server}\r\n\r\n");
    let workers: Vec<_> = (0..connections).map(|_| tokio::spawn(work(server, request.clone(), end))).collect();
    let mut latencies = Vec::new();
    let mut bytes = 0;
    for worker in workers {
        let (more, size) = worker.await.map_err(io::Error::other)??;
        latencies.extend(more);
        bytes = size;
    }
    let time = begun.elapsed();
    latencies.sort_unstable();
    let at = |share: f64| latencies.get((latencies.len() as f64 * share) as usize).copied().unwrap_or_default();
    Ok(Report { requests: latencies.len(), time, median: at(0.5), p99: at(0.99), bytes })
}

async fn work(server: SocketAddr, request: String, end: Instant) -> io::Result<(Vec<Duration>, usize)> {
    let mut connection = Connection::open(server).await?;
    let mut latencies = Vec::with_capacity(100_000);
    let mut size = 0;
    loop {
        let begun = Instant::now();
        if begun >= end {
            return Ok((latencies, size));
        }
        let (status, length) = connection.exchange(request.as_bytes()).await?;
        if status != 200 {
            return Err(io::Error::other(format!("status {status}")));
        }
        size = length;
        latencies.push(begun.elapsed());
    }
}

/// One request over a connection of its own; status and body.
///
/// # Errors
/// Of the connection.
pub async fn request(server: SocketAddr, method: &str, path: &str, body: &str) -> io::Result<(u16, String)> {
    let mut connection = Connection::open(server).await?;
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {server}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    let (status, length) = connection.exchange(format!("{head}{body}").as_bytes()).await?;
    let text = &connection.buffer[connection.buffer.len() - length..];
    Ok((status, String::from_utf8_lossy(text).into_owned()))
}

struct Connection {
    stream: TcpStream,
    /// The latest answer, whole.
    buffer: Vec<u8>,
}

impl Connection {
    async fn open(server: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(65_536) })
    }

    /// Sends a request and reads its answer; status and length of the body.
    async fn exchange(&mut self, request: &[u8]) -> io::Result<(u16, usize)> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let head = loop {
            self.read().await?;
            if let Some(end) = self.buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let (status, length) = parse(&self.buffer[..head])?;
        while self.buffer.len() < head + length {
            self.read().await?;
        }
        Ok((status, length))
    }

    async fn read(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

fn parse(head: &[u8]) -> io::Result<(u16, usize)> {
    let strange = || io::Error::other(format!("not understood: {}", String::from_utf8_lossy(head)));
    let text = std::str::from_utf8(head).map_err(|_| strange())?;
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(strange)?;
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        if name.eq_ignore_ascii_case("content-length") { value.trim().parse().ok() } else { None }
    });
    Ok((status, length.ok_or_else(strange)?))
}
