//! What runs on one machine: the state of an agent.
//!
//! A task is checkpointed before its container is launched, and after every change that must not be lost, so that a restarted
//! agent goes on where it was: [`Agent::recover`] takes the checkpoints, and the containerizer then tells again how each
//! container is. Every status of a task is kept until its framework acknowledged it, and told again until then.
//!
//! Bounds: tasks by the resources that the agent has; statuses per task by their coalescing (a status that was not told yet
//! gives way to a newer one of the same state); answers about unknown tasks by [`ANSWERS`].

mod containers;
mod health;
mod io;
mod launch;
mod link;
mod task;
mod updates;

use std::{collections::BTreeMap, net::IpAddr};

use marathon_time::{Timers, Timestamp};
use rand_chacha::{
    ChaCha20Rng,
    rand_core::{RngCore, SeedableRng},
};
use uuid::Uuid;

pub use self::{
    io::{Change, Checkpoint, ContainerEvent, Effect, Exit, Input, Launch, Output, TaskView},
    task::Progress,
};
use self::{link::Link, task::Task, updates::Answer};
use crate::{
    clock::{Monotone, Now},
    protocol::{
        AgentId, ContainerId, FrameworkId, TaskId,
        agent::{AgentInfo, ToAgent},
        task::{Source, TaskState, TaskStatus},
    },
    resources::Resources,
};

/// So many answers about unknown tasks wait for their acknowledgement; the first by framework and task is forgotten when there
/// are more. Whoever asked for a kill and hears nothing asks again.
pub const ANSWERS: usize = 1000;

/// What an agent is told at its start.
#[derive(Clone, Debug)]
pub struct AgentConfig {
    /// What it is and has.
    pub info: AgentInfo,
}

/// Seeds of the generators of ids. To be different at every start of an agent.
#[derive(Clone, Copy, Debug)]
pub struct Seeds {
    /// For container ids.
    pub containers: [u8; 32],
    /// For the ids of status updates.
    pub statuses: [u8; 32],
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// Show the master that we live.
    Heartbeat,
    /// See whether the master shows that it lives.
    Silence,
    /// Tell the oldest unacknowledged status of a task again.
    Retry(ContainerId),
    /// Tell an answer about an unknown task again.
    RetryAnswer(FrameworkId, TaskId),
    /// Probe a task, or give up on the probe under way.
    Probe(ContainerId),
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Agent {
    info: AgentInfo,
    /// What tasks without addresses of their own are reached under.
    ip_addresses: Vec<IpAddr>,
    id: Option<AgentId>,
    clock: Monotone,
    timers: Timers<Timer>,
    link: Option<Link>,
    tasks: BTreeMap<ContainerId, Task>,
    by_id: BTreeMap<(FrameworkId, TaskId), ContainerId>,
    answers: BTreeMap<(FrameworkId, TaskId), Answer>,
    container_ids: ChaCha20Rng,
    status_ids: ChaCha20Rng,
    /// Refused by the master: nothing more is said.
    halted: bool,
}

impl Agent {
    /// An agent with what it had written down: all `checkpoints` that were put and not removed, in any order; nothing at its
    /// first start.
    pub fn recover(
        config: AgentConfig,
        id: Option<AgentId>,
        checkpoints: Vec<Checkpoint>,
        seeds: Seeds,
        now: Timestamp,
    ) -> Self {
        let mut clock = Monotone::default();
        let now = clock.advance(now);
        let mut agent = Self {
            ip_addresses: config.info.address.ip.parse().into_iter().collect(),
            info: config.info,
            id,
            clock,
            timers: Timers::default(),
            link: None,
            tasks: BTreeMap::new(),
            by_id: BTreeMap::new(),
            answers: BTreeMap::new(),
            container_ids: ChaCha20Rng::from_seed(seeds.containers),
            status_ids: ChaCha20Rng::from_seed(seeds.statuses),
            halted: false,
        };
        for checkpoint in checkpoints {
            let task = Task::recovered(checkpoint, now);
            agent.by_id.insert(task.key(), task.container_id.clone());
            agent.tasks.insert(task.container_id.clone(), task);
        }
        agent
    }

