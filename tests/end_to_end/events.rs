//! The event stream as its readers need it.

use std::time::Duration;

use futures::StreamExt;
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::{connect_async, tungstenite::Message};

use crate::support::{
    apps::{sleeper, with},
    cluster::Cluster,
    events::{Event, Subscriber},
    wait::{PATIENCE, until_true},
    wire,
};

/// The types that the reference knows; strict readers fail on any other.
const KNOWN: [&str; 29] = [
    "api_post_event",
    "pod_created_event",
    "pod_updated_event",
    "pod_deleted_event",
    "scheduler_registered_event",
    "scheduler_reregistered_event",
    "scheduler_disconnected_event",
    "framework_message_event",
    "event_stream_attached",
    "event_stream_detached",
    "subscribe_event",
    "unsubscribe_event",
    "group_change_success",
    "group_change_failed",
    "deployment_info",
    "deployment_step_success",
    "deployment_step_failure",
    "deployment_success",
    "deployment_failed",
    "app_terminated_event",
    "status_update_event",
    "instance_changed_event",
    "unknown_instance_terminated_event",
    "instance_health_changed_event",
    "add_health_check_event",
    "remove_health_check_event",
    "failed_health_check_event",
    "health_status_changed_event",
    "unhealthy_instance_kill_event",
];

