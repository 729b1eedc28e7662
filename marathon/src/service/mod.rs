//! The shell around the scheduler's core: owns its inbox, its clock, its store and its master, and decides nothing.
//!
//! ```text
//! API, probes, master ──► inbox ──► step … step ──► commit ──► publish view and events ──► replies, calls, probes
//!                                      └── the next batch is stepped while this one is committed
//! ```

pub mod clock;
mod committer;
mod events;
mod handle;
mod term;
#[cfg(test)]
mod tests;
mod view;

use std::{sync::Arc, time::Duration};

use marathon_core::scheduler::Config;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

pub use events::{EventLog, Subscription};
pub use handle::{AskError, Handle};
pub use view::{Published, View};

use crate::{driver::Driver, store::Store};

/// Inputs that may wait. Commands beyond wait for a while outside, and are then refused with 503; the master's events and probes wait.
const INBOX: usize = 8_192;
/// Pause between a term that failed and the next attempt to lead.
const RETRY: Duration = Duration::from_millis(500);

/// Everything that the service needs of its surroundings.
pub struct Service {
    /// Settings of the core.
    pub config: Config,
    /// `host:port` under which this scheduler answers: its name as leader.
    pub leader: String,
    /// Where state outlives the process.
    pub store: Arc<dyn Store>,
    /// The way to the master.
    pub driver: Arc<dyn Driver>,
    /// Runs health checks.
    pub prober: Arc<health::Prober>,
}

/// Why a service ended.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The master wants nothing to do with this framework any more.
    #[error("{0}")]
    Halted(String),
}

impl Service {
    /// The handle that the API uses, and the part to be given to [`Service::run`].
    pub fn channel(&self) -> (Arc<Handle>, Inbox) {
        let (sender, receiver) = mpsc::channel(INBOX);
        let view = Arc::new(View::new());
        let events = Arc::new(EventLog::new(self.store.clone()));
        let handle = Handle::new(sender.clone(), view.clone(), events.clone(), self.leader.clone());
        (Arc::new(handle), Inbox { sender, receiver, view, events })
    }

    /// Leads, term after term, until `stop` or until the master ends it. A term that fails (the store is out of reach, somebody
    /// else took over) is followed by another that starts from what is durable.
    pub async fn run(self, mut inbox: Inbox, stop: CancellationToken) -> Result<(), ServiceError> {
        let mut unsettled = None;
        loop {
            let term = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                ended = term::lead(&self, &mut inbox, &mut unsettled, &stop) => ended,
            };
            inbox.view.step_down();
            match term {
                Ok(term::Ended::Stopped) => return Ok(()),
                Ok(term::Ended::Deposed) => info!("leadership is lost; trying to lead again"),
                Ok(term::Ended::Halted(message)) => return Err(ServiceError::Halted(message)),
                Err(failure) => {
                    error!(error = &failure.error as &dyn std::error::Error, "the term failed; loading again");
                    unsettled = failure.unsettled.or(unsettled);
                }
            }
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(RETRY) => {}
            }
        }
    }
}

/// The receiving side of a service.
pub struct Inbox {
    sender: mpsc::Sender<handle::Message>,
    receiver: mpsc::Receiver<handle::Message>,
    view: Arc<View>,
    events: Arc<EventLog>,
}
