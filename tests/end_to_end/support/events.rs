//! Subscribers of `/v2/events`.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use futures::StreamExt;
use reqwest::Method;
use serde_json::Value;
use tokio::task::JoinHandle;

use super::{api::Api, wait::until};

/// One event as it came.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub id: u64,
    pub kind: String,
    pub data: Value,
}

impl Event {
    pub fn text(&self, member: &str) -> &str {
        self.data[member].as_str().unwrap_or_else(|| panic!("{member} of {self:?}"))
    }
}

/// A subscriber that keeps everything it hears.
pub struct Subscriber {
    heard: Arc<Mutex<Vec<Event>>>,
    reader: JoinHandle<()>,
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Subscriber {
    /// Listens to everything from now on; returns when the stream has begun.
    pub async fn attach(api: &Api) -> Self {
        let subscriber = Self::with(api, "", None).await;
        subscriber.first("event_stream_attached").await;
        subscriber
    }

    /// Listens with a query (`?event_type=…`), and from a position if there is one.
    pub async fn with(api: &Api, query: &str, after: Option<u64>) -> Self {
        // Streams have no end: no limit of time.
        let mut request = api.request(Method::GET, &format!("/v2/events{query}"));
        request = request.header("Accept", "text/event-stream").timeout(std::time::Duration::from_secs(3600));
        if let Some(after) = after {
            request = request.header("Last-Event-ID", after.to_string());
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200);
        let heard = Arc::new(Mutex::new(Vec::new()));
        let reader = tokio::spawn(read(answer, heard.clone()));
        Self { heard, reader }
    }

    pub fn heard(&self) -> Vec<Event> {
        self.heard.lock().unwrap().clone()
    }

    /// Waits for the first event that `wanted` accepts.
    pub async fn find(&self, what: &str, wanted: impl Fn(&Event) -> bool) -> Event {
        until(what, async || self.heard.lock().unwrap().iter().find(|event| wanted(event)).cloned()).await
    }

    pub async fn first(&self, kind: &str) -> Event {
        self.find(kind, |event| event.kind == kind).await
    }

    pub async fn deployed(&self, deployment: &str) -> Event {
        let what = format!("deployment_success of {deployment}");
        self.find(&what, |event| event.kind == "deployment_success" && event.data["id"] == deployment).await
    }
}

async fn read(answer: reqwest::Response, heard: Arc<Mutex<Vec<Event>>>) {
    let mut stream = answer.bytes_stream();
    let (mut buffer, mut fields) = (Vec::new(), BTreeMap::new());
    while let Some(Ok(bytes)) = stream.next().await {
        buffer.extend_from_slice(&bytes);
        while let Some(end) = buffer.windows(2).position(|pair| pair == b"\r\n") {
            let line: Vec<u8> = buffer.drain(..end + 2).collect();
            let line = std::str::from_utf8(&line[..end]).unwrap();
            if let Some((name, value)) = line.split_once(": ") {
                fields.insert(name.to_owned(), value.to_owned());
            } else if let Some(event) = event_of(&std::mem::take(&mut fields)) {
                heard.lock().unwrap().push(event);
            }
        }
    }
}

/// The event that the lines up to an empty one made; none for an empty line that only keeps the connection.
fn event_of(fields: &BTreeMap<String, String>) -> Option<Event> {
    let data: Value = serde_json::from_str(fields.get("data")?).unwrap();
    let kind = fields["event"].clone();
    assert_eq!(data["eventType"], kind.as_str());
    Some(Event { id: fields.get("id").map_or(0, |id| id.parse().unwrap()), kind, data })
}
