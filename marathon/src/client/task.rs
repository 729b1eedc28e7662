//! `marathon task`.

use std::time::Duration;

use clap::{Args, Subcommand};
use marathon_openapi::task::{HealthCheckResult, Task, TaskList};
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::{
    ClientError,
    change::{ChangeFlags, change},
    http::{Client, Request},
    table::{list, or_dash, table},
};

/// Most bytes that a server gives at once.
const AT_ONCE: u64 = 65_536;
/// Between two looks at a file that is followed.
const LOOK: Duration = Duration::from_secs(1);

/// What about tasks.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the tasks of all apps
    List {
        /// Only tasks in this state: `running` or `staging`
        #[arg(long)]
        status: Option<String>,
    },
    /// Kill tasks, which are then replaced unless `--scale` is given
    Kill {
        /// Ids of tasks
        #[arg(required = true)]
        ids: Vec<String>,
        /// What else.
        #[command(flatten)]
        kill: KillFlags,
        /// How.
        #[command(flatten)]
        flags: ChangeFlags,
    },
    /// Show what a task wrote
    Logs {
        /// Id of the task
        id: String,
        /// File in its sandbox
        #[arg(long, default_value = "stdout")]
        file: String,
        /// Only the last bytes
        #[arg(long, default_value_t = AT_ONCE)]
        bytes: u64,
        /// Go on with what it writes from now on
        #[arg(long, short)]
        follow: bool,
    },
}

/// What becomes of killed tasks.
#[derive(Debug, Args)]
pub struct KillFlags {
    /// Reduce the number of instances by those killed
    #[arg(long, conflicts_with = "wipe")]
    scale: bool,
    /// Forget the instances, too
    #[arg(long)]
    wipe: bool,
}

impl KillFlags {
    /// As parameters.
    pub fn apply<'a>(&self, request: Request<'a>) -> Request<'a> {
        request.flag("scale", self.scale).flag("wipe", self.wipe)
    }
}

/// Does it.
pub async fn run(client: &Client, command: Command) -> Result<(), ClientError> {
    match command {
        Command::List { status } => {
            let mut request = Request::new(Method::GET, &["v2", "tasks"]);
            request.query.extend(status.map(|status| ("status", status)));
            client.show(request, |list: &TaskList| tasks_table(&list.tasks)).await
        }
        Command::Kill { ids, kill, flags } => {
            let body = json!({ "ids": ids }).to_string().into_bytes();
            let request = Request::new(Method::POST, &["v2", "tasks", "delete"]).body(body);
            change(client, kill.apply(request), &flags).await
        }
        Command::Logs { id, file, bytes, follow } => logs(client, &id, &file, bytes, follow).await,
    }
}

/// Part of a file; without an offset in the request only its size, as `offset`.
#[derive(Deserialize)]
struct FilePart {
    data: String,
    offset: u64,
}

async fn logs(client: &Client, id: &str, file: &str, bytes: u64, follow: bool) -> Result<(), ClientError> {
    let path = ["v2", "tasks", id, "files", file];
    let size = async || Ok::<u64, ClientError>(client.get::<FilePart>(&path).await?.offset);
    let mut end = size().await?;
    let mut position = end.saturating_sub(bytes);
    loop {
        while position < end {
            // Bytes that are no text come back as other bytes: what was read is what was asked for, not what came.
            let length = (end - position).min(AT_ONCE);
            let request = Request::new(Method::GET, &path).param("offset", position).param("length", length);
            let part: FilePart = client.send(request).await?.read()?;
            print_part(&part.data);
            position += length;
        }
        if !follow {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
        end = size().await?;
        // Begun anew: from the start.
        position = if end < position { 0 } else { position };
    }
}

/// As it is, without a line end of ours.
fn print_part(text: &str) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

/// Tasks for people.
pub fn tasks_table(tasks: &[Task]) -> String {
    let heads = ["ID", "APP", "STATE", "HEALTH", "HOST", "PORTS", "STARTED"];
    table(
        heads,
        tasks.iter().map(|task| {
            let state = serde_json::to_value(task.state).ok();
            [
                task.id.clone(),
                task.app_id.clone(),
                or_dash(state.as_ref().and_then(|state| state.as_str())),
                health(&task.health_check_results).to_owned(),
                task.host.clone(),
                list(&task.ports),
                or_dash(task.started_at),
            ]
        }),
    )
}

fn health(results: &[HealthCheckResult]) -> &'static str {
    match results {
        [] => "-",
        results if results.iter().all(|result| result.alive) => "healthy",
        results if results.iter().all(|result| result.last_success.is_none() && result.last_failure.is_none()) => {
            "unknown"
        }
        _ => "unhealthy",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(results: serde_json::Value) -> Task {
        let body = json!({
            "id": "shop_web.instance-1._app.1", "appId": "/shop/web", "host": "127.0.0.2", "state": "TASK_RUNNING",
            "startedAt": "2020-03-01T12:00:03.000Z", "ports": [31045, 31046], "servicePorts": [], "ipAddresses": [],
            "healthCheckResults": results, "localVolumes": [], "role": "*"
        });
        serde_json::from_value(body).unwrap()
    }

    #[test]
    fn tasks_are_shown_with_their_health() {
        let result = |alive: bool, last: &str| json!({ "alive": alive, "consecutiveFailures": 0, last: "2020-03-01T12:00:04.000Z", "instanceId": "i" });
        let tasks = [
            task(json!([])),
            task(json!([result(true, "lastSuccess")])),
            task(json!([result(true, "lastSuccess"), result(false, "lastFailure")])),
            task(json!([result(false, "unknownMember")])),
        ];
        let text = tasks_table(&tasks);
        let column: Vec<_> = text.lines().map(|line| line.split_whitespace().nth(3).unwrap()).collect();
        assert_eq!(column, ["HEALTH", "-", "healthy", "unhealthy", "unknown"]);
        assert!(text.contains("TASK_RUNNING") && text.contains("31045,31046"), "{text}");
    }
}
