//! Makes batches durable, one after the other, and only then lets them out.

use std::sync::Arc;

use marathon_core::{
    scheduler::{Accepted, Change, Effect, Probe, ProbeTarget},
    state::State,
};
use tokio::sync::{mpsc, oneshot};

use super::{AskError, EventLog, View, handle::Message};
use crate::{
    driver::Driver,
    store::{EventRow, Store, StoreError, Term},
    wire,
};

/// What one round of steps led to.
pub(super) struct Batch {
    pub changes: Vec<Change>,
    pub effects: Vec<Effect>,
    pub replies: Vec<Reply>,
    /// The state after the steps.
    pub state: State,
}

/// An answer and the way back.
pub(super) struct Reply {
    pub to: oneshot::Sender<Result<Accepted, AskError>>,
    pub answer: Result<Accepted, AskError>,
}

/// Why a term cannot go on.
pub(super) struct Failure {
    pub error: StoreError,
    /// What the commit that failed would have answered.
    pub unsettled: Option<Box<Unsettled>>,
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self { error, unsettled: None }
    }
}

/// Answers that wait for the truth: a commit whose own answer was lost may have happened all the same.
pub(super) struct Unsettled {
    /// An event of that commit; `None`: it had none that could be looked for.
    event: Option<EventRow>,
    replies: Vec<Reply>,
}

impl Unsettled {
    /// Looks whether the commit happened, and answers accordingly. An event at the same position that somebody else wrote
    /// differs at least in its time.
    pub(super) async fn settle(self, store: &dyn Store) -> Result<(), StoreError> {
        let happened = match &self.event {
            Some(event) => Some(store.events_after(event.seq - 1, 1).await?.first() == Some(event)),
            None => None,
        };
        for reply in self.replies {
            let answer = match happened {
                Some(true) => reply.answer,
                Some(false) => Err(AskError::NotStored),
                None => Err(AskError::Unconfirmed),
            };
            let _ = reply.to.send(answer);
        }
        Ok(())
    }
}

/// The committer's surroundings.
pub(super) struct Committer {
    pub term: Term,
    /// Stamped on answers of probes.
    pub generation: u64,
    pub store: Arc<dyn Store>,
    pub driver: Arc<dyn Driver>,
    pub prober: Arc<health::Prober>,
    pub view: Arc<View>,
    pub events: Arc<EventLog>,
    pub inbox: mpsc::Sender<Message>,
}

/// How a committer ended.
pub(super) enum Done {
    /// No more batches.
    Drained,
    /// The core asked for the end.
    Halted(String),
}

impl Committer {
    /// Commits batches until there are no more, or one fails.
    pub(super) async fn run(self, mut batches: mpsc::Receiver<Batch>) -> Result<Done, Failure> {
        while let Some(batch) = batches.recv().await {
            if let Some(message) = self.commit(batch).await? {
                return Ok(Done::Halted(message));
            }
        }
        Ok(Done::Drained)
    }

    async fn commit(&self, batch: Batch) -> Result<Option<String>, Failure> {
        let events: Vec<_> = batch.changes.iter().filter_map(rendered).collect();
        if !batch.changes.is_empty()
            && let Err(error) = self.store.commit(self.term, &batch.changes, &events).await
        {
            let unsettled = Unsettled { event: events.last().cloned(), replies: batch.replies };
            return Err(Failure { error, unsettled: Some(Box::new(unsettled)) });
        }
        self.view.publish(batch.state);
        self.events.append(events);
        let mut halted = None;
        for effect in batch.effects {
            match effect {
                Effect::Call(call) => self.driver.call(*call),
                Effect::Probe { probe, target, timeout } => self.probe(probe, target, timeout),
                Effect::Halt { message } => halted = Some(message),
                Effect::Reply(..) => {} // taken out by the loop, which knows the way back
            }
        }
        for reply in batch.replies {
            // Whoever asked may have left.
            let _ = reply.to.send(reply.answer);
        }
        Ok(halted)
    }

    fn probe(&self, probe: Probe, target: ProbeTarget, timeout: std::time::Duration) {
        let (prober, inbox, generation) = (self.prober.clone(), self.inbox.clone(), self.generation);
        let target = match target {
            ProbeTarget::Http { url, ignore_http_1xx } => {
                health::Target::Http { url, timeout, ignore_1xx: ignore_http_1xx }
            }
            ProbeTarget::Tcp { host, port } => health::Target::Tcp { host, port, timeout },
        };
        tokio::spawn(async move {
            let outcome = prober.run(target).await;
            let answer = marathon_core::scheduler::Input::Probed { probe, outcome };
            // The service is gone: nobody wants to know.
            let _ = inbox.send(Message::Input(generation, answer)).await;
        });
    }
}

fn rendered(change: &Change) -> Option<EventRow> {
    if let Change::Event(record) = change { Some(wire::event::row(record)) } else { None }
}
