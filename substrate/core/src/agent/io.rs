//! What an agent can be told and what it asks for.

use std::{net::IpAddr, time::Duration};

use health_core::Outcome;
use serde::{Deserialize, Serialize};

use crate::protocol::{
    AgentId, ContainerId, FrameworkId, TaskId,
    agent::{FromAgent, Numbered, ToAgent},
    task::{TaskInfo, TaskStatus},
};

/// Everything that an agent can be told.
#[derive(Clone, Debug)]
pub enum Input {
    /// A connection to the master is open.
    Connected,
    /// It is gone.
    Disconnected,
    /// The master said something. Boxed: much larger than the other variants.
    Master(Box<Numbered<ToAgent>>),
    /// The containerizer has news.
    Container(ContainerId, ContainerEvent),
    /// A probe asked for by [`Effect::Probe`] was answered.
    Probed(ContainerId, Outcome),
    /// The moment of [`super::Agent::next_wakeup`] has come. Harmless at any other moment.
    Wakeup,
}

/// What a containerizer tells. For each container: `Started` or `LaunchFailed` first, `Exited` last, each at most once per
/// life of the shell; after a restart of the agent the containerizer tells the present state of each recovered container again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ContainerEvent {
    /// Its process exists.
    Started {
        /// Own addresses of the container; empty: those of the agent.
        ip_addresses: Vec<IpAddr>,
    },
    /// It never came to be.
    LaunchFailed {
        /// What failed, for what.
        message: String,
    },
    /// Its process and everything that this started are gone.
    Exited(Exit),
}

/// How a container ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    /// With this exit status.
    Status(i32),
    /// By this signal.
    Signal(i32),
    /// For using more memory than it had.
    OutOfMemory,
    /// Nobody saw it: its supervisor is gone and left no word (a reboot, or killed).
    Unknown,
}

/// Everything that must be on disk before an effect of the same output is performed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Change {
    /// The agent's id, given by the master.
    Id(AgentId),
    /// The whole record of one container, new or changed. Boxed: much larger than the other variants.
    Put(Box<Checkpoint>),
    /// The record is no longer needed.
    Remove(ContainerId),
}

/// What an agent remembers of a container over a restart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Key.
    pub container_id: ContainerId,
    /// Whose task.
    pub framework_id: FrameworkId,
    /// The task.
    pub info: TaskInfo,
    /// The core's own words on where the task is (kill asked for, health, newest status, unacknowledged updates).
    pub progress: super::Progress,
}

/// Everything that an agent can ask its shell to do, in this order.
#[expect(clippy::large_enum_variant, reason = "the largest variant is also by far the most common")]
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Tell the master; dropped if not connected (registration tells it again).
    Send(Numbered<FromAgent>),
    /// Give the connection up and open another with back-off.
    Reconnect,
    /// Make a sandbox, fetch files, start the process. Boxed: much larger than the other variants.
    Launch(Box<Launch>),
    /// SIGTERM to the whole tree now, SIGKILL after `grace`. Repeated: only an earlier end counts.
    Kill {
        /// Which.
        container_id: ContainerId,
        /// From now.
        grace: Duration,
    },
    /// Run the container's health check once; comes back as [`Input::Probed`].
    Probe(ContainerId),
    /// The sandbox is no longer needed by a live task; the shell may remove it when it wants the space.
    Forget(ContainerId),
    /// The master refused this agent for good: stop, saying why.
    Halt {
        /// Why.
        message: String,
    },
}

/// A container to be started.
#[derive(Clone, Debug, PartialEq)]
pub struct Launch {
    /// New for every run.
    pub container_id: ContainerId,
    /// Whose.
    pub framework_id: FrameworkId,
    /// What.
    pub task: TaskInfo,
}

/// What one or more steps led to.
#[derive(Clone, Debug, Default)]
pub struct Output {
    /// Durable, all of them, before any effect is performed.
    pub changes: Vec<Change>,
    /// Performed in this order.
    pub effects: Vec<Effect>,
}

/// The last status of a task, for the shell's `/state`.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskView {
    /// Whose.
    pub framework_id: FrameworkId,
    /// Which.
    pub task_id: TaskId,
    /// The run.
    pub container_id: ContainerId,
    /// Newest status.
    pub status: TaskStatus,
}
