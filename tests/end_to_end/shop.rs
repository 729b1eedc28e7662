//! The shop example: order by dependency, endpoints, DNS, and nothing left behind.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{
    answering,
    api::Api,
    apps::{endpoint, example},
    cluster::Cluster,
    dns::{self, Transport},
    events::{Event, Subscriber},
    processes,
    wait::until_true,
};

pub const TIERS: [(&str, usize); 3] = [("/shop/db", 2), ("/shop/api", 3), ("/shop/web", 2)];

/// Deploys the shop and waits until that is done.
pub async fn deploy(api: &Api) {
    let answer = api.put("/v2/groups", &example("shop.json")).await.expect(200);
    api.deployed(&answer.deployment()).await;
}

/// Waits until DNS tells exactly the running tasks of an app of the shop.
pub async fn dns_follows(cluster: &Cluster, app: &str) {
    let tier = app.rsplit('/').next().unwrap();
    for transport in [Transport::Udp, Transport::Tcp] {
        until_true(&format!("DNS tells the tasks of {app} ({transport:?})"), async || {
            let tasks = cluster.api.running_tasks(app).await;
            let ports: BTreeSet<u16> = tasks.iter().map(|task| endpoint(task).1).collect();
            let hosts: BTreeSet<String> = tasks.iter().map(|task| endpoint(task).0).collect();
            let told = dns::ports(cluster.dns, transport, &format!("_{tier}-shop._tcp.marathon.mesos")).await;
            let dashed = dns::addresses(cluster.dns, transport, &format!("{tier}-shop.marathon.mesos")).await;
            let dotted = dns::addresses(cluster.dns, transport, &format!("{tier}.shop.marathon.mesos")).await;
            !ports.is_empty() && told == ports && dashed == hosts && dotted == hosts
        })
        .await;
    }
}

fn position(events: &[Event], what: &str, wanted: impl Fn(&Event) -> bool) -> usize {
    events.iter().position(wanted).unwrap_or_else(|| panic!("no {what}"))
}

fn last_position(events: &[Event], what: &str, wanted: impl Fn(&Event) -> bool) -> usize {
    events.iter().rposition(wanted).unwrap_or_else(|| panic!("no {what}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shop_comes_up_in_the_order_of_its_dependencies_and_goes_without_a_trace() {
    let cluster = Cluster::start().await;
    let api = &cluster.api;
    let subscriber = Subscriber::attach(api).await;
    let answer = api.put("/v2/groups", &example("shop.json")).await.expect(200);
    let deployment = answer.deployment();
    assert_eq!(answer.header("Marathon-Deployment-Id"), Some(deployment.as_str()));
    subscriber.deployed(&deployment).await;

    let events = subscriber.heard();
    let is_healthy = |app: &'static str| {
        move |event: &Event| {
            event.kind == "health_status_changed_event" && event.data["appId"] == app && event.data["alive"] == true
        }
    };
    let begins = |app: &'static str| {
        move |event: &Event| event.kind == "instance_changed_event" && event.data["runSpecId"] == app
    };
    for pair in TIERS.windows(2) {
        let ((below, count), (above, _)) = (pair[0], pair[1]);
        assert_eq!(
            events.iter().filter(|event| is_healthy(below)(event)).count(),
            count,
            "healthy instances of {below}"
        );
        let last_healthy = last_position(&events, "healthy instance", is_healthy(below));
        let first_begun = position(&events, "begun instance", begins(above));
        assert!(last_healthy < first_begun, "{above} began before {below} was healthy");
    }

    for (app, count) in TIERS {
        let tasks = api.running(app, count).await;
        for task in &tasks {
            let (host, port) = endpoint(task);
            assert!(answering::answers_as(&host, port, task["id"].as_str().unwrap()).await, "{task}");
        }
        let shown = api.app(app).await;
        let counts = ["tasksStaged", "tasksRunning", "tasksHealthy", "tasksUnhealthy"].map(|name| shown[name].clone());
        assert_eq!(counts, [json!(0), json!(count), json!(count), json!(0)], "{app}");
        dns_follows(&cluster, app).await;
    }

    let tasks = processes::by_task(cluster.home());
    assert_eq!(tasks.len(), TIERS.iter().map(|(_, count)| count).sum::<usize>(), "{tasks:?}");
    let answer = api.delete("/v2/groups/shop").await.expect(200);
    subscriber.deployed(&answer.deployment()).await;
    every_instance_was_stopped(&subscriber.heard());
    assert_eq!(api.get("/v2/apps").await.json(), json!({"apps": []}));
    api.get("/v2/groups/shop").await.expect(404);
    until_true("no process of a task or its supervisor is left", async || {
        let left = processes::below(&cluster.data_dir());
        left.iter().all(|process| process.command.contains(" up ")) && processes::by_task(cluster.home()).is_empty()
    })
    .await;
    for transport in [Transport::Udp, Transport::Tcp] {
        until_true("DNS has forgotten the shop", async || {
            dns::addresses(cluster.dns, transport, "api-shop.marathon.mesos").await.is_empty()
        })
        .await;
    }
}

fn every_instance_was_stopped(events: &[Event]) {
    let ended: Vec<&Value> =
        events.iter().filter(|event| event.kind == "app_terminated_event").map(|event| &event.data["appId"]).collect();
    let apps: BTreeSet<&str> = ended.iter().filter_map(|app| app.as_str()).collect();
    assert_eq!(apps, TIERS.iter().map(|(app, _)| *app).collect());
    let killed = |app: &str, event: &Event| {
        event.kind == "instance_changed_event" && event.data["runSpecId"] == app && event.data["condition"] == "Killed"
    };
    for (app, count) in TIERS {
        assert_eq!(events.iter().filter(|event| killed(app, event)).count(), count, "killed instances of {app}");
    }
}
