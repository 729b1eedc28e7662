//! The Mesos v1 scheduler API as values: calls of a framework, events of the master.
//!
//! Source of the rules: Mesos documentation, `scheduler-http-api`. A call is accepted for processing or refused as a whole;
//! whatever comes of it is told by events.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{AgentId, FrameworkId, OfferId, TaskId, offer::Offer, task::TaskInfo, task::TaskStatus};

/// Who a framework is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FrameworkInfo {
    /// `None`: a new framework. An id that the master does not know is one that survived a master failover.
    pub id: Option<FrameworkId>,
    /// For people and for DNS.
    pub name: String,
    /// Unix user of its tasks unless a task says otherwise.
    pub user: String,
    /// Host of the scheduler.
    pub hostname: String,
    /// Its user interface; may be empty.
    pub webui_url: String,
    /// How long its tasks are kept running without it.
    pub failover_timeout: Duration,
    /// Roles in which it wants offers.
    pub roles: Vec<String>,
    /// Whether it tells unreachable, gone and dropped tasks apart (Mesos capability PARTITION_AWARE).
    pub partition_aware: bool,
}

/// How long not to be offered the same again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filters {
    /// Zero: no filter.
    pub refuse: Duration,
}

impl Default for Filters {
    /// Five seconds, as Mesos takes it when nothing is said.
    fn default() -> Self {
        Self { refuse: Duration::from_secs(5) }
    }
}

/// What a framework tells or asks the master.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Call {
    /// Opens the stream of events. Replaces an existing stream of the same framework.
    Subscribe {
        /// Who it is.
        framework: FrameworkInfo,
        /// Roles for which it wants no offers for now.
        suppressed_roles: Vec<String>,
    },
    /// Removes the framework and kills its tasks.
    Teardown,
    /// Uses offers of one agent; what no operation uses is declined with `filters`.
    Accept {
        /// All of one agent and role.
        offers: Vec<OfferId>,
        /// Applied in order.
        operations: Vec<Operation>,
        /// For the rest.
        filters: Filters,
    },
    /// Gives offers back.
    Decline {
        /// Unknown ones are ignored.
        offers: Vec<OfferId>,
        /// For all of them.
        filters: Filters,
    },
    /// Drops filters and suppression; no roles: all of the framework's.
    Revive {
        /// Roles meant.
        roles: Vec<String>,
    },
    /// No offers until revived; no roles: all of the framework's.
    Suppress {
        /// Roles meant.
        roles: Vec<String>,
    },
    /// Stops a task; may be repeated.
    Kill {
        /// Which.
        task: TaskId,
        /// Where, if known: lets a master that does not know the task (yet) answer precisely.
        agent: Option<AgentId>,
        /// Overrides the task's own grace period.
        grace: Option<Duration>,
    },
    /// Confirms an update that carried a `uuid`.
    Acknowledge {
        /// Who sent it.
        agent: AgentId,
        /// What it was about.
        task: TaskId,
        /// Which it was.
        uuid: Uuid,
    },
    /// Asks for the state of these tasks, or of all that the master knows if none is named.
    Reconcile {
        /// Tasks, and where they are believed to be.
        tasks: Vec<(TaskId, Option<AgentId>)>,
    },
}

/// Something done with offered resources.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Operation {
    /// Starts tasks.
    Launch {
        /// In this order.
        tasks: Vec<TaskInfo>,
    },
}

/// What the master tells a framework.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// First event of every stream.
    Subscribed {
        /// To be used from now on.
        framework_id: FrameworkId,
        /// How often [`Event::Heartbeat`] comes.
        heartbeat_interval: Duration,
        /// Who answers.
        master: MasterInfo,
    },
    /// New offers.
    Offers(Vec<Offer>),
    /// An offer is no longer valid; using it is harmless.
    Rescind(OfferId),
    /// Something about a task.
    Update(TaskStatus),
    /// An agent was removed or became unreachable.
    Failure {
        /// Which.
        agent: AgentId,
    },
    /// The subscription is over; the stream is closed after it.
    Error {
        /// Why.
        message: String,
    },
    /// Nothing to say.
    Heartbeat,
}

/// Who the master is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MasterInfo {
    /// New at every start of a master.
    pub id: String,
    /// Host name.
    pub hostname: String,
    /// Numeric address.
    pub ip: String,
    /// TCP port.
    pub port: u16,
    /// Version text: digits and dots.
    pub version: String,
}
