//! The way to the master: calls out, events in. The same values pass through a channel when the master is in this process.

mod in_process;

use async_trait::async_trait;
use substrate_core::protocol::scheduler::{Call, Event};

pub use in_process::InProcess;

/// What comes from the master's side.
#[derive(Debug)]
pub enum DriverEvent {
    /// The master said something. Boxed: much larger than the other variant.
    Master(Box<Event>),
    /// The stream of events ended, or could not be opened.
    Lost,
}

/// A way to a master. One subscription at a time.
#[async_trait]
pub trait Driver: Send + Sync {
    /// Forgets the subscription, if any: a new term begins.
    fn reset(&self);

    /// Sends a call and does not wait. `Call::Subscribe` opens the stream; other calls are dropped while there is none. A call
    /// that cannot be sent ends the stream.
    fn call(&self, call: Call);

    /// The next thing from the master's side.
    async fn next(&self) -> DriverEvent;
}
