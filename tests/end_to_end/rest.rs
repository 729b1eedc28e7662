//! What real clients send and expect of the REST API, beyond the obvious.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    api::Answer,
    apps::{server, sleeper, task_id, with},
    cluster::Cluster,
    wait::until_true,
    wire,
};

fn keys(object: &Value) -> BTreeSet<&str> {
    object.as_object().unwrap_or_else(|| panic!("no object: {object}")).keys().map(String::as_str).collect()
}

fn set(text: &str) -> BTreeSet<&str> {
    text.split_whitespace().collect()
}

/// Members of every app that sets nothing special.
const APP: &str = "id cmd backoffFactor backoffSeconds cpus disk executor instances labels maxLaunchDelaySeconds mem gpus \
    networks portDefinitions requirePorts upgradeStrategy version killSelection unreachableStrategy role";
const COUNTS: &str = "tasksStaged tasksRunning tasksHealthy tasksUnhealthy deployments";

#[tokio::test(flavor = "multi_thread")]
async fn slashes_capitals_and_empty_queries_mean_what_clients_mean() {
    let cluster = Cluster::start().await;
    let api = &cluster.api;
    api.run_app(&sleeper("/prod/web/api", 1)).await;
    let plain = api.get("/v2/apps/prod/web/api").await.expect(200).json();
    for path in [
        "/v2/apps//prod/web/api",
        "/v2/apps/prod/web/api/",
        "//v2//apps//prod/web/api//",
        "/v2/apps/%2Fprod%2Fweb%2Fapi",
    ] {
        assert_eq!(api.get(path).await.expect(200).json(), plain, "{path}");
    }
    for path in [
        "/v2/apps/?embed=apps.tasks&embed=app.tasks&embed=apps.tasks",
        "/v2/apps?embed=tasks",
        "/v2/apps//?embed=app.tasks",
    ] {
        let apps = api.get(path).await.expect(200).json();
        assert_eq!(apps["apps"][0]["tasks"].as_array().map(Vec::len), Some(1), "{path}: {apps}");
    }
    let task = task_id(&api.tasks("/prod/web/api").await[0]);
    api.delete(&format!("/v2/apps//prod/web/api/tasks/{task}?scale=False&force=True")).await.expect(200);
    api.get("/v2/groups//prod//").await.expect(200);
    let below = api.get("/v2/apps/prod/*").await.expect(200).json();
    assert_eq!(below["*"][0]["id"], "/prod/web/api");
    assert_eq!(api.get("/v2/apps/*").await.expect(200).json()["*"].as_array().map(Vec::len), Some(1));
    api.get("/v2/apps/nothing/*").await.expect(404);
    let answer = api.delete("/v2/groups/?force=true").await.expect(200);
    api.deployed(&answer.deployment()).await;
    assert_eq!(api.get("/v2/apps").await.json(), json!({"apps": []}));
}

