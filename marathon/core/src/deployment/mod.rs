//! Deployments: from one group tree to another, by ordered steps that are applied level-triggered.

pub mod blockers;
pub mod limits;
pub mod plan;
pub mod reconcile;
pub mod revert;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use marathon_time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{DeploymentId, InstanceId, PathId};

/// What a deployment will do; never changes once made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Random.
    pub id: DeploymentId,
    /// Version of the target tree.
    pub version: Timestamp,
    /// Version of the tree before.
    pub original: Timestamp,
    /// In order; none if nothing changes.
    pub steps: Vec<Step>,
    /// Instances that the user wants gone (kill and scale), per app.
    pub kill: BTreeMap<PathId, BTreeSet<InstanceId>>,
}

/// Actions that are carried out together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// At most one per run spec.
    pub actions: Vec<Action>,
}

/// What is done to one run spec.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// What.
    pub kind: ActionKind,
    /// To which.
    pub app: PathId,
}

/// What is done to a run spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ActionKind {
    /// Introduce it; nothing runs yet.
    Start,
    /// End all of it.
    Stop,
    /// Bring the number of instances to the target.
    Scale,
    /// Replace every instance by one of the target version.
    Restart,
}

/// A deployment on its way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deployment {
    /// What it does.
    pub plan: Arc<Plan>,
    /// Index into the steps of the one that is being applied.
    pub step: usize,
    /// When it was accepted.
    pub started_at: Timestamp,
}

impl Plan {
    /// The run specs of all its actions: what it locks.
    pub fn affected(&self) -> BTreeSet<&PathId> {
        self.steps.iter().flat_map(|step| &step.actions).map(|action| &action.app).collect()
    }
}
