//! `/state`, `/state-summary`, `/slaves`, `/frameworks`, `/tasks`.
//!
//! Source of the shapes: Mesos documentation, "master endpoints", and what readers need: a framework here never has a `pid`, an agent
//! always has one that can be resolved, every status has a timestamp. One entry that lacks something stops some readers altogether.

use std::collections::{BTreeMap, BTreeSet};

use health_core::{Check, Protocol};
use marathon_time::Timestamp;
use serde_json::{Map, Value, json};
use substrate_core::{
    master::{AgentState, AgentView, CompletedFrameworkView, FrameworkState, FrameworkView, StateView, TaskView},
    protocol::{
        AgentId,
        offer::Offer,
        scheduler::{FrameworkInfo, MasterInfo},
        task::TaskState,
    },
};

use crate::json;

/// Counted in summaries.
const COUNTED: [TaskState; 10] = [
    TaskState::TaskStaging,
    TaskState::TaskStarting,
    TaskState::TaskRunning,
    TaskState::TaskKilling,
    TaskState::TaskFinished,
    TaskState::TaskKilled,
    TaskState::TaskFailed,
    TaskState::TaskLost,
    TaskState::TaskError,
    TaskState::TaskUnreachable,
];

/// Everything.
pub(super) fn state(view: &StateView<'_>, cluster: Option<&str>) -> Value {
    let MasterInfo { id, hostname, ip, port, version } = &view.master;
    let pid = format!("master@{ip}:{port}");
    let started = seconds(view.started);
    let count = |wanted: fn(AgentState) -> bool| view.agents.iter().filter(|agent| wanted(agent.state)).count();
    let mut object = json!({
        "version": version,
        "build_date": "", "build_time": 0.0, "build_user": "marathon",
        "start_time": started, "elected_time": started,
        "id": id, "pid": pid, "hostname": hostname,
        "leader": pid,
        "leader_info": {"id": id, "pid": pid, "port": port, "hostname": hostname},
        "capabilities": [],
        "activated_slaves": count(|state| matches!(state, AgentState::Active)),
        "deactivated_slaves": count(|state| matches!(state, AgentState::Disconnected(_))),
        "unreachable_slaves": count(|state| matches!(state, AgentState::Unreachable(_))),
        "flags": {},
        "slaves": agents(view),
        "recovered_slaves": [],
        "frameworks": all_frameworks(view),
        "completed_frameworks": completed_frameworks(view),
        "orphan_tasks": [], "unregistered_frameworks": [],
    });
    if let Some(cluster) = cluster {
        object["cluster"] = json!(cluster);
    }
    object
}

/// Agents and frameworks with counts in the place of tasks.
pub(super) fn summary(view: &StateView<'_>, cluster: Option<&str>) -> Value {
    let mut of_agents: BTreeMap<&AgentId, (BTreeMap<TaskState, usize>, BTreeSet<&str>)> = BTreeMap::new();
    for task in all_tasks(view) {
        let (counts, frameworks) = of_agents.entry(&task.info.agent_id).or_default();
        *counts.entry(task.state).or_default() += 1;
        frameworks.insert(task.framework_id.as_str());
    }
    let slaves = registered(view).map(|view| {
        let mut told = agent(view);
        let (counts, frameworks) = of_agents.remove(view.id).unwrap_or_default();
        add_counts(&mut told, &counts);
        told["framework_ids"] = json!(frameworks);
        told
    });
    let slaves: Vec<Value> = slaves.collect();
    let frameworks = view.frameworks.iter().map(|view| {
        let mut told = framework_head(view);
        let (mut counts, mut slaves) = (BTreeMap::new(), BTreeSet::new());
        for task in view.tasks.iter().chain(&view.completed_tasks) {
            *counts.entry(task.state).or_default() += 1;
            slaves.insert(task.info.agent_id.as_str());
        }
        add_counts(&mut told, &counts);
        told["slave_ids"] = json!(slaves);
        told
    });
    let mut object = json!({
        "hostname": view.master.hostname,
        "slaves": slaves,
        "frameworks": frameworks.collect::<Vec<Value>>(),
    });
    if let Some(cluster) = cluster {
        object["cluster"] = json!(cluster);
    }
    object
}

/// The agents alone.
pub(super) fn slaves(view: &StateView<'_>) -> Value {
    json!({"slaves": agents(view), "recovered_slaves": []})
}