    /// Applies one input at `now`. Never waits, never fails; whatever follows from it is in `out`.
    pub fn step(&mut self, now: Timestamp, input: Input, out: &mut Output) {
        let now = self.clock.advance(now);
        match input {
            Input::Connected => self.connected(now, out),
            Input::Disconnected => self.disconnected(),
            Input::Master(message) => self.heard(now, *message, out),
            Input::Container(container, event) => self.container_changed(now, &container, event, out),
            Input::Probed(container, outcome) => self.probed(now, &container, &outcome, out),
            Input::Wakeup => {}
        }
        while let Some(timer) = self.timers.pop_due(now.tick) {
            self.fire(now, timer, out);
        }
    }

    /// When to send [`Input::Wakeup`] if nothing else comes first.
    pub fn next_wakeup(&self) -> Option<Timestamp> {
        self.timers.next().map(|tick| self.clock.wall(tick))
    }

    /// The id that a master gave.
    pub fn id(&self) -> Option<&AgentId> {
        self.id.as_ref()
    }

    /// What the agent is and has.
    pub fn info(&self) -> &AgentInfo {
        &self.info
    }

    /// Whether a master knows the agent on the present connection.
    pub fn is_registered(&self) -> bool {
        self.link.as_ref().is_some_and(|link| link.registered)
    }

    /// Every task that is not forgotten, by container id.
    pub fn tasks(&self) -> impl Iterator<Item = TaskView> + '_ {
        self.tasks.values().map(|task| TaskView {
            framework_id: task.framework_id.clone(),
            task_id: task.info.id.clone(),
            container_id: task.container_id.clone(),
            status: task.progress.status.clone(),
        })
    }

    /// What tasks use that are not over.
    pub fn used(&self) -> Resources {
        let mut used = Resources::new();
        for task in self.tasks.values().filter(|task| !task.is_over()) {
            used.add(&task.info.resources);
        }
        used
    }

    fn obey(&mut self, now: Now, message: ToAgent, out: &mut Output) {
        match message {
            ToAgent::Registered { id } => self.registered(now, id, out),
            ToAgent::Launch { framework_id, role, task } => self.launch(now, framework_id, role, *task, out),
            ToAgent::Kill { framework_id, task_id, grace } => self.kill(now, framework_id, task_id, grace, out),
            ToAgent::Acknowledge { framework_id, task_id, uuid } => {
                self.acknowledged(now, framework_id, task_id, uuid, out);
            }
            ToAgent::Subscribed { framework_id } => self.tell_again(now, &framework_id, out),
            ToAgent::Refused { message } => {
                self.halted = true;
                self.disconnected();
                out.effects.push(Effect::Halt { message });
            }
            ToAgent::Heartbeat => {}
        }
    }

    fn fire(&mut self, now: Now, timer: Timer, out: &mut Output) {
        match timer {
            Timer::Heartbeat => self.heartbeat(now, out),
            Timer::Silence => self.silence(now, out),
            Timer::Retry(container) => self.retry(now, &container, out),
            Timer::RetryAnswer(framework, task) => self.retry_answer(now, (framework, task), out),
            Timer::Probe(container) => self.probe(now, &container, out),
        }
    }

    fn new_container_id(&mut self) -> ContainerId {
        ContainerId::new(random_uuid(&mut self.container_ids).to_string())
    }

    /// A status to be acknowledged, with nothing in it but what every status has.
    fn new_status(&mut self, now: Now, task: &TaskId, state: TaskState, source: Source) -> TaskStatus {
        TaskStatus {
            task_id: task.clone(),
            state,
            agent_id: self.id.clone(),
            timestamp: now.wall,
            source,
            reason: None,
            message: String::new(),
            uuid: Some(random_uuid(&mut self.status_ids)),
            healthy: None,
            container_id: None,
            ip_addresses: Vec::new(),
            unreachable_time: None,
        }
    }
}

fn random_uuid(generator: &mut ChaCha20Rng) -> Uuid {
    let mut bytes = [0; 16];
    generator.fill_bytes(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests;
