//! Deployments: plans, their steps, and how far they are.

use marathon_time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::task::ReadinessCheckResult;

/// Answer to every request that starts a deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({ "version": "2020-03-01T12:00:05.120Z", "deploymentId": "9c9b2c0e-2b7e-4a44-9d55-000000000002" }))]
pub struct DeploymentResult {
    /// Version that everything changed by this request gets.
    #[schema(value_type = String, format = DateTime)]
    pub version: Timestamp,
    /// The deployment.
    pub deployment_id: String,
}

/// A running deployment and how far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "id": "9c9b2c0e-2b7e-4a44-9d55-000000000001", "version": "2020-03-01T12:00:00.000Z",
    "affectedApps": ["/demo/echo"], "affectedPods": [],
    "steps": [{ "actions": [{ "action": "StartApplication", "app": "/demo/echo" }] },
              { "actions": [{ "action": "ScaleApplication", "app": "/demo/echo" }] }],
    "currentActions": [{ "action": "ScaleApplication", "app": "/demo/echo", "readinessCheckResults": [] }],
    "currentStep": 2, "totalSteps": 2
}))]
pub struct DeploymentStepInfo {
    /// Deployment id.
    pub id: String,
    /// Version that the deployment leads to.
    #[schema(value_type = String, format = DateTime)]
    pub version: Timestamp,
    /// Apps that it changes.
    pub affected_apps: Vec<String>,
    /// Pods that it changes.
    pub affected_pods: Vec<String>,
    /// All its steps.
    pub steps: Vec<DeploymentStep>,
    /// What the current step does.
    pub current_actions: Vec<CurrentAction>,
    /// The current step, counted from 1; 0 before the first.
    pub current_step: u32,
    /// How many steps there are.
    pub total_steps: u32,
}

/// From one state of the tree to another: steps in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeploymentPlan {
    /// Deployment id.
    pub id: String,
    /// Version that the deployment leads to.
    #[schema(value_type = String, format = DateTime)]
    pub version: Timestamp,
    /// What is done, in order.
    pub steps: Vec<DeploymentStep>,
}

/// Answer of `PUT /v2/groups?dryRun=true`: what would be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DryRun {
    /// The steps, in order.
    pub steps: Vec<DeploymentStep>,
}

/// Actions done together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeploymentStep {
    /// The actions.
    pub actions: Vec<DeploymentAction>,
}

/// One action on one app or pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeploymentAction {
    /// What is done.
    pub action: ActionName,
    /// To which app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub app: Option<String>,
    /// To which pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub pod: Option<String>,
}

/// One action of the current step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CurrentAction {
    /// What is done.
    pub action: ActionName,
    /// To which app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub app: Option<String>,
    /// To which pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub pod: Option<String>,
    /// Results of readiness checks of the new tasks.
    pub readiness_check_results: Vec<ReadinessCheckResult>,
}

/// What an action does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum ActionName {
    /// The app comes into being, with no instance yet.
    StartApplication,
    /// The app and all its instances go.
    StopApplication,
    /// The app gets more or fewer instances.
    ScaleApplication,
    /// The app's instances are replaced.
    RestartApplication,
    /// The pod comes into being, with no instance yet.
    StartPod,
    /// The pod and all its instances go.
    StopPod,
    /// The pod gets more or fewer instances.
    ScalePod,
    /// The pod's instances are replaced.
    RestartPod,
}
