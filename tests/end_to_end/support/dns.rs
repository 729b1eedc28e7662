//! DNS questions, over UDP and TCP.

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use hickory_proto::{
    op::{Edns, Message, Query, ResponseCode},
    rr::{Name, RData, RecordType},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    time::timeout,
};

const AMPLE: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug)]
pub enum Transport {
    Udp,
    Tcp,
}

/// Asks once; the whole answer.
pub async fn ask(server: SocketAddr, transport: Transport, name: &str, kind: RecordType) -> Message {
    let mut question = Message::query();
    question.metadata.recursion_desired = true;
    question.add_query(Query::query(Name::from_ascii(format!("{name}.")).unwrap(), kind));
    let mut edns = Edns::new();
    edns.set_max_payload(4096);
    question.set_edns(edns);
    let bytes = question.to_vec().unwrap();
    let answer = timeout(AMPLE, async {
        match transport {
            Transport::Udp => over_udp(server, &bytes).await,
            Transport::Tcp => over_tcp(server, &bytes).await,
        }
    });
    let answer = answer.await.expect("an answer in time").expect("an answer");
    let message = Message::from_vec(&answer).unwrap();
    assert_eq!(message.metadata.id, question.metadata.id);
    message
}

async fn over_udp(server: SocketAddr, question: &[u8]) -> std::io::Result<Vec<u8>> {
    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    socket.connect(server).await?;
    let mut answer = vec![0; 65_536];
    loop {
        socket.send(question).await?;
        // A datagram may be lost; the one sent again is answered alike.
        if let Ok(length) = timeout(Duration::from_secs(2), socket.recv(&mut answer)).await {
            answer.truncate(length?);
            return Ok(answer);
        }
    }
}

async fn over_tcp(server: SocketAddr, question: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    stream.write_u16(u16::try_from(question.len()).unwrap()).await?;
    stream.write_all(question).await?;
    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

/// Addresses in the answer section; empty for names without any.
pub async fn addresses(server: SocketAddr, transport: Transport, name: &str) -> BTreeSet<String> {
    let message = ask(server, transport, name, RecordType::A).await;
    let address = |data: &RData| if let RData::A(address) = data { Some(address.0.to_string()) } else { None };
    message.answers.iter().filter_map(|record| address(&record.data)).collect()
}

/// Ports in the SRV records of the answer section.
pub async fn ports(server: SocketAddr, transport: Transport, name: &str) -> BTreeSet<u16> {
    let message = ask(server, transport, name, RecordType::SRV).await;
    let port = |data: &RData| if let RData::SRV(srv) = data { Some(srv.port) } else { None };
    message.answers.iter().filter_map(|record| port(&record.data)).collect()
}

pub async fn code(server: SocketAddr, transport: Transport, name: &str) -> ResponseCode {
    ask(server, transport, name, RecordType::A).await.metadata.response_code
}
