//! Descriptions of tasks: what an agent is told about an instance that was given a place.

use std::collections::BTreeMap;

use health_core::{Check, Protocol};
use substrate_core::{
    protocol::{
        offer::{Labels, Offer},
        task::{CommandInfo, DiscoveryInfo, DiscoveryPort, TaskInfo},
    },
    resources::Resources,
    resources::Scalar,
};

use crate::{
    instance::Task,
    scheduler::Config,
    spec::{App, AppSpec, PortDefinition},
};

/// Generated names and values stay within this many characters, `MARATHON_APP_LABEL_` included (Marathon: 512).
const MAX_VARIABLE_LENGTH: usize = 512;
const LABEL_PREFIX: &str = "MARATHON_APP_LABEL_";

/// What the agent of `offer` is asked to run for `app`. Id and ports come from `task`, which was made for this offer.
///
/// Without a user of its own the task runs as the framework's: the master or agent fills that in.
pub fn task_info(app: &App, task: &Task, offer: &Offer, resources: Resources, config: &Config) -> TaskInfo {
    let spec = &app.spec;
    TaskInfo {
        name: spec.id.host_name(),
        id: task.id.clone(),
        agent_id: offer.agent_id.clone(),
        resources,
        command: CommandInfo {
            run: spec.run.clone(),
            environment: environment(app, task, &offer.hostname, &config.env_vars_prefix),
            user: spec.user.clone(),
            uris: spec.fetch.clone(),
        },
        kill_grace: spec.kill_grace,
        health_check: spec.health_checks.iter().find(|check| runs_on_agent(check)).cloned(),
        discovery: Some(discovery(spec, &task.ports)),
        labels: spec.labels.clone(),
    }
}

/// Whether the agent, not the scheduler, executes this check.
fn runs_on_agent(check: &Check) -> bool {
    match check.protocol {
        Protocol::Command { .. } => true,
        Protocol::Http { .. } | Protocol::Https { .. } | Protocol::Tcp { .. } => false,
    }
}

/// Every variable of the task; where two have one name the later of: identity, resources, labels, host and ports, the user's own.
fn environment(app: &App, task: &Task, host: &str, prefix: &str) -> BTreeMap<String, String> {
    let spec = &app.spec;
    let mut env = BTreeMap::new();
    let mut set = |name: &str, value: String| env.insert(name.to_owned(), value);
    set("MESOS_TASK_ID", task.id.to_string());
    set("MARATHON_APP_ID", spec.id.to_string());
    set("MARATHON_APP_VERSION", app.version.to_string());
    set("MARATHON_APP_RESOURCE_CPUS", decimal(spec.resources.cpus));
    set("MARATHON_APP_RESOURCE_MEM", decimal(spec.resources.mem));
    set("MARATHON_APP_RESOURCE_DISK", decimal(spec.resources.disk));
    set("MARATHON_APP_RESOURCE_GPUS", "0".into());
    set("MARATHON_APP_ENFORCE_GROUP_ROLE", "FALSE".into());
    env.extend(label_variables(&spec.labels));
    env.insert(format!("{prefix}HOST"), host.to_owned());
    let ports = port_variables(&spec.ports, &task.ports);
    env.extend(ports.into_iter().map(|(name, value)| (format!("{prefix}{name}"), value)));
    env.extend(spec.env.clone());
    env
}

/// With at least one decimal, as Marathon prints its floating point numbers: `0.1`, `128.0`.
fn decimal(amount: Scalar) -> String {
    if amount.as_thousandths() % 1000 == 0 { format!("{amount}.0") } else { amount.to_string() }
}

/// `MARATHON_APP_LABELS`, always, and a variable for each label that is short enough.
fn label_variables(labels: &Labels) -> BTreeMap<String, String> {
    let usable = labels.iter().filter(|(name, value)| {
        name.chars().count() + LABEL_PREFIX.len() < MAX_VARIABLE_LENGTH && value.chars().count() < MAX_VARIABLE_LENGTH
    });
    let values: BTreeMap<String, &String> = usable.map(|(name, value)| (escaped(name), value)).collect();
    let names = values.keys().cloned().collect::<Vec<_>>().join(" ");
    let mut variables: BTreeMap<_, _> =
        values.into_iter().map(|(name, value)| (format!("{LABEL_PREFIX}{name}"), value.clone())).collect();
    variables.insert("MARATHON_APP_LABELS".into(), names);
    variables
}

