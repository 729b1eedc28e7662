//! The loop that owns an agent's core.

use std::{sync::Arc, time::Duration};

use health_core::Outcome;
use marathon_time::Timestamp;
use substrate_core::{
    agent::{Agent, Change, ContainerEvent, Effect, Input, Output, TaskView},
    protocol::{AgentId, ContainerId},
    resources::Resources,
};
use tokio::{
    sync::{mpsc, oneshot},
    task::spawn_blocking,
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{
    checkpoints::Checkpoints,
    link::{Generation, LinkEvent, Outbound},
};
use crate::{clock, containerizer::Containerizer, inbox::next_batch};

/// Inputs that wait; whoever has one more waits too.
pub(super) const INBOX: usize = 8 * 1024;
/// Between attempts to write what must be written before anything else happens.
const WRITE_AGAIN: Duration = Duration::from_secs(1);

/// What reaches the loop.
#[derive(Debug)]
pub(super) enum Inbox {
    Link(LinkEvent),
    Container(ContainerId, ContainerEvent),
    Probed(ContainerId, Outcome),
    View(oneshot::Sender<View>),
}

/// What the loop shows of its core.
#[derive(Clone, Debug, Default)]
pub(super) struct View {
    pub(super) id: Option<AgentId>,
    /// Whether a master knows the agent on the present connection.
    pub(super) is_registered: bool,
    /// Of its resources, by tasks that are not over.
    pub(super) used: Resources,
    pub(super) tasks: Vec<TaskView>,
}

/// Why an agent stopped by itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the master refused this agent: {message}")]
pub struct Halted {
    /// The master's words.
    pub message: String,
}

pub(super) struct Service {
    pub(super) agent: Agent,
    pub(super) checkpoints: Checkpoints,
    pub(super) containerizer: Arc<dyn Containerizer>,
    pub(super) inbox: mpsc::Receiver<Inbox>,
    /// For answers of probes.
    pub(super) sender: mpsc::Sender<Inbox>,
    pub(super) link: Option<(Generation, Outbound)>,
}

impl Service {
    /// Until `stop`, or until the master refuses this agent.
    pub(super) async fn run(mut self, stop: CancellationToken) -> Result<(), Halted> {
        let (mut batch, mut out) = (Vec::new(), Output::default());
        loop {
            let mut questions = Vec::new();
            let now = clock::now();
            for item in batch.drain(..) {
                self.take(now, item, &mut out, &mut questions);
            }
            if self.agent.next_wakeup().is_some_and(|wakeup| wakeup <= now) {
                self.agent.step(now, Input::Wakeup, &mut out);
            }
            let changes = std::mem::take(&mut out.changes);
            tokio::select! {
                () = stop.cancelled() => return Ok(()), // nobody was told: the next life is told again
                () = self.persist(changes) => {}
            }
            for effect in out.effects.drain(..) {
                self.perform(effect)?;
            }
            for question in questions {
                let _ = question.send(self.view()); // whoever asked has gone
            }
            let wakeup = self.agent.next_wakeup();
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                is_open = next_batch(&mut self.inbox, wakeup, &mut batch) => if !is_open { return Ok(()) },
            }
        }
    }

    fn take(&mut self, now: Timestamp, item: Inbox, out: &mut Output, questions: &mut Vec<oneshot::Sender<View>>) {
        let input = match item {
            Inbox::Link(LinkEvent::Up(generation, outbound)) => {
                self.link = Some((generation, outbound));
                Input::Connected
            }
            Inbox::Link(LinkEvent::Message(generation, message)) => {
                if self.link.as_ref().is_none_or(|(current, _)| *current != generation) {
                    return; // of a connection that was given up
                }
                Input::Master(message)
            }
            Inbox::Link(LinkEvent::Down(generation)) => {
                self.link.take_if(|(current, _)| *current == generation);
                Input::Disconnected
            }
            Inbox::Container(container, event) => Input::Container(container, event),
            Inbox::Probed(container, outcome) => Input::Probed(container, outcome),
            Inbox::View(question) => return questions.push(question),
        };
        self.agent.step(now, input, out);
    }

    /// Does not return before all of it is written: memory must not run ahead of the disk.
    async fn persist(&self, changes: Vec<Change>) {
        if changes.is_empty() {
            return;
        }
        let changes = Arc::new(changes);
        loop {
            let (checkpoints, pending) = (self.checkpoints.clone(), changes.clone());
            match spawn_blocking(move || checkpoints.apply(&pending)).await {
                Ok(Ok(())) => return,
                Ok(Err(cause)) => {
                    error!(error = %cause, changes = changes.len(), "cannot write checkpoints; nothing else is done until it works")
                }
                Err(cause) => error!(error = %cause, "cannot write checkpoints"),
            }
            tokio::time::sleep(WRITE_AGAIN).await;
        }
    }

    fn perform(&mut self, effect: Effect) -> Result<(), Halted> {
        match effect {
            Effect::Send(message) => {
                let is_taken = self.link.as_ref().is_none_or(|(_, outbound)| outbound.send(message));
                if !is_taken {
                    warn!("too many messages wait for the master; the connection is given up");
                    self.link = None;
                }
            }
            Effect::Reconnect => self.link = None,
            Effect::Launch(launch) => {
                info!(container.id = %launch.container_id, task.id = %launch.task.id, "launching");
                self.containerizer.launch(*launch);
            }
            Effect::Kill { container_id, grace } => {
                info!(container.id = %container_id, grace_ms = grace.as_millis(), "killing");
                self.containerizer.kill(&container_id, grace);
            }
            Effect::Probe(container) => self.probe(container),
            Effect::Forget(container) => self.containerizer.forget(&container),
            Effect::Halt { message } => return Err(Halted { message }),
        }
        Ok(())
    }

    fn probe(&self, container: ContainerId) {
        let (answer, sender) = (self.containerizer.probe(&container), self.sender.clone());
        tokio::spawn(async move {
            if let Some(outcome) = answer.await {
                let _ = sender.send(Inbox::Probed(container, outcome)).await; // the agent has stopped
            }
        });
    }

    fn view(&self) -> View {
        View {
            id: self.agent.id().cloned(),
            is_registered: self.agent.is_registered(),
            used: self.agent.used(),
            tasks: self.agent.tasks().collect(),
        }
    }
}
