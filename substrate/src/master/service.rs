//! The loop that owns the master's core.

use std::collections::BTreeMap;

use actix_web::web::Bytes;
use marathon_time::Timestamp;
use substrate_core::{
    master::{Effect, Input, LinkId, Master, Output, StreamId},
    protocol::{
        agent::{FromAgent, Numbered, ToAgent},
        scheduler::{Call, Event},
    },
};
use tokio::sync::{
    mpsc::{self, error::TrySendError},
    oneshot,
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{Reading, metrics, state};
use crate::{clock, inbox::next_batch};

/// Inputs that wait; whoever has one more waits too.
pub(super) const INBOX: usize = 16 * 1024;

/// Where the text of an answer goes. One text may answer many who asked at the same time.
pub(super) type Answer = oneshot::Sender<Bytes>;

/// What reaches the loop.
#[derive(Debug)]
pub(super) enum Inbox {
    Call {
        stream: StreamId,
        call: Box<Call>,
        /// Where the stream's events go; with the call that opens it.
        events: Option<mpsc::Sender<Event>>,
    },
    StreamClosed(StreamId),
    LinkOpened(LinkId, mpsc::Sender<Numbered<ToAgent>>),
    Agent(LinkId, Box<Numbered<FromAgent>>),
    LinkClosed(LinkId),
    Read(Reading, Answer),
}

pub(super) struct Service {
    pub(super) master: Master,
    pub(super) cluster: Option<String>,
    pub(super) inbox: mpsc::Receiver<Inbox>,
    pub(super) streams: BTreeMap<StreamId, mpsc::Sender<Event>>,
    pub(super) links: BTreeMap<LinkId, mpsc::Sender<Numbered<ToAgent>>>,
    /// What performing effects led to; the core is told in the next turn.
    pub(super) lost: Vec<Input>,
}

impl Service {
    /// Until `stop`. Nothing of a master is durable, so performing follows at once on deciding.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let (mut batch, mut out) = (Vec::new(), Output::default());
        loop {
            let now = clock::now();
            let mut questions = Vec::new();
            for input in std::mem::take(&mut self.lost) {
                self.master.step(now, input, &mut out);
            }
            for item in batch.drain(..) {
                self.take(now, item, &mut out, &mut questions);
            }
            if self.master.next_wakeup().is_some_and(|wakeup| wakeup <= now) {
                self.master.step(now, Input::Wakeup, &mut out);
            }
            for effect in out.effects.drain(..) {
                self.perform(effect);
            }
            self.answer(questions);
            if !self.lost.is_empty() {
                continue;
            }
            let wakeup = self.master.next_wakeup();
            tokio::select! {
                () = stop.cancelled() => return,
                is_open = next_batch(&mut self.inbox, wakeup, &mut batch) => if !is_open { return },
            }
        }
    }

    fn take(&mut self, now: Timestamp, item: Inbox, out: &mut Output, questions: &mut Vec<(Reading, Answer)>) {
        let input = match item {
            Inbox::Call { stream, call, events } => {
                if let Some(events) = events {
                    self.streams.insert(stream, events);
                }
                Input::Call { stream, call }
            }
            Inbox::StreamClosed(stream) => {
                self.streams.remove(&stream);
                Input::StreamClosed(stream)
            }
            Inbox::LinkOpened(link, messages) => {
                self.links.insert(link, messages);
                return;
            }
            Inbox::Agent(link, _) if !self.links.contains_key(&link) => return, // it was given up
            Inbox::Agent(link, message) => Input::Agent { link, message },
            Inbox::LinkClosed(link) => {
                self.links.remove(&link);
                Input::LinkClosed(link)
            }
            Inbox::Read(reading, answer) => return questions.push((reading, answer)),
        };
        self.master.step(now, input, out);
    }

    /// What was asked for more than once is rendered once.
    fn answer(&self, questions: Vec<(Reading, Answer)>) {
        let mut rendered: BTreeMap<Reading, Bytes> = BTreeMap::new();
        for (reading, answer) in questions {
            let text = rendered.entry(reading).or_insert_with(|| self.render(reading));
            let _ = answer.send(text.clone()); // whoever asked has gone
        }
    }

    fn render(&self, reading: Reading) -> Bytes {
        let view = self.master.state();
        let value = match reading {
            Reading::State => state::state(&view, self.cluster.as_deref()),
            Reading::Summary => state::summary(&view, self.cluster.as_deref()),
            Reading::Slaves => state::slaves(&view),
            Reading::Frameworks => state::frameworks(&view),
            Reading::Tasks => state::tasks(&view),
            Reading::Metrics => metrics::metrics(&view, clock::now()),
        };
        Bytes::from(value.to_string())
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Tell(stream, event) => self.tell(stream, *event),
            Effect::CloseStream(stream) => drop(self.streams.remove(&stream)),
            Effect::Send(link, message) => self.send(link, message),
            Effect::CloseLink(link) => drop(self.links.remove(&link)),
            Effect::Subscribed(stream, framework) => {
                info!(stream.id = %stream, framework.id = %framework, "framework subscribed");
            }
        }
    }

    fn tell(&mut self, stream: StreamId, event: Event) {
        let Some(events) = self.streams.get(&stream) else { return };
        match events.try_send(event) {
            Ok(()) => return,
            Err(TrySendError::Full(_)) => {
                warn!(stream.id = %stream, "too many events wait for a framework; its stream is closed");
            }
            Err(TrySendError::Closed(_)) => info!(stream.id = %stream, "a framework has gone"),
        }
        self.streams.remove(&stream);
        self.lost.push(Input::StreamClosed(stream));
    }

    fn send(&mut self, link: LinkId, message: Numbered<ToAgent>) {
        let Some(messages) = self.links.get(&link) else { return };
        match messages.try_send(message) {
            Ok(()) => return,
            Err(TrySendError::Full(_)) => {
                warn!(link.id = %link, "too many messages wait for an agent; its connection is closed");
            }
            Err(TrySendError::Closed(_)) => {}
        }
        self.links.remove(&link);
        self.lost.push(Input::LinkClosed(link));
    }
}
