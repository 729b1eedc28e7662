//! Containers that exist in name only, for measuring what thousands of them cost everybody else.

use std::{
    collections::BTreeSet,
    future::Future,
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use health_core::Outcome;
use substrate_core::{
    agent::{ContainerEvent, Exit, Launch},
    protocol::ContainerId,
};
use tokio::sync::mpsc;

use super::{Containerizer, News};

/// Number of SIGTERM, by which a simulated container ends when it is killed.
const SIGTERM: i32 = 15;

/// Starts at once, runs until killed, ends at once. Nothing survives this value.
#[derive(Debug)]
pub struct Simulated {
    /// Unbounded only in form: there are at most two news per container, and an agent's resources bound the containers.
    pending: mpsc::UnboundedSender<(ContainerId, ContainerEvent)>,
    running: Mutex<BTreeSet<ContainerId>>,
}

impl Simulated {
    /// One that tells through `news`. Must be called within a tokio runtime.
    pub fn new(news: News) -> Self {
        let (pending, mut waiting) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(item) = waiting.recv().await {
                if news.send(item).await.is_err() {
                    return;
                }
            }
        });
        Self { pending, running: Mutex::default() }
    }

    fn running(&self) -> MutexGuard<'_, BTreeSet<ContainerId>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, container: ContainerId, event: ContainerEvent) {
        let _ = self.pending.send((container, event)); // nobody listens any more: the agent is gone
    }
}

impl Containerizer for Simulated {
    fn recover(&self, known: Vec<Launch>) {
        for launch in known {
            self.tell(launch.container_id, ContainerEvent::Exited(Exit::Unknown));
        }
    }

    fn launch(&self, launch: Launch) {
        self.running().insert(launch.container_id.clone());
        let ip_addresses = Vec::new();
        self.tell(launch.container_id, ContainerEvent::Started { ip_addresses });
    }

    fn kill(&self, container: &ContainerId, _grace: Duration) {
        if self.running().remove(container) {
            self.tell(container.clone(), ContainerEvent::Exited(Exit::Signal(SIGTERM)));
        }
    }

    fn probe(&self, container: &ContainerId) -> Pin<Box<dyn Future<Output = Option<Outcome>> + Send>> {
        let outcome = self.running().contains(container).then_some(Outcome::Healthy);
        Box::pin(async move { outcome })
    }

    fn forget(&self, _container: &ContainerId) {}

    fn detach(&self) {}
}
