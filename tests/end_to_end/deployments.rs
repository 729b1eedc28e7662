//! Deployments: locks, force, rollback, versions, groups.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{
    api::Api,
    apps::{sleeper, task_id, with},
    cluster::Cluster,
    events::Subscriber,
    wait::until_true,
};

/// The only item of the queue; null while there is none.
async fn queue_item(api: &Api) -> Value {
    api.get("/v2/queue").await.expect(200).json().pointer("/queue/0").cloned().unwrap_or_default()
}

/// No agent has that much.
fn impossible() -> Value {
    json!({"mem": 1_000_000})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_app_is_refused_with_the_ids_and_force_cancels() {
    let cluster = Cluster::start().await;
    let api = &cluster.api;
    let subscriber = Subscriber::attach(api).await;
    api.run_app(&sleeper("/locked", 1)).await;
    let stuck = api.put("/v2/apps/locked", &impossible()).await.expect(200).deployment();

    for answer in [
        api.put("/v2/apps/locked", &json!({"instances": 2})).await,
        api.post("/v2/apps/locked/restart", &json!({})).await,
        api.patch("/v2/apps/locked", &json!({"cmd": "sleep 5"})).await,
        api.put("/v2/groups", &json!({"id": "/", "apps": [sleeper("/locked", 3)]})).await,
    ] {
        let answer = answer.expect(409);
        assert_eq!(answer.json()["deployments"], json!([{"id": stuck}]), "{answer}");
        assert!(answer.json()["message"].as_str().unwrap().contains("locked by one or more deployments"), "{answer}");
    }
    api.post("/v2/apps", &sleeper("/locked", 1)).await.expect(409);
    assert!(
        api.post("/v2/apps", &sleeper("/locked", 1)).await.json().get("deployments").is_none(),
        "a duplicate is no lock"
    );
    api.run_app(&sleeper("/free", 1)).await;

    let forced =
        api.put("/v2/apps/locked?force=True", &json!({"mem": 16, "instances": 2})).await.expect(200).deployment();
    let failed = subscriber
        .find("the end of the cancelled one", |event| {
            event.kind == "deployment_failed" && event.data["id"] == stuck.as_str()
        })
        .await;
    assert_eq!(failed.text("reason"), "The upgrade has been cancelled");
    subscriber.deployed(&forced).await;
    api.running("/locked", 2).await;
    assert!(api.deployments().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_a_deployment_rolls_back_and_with_force_only_stops() {
    let cluster = Cluster::start().await;
    let api = &cluster.api;
    api.run_app(&sleeper("/app", 2)).await;
    let before = api.task_ids("/app").await;
    let original = api.app("/app").await;

    let stuck = api.put("/v2/apps/app", &impossible()).await.expect(200).deployment();
    let answer = api.delete(&format!("/v2/deployments/{stuck}")).await.expect(200);
    assert_ne!(answer.deployment(), stuck);
    api.deployed(&answer.deployment()).await;
    let after = api.app("/app").await;
    assert_eq!((&after["mem"], &after["cmd"]), (&original["mem"], &original["cmd"]));
    assert_eq!(api.task_ids("/app").await, before, "rolling back to what runs restarts nothing");

    let stuck = api.put("/v2/apps/app", &impossible()).await.expect(200).deployment();
    let answer = api.delete(&format!("/v2/deployments/{stuck}?force=true")).await.expect(202);
    assert_eq!(answer.text, "");
    api.deployed(&stuck).await;
    assert_eq!(api.app("/app").await["mem"].as_f64(), Some(1_000_000.0), "the target stays as it is");

    let answer = api.delete(&format!("/v2/deployments/{stuck}")).await.expect(404);
    assert_eq!(answer.json()["message"], format!("DeploymentPlan {stuck} does not exist"));
    let created = api.post("/v2/apps", &with(sleeper("/new", 1), impossible())).await.expect(201).deployment();
    let answer = api.delete(&format!("/v2/deployments/{created}")).await.expect(200);
    api.deployed(&answer.deployment()).await;
    api.get("/v2/apps/new").await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_launched_says_why_in_the_queue() {
    let cluster = Cluster::start().await;
    let api = &cluster.api;
    let deployment = api.post("/v2/apps", &with(sleeper("/big", 2), impossible())).await.expect(201).deployment();
    let mut item = Value::Null;
    until_true("the queue tells of insufficient memory", async || {
        item = queue_item(api).await;
        let rows = item["processedOffersSummary"]["rejectSummaryLastOffers"].as_array().cloned().unwrap_or_default();
        rows.iter().any(|row| row["reason"] == "InsufficientMemory" && row["declined"].as_u64() > Some(0))
    })
    .await;
    assert_eq!(
        (&item["app"]["id"], &item["count"], &item["delay"]["overdue"]),
        (&json!("/big"), &json!(2), &json!(true))
    );
    assert!(item.get("lastUnusedOffers").is_none(), "only when asked for");
    let embedded = api.get("/v2/queue?embed=lastUnusedOffers").await.expect(200).json();
    let offers = embedded["queue"][0]["lastUnusedOffers"].as_array().unwrap();
    assert!(
        offers.iter().any(|offer| offer["reason"].as_array().unwrap().contains(&json!("InsufficientMemory"))),
        "{offers:?}"
    );
    assert_eq!(api.deployments().await, [deployment]);
    api.delete("/v2/apps/big").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_keeps_failing_is_launched_less_and_less_often_and_says_so() {
    let cluster = Cluster::start().await;
    let api = &cluster.api;
    let failing = with(sleeper("/failing", 1), json!({"cmd": "echo oh no; exit 3", "backoffSeconds": 30}));
    api.post("/v2/apps", &failing).await.expect(201);
    until_true("the queue tells of a delay", async || {
        let item = queue_item(api).await;
        item["delay"]["timeLeftSeconds"].as_u64() > Some(0) && item["delay"]["overdue"] == false
    })
    .await;
    let failure = api.app("/failing").await["lastTaskFailure"].take();
    assert_eq!((&failure["state"], &failure["appId"]), (&json!("TASK_FAILED"), &json!("/failing")), "{failure}");
    assert!(failure["message"].as_str().unwrap().contains('3'), "the exit status is told: {failure}");
    api.delete("/v2/queue/failing/delay").await.expect(204);
    let second = |id: &str| id.ends_with("._app.2");
    let subscriber = Subscriber::attach(api).await;
    until_true("it is launched at once", async || {
        let heard = subscriber.heard();
        let failure = api.app("/failing").await["lastTaskFailure"]["taskId"].take();
        failure.as_str().is_some_and(second)
            || heard.iter().any(|event| event.data["taskId"].as_str().is_some_and(second))
    })
    .await;
    assert_eq!(
        api.delete("/v2/queue/nothing/delay").await.expect(404).json()["message"],
        "Application /nothing not found in tasks queue."
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_kept_and_one_can_go_back_to_them() {
    let cluster = Cluster::start().await;
    let api = &cluster.api;
    api.run_app(&with(sleeper("/app", 1), json!({"env": {"N": "1"}}))).await;
    let first = api.app("/app").await["version"].as_str().unwrap().to_owned();
    let answer = api.put("/v2/apps/app", &json!({"env": {"N": "2"}})).await.expect(200);
    api.deployed(&answer.deployment()).await;
    let second = api.app("/app").await["version"].as_str().unwrap().to_owned();
    assert_eq!(answer.json()["version"], second.as_str());
    assert_eq!(api.get("/v2/apps/app/versions").await.expect(200).json(), json!({"versions": [second, first]}));
    let old = api.get(&format!("/v2/apps/app/versions/{first}")).await.expect(200).json();
    assert_eq!((&old["env"], &old["version"]), (&json!({"N": "1"}), &json!(first)));
    assert!(old.get("tasksRunning").is_none(), "{old}");

    let answer = api.put("/v2/apps/app", &json!({"version": first})).await.expect(200);
    api.deployed(&answer.deployment()).await;
    let now = api.app("/app").await;
    assert_eq!(now["env"], json!({"N": "1"}));
    assert!(now["version"].as_str().unwrap() > second.as_str(), "a rollback is a new version");
    api.put("/v2/apps/app", &json!({"version": "2001-01-01T00:00:00.000Z"})).await.expect(404);
    api.get("/v2/apps/app/versions/2001-01-01T00:00:00.000Z").await.expect(404);
    api.get("/v2/apps/app/versions/yesterday").await.expect(422);
    api.get("/v2/apps/nothing/versions").await.expect(404);

    // Scaling is no change of configuration; an update without effect is none at all.
    let config = now["versionInfo"]["lastConfigChangeAt"].clone();
    let answer = api.put("/v2/apps/app", &json!({"instances": 2})).await.expect(200);
    api.deployed(&answer.deployment()).await;
    let scaled = api.app("/app").await;
    assert_eq!(scaled["versionInfo"], json!({"lastScalingAt": scaled["version"], "lastConfigChangeAt": config}));
    let answer = api.put("/v2/apps/app", &json!({})).await.expect(200);
    api.deployed(&answer.deployment()).await;
    assert_eq!(api.app("/app").await["version"], scaled["version"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_replaces_every_task_and_scaling_none() {
    let cluster = Cluster::start().await;
    let api = &cluster.api;
    api.run_app(&sleeper("/app", 3)).await;
    let before = api.task_ids("/app").await;
    let answer = api.put("/v2/apps/app", &json!({"instances": 4})).await.expect(200);
    api.deployed(&answer.deployment()).await;
    assert!(api.task_ids("/app").await.is_superset(&before));
    let answer = api.put("/v2/apps/app", &json!({"instances": 2})).await.expect(200);
    api.deployed(&answer.deployment()).await;
    let left: BTreeSet<String> = api.running("/app", 2).await.iter().map(task_id).collect();
    let answer = api.post("/v2/apps/app/restart", &json!({})).await.expect(200);
    api.deployed(&answer.deployment()).await;
    let after: BTreeSet<String> = api.running("/app", 2).await.iter().map(task_id).collect();
    assert!(after.is_disjoint(&left), "{after:?} {left:?}");
    let answer = api.put("/v2/apps/app", &json!({"instances": 0})).await.expect(200);
    api.deployed(&answer.deployment()).await;
    assert!(api.tasks("/app").await.is_empty());
    api.post("/v2/apps/nothing/restart", &json!({})).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_are_replaced_list_by_list_scaled_as_a_whole_and_taken_back() {
    let cluster = Cluster::start().await;
    let api = &cluster.api;
    let put = async |path: &str, body: Value| {
        let answer = api.put(path, &body).await.expect(200);
        api.deployed(&answer.deployment()).await;
    };
    let ids = async || {
        let apps = api.get("/v2/apps").await.expect(200).json();
        apps["apps"]
            .as_array()
            .unwrap()
            .iter()
            .map(|app| app["id"].as_str().unwrap().to_owned())
            .collect::<BTreeSet<_>>()
    };
    let set = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<BTreeSet<_>>();
    put(
        "/v2/groups",
        json!({"id": "/team", "apps": [sleeper("one", 1), sleeper("two", 1)],
        "groups": [{"id": "deep", "apps": [with(sleeper("three", 1), json!({"dependencies": ["../one"]}))]}]}),
    )
    .await;
    assert_eq!(ids().await, set(&["/team/deep/three", "/team/one", "/team/two"]));
    assert_eq!(api.app("/team/deep/three").await["dependencies"], json!(["/team/one"]));
    let first = api.get("/v2/groups/team").await.expect(200).json()["version"].clone();

    put("/v2/groups/team", json!({"apps": [sleeper("two", 1)]})).await;
    assert_eq!(ids().await, set(&["/team/deep/three", "/team/two"]), "an omitted list stays, a given one is complete");
    put("/v2/groups/team", json!({"scaleBy": 2.5})).await;
    assert_eq!(api.app("/team/two").await["instances"], 3);
    assert_eq!(api.app("/team/deep/three").await["instances"], 3);
    put("/v2/groups/team", json!({"version": first})).await;
    assert_eq!(ids().await, set(&["/team/deep/three", "/team/one", "/team/two"]));
    assert_eq!(api.app("/team/two").await["instances"], 1);

    let dry = api.put("/v2/groups/team?dryRun=true", &json!({"apps": []})).await.expect(200).json();
    let mut stopped: Vec<&Value> = dry["steps"][0]["actions"].as_array().unwrap().iter().collect();
    stopped.sort_by_key(|action| action["app"].as_str());
    assert_eq!(
        json!(stopped),
        json!([{"action": "StopApplication", "app": "/team/one"}, {"action": "StopApplication", "app": "/team/two"}])
    );
    assert_eq!(ids().await.len(), 3, "a dry run changes nothing");
    assert!(api.get("/v2/groups/team/versions").await.expect(200).json().as_array().unwrap().contains(&first));
    api.post("/v2/groups", &json!({"id": "/team"})).await.expect(409);
    api.post("/v2/groups", &json!({"id": "/team/two"})).await.expect(409);
    api.put("/v2/groups/team", &json!({"version": "2001-01-01T00:00:00.000Z"})).await.expect(422);
    let answer = api.delete("/v2/groups/team/?force=True").await.expect(200);
    api.deployed(&answer.deployment()).await;
    assert!(ids().await.is_empty());
    api.delete("/v2/groups/team").await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn cyclic_dependencies_are_refused_wherever_they_come_from() {
    let cluster = Cluster::start().await;
    let api = &cluster.api;
    let depending = |id: &str, on: &str| with(sleeper(id, 1), json!({"dependencies": [on]}));
    api.run_app(&depending("/a/one", "/b")).await;
    let before = api.get("/v2/groups").await.text;
    for answer in [
        api.post("/v2/apps", &depending("/b/two", "/a/one")).await,
        api.put("/v2/groups", &json!({"id": "/b", "dependencies": ["/a"], "apps": [sleeper("two", 1)]})).await,
        api.put(
            "/v2/groups",
            &json!({"id": "/c", "apps": [depending("x", "y"), depending("y", "z"), depending("z", "x")]}),
        )
        .await,
    ] {
        let body = answer.expect(422).json();
        assert_eq!(body["details"][0]["path"], "/", "{body}");
        assert_eq!(body["details"][0]["errors"], json!(["Dependency graph has cyclic dependencies."]));
    }
    assert_eq!(api.get("/v2/groups").await.text, before);
}
