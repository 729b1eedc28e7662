//! A framework in the master's own process: calls and events pass through channels instead of HTTP.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use substrate_core::{
    master::StreamId,
    protocol::scheduler::{Call, Event},
};
use tokio::sync::mpsc;

use super::service::Inbox;

/// Events that wait for one framework. A framework that lets more wait loses its stream, and subscribes again.
pub(super) const EVENTS: usize = 64 * 1024;

/// Opens streams for frameworks in this process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Connector {
    pub(super) inbox: mpsc::Sender<Inbox>,
    /// Shared by everything that opens streams of this master.
    pub(super) next_stream: Arc<AtomicU64>,
}

/// The master does not run any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the master has stopped")]
pub struct MasterStopped;

/// A framework's stream of events and its way to make calls, like one HTTP subscription with its stream id.
///
/// The first call must be [`Call::Subscribe`]; the stream ends with [`Event::Error`], when it is replaced, when too many events
/// wait, or when the master stops. It is then of no more use: open another.
#[derive(Debug)]
pub struct InProcess {
    calls: Calls,
    events: Events,
}

/// The calling side of an [`InProcess`]. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Calls {
    stream: StreamId,
    inbox: mpsc::Sender<Inbox>,
    /// Handed over with the first subscription.
    events: Arc<Mutex<Option<mpsc::Sender<Event>>>>,
}

/// The hearing side of an [`InProcess`]. Dropping it ends the stream.
#[derive(Debug)]
pub struct Events {
    stream: StreamId,
    inbox: mpsc::Sender<Inbox>,
    events: mpsc::Receiver<Event>,
}

impl Connector {
    /// A new stream, not subscribed yet.
    pub fn open(&self) -> InProcess {
        let stream = StreamId(self.next_stream.fetch_add(1, Ordering::Relaxed));
        let (sender, events) = mpsc::channel(EVENTS);
        InProcess {
            calls: Calls { stream, inbox: self.inbox.clone(), events: Arc::new(Mutex::new(Some(sender))) },
            events: Events { stream, inbox: self.inbox.clone(), events },
        }
    }
}

impl InProcess {
    /// See [`Calls::call`].
    ///
    /// # Errors
    /// The master has stopped.
    pub async fn call(&self, call: Call) -> Result<(), MasterStopped> {
        self.calls.call(call).await
    }

    /// See [`Events::recv`].
    pub async fn recv(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    /// Both sides apart, for tasks of their own.
    pub fn split(self) -> (Calls, Events) {
        (self.calls, self.events)
    }
}

impl Calls {
    /// Hands a call to the master, in the order of the calls; waits while the master has much to do. What comes of it is told by
    /// events.
    ///
    /// # Errors
    /// The master has stopped.
    pub async fn call(&self, call: Call) -> Result<(), MasterStopped> {
        let events = match call {
            Call::Subscribe { .. } => self.events.lock().unwrap_or_else(PoisonError::into_inner).take(),
            Call::Teardown
            | Call::Accept { .. }
            | Call::Decline { .. }
            | Call::Revive { .. }
            | Call::Suppress { .. }
            | Call::Kill { .. }
            | Call::Acknowledge { .. }
            | Call::Reconcile { .. } => None,
        };
        let item = Inbox::Call { stream: self.stream, call: Box::new(call), events };
        self.inbox.send(item).await.map_err(|_| MasterStopped)
    }
}

impl Events {
    /// The next event; `None`: the stream is over.
    pub async fn recv(&mut self) -> Option<Event> {
        self.events.recv().await
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        // Should the inbox be full, the master notices at the next heartbeat at the latest.
        let _ = self.inbox.try_send(Inbox::StreamClosed(self.stream));
    }
}
