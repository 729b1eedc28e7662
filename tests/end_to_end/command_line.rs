//! The command-line client.

use std::process::Output;

use serde_json::{Value, json};

use crate::support::{
    apps::sleeper,
    cluster::{Cluster, command},
};

fn run(cluster: &Cluster, arguments: &[&str]) -> Output {
    let mut command = command(arguments);
    command.env("MARATHON_URL", format!("http://{}", cluster.http));
    command.output().unwrap()
}

fn succeeds(cluster: &Cluster, arguments: &[&str]) -> String {
    let output = run(cluster, arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn apps_can_be_created_scaled_listed_and_destroyed_from_the_command_line() {
    let cluster = Cluster::start().await;
    let file = cluster.home().join("app.json");
    std::fs::write(&file, sleeper("/cli/app", 1).to_string()).unwrap();
    succeeds(&cluster, &["app", "create", file.to_str().unwrap(), "--wait"]);
    assert_eq!(cluster.api.app("/cli/app").await["tasksRunning"], 1);
    assert!(succeeds(&cluster, &["app", "list"]).contains("/cli/app"));
    succeeds(&cluster, &["app", "scale", "/cli/app", "3", "--wait"]);
    assert_eq!(cluster.api.app("/cli/app").await["tasksRunning"], 3);
    let tasks = succeeds(&cluster, &["task", "list"]);
    for task in cluster.api.task_ids("/cli/app").await {
        assert!(tasks.contains(&task), "{tasks}");
    }
    let listed: Value = serde_json::from_str(&succeeds(&cluster, &["app", "list", "--json"])).unwrap();
    assert_eq!(listed["apps"][0]["id"], "/cli/app");
    let told = succeeds(&cluster, &["event", "--type", "deployment_success"]);
    assert_eq!(told.lines().filter(|line| line.contains("deployment_success")).count(), 2, "{told}");
    let missing = run(&cluster, &["app", "get", "/nothing"]);
    assert!(!missing.status.success());
    assert!(String::from_utf8_lossy(&missing.stderr).contains("App '/nothing' does not exist"), "{missing:?}");
    succeeds(&cluster, &["app", "delete", "/cli/app", "--wait"]);
    cluster.api.get("/v2/apps/cli/app").await.expect(404);
    std::fs::write(&file, json!({"id": "/bad id", "cmd": "sleep 1", "instances": -1}).to_string()).unwrap();
    let refused = run(&cluster, &["app", "create", file.to_str().unwrap()]);
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("/instances"), "{refused:?}");
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let [address] = crate::support::cluster::free_addresses();
    let mut command = command(&["app", "list"]);
    let output = command.env("MARATHON_URL", format!("http://{address}")).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains(&address.to_string()), "{output:?}");
}
