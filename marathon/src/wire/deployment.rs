//! Deployments: plans, steps and how far they are.

use marathon_core::deployment::{Action, ActionKind, Deployment, Plan, Step};
use marathon_openapi::deployment as wire;

/// A deployment as `GET /v2/deployments` lists it.
pub fn step_info(deployment: &Deployment) -> wire::DeploymentStepInfo {
    let plan = &deployment.plan;
    let current = plan.steps.get(deployment.step);
    wire::DeploymentStepInfo {
        id: plan.id.to_string(),
        version: plan.version,
        affected_apps: plan.affected().into_iter().map(ToString::to_string).collect(),
        affected_pods: Vec::new(),
        steps: steps(&plan.steps),
        current_actions: current.map(|step| step.actions.iter().map(current_action).collect()).unwrap_or_default(),
        current_step: count(deployment.step.saturating_add(1).min(plan.steps.len())),
        total_steps: count(plan.steps.len()),
    }
}

/// A plan as events show it.
pub fn plan(plan: &Plan) -> wire::DeploymentPlan {
    wire::DeploymentPlan { id: plan.id.to_string(), version: plan.version, steps: steps(&plan.steps) }
}

/// Steps in order.
pub fn steps(steps: &[Step]) -> Vec<wire::DeploymentStep> {
    steps.iter().map(step).collect()
}

/// One step.
pub fn step(step: &Step) -> wire::DeploymentStep {
    wire::DeploymentStep { actions: step.actions.iter().map(action).collect() }
}

fn action(action: &Action) -> wire::DeploymentAction {
    wire::DeploymentAction { action: name(action.kind), app: Some(action.app.to_string()), pod: None }
}

fn current_action(action: &Action) -> wire::CurrentAction {
    wire::CurrentAction {
        action: name(action.kind),
        app: Some(action.app.to_string()),
        pod: None,
        readiness_check_results: Vec::new(),
    }
}

fn name(kind: ActionKind) -> wire::ActionName {
    match kind {
        ActionKind::Start => wire::ActionName::StartApplication,
        ActionKind::Stop => wire::ActionName::StopApplication,
        ActionKind::Scale => wire::ActionName::ScaleApplication,
        ActionKind::Restart => wire::ActionName::RestartApplication,
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
