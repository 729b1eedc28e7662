//! All that the scheduler knows, in persistent maps: cloning it costs a handful of reference counts, and two versions of it share
//! what did not change. A clone is what every reader sees (the snapshot).

pub mod invariants;
mod root;

use std::{collections::BTreeSet, sync::Arc};

use imbl::OrdMap;
use marathon_time::Timestamp;
use serde::{Deserialize, Serialize};
use substrate_core::protocol::{AgentId, FrameworkId, TaskId, scheduler::MasterInfo, task::TaskState};

use crate::{
    deployment::Deployment,
    id::{DeploymentId, InstanceId, PathId},
    instance::Instance,
    queue::Queue,
    spec::App,
};

/// All that the scheduler knows.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// The group tree as it should be.
    pub root: Root,
    /// Earlier trees by version, the present one included; bounded by the configuration.
    pub roots: OrdMap<Timestamp, Root>,
    /// Versions of every app, newest last; bounded per app by the configuration.
    pub versions: OrdMap<PathId, OrdMap<Timestamp, Arc<App>>>,
    /// Every instance, per app. An app without instances has no entry.
    pub instances: OrdMap<PathId, OrdMap<InstanceId, Arc<Instance>>>,
    /// Deployments on their way.
    pub deployments: OrdMap<DeploymentId, Arc<Deployment>>,
    /// Which deployments lock an app. An app that is not locked has no entry.
    pub locks: OrdMap<PathId, BTreeSet<DeploymentId>>,
    /// What waits for offers, and why.
    pub queue: Queue,
    /// Last failure of every app that had one.
    pub failures: OrdMap<PathId, Arc<TaskFailure>>,
    /// Ours, once a master gave it.
    pub framework_id: Option<FrameworkId>,
    /// The master that we are subscribed to; `None` while we are not.
    pub master: Option<MasterInfo>,
    /// Position of the newest event in the log; 0: none yet.
    pub last_event: u64,
}

/// A group tree: what should be. Groups are listed apart from apps, by id; an app's parents are always there.
#[derive(Clone, Debug, PartialEq)]
pub struct Root {
    /// Of this tree.
    pub version: Timestamp,
    /// Every group, `/` included.
    pub groups: OrdMap<PathId, Arc<Group>>,
    /// Every app.
    pub apps: OrdMap<PathId, Arc<App>>,
}

/// A group, without what is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Version of the last change in it or below.
    pub version: Timestamp,
    /// Groups (and, ignored, anything else) that must be up before this.
    pub dependencies: BTreeSet<PathId>,
    /// Whether apps below must use the group's role. Only for groups directly below the root.
    pub enforce_role: bool,
}

/// The last failure of an app.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskFailure {
    /// Whose.
    pub app: PathId,
    /// What failed.
    pub task: TaskId,
    /// How.
    pub state: TaskState,
    /// Why.
    pub message: String,
    /// Where.
    pub host: String,
    /// Where.
    pub agent: Option<AgentId>,
    /// When.
    pub at: Timestamp,
    /// Of the instance.
    pub version: Timestamp,
}

impl Default for Root {
    /// The tree before anything was asked for: only the root group.
    fn default() -> Self {
        Self { version: Timestamp::EPOCH, groups: OrdMap::unit(PathId::root(), Arc::default()), apps: OrdMap::new() }
    }
}
