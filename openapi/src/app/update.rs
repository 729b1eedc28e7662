//! From what was posted to the complete, canonical definition.

use std::{
    collections::{BTreeMap, HashSet},
    hash::Hash,
};

use marathon_time::Timestamp;
use utoipa::ToSchema;

use super::{
    App, Artifact, Constraint, DEFAULT_ROLE, HealthCheck, HealthProtocol, KillSelection, Network, NetworkMode,
    PortDefinition, PortProtocol, UnreachableStrategy, UpgradeStrategy, validate,
};
use crate::{
    error::{Refusal, Violations},
    path,
};

/// What a PUT or PATCH asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum AppChange {
    /// Go back to a stored version.
    Rollback(Timestamp),
    /// Change what is given.
    Update(Box<AppUpdate>),
}

/// An app definition of which every member may be absent: what a request body says, deprecated members already translated.
///
/// A member that is there replaces the whole old one; nothing below a member is merged.
#[derive(Clone, Debug, Default, PartialEq, ToSchema)]
#[schema(as = AppBody, rename_all = "camelCase", example = json!({
    "id": "/demo/echo", "cmd": "sleep 1000", "cpus": 0.1, "mem": 32, "instances": 2,
    "healthChecks": [{ "protocol": "TCP" }]
}))]
#[expect(missing_docs, reason = "the members are those of App")]
pub struct AppUpdate {
    /// As posted: absolute or relative.
    pub id: Option<String>,
    pub cmd: Option<String>,
    pub args: Option<Vec<String>>,
    pub user: Option<String>,
    pub env: Option<BTreeMap<String, String>>,
    pub instances: Option<u32>,
    pub cpus: Option<f64>,
    pub mem: Option<f64>,
    pub disk: Option<f64>,
    /// As posted; checked when the definition is completed.
    pub constraints: Option<Vec<Vec<String>>>,
    /// Of each, only `uri` must be there.
    #[schema(value_type = Option<Vec<Object>>, example = json!([{ "uri": "http://repo.example/x.tgz" }]))]
    pub fetch: Option<Vec<Artifact>>,
    /// Of each, nothing must be there.
    #[schema(value_type = Option<Vec<Object>>, example = json!([{ "port": 0, "name": "http" }]))]
    pub port_definitions: Option<Vec<PortDefinition>>,
    pub require_ports: Option<bool>,
    /// Of each, nothing must be there but the `command` of a COMMAND check.
    #[schema(value_type = Option<Vec<Object>>, example = json!([{ "protocol": "HTTP", "path": "/health" }]))]
    pub health_checks: Option<Vec<HealthCheck>>,
    pub backoff_seconds: Option<u32>,
    pub backoff_factor: Option<f64>,
    pub max_launch_delay_seconds: Option<u32>,
    pub task_kill_grace_period_seconds: Option<u32>,
    /// As posted: absolute or relative to the group of the app.
    pub dependencies: Option<Vec<String>>,
    pub upgrade_strategy: Option<UpgradeStrategy>,
    pub labels: Option<BTreeMap<String, String>>,
    pub accepted_resource_roles: Option<Vec<String>>,
    #[schema(value_type = Option<Object>, example = json!({ "inactiveAfterSeconds": 60, "expungeAfterSeconds": 120 }))]
    pub unreachable_strategy: Option<UnreachableStrategy>,
    pub kill_selection: Option<KillSelection>,
    /// As posted. Means a rollback in a partial update, and nothing otherwise.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub version: Option<Timestamp>,
}

impl AppUpdate {
    /// Everything that `app` says.
    pub fn of(app: &App) -> Self {
        let app = app.clone();
        let roles = app.accepted_resource_roles;
        Self {
            id: Some(app.id),
            cmd: app.cmd,
            args: Some(app.args),
            user: app.user,
            env: Some(app.env),
            instances: Some(app.instances),
            cpus: Some(app.cpus),
            mem: Some(app.mem),
            disk: Some(app.disk),
            constraints: Some(app.constraints.into_iter().map(Vec::from).collect()),
            fetch: Some(app.fetch),
            port_definitions: Some(app.port_definitions),
            require_ports: Some(app.require_ports),
            health_checks: Some(app.health_checks),
            backoff_seconds: Some(app.backoff_seconds),
            backoff_factor: Some(app.backoff_factor),
            max_launch_delay_seconds: Some(app.max_launch_delay_seconds),
            task_kill_grace_period_seconds: app.task_kill_grace_period_seconds,
            dependencies: Some(app.dependencies),
            upgrade_strategy: Some(app.upgrade_strategy),
            labels: Some(app.labels),
            accepted_resource_roles: (!roles.is_empty()).then_some(roles),
            unreachable_strategy: Some(app.unreachable_strategy),
            kill_selection: Some(app.kill_selection),
            version: None,
        }
    }

