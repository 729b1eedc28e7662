//! The DNS server over real sockets.

#![allow(clippy::unwrap_used, reason = "a failed expectation fails the test")]

mod common;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use common::{anywhere, task, zone};
use dns::{
    Zone,
    server::{Running, ServeError, ServerSettings, serve},
};
use hickory_proto::{
    op::{Edns, Message, MessageType, OpCode, Query, ResponseCode},
    rr::{Name, RData, RecordType},
};
use proptest::prelude::*;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    time::timeout,
};

const AMPLE: Duration = Duration::from_secs(30);

async fn start() -> Running {
    serve(anywhere(), zone(), ServerSettings::default()).await.unwrap()
}

fn question(name: &str, record_type: RecordType, edns: Option<u16>) -> Message {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), record_type));
    if let Some(payload) = edns {
        let mut edns = Edns::new();
        edns.set_max_payload(payload);
        message.set_edns(edns);
    }
    message
}

/// Sends bytes over UDP; the answer's bytes.
async fn exchange(server: SocketAddr, bytes: &[u8], patience: Duration) -> Option<Vec<u8>> {
    let socket = UdpSocket::bind(anywhere()).await.unwrap();
    socket.send_to(bytes, server).await.unwrap();
    let mut answer = vec![0; 65_536];
    let (length, from) = timeout(patience, socket.recv_from(&mut answer)).await.ok()?.unwrap();
    assert_eq!(from, server);
    answer.truncate(length);
    Some(answer)
}

async fn udp(server: SocketAddr, message: &Message) -> Message {
    let answer = exchange(server, &message.to_vec().unwrap(), AMPLE).await.expect("an answer");
    let answer = Message::from_vec(&answer).unwrap();
    assert_eq!(answer.metadata.id, message.metadata.id);
    assert_eq!(answer.metadata.message_type, MessageType::Response);
    answer
}

