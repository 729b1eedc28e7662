//! `marathon app`.

use clap::Subcommand;
use marathon_openapi::{
    app::{AppAnswer, AppInfo, AppList, VersionList},
    task::TaskList,
};
use reqwest::Method;
use serde_json::json;

use super::{
    ClientError,
    change::{ChangeFlags, change},
    http::{Client, Request, id_in, read_body},
    table::{list, or_dash, table},
    task::{KillFlags, tasks_table},
};

/// What about apps.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List apps
    List {
        /// Only apps with such labels: `environment==prod`
        #[arg(long)]
        label: Option<String>,
    },
    /// Show one app
    Get {
        /// Path: `/shop/web`
        id: String,
        /// As it was in this version
        #[arg(long)]
        version: Option<String>,
    },
    /// Create an app that must not exist yet
    Create {
        /// JSON file; `-`: standard input
        file: String,
        /// How.
        #[command(flatten)]
        flags: ChangeFlags,
    },
    /// Create or replace an app, or a list of apps
    Put {
        /// JSON file; `-`: standard input
        file: String,
        /// Path, unless the file says it
        #[arg(long)]
        id: Option<String>,
        /// How.
        #[command(flatten)]
        flags: ChangeFlags,
    },
    /// Change what is given of an app, and keep the rest
    Update {
        /// Path
        id: String,
        /// JSON file; `-`: standard input
        file: String,
        /// How.
        #[command(flatten)]
        flags: ChangeFlags,
    },
    /// Change the number of instances
    Scale {
        /// Path
        id: String,
        /// How many there should be
        instances: u32,
        /// How.
        #[command(flatten)]
        flags: ChangeFlags,
    },
    /// Replace all instances by new ones
    Restart {
        /// Path
        id: String,
        /// How.
        #[command(flatten)]
        flags: ChangeFlags,
    },
    /// Remove an app
    Delete {
        /// Path
        id: String,
        /// How.
        #[command(flatten)]
        flags: ChangeFlags,
    },
    /// List the versions of an app
    Versions {
        /// Path
        id: String,
    },
    /// List the tasks of an app
    Tasks {
        /// Path
        id: String,
    },
    /// Kill the tasks of an app, which are then replaced unless `--scale` is given
    Kill {
        /// Path
        id: String,
        /// Only tasks on this agent
        #[arg(long)]
        host: Option<String>,
        /// What else.
        #[command(flatten)]
        kill: KillFlags,
        /// How.
        #[command(flatten)]
        flags: ChangeFlags,
    },
}

/// Does it.
pub async fn run(client: &Client, command: Command) -> Result<(), ClientError> {
    const APPS: &[&str] = &["v2", "apps"];
    match command {
        Command::List { label } => {
            let mut request = Request::new(Method::GET, APPS);
            request.query.extend(label.map(|label| ("label", label)));
            client.show(request, |apps: &AppList| apps_table(&apps.apps)).await
        }
        Command::Get { id, version: None } => {
            let path = ["v2", "apps", &id];
            client.show(Request::new(Method::GET, &path), |answer: &AppAnswer| app_text(&answer.app)).await
        }
        Command::Get { id, version: Some(version) } => {
            let path = ["v2", "apps", &id, "versions", &version];
            client.show(Request::new(Method::GET, &path), app_text).await
        }
        Command::Create { file, flags } => {
            change(client, Request::new(Method::POST, APPS).body(read_body(&file)?), &flags).await
        }
        Command::Put { file, id, flags } => put(client, &file, id, &flags).await,
        Command::Update { id, file, flags } => {
            let path = ["v2", "apps", &id];
            change(client, Request::new(Method::PATCH, &path).body(read_body(&file)?), &flags).await
        }
        Command::Scale { id, instances, flags } => {
            let (path, body) = (["v2", "apps", &id], json!({ "instances": instances }));
            change(client, Request::new(Method::PATCH, &path).body(body.to_string().into_bytes()), &flags).await
        }
        Command::Restart { id, flags } => {
            change(client, Request::new(Method::POST, &["v2", "apps", &id, "restart"]), &flags).await
        }
        Command::Delete { id, flags } => {
            change(client, Request::new(Method::DELETE, &["v2", "apps", &id]), &flags).await
        }
        Command::Versions { id } => {
            let path = ["v2", "apps", &id, "versions"];
            let lines = |list: &VersionList| list.versions.iter().map(|version| format!("{version}\n")).collect();
            client.show(Request::new(Method::GET, &path), lines).await
        }
        Command::Tasks { id } => {
            let path = ["v2", "apps", &id, "tasks"];
            client.show(Request::new(Method::GET, &path), |list: &TaskList| tasks_table(&list.tasks)).await
        }
        Command::Kill { id, host, kill, flags } => {
            let path = ["v2", "apps", &id, "tasks"];
            let mut request = kill.apply(Request::new(Method::DELETE, &path));
            request.query.extend(host.map(|host| ("host", host)));
            change(client, request, &flags).await
        }
    }
}

