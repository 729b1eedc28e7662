//! `/v2/queue`.

use actix_web::{HttpResponse, delete, get, web::Path};
use marathon_core::scheduler::Command;
use marathon_openapi::queue::Queue;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{Scheduler, apps::app_id, error::ApiError, params::Params};
use crate::{service::clock, wire::queue};

/// The endpoints.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(list_queue).service(reset_delay);
}

/// Lists what waits for a launch, and why.
#[utoipa::path(
    tag = "queue",
    params(("embed" = Option<Vec<String>>, Query, description = "`lastUnusedOffers`")),
    responses((status = 200, body = Queue), ApiError)
)]
#[get("/v2/queue")]
async fn list_queue(scheduler: Scheduler, params: Params) -> HttpResponse {
    let with_offers = params.all("embed").any(|value| value == "lastUnusedOffers");
    HttpResponse::Ok().json(queue::queue(&scheduler.view().state, clock::now(), with_offers))
}

/// Ends the back-off of an app.
#[utoipa::path(
    tag = "queue",
    params(("id" = String, Path, description = "Id of the app; may hold slashes")),
    responses((status = 204, description = "Done"), ApiError)
)]
#[delete("/v2/queue/{id:.*}/delay")]
async fn reset_delay(scheduler: Scheduler, id: Path<String>) -> Result<HttpResponse, ApiError> {
    scheduler.ask(Command::ResetDelay(app_id(&id)?)).await?;
    Ok(HttpResponse::NoContent().finish())
}
