//! `/metrics/snapshot`: the gauges of a Mesos master that can be told from its state.

use marathon_time::Timestamp;
use serde_json::{Map, Value, json};
use substrate_core::{
    master::{AgentState, FrameworkState, StateView},
    protocol::task::TaskState,
    resources::Resources,
};

/// States that tasks which are not over can be in, with the name of their gauge.
const GAUGES: [(TaskState, &str); 5] = [
    (TaskState::TaskStaging, "master/tasks_staging"),
    (TaskState::TaskStarting, "master/tasks_starting"),
    (TaskState::TaskRunning, "master/tasks_running"),
    (TaskState::TaskKilling, "master/tasks_killing"),
    (TaskState::TaskUnreachable, "master/tasks_unreachable"),
];

/// All of them, by name.
pub(super) fn metrics(view: &StateView<'_>, now: Timestamp) -> Value {
    let mut metrics = Map::new();
    metrics.insert("master/elected".to_owned(), json!(1));
    let uptime = view.started.map_or(0.0, |started| now.since(started).as_secs_f64());
    metrics.insert("master/uptime_secs".to_owned(), json!(uptime));
    add_agents(&mut metrics, view);
    add_resources(&mut metrics, view);
    let active = view.frameworks.iter().filter(|framework| framework.state == FrameworkState::Active).count();
    let inactive = view.frameworks.len() - active;
    for (name, count) in [
        ("master/frameworks_active", active),
        ("master/frameworks_connected", active),
        ("master/frameworks_inactive", inactive),
        ("master/frameworks_disconnected", inactive),
        ("master/outstanding_offers", view.frameworks.iter().map(|framework| framework.offers.len()).sum()),
    ] {
        metrics.insert(name.to_owned(), json!(count));
    }
    for (state, name) in GAUGES {
        let tasks = view.frameworks.iter().flat_map(|framework| &framework.tasks);
        metrics.insert(name.to_owned(), json!(tasks.filter(|task| task.state == state).count()));
    }
    Value::Object(metrics)
}

fn add_agents(metrics: &mut Map<String, Value>, view: &StateView<'_>) {
    let count = |wanted: fn(AgentState) -> bool| view.agents.iter().filter(|agent| wanted(agent.state)).count();
    let active = count(|state| matches!(state, AgentState::Active));
    let disconnected = count(|state| matches!(state, AgentState::Disconnected(_)));
    let unreachable = count(|state| matches!(state, AgentState::Unreachable(_)));
    for (name, count) in [
        ("master/slaves_active", active),
        ("master/slaves_connected", active),
        ("master/slaves_inactive", disconnected),
        ("master/slaves_disconnected", disconnected),
        ("master/slaves_unreachable", unreachable),
    ] {
        metrics.insert(name.to_owned(), json!(count));
    }
}

/// Of connected agents, as Mesos counts.
fn add_resources(metrics: &mut Map<String, Value>, view: &StateView<'_>) {
    let (mut total, mut used) = (Resources::new(), Resources::new());
    for agent in view.agents.iter().filter(|agent| agent.state == AgentState::Active) {
        total.add(&agent.info.resources);
        used.add(&agent.used);
    }
    for name in ["cpus", "gpus", "mem", "disk"] {
        let (total, used) = (total.scalar(name).as_f64(), used.scalar(name).as_f64());
        let percent = if total > 0.0 { used / total } else { 0.0 };
        for (what, value) in [("total", total), ("used", used), ("percent", percent)] {
            metrics.insert(format!("master/{name}_{what}"), json!(value));
        }
    }
}