/// A list goes to all apps, an object to the app that it names.
async fn put(client: &Client, file: &str, id: Option<String>, flags: &ChangeFlags) -> Result<(), ClientError> {
    let body = read_body(file)?;
    let is_list = body.trim_ascii_start().starts_with(b"[");
    let id = match id.or_else(|| id_in(&body)) {
        Some(id) => id,
        None if is_list => String::new(),
        None => {
            let reason = "no app is named: neither by 'id' in the file nor by --id".to_owned();
            return Err(ClientError::Body { path: file.to_owned(), reason });
        }
    };
    let path = ["v2", "apps", &id];
    change(client, Request::new(Method::PUT, &path).param("partialUpdate", false).body(body), flags).await
}

fn apps_table(apps: &[AppInfo]) -> String {
    let heads = ["ID", "INSTANCES", "RUNNING", "HEALTHY", "CPUS", "MEM", "VERSION", "DEPLOYMENTS"];
    table(
        heads,
        apps.iter().map(|info| {
            let app = &info.app;
            [
                app.id.clone(),
                app.instances.to_string(),
                or_dash(info.tasks_running),
                if app.health_checks.is_empty() { "-".to_owned() } else { or_dash(info.tasks_healthy) },
                app.cpus.to_string(),
                app.mem.to_string(),
                or_dash(app.version),
                list(info.deployments.iter().flatten().map(|deployment| &deployment.id)),
            ]
        }),
    )
}

/// The definition as JSON below what is true of it now.
fn app_text(info: &AppInfo) -> String {
    let mut text = apps_table(std::slice::from_ref(info));
    if let Some(tasks) = info.tasks.as_deref().filter(|tasks| !tasks.is_empty()) {
        text.push_str(&format!("\n{}", tasks_table(tasks)));
    }
    if let Some(failure) = &info.last_task_failure {
        let (at, host) = (failure.timestamp, &failure.host);
        text.push_str(&format!("\nlast failure: {at} {} on {host}: {}\n", failure.task_id, failure.message));
    }
    match serde_json::to_string_pretty(&info.app) {
        Ok(definition) => format!("{text}\n{definition}\n"),
        Err(_) => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(more: serde_json::Value) -> AppInfo {
        let mut body = json!({
            "id": "/shop/web", "cmd": "run", "instances": 3, "cpus": 0.5, "mem": 64.0, "disk": 0.0, "gpus": 0, "executor": "",
            "portDefinitions": [], "requirePorts": false, "networks": [{ "mode": "host" }], "backoffSeconds": 1,
            "backoffFactor": 1.15, "maxLaunchDelaySeconds": 300, "labels": {}, "role": "*",
            "upgradeStrategy": { "minimumHealthCapacity": 1.0, "maximumOverCapacity": 1.0 },
            "unreachableStrategy": { "inactiveAfterSeconds": 0, "expungeAfterSeconds": 0 },
            "killSelection": "YOUNGEST_FIRST", "version": "2020-03-01T12:00:00.000Z"
        });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(body).unwrap()
    }

    #[test]
    fn the_list_of_apps_shows_what_runs_and_what_is_under_way() {
        let apps =
            [info(json!({ "tasksRunning": 2, "tasksHealthy": 1, "deployments": [{ "id": "d-1" }] })), info(json!({}))];
        let expected = "\
ID         INSTANCES  RUNNING  HEALTHY  CPUS  MEM  VERSION                   DEPLOYMENTS
/shop/web  3          2        -        0.5   64   2020-03-01T12:00:00.000Z  d-1
/shop/web  3          -        -        0.5   64   2020-03-01T12:00:00.000Z  -
";
        assert_eq!(apps_table(&apps), expected);
    }

    #[test]
    fn one_app_is_shown_with_its_definition_and_its_last_failure() {
        let failure = json!({
            "appId": "/shop/web", "host": "h", "message": "Command exited with status 1", "state": "TASK_FAILED",
            "taskId": "t", "timestamp": "2020-03-01T12:00:01.000Z", "version": "2020-03-01T12:00:00.000Z"
        });
        let text = app_text(&info(json!({ "lastTaskFailure": failure })));
        assert!(
            text.contains("last failure: 2020-03-01T12:00:01.000Z t on h: Command exited with status 1\n"),
            "{text}"
        );
        assert!(text.contains("\"cmd\": \"run\""), "{text}");
    }
}