#[tokio::test(flavor = "multi_thread")]
async fn ping_answers_whatever_is_accepted() {
    let cluster = Cluster::start().await;
    for accept in [
        None,
        Some("*/*"),
        Some("text/plain"),
        Some("text/html"),
        Some("application/json"),
        Some("application/json, text/plain"),
    ] {
        let mut request = cluster.api.request(Method::GET, "/ping");
        if let Some(accept) = accept {
            request = request.header("Accept", accept);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200, "{accept:?}");
        assert_eq!(answer.text().await.unwrap().trim_matches('"'), "pong", "{accept:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_may_be_chunked_and_full_of_nulls() {
    let cluster = Cluster::start().await;
    let body = json!({"id": "/nulls", "cmd": "exec sleep 1000", "cpus": 0.01, "mem": 16, "ports": null, "dependencies": null, "env": null,
        "healthChecks": null, "constraints": null, "container": null, "labels": null, "args": null, "user": null, "upgradeStrategy": null,
        "portDefinitions": [{"port": 0, "name": null, "labels": null, "protocol": null}], "fetch": null, "uris": null, "networks": null,
        "instances": null, "disk": null, "acceptedResourceRoles": null, "ipAddress": null, "residency": null, "secrets": null})
    .to_string();
    let (front, back) = body.split_at(30);
    let request = format!(
        "POST /v2/apps HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n\
         {:x}\r\n{front}\r\n{:x}\r\n{back}\r\n0\r\n\r\n",
        front.len(),
        back.len()
    );
    let (status, _, text) = wire::closing(cluster.http, &request).await;
    assert_eq!(status, 201, "{text}");
    let app = cluster.api.app("/nulls").await;
    assert_eq!((&app["instances"], &app["portDefinitions"][0]["protocol"]), (&json!(1), &json!("tcp")));
    let answer =
        cluster.api.request(Method::GET, "/v2/apps").header("Content-Type", "application/json").send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    let answer = cluster
        .api
        .request(Method::DELETE, "/v2/apps/nulls")
        .header("Content-Type", "application/json")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status().as_u16(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn apps_have_the_members_that_strict_readers_know_and_no_others() {
    let cluster = Cluster::start().await;
    let api = &cluster.api;
    let created = api.post("/v2/apps", &with(server("/strict/web", 1), json!({"labels": {}}))).await.expect(201);
    let fixed = "healthChecks taskKillGracePeriodSeconds";
    assert_eq!(keys(&created.json()), set(&format!("{APP} {COUNTS} {fixed}")), "{created}");
    assert!(
        created.header("Location").is_some_and(|location| location.ends_with("/strict/web")),
        "{:?}",
        created.headers
    );
    api.deployed(&created.deployment()).await;

    let app = api.app("/strict/web").await;
    assert_eq!(keys(&app), set(&format!("{APP} {COUNTS} {fixed} versionInfo tasks")), "{app}");
    assert_eq!(app["networks"], json!([{"mode": "host"}]));
    assert_eq!(app["labels"], json!({}));
    assert_eq!(app["deployments"], json!([]));
    assert!(app["portDefinitions"][0]["port"].as_u64() > Some(0), "service ports are assigned: {app}");
    let check = set(
        "protocol path portIndex gracePeriodSeconds intervalSeconds timeoutSeconds maxConsecutiveFailures delaySeconds \
        ignoreHttp1xx ipProtocol",
    );
    assert_eq!(keys(&app["healthChecks"][0]), check, "{app}");
    assert_eq!(keys(&app["versionInfo"]), set("lastScalingAt lastConfigChangeAt"));
    assert_eq!(keys(&app["upgradeStrategy"]), set("minimumHealthCapacity maximumOverCapacity"));
    for text in [&app["version"], &app["versionInfo"]["lastScalingAt"]].map(|time| time.as_str().unwrap()) {
        assert!(text.len() == 24 && text.ends_with('Z'), "{text}");
    }

    let task = &app["tasks"][0];
    let task_keys = set(
        "id appId host slaveId state stagedAt startedAt version ports servicePorts ipAddresses healthCheckResults \
        localVolumes role",
    );
    let optional = set("region zone");
    let unknown: Vec<_> =
        keys(task).into_iter().filter(|key| !task_keys.contains(key) && !optional.contains(key)).collect();
    assert!(unknown.is_empty() && task_keys.is_subset(&keys(task)), "{task}");
    assert_eq!(keys(&task["ipAddresses"][0]), set("ipAddress protocol"));
    let result = &task["healthCheckResults"][0];
    let result_keys = set("alive consecutiveFailures instanceId firstSuccess lastSuccess lastFailure lastFailureCause");
    assert!(keys(result).is_subset(&result_keys) && result["alive"] == true, "{result}");
    let all = api.get("/v2/tasks").await.expect(200).json();
    let (ports, service_ports) = (&all["tasks"][0]["ports"], &all["tasks"][0]["servicePorts"]);
    assert!(service_ports.as_array().unwrap().len() >= ports.as_array().unwrap().len(), "{all}");

    let group = api.get("/v2/groups/strict").await.expect(200).json();
    assert_eq!(keys(&group), set("id apps pods groups dependencies version"), "{group}");
    assert_eq!(keys(&group["apps"][0]), set(&format!("{APP} {fixed} versionInfo")), "{group}");
    let root = api.get("/v2/groups").await.expect(200).json();
    assert_eq!(keys(&root), set("id apps pods groups dependencies version"), "{root}");
}

#[tokio::test(flavor = "multi_thread")]
async fn deployments_queue_and_info_have_the_members_that_strict_readers_know_and_no_others() {
    let cluster = Cluster::start().await;
    let api = &cluster.api;
    let answer = api.post("/v2/apps", &with(sleeper("/stuck", 1), json!({"mem": 1_000_000}))).await.expect(201);
    let mut deployment = Value::Null;
    until_true("the deployment is in its second step", async || {
        deployment = api.get("/v2/deployments").await.expect(200).json().pointer("/0").cloned().unwrap_or_default();
        deployment["currentStep"] == 2
    })
    .await;
    let members = set("id version affectedApps affectedPods steps currentActions currentStep totalSteps");
    assert_eq!(keys(&deployment), members, "{deployment}");
    assert_eq!(deployment["id"], answer.deployment());
    let action = |name: &str| json!({"actions": [{"action": name, "app": "/stuck"}]});
    assert_eq!(deployment["steps"], json!([action("StartApplication"), action("ScaleApplication")]));
    assert_eq!(
        deployment["currentActions"],
        json!([{"action": "ScaleApplication", "app": "/stuck", "readinessCheckResults": []}])
    );
    assert_eq!((&deployment["totalSteps"], &deployment["affectedApps"]), (&json!(2), &json!(["/stuck"])));

    let mut item = Value::Null;
    until_true("the queue has judged offers", async || {
        item = api.get("/v2/queue").await.expect(200).json().pointer("/queue/0").cloned().unwrap_or_default();
        item["processedOffersSummary"]["processedOffersCount"].as_u64() > Some(0)
    })
    .await;
    assert_eq!(keys(&item), set("app count since delay processedOffersSummary"), "{item}");
    assert_eq!(keys(&item["delay"]), set("timeLeftSeconds overdue"));
    let summary = set(
        "processedOffersCount unusedOffersCount lastUnusedOfferAt lastUsedOfferAt rejectSummaryLastOffers rejectSummaryLaunchAttempt",
    );
    assert!(keys(&item["processedOffersSummary"]).is_subset(&summary), "{item}");
    let rows = item["processedOffersSummary"]["rejectSummaryLastOffers"].as_array().unwrap();
    let reasons: Vec<&str> = rows.iter().map(|row| row["reason"].as_str().unwrap()).collect();
    assert_eq!(
        reasons.join(" "),
        "UnfulfilledRole UnfulfilledConstraint NoCorrespondingReservationFound AgentMaintenance InsufficientCpus \
        InsufficientMemory InsufficientDisk InsufficientGpus InsufficientPorts DeclinedScarceResources"
    );

    let info = api.get("/v2/info").await.expect(200).json();
    let info_keys =
        set("name version buildref elected leader frameworkId marathon_config zookeeper_config http_config");
    assert_eq!(keys(&info), info_keys, "{info}");
    assert_eq!((&info["name"], &info["elected"]), (&json!("marathon"), &json!(true)));
    assert!(info["frameworkId"].is_string(), "{info}");
    let leader = api.get("/v2/leader").await.expect(200).json();
    assert_eq!(leader, json!({"leader": cluster.http.to_string()}));
    assert_eq!(info["leader"], leader["leader"]);
    let port = &info["http_config"]["http_port"];
    assert_eq!(*port, json!(cluster.http.port()), "{info}");
}

/// Integers without a fraction, as the text says it: a JSON library would forgive.
#[tokio::test(flavor = "multi_thread")]
async fn whole_numbers_are_written_without_a_fraction() {
    let cluster = Cluster::start().await;
    cluster.api.run_app(&server("/whole", 1)).await;
    let text = cluster.api.get("/v2/apps/whole").await.expect(200).text;
    for name in [
        "instances",
        "gracePeriodSeconds",
        "intervalSeconds",
        "timeoutSeconds",
        "maxConsecutiveFailures",
        "delaySeconds",
        "port",
        "portIndex",
        "maxLaunchDelaySeconds",
        "taskKillGracePeriodSeconds",
        "inactiveAfterSeconds",
        "tasksRunning",
        "consecutiveFailures",
        "gpus",
    ] {
        let mark = format!("\"{name}\":");
        let (_, rest) = text.split_once(&mark).unwrap_or_else(|| panic!("no {name}: {text}"));
        let number: String = rest.trim_start().chars().take_while(|c| !matches!(c, ',' | '}' | ']')).collect();
        assert!(number.trim().parse::<u64>().is_ok(), "{name}: {number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_the_headers_and_every_error_a_message() {
    let cluster = Cluster::start().await;
    let api = &cluster.api;
    let answers: Vec<(Answer, u16)> = vec![
        (api.get("/v2/apps").await, 200),
        (api.get("/v2/apps/nothing").await, 404),
        (api.get("/v2/groups/nothing").await, 404),
        (api.get("/v2/nothing").await, 404),
        (api.delete("/v2/deployments/nothing").await, 404),
        (api.delete("/v2/apps/nothing").await, 404),
        (api.send(Method::POST, "/v2/apps", Some("{".to_owned())).await, 400),
        (api.send(Method::POST, "/v2/info", Some("{}".to_owned())).await, 405),
        (api.get("/v2/apps/x/restart").await, 405),
        (api.get("/v2/apps?label=((").await, 422),
    ];
    for (answer, status) in answers {
        let answer = answer.expect(status);
        assert_eq!(answer.header("X-Marathon-Leader"), Some(api.base()), "{answer}");
        assert_eq!(answer.header("Cache-Control"), Some("no-cache, no-store, must-revalidate"), "{answer}");
        assert!(answer.header("Content-Type").is_some_and(|kind| kind.starts_with("application/json")), "{answer}");
        assert!(status == 200 || answer.json()["message"].is_string(), "{answer}");
    }
    assert_eq!(api.get("/v2/apps/nothing").await.json()["message"], "App '/nothing' does not exist");
    assert_eq!(api.get("/v2/groups/nothing").await.json()["message"], "Group '/nothing' does not exist");
    let answer = api.get("/").await.expect(302);
    assert_eq!(answer.header("Location").map(|location| location.ends_with("/ui/")), Some(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_can_be_filtered_by_id_command_and_label() {
    let cluster = Cluster::start().await;
    let api = &cluster.api;
    for (id, cmd, labels) in [
        ("/a/web", "exec sleep 111", json!({"env": "prod", "x": "1"})),
        ("/b/db", "exec sleep 222", json!({"env": "test"})),
    ] {
        api.post("/v2/apps", &with(sleeper(id, 0), json!({"cmd": cmd, "labels": labels}))).await.expect(201);
    }
    for (query, expected) in [
        ("id=WEB", vec!["/a/web"]),
        ("cmd=SLEEP", vec!["/a/web", "/b/db"]),
        ("cmd=222", vec!["/b/db"]),
        ("label=env", vec!["/a/web", "/b/db"]),
        ("label=env%3D%3Dprod", vec!["/a/web"]),
        ("label=env!%3Dprod", vec!["/b/db"]),
        ("label=env%20in%20(prod,%20test)", vec!["/a/web", "/b/db"]),
        ("label=env%20notin%20(prod)", vec!["/b/db"]),
        ("label=env,x", vec!["/a/web"]),
        ("label=nothing", vec![]),
        ("id=web&label=env%3D%3Dtest", vec![]),
    ] {
        let apps = api.get(&format!("/v2/apps?{query}")).await.expect(200).json();
        let mut ids: Vec<&str> =
            apps["apps"].as_array().unwrap().iter().map(|app| app["id"].as_str().unwrap()).collect();
        ids.sort_unstable();
        assert_eq!(ids, expected, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_apps_can_be_changed_at_once_and_definitions_replaced_whole() {
    let cluster = Cluster::start().await;
    let api = &cluster.api;
    let answer = api.put("/v2/apps", &json!([sleeper("/many/a", 1), sleeper("/many/b", 1)])).await.expect(200);
    api.deployed(&answer.deployment()).await;
    let answer = api
        .patch("/v2/apps", &json!([{"id": "/many/a", "instances": 2}, {"id": "many/b", "instances": 0}]))
        .await
        .expect(200);
    api.deployed(&answer.deployment()).await;
    assert_eq!(
        (&api.app("/many/a").await["instances"], &api.app("/many/b").await["instances"]),
        (&json!(2), &json!(0))
    );
    api.patch("/v2/apps", &json!([{"id": "/many/nothing", "instances": 2}])).await.expect(404);
    api.patch("/v2/apps/many/nothing", &sleeper("/many/nothing", 1)).await.expect(404);

    let answer = api
        .put("/v2/apps/many/b?partialUpdate=false", &json!({"cmd": "exec sleep 77", "instances": 0}))
        .await
        .expect(200);
    api.deployed(&answer.deployment()).await;
    let replaced = api.app("/many/b").await;
    assert_eq!(
        (replaced["cpus"].as_f64(), replaced.get("taskKillGracePeriodSeconds")),
        (Some(1.0), None),
        "defaults are back: {replaced}"
    );
    let answer = api.put("/v2/apps/many/c", &sleeper("/ignored", 0)).await.expect(201);
    api.deployed(&answer.deployment()).await;
    assert_eq!(api.app("/many/c").await["id"], "/many/c");
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_get_the_environment_that_they_were_promised() {
    let cluster = Cluster::start().await;
    let api = &cluster.api;
    let app = with(
        sleeper("/prod/env", 1),
        json!({
        "cmd": "env -0 > env.txt; mv env.txt env; exec sleep 1000", "env": {"MINE": "a b", "HOST_OF": "x"}, "labels": {"tier.one": "gold"},
        "portDefinitions": [{"port": 0, "name": "http"}, {"port": 0}], "cpus": 0.5, "mem": 64}),
    );
    api.run_app(&app).await;
    let task = api.running("/prod/env", 1).await.remove(0);
    let file = format!("/v2/tasks/{}/files/env?offset=0", task_id(&task));
    let mut text = String::new();
    until_true("the task has written its environment", async || {
        let answer = api.get(&file).await;
        text = if answer.status == 200 {
            answer.json()["data"].as_str().unwrap_or_default().to_owned()
        } else {
            String::new()
        };
        !text.is_empty()
    })
    .await;
    let variables: std::collections::BTreeMap<&str, &str> =
        text.split('\0').filter_map(|line| line.split_once('=')).collect();
    let (first, second) = (task["ports"][0].to_string(), task["ports"][1].to_string());
    for (name, value) in [
        ("MESOS_TASK_ID", task["id"].as_str().unwrap()),
        ("MARATHON_APP_ID", "/prod/env"),
        ("MARATHON_APP_VERSION", task["version"].as_str().unwrap()),
        ("MARATHON_APP_RESOURCE_CPUS", "0.5"),
        ("MARATHON_APP_RESOURCE_MEM", "64.0"),
        ("MARATHON_APP_LABEL_TIER_ONE", "gold"),
        ("HOST", task["host"].as_str().unwrap()),
        ("PORT", &first),
        ("PORT0", &first),
        ("PORT1", &second),
        ("PORT_HTTP", &first),
        ("PORTS", &format!("{first},{second}")),
        ("MINE", "a b"),
    ] {
        assert_eq!(variables.get(name), Some(&value), "{name}: {variables:?}");
    }
    let leaked: Vec<_> =
        variables.keys().filter(|name| name.starts_with("CARGO") || name.starts_with("RUST")).collect();
    assert!(leaked.is_empty(), "the server's own environment shows through: {leaked:?}");
}
