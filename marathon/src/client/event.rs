//! `marathon event`, and streams of events for others.

use std::{collections::VecDeque, time::Duration};

use clap::Args;
use reqwest::{Response, Url};

use super::{
    ClientError,
    http::{Client, print, unreachable},
    sse::{EndlessLine, MAX_LINE, Parser, SseEvent},
};

/// Pause before a broken stream is opened again.
const RETRY: Duration = Duration::from_secs(1);
/// What a subscriber hears of itself.
const ATTACHED: &str = "event_stream_attached";

/// Which events.
#[derive(Debug, Args)]
pub struct EventFlags {
    /// Only events of this type; may be repeated
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// Go on with what happens from now on, over broken connections, too
    #[arg(long, short)]
    follow: bool,
    /// Begin after the event with this id; without it with the oldest that is kept, or with `--follow` with the next
    #[arg(long, value_name = "ID")]
    after: Option<u64>,
}

/// Prints events, one per line.
pub async fn run(client: &Client, flags: EventFlags) -> Result<(), ClientError> {
    let mut types: Vec<&str> = flags.types.iter().map(String::as_str).collect();
    let is_wanted = |event: &SseEvent| flags.types.is_empty() || flags.types.contains(&event.kind);
    if flags.follow {
        let mut stream = Stream::open(client, &types, flags.after).await?;
        loop {
            let event = stream.next_over_breaks(client, &types).await?;
            print(&rendered(client, &event));
        }
    }
    // Whoever attaches hears of itself: that is the end of what was there before.
    let end = Stream::open(client, &[ATTACHED], None).await?.next().await?.and_then(|event| event.id);
    if !types.is_empty() {
        types.push(ATTACHED);
    }
    let mut stream = Stream::open(client, &types, Some(flags.after.unwrap_or(0))).await?;
    while let Some(event) = stream.next().await? {
        if event.id >= end {
            return Ok(());
        }
        if is_wanted(&event) {
            print(&rendered(client, &event));
        }
    }
    Ok(())
}

fn rendered(client: &Client, event: &SseEvent) -> String {
    match (client.json, event.id) {
        (true, _) | (false, None) => event.data.clone(),
        (false, Some(id)) => format!("{id} {} {}", event.kind, event.data),
    }
}

/// An open stream of events.
pub struct Stream {
    url: Url,
    response: Response,
    parser: Parser,
    waiting: VecDeque<SseEvent>,
    /// Position of the last event, to resume from.
    last: Option<u64>,
}

impl Stream {
    /// Opens a stream of events of these types (none: all) after a position, or at its present end.
    pub async fn open(client: &Client, types: &[&str], after: Option<u64>) -> Result<Self, ClientError> {
        let (url, response) = client.stream(types, after).await?;
        Ok(Self { url, response, parser: Parser::default(), waiting: VecDeque::new(), last: after })
    }

    /// The next event; `None`: the server ended the stream.
    pub async fn next(&mut self) -> Result<Option<SseEvent>, ClientError> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                self.last = event.id.or(self.last);
                return Ok(Some(event));
            }
            let piece = self.response.chunk().await.map_err(|source| unreachable(&self.url, source))?;
            let Some(piece) = piece else { return Ok(None) };
            let endless = |EndlessLine| ClientError::EndlessLine { url: self.url.to_string(), limit: MAX_LINE };
            self.waiting.extend(self.parser.push(&piece).map_err(endless)?);
        }
    }

    /// The next event. A stream that breaks is opened again where it broke; only a refusal is an error.
    async fn next_over_breaks(&mut self, client: &Client, types: &[&str]) -> Result<SseEvent, ClientError> {
        loop {
            match self.next().await {
                Ok(Some(event)) => return Ok(event),
                Ok(None) | Err(ClientError::Unreachable { .. }) => self.reopen(client, types).await?,
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether the stream can be resumed without missing anything.
    pub fn has_position(&self) -> bool {
        self.last.is_some()
    }

    /// Opens the stream again after the last event, as soon as the server answers.
    pub async fn reopen(&mut self, client: &Client, types: &[&str]) -> Result<(), ClientError> {
        loop {
            tokio::time::sleep(RETRY).await;
            match Self::open(client, types, self.last).await {
                Ok(stream) => {
                    *self = stream;
                    return Ok(());
                }
                // Not there yet, or there but not leading yet.
                Err(ClientError::Unreachable { .. }) => {}
                Err(ClientError::Refused { status, .. }) if status >= 500 => {}
                Err(error) => return Err(error),
            }
        }
    }
}
