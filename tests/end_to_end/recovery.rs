//! Processes are killed; what they kept going goes on.

use std::collections::{BTreeMap, BTreeSet};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::shop;
use crate::support::{
    apps::{incarnation_of, instance_of, sleeper, task_id},
    cluster::{Cluster, Options},
    events::Subscriber,
    processes,
    wait::until_true,
};

/// What must not change: tasks with their processes, apps, versions.
#[derive(Debug, PartialEq)]
struct Picture {
    processes: BTreeMap<String, BTreeSet<i32>>,
    tasks: Vec<Value>,
    apps: Value,
    versions: Vec<Value>,
    groups: Value,
    deployments: Value,
}

async fn picture(cluster: &Cluster) -> Picture {
    let api = &cluster.api;
    let mut tasks = api.get("/v2/tasks").await.expect(200).json()["tasks"].take();
    let mut tasks = tasks.as_array_mut().unwrap().split_off(0);
    for task in &mut tasks {
        // When checks last succeeded goes on; that they exist is checked elsewhere.
        task.as_object_mut().unwrap().remove("healthCheckResults");
    }
    tasks.sort_by_key(task_id);
    let mut apps = api.get("/v2/apps").await.expect(200).json();
    for app in apps["apps"].as_array_mut().unwrap() {
        for name in ["tasksHealthy", "tasksUnhealthy"] {
            app.as_object_mut().unwrap().remove(name);
        }
    }
    let mut versions = Vec::new();
    for (app, _) in shop::TIERS {
        versions.push(api.get(&format!("/v2/apps{app}/versions")).await.expect(200).json());
    }
    Picture {
        processes: processes::by_task(cluster.home()),
        tasks,
        apps,
        versions,
        groups: api.get("/v2/groups").await.expect(200).json(),
        deployments: api.get("/v2/deployments").await.expect(200).json(),
    }
}

async fn all_healthy(cluster: &Cluster) {
    until_true("every instance is healthy again", async || {
        for (app, count) in shop::TIERS {
            if cluster.api.app(app).await["tasksHealthy"] != count {
                return false;
            }
        }
        true
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_scheduler_and_master_or_an_agent_leaves_every_task_as_it_was() {
    let mut cluster = Cluster::with(Options { agents: 0, apart: 3, ..Options::default() }).await;
    shop::deploy(&cluster.api).await;
    let before = picture(&cluster).await;
    assert_eq!(before.processes.len(), 7, "{before:?}");

    cluster.kill_up();
    assert_eq!(processes::by_task(cluster.home()), before.processes);
    cluster.start_up().await;
    cluster.agents_are_there(3).await;
    all_healthy(&cluster).await;
    assert_eq!(picture(&cluster).await, before);

    cluster.kill_agent(1);
    assert_eq!(processes::by_task(cluster.home()), before.processes);
    cluster.start_agent(1);
    cluster.agents_are_there(3).await;
    all_healthy(&cluster).await;
    assert_eq!(picture(&cluster).await, before);

    cluster.kill_up();
    (0..3).for_each(|agent| cluster.kill_agent(agent));
    (0..3).for_each(|agent| cluster.start_agent(agent));
    cluster.start_up().await;
    cluster.agents_are_there(3).await;
    all_healthy(&cluster).await;
    assert_eq!(picture(&cluster).await, before);
    shop::dns_follows(&cluster, "/shop/web").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exit_while_its_agent_was_down_is_reported_and_the_task_relaunched_as_the_next_incarnation() {
    let mut cluster = Cluster::with(Options { agents: 0, apart: 2, ..Options::default() }).await;
    cluster.api.run_app(&sleeper("/victim", 2)).await;
    let subscriber = Subscriber::attach(&cluster.api).await;
    let tasks = processes::by_task(cluster.home());
    let (victim, pids) = tasks.iter().next().unwrap();
    let pid = *pids.iter().next().unwrap();
    let agent = cluster.agent_of(pid);
    cluster.kill_agent(agent);
    processes::signal(pid, Signal::SIGKILL);
    until_true("the task is gone", async || !processes::is_alive(pid)).await;
    cluster.start_agent(agent);

    let failed = |task: &Value, state: &str| *task == victim.as_str() && state == "TASK_FAILED";
    subscriber
        .find("TASK_FAILED of the victim", |event| {
            event.kind == "status_update_event" && failed(&event.data["taskId"], event.text("taskStatus"))
        })
        .await;
    until_true("the next incarnation runs", async || {
        let running = cluster.api.running_tasks("/victim").await;
        let ids: Vec<String> = running.iter().map(task_id).collect();
        let next =
            |id: &String| instance_of(id) == instance_of(victim) && incarnation_of(id) == incarnation_of(victim) + 1;
        ids.len() == 2 && ids.iter().any(next)
    })
    .await;
    let failure = &cluster.api.app("/victim").await["lastTaskFailure"];
    assert_eq!(failure["taskId"], victim.as_str(), "{failure}");
    assert_eq!(failure["state"], "TASK_FAILED");
    let untouched = tasks.keys().nth(1).unwrap();
    assert_eq!(processes::by_task(cluster.home()).get(untouched), tasks.get(untouched));
}
