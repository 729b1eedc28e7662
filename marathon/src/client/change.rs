//! Requests that start deployments, and waiting for those.

use clap::Args;
use marathon_openapi::deployment::DeploymentStepInfo;
use serde_json::Value;

use super::{
    ClientError,
    event::Stream,
    http::{Client, Request, print},
};

/// Events that tell how a deployment goes. The first one is only for its position: a stream that breaks is resumed after it.
const TYPES: [&str; 4] = ["event_stream_attached", "deployment_info", "deployment_success", "deployment_failed"];

/// How to change.
#[derive(Debug, Args)]
pub struct ChangeFlags {
    /// Cancel deployments that are in the way
    #[arg(long)]
    force: bool,
    /// Wait until the deployment is done; a failed one is an error
    #[arg(long, short)]
    wait: bool,
}

impl ChangeFlags {
    /// For requests in which the parameter `force` means something else.
    pub fn without_force(wait: bool) -> Self {
        Self { force: false, wait }
    }
}

/// Asks for a change; says which deployment was started, and waits for it if it should.
pub async fn change(client: &Client, request: Request<'_>, flags: &ChangeFlags) -> Result<(), ClientError> {
    // Listening first: a deployment may be over before its request is answered.
    let stream = match flags.wait {
        true => Some(Stream::open(client, &TYPES, None).await?),
        false => None,
    };
    let answer = client.send(request.flag("force", flags.force)).await?;
    if client.json {
        client.print_json(&answer)?;
    }
    match (answer.deployment(), stream) {
        (Some(id), Some(stream)) => wait(client, stream, &id).await,
        (Some(id), None) => {
            tell(client, &format!("deployment {id} started"));
            Ok(())
        }
        (None, _) => {
            tell(client, "done");
            Ok(())
        }
    }
}

async fn wait(client: &Client, mut stream: Stream, id: &str) -> Result<(), ClientError> {
    tell(client, &format!("deployment {id} started"));
    loop {
        let event = match stream.next().await {
            Ok(Some(event)) => event,
            Ok(None) | Err(ClientError::Unreachable { .. }) => {
                let had_position = stream.has_position();
                stream.reopen(client, &TYPES).await?;
                if !had_position && !is_on_its_way(client, id).await? {
                    return Err(ClientError::OutcomeUnknown { id: id.to_owned() });
                }
                continue;
            }
            Err(error) => return Err(error),
        };
        let Ok(body) = serde_json::from_str::<Value>(&event.data) else { continue };
        match progress(&event.kind, &body, id) {
            Some(Progress::Step(step)) => tell(client, &step),
            Some(Progress::Done) => {
                tell(client, &format!("deployment {id} done"));
                return Ok(());
            }
            Some(Progress::Failed(reason)) => {
                return Err(ClientError::DeploymentFailed { id: id.to_owned(), reason });
            }
            None => {}
        }
    }
}

async fn is_on_its_way(client: &Client, id: &str) -> Result<bool, ClientError> {
    let deployments: Vec<DeploymentStepInfo> = client.get(&["v2", "deployments"]).await?;
    Ok(deployments.iter().any(|deployment| deployment.id == id))
}

/// With JSON on standard output, words go to standard error.
fn tell(client: &Client, text: &str) {
    match client.json {
        true => eprintln!("{text}"),
        false => print(text),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Progress {
    Step(String),
    Done,
    Failed(String),
}

/// What an event says about deployment `id`, if anything.
fn progress(kind: &str, body: &Value, id: &str) -> Option<Progress> {
    let subject = body.get("id").or_else(|| body.pointer("/plan/id"))?.as_str()?;
    if subject != id {
        return None;
    }
    match kind {
        "deployment_info" => Some(Progress::Step(step(body)?)),
        "deployment_success" => Some(Progress::Done),
        "deployment_failed" => {
            let reason = body.get("reason").and_then(Value::as_str).unwrap_or_default();
            Some(Progress::Failed(reason.to_owned()))
        }
        _ => None,
    }
}

/// `step 2 of 3: StartApplication /shop/api`.
fn step(body: &Value) -> Option<String> {
    let (steps, current) = (body.pointer("/plan/steps")?.as_array()?, body.get("currentStep")?);
    let number = steps.iter().position(|step| step == current)? + 1;
    let actions = current.get("actions")?.as_array()?;
    let action = |action: &Value| Some(format!("{} {}", action.get("action")?.as_str()?, action.get("app")?.as_str()?));
    let actions: Vec<String> = actions.iter().filter_map(action).collect();
    Some(format!("step {number} of {}: {}", steps.len(), actions.join(", ")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn events_tell_how_a_deployment_goes() {
        let steps = json!([
            { "actions": [{ "action": "StartApplication", "app": "/a" }] },
            { "actions": [{ "action": "ScaleApplication", "app": "/a" }, { "action": "StopApplication", "app": "/b" }] },
        ]);
        let info = json!({ "plan": { "id": "d", "steps": steps }, "currentStep": steps[1] });
        let expected = "step 2 of 2: ScaleApplication /a, StopApplication /b".to_owned();
        assert_eq!(progress("deployment_info", &info, "d"), Some(Progress::Step(expected)));
        assert_eq!(progress("deployment_info", &info, "another"), None);
        assert_eq!(progress("deployment_success", &json!({ "id": "d" }), "d"), Some(Progress::Done));
        assert_eq!(progress("deployment_success", &json!({ "id": "another" }), "d"), None);
        let failed = json!({ "id": "d", "reason": "cancelled" });
        assert_eq!(progress("deployment_failed", &failed, "d"), Some(Progress::Failed("cancelled".into())));
        assert_eq!(progress("event_stream_attached", &json!({ "remoteAddress": "d" }), "d"), None);
    }
}
