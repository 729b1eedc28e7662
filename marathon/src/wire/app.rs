//! Apps: definitions in both directions, and what is embedded in them on request.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use health_core::{Check, PortRef, Protocol};
use marathon_core::{
    id::{InvalidPath, PathId},
    spec::{
        App, AppSpec, Backoff, Constraint, KillSelection, Needs, Operator, PortDefinition, UnreachableStrategy,
        UpgradeStrategy,
    },
};
use marathon_openapi::app as wire;
use substrate_core::{
    protocol::task::{Artifact, Run},
    resources::Scalar,
};

/// Initial delay that definitions print for checks that the scheduler runs, which have none: Marathon's fixed value.
const PRINTED_DELAY_SECONDS: u32 = 15;

/// The definition as `GET /v2/apps/{id}/versions/{version}` answers it.
pub fn definition(app: &App) -> wire::App {
    let mut definition = from_spec(&app.spec);
    definition.version = Some(app.version);
    definition.version_info = Some(wire::VersionInfo {
        last_scaling_at: app.last_scaling_at,
        last_config_change_at: app.last_config_change_at,
    });
    definition
}

/// The app as it is kept in the store.
pub fn stored(app: &App) -> wire::App {
    definition(app)
}

/// The app of a text made from [`stored`].
pub fn restored(text: &str) -> Result<App, String> {
    let definition: wire::App = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let version = definition.version.ok_or("no version")?;
    let info = definition.version_info.ok_or("no versionInfo")?;
    Ok(App {
        spec: Arc::new(to_spec(definition).map_err(|error| error.to_string())?),
        version,
        last_scaling_at: info.last_scaling_at,
        last_config_change_at: info.last_config_change_at,
    })
}

/// A checked definition in the core's terms.
///
/// # Errors
/// An id that is not canonical: it did not come from the checks of `marathon-openapi`.
pub fn to_spec(app: wire::App) -> Result<AppSpec, InvalidPath> {
    Ok(AppSpec {
        id: app.id.parse()?,
        run: match app.cmd {
            Some(command) => Run::Shell(command),
            None => Run::Exec(app.args),
        },
        user: app.user,
        env: app.env,
        instances: app.instances,
        resources: Needs {
            cpus: Scalar::from_f64(app.cpus),
            mem: Scalar::from_f64(app.mem),
            disk: Scalar::from_f64(app.disk),
        },
        constraints: app.constraints.into_iter().map(to_constraint).collect(),
        fetch: app.fetch.into_iter().map(to_artifact).collect(),
        ports: app.port_definitions.into_iter().map(to_port).collect(),
        require_ports: app.require_ports,
        backoff: Backoff {
            initial: seconds(app.backoff_seconds),
            factor: app.backoff_factor,
            max: seconds(app.max_launch_delay_seconds),
        },
        kill_grace: app.task_kill_grace_period_seconds.map(seconds),
        dependencies: app.dependencies.iter().map(|id| id.parse()).collect::<Result<BTreeSet<PathId>, _>>()?,
        upgrade: UpgradeStrategy {
            minimum_health_capacity: app.upgrade_strategy.minimum_health_capacity,
            maximum_over_capacity: app.upgrade_strategy.maximum_over_capacity,
        },
        labels: app.labels,
        health_checks: app.health_checks.into_iter().map(to_check).collect(),
        unreachable: match app.unreachable_strategy {
            wire::UnreachableStrategy::Disabled(_) => UnreachableStrategy::Disabled,
            wire::UnreachableStrategy::Delays(delays) => UnreachableStrategy::After {
                inactive: Duration::from_secs(delays.inactive_after_seconds),
                expunge: Duration::from_secs(delays.expunge_after_seconds),
            },
        },
        kill_selection: match app.kill_selection {
            wire::KillSelection::YoungestFirst => KillSelection::YoungestFirst,
            wire::KillSelection::OldestFirst => KillSelection::OldestFirst,
        },
    })
}