    /// These members, and for those that are absent the ones of `below`.
    pub fn over(self, below: Self) -> Self {
        Self {
            id: self.id.or(below.id),
            cmd: self.cmd.or(below.cmd),
            args: self.args.or(below.args),
            user: self.user.or(below.user),
            env: self.env.or(below.env),
            instances: self.instances.or(below.instances),
            cpus: self.cpus.or(below.cpus),
            mem: self.mem.or(below.mem),
            disk: self.disk.or(below.disk),
            constraints: self.constraints.or(below.constraints),
            fetch: self.fetch.or(below.fetch),
            port_definitions: self.port_definitions.or(below.port_definitions),
            require_ports: self.require_ports.or(below.require_ports),
            health_checks: self.health_checks.or(below.health_checks),
            backoff_seconds: self.backoff_seconds.or(below.backoff_seconds),
            backoff_factor: self.backoff_factor.or(below.backoff_factor),
            max_launch_delay_seconds: self.max_launch_delay_seconds.or(below.max_launch_delay_seconds),
            task_kill_grace_period_seconds: self
                .task_kill_grace_period_seconds
                .or(below.task_kill_grace_period_seconds),
            dependencies: self.dependencies.or(below.dependencies),
            upgrade_strategy: self.upgrade_strategy.or(below.upgrade_strategy),
            labels: self.labels.or(below.labels),
            accepted_resource_roles: self.accepted_resource_roles.or(below.accepted_resource_roles),
            unreachable_strategy: self.unreachable_strategy.or(below.unreachable_strategy),
            kill_selection: self.kill_selection.or(below.kill_selection),
            version: self.version.or(below.version),
        }
    }

    /// The definition after this partial update of `current`. The id stays.
    ///
    /// # Errors
    /// 422 with all faults of the resulting definition.
    pub fn merge_into(self, current: &App) -> Result<App, Refusal> {
        self.over(Self::of(current)).complete(&current.id).map_err(Refusal::not_valid)
    }

    /// The definition of a new app with the canonical id `id`, whatever this says about it.
    ///
    /// # Errors
    /// 422 with all faults of the definition.
    pub fn create(self, id: &str) -> Result<App, Refusal> {
        self.complete(id).map_err(Refusal::not_valid)
    }

    /// Fills in the defaults, brings everything into canonical form, and checks it.
    pub(crate) fn complete(self, id: &str) -> Result<App, Violations> {
        let mut violations = Violations::new();
        let app = self.normalize(id, &mut violations);
        violations.absorb("", validate(&app));
        if violations.is_empty() { Ok(app) } else { Err(violations) }
    }

    fn normalize(self, id: &str, violations: &mut Violations) -> App {
        let port_definitions = self.port_definitions.unwrap_or_else(default_ports);
        if self.accepted_resource_roles.as_ref().is_some_and(Vec::is_empty) {
            violations.add("/acceptedResourceRoles", "must not be empty");
        }
        let health_checks = self.health_checks.unwrap_or_default();
        let group = path::parent(id);
        let dependencies = self.dependencies.unwrap_or_default();
        App {
            id: id.to_owned(),
            cmd: self.cmd,
            args: self.args.unwrap_or_default(),
            user: self.user,
            env: self.env.unwrap_or_default(),
            instances: self.instances.unwrap_or(1),
            cpus: self.cpus.unwrap_or(1.0),
            mem: self.mem.unwrap_or(128.0),
            disk: self.disk.unwrap_or(0.0),
            gpus: 0,
            executor: String::new(),
            constraints: unique(checked_constraints(self.constraints.unwrap_or_default(), violations)),
            fetch: self.fetch.unwrap_or_default(),
            health_checks: unique(health_checks.into_iter().map(|check| with_port(check, &port_definitions)).collect()),
            port_definitions,
            require_ports: self.require_ports.unwrap_or(false),
            networks: vec![Network { mode: NetworkMode::Host }],
            backoff_seconds: self.backoff_seconds.unwrap_or(1),
            backoff_factor: self.backoff_factor.unwrap_or(1.15),
            max_launch_delay_seconds: self.max_launch_delay_seconds.unwrap_or(300),
            task_kill_grace_period_seconds: self.task_kill_grace_period_seconds,
            dependencies: unique(dependencies.iter().map(|dependency| path::resolve(dependency, group)).collect()),
            upgrade_strategy: self.upgrade_strategy.unwrap_or_default(),
            labels: self.labels.unwrap_or_default(),
            accepted_resource_roles: unique(self.accepted_resource_roles.unwrap_or_default()),
            role: DEFAULT_ROLE.to_owned(),
            unreachable_strategy: self.unreachable_strategy.unwrap_or_default(),
            kill_selection: self.kill_selection.unwrap_or_default(),
            version: None,
            version_info: None,
        }
    }
}

fn default_ports() -> Vec<PortDefinition> {
    let name = Some("default".to_owned());
    vec![PortDefinition { port: 0, protocol: PortProtocol::Tcp, name, labels: BTreeMap::new() }]
}

/// A check that says nothing about its port takes the first one, if there is any.
fn with_port(mut check: HealthCheck, ports: &[PortDefinition]) -> HealthCheck {
    let silent = check.port.is_none() && check.port_index.is_none();
    if silent && check.protocol != HealthProtocol::Command && !ports.is_empty() {
        check.port_index = Some(0);
    }
    check
}

fn checked_constraints(posted: Vec<Vec<String>>, violations: &mut Violations) -> Vec<Constraint> {
    let mut constraints = Vec::with_capacity(posted.len());
    for (index, parts) in posted.into_iter().enumerate() {
        match Constraint::try_from(parts) {
            Ok(constraint) => constraints.push(constraint),
            Err(message) => violations.add(format!("/constraints({index})"), message),
        }
    }
    constraints
}

/// The items of a set, each once, in the order of their first mention.
pub(crate) fn unique<T: Clone + Eq + Hash>(items: Vec<T>) -> Vec<T> {
    let mut seen = HashSet::with_capacity(items.len());
    items.into_iter().filter(|item| seen.insert(item.clone())).collect()
}
