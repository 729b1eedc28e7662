//! Apps: their shape, what may be posted, what is stored and printed.
//!
//! A request body becomes an [`AppUpdate`] (everything optional, deprecated members translated), which is laid over nothing or
//! over the current definition and completed to an [`App`]: canonical, with all defaults, and checked.

mod constraint;
mod health_check;
mod parts;
mod read;
mod update;
mod validate;

use std::collections::BTreeMap;

use marathon_time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use self::{
    constraint::{Constraint, Operator},
    parts::{
        Artifact, Command, HealthCheck, HealthProtocol, IpProtocol, KillSelection, Network, NetworkMode,
        PortDefinition, PortProtocol, UnreachableDelays, UnreachableStrategy, UpgradeStrategy, VersionInfo,
    },
    read::{parse_create, parse_replace, parse_replacements, parse_update, parse_updates},
    update::{AppChange, AppUpdate},
    validate::validate,
};
pub(crate) use self::{read::read_app, update::unique};

use crate::{
    error::DeploymentRef,
    task::{ReadinessCheckResult, Task, TaskFailure, TasksStats},
};

/// The role of every app: this server offers no other.
pub const DEFAULT_ROLE: &str = "*";

/// An app: what to run, how many times, where, and how to replace it. Canonical: ids are absolute, defaults are filled in.
///
/// What comes out of a request body is checked; what is merely deserialized (an answer, a row) is trusted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "id": "/demo/echo", "cmd": "sleep 1000", "instances": 1, "cpus": 0.1, "mem": 32.0, "disk": 0.0, "gpus": 0, "executor": "",
    "portDefinitions": [{ "port": 0, "name": "default", "protocol": "tcp" }], "requirePorts": false,
    "networks": [{ "mode": "host" }], "backoffSeconds": 1, "backoffFactor": 1.15, "maxLaunchDelaySeconds": 300,
    "upgradeStrategy": { "minimumHealthCapacity": 1.0, "maximumOverCapacity": 1.0 }, "labels": {}, "role": "*",
    "unreachableStrategy": { "inactiveAfterSeconds": 0, "expungeAfterSeconds": 0 }, "killSelection": "YOUNGEST_FIRST",
    "version": "2020-03-01T12:00:00.000Z"
}))]
pub struct App {
    /// Absolute path of the app in the group tree.
    pub id: String,
    /// Command line, run by a shell. Exactly one of `cmd` and `args` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub cmd: Option<String>,
    /// Program and arguments, run without a shell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// User to run as; otherwise that of the framework.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub user: Option<String>,
    /// Environment variables. They win over generated ones of the same name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// How many instances should run.
    pub instances: u32,
    /// CPU shares per instance.
    pub cpus: f64,
    /// Memory per instance, in MiB.
    pub mem: f64,
    /// Disk space per instance, in MiB.
    pub disk: f64,
    /// GPUs per instance: always 0.
    pub gpus: u32,
    /// Custom executor: always empty.
    pub executor: String,
    /// Placement constraints: `[field, operator, value?]` each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Vec<String>>, example = json!([["hostname", "UNIQUE"], ["rack", "LIKE", "rack-[1-3]"]]))]
    pub constraints: Vec<Constraint>,
    /// What to fetch into the sandbox before the start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fetch: Vec<Artifact>,
    /// The ports of one instance; `[]` means none.
    pub port_definitions: Vec<PortDefinition>,
    /// Whether the ports of `portDefinitions` must be taken on the host as they are, rather than being service ports only.
    pub require_ports: bool,
    /// How instances see the network: always that of the host.
    pub networks: Vec<Network>,
    /// How to find out whether an instance works.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub health_checks: Vec<HealthCheck>,
    /// Delay before the next launch after a failure, in seconds.
    pub backoff_seconds: u32,
    /// By what the delay is multiplied after every further failure.
    pub backoff_factor: f64,
    /// Limit of that delay, in seconds.
    pub max_launch_delay_seconds: u32,
    /// How long an instance may take to stop before it is killed, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub task_kill_grace_period_seconds: Option<u32>,
    /// Apps and groups that must be up before this one is started.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<String>,
    /// Bounds within which instances are replaced.
    pub upgrade_strategy: UpgradeStrategy,
    /// Labels. Most of them mean something only to those who read them.
    pub labels: BTreeMap<String, String>,
    /// Roles whose resources may be used; absent means any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accepted_resource_roles: Vec<String>,
    /// Role that the app belongs to.
    pub role: String,
    /// What becomes of instances whose agent cannot be reached.
    pub unreachable_strategy: UnreachableStrategy,
    /// Which instance is stopped first.
    pub kill_selection: KillSelection,
    /// When this definition was made. Unique per app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime)]
    pub version: Option<Timestamp>,
    /// When it was scaled and when it was changed otherwise; absent in the answer to the POST that creates it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub version_info: Option<VersionInfo>,
}

/// An app with what is known about its instances. Which of the further members are there is a matter of `embed`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppInfo {
    /// The definition.
    #[serde(flatten)]
    pub app: App,
    /// Instances that were launched but do not run yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub tasks_staged: Option<u32>,
    /// Instances that run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub tasks_running: Option<u32>,
    /// Instances of which every health check known succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub tasks_healthy: Option<u32>,
    /// Instances of which a health check failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub tasks_unhealthy: Option<u32>,
    /// Running deployments that affect this app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub deployments: Option<Vec<DeploymentRef>>,
    /// Results of readiness checks in running deployments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub readiness_check_results: Option<Vec<ReadinessCheckResult>>,
    /// Instances that have an agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub tasks: Option<Vec<Task>>,
    /// The latest failure of an instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub last_task_failure: Option<TaskFailure>,
    /// Counts and life times by class of version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub tasks_stats: Option<TasksStats>,
}

impl From<App> for AppInfo {
    /// The definition with nothing embedded.
    fn from(app: App) -> Self {
        Self {
            app,
            tasks_staged: None,
            tasks_running: None,
            tasks_healthy: None,
            tasks_unhealthy: None,
            deployments: None,
            readiness_check_results: None,
            tasks: None,
            last_task_failure: None,
            tasks_stats: None,
        }
    }
}

/// Answer of `GET /v2/apps`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AppList {
    /// The apps, in no particular order.
    pub apps: Vec<AppInfo>,
}

/// Answer of `GET /v2/apps/{id}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AppAnswer {
    /// The app.
    pub app: AppInfo,
}

/// Answer of `GET /v2/apps/{group}/*`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AppSubtree {
    /// All apps below the group.
    #[serde(rename = "*")]
    pub apps: Vec<AppInfo>,
}

/// Answer of `GET /v2/apps/{id}/versions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VersionList {
    /// The versions kept, newest first.
    #[schema(value_type = Vec<String>, example = json!(["2020-03-01T12:00:00.000Z"]))]
    pub versions: Vec<Timestamp>,
}