/// The frameworks alone.
pub(super) fn frameworks(view: &StateView<'_>) -> Value {
    json!({
        "frameworks": all_frameworks(view),
        "completed_frameworks": completed_frameworks(view),
        "unregistered_frameworks": [],
    })
}

/// Every task of every framework.
pub(super) fn tasks(view: &StateView<'_>) -> Value {
    let addresses = addresses(view);
    let tasks: Vec<Value> = all_tasks(view).map(|view| task(view, &addresses)).collect();
    json!({"tasks": tasks})
}

type Addresses<'a> = BTreeMap<&'a AgentId, &'a str>;

/// What tasks with host networking are reached by.
fn addresses<'a>(view: &StateView<'a>) -> Addresses<'a> {
    view.agents.iter().map(|agent| (agent.id, agent.info.address.ip.as_str())).collect()
}

/// Agents that were not given up.
fn registered<'a, 'b>(view: &'b StateView<'a>) -> impl Iterator<Item = &'b AgentView<'a>> {
    view.agents.iter().filter(|agent| match agent.state {
        AgentState::Active | AgentState::Disconnected(_) => true,
        AgentState::Unreachable(_) => false,
    })
}

fn all_tasks<'a, 'b>(view: &'b StateView<'a>) -> impl Iterator<Item = &'b TaskView<'a>> {
    view.frameworks.iter().flat_map(|framework| framework.tasks.iter().chain(&framework.completed_tasks))
}

fn agents(view: &StateView<'_>) -> Vec<Value> {
    registered(view).map(agent).collect()
}

fn agent(view: &AgentView<'_>) -> Value {
    let info = view.info;
    let is_active = view.state == AgentState::Active;
    let mut object = json!({
        "id": view.id.as_str(),
        "hostname": info.hostname,
        "port": info.address.port,
        "pid": format!("slave(1)@{}:{}", info.address.ip, info.address.port),
        "attributes": json::attributes(&info.attributes),
        "registered_time": seconds(Some(view.registered)),
        "resources": json::resources(&info.resources),
        "used_resources": json::resources(&view.used),
        "offered_resources": json::resources(&view.offered),
        "reserved_resources": json::reserved_resources(&info.resources),
        "unreserved_resources": json::resources(&info.resources.unreserved()),
        "active": is_active,
        "deactivated": false,
        "version": crate::http::VERSION,
        "capabilities": ["MULTI_ROLE"],
    });
    if let Some(reregistered) = view.reregistered {
        object["reregistered_time"] = seconds(Some(reregistered));
    }
    if let Some(domain) = &info.domain {
        object["domain"] = json::domain(domain);
    }
    object
}

fn all_frameworks(view: &StateView<'_>) -> Vec<Value> {
    let addresses = addresses(view);
    view.frameworks.iter().map(|view| framework(view, &addresses)).collect()
}

fn completed_frameworks(view: &StateView<'_>) -> Vec<Value> {
    let addresses = addresses(view);
    view.completed_frameworks.iter().map(|view| completed_framework(view, &addresses)).collect()
}

fn framework(view: &FrameworkView<'_>, addresses: &Addresses<'_>) -> Value {
    let mut object = framework_head(view);
    let (unreachable, present): (Vec<&TaskView>, Vec<&TaskView>) =
        view.tasks.iter().partition(|task| task.state == TaskState::TaskUnreachable);
    let told = |tasks: Vec<&TaskView>| tasks.into_iter().map(|view| task(view, addresses)).collect::<Vec<Value>>();
    object["tasks"] = json!(told(present));
    object["unreachable_tasks"] = json!(told(unreachable));
    object["completed_tasks"] = json!(told(view.completed_tasks.iter().collect()));
    object["offers"] = view.offers.iter().map(|view| offer(view)).collect();
    object["executors"] = json!([]);
    object["resources"] = json::resources(&view.used.plus(&view.offered));
    object
}

fn completed_framework(view: &CompletedFrameworkView<'_>, addresses: &Addresses<'_>) -> Value {
    let mut object = json!({"id": view.id.as_str(), "active": false, "connected": false, "recovered": false});
    add_info(&mut object, view.id.as_str(), view.info);
    object["registered_time"] = seconds(view.registered);
    object["unregistered_time"] = seconds(view.unregistered);
    object["completed_tasks"] = view.completed_tasks.iter().map(|view| task(view, addresses)).collect();
    for empty in ["tasks", "unreachable_tasks", "offers", "executors"] {
        object[empty] = json!([]);
    }
    for nothing in ["resources", "used_resources", "offered_resources"] {
        object[nothing] = json::resources(&Default::default());
    }
    object
}

