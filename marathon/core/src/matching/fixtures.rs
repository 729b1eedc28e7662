//! Values that tests of this crate's rooms are made of.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use marathon_time::Timestamp;
use substrate_core::{
    protocol::{
        AgentId, FrameworkId, OfferId,
        offer::{AgentAddress, Attribute, AttributeValue, Offer},
        task::Run,
    },
    resources::Scalar,
};
use uuid::Uuid;

use super::Request;
use crate::{
    id::{InstanceId, TaskName},
    instance::{Condition, Goal, Instance, Task},
    spec::{App, AppSpec, Backoff, KillSelection, Needs, PortDefinition, UnreachableStrategy, UpgradeStrategy},
};

pub(crate) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// 1 cpu, 100 MiB, no disk, no ports.
pub(crate) fn spec(id: &str) -> AppSpec {
    AppSpec {
        id: id.parse().unwrap(),
        run: Run::Shell("sleep 60".into()),
        user: None,
        env: BTreeMap::new(),
        instances: 3,
        resources: Needs { cpus: Scalar::from_units(1), mem: Scalar::from_units(100), disk: Scalar::ZERO },
        constraints: vec![],
        fetch: vec![],
        ports: vec![],
        require_ports: false,
        backoff: Backoff { initial: Duration::from_secs(1), factor: 1.15, max: Duration::from_secs(300) },
        kill_grace: None,
        dependencies: BTreeSet::new(),
        upgrade: UpgradeStrategy { minimum_health_capacity: 1.0, maximum_over_capacity: 1.0 },
        labels: BTreeMap::new(),
        health_checks: vec![],
        unreachable: UnreachableStrategy::Disabled,
        kill_selection: KillSelection::YoungestFirst,
    }
}

pub(crate) fn app(id: &str) -> App {
    App { spec: Arc::new(spec(id)), version: at(0), last_scaling_at: at(0), last_config_change_at: at(0) }
}

pub(crate) fn app_of(id: &str, change: impl FnOnce(&mut AppSpec)) -> App {
    let mut app = app(id);
    change(Arc::make_mut(&mut app.spec));
    app
}

pub(crate) fn port(number: u16) -> PortDefinition {
    PortDefinition { port: number, protocol: "tcp".into(), name: None, labels: BTreeMap::new() }
}

pub(crate) fn attribute(name: &str, value: &str) -> Attribute {
    Attribute { name: name.into(), value: AttributeValue::Text(value.into()) }
}

pub(crate) fn offer(agent: usize, resources: &str) -> Offer {
    Offer {
        id: OfferId::new(format!("offer-{agent}")),
        framework_id: FrameworkId::new("framework"),
        agent_id: AgentId::new(format!("agent-{agent}")),
        hostname: format!("node-{agent}"),
        agent_address: AgentAddress { ip: "10.0.0.1".into(), port: 5051 },
        domain: None,
        role: "*".into(),
        resources: resources.parse().unwrap(),
        attributes: vec![],
    }
}

pub(crate) fn offers(count: usize, resources: &str) -> Vec<Offer> {
    (0..count).map(|agent| offer(agent, resources)).collect()
}

pub(crate) fn instance_id(spec: &str, number: u128) -> InstanceId {
    InstanceId { spec: spec.parse().unwrap(), uuid: Uuid::from_u128(number) }
}

/// Waits for its first launch.
pub(crate) fn instance(spec: &str, number: u128) -> Instance {
    Instance {
        id: instance_id(spec, number),
        goal: Goal::Running,
        version: at(0),
        incarnation: 0,
        condition: Condition::Scheduled,
        since: at(0),
        scheduled_at: at(0),
        task: None,
        health: vec![],
    }
}

pub(crate) fn waiting(spec: &str, count: u128) -> Vec<Instance> {
    (1..=count).map(|number| instance(spec, number)).collect()
}

/// Instance of `/a` that runs since the moment `number` on this host, whose agent is named likewise.
pub(crate) fn running_on(number: u128, host: &str) -> Instance {
    let mut instance = instance("/a", number);
    instance.condition = Condition::Running;
    instance.incarnation = 1;
    let name = TaskName { instance: instance.id.clone(), incarnation: 1 };
    instance.task = Some(Task {
        id: name.task_id(),
        agent_id: AgentId::new(host.replace("node", "agent")),
        host: host.into(),
        agent_address: AgentAddress { ip: "10.0.0.1".into(), port: 5051 },
        domain: None,
        attributes: vec![],
        ports: vec![],
        ip_addresses: vec![],
        staged_at: at(number as i64),
        started_at: Some(at(number as i64)),
        state: None,
        agent_health: None,
        unreachable_since: None,
        kill_requested_at: None,
    });
    instance
}

pub(crate) fn healthy() -> health_core::State {
    health_core::State { last_success: Some(at(1)), ..health_core::State::default() }
}

pub(crate) fn unhealthy() -> health_core::State {
    health_core::State { last_failure: Some(at(1)), consecutive_failures: 1, ..health_core::State::default() }
}

/// In launch order.
pub(crate) fn request<'a>(app: &'a App, waiting: &'a [Instance], placed: &'a [Instance]) -> Request<'a> {
    Request { app, waiting: waiting.iter().collect(), placed: placed.iter().collect() }
}
