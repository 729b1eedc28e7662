//! What an agent and its master say to each other, over one WebSocket that the agent opens.
//!
//! Each side numbers what it sends, from 1 for every new connection. A receiver drops what it has seen (a lower number) and
//! gives the connection up when a number is missing: after a reconnect the agent registers again with everything it has, so
//! nothing needs to be repeated but that.

use std::{cmp::Ordering, time::Duration};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    AgentId, ContainerId, FrameworkId, TaskId,
    offer::{AgentAddress, Attribute, Domain},
    task::{TaskInfo, TaskState, TaskStatus},
};
use crate::resources::Resources;

/// Where a receiver stands in the numbers of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected(u64);

/// What the number of a message says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It is the next one.
    InTurn,
    /// It, or a later one, was here before: to be dropped.
    Seen,
    /// Something before it is missing: the connection is to be given up.
    Gap,
}

impl Default for Expected {
    /// At the beginning of a connection.
    fn default() -> Self {
        Self(1)
    }
}

impl Expected {
    /// A message with this number is here.
    pub fn take(&mut self, seq: u64) -> Arrival {
        match seq.cmp(&self.0) {
            Ordering::Less => Arrival::Seen,
            Ordering::Equal => {
                self.0 += 1;
                Arrival::InTurn
            }
            Ordering::Greater => Arrival::Gap,
        }
    }
}

/// Gives the messages of one direction of a connection their numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counter(u64);

impl Counter {
    /// The message with the next number.
    pub fn number<M>(&mut self, message: M) -> Numbered<M> {
        self.0 += 1;
        Numbered { seq: self.0, message }
    }
}

/// A message with its number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Numbered<M> {
    /// 1 for the first message of a connection in this direction, then one more each.
    pub seq: u64,
    /// The message.
    pub message: M,
}

/// What an agent is and has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentInfo {
    /// What its tasks are reached by.
    pub hostname: String,
    /// Where it answers HTTP.
    pub address: AgentAddress,
    /// All it has.
    pub resources: Resources,
    /// Its properties.
    pub attributes: Vec<Attribute>,
    /// Where it stands.
    pub domain: Option<Domain>,
}

/// From agent to master.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FromAgent {
    /// First message of every connection: who it is and everything that it runs or has not been able to tell.
    Register {
        /// From an earlier registration; `None` the first time.
        id: Option<AgentId>,
        /// What it is now.
        info: AgentInfo,
        /// Every task that is not terminal, and every terminal one with unacknowledged updates.
        tasks: Vec<TaskReport>,
    },
    /// Something about a task; sent again (10 s, doubling, at most 10 min) until acknowledged.
    Update {
        /// Whose task.
        framework_id: FrameworkId,
        /// Always with `uuid`.
        status: TaskStatus,
        /// The newest state of the task, which may be ahead of `status`: lets the master free resources early.
        latest_state: TaskState,
    },
    /// Sent every [`HEARTBEAT_INTERVAL`] from the answer to the registration on, never before.
    Heartbeat,
}

/// A task as its agent knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskReport {
    /// Whose.
    pub framework_id: FrameworkId,
    /// The role that its resources are allocated to.
    pub role: String,
    /// What.
    pub info: TaskInfo,
    /// The run.
    pub container_id: ContainerId,
    /// Its newest status, acknowledged or not.
    pub status: TaskStatus,
}

/// From master to agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToAgent {
    /// Answer to `Register`. An agent that came without an id answers with a heartbeat when it has written this one down; its
    /// resources are offered from then on, so that nothing is launched under an id that nobody remembers.
    Registered {
        /// To be kept for ever.
        id: AgentId,
    },
    /// Start a task.
    Launch {
        /// Whose.
        framework_id: FrameworkId,
        /// The role that the resources are allocated to; comes back in [`TaskReport`].
        role: String,
        /// What. Boxed: much larger than the other variants.
        task: Box<TaskInfo>,
    },
    /// Stop a task; unknown ones are answered with an update.
    Kill {
        /// Whose.
        framework_id: FrameworkId,
        /// Which.
        task_id: TaskId,
        /// Overrides the task's own grace period; repeated, only a shorter one counts.
        grace: Option<Duration>,
    },
    /// The framework has this update.
    Acknowledge {
        /// Whose.
        framework_id: FrameworkId,
        /// About which task.
        task_id: TaskId,
        /// Which.
        uuid: Uuid,
    },
    /// The framework subscribed (again): what it has not acknowledged is told at once. Updates that came while it was away went
    /// nowhere, and the next repetition may be minutes away.
    Subscribed {
        /// Who.
        framework_id: FrameworkId,
    },
    /// The registration is refused for good (for example the id is marked gone); the agent must not come back with it.
    Refused {
        /// Why.
        message: String,
    },
    /// Sent every [`HEARTBEAT_INTERVAL`].
    Heartbeat,
}

/// How often each side shows that it lives.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(5);
/// After this long without any message a side gives the connection up.
pub const SILENCE_LIMIT: Duration = Duration::from_secs(15);
