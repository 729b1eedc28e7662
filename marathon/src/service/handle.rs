//! What the API holds of the service: a way to ask, and a way to look.

use std::{sync::Arc, time::Duration};

use marathon_core::scheduler::{Accepted, Command, Input, Rejection};
use tokio::sync::{mpsc, oneshot};

use super::{EventLog, View, view::Published};

/// How long a command may wait for room in the inbox, and for its answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// What waits in the inbox.
pub(super) enum Message {
    /// A user's command, with the way back.
    Command(Box<Command>, oneshot::Sender<Result<Accepted, AskError>>),
    /// Anything else, from the term that is named: what a former term asked for is nothing to the present one.
    Input(u64, Input),
}

/// A way to ask the scheduler for something, and to look at what it knows.
pub struct Handle {
    inbox: mpsc::Sender<Message>,
    view: Arc<View>,
    events: Arc<EventLog>,
    leader: String,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// The scheduler refused, and nothing was changed.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// This scheduler does not lead (yet); nothing was changed.
    #[error("Could not determine the current leader")]
    NotLeading,
    /// Too much is waiting; nothing was changed.
    #[error("The scheduler is overloaded: too many requests are waiting")]
    Overloaded,
    /// The store failed under it, and it was found out that nothing was changed.
    #[error("The change could not be stored; nothing was changed")]
    NotStored,
    /// The store failed under it, and whether the change happened could not be found out in time.
    #[error("The change could not be confirmed: the store did not answer. Look before you try again")]
    Unconfirmed,
}

impl Handle {
    pub(super) fn new(inbox: mpsc::Sender<Message>, view: Arc<View>, events: Arc<EventLog>, leader: String) -> Self {
        Self { inbox, view, events, leader }
    }

    /// A handle of no service: nobody leads, nothing is known.
    #[cfg(test)]
    pub fn of_nobody() -> Self {
        let (inbox, _) = mpsc::channel(1);
        let store = Arc::new(crate::store::Memory::new());
        Self::new(inbox, Arc::new(View::new()), Arc::new(EventLog::new(store)), "127.0.0.1:8080".into())
    }

    /// Asks, and waits until the answer is durable and visible in [`Handle::view`].
    pub async fn ask(&self, command: Command) -> Result<Accepted, AskError> {
        if !self.view.load().leading {
            return Err(AskError::NotLeading);
        }
        let (reply, answer) = oneshot::channel();
        let message = Message::Command(Box::new(command), reply);
        let sent = tokio::time::timeout(PATIENCE, self.inbox.send(message)).await;
        sent.map_err(|_| AskError::Overloaded)?.map_err(|_| AskError::NotLeading)?;
        let answer = tokio::time::timeout(PATIENCE, answer).await;
        answer.map_err(|_| AskError::Unconfirmed)?.map_err(|_| AskError::Unconfirmed)?
    }

    /// What the scheduler knows, as of the last commit. Never waits.
    pub fn view(&self) -> Arc<Published> {
        self.view.load()
    }

    /// Tells when the view changes.
    pub fn watch(&self) -> tokio::sync::watch::Receiver<u64> {
        self.view.watch()
    }

    /// The event log.
    pub fn events(&self) -> &Arc<EventLog> {
        &self.events
    }

    /// `host:port` under which this scheduler answers.
    pub fn leader(&self) -> &str {
        &self.leader
    }
}
