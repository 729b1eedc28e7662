//! What a master answers, and what it survives.

use futures::{SinkExt, StreamExt};
use substrate::master::MasterConfig;
use substrate_core::protocol::task::TaskState;
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Message, protocol::frame::coding::CloseCode},
};

use crate::support::{AMPLE, Framework, WorkDir, agent, exec, get, get_json, http, master};

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let first = master().await;
    let error = substrate::master::serve(MasterConfig::new(first.address().to_string())).await.unwrap_err();
    assert_eq!(error.to_string(), format!("cannot listen on {}", first.address()));
}

#[tokio::test]
async fn the_state_tells_agents_frameworks_and_tasks_as_readers_expect() {
    let (master, dir) = (master().await, WorkDir::new());
    let agent = agent(master.address(), &dir).await;
    let mut framework = Framework::subscribe(&master, None).await;
    let offer = framework.launch(vec![("t", exec(&["sleep", "1000"]))]).await;
    framework.told("t", TaskState::TaskRunning).await;

    let state = get_json(master.address(), "/state").await;
    assert_eq!(state["leader"], format!("master@{}", master.address()));
    assert_eq!(state["pid"], state["leader"]);
    assert_eq!(state["activated_slaves"], 1);
    let told = &state["slaves"][0];
    assert_eq!(told["id"], offer.agent_id.as_str());
    assert_eq!(told["hostname"], "agent.test");
    assert_eq!(told["pid"], format!("slave(1)@{}", agent.address()));
    assert_eq!(told["attributes"], serde_json::json!({"rack": "r1"}));
    assert_eq!(told["resources"]["ports"], "[31000-31999]");
    assert_eq!(told["used_resources"]["cpus"], 0.01);
    let told = &state["frameworks"][0];
    assert_eq!((&told["id"], &told["name"]), (&framework.id.as_str().into(), &"test".into()));
    assert!(told.get("pid").is_none());
    let task = &told["tasks"][0];
    assert_eq!(
        (&task["id"], &task["state"], &task["slave_id"]),
        (&"t".into(), &"TASK_RUNNING".into(), &offer.agent_id.as_str().into())
    );
    let status = &task["statuses"][0];
    assert_eq!(status["state"], "TASK_RUNNING");
    assert!(status["timestamp"].as_f64().unwrap() > 1.0e9);
    let address = &status["container_status"]["network_infos"][0]["ip_addresses"][0];
    assert_eq!(address["ip_address"], "127.0.0.1");

    for list in ["completed_frameworks", "orphan_tasks", "unregistered_frameworks", "recovered_slaves"] {
        assert_eq!(state[list], serde_json::json!([]), "{list}");
    }
    framework.kill("t").await;
    framework.told("t", TaskState::TaskKilled).await;
}

#[tokio::test]
async fn every_spelling_of_an_endpoint_answers() {
    let master = master().await;
    let address = master.address();
    for path in ["/state", "/master/state", "/state.json", "/master/state.json", "/state/", "//master//state"] {
        assert!(get_json(address, path).await["leader"].is_string(), "{path}");
    }
    for path in ["/state-summary", "/master/state-summary", "/slaves", "/master/slaves", "/state-summary.json"] {
        assert!(get_json(address, path).await["slaves"].is_array(), "{path}");
    }
    assert_eq!(get_json(address, "/tasks").await, serde_json::json!({"tasks": []}));
    assert!(get_json(address, "/frameworks").await["frameworks"].is_array());
    assert_eq!(get_json(address, "/metrics/snapshot").await["master/elected"], 1);
    for path in ["/health", "/master/health"] {
        assert_eq!(get(address, path).await, (200, String::new()), "{path}");
    }
    let version = get_json(address, "/version").await["version"].as_str().unwrap().to_owned();
    assert!(version.split('.').all(|part| part.parse::<u32>().is_ok()), "{version}");
    let (status, body) = get(address, "/master/state?jsonp=cb").await;
    assert!(status == 200 && body.starts_with("cb({") && body.ends_with("});"), "{body}");
    assert_eq!(get(address, "/nothing").await.0, 404);
    for path in ["/redirect", "/master/redirect"] {
        let answer = http().get(format!("http://{address}{path}")).send().await.unwrap();
        assert_eq!(answer.status(), 307);
        assert_eq!(answer.headers()["location"], format!("//{address}").as_str());
    }
}

