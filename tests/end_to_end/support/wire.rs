//! HTTP as bytes, for what a client library would hide.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

const AMPLE: Duration = Duration::from_secs(30);

/// Sends `request` and reads until `enough` is satisfied with what came, or the server closes.
pub async fn exchange(server: SocketAddr, request: &[u8], enough: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut stream = TcpStream::connect(server).await.unwrap();
    // The server may close before it has read everything.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let reading = async {
        let mut buffer = [0; 16_384];
        while !enough(&answer) {
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => break,
                Ok(length) => answer.extend_from_slice(&buffer[..length]),
            }
        }
    };
    let in_time = timeout(AMPLE, reading).await.is_ok();
    assert!(in_time, "unfinished answer: {}", String::from_utf8_lossy(&answer));
    answer
}

/// Status, head and body of one answer to a request that asks to close the connection.
pub async fn closing(server: SocketAddr, request: &str) -> (u16, String, String) {
    let answer = exchange(server, request.as_bytes(), |_| false).await;
    let text = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("no status: {head:?}")), head.to_owned(), body.to_owned())
}