async fn tcp_exchange(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    stream.write_u16(bytes.len() as u16).await?;
    stream.write_all(bytes).await?;
    let length = stream.read_u16().await?;
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

async fn tcp(server: SocketAddr, message: &Message) -> Message {
    let mut stream = TcpStream::connect(server).await.unwrap();
    let answer = timeout(AMPLE, tcp_exchange(&mut stream, &message.to_vec().unwrap())).await.unwrap().unwrap();
    Message::from_vec(&answer).unwrap()
}

async fn ask(server: &Running, name: &str, record_type: RecordType) -> Message {
    udp(server.address(), &question(name, record_type, None)).await
}

fn addresses(message: &Message) -> Vec<Ipv4Addr> {
    let mut found: Vec<Ipv4Addr> = message
        .answers
        .iter()
        .filter_map(|record| if let RData::A(address) = &record.data { Some(address.0) } else { None })
        .collect();
    found.sort();
    found
}

#[tokio::test]
async fn addresses_are_answered_over_udp_and_tcp_in_any_case() {
    let server = start().await;
    for name in ["web.marathon.mesos.", "WEB.Marathon.MESOS.", "web.*.marathon.mesos."] {
        let question = question(name, RecordType::A, None);
        for answer in [udp(server.address(), &question).await, tcp(server.address(), &question).await] {
            assert_eq!(answer.metadata.response_code, ResponseCode::NoError);
            assert_eq!(addresses(&answer), [Ipv4Addr::new(10, 1, 0, 0), Ipv4Addr::new(10, 1, 0, 1)]);
            assert!(answer.metadata.authoritative && answer.metadata.recursion_available);
            assert!(answer.metadata.recursion_desired && !answer.metadata.truncation);
            assert_eq!(answer.queries, question.queries);
            assert!(answer.answers.iter().all(|record| record.ttl == 60));
        }
    }
}

#[tokio::test]
async fn services_come_with_the_addresses_of_their_targets() {
    let server = start().await;
    let answer = ask(&server, "_http._web._tcp.marathon.mesos.", RecordType::SRV).await;
    assert_eq!(answer.answers.len(), 2);
    for record in &answer.answers {
        let RData::SRV(service) = &record.data else { panic!("{record}") };
        assert_eq!((service.priority, service.weight), (0, 1));
        let glue = answer.additionals.iter().find(|glue| glue.name == service.target).unwrap();
        assert_eq!(glue.data.ip_addr().unwrap(), Ipv4Addr::new(10, 1, 0, (service.port - 31000) as u8));
    }
}

#[tokio::test]
async fn leader_and_agents_have_their_names() {
    let server = start().await;
    assert_eq!(addresses(&ask(&server, "leader.mesos.", RecordType::A).await), [Ipv4Addr::new(10, 0, 0, 9)]);
    assert_eq!(addresses(&ask(&server, "slave.mesos.", RecordType::A).await), [Ipv4Addr::new(10, 0, 0, 1)]);
    assert_eq!(addresses(&ask(&server, "ns1.mesos.", RecordType::A).await), [Ipv4Addr::new(127, 0, 0, 1)]);
    let answer = ask(&server, "_leader._tcp.mesos.", RecordType::SRV).await;
    let RData::SRV(service) = &answer.answers[0].data else { panic!("{answer}") };
    assert_eq!((service.port, service.target.to_string().as_str()), (5050, "leader.mesos."));
}

#[tokio::test]
async fn what_is_not_there_is_denied_with_the_soa_record() {
    let server = start().await;
    use RecordType::*;
    use ResponseCode::{NXDomain, NoError};
    for (name, record_type, code) in [
        ("none.marathon.mesos.", A, NXDomain),
        ("none.marathon.mesos.", AAAA, NXDomain),
        ("none.marathon.mesos.", TXT, NXDomain),
        ("_none._tcp.marathon.mesos.", SRV, NXDomain),
        ("web.marathon.mesos.", AAAA, NoError), // the name exists, with other records
        ("web.marathon.mesos.", SRV, NoError),
        ("web.marathon.mesos.", SOA, NoError),
        ("_tcp.marathon.mesos.", A, NoError), // the name is on the way to others
        ("mesos.", A, NoError),               // the apex
    ] {
        let answer = ask(&server, name, record_type).await;
        assert_eq!(answer.metadata.response_code, code, "{name} {record_type}");
        assert!(answer.metadata.authoritative && answer.answers.is_empty(), "{name} {record_type}");
        let [soa] = answer.authorities.as_slice() else { panic!("{answer}") };
        assert_eq!(soa.name.to_string(), "mesos.");
        let RData::SOA(soa) = &soa.data else { panic!("{soa}") };
        assert_eq!((soa.serial, soa.minimum, soa.mname.to_string().as_str()), (7, 60, "ns1.mesos."));
    }
}

#[tokio::test]
async fn the_apex_has_soa_and_ns_records() {
    let server = start().await;
    let soa = ask(&server, "MESOS.", RecordType::SOA).await;
    assert!(matches!(&soa.answers[0].data, RData::SOA(soa) if soa.rname.to_string() == "root.ns1.mesos."));
    let ns = ask(&server, "mesos.", RecordType::NS).await;
    assert!(matches!(&ns.answers[0].data, RData::NS(ns) if ns.0.to_string() == "ns1.mesos."));
    assert_eq!(ns.additionals[0].data.ip_addr().unwrap(), Ipv4Addr::LOCALHOST);
}

#[tokio::test]
async fn any_gives_all_records_of_the_name() {
    let server = start().await;
    assert_eq!(ask(&server, "web.marathon.mesos.", RecordType::ANY).await.answers.len(), 2);
    assert_eq!(ask(&server, "_web._tcp.marathon.mesos.", RecordType::ANY).await.answers.len(), 2);
}

#[tokio::test]
async fn other_names_are_refused_without_resolvers() {
    let server = start().await;
    for name in ["www.example.com.", ".", "xmesos.", "1.0.0.10.in-addr.arpa."] {
        let answer = ask(&server, name, RecordType::A).await;
        assert_eq!(answer.metadata.response_code, ResponseCode::Refused, "{name}");
        assert!(!answer.metadata.authoritative);
    }
}

#[tokio::test]
async fn an_answer_too_large_for_udp_says_so_and_is_whole_over_tcp() {
    let server = start().await;
    for (name, record_type, all) in [
        ("many.marathon.mesos.", RecordType::A, 40),
        ("_many._tcp.marathon.mesos.", RecordType::SRV, 40),
        ("huge.marathon.mesos.", RecordType::A, 5000),
    ] {
        let mut counts = Vec::new();
        for (edns, limit) in [(None, 512), (Some(100), 512), (Some(800), 800), (Some(1232), 1232), (Some(65_000), 1232)]
        {
            let question = question(name, record_type, edns);
            let bytes = exchange(server.address(), &question.to_vec().unwrap(), AMPLE).await.unwrap();
            assert!(bytes.len() <= limit, "{} bytes of {limit}", bytes.len());
            let answer = Message::from_vec(&bytes).unwrap();
            assert_eq!(answer.metadata.truncation, answer.answers.len() < all, "{name} {limit}");
            assert_eq!(answer.edns.is_some(), edns.is_some());
            let next_would_fit = bytes.len() + 2 * bytes.len() / answer.answers.len().max(1) < limit;
            assert!(!(answer.metadata.truncation && next_would_fit), "room was wasted: {} of {limit}", bytes.len());
            counts.push(answer.answers.len());
        }
        assert!(counts[1..].is_sorted(), "{counts:?}"); // without EDNS there is room for 11 bytes more
        assert!(counts[0] < 40);
    }
    let question = question("many.marathon.mesos.", RecordType::A, None);
    let whole = tcp(server.address(), &question).await;
    assert_eq!(addresses(&whole).len(), 40);
    assert!(!whole.metadata.truncation);
}

#[tokio::test]
async fn even_tcp_has_its_limit_and_says_so() {
    let server = start().await;
    let answer = tcp(server.address(), &question("huge.marathon.mesos.", RecordType::A, None)).await;
    assert!(answer.metadata.truncation);
    assert!(answer.answers.len() > 1000, "{}", answer.answers.len());
}

#[tokio::test]
async fn answers_come_in_another_order_each_time() {
    let server = start().await;
    let mut orders = std::collections::BTreeSet::new();
    for _ in 0..10 {
        let answer = tcp(server.address(), &question("many.marathon.mesos.", RecordType::A, None)).await;
        orders.insert(answer.answers.iter().map(|record| record.data.to_string()).collect::<Vec<_>>());
    }
    assert!(orders.len() > 5, "{} orders", orders.len());
}

#[tokio::test]
async fn a_published_change_is_served_at_once() {
    let served = zone();
    let server = serve(anywhere(), Arc::clone(&served), ServerSettings::default()).await.unwrap();
    let mut zone: Zone = (**served.load()).clone();
    zone.remove_task("web.0");
    zone.set_task(task("new", 3));
    zone.publish(&served, 1000);
    assert_eq!(addresses(&ask(&server, "web.marathon.mesos.", RecordType::A).await), [Ipv4Addr::new(10, 1, 0, 1)]);
    assert_eq!(addresses(&ask(&server, "new.marathon.mesos.", RecordType::A).await), [Ipv4Addr::new(10, 1, 0, 3)]);
    let soa = ask(&server, "mesos.", RecordType::SOA).await;
    assert!(matches!(&soa.answers[0].data, RData::SOA(soa) if soa.serial == 1000));
}

#[tokio::test]
async fn what_is_no_plain_question_gets_the_code_for_it() {
    let server = start().await;
    let mut update = question("web.marathon.mesos.", RecordType::A, None);
    update.metadata.op_code = OpCode::Status;
    assert_eq!(udp(server.address(), &update).await.metadata.response_code, ResponseCode::NotImp);
    let mut two = question("web.marathon.mesos.", RecordType::A, None);
    two.add_query(Query::query(Name::from_ascii("many.marathon.mesos.").unwrap(), RecordType::A));
    assert_eq!(udp(server.address(), &two).await.metadata.response_code, ResponseCode::FormErr);
    let mut none = question("web.marathon.mesos.", RecordType::A, None);
    none.queries.clear();
    assert_eq!(udp(server.address(), &none).await.metadata.response_code, ResponseCode::FormErr);
    let mut newer = question("web.marathon.mesos.", RecordType::A, None);
    let mut edns = Edns::new();
    edns.set_version(7);
    newer.set_edns(edns);
    let code = udp(server.address(), &newer).await.metadata.response_code;
    assert_eq!(u16::from(code), u16::from(ResponseCode::BADVERS), "{code}"); // the number has two names
}

#[tokio::test]
async fn a_response_is_not_answered_and_garbage_is_at_most_called_so() {
    let server = start().await;
    let mut response = question("web.marathon.mesos.", RecordType::A, None);
    response.metadata.message_type = MessageType::Response;
    assert_eq!(exchange(server.address(), &response.to_vec().unwrap(), Duration::from_millis(200)).await, None);
    let mut cut = question("web.marathon.mesos.", RecordType::A, None).to_vec().unwrap();
    cut.truncate(20);
    let answer = exchange(server.address(), &cut, AMPLE).await.unwrap();
    assert_eq!(Message::from_vec(&answer).unwrap().metadata.response_code, ResponseCode::FormErr);
}

#[tokio::test]
async fn labels_of_any_bytes_are_just_names_that_do_not_exist() {
    let server = start().await;
    for label in [&b"we.b"[..], b"\xff\xfe", b"a b", b"\0", b"w\xc3\xa9b"] {
        let name = Name::from_labels([label, b"marathon", b"mesos"]).unwrap();
        let mut message = question("mesos.", RecordType::A, None);
        message.queries[0].set_name(name);
        assert_eq!(udp(server.address(), &message).await.metadata.response_code, ResponseCode::NXDomain, "{label:?}");
    }
}

#[test]
fn a_flood_of_random_bytes_does_not_kill_the_server() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(start());
    let address = server.address();
    let valid = question("_http._web._tcp.marathon.mesos.", RecordType::SRV, Some(4096)).to_vec().unwrap();
    let bytes = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..600),
        // A valid message with some bytes changed gets further.
        proptest::collection::vec((0..valid.len(), any::<u8>()), 1..6).prop_map(move |changes| {
            let mut bytes = valid.clone();
            for (index, byte) in changes {
                bytes[index] = byte;
            }
            bytes
        }),
    ];
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(1000));
    let socket = runtime.block_on(UdpSocket::bind(anywhere())).unwrap();
    let flood = runner.run(&bytes, |bytes| {
        runtime.block_on(async {
            socket.send_to(&bytes, address).await.unwrap();
            if bytes.first().is_some_and(|first| first % 10 == 0) {
                let mut stream = TcpStream::connect(address).await.unwrap();
                let _ = stream.write_all(&bytes).await;
                let _ = timeout(Duration::from_millis(1), tcp_exchange(&mut stream, &bytes)).await;
            }
        });
        Ok(())
    });
    flood.unwrap();
    runtime.block_on(async {
        let question = question("web.marathon.mesos.", RecordType::A, None);
        // The flood may still be in the socket's buffer and this question not fit: asked until it does.
        let bytes = question.to_vec().unwrap();
        let mut answer = None;
        for _ in 0..20 {
            answer = exchange(address, &bytes, Duration::from_secs(1)).await;
            if answer.is_some() {
                break;
            }
        }
        assert_eq!(addresses(&Message::from_vec(&answer.expect("an answer")).unwrap()).len(), 2);
        assert_eq!(addresses(&tcp(address, &question).await).len(), 2);
    });
}

