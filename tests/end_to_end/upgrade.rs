//! Rolling upgrades under observation.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::shop;
use crate::support::{
    answering::Watch,
    apps::{example, task_id},
    cluster::{Cluster, Options},
    events::{Event, Subscriber},
    wait::until_true,
};

const APP: &str = "/shop/api";
const INSTANCES: usize = 5;

async fn shop_with_five(cluster: &Cluster) {
    let mut group = example("shop.json");
    group["apps"][1]["instances"] = json!(INSTANCES);
    group["apps"][1]["upgradeStrategy"] = json!({"minimumHealthCapacity": 1.0, "maximumOverCapacity": 0.2});
    let answer = cluster.api.put("/v2/groups", &group).await.expect(200);
    cluster.api.deployed(&answer.deployment()).await;
}

async fn upgrade(cluster: &Cluster, strategy: (f64, f64), floor: usize, release: &str) {
    let api = &cluster.api;
    let subscriber = Subscriber::attach(api).await;
    let before = api.task_ids(APP).await;
    let mut watch = Watch::begin(api, APP);
    until_true("all instances are seen to answer", async || watch.sees(INSTANCES)).await;
    watch.count_from_now();
    let (minimum, over) = strategy;
    let update = json!({"env": {"RELEASE": release},
        "upgradeStrategy": {"minimumHealthCapacity": minimum, "maximumOverCapacity": over}});
    let answer = api.put(&format!("/v2/apps{APP}"), &update).await.expect(200);
    let deployment = answer.deployment();
    subscriber.deployed(&deployment).await;
    let after = api.running(APP, INSTANCES).await;
    until_true("the new instances are seen to answer", async || watch.sees(INSTANCES)).await;
    let (lowest, duration) = watch.lowest().await;
    assert!(lowest >= floor, "only {lowest} instances answered for {duration:?}; the floor is {floor} ({strategy:?})");

    let version = answer.json()["version"].clone();
    assert!(after.iter().all(|task| task["version"] == version), "{after:?}");
    assert!(after.iter().all(|task| !before.contains(&task_id(task))), "an old task survived");
    the_deployment_is_told_completely(&subscriber.heard(), &deployment, &before);
    shop::dns_follows(cluster, APP).await;
    let others: BTreeSet<String> = api.task_ids("/shop/db").await;
    assert_eq!(others.len(), 2);
}

fn the_deployment_is_told_completely(events: &[Event], deployment: &str, before: &BTreeSet<String>) {
    let of_it = |event: &&Event| event.data["plan"]["id"] == deployment;
    let kinds: Vec<&str> = events.iter().filter(of_it).map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["deployment_info", "deployment_step_success", "deployment_success"]);
    let first = events.iter().position(|event| event.kind == "deployment_info").unwrap();
    let last = events.iter().rposition(|event| event.kind == "deployment_success").unwrap();
    let step = json!({"actions": [{"action": "RestartApplication", "app": APP}]});
    assert_eq!(events[first].data["currentStep"], step);
    assert_eq!(events[first].data["plan"]["steps"], json!([step]));
    let during = &events[first..last];
    for task in before {
        let killed =
            |event: &&Event| event.data["taskId"] == task.as_str() && event.data["taskStatus"] == "TASK_KILLED";
        assert_eq!(during.iter().filter(killed).count(), 1, "TASK_KILLED of {task}");
    }
    let running = |event: &&Event| event.kind == "status_update_event" && event.data["taskStatus"] == "TASK_RUNNING";
    let new: BTreeSet<&str> = during.iter().filter(running).filter_map(|event| event.data["taskId"].as_str()).collect();
    assert_eq!(new.len(), INSTANCES, "{new:?}");
    let ids: Vec<u64> = events.iter().map(|event| event.id).collect();
    assert!(ids.windows(2).all(|pair| pair[1] == pair[0] + 1), "positions have gaps: {ids:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rolling_upgrades_never_have_fewer_answering_instances_than_allowed() {
    let cluster = Cluster::start().await;
    shop_with_five(&cluster).await;
    upgrade(&cluster, (1.0, 0.2), 5, "two").await;
    upgrade(&cluster, (0.5, 0.0), 3, "three").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_goes_on_where_it_was_after_scheduler_and_master_were_killed() {
    let mut cluster = Cluster::with(Options { agents: 0, apart: 3, ..Options::default() }).await;
    shop_with_five(&cluster).await;
    let mut watch = Watch::begin(&cluster.api, APP);
    until_true("all instances are seen to answer", async || watch.sees(INSTANCES)).await;
    watch.count_from_now();
    let answer = cluster.api.put(&format!("/v2/apps{APP}"), &json!({"env": {"RELEASE": "two"}})).await.expect(200);
    let deployment = answer.deployment();
    let version = answer.json()["version"].clone();
    let is_new = |task: &&Value| task["version"] == version && task["state"] == "TASK_RUNNING";
    let upgraded = async |cluster: &Cluster| cluster.api.tasks(APP).await.iter().filter(is_new).count();
    until_true("the upgrade is in its middle", async || upgraded(&cluster).await >= 2).await;
    cluster.kill_up();
    cluster.start_up().await;
    assert_eq!(cluster.api.deployments().await, [deployment.as_str()], "the deployment was forgotten");
    cluster.api.deployed(&deployment).await;
    let tasks = cluster.api.running(APP, INSTANCES).await;
    assert!(tasks.iter().all(|task| task["version"] == version), "{tasks:?}");
    until_true("the new instances are seen to answer", async || watch.sees(INSTANCES)).await;
    let (lowest, duration) = watch.lowest().await;
    assert!(lowest >= INSTANCES, "only {lowest} instances answered for {duration:?}");
    shop::dns_follows(&cluster, APP).await;
}
