//! Follows one supervisor, whether or not it is a child of this process.

use std::{io, sync::Arc};

use substrate_core::agent::{ContainerEvent, Exit};
use tokio::{
    io::AsyncReadExt,
    net::unix::pipe::{OpenOptions, Receiver},
    process::Child,
    task::spawn_blocking,
};
use tracing::{error, warn};

use super::{Container, Inner, procfs, run_dir::Report, run_dir::RunDir};

/// The end of the FIFO at which the agent listens.
#[derive(Debug)]
pub(super) struct Doorbell(Receiver);

enum Heard {
    News,
    /// The supervisor is gone.
    Silence,
}

impl Doorbell {
    pub(super) fn open(run: &RunDir) -> io::Result<Self> {
        OpenOptions::new().open_receiver(run.doorbell()).map(Self)
    }

    async fn listen(&mut self) -> Heard {
        let mut buffer = [0; 16];
        match self.0.read(&mut buffer).await {
            Ok(bytes) if bytes > 0 => Heard::News,
            Ok(_) | Err(_) => Heard::Silence,
        }
    }
}

impl Inner {
    /// Tells what becomes of the container until it has ended.
    pub(super) async fn watch(&self, container: &Arc<Container>, mut doorbell: Doorbell, child: Option<Child>) {
        let is_child = child.is_some();
        let mut has_started = false;
        // A FIFO tells of a writer's end only to those who opened it before. A supervisor that took the run holds it open.
        let mut is_gone = !is_child && !container.is_supervised();
        loop {
            let report = container.read_report();
            if let Some(message) = report.launch_error {
                self.tell(container, ContainerEvent::LaunchFailed { message }).await;
                break;
            }
            if report.started.is_some() && !has_started {
                has_started = true;
                let ip_addresses = Vec::new();
                self.tell(container, ContainerEvent::Started { ip_addresses }).await;
            }
            if let Some(exit) = report.exit {
                self.tell(container, ContainerEvent::Exited(exit)).await;
                break;
            }
            if is_gone {
                self.tell_lost(container, has_started).await;
                break;
            }
            is_gone = match doorbell.listen().await {
                Heard::News => false,
                Heard::Silence => true,
            };
        }
        if let Some(mut child) = child {
            let _ = child.wait().await; // only so that it does not stay a zombie
        }
    }

    /// The supervisor was killed or the machine restarted: nobody knows how the task ended, but it must not go on unwatched.
    async fn tell_lost(&self, container: &Arc<Container>, has_started: bool) {
        let id = &container.launch.container_id;
        let lost = container.clone();
        let killed = spawn_blocking(move || lost.kill_leftovers()).await.unwrap_or_default();
        warn!(container.id = %id, processes.killed = killed, "a supervisor is gone without a word");
        let event = if has_started {
            ContainerEvent::Exited(Exit::Unknown)
        } else {
            let message = "the supervisor ended before the task was started".to_owned();
            ContainerEvent::LaunchFailed { message }
        };
        self.tell(container, event).await;
    }
}

impl Container {
    /// Small files, just written: read in place.
    fn read_report(&self) -> Report {
        self.run.report().unwrap_or_else(|error| {
            error!(container.id = %self.launch.container_id, error = %error, "cannot read what a supervisor says");
            Report::default()
        })
    }

    fn is_supervised(&self) -> bool {
        self.run.supervisor().ok().flatten().is_some_and(|supervisor| supervisor.is_alive())
    }

    fn kill_leftovers(&self) -> usize {
        let task = self.run.report().ok().and_then(|report| report.started);
        procfs::kill_leftovers(task.as_ref(), &self.sandbox)
    }
}
