//! Tasks: what a framework wants run, and what is told about it.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use health_core::Check;
use marathon_time::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{AgentId, ContainerId, TaskId, offer::Labels};
use crate::resources::Resources;

/// From SIGTERM to SIGKILL if neither the kill nor the task says otherwise.
pub const DEFAULT_KILL_GRACE: Duration = Duration::from_secs(3);

/// What to run, where, with what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskInfo {
    /// Name for people and for DNS; need not be unique.
    pub name: String,
    /// Unique within the framework among tasks that are not terminal.
    pub id: TaskId,
    /// The agent whose offer pays for it.
    pub agent_id: AgentId,
    /// Taken from the accepted offers.
    pub resources: Resources,
    /// What to execute.
    pub command: CommandInfo,
    /// From SIGTERM to SIGKILL; `None`: [`DEFAULT_KILL_GRACE`].
    pub kill_grace: Option<Duration>,
    /// A check that the agent runs beside the task; only `Protocol::Command`.
    pub health_check: Option<Check>,
    /// For service discovery; not interpreted here.
    pub discovery: Option<DiscoveryInfo>,
    /// Free-form.
    pub labels: Labels,
}

/// A command line, its environment and the files that it needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandInfo {
    /// What is executed.
    pub run: Run,
    /// Added to the agent's own small environment; these win.
    pub environment: BTreeMap<String, String>,
    /// Unix user; `None` means the user that the agent runs as.
    pub user: Option<String>,
    /// Fetched into the sandbox before the start, in this order.
    pub uris: Vec<Artifact>,
}

/// How a command is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Run {
    /// `/bin/sh -c <text>`.
    Shell(String),
    /// The full argument vector; the first element is the program, looked up in `PATH`. Never empty.
    Exec(Vec<String>),
}

/// A file to fetch into the sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// `http://`, `https://`, `file://` or an absolute path.
    pub uri: String,
    /// Unpack when the name says that it is an archive.
    pub extract: bool,
    /// Set the executable bit instead of unpacking.
    pub executable: bool,
    /// May be kept by the agent and used again.
    pub cache: bool,
    /// Path below the sandbox; `None`: the last segment of the URI.
    pub destination: Option<String>,
}

/// How others find the task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiscoveryInfo {
    /// Name in discovery; for Marathon the app's path reversed and joined with dots.
    pub name: String,
    /// Reachable ports; one entry per protocol.
    pub ports: Vec<DiscoveryPort>,
}

/// A port that a task listens on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiscoveryPort {
    /// Port number on the host.
    pub number: u16,
    /// Name given by the user.
    pub name: Option<String>,
    /// `tcp` or `udp`.
    pub protocol: String,
    /// Free-form.
    pub labels: Labels,
}

/// Life of a task as the substrate tells it. Names and meanings are those of Mesos v1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TaskState {
    /// Sent to the agent, nothing heard.
    TaskStaging,
    /// The agent prepares it.
    TaskStarting,
    /// Its process exists.
    TaskRunning,
    /// Asked to stop, not gone yet.
    TaskKilling,
    /// Ended by itself with exit status 0.
    TaskFinished,
    /// Ended by itself otherwise, or could not be started.
    TaskFailed,
    /// Ended because it was asked to.
    TaskKilled,
    /// Its description was refused.
    TaskError,
    /// Catch-all towards frameworks that know no better.
    TaskLost,
    /// Never started.
    TaskDropped,
    /// Its agent cannot be reached; it may come back.
    TaskUnreachable,
    /// It ran; its agent says that it does not any more.
    TaskGone,
    /// An operator declared its agent gone for good.
    TaskGoneByOperator,
    /// Nobody knows it.
    TaskUnknown,
}

impl TaskState {
    /// Whether nothing more can follow.
    pub fn is_terminal(self) -> bool {
        match self {
            Self::TaskFinished
            | Self::TaskFailed
            | Self::TaskKilled
            | Self::TaskError
            | Self::TaskLost
            | Self::TaskDropped
            | Self::TaskGone
            | Self::TaskGoneByOperator => true,
            Self::TaskStaging
            | Self::TaskStarting
            | Self::TaskRunning
            | Self::TaskKilling
            | Self::TaskUnreachable
            | Self::TaskUnknown => false,
        }
    }

    /// `TASK_RUNNING` and so on.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TaskStaging => "TASK_STAGING",
            Self::TaskStarting => "TASK_STARTING",
            Self::TaskRunning => "TASK_RUNNING",
            Self::TaskKilling => "TASK_KILLING",
            Self::TaskFinished => "TASK_FINISHED",
            Self::TaskFailed => "TASK_FAILED",
            Self::TaskKilled => "TASK_KILLED",
            Self::TaskError => "TASK_ERROR",
            Self::TaskLost => "TASK_LOST",
            Self::TaskDropped => "TASK_DROPPED",
            Self::TaskUnreachable => "TASK_UNREACHABLE",
            Self::TaskGone => "TASK_GONE",
            Self::TaskGoneByOperator => "TASK_GONE_BY_OPERATOR",
            Self::TaskUnknown => "TASK_UNKNOWN",
        }
    }
}

/// Something that is told about a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskStatus {
    /// Which task.
    pub task_id: TaskId,
    /// What it is now.
    pub state: TaskState,
    /// Where, if known.
    pub agent_id: Option<AgentId>,
    /// When, by the clock of who tells.
    pub timestamp: Timestamp,
    /// Who tells.
    pub source: Source,
    /// Why, if there is more to say than the state.
    pub reason: Option<Reason>,
    /// For people; may be empty.
    pub message: String,
    /// Present exactly if the update must be acknowledged; told again until it is.
    pub uuid: Option<Uuid>,
    /// Result of the agent's health check; `None`: no check, or no result yet.
    pub healthy: Option<bool>,
    /// The run that the status is about.
    pub container_id: Option<ContainerId>,
    /// Addresses under which the task is reached; the agent's own with host networking.
    pub ip_addresses: Vec<IpAddr>,
    /// Since when the agent cannot be reached; only with `TaskUnreachable`.
    pub unreachable_time: Option<Timestamp>,
}

/// Who tells a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Source {
    /// The master; never acknowledged.
    SourceMaster,
    /// The agent.
    SourceAgent,
    /// The executor that the agent runs for the task.
    SourceExecutor,
}

/// Why a task is in its state. The subset of Mesos v1 reasons that is produced here or understood by the scheduler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Reason {
    /// The agent lost its connection to the master.
    ReasonAgentDisconnected,
    /// The agent was removed or is unreachable.
    ReasonAgentRemoved,
    /// The agent came back.
    ReasonAgentReregistered,
    /// The agent restarted before the task reached its executor.
    ReasonAgentRestarted,
    /// The process could not be started, or a file not be fetched.
    ReasonContainerLaunchFailed,
    /// Killed for using more memory than it has.
    ReasonContainerLimitationMemory,
    /// Its executor (supervisor) ended without saying how the task did.
    ReasonExecutorTerminated,
    /// The offers named were no longer valid.
    ReasonInvalidOffers,
    /// An answer to a question, nothing new.
    ReasonReconciliation,
    /// The health check changed its mind.
    ReasonTaskHealthCheckStatusUpdated,
    /// The description was refused.
    ReasonTaskInvalid,
    /// Killed before it was started.
    ReasonTaskKilledDuringLaunch,
}
