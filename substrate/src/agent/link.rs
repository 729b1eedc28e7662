//! The agent's end of its connection to the master: dials, again and again, and passes messages in both directions.

use std::{sync::Arc, time::Duration};

use futures::{SinkExt, StreamExt};
use reqwest::Url;
use substrate_core::protocol::agent::{FromAgent, Numbered, ToAgent};
use tokio::{
    net::TcpStream,
    sync::mpsc,
    time::{Instant, sleep, timeout},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{Message, protocol::WebSocketConfig},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::service::Inbox;

/// Messages that wait to be sent; when there are more the connection is given up, for registering again tells everything.
const OUTBOUND: usize = 16 * 1024;
/// Largest message from a master.
const MAX_MESSAGE_BYTES: usize = 64 << 20;
/// For the connection and its upgrade.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// First and longest pause between attempts.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));
/// A connection that lasted this long was a good one: the next pause is the first again.
const GOOD: Duration = Duration::from_secs(10);

/// Tells one connection from the next.
pub(super) type Generation = u64;

/// What a link tells the loop.
#[derive(Debug)]
pub(super) enum LinkEvent {
    Up(Generation, Outbound),
    /// Boxed: much larger than the other variants.
    Message(Generation, Box<Numbered<ToAgent>>),
    Down(Generation),
}

/// The loop's hold on a connection. The connection ends with it.
#[derive(Debug)]
pub(super) struct Outbound {
    messages: mpsc::Sender<Numbered<FromAgent>>,
    _end: tokio_util::sync::DropGuard,
}

impl Outbound {
    /// `false` if the message cannot be taken: too many wait, or the connection is gone.
    pub(super) fn send(&self, message: Numbered<FromAgent>) -> bool {
        self.messages.try_send(message).is_ok()
    }
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Where to dial, by turns.
#[derive(Clone, Debug)]
pub(super) struct Masters(Arc<[Url]>);

/// An address of a master is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{url}' is not the address of a master: {cause}")]
pub struct InvalidMaster {
    /// As it was given.
    pub url: String,
    /// What is wrong with it.
    pub cause: &'static str,
}

impl Masters {
    /// `http://host:port` or `https://host:port` each, at least one.
    pub(super) fn new(urls: &[Url]) -> Result<Self, InvalidMaster> {
        let refuse = |url: &str, cause| InvalidMaster { url: url.to_owned(), cause };
        if urls.is_empty() {
            return Err(refuse("", "none is given"));
        }
        let endpoints = urls.iter().map(|url| {
            let scheme = match url.scheme() {
                "http" | "ws" => "ws",
                "https" | "wss" => "wss",
                _ => return Err(refuse(url.as_str(), "it must begin with http:// or https://")),
            };
            let authority = match (url.host_str(), url.port_or_known_default()) {
                (Some(host), Some(port)) => format!("{host}:{port}"),
                _ => return Err(refuse(url.as_str(), "it has no host")),
            };
            let text = format!("{scheme}://{authority}/api/v1/agent");
            Url::parse(&text).map_err(|_| refuse(url.as_str(), "it is not a URL"))
        });
        Ok(Self(endpoints.collect::<Result<_, _>>()?))
    }

    fn turn(&self, attempt: usize) -> &Url {
        &self.0[attempt % self.0.len()]
    }
}

/// Keeps a connection until `stop`. Everything that happens to it is told to the loop, in order.
pub(super) async fn keep(masters: Masters, inbox: mpsc::Sender<Inbox>, stop: CancellationToken) {
    let _ = rustls::crypto::ring::default_provider().install_default(); // somebody was first: as good
    let mut pause = BACKOFF.0;
    for attempt in 0.. {
        let (generation, began) = (attempt as Generation, Instant::now());
        tokio::select! {
            () = stop.cancelled() => return,
            () = once(masters.turn(attempt), generation, &inbox) => {}
        }
        if began.elapsed() > GOOD {
            pause = BACKOFF.0;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(jittered(pause)) => {}
        }
        pause = (pause * 2).min(BACKOFF.1);
    }
}

/// Between half of `pause` and all of it, so that agents that lost one master together do not come back together.
fn jittered(pause: Duration) -> Duration {
    let random = uuid::Uuid::new_v4().as_u128() % 1000;
    pause.mul_f64(0.5 + random as f64 / 2000.0)
}

/// One connection from its beginning to its end.
async fn once(url: &Url, generation: Generation, inbox: &mpsc::Sender<Inbox>) {
    let socket = match connect(url).await {
        Ok(socket) => socket,
        Err(cause) => {
            warn!(master.url = %url, error = %cause, "cannot connect to the master");
            return;
        }
    };
    info!(master.url = %url, "connected to the master");
    let (messages, outbound) = mpsc::channel(OUTBOUND);
    let end = CancellationToken::new();
    let hold = Outbound { messages, _end: end.clone().drop_guard() };
    if inbox.send(Inbox::Link(LinkEvent::Up(generation, hold))).await.is_err() {
        return;
    }
    let cause = tokio::select! {
        () = end.cancelled() => "given up by this agent".to_owned(),
        cause = pass(socket, outbound, generation, inbox) => cause,
    };
    warn!(master.url = %url, cause, "disconnected from the master");
    let _ = inbox.send(Inbox::Link(LinkEvent::Down(generation))).await; // the loop has ended: nobody to tell
}

async fn connect(url: &Url) -> Result<Socket, String> {
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES))
        .read_buffer_size(8 * 1024)
        .write_buffer_size(8 * 1024);
    match timeout(CONNECT_LIMIT, connect_async_with_config(url.as_str(), Some(config), true)).await {
        Ok(Ok((socket, _))) => Ok(socket),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", CONNECT_LIMIT.as_secs())),
    }
}