/// Sends one frame as an agent would, and hears how the connection ends.
async fn answer_to(master: std::net::SocketAddr, frame: Message) -> Option<CloseCode> {
    let (mut socket, _) = connect_async(format!("ws://{master}/api/v1/agent")).await.unwrap();
    let _ = socket.send(frame).await; // a frame that is too large may be refused before all of it is sent
    let end = async {
        loop {
            match socket.next().await {
                Some(Ok(Message::Close(frame))) => return frame.map(|frame| frame.code),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    };
    tokio::time::timeout(AMPLE, end).await.expect("the connection ends")
}

#[tokio::test]
async fn a_frame_that_is_no_message_closes_its_connection_and_no_other() {
    let (master, dir) = (master().await, WorkDir::new());
    let address = master.address();
    let _agent = agent(address, &dir).await;
    let mut framework = Framework::subscribe(&master, None).await;
    framework.is_offered_something().await;
    let deep = format!("{{\"seq\":1,\"message\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    for (frame, code) in [
        (Message::text(""), Some(CloseCode::Invalid)),
        (Message::text("no json"), Some(CloseCode::Invalid)),
        (Message::text("{}"), Some(CloseCode::Invalid)),
        (Message::text("{\"seq\":-1,\"message\":\"Heartbeat\"}"), Some(CloseCode::Invalid)),
        (Message::text("{\"seq\":1,\"message\":{\"Register\":{}}}"), Some(CloseCode::Invalid)),
        (Message::text(deep), Some(CloseCode::Invalid)),
        (Message::binary(vec![0xff; 1000]), Some(CloseCode::Unsupported)),
    ] {
        let told = frame.to_string();
        assert_eq!(answer_to(address, frame).await, code, "{}", &told[..told.len().min(80)]);
    }
    let huge = Message::text("x".repeat((64 << 20) + 1));
    assert!(matches!(answer_to(address, huge).await, None | Some(CloseCode::Size)));

    framework.launch(vec![("t", exec(&["sleep", "1000"]))]).await;
    framework.told("t", TaskState::TaskRunning).await;
    framework.kill("t").await;
    framework.told("t", TaskState::TaskKilled).await;
}

#[tokio::test]
async fn bytes_that_are_no_frames_and_messages_in_no_order_are_survived() {
    let (master, dir) = (master().await, WorkDir::new());
    let address = master.address();
    let handshake = format!(
        "GET /api/v1/agent HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    let mut state = 1_u64;
    for round in 0..100 {
        let mut socket = TcpStream::connect(address).await.unwrap();
        if round % 4 != 0 {
            socket.write_all(handshake.as_bytes()).await.unwrap();
        }
        let noise: Vec<u8> = (0..500 + round * 20)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) as u8
            })
            .collect();
        let _ = socket.write_all(&noise).await; // it may be closed already
    }
    // Well-formed, but said before registering, with a gap, and twice.
    let (mut socket, _) = connect_async(format!("ws://{address}/api/v1/agent")).await.unwrap();
    for seq in [1, 1, 7, 0, u64::MAX] {
        let _ = socket.send(Message::text(format!("{{\"seq\":{seq},\"message\":\"Heartbeat\"}}"))).await;
    }
    assert_eq!(get(address, "/health").await.0, 200);
    assert_eq!(get(address, "/api/v1/agent").await.0, 400);
    let _agent = agent(address, &dir).await;
    let mut framework = Framework::subscribe(&master, None).await;
    framework.offer().await;
}

#[tokio::test]
async fn calls_to_a_master_that_has_stopped_fail_and_its_streams_end() {
    let master = master().await;
    let mut framework = Framework::subscribe(&master, None).await;
    let connector = master.connector();
    master.shutdown().await;
    assert!(tokio::time::timeout(AMPLE, framework.stream.recv()).await.unwrap().is_none());
    let call = substrate_core::protocol::scheduler::Call::Teardown;
    assert!(framework.stream.call(call.clone()).await.is_err());
    assert!(connector.open().call(call).await.is_err());
}

#[tokio::test]
async fn a_stream_that_is_dropped_is_noticed() {
    let master = master().await;
    let framework = Framework::subscribe(&master, None).await;
    drop(framework);
    let gone = async {
        while get_json(master.address(), "/frameworks").await["frameworks"][0]["active"] != false {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(AMPLE, gone).await.expect("the framework is not active any more");
}
