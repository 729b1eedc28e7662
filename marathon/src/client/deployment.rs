//! `marathon deployment`.

use clap::Subcommand;
use marathon_openapi::deployment::{CurrentAction, DeploymentStepInfo};
use reqwest::Method;

use super::{
    ClientError,
    change::{ChangeFlags, change},
    http::{Client, Request, print},
    table::{list, table},
};

/// What about deployments.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List deployments on their way
    List,
    /// Undo a deployment by another one
    Rollback {
        /// Id
        id: String,
        /// Wait until everything is undone
        #[arg(long, short)]
        wait: bool,
    },
    /// Stop a deployment where it is, and undo nothing
    Stop {
        /// Id
        id: String,
    },
}

/// Does it.
pub async fn run(client: &Client, command: Command) -> Result<(), ClientError> {
    match command {
        Command::List => {
            let render = |deployments: &Vec<DeploymentStepInfo>| deployments_table(deployments);
            client.show(Request::new(Method::GET, &["v2", "deployments"]), render).await
        }
        Command::Rollback { id, wait } => {
            // With `force` a server would only stop the deployment.
            let flags = ChangeFlags::without_force(wait);
            change(client, Request::new(Method::DELETE, &["v2", "deployments", &id]), &flags).await
        }
        Command::Stop { id } => {
            let path = ["v2", "deployments", &id];
            client.send(Request::new(Method::DELETE, &path).flag("force", true)).await?;
            print(&format!("deployment {id} stopped"));
            Ok(())
        }
    }
}

fn deployments_table(deployments: &[DeploymentStepInfo]) -> String {
    let action = |action: &CurrentAction| {
        let target = action.app.as_deref().or(action.pod.as_deref()).unwrap_or_default();
        format!("{:?} {target}", action.action)
    };
    let heads = ["ID", "STEP", "APPS", "NOW"];
    table(
        heads,
        deployments.iter().map(|deployment| {
            [
                deployment.id.clone(),
                format!("{}/{}", deployment.current_step, deployment.total_steps),
                list(&deployment.affected_apps),
                list(deployment.current_actions.iter().map(action)),
            ]
        }),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn deployments_show_how_far_they_are() {
        let body = json!([{
            "id": "d-1", "version": "2020-03-01T12:00:00.000Z", "affectedApps": ["/a", "/b"], "affectedPods": [], "steps": [],
            "currentActions": [{ "action": "ScaleApplication", "app": "/a", "readinessCheckResults": [] }],
            "currentStep": 1, "totalSteps": 2
        }]);
        let deployments: Vec<DeploymentStepInfo> = serde_json::from_value(body).unwrap();
        let expected = "ID   STEP  APPS   NOW\nd-1  1/2   /a,/b  ScaleApplication /a\n";
        assert_eq!(deployments_table(&deployments), expected);
    }
}