/// Upper case; every run of characters other than ASCII letters, digits and underscores becomes one underscore.
fn escaped(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    let mut in_run = false;
    for character in name.chars() {
        let plain = character.is_ascii_alphanumeric() || character == '_';
        if plain {
            text.push(character.to_ascii_uppercase());
        } else if !in_run {
            text.push('_');
        }
        in_run = !plain;
    }
    text
}

/// By index, by declared number (a port that was left open is declared as what it became), by name, and all together; nothing
/// at all without ports.
fn port_variables(definitions: &[PortDefinition], ports: &[u16]) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    let Some(first) = ports.first() else {
        return variables;
    };
    for (index, port) in ports.iter().enumerate() {
        variables.insert(format!("PORT{index}"), port.to_string());
    }
    for (definition, port) in definitions.iter().zip(ports) {
        let declared = if definition.port == 0 { *port } else { definition.port };
        variables.insert(format!("PORT_{declared}"), port.to_string());
    }
    for (definition, port) in definitions.iter().zip(ports) {
        if let Some(name) = &definition.name {
            variables.insert(format!("PORT_{}", name.to_uppercase()), port.to_string());
        }
    }
    variables.insert("PORT".into(), first.to_string());
    variables.insert("PORTS".into(), ports.iter().map(u16::to_string).collect::<Vec<_>>().join(","));
    variables
}