/// The definition without version.
pub fn from_spec(spec: &AppSpec) -> wire::App {
    let (cmd, args) = match &spec.run {
        Run::Shell(command) => (Some(command.clone()), Vec::new()),
        Run::Exec(arguments) => (None, arguments.clone()),
    };
    wire::App {
        id: spec.id.to_string(),
        cmd,
        args,
        user: spec.user.clone(),
        env: spec.env.clone(),
        instances: spec.instances,
        cpus: spec.resources.cpus.as_f64(),
        mem: spec.resources.mem.as_f64(),
        disk: spec.resources.disk.as_f64(),
        gpus: 0,
        executor: String::new(),
        constraints: spec.constraints.iter().map(from_constraint).collect(),
        fetch: spec.fetch.iter().map(from_artifact).collect(),
        port_definitions: spec.ports.iter().map(from_port).collect(),
        require_ports: spec.require_ports,
        networks: vec![wire::Network { mode: wire::NetworkMode::Host }],
        health_checks: spec.health_checks.iter().map(health_check).collect(),
        backoff_seconds: whole_seconds(spec.backoff.initial),
        backoff_factor: spec.backoff.factor,
        max_launch_delay_seconds: whole_seconds(spec.backoff.max),
        task_kill_grace_period_seconds: spec.kill_grace.map(whole_seconds),
        dependencies: spec.dependencies.iter().map(ToString::to_string).collect(),
        upgrade_strategy: wire::UpgradeStrategy {
            minimum_health_capacity: spec.upgrade.minimum_health_capacity,
            maximum_over_capacity: spec.upgrade.maximum_over_capacity,
        },
        labels: spec.labels.clone(),
        accepted_resource_roles: Vec::new(),
        role: "*".into(),
        unreachable_strategy: match spec.unreachable {
            UnreachableStrategy::Disabled => wire::UnreachableStrategy::DISABLED,
            UnreachableStrategy::After { inactive, expunge } => {
                wire::UnreachableStrategy::Delays(wire::UnreachableDelays {
                    inactive_after_seconds: inactive.as_secs(),
                    expunge_after_seconds: expunge.as_secs(),
                })
            }
        },
        kill_selection: match spec.kill_selection {
            KillSelection::YoungestFirst => wire::KillSelection::YoungestFirst,
            KillSelection::OldestFirst => wire::KillSelection::OldestFirst,
        },
        version: None,
        version_info: None,
    }
}

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}

fn whole_seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

fn to_constraint(constraint: wire::Constraint) -> Constraint {
    // What a value may be was checked with the operator; a number out of range means no limit.
    let number = |value: Option<&String>| value.and_then(|text| text.parse().ok());
    let value = constraint.value;
    let operator = match constraint.operator {
        wire::Operator::Unique => Operator::Unique,
        wire::Operator::Cluster => Operator::Cluster(value.filter(|text| !text.is_empty())),
        wire::Operator::GroupBy => Operator::GroupBy(number(value.as_ref())),
        wire::Operator::Like => Operator::Like(value.unwrap_or_default()),
        wire::Operator::Unlike => Operator::Unlike(value.unwrap_or_default()),
        wire::Operator::MaxPer => Operator::MaxPer(number(value.as_ref()).unwrap_or(u32::MAX)),
        wire::Operator::Is => Operator::Is(value.unwrap_or_default()),
    };
    Constraint { field: constraint.field, operator }
}

fn from_constraint(constraint: &Constraint) -> wire::Constraint {
    let (operator, value) = match &constraint.operator {
        Operator::Unique => (wire::Operator::Unique, None),
        Operator::Cluster(value) => (wire::Operator::Cluster, value.clone()),
        Operator::GroupBy(groups) => (wire::Operator::GroupBy, groups.map(|groups| groups.to_string())),
        Operator::Like(pattern) => (wire::Operator::Like, Some(pattern.clone())),
        Operator::Unlike(pattern) => (wire::Operator::Unlike, Some(pattern.clone())),
        Operator::MaxPer(limit) => (wire::Operator::MaxPer, Some(limit.to_string())),
        Operator::Is(value) => (wire::Operator::Is, Some(value.clone())),
    };
    wire::Constraint { field: constraint.field.clone(), operator, value }
}