/// What summaries tell of a framework too.
fn framework_head(view: &FrameworkView<'_>) -> Value {
    let (is_active, is_recovered, unregistered) = match view.state {
        FrameworkState::Active => (true, false, None),
        FrameworkState::Disconnected(since) => (false, false, Some(since)),
        FrameworkState::Recovered => (false, true, None),
        FrameworkState::Removing => (false, false, None),
    };
    let mut object = json!({
        "id": view.id.as_str(),
        "active": is_active, "connected": is_active, "recovered": is_recovered,
        "used_resources": json::resources(&view.used),
        "offered_resources": json::resources(&view.offered),
        "registered_time": seconds(view.registered),
        "unregistered_time": seconds(unregistered),
    });
    if let Some(reregistered) = view.reregistered {
        object["reregistered_time"] = seconds(Some(reregistered));
    }
    add_info(&mut object, view.id.as_str(), view.info);
    object
}

/// A framework that is known from its tasks only is called by its id: no reader expects an empty name.
fn add_info(object: &mut Value, id: &str, info: Option<&FrameworkInfo>) {
    object["name"] = json!(info.map_or(id, |info| &info.name));
    object["user"] = json!(info.map_or("", |info| &info.user));
    object["hostname"] = json!(info.map_or("", |info| &info.hostname));
    object["webui_url"] = json!(info.map_or("", |info| &info.webui_url));
    object["failover_timeout"] = json!(info.map_or(0.0, |info| info.failover_timeout.as_secs_f64()));
    object["checkpoint"] = json!(true);
    let mut capabilities = Vec::new();
    if info.is_some_and(|info| info.partition_aware) {
        capabilities.push("PARTITION_AWARE");
    }
    match info.map_or(&[][..], |info| &info.roles) {
        [] => object["role"] = json!("*"),
        [role] => object["role"] = json!(role),
        roles => {
            capabilities.push("MULTI_ROLE");
            object["roles"] = json!(roles);
        }
    }
    object["capabilities"] = json!(capabilities);
}

fn task(view: &TaskView<'_>, addresses: &Addresses<'_>) -> Value {
    let info = view.info;
    let mut object = json!({
        "id": info.id.as_str(),
        "name": info.name,
        "framework_id": view.framework_id.as_str(),
        "executor_id": "",
        "slave_id": info.agent_id.as_str(),
        "state": view.state.as_str(),
        "resources": json::resources(&info.resources),
        "role": view.role,
        "statuses": [json::status(view.status, addresses.get(&info.agent_id).copied())],
    });
    if let Some(user) = &info.command.user {
        object["user"] = json!(user);
    }
    if !info.labels.is_empty() {
        object["labels"] = json::labels(&info.labels);
    }
    if let Some(discovery) = &info.discovery {
        object["discovery"] = json::discovery(discovery);
    }
    if let Some(check) = &info.health_check
        && let Protocol::Command { command } = &check.protocol
    {
        object["health_check"] = health_check(check, command);
    }
    object
}

fn health_check(check: &Check, command: &str) -> Value {
    json!({
        "type": "COMMAND",
        "command": {"shell": true, "value": command},
        "delay_seconds": check.delay.as_secs_f64(),
        "interval_seconds": check.interval.as_secs_f64(),
        "timeout_seconds": check.timeout.as_secs_f64(),
        "grace_period_seconds": check.grace_period.as_secs_f64(),
        "consecutive_failures": check.max_consecutive_failures,
    })
}

fn offer(offer: &Offer) -> Value {
    json!({
        "id": offer.id.as_str(),
        "framework_id": offer.framework_id.as_str(),
        "allocation_info": {"role": offer.role},
        "slave_id": offer.agent_id.as_str(),
        "resources": json::resources(&offer.resources),
    })
}

fn add_counts(object: &mut Value, counts: &BTreeMap<TaskState, usize>) {
    let counted: Map<String, Value> = COUNTED
        .iter()
        .map(|state| (state.as_str().to_owned(), json!(counts.get(state).copied().unwrap_or(0))))
        .collect();
    if let Value::Object(object) = object {
        object.extend(counted);
    }
}

/// Seconds since the epoch; 0 where there is no time, as Mesos prints it.
fn seconds(time: Option<Timestamp>) -> Value {
    json!(time.map_or(0.0, Timestamp::as_secs_f64))
}