async fn some_history(cluster: &Cluster) {
    cluster.api.run_app(&sleeper("/app", 2)).await;
    let answer = cluster.api.put("/v2/apps/app", &json!({"instances": 1})).await.expect(200);
    cluster.api.deployed(&answer.deployment()).await;
    let answer = cluster.api.delete("/v2/apps/app").await.expect(200);
    cluster.api.deployed(&answer.deployment()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_reconnects_gets_exactly_what_it_missed() {
    let cluster = Cluster::start().await;
    let subscriber = Subscriber::attach(&cluster.api).await;
    some_history(&cluster).await;
    subscriber.find("the end of the app", |event| event.kind == "app_terminated_event").await;
    until_true("all three deployments are told", async || {
        subscriber.heard().iter().filter(|event| event.kind == "deployment_success").count() == 3
    })
    .await;
    let all = subscriber.heard();
    assert!(all.windows(2).all(|pair| pair[1].id == pair[0].id + 1), "positions have gaps: {all:?}");
    for event in &all {
        assert!(KNOWN.contains(&event.kind.as_str()), "unknown to strict readers: {event:?}");
        let time = event.text("timestamp");
        assert!(time.len() == 24 && time.ends_with('Z') && &time[19..20] == ".", "{time}");
    }

    for missed in [1, all.len() / 2, all.len() - 1] {
        let again = Subscriber::with(&cluster.api, "", Some(all[missed].id)).await;
        let rest = &all[missed + 1..];
        until_true("what was missed", async || again.heard().len() > rest.len()).await;
        assert_eq!(&again.heard()[..rest.len()], rest);
    }

    let wanted = "?event_type=deployment_success&event_type=deployment_info&plan-format=light";
    let filtered = Subscriber::with(&cluster.api, wanted, Some(all[0].id)).await;
    let is_wanted = |event: &&Event| ["deployment_success", "deployment_info"].contains(&event.kind.as_str());
    let expected: Vec<Event> = all[1..].iter().filter(is_wanted).cloned().collect();
    until_true("the filtered events", async || filtered.heard().len() >= expected.len()).await;
    assert_eq!(filtered.heard(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn positions_go_on_after_a_crash_and_a_reader_can_resume_across_it() {
    let mut cluster = Cluster::start().await;
    let subscriber = Subscriber::attach(&cluster.api).await;
    some_history(&cluster).await;
    until_true("all three deployments are told", async || {
        subscriber.heard().iter().filter(|event| event.kind == "deployment_success").count() == 3
    })
    .await;
    let all = subscriber.heard();
    cluster.kill_up();
    cluster.start_up().await;
    let again = Subscriber::with(&cluster.api, "", Some(all[0].id)).await;
    until_true("what was told before the crash", async || again.heard().len() >= all.len()).await;
    let heard = again.heard();
    assert_eq!(&heard[..all.len() - 1], &all[1..]);
    assert!(heard.windows(2).all(|pair| pair[1].id == pair[0].id + 1), "positions have gaps: {heard:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_events_come_over_a_web_socket() {
    let cluster = Cluster::start().await;
    let subscriber = Subscriber::attach(&cluster.api).await;
    some_history(&cluster).await;
    until_true("all three deployments are told", async || {
        subscriber.heard().iter().filter(|event| event.kind == "deployment_success").count() == 3
    })
    .await;
    let all = subscriber.heard();
    let url = format!("ws://{}/v2/events?lastEventId={}", cluster.http, all[0].id);
    let (mut socket, _) = connect_async(url).await.unwrap();
    for expected in &all[1..] {
        let text = next_text(&mut socket).await;
        assert_eq!(
            text.matches("\"id\":").count(),
            expected.data.to_string().matches("\"id\":").count(),
            "a key twice: {text}"
        );
        let mut message: Value = serde_json::from_str(&text).unwrap();
        let position = message.as_object_mut().unwrap().remove("seq");
        assert_eq!((position, message), (Some(json!(expected.id)), expected.data.clone()));
    }
    let (mut live, _) =
        connect_async(format!("ws://{}/v2/events?event_type=api_post_event", cluster.http)).await.unwrap();
    cluster.api.post("/v2/apps", &sleeper("/live", 1)).await.expect(201);
    let message: Value = serde_json::from_str(&next_text(&mut live).await).unwrap();
    assert_eq!((&message["eventType"], &message["appDefinition"]["id"]), (&json!("api_post_event"), &json!("/live")));
}

async fn next_text(
    socket: &mut (impl futures::Stream<Item = Result<Message, tokio_tungstenite::tungstenite::Error>> + Unpin),
) -> String {
    let next = async {
        loop {
            if let Message::Text(text) = socket.next().await.expect("the socket stays open").unwrap() {
                return text.to_string();
            }
        }
    };
    timeout(PATIENCE, next).await.expect("a message in time")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_is_framed_as_line_readers_expect() {
    let cluster = Cluster::start().await;
    let request = format!(
        "GET /v2/events?plan-format=light HTTP/1.1\r\nHost: {}\r\nAccept: text/event-stream\r\nAccept-Encoding: gzip\r\nContent-Type: application/json\r\n\r\n",
        cluster.http
    );
    let posted = tokio::spawn({
        let api = cluster.api.clone();
        async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            api.post("/v2/apps", &with(sleeper("/framed", 1), json!({"labels": {"text": "two\nlines \u{fc}"}})))
                .await
                .expect(201);
        }
    });
    let answer = wire::exchange(cluster.http, request.as_bytes(), |answer| {
        String::from_utf8_lossy(answer).contains("event: api_post_event") && answer.ends_with(b"\r\n\r\n\r\n")
    })
    .await;
    posted.await.unwrap();
    let text = String::from_utf8(answer).unwrap();
    let (head, mut body) = text.split_once("\r\n\r\n").unwrap();
    let head = head.to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(head.contains("content-type: text/event-stream"), "{head}");
    assert!(head.contains("transfer-encoding: chunked"), "{head}");
    assert!(!head.contains("content-encoding: gzip"), "{head}");
    let mut chunks = Vec::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        chunks.push(&rest[..size]);
        body = rest[size..].strip_prefix("\r\n").unwrap();
        if body.is_empty() {
            break;
        }
    }
    assert!(chunks[0].contains("event: event_stream_attached\r\n"), "{:?}", chunks[0]);
    for chunk in chunks.iter().filter(|chunk| **chunk != "\r\n") {
        assert_eq!(chunk.matches("\r\n\r\n").count(), 1, "one event per chunk: {chunk:?}");
        assert!(chunk.ends_with("\r\n\r\n"), "{chunk:?}");
        let lines: Vec<&str> = chunk.trim_end_matches("\r\n").split("\r\n").collect();
        assert_eq!(
            lines.iter().filter(|line| line.starts_with("data: {") && line.ends_with('}')).count(),
            1,
            "{chunk:?}"
        );
        assert_eq!(lines.iter().filter(|line| line.starts_with("event: ")).count(), 1, "{chunk:?}");
        assert!(
            lines.iter().all(|line| ["id: ", "event: ", "data: "].iter().any(|name| line.starts_with(name))),
            "{chunk:?}"
        );
        assert!(!chunk.replace("\r\n", "").contains(['\r', '\n']), "{chunk:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_wants_to_be_asked_for_and_refuses_nonsense_positions() {
    let cluster = Cluster::start().await;
    cluster.api.get("/v2/events").await.expect(405);
    let request = |headers: &str| format!("GET /v2/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
    let (status, ..) =
        wire::closing(cluster.http, &request("Accept: text/event-stream\r\nLast-Event-ID: many\r\n")).await;
    assert_eq!(status, 422);
    let (status, ..) = wire::closing(cluster.http, &request("Accept: application/json\r\n")).await;
    assert_eq!(status, 405);
}
