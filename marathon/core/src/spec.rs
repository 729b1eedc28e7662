//! What users ask for: apps, checked and in domain types.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use health_core::Check;
use marathon_time::Timestamp;
use serde::{Deserialize, Serialize};
use substrate_core::{
    protocol::{
        offer::Labels,
        task::{Artifact, Run},
    },
    resources::Scalar,
};

use crate::id::PathId;

/// An app as its user defined it, without the moment at which it was stored.
///
/// Two equal specs are the same configuration, except that `instances` is not configuration: see [`AppSpec::same_config`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AppSpec {
    /// Where it stands in the tree.
    pub id: PathId,
    /// What every task executes.
    pub run: Run,
    /// Unix user; `None`: the framework's.
    pub user: Option<String>,
    /// Wins over generated variables.
    pub env: BTreeMap<String, String>,
    /// How many instances there should be.
    pub instances: u32,
    /// What each instance needs.
    pub resources: Needs,
    /// All must hold for a placement.
    pub constraints: Vec<Constraint>,
    /// Fetched into every sandbox.
    pub fetch: Vec<Artifact>,
    /// Ports, in order; `PORT0` is the first.
    pub ports: Vec<PortDefinition>,
    /// Whether [`PortDefinition::port`] are the host ports themselves rather than only service ports.
    pub require_ports: bool,
    /// How long failing tasks wait.
    pub backoff: Backoff,
    /// From SIGTERM to SIGKILL; `None` leaves it to the agent.
    pub kill_grace: Option<Duration>,
    /// Apps and groups that must be up before this in one deployment. Unknown ids are ignored.
    pub dependencies: BTreeSet<PathId>,
    /// Limits of a rolling upgrade.
    pub upgrade: UpgradeStrategy,
    /// Free-form.
    pub labels: Labels,
    /// In the order in which results are shown.
    pub health_checks: Vec<Check>,
    /// What to do about instances whose agent cannot be reached.
    pub unreachable: UnreachableStrategy,
    /// Who goes first when there are too many.
    pub kill_selection: KillSelection,
}

/// Resources of one instance. `mem` and `disk` in MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needs {
    /// Cores.
    pub cpus: Scalar,
    /// Memory, MiB.
    pub mem: Scalar,
    /// Disk, MiB.
    pub disk: Scalar,
}

/// A port of an app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortDefinition {
    /// Service port; also the host port if the app requires its ports. Zero until assigned.
    pub port: u16,
    /// `tcp`, `udp` or `udp,tcp`.
    pub protocol: String,
    /// Unique within the app.
    pub name: Option<String>,
    /// Free-form.
    pub labels: Labels,
}

/// Where instances may go.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Constraint {
    /// `hostname`, `@hostname`, `@region`, `@zone` or an attribute's name.
    pub field: String,
    /// The rule; its value was checked.
    pub operator: Operator,
}

/// Rule of a constraint (Marathon behaviour reference, constraints).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Operator {
    /// No two instances with one value.
    Unique,
    /// All instances with one value: this, or the first one's.
    Cluster(Option<String>),
    /// Evenly over so many values, or over those that are seen.
    GroupBy(Option<u32>),
    /// The whole value matches this regular expression.
    Like(String),
    /// The whole value does not match, or there is none.
    Unlike(String),
    /// At most so many instances with one value.
    MaxPer(u32),
    /// The value is this.
    Is(String),
}

/// Delay before the next launch after failures.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Backoff {
    /// After the first failure.
    pub initial: Duration,
    /// At least 1.
    pub factor: f64,
    /// Never longer.
    pub max: Duration,
}

/// Limits of a rolling upgrade; both within 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct UpgradeStrategy {
    /// Share of the target that stays healthy.
    pub minimum_health_capacity: f64,
    /// Share of the target that may exist on top.
    pub maximum_over_capacity: f64,
}

/// What to do about instances whose agent cannot be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UnreachableStrategy {
    /// Wait for ever.
    Disabled,
    /// Replace after the first, forget after the second duration; the first is not the longer.
    After {
        /// From when on a replacement is started.
        inactive: Duration,
        /// From when on the instance is forgotten, and killed if it returns.
        expunge: Duration,
    },
}

/// Who goes first when there are too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KillSelection {
    /// The newest.
    YoungestFirst,
    /// The oldest.
    OldestFirst,
}

/// A stored version of an app.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct App {
    /// The definition.
    pub spec: Arc<AppSpec>,
    /// Names this version; grows with every change.
    pub version: Timestamp,
    /// Last change of `instances` or of the configuration.
    pub last_scaling_at: Timestamp,
    /// Last change of the configuration, or restart. Key of back-off and of "which instances count for constraints".
    pub last_config_change_at: Timestamp,
}

impl AppSpec {
    /// Whether `other` differs at most in `instances` (Marathon behaviour reference, "What counts as a change").
    pub fn same_config(&self, other: &Self) -> bool {
        if self.instances == other.instances {
            return self == other;
        }
        let mut scaled = other.clone();
        scaled.instances = self.instances;
        *self == scaled
    }

    /// Whether instances are watched by any check.
    pub fn has_health_checks(&self) -> bool {
        !self.health_checks.is_empty()
    }
}
