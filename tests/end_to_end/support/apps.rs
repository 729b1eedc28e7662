//! Apps, and waiting for what becomes of them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    api::Api,
    wait::{until, until_true},
};

/// `examples/NAME`.
pub fn example(name: &str) -> Value {
    let path = format!("{}/../examples/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))).unwrap()
}

/// An app that only sleeps.
pub fn sleeper(id: &str, instances: u32) -> Value {
    json!({"id": id, "cmd": "exec sleep 100000", "instances": instances, "cpus": 0.01, "mem": 16,
           "portDefinitions": [], "taskKillGracePeriodSeconds": 2})
}

/// An app that answers over HTTP and is checked every second.
pub fn server(id: &str, instances: u32) -> Value {
    let mut app = example("shop.json")["apps"][1].take();
    let members = app.as_object_mut().unwrap();
    members.remove("dependencies");
    members.insert("id".to_owned(), json!(id));
    members.insert("instances".to_owned(), json!(instances));
    app
}

/// `app` with some members replaced.
pub fn with(mut app: Value, members: Value) -> Value {
    for (name, value) in members.as_object().unwrap() {
        app[name] = value.clone();
    }
    app
}

impl Api {
    /// Creates an app and waits until its deployment is done.
    pub async fn run_app(&self, app: &Value) {
        let answer = self.post("/v2/apps", app).await.expect(201);
        self.deployed(&answer.deployment()).await;
    }

    /// Waits until a deployment is over, however it went.
    pub async fn deployed(&self, deployment: &str) {
        let mut last = Value::Null;
        until_true(&format!("the end of deployment {deployment}"), async || {
            last = self.get("/v2/deployments").await.expect(200).json();
            !last.as_array().unwrap().iter().any(|running| running["id"] == deployment)
        })
        .await;
    }

    pub async fn deployments(&self) -> Vec<String> {
        let running = self.get("/v2/deployments").await.expect(200).json();
        running.as_array().unwrap().iter().map(|deployment| deployment["id"].as_str().unwrap().to_owned()).collect()
    }

    /// The app as `GET /v2/apps/{id}` tells it.
    pub async fn app(&self, id: &str) -> Value {
        self.get(&format!("/v2/apps{id}")).await.expect(200).json()["app"].take()
    }

    /// All tasks of an app, in the order of their ids.
    pub async fn tasks(&self, id: &str) -> Vec<Value> {
        let mut body = self.get(&format!("/v2/apps{id}/tasks")).await.expect(200).json();
        let mut tasks = body["tasks"].as_array_mut().unwrap().split_off(0);
        tasks.sort_by_key(task_id);
        tasks
    }

    pub async fn running_tasks(&self, id: &str) -> Vec<Value> {
        self.tasks(id).await.into_iter().filter(|task| task["state"] == "TASK_RUNNING").collect()
    }

    pub async fn task_ids(&self, id: &str) -> BTreeSet<String> {
        self.tasks(id).await.iter().map(task_id).collect()
    }

    /// Waits until exactly `count` tasks exist and all run; those tasks.
    pub async fn running(&self, id: &str, count: usize) -> Vec<Value> {
        until(&format!("{count} running tasks of {id}"), async || {
            let tasks = self.tasks(id).await;
            let all_run = tasks.iter().all(|task| task["state"] == "TASK_RUNNING");
            (all_run && tasks.len() == count).then_some(tasks)
        })
        .await
    }
}

pub fn task_id(task: &Value) -> String {
    task["id"].as_str().unwrap().to_owned()
}

/// The first part of a task id: what stays the same when an instance's task is relaunched.
pub fn instance_of(task: &str) -> &str {
    task.split("._app.").next().unwrap()
}

/// The last part of a task id.
pub fn incarnation_of(task: &str) -> u32 {
    task.rsplit('.').next().unwrap().parse().unwrap()
}

/// `host` and first port of a task.
pub fn endpoint(task: &Value) -> (String, u16) {
    let port = task["ports"][0].as_u64().unwrap_or_else(|| panic!("no port: {task}"));
    (task["host"].as_str().unwrap().to_owned(), u16::try_from(port).unwrap())
}
