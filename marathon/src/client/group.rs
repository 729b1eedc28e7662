//! `marathon group`.

use clap::Subcommand;
use marathon_openapi::group::GroupInfo;
use reqwest::Method;

use super::{
    ClientError,
    change::{ChangeFlags, change},
    http::{Client, Request, id_in, read_body},
    table::{list, table},
};

/// What about groups.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List all groups
    List,
    /// Show a group and everything below
    Get {
        /// Path: `/shop`
        id: String,
    },
    /// Create a group, or replace the lists that the file gives
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
    /// Remove a group and everything below
    Delete {
        /// Path
        id: String,
        /// How.
        #[command(flatten)]
        flags: ChangeFlags,
    },
}

/// Does it.
pub async fn run(client: &Client, command: Command) -> Result<(), ClientError> {
    match command {
        Command::List => client.show(Request::new(Method::GET, &["v2", "groups"]), groups_table).await,
        Command::Get { id } => client.show(Request::new(Method::GET, &["v2", "groups", &id]), groups_table).await,
        Command::Put { file, id, flags } => {
            let body = read_body(&file)?;
            let id = id.or_else(|| id_in(&body)).unwrap_or_default();
            change(client, Request::new(Method::PUT, &["v2", "groups", &id]).body(body), &flags).await
        }
        Command::Delete { id, flags } => {
            change(client, Request::new(Method::DELETE, &["v2", "groups", &id]), &flags).await
        }
    }
}

/// Groups and their apps, parents first.
fn groups_table(group: &GroupInfo) -> String {
    let mut rows = Vec::new();
    collect(group, &mut rows);
    table(["GROUP", "APPS", "DEPENDENCIES"], rows)
}

fn collect(group: &GroupInfo, rows: &mut Vec<[String; 3]>) {
    let apps = group.apps.iter().map(|info| info.app.id.rsplit('/').next().unwrap_or_default());
    rows.push([group.id.clone(), list(apps), list(&group.dependencies)]);
    for group in &group.groups {
        collect(group, rows);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn groups_are_listed_parents_first() {
        let group = |id: &str, groups: serde_json::Value| json!({ "id": id, "apps": [], "pods": [], "groups": groups, "dependencies": ["/infra"] });
        let body = group("/", json!([group("/shop", json!([group("/shop/eu", json!([]))])), group("/web", json!([]))]));
        let text = groups_table(&serde_json::from_value(body).unwrap());
        let ids: Vec<_> = text.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
        assert_eq!(ids, ["GROUP", "/", "/shop", "/shop/eu", "/web"]);
        assert!(text.lines().nth(1).unwrap().ends_with("-     /infra"), "{text}");
    }
}