/// Passes messages in both directions until one of them fails; says why.
async fn pass(
    socket: Socket,
    mut outbound: mpsc::Receiver<Numbered<FromAgent>>,
    generation: Generation,
    inbox: &mpsc::Sender<Inbox>,
) -> String {
    let (mut sink, mut stream) = socket.split();
    let write = async {
        while let Some(message) = outbound.recv().await {
            sink.feed(encode(&message)?).await.map_err(|error| error.to_string())?;
            while let Ok(message) = outbound.try_recv() {
                sink.feed(encode(&message)?).await.map_err(|error| error.to_string())?;
            }
            sink.flush().await.map_err(|error| error.to_string())?;
        }
        Err::<(), String>("given up by this agent".to_owned())
    };
    let read = async {
        while let Some(frame) = stream.next().await {
            let Some(message) = decode(frame.map_err(|error| error.to_string())?)? else { continue };
            let event = LinkEvent::Message(generation, Box::new(message));
            inbox.send(Inbox::Link(event)).await.map_err(|_| "the agent has stopped".to_owned())?;
        }
        Err::<(), String>("closed by the master".to_owned())
    };
    let ended = tokio::select! {
        ended = write => ended,
        ended = read => ended,
    };
    ended.err().unwrap_or_default()
}

fn encode(message: &Numbered<FromAgent>) -> Result<Message, String> {
    serde_json::to_string(message).map(Message::text).map_err(|error| error.to_string())
}

/// `None` for frames without meaning here. Pings are answered by the library.
fn decode(frame: Message) -> Result<Option<Numbered<ToAgent>>, String> {
    match frame {
        Message::Text(text) => match serde_json::from_str(&text) {
            Ok(message) => Ok(Some(message)),
            Err(error) => Err(format!("the master sent something else than a message: {error}")),
        },
        Message::Binary(_) => Err("the master sent a binary frame".to_owned()),
        Message::Close(Some(frame)) => Err(format!("closed by the master: {}", frame.reason)),
        Message::Close(None) => Err("closed by the master".to_owned()),
        Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masters_are_dialled_by_turns_at_their_agent_endpoint() {
        let urls: Vec<Url> = ["http://m1:5050", "https://m2/"].iter().map(|url| url.parse().unwrap()).collect();
        let masters = Masters::new(&urls).unwrap();
        let turns: Vec<&str> = (0..3).map(|attempt| masters.turn(attempt).as_str()).collect();
        assert_eq!(turns[0], "ws://m1:5050/api/v1/agent");
        assert_eq!(turns[1], "wss://m2/api/v1/agent");
        assert_eq!(turns[2], turns[0]);
    }

    #[test]
    fn addresses_of_no_use_are_refused() {
        assert!(Masters::new(&[]).is_err());
        for url in ["zk://m1:2181/mesos", "file:///x"] {
            let error = Masters::new(&[url.parse().unwrap()]).unwrap_err();
            assert_eq!(error.url, url);
        }
    }

    #[test]
    fn pauses_are_spread_between_half_and_all() {
        for _ in 0..1000 {
            let pause = jittered(Duration::from_secs(1));
            assert!(pause >= Duration::from_millis(500) && pause <= Duration::from_secs(1), "{pause:?}");
        }
    }
}
