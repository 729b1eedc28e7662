//! Bytes that mean nothing, on every port.

use std::time::Duration;

use serde_json::json;
use tokio::{io::AsyncWriteExt, net::TcpStream, net::UdpSocket, time::timeout};

use crate::support::{
    apps::sleeper,
    cluster::Cluster,
    dns::{self, Transport},
    processes, wire,
};

/// Bytes without a pattern, the same at every run.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..length).map(|_| next()).collect()
}

fn nonsense(seed: u64) -> Vec<u8> {
    let length = usize::try_from(seed * 37 % 700).unwrap();
    match seed % 8 {
        0 => b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        1 => [b"GET /v2/apps/".as_slice(), &noise(seed, length), b" HTTP/1.1\r\nHost: x\r\n\r\n"].concat(),
        2 => [b"POST /v2/apps HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n".as_slice(), &noise(seed, 50)].concat(),
        3 => b"POST /v2/apps HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n".to_vec(),
        4 => b"POST /v2/apps HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n".to_vec(),
        5 => [b"POST /api/v1/scheduler HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n".as_slice(), b"{\"type\":\"SUBSCRIBE\"}"].concat(),
        _ => noise(seed, length),
    }
}

async fn throw(address: std::net::SocketAddr, bytes: &[u8]) {
    let Ok(mut stream) = TcpStream::connect(address).await else { panic!("{address} is gone") };
    let _ = stream.write_all(bytes).await;
    let mut answer = [0; 64];
    let _ = timeout(Duration::from_millis(20), tokio::io::AsyncReadExt::read(&mut stream, &mut answer)).await;
}

async fn web_socket_garbage(cluster: &Cluster, path: &str) {
    let upgrade = format!(
        "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    for address in [cluster.master, cluster.http] {
        for seed in 0..10 {
            throw(address, &[upgrade.as_bytes(), &noise(seed, 300)].concat()).await;
            // A text frame, masked with zeros, that says nothing sensible.
            let text = br#"{"type":"REGISTER","agent":{"id":null,"tasks":"many"}}"#;
            let frame = [&[0x81, 0x80 | u8::try_from(text.len()).unwrap(), 0, 0, 0, 0], text.as_slice()].concat();
            throw(address, &[upgrade.as_bytes(), &frame].concat()).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_on_any_port_hurts_nobody() {
    let cluster = Cluster::start().await;
    let api = &cluster.api;
    api.run_app(&sleeper("/calm", 3)).await;
    let before = (api.get("/v2/apps?embed=apps.tasks").await.expect(200).text, processes::by_task(cluster.home()));
    for address in [cluster.http, cluster.master, cluster.dns, cluster.dns_http] {
        for seed in 0..64 {
            throw(address, &nonsense(seed)).await;
        }
    }
    for path in ["/agent", "/api/v1/agent", "/v2/events"] {
        web_socket_garbage(&cluster, path).await;
    }
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for seed in 0..500 {
        let length = usize::try_from(seed % 600).unwrap();
        socket.send_to(&noise(seed, length), cluster.dns).await.unwrap();
    }
    let long = format!("GET /v2/apps/{} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "a/".repeat(200_000));
    wire::exchange(cluster.http, long.as_bytes(), |_| false).await;
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    api.send(reqwest::Method::POST, "/v2/apps", Some(deep)).await.expect(400);
    let huge = json!({"id": "/huge", "cmd": "x".repeat(40_000_000)}).to_string();
    let answer = api.try_send(reqwest::Method::POST, "/v2/apps", Some(huge)).await;
    assert!(
        answer.is_err() || answer.is_ok_and(|answer| (400..500).contains(&answer.status)),
        "a huge body is refused"
    );

    assert_eq!(
        (api.get("/v2/apps?embed=apps.tasks").await.expect(200).text, processes::by_task(cluster.home())),
        before
    );
    cluster.agents_are_there(3).await;
    for transport in [Transport::Udp, Transport::Tcp] {
        assert!(!dns::addresses(cluster.dns, transport, "calm.marathon.mesos").await.is_empty());
        assert_eq!(
            dns::code(cluster.dns, transport, "nothing.marathon.mesos").await.to_string(),
            "Non-Existent Domain"
        );
    }
    assert!(!cluster.log().contains("panicked"), "{}", cluster.log());
    api.run_app(&sleeper("/after", 1)).await;
}
