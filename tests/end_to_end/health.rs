//! Instances that are no longer healthy are replaced, whichever checker found it.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::{
    apps::{endpoint, incarnation_of, instance_of, sleeper, task_id, with},
    cluster::Cluster,
    events::{Event, Subscriber},
    processes,
    wait::until_true,
};

/// Answers 200 until there is a file `bad` in its sandbox, then 500; `deaf` makes it close its port.
const SERVER: &str = r#"
cat > server.py <<'END'
import http.server, os, sys, threading, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(500 if os.path.exists('bad') else 200)
        self.send_header('Content-Length', '0')
        self.end_headers()
    def log_message(self, *_):
        pass
server = http.server.ThreadingHTTPServer((os.environ['HOST'], int(os.environ['PORT0'])), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
while not os.path.exists('deaf'):
    time.sleep(0.05)
server.shutdown()
server.server_close()
time.sleep(100000)
END
exec python3 server.py
"#;

fn checked(id: &str, cmd: &str, check: Value) -> Value {
    let check = with(
        check,
        json!({"gracePeriodSeconds": 30, "intervalSeconds": 1, "timeoutSeconds": 5, "maxConsecutiveFailures": 2, "delaySeconds": 1}),
    );
    with(
        sleeper(id, 2),
        json!({"cmd": cmd, "cpus": 0.05, "mem": 32, "portDefinitions": [{"port": 0, "name": "http"}], "healthChecks": [check]}),
    )
}

fn sandbox(cluster: &Cluster, task: &str) -> PathBuf {
    let tasks = processes::by_task(cluster.home());
    let pid = tasks.get(task).and_then(|pids| pids.first()).unwrap_or_else(|| panic!("no process of {task}"));
    std::fs::read_link(format!("/proc/{pid}/cwd")).unwrap()
}

/// Runs the app, spoils its first instance with a file, and watches the replacement.
async fn a_spoilt_instance_is_replaced(app: Value, spoiler: &str) {
    let cluster = Cluster::start().await;
    let api = &cluster.api;
    let subscriber = Subscriber::attach(api).await;
    let id = app["id"].as_str().unwrap().to_owned();
    api.run_app(&app).await;
    let tasks = api.running(&id, 2).await;
    let shown = api.app(&id).await;
    assert_eq!((&shown["tasksHealthy"], &shown["tasksUnhealthy"]), (&json!(2), &json!(0)));
    assert!(shown.get("lastTaskFailure").is_none(), "{shown}");
    let results = &shown["tasks"][0]["healthCheckResults"][0];
    assert_eq!((&results["alive"], &results["consecutiveFailures"]), (&json!(true), &json!(0)), "{shown}");

    let (victim, other) = (task_id(&tasks[0]), task_id(&tasks[1]));
    std::fs::write(sandbox(&cluster, &victim).join(spoiler), "").unwrap();
    match app["healthChecks"][0]["protocol"].as_str() {
        Some("COMMAND") => the_agent_kills(&subscriber, &victim).await,
        _ => the_scheduler_kills(&subscriber, &id, &victim).await,
    }

    until_true("the replacement is healthy", async || {
        let shown = api.app(&id).await;
        let ids: Vec<String> = shown["tasks"].as_array().unwrap().iter().map(task_id).collect();
        let next =
            |id: &String| instance_of(id) == instance_of(&victim) && incarnation_of(id) == incarnation_of(&victim) + 1;
        shown["tasksHealthy"] == 2 && ids.contains(&other) && ids.iter().any(next) && ids.len() == 2
    })
    .await;
    let shown = api.get(&format!("/v2/apps{id}?embed=app.taskStats")).await.expect(200).json()["app"].take();
    let failure = &shown["lastTaskFailure"];
    assert_eq!((&failure["taskId"], &failure["state"]), (&json!(victim), &json!("TASK_KILLED")), "{failure}");
    let message = failure["message"].as_str().unwrap();
    assert!(message.starts_with("Task was killed since health check failed. Reason: "), "{message}");
    let counts = &shown["tasksStats"]["totalSummary"]["stats"]["counts"];
    assert_eq!(*counts, json!({"staged": 0, "running": 2, "healthy": 2, "unhealthy": 0}), "{shown}");
    assert!(processes::by_task(cluster.home()).contains_key(&other), "the healthy one was touched");
}

/// Checks over the network are the scheduler's own.
async fn the_scheduler_kills(subscriber: &Subscriber, app: &str, victim: &str) {
    let told = subscriber
        .find("the kill of the unhealthy instance", |event| event.kind == "unhealthy_instance_kill_event")
        .await;
    assert_eq!(told.text("taskId"), victim);
    assert_eq!(told.text("instanceId"), instance_of(victim));
    assert_eq!(told.text("appId"), app);
    let is_of_victim = |event: &Event| event.data["taskId"] == instance_of(victim);
    assert!(subscriber.heard().iter().any(|event| event.kind == "failed_health_check_event" && is_of_victim(event)));
    let changed =
        |event: &Event| event.kind == "health_status_changed_event" && event.data["instanceId"] == instance_of(victim);
    assert!(subscriber.heard().iter().any(|event| changed(event) && event.data["alive"] == false));
}

/// Commands are run by the agent beside the task; it also kills.
async fn the_agent_kills(subscriber: &Subscriber, victim: &str) {
    let of_victim = |event: &Event| event.kind == "status_update_event" && event.data["taskId"] == victim;
    let killed = subscriber
        .find("the end of the unhealthy task", |event| {
            of_victim(event)
                && event.data["taskStatus"] != "TASK_RUNNING"
                && event.data["taskStatus"] != "TASK_STARTING"
                && event.data["taskStatus"] != "TASK_KILLING"
        })
        .await;
    assert_eq!(killed.text("taskStatus"), "TASK_KILLED", "{killed:?}");
    let unhealthy = |event: &Event| {
        event.kind == "instance_health_changed_event"
            && event.data["instanceId"] == instance_of(victim)
            && event.data["healthy"] == false
    };
    assert!(subscriber.heard().iter().any(unhealthy));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_answers_500_is_killed_and_replaced() {
    a_spoilt_instance_is_replaced(
        checked("/http", SERVER, json!({"protocol": "HTTP", "path": "/", "portIndex": 0})),
        "bad",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_closes_its_port_is_killed_and_replaced() {
    a_spoilt_instance_is_replaced(checked("/tcp", SERVER, json!({"protocol": "TCP", "portIndex": 0})), "deaf").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_whose_command_check_fails_is_killed_and_replaced() {
    let check = json!({"protocol": "COMMAND", "command": {"value": "test ! -e bad"}});
    a_spoilt_instance_is_replaced(checked("/command", "exec sleep 100000", check), "bad").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_waits_for_health_and_not_only_for_running() {
    let cluster = Cluster::start().await;
    let app = checked(
        "/slow",
        "while ! test -e ready; do sleep 0.1; done; exec python3 -m http.server $PORT0 --bind $HOST",
        json!({"protocol": "HTTP", "path": "/", "portIndex": 0}),
    );
    let app = with(app, json!({"instances": 1}));
    let answer = cluster.api.post("/v2/apps", &app).await.expect(201);
    let tasks = cluster.api.running("/slow", 1).await;
    let shown = cluster.api.app("/slow").await;
    assert_eq!(shown["tasksHealthy"], 0, "{shown}");
    assert_eq!(shown["deployments"], json!([{"id": answer.deployment()}]));
    assert_eq!(cluster.api.deployments().await, [answer.deployment()]);
    std::fs::write(sandbox(&cluster, &task_id(&tasks[0])).join("ready"), "").unwrap();
    cluster.api.deployed(&answer.deployment()).await;
    let (host, port) = endpoint(&cluster.api.running("/slow", 1).await[0]);
    assert!(std::net::TcpStream::connect((host.as_str(), port)).is_ok());
    assert_eq!(cluster.api.app("/slow").await["tasksHealthy"], 1);
}