/// How a task on these host ports wants to be found: one entry per port and protocol.
pub fn discovery(spec: &AppSpec, ports: &[u16]) -> DiscoveryInfo {
    let mut entries = Vec::with_capacity(ports.len());
    for (definition, number) in spec.ports.iter().zip(ports) {
        for protocol in definition.protocol.split(',') {
            let mut labels = definition.labels.clone();
            labels.insert("network-scope".into(), "host".into());
            entries.push(DiscoveryPort {
                number: *number,
                name: definition.name.clone(),
                protocol: protocol.trim().to_owned(),
                labels,
            });
        }
    }
    DiscoveryInfo { name: spec.id.host_name(), ports: entries }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use health_core::PortRef;
    use substrate_core::protocol::task::Artifact;

    use super::*;
    use crate::matching::fixtures::{app, app_of, at, offer, port, running_on};

    #[test]
    fn the_environment_of_a_task_is_complete() {
        let mut app = app_of("/shop/web", |spec| {
            spec.resources.cpus = Scalar::from_thousandths(100);
            spec.resources.mem = Scalar::from_units(128);
            spec.env = [("PORT1".into(), "mine".into()), ("GREETING".into(), "hi".into())].into();
            spec.labels = [
                ("my.label-x".into(), "one two".into()),
                ("ok_2".into(), String::new()),
                ("long".into(), "x".repeat(512)),
                ("y".repeat(493), "too long a name".into()),
            ]
            .into();
            spec.ports = vec![
                PortDefinition { name: Some("http-main".into()), ..port(10_000) },
                PortDefinition {
                    protocol: "udp,tcp".into(),
                    labels: [("VIP_0".into(), "1.2.3.4:53".into())].into(),
                    ..port(0)
                },
            ];
            spec.health_checks = vec![
                check(Protocol::Tcp { port: PortRef::Index(0) }),
                check(Protocol::Command { command: "first".into() }),
                check(Protocol::Command { command: "second".into() }),
            ];
            spec.fetch = vec![Artifact {
                uri: "http://files/a.tgz".into(),
                extract: true,
                executable: false,
                cache: false,
                destination: None,
            }];
            spec.kill_grace = Some(Duration::from_secs(7));
            spec.user = Some("www".into());
        });
        app.version = at(1_772_600_767_089);
        let mut task = running_on(1, "node-4").task.unwrap();
        task.ports = vec![31_005, 31_006];
        let config = Config { env_vars_prefix: "X_".into(), ..Config::default() };
        let resources: Resources = "cpus:0.1;mem:128;ports:[31005-31006]".parse().unwrap();
        let info = task_info(&app, &task, &offer(4, "cpus:1"), resources.clone(), &config);

        let expected = [
            ("GREETING", "hi"),
            ("MARATHON_APP_ENFORCE_GROUP_ROLE", "FALSE"),
            ("MARATHON_APP_ID", "/shop/web"),
            ("MARATHON_APP_LABELS", "MY_LABEL_X OK_2"),
            ("MARATHON_APP_LABEL_MY_LABEL_X", "one two"),
            ("MARATHON_APP_LABEL_OK_2", ""),
            ("MARATHON_APP_RESOURCE_CPUS", "0.1"),
            ("MARATHON_APP_RESOURCE_DISK", "0.0"),
            ("MARATHON_APP_RESOURCE_GPUS", "0"),
            ("MARATHON_APP_RESOURCE_MEM", "128.0"),
            ("MARATHON_APP_VERSION", "2026-03-04T05:06:07.089Z"),
            ("MESOS_TASK_ID", "a.instance-00000000-0000-0000-0000-000000000001._app.1"),
            ("PORT1", "mine"),
            ("X_HOST", "node-4"),
            ("X_PORT", "31005"),
            ("X_PORT0", "31005"),
            ("X_PORT1", "31006"),
            ("X_PORTS", "31005,31006"),
            ("X_PORT_10000", "31005"),
            ("X_PORT_31006", "31006"),
            ("X_PORT_HTTP-MAIN", "31005"),
        ];
        let expected: BTreeMap<String, String> =
            expected.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        assert_eq!(info.command.environment, expected);
        assert_eq!((info.name.as_str(), info.id, info.agent_id.as_str()), ("web.shop", task.id, "agent-4"));
        assert_eq!((info.resources, &info.labels), (resources, &app.spec.labels));
        assert_eq!(info.kill_grace, Some(Duration::from_secs(7)));
        assert_eq!((info.command.user.as_deref(), &info.command.uris), (Some("www"), &app.spec.fetch));
        assert_eq!(info.command.run, app.spec.run);
        assert_eq!(info.health_check.as_ref(), Some(&app.spec.health_checks[1]));
        let discovery = info.discovery.unwrap();
        let scope = ("network-scope".to_owned(), "host".to_owned());
        let entry = |number, name: Option<&str>, protocol: &str, labels: &[(String, String)]| DiscoveryPort {
            number,
            name: name.map(str::to_owned),
            protocol: protocol.into(),
            labels: labels.iter().cloned().chain([scope.clone()]).collect(),
        };
        let vip = [("VIP_0".to_owned(), "1.2.3.4:53".to_owned())];
        assert_eq!(discovery.name, "web.shop");
        assert_eq!(
            discovery.ports,
            [
                entry(31_005, Some("http-main"), "tcp", &[]),
                entry(31_006, None, "udp", &vip),
                entry(31_006, None, "tcp", &vip),
            ]
        );
    }

    #[test]
    fn a_task_without_ports_and_labels_has_no_port_variables() {
        let app = app("/a");
        let task = running_on(1, "node-4").task.unwrap();
        let info = task_info(&app, &task, &offer(4, "cpus:1"), Resources::new(), &Config::default());
        let names: Vec<&str> = info.command.environment.keys().map(String::as_str).collect();
        assert!(names.contains(&"HOST") && !names.iter().any(|name| name.starts_with("PORT")), "{names:?}");
        assert_eq!(info.command.environment["MARATHON_APP_LABELS"], "");
        assert_eq!((info.health_check, info.command.user, info.discovery.unwrap().ports.len()), (None, None, 0));
    }

    fn check(protocol: Protocol) -> Check {
        Check {
            protocol,
            grace_period: Duration::ZERO,
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(5),
            delay: Duration::ZERO,
            max_consecutive_failures: 3,
            ignore_http_1xx: false,
        }
    }
}