#[tokio::test]
async fn other_names_are_forwarded_to_the_resolvers_if_there_are_any() {
    let upstream = start().await; // knows `mesos`
    let settings = ServerSettings {
        resolvers: vec![upstream.address()],
        resolver_timeout: Duration::from_secs(2),
        ..ServerSettings::default()
    };
    let own = dns::Settings::for_domain("here").unwrap();
    let served = Arc::new(arc_swap::ArcSwap::from_pointee(Zone::new(own, 1)));
    let server = serve(anywhere(), served, settings).await.unwrap();
    let answer = ask(&server, "web.marathon.mesos.", RecordType::A).await;
    assert_eq!(addresses(&answer).len(), 2);
    assert!(!answer.metadata.authoritative);
    let unknown = ask(&server, "none.marathon.mesos.", RecordType::A).await;
    assert_eq!(unknown.metadata.response_code, ResponseCode::NXDomain);
    assert!(matches!(&unknown.authorities[0].data, RData::SOA(soa) if soa.serial == 7));
    assert_eq!(ask(&server, "none.here.", RecordType::A).await.metadata.response_code, ResponseCode::NXDomain);
    upstream.shutdown().await.unwrap();
    let failed = ask(&server, "many.marathon.mesos.", RecordType::A).await;
    assert_eq!(failed.metadata.response_code, ResponseCode::ServFail);
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let server = start().await;
    let Err(error) = serve(server.address(), zone(), ServerSettings::default()).await else { panic!("bound twice") };
    assert!(matches!(&error, ServeError::Bind { address, .. } if *address == server.address()));
    assert_eq!(error.to_string(), format!("cannot listen for DNS on UDP {}", server.address()));
}

#[tokio::test]
async fn a_server_that_was_shut_down_gives_its_address_back() {
    let server = start().await;
    let address = server.address();
    server.shutdown().await.unwrap();
    let again = serve(address, zone(), ServerSettings::default()).await.unwrap();
    assert_eq!(again.address(), address);
}
