//! Killing tasks through the API.

use std::collections::BTreeSet;

use serde_json::json;

use crate::support::{
    apps::{incarnation_of, instance_of, sleeper, task_id, with},
    cluster::Cluster,
    wait::until_true,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_task_is_relaunched_as_the_next_incarnation() {
    let cluster = Cluster::start().await;
    let api = &cluster.api;
    api.run_app(&sleeper("/app", 2)).await;
    let victim = task_id(&api.tasks("/app").await[0]);
    let answer = api.delete(&format!("/v2/apps//app/tasks/{victim}")).await.expect(200);
    assert_eq!(answer.json()["task"]["id"], victim.as_str());
    until_true("the next incarnation runs", async || {
        let ids: Vec<String> = api.running_tasks("/app").await.iter().map(task_id).collect();
        let next = |id: &String| instance_of(id) == instance_of(&victim) && incarnation_of(id) == 2;
        ids.len() == 2 && ids.iter().any(next)
    })
    .await;
    assert!(api.app("/app").await.get("lastTaskFailure").is_none(), "a kill on request is no failure");
    let answer = api.delete("/v2/apps/app/tasks/nonsense").await.expect(404);
    assert_eq!(answer.json()["message"], "Task 'nonsense' does not exist");
}

#[tokio::test(flavor = "multi_thread")]
async fn wiping_gives_a_new_instance_and_scaling_gives_none() {
    let cluster = Cluster::start().await;
    let api = &cluster.api;
    api.run_app(&sleeper("/app", 3)).await;
    let victim = task_id(&api.tasks("/app").await[0]);
    api.delete(&format!("/v2/apps/app/tasks/{victim}?wipe=true")).await.expect(200);
    until_true("another instance took its place", async || {
        let ids: Vec<String> = api.running_tasks("/app").await.iter().map(task_id).collect();
        ids.len() == 3 && ids.iter().all(|id| instance_of(id) != instance_of(&victim))
    })
    .await;
    let tasks = api.tasks("/app").await;
    let victims = [task_id(&tasks[0]), task_id(&tasks[1])];
    let answer = api.post("/v2/tasks/delete?scale=True", &json!({"ids": victims})).await.expect(200);
    api.deployed(&answer.deployment()).await;
    assert_eq!(api.app("/app").await["instances"], 1);
    assert_eq!(api.task_ids("/app").await, BTreeSet::from([task_id(&tasks[2])]));

    let both = "You cannot use scale and wipe at the same time.";
    assert_eq!(api.delete("/v2/apps/app/tasks?scale=true&wipe=true").await.expect(400).json()["message"], both);
    assert_eq!(
        api.post("/v2/tasks/delete?scale=true&wipe=true", &json!({"ids": []})).await.expect(400).json()["message"],
        both
    );
    let answer = api.delete("/v2/apps/app/tasks?scale=true").await.expect(200);
    api.deployed(&answer.deployment()).await;
    assert_eq!(api.app("/app").await["instances"], 0);
    api.delete("/v2/apps/nothing/tasks").await.expect(404);
    assert_eq!(
        api.delete("/v2/apps/nothing/tasks?scale=true").await.expect(404).json()["message"],
        "Path '/nothing' does not exist"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_tasks_on_a_host_can_be_killed() {
    let cluster = Cluster::start().await;
    let api = &cluster.api;
    api.run_app(&with(sleeper("/app", 3), json!({"constraints": [["hostname", "UNIQUE"]]}))).await;
    let tasks = api.tasks("/app").await;
    let hosts: BTreeSet<&str> = tasks.iter().map(|task| task["host"].as_str().unwrap()).collect();
    assert_eq!(hosts.len(), 3, "UNIQUE means one per host");
    let host = tasks[1]["host"].as_str().unwrap();
    let answer = api.delete(&format!("/v2/apps/app/tasks?host={host}")).await.expect(200);
    let killed = answer.json()["tasks"].as_array().unwrap().clone();
    assert_eq!(killed.iter().map(task_id).collect::<Vec<_>>(), [task_id(&tasks[1])]);
    assert_eq!(api.delete("/v2/apps/app/tasks?host=10.99.99.99").await.expect(200).json(), json!({"tasks": []}));
    api.running("/app", 3).await;
    let answer = api.delete("/v2/apps/app/tasks?host=*").await.expect(200);
    assert!(!answer.json()["tasks"].as_array().unwrap().is_empty(), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn constraints_place_by_attribute_and_wait_if_nothing_fits() {
    let cluster = Cluster::start().await;
    let api = &cluster.api;
    let host = "127.0.0.2";
    api.run_app(&with(sleeper("/here", 3), json!({"constraints": [["hostname", "CLUSTER", host]]}))).await;
    assert!(api.tasks("/here").await.iter().all(|task| task["host"] == host));
    api.run_app(&with(
        sleeper("/there", 4),
        json!({"constraints": [["hostname", "UNLIKE", "127\\.0\\.0\\.2"], ["hostname", "MAX_PER", "2"]]}),
    ))
    .await;
    let hosts: Vec<String> =
        api.tasks("/there").await.iter().map(|task| task["host"].as_str().unwrap().to_owned()).collect();
    for other in ["127.0.0.1", "127.0.0.3"] {
        assert_eq!(hosts.iter().filter(|host| *host == other).count(), 2, "{hosts:?}");
    }
    api.post("/v2/apps", &with(sleeper("/nowhere", 1), json!({"constraints": [["rack", "IS", "none"]]})))
        .await
        .expect(201);
    until_true("the queue tells of the constraint", async || {
        let item = api.get("/v2/queue").await.json().pointer("/queue/0").cloned().unwrap_or_default();
        let rows = item["processedOffersSummary"]["rejectSummaryLastOffers"].as_array().cloned().unwrap_or_default();
        rows.iter().any(|row| row["reason"] == "UnfulfilledConstraint" && row["declined"] == 3)
    })
    .await;
}
