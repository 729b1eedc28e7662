//! The agent's `/state` and `/metrics/snapshot`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use substrate_core::{
    agent::TaskView,
    protocol::{FrameworkId, task::TaskState},
};

use super::{routes::Context, service::View};
use crate::{clock, containerizer::sandbox, http::VERSION, json};

/// What the agent is, and per framework what it runs. Every task is told as an executor with that one task, as Mesos does for
/// tasks with a command.
pub(super) fn state(context: &Context, view: &View) -> Value {
    let config = &context.config;
    let mut object = json!({
        "version": VERSION,
        "build_date": "", "build_time": 0.0, "build_user": "marathon",
        "start_time": context.started.as_secs_f64(),
        "id": view.id.as_ref().map_or("", |id| id.as_str()),
        "pid": format!("slave(1)@{}:{}", config.ip, context.address.port()),
        "hostname": config.hostname,
        "capabilities": ["MULTI_ROLE"],
        "resources": json::resources(&config.resources),
        "reserved_resources": json::reserved_resources(&config.resources),
        "unreserved_resources": json::resources(&config.resources.unreserved()),
        "attributes": json::attributes(&config.attributes),
        "flags": {"work_dir": context.work_dir.display().to_string()},
        "frameworks": frameworks(context, view),
        "completed_frameworks": [],
    });
    if let Some(domain) = &config.domain {
        object["domain"] = json::domain(domain);
    }
    object
}

/// The gauges of a Mesos agent that can be told from its state.
pub(super) fn metrics(context: &Context, view: &View) -> Value {
    let mut metrics = Map::new();
    metrics.insert("slave/registered".to_owned(), json!(u8::from(view.is_registered)));
    metrics.insert("slave/uptime_secs".to_owned(), json!(clock::now().since(context.started).as_secs_f64()));
    for name in ["cpus", "gpus", "mem", "disk"] {
        let (total, used) = (context.config.resources.scalar(name).as_f64(), view.used.scalar(name).as_f64());
        let percent = if total > 0.0 { used / total } else { 0.0 };
        for (what, value) in [("total", total), ("used", used), ("percent", percent)] {
            metrics.insert(format!("slave/{name}_{what}"), json!(value));
        }
    }
    for (state, name) in [
        (TaskState::TaskStaging, "slave/tasks_staging"),
        (TaskState::TaskStarting, "slave/tasks_starting"),
        (TaskState::TaskRunning, "slave/tasks_running"),
        (TaskState::TaskKilling, "slave/tasks_killing"),
    ] {
        let count = view.tasks.iter().filter(|task| task.status.state == state).count();
        metrics.insert(name.to_owned(), json!(count));
    }
    Value::Object(metrics)
}

fn frameworks(context: &Context, view: &View) -> Vec<Value> {
    let mut by_framework: BTreeMap<&FrameworkId, Vec<Value>> = BTreeMap::new();
    for task in &view.tasks {
        by_framework.entry(&task.framework_id).or_default().push(executor(context, view, task));
    }
    by_framework
        .into_iter()
        .map(|(id, executors)| json!({"id": id.as_str(), "executors": executors, "completed_executors": []}))
        .collect()
}

fn executor(context: &Context, view: &View, task: &TaskView) -> Value {
    let TaskView { framework_id, task_id, container_id, status, .. } = task;
    let directory = sandbox::sandbox(&context.work_dir, framework_id, task_id, container_id);
    let mut told = Map::new();
    told.insert("id".to_owned(), json!(task_id.as_str()));
    told.insert("name".to_owned(), json!(task_id.as_str()));
    told.insert("framework_id".to_owned(), json!(framework_id.as_str()));
    told.insert("executor_id".to_owned(), json!(""));
    told.insert("slave_id".to_owned(), json!(view.id.as_ref().map_or("", |id| id.as_str())));
    told.insert("state".to_owned(), json!(status.state.as_str()));
    told.insert("statuses".to_owned(), json!([json::status(status, Some(&context.config.ip))]));
    json!({
        "id": task_id.as_str(),
        "name": "",
        "source": task_id.as_str(),
        "container": container_id.as_str(),
        "directory": directory.display().to_string(),
        "tasks": [told],
        "queued_tasks": [],
        "completed_tasks": [],
    })
}
