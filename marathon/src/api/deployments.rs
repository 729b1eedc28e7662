//! `/v2/deployments`.

use actix_web::{HttpResponse, delete, get, web::Path};
use marathon_core::{
    deployment::blockers::blockers,
    id::DeploymentId,
    scheduler::{Accepted, Command},
};
use marathon_openapi::deployment::{DeploymentResult, DeploymentStepInfo};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    Scheduler,
    apps::{accepted, result_of},
    error::ApiError,
    params::Params,
};
use crate::wire::deployment::step_info;

/// The endpoints.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(list_deployments).service(get_deployment).service(cancel_deployment);
}

/// A deployment and what it waits for.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentDetail {
    /// As in the list.
    deployment: DeploymentStepInfo,
    /// What the current step still waits for, app by app. Empty only for a moment, before the next step begins.
    blockers: Vec<Blocker>,
}

/// What one app of the current step waits for.
#[derive(Debug, Serialize, ToSchema)]
pub struct Blocker {
    /// The app.
    app: String,
    /// Sentences, what comes first in the life of an instance first.
    causes: Vec<String>,
}

/// Lists the deployments on their way.
#[utoipa::path(tag = "deployments", responses((status = 200, body = Vec<DeploymentStepInfo>), ApiError))]
#[get("/v2/deployments")]
async fn list_deployments(scheduler: Scheduler) -> HttpResponse {
    let published = scheduler.view();
    let deployments: Vec<_> = published.state.deployments.values().map(|deployment| step_info(deployment)).collect();
    HttpResponse::Ok().json(deployments)
}

/// A deployment on its way, and why it is not done yet. An addition of ours.
#[utoipa::path(
    tag = "deployments",
    params(("id" = String, Path, description = "Id of the deployment")),
    responses((status = 200, body = DeploymentDetail), ApiError)
)]
#[get("/v2/deployments/{id}")]
async fn get_deployment(scheduler: Scheduler, id: Path<String>) -> Result<HttpResponse, ApiError> {
    let published = scheduler.view();
    let deployment = parse(&id).ok().and_then(|id| published.state.deployments.get(&id));
    let deployment = deployment.ok_or_else(|| unknown(&id))?;
    let blockers = blockers(&published.state, deployment);
    let blocker = |blocker: marathon_core::deployment::blockers::Blocker| Blocker {
        app: blocker.app.to_string(),
        causes: blocker.causes.iter().map(ToString::to_string).collect(),
    };
    let detail =
        DeploymentDetail { deployment: step_info(deployment), blockers: blockers.into_iter().map(blocker).collect() };
    Ok(HttpResponse::Ok().json(detail))
}

/// Undoes a deployment by another one, or with `force` stops it where it is.
#[utoipa::path(
    tag = "deployments",
    params(
        ("id" = String, Path, description = "Id of the deployment"),
        ("force" = Option<bool>, Query, description = "Only stop; undo nothing"),
    ),
    responses(
        (status = 200, description = "The deployment that undoes it", body = DeploymentResult, headers(("Marathon-Deployment-Id" = String))),
        (status = 202, description = "Stopped"),
        ApiError
    )
)]
#[delete("/v2/deployments/{id}")]
async fn cancel_deployment(scheduler: Scheduler, id: Path<String>, params: Params) -> Result<HttpResponse, ApiError> {
    let id = parse(&id)?;
    let force = params.flag("force", false);
    match scheduler.ask(Command::CancelDeployment { id, force }).await? {
        Accepted::Done => Ok(HttpResponse::Accepted().finish()),
        other
        @ (Accepted::Deployment { .. } | Accepted::Steps(_) | Accepted::Killed(_) | Accepted::Attached { .. }) => {
            accepted(result_of(other)?)
        }
    }
}

fn parse(id: &str) -> Result<DeploymentId, ApiError> {
    uuid::Uuid::try_parse(id).map(DeploymentId).map_err(|_| unknown(id))
}

fn unknown(id: &str) -> ApiError {
    ApiError::not_found(format!("DeploymentPlan {id} does not exist"))
}