fn to_artifact(artifact: wire::Artifact) -> Artifact {
    Artifact {
        uri: artifact.uri,
        extract: artifact.extract,
        executable: artifact.executable,
        cache: artifact.cache,
        destination: artifact.dest_path,
    }
}

fn from_artifact(artifact: &Artifact) -> wire::Artifact {
    wire::Artifact {
        uri: artifact.uri.clone(),
        extract: artifact.extract,
        executable: artifact.executable,
        cache: artifact.cache,
        dest_path: artifact.destination.clone(),
    }
}

fn to_port(port: wire::PortDefinition) -> PortDefinition {
    let protocol = match port.protocol {
        wire::PortProtocol::Tcp => "tcp",
        wire::PortProtocol::Udp => "udp",
        wire::PortProtocol::UdpTcp => "udp,tcp",
    };
    PortDefinition { port: port.port, protocol: protocol.into(), name: port.name, labels: port.labels }
}

fn from_port(port: &PortDefinition) -> wire::PortDefinition {
    let protocol = match port.protocol.as_str() {
        "udp" => wire::PortProtocol::Udp,
        "udp,tcp" => wire::PortProtocol::UdpTcp,
        _ => wire::PortProtocol::Tcp,
    };
    wire::PortDefinition { port: port.port, protocol, name: port.name.clone(), labels: port.labels.clone() }
}

fn to_check(check: wire::HealthCheck) -> Check {
    let port = match (check.port, check.port_index) {
        (Some(port), _) => PortRef::Port(port),
        (None, index) => PortRef::Index(index.unwrap_or(0).into()),
    };
    let (protocol, delay) = match check.protocol {
        wire::HealthProtocol::Http => (Protocol::Http { path: check.path, port }, 0),
        wire::HealthProtocol::Https => (Protocol::Https { path: check.path, port }, 0),
        wire::HealthProtocol::Tcp => (Protocol::Tcp { port }, 0),
        wire::HealthProtocol::Command => {
            let command = check.command.map(|command| command.value).unwrap_or_default();
            (Protocol::Command { command }, check.delay_seconds)
        }
    };
    Check {
        protocol,
        grace_period: seconds(check.grace_period_seconds),
        interval: seconds(check.interval_seconds),
        timeout: seconds(check.timeout_seconds),
        delay: seconds(delay),
        max_consecutive_failures: check.max_consecutive_failures,
        ignore_http_1xx: check.ignore_http1xx.unwrap_or(false),
    }
}

/// A health check as definitions and events show it.
pub fn health_check(check: &Check) -> wire::HealthCheck {
    let (protocol, path, port, command) = match &check.protocol {
        Protocol::Http { path, port } => (wire::HealthProtocol::Http, path.clone(), Some(port), None),
        Protocol::Https { path, port } => (wire::HealthProtocol::Https, path.clone(), Some(port), None),
        Protocol::Tcp { port } => (wire::HealthProtocol::Tcp, None, Some(port), None),
        Protocol::Command { command } => (wire::HealthProtocol::Command, None, None, Some(command.clone())),
    };
    let (port, port_index) = match port {
        Some(PortRef::Port(port)) => (Some(*port), None),
        Some(PortRef::Index(index)) => (None, u16::try_from(*index).ok()),
        None => (None, None),
    };
    let is_http = matches!(protocol, wire::HealthProtocol::Http | wire::HealthProtocol::Https);
    let is_command = protocol == wire::HealthProtocol::Command;
    wire::HealthCheck {
        protocol,
        path,
        port,
        port_index,
        command: command.map(|value| wire::Command { value }),
        grace_period_seconds: whole_seconds(check.grace_period),
        interval_seconds: whole_seconds(check.interval),
        timeout_seconds: whole_seconds(check.timeout),
        max_consecutive_failures: check.max_consecutive_failures,
        delay_seconds: if is_command { whole_seconds(check.delay) } else { PRINTED_DELAY_SECONDS },
        ip_protocol: wire::IpProtocol::IPv4,
        ignore_http1xx: is_http.then_some(check.ignore_http_1xx),
    }
}
