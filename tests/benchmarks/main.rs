//! Measures the release binary from outside and prints the tables of `BENCHMARKS.md`.
//!
//! Load generator and server share the machine's cores, so the figures are what both together can do.

mod load;
mod server;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use server::Server;

/// Connections of the read benchmark, all of them always busy.
const CONNECTIONS: usize = 64;
const READ_FOR: Duration = Duration::from_secs(10);
const INSTANCES: u64 = 100;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let mut rows = Vec::new();
    let mut row = |what: &str, figure: String| {
        eprintln!("{what}: {figure}");
        rows.push(format!("| {what} | {figure} |"));
    };

    let alone = Server::start(0).await?;
    row("resident memory of `up --agents 0`, idle", alone.settled_memory().await.to_string());
    drop(alone);

    let mut server = Server::start(3).await?;
    row("resident memory of `up` with 3 agents, idle", server.settled_memory().await.to_string());

    let begun = Instant::now();
    server.post("/v2/apps", &sleepers()).await?;
    let accepted = begun.elapsed();
    server.until(|app| app["tasksRunning"] == INSTANCES && app["deployments"] == json!([])).await?;
    let running = begun.elapsed();
    row("POST of an app with 100 instances of `sleep`, to the answer", ms(accepted));
    row("… to all 100 running on 3 agents and the deployment done", ms(running));
    row("resident memory of `up` with 100 tasks", server.settled_memory().await.to_string());

    let reads = load::run(server.http, "/v2/apps/bench", CONNECTIONS, READ_FOR).await?;
    row("`GET /v2/apps/{id}` with its 100 tasks, 64 connections", reads.to_string());
    server.post("/v2/apps", &one("/one", 1)).await?;
    server.wait_for("/one", |app| app["tasksRunning"] == 1 && app["deployments"] == json!([])).await?;
    let reads = load::run(server.http, "/v2/apps/one", CONNECTIONS, READ_FOR).await?;
    row("`GET /v2/apps/{id}` with one task, 64 connections", reads.to_string());
    let reads = load::run(server.http, "/v2/apps/one", 8, READ_FOR).await?;
    row("`GET /v2/apps/{id}` with one task, 8 connections", reads.to_string());

    server.kill();
    let begun = Instant::now();
    server.start_again().await?;
    row("start after `kill -9` with 101 tasks, to the first answer of the leader", ms(begun.elapsed()));
    server.master_knows(101).await?;
    row("… to the master knowing all of them again", ms(begun.elapsed()));

    println!("| figure | value |\n| --- | --- |\n{}", rows.join("\n"));
    Ok(())
}

fn sleepers() -> Value {
    one("/bench", INSTANCES)
}

fn one(id: &str, instances: u64) -> Value {
    json!({"id": id, "cmd": "exec sleep 100000", "instances": instances, "cpus": 0.01, "mem": 1, "portDefinitions": []})
}

fn ms(time: Duration) -> String {
    format!("{} ms", time.as_millis())
}
