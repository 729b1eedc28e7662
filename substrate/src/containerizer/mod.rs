//! What runs containers: a sandbox, the files in it, a process, and word of how it ended.

mod process;
mod simulated;

use std::{future::Future, pin::Pin, time::Duration};

use health_core::Outcome;
use substrate_core::{
    agent::{ContainerEvent, Launch},
    protocol::ContainerId,
};
use tokio::sync::mpsc;

pub(crate) use process::sandbox;
pub use process::{
    Process, ProcessConfig, launch_main,
    stop::{StopError, Stopped, stop_all},
    supervise_main,
};
pub use simulated::Simulated;

/// News of containers. The channel is bounded: who tells waits while it is full, and nothing is lost.
pub type News = mpsc::Sender<(ContainerId, ContainerEvent)>;

/// Runs containers and tells what becomes of them through the [`News`] that it was made with.
///
/// No method waits for the work it asks for. For every container that was launched or recovered the news are `Started` or
/// `LaunchFailed` first and `Exited` last.
pub trait Containerizer: Send + Sync + 'static {
    /// Looks for what an earlier life of this agent left running. `known` is everything that the agent remembers; the present
    /// state of each is told, and whatever else still runs is stopped.
    fn recover(&self, known: Vec<Launch>);

    /// Makes a sandbox, fetches files, starts the process.
    fn launch(&self, launch: Launch);

    /// SIGTERM to all of a container now, SIGKILL to what is left after `grace`. Repeated, only an earlier end counts.
    /// Unknown containers are ignored: their end was told.
    fn kill(&self, container: &ContainerId, grace: Duration);

    /// Runs the container's own health check once; `None` if there is no such container or it has no check of this kind.
    fn probe(&self, container: &ContainerId) -> Pin<Box<dyn Future<Output = Option<Outcome>> + Send>>;

    /// The sandbox may be removed when there are too many or it is old.
    fn forget(&self, container: &ContainerId);

    /// Stops watching; what runs goes on running.
    fn detach(&self);
}
