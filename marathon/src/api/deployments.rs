//! `/v2/deployments`.

use actix_web::{HttpResponse, delete, get, web::Path};
use marathon_core::{
    id::DeploymentId,
    scheduler::{Accepted, Command},
};
use marathon_openapi::deployment::{DeploymentResult, DeploymentStepInfo};
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
    config.service(list_deployments).service(cancel_deployment);
}

/// Lists the deployments on their way.
#[utoipa::path(tag = "deployments", responses((status = 200, body = Vec<DeploymentStepInfo>), ApiError))]
#[get("/v2/deployments")]
async fn list_deployments(scheduler: Scheduler) -> HttpResponse {
    let published = scheduler.view();
    let deployments: Vec<_> = published.state.deployments.values().map(|deployment| step_info(deployment)).collect();
    HttpResponse::Ok().json(deployments)
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
    let unknown = || ApiError::not_found(format!("DeploymentPlan {id} does not exist"));
    let id = DeploymentId(uuid::Uuid::try_parse(&id).map_err(|_| unknown())?);
    let force = params.flag("force", false);
    match scheduler.ask(Command::CancelDeployment { id, force }).await? {
        Accepted::Done => Ok(HttpResponse::Accepted().finish()),
        other @ (Accepted::Deployment { .. } | Accepted::Steps(_) | Accepted::Killed(_) | Accepted::Attached { .. }) => {
            accepted(result_of(other)?)
        }
    }
}
