//! Instances: slots of a run spec, what they should be and what they are.

pub mod census;
pub mod transitions;
pub mod victims;

use std::net::IpAddr;

use marathon_time::Timestamp;
use serde::{Deserialize, Serialize};
use substrate_core::protocol::{
    AgentId, TaskId,
    offer::{AgentAddress, Attribute, Domain},
    task::TaskState,
};

use crate::id::InstanceId;

/// One slot of a run spec.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    /// Kept over relaunches.
    pub id: InstanceId,
    /// What it should be.
    pub goal: Goal,
    /// Version of the run spec that its task has, or that its next task will have.
    pub version: Timestamp,
    /// Launches so far; 0: none.
    pub incarnation: u32,
    /// What it is.
    pub condition: Condition,
    /// Last change of `condition` or of health.
    pub since: Timestamp,
    /// When it began to wait for its present or last launch.
    pub scheduled_at: Timestamp,
    /// Its present or last task; `None` until the first launch.
    pub task: Option<Task>,
    /// One state per health check of its version, in order; empty before the task runs.
    pub health: Vec<health_core::State>,
}

/// What runs, or ran, for an instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// `<instance id>._app.<incarnation>`.
    pub id: TaskId,
    /// Where.
    pub agent_id: AgentId,
    /// Host name of the agent.
    pub host: String,
    /// Where the agent answers HTTP.
    pub agent_address: AgentAddress,
    /// Fault domain of the agent.
    pub domain: Option<Domain>,
    /// Attributes of the agent when the task was placed; what constraints compare.
    pub attributes: Vec<Attribute>,
    /// Host ports in the order of the definitions.
    pub ports: Vec<u16>,
    /// Told with the first running status.
    pub ip_addresses: Vec<IpAddr>,
    /// When the launch was decided.
    pub staged_at: Timestamp,
    /// When it was first seen running.
    pub started_at: Option<Timestamp>,
    /// Last state told; `None`: nothing heard yet.
    pub state: Option<TaskState>,
    /// Result of the check that the agent runs.
    pub agent_health: Option<bool>,
    /// Since when its agent cannot be reached.
    pub unreachable_since: Option<Timestamp>,
    /// When it was decided to end it although its instance shall go on: by a user, for its health, because it took too long to start.
    #[serde(default)]
    pub kill_requested_at: Option<Timestamp>,
}

/// What an instance should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Goal {
    /// Keep it alive; relaunch it when it ends.
    Running,
    /// Kill it, keep the slot and its reservation. Only for specs with volumes.
    Stopped,
    /// Kill it and forget it. Final.
    Decommissioned,
}

/// What an instance is (Marathon behaviour reference, conditions).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Condition {
    /// Wants an offer.
    Scheduled,
    /// An offer was accepted for it, nothing heard yet.
    Provisioned,
    /// Sent to the agent.
    Staging,
    /// The agent prepares it.
    Starting,
    /// Runs.
    Running,
    /// Asked to stop.
    Killing,
    /// Ended by itself with exit status 0.
    Finished,
    /// Ended as asked.
    Killed,
    /// Ended by itself otherwise.
    Failed,
    /// Its description was refused.
    Error,
    /// Its agent says that it is gone.
    Gone,
    /// Never started.
    Dropped,
    /// Nobody knows it.
    Unknown,
    /// Its agent cannot be reached.
    Unreachable,
    /// The same for longer than the spec accepts: replaced, not yet forgotten.
    UnreachableInactive,
}

impl Condition {
    /// Provisioned to Killing, and Unreachable: holds resources, as far as we know.
    pub fn is_active(self) -> bool {
        match self {
            Self::Provisioned | Self::Staging | Self::Starting | Self::Running | Self::Killing | Self::Unreachable => {
                true
            }
            Self::Scheduled
            | Self::Finished
            | Self::Killed
            | Self::Failed
            | Self::Error
            | Self::Gone
            | Self::Dropped
            | Self::Unknown
            | Self::UnreachableInactive => false,
        }
    }

    /// Its task ended for good.
    pub fn is_terminal(self) -> bool {
        match self {
            Self::Finished | Self::Killed | Self::Failed | Self::Error | Self::Gone | Self::Dropped | Self::Unknown => {
                true
            }
            Self::Scheduled
            | Self::Provisioned
            | Self::Staging
            | Self::Starting
            | Self::Running
            | Self::Killing
            | Self::Unreachable
            | Self::UnreachableInactive => false,
        }
    }

    /// Its agent cannot be reached, whether or not it was replaced already.
    pub fn is_out_of_reach(self) -> bool {
        matches!(self, Self::Unreachable | Self::UnreachableInactive)
    }

    /// Terminal, or out of reach: nobody waits for it (Marathon: "considered terminal").
    pub fn is_considered_terminal(self) -> bool {
        self.is_terminal() || self.is_out_of_reach()
    }

    /// As the Mesos names in task JSON print it.
    pub fn task_state(self) -> TaskState {
        match self {
            Self::Scheduled | Self::Provisioned | Self::Staging => TaskState::TaskStaging,
            Self::Starting => TaskState::TaskStarting,
            Self::Running => TaskState::TaskRunning,
            Self::Killing => TaskState::TaskKilling,
            Self::Finished => TaskState::TaskFinished,
            Self::Killed => TaskState::TaskKilled,
            Self::Failed => TaskState::TaskFailed,
            Self::Error => TaskState::TaskError,
            Self::Gone => TaskState::TaskGone,
            Self::Dropped => TaskState::TaskDropped,
            Self::Unknown => TaskState::TaskUnknown,
            Self::Unreachable | Self::UnreachableInactive => TaskState::TaskUnreachable,
        }
    }
}

impl Instance {
    /// Wants to be launched, if its back-off allows: meant to run, and never launched or ended.
    pub fn is_launchable(&self) -> bool {
        self.goal == Goal::Running && (self.condition == Condition::Scheduled || self.condition.is_terminal())
    }

    /// Aggregate of all checks: `Some(true)` if all are known and alive, `None` while any is unknown or there are none.
    pub fn health(&self) -> Option<bool> {
        health_core::aggregate(&self.health)
    }
}
