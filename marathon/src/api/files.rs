//! `/v2/tasks/{task}/files/{name}`: what tasks wrote, fetched from their agents. An addition of ours, for the dashboard.

use std::time::Duration;

use actix_web::{
    HttpResponse, get,
    web::{Data, Path},
};
use marathon_core::{id::TaskName, instance::Task};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{Scheduler, error::ApiError, params::Params};

/// Most bytes of one answer.
const MAX_LENGTH: u64 = 65_536;
/// How long an agent may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The endpoint.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(task_file);
}

/// Part of a file.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct FilePart {
    /// Text from `offset` on; bytes that are no text are replaced.
    data: String,
    /// Where `data` begins; without `offset` in the request, the size of the file.
    offset: u64,
}

/// Reads part of a file in a task's sandbox.
#[utoipa::path(
    tag = "tasks",
    params(
        ("task" = String, Path, description = "Id of the task"),
        ("name" = String, Path, description = "Path in the sandbox: `stdout`, `stderr` …"),
        ("offset" = Option<u64>, Query, description = "First byte; without it only the size is told"),
        ("length" = Option<u64>, Query, description = "Bytes at most, up to 65536"),
    ),
    responses((status = 200, body = FilePart), ApiError)
)]
#[get("/v2/tasks/{task}/files/{name:.*}")]
async fn task_file(
    scheduler: Scheduler,
    http: Data<reqwest::Client>,
    path: Path<(String, String)>,
    params: Params,
) -> Result<HttpResponse, ApiError> {
    let (task_id, name) = path.into_inner();
    let unknown = || ApiError::not_found(format!("Task '{task_id}' does not exist"));
    let task_name: TaskName = task_id.parse().map_err(|_| unknown())?;
    let published = scheduler.view();
    let instances = published.state.instances.get(&task_name.instance.spec);
    let instance = instances.and_then(|instances| instances.get(&task_name.instance)).ok_or_else(unknown)?;
    let task = instance.task.as_ref().ok_or_else(unknown)?;
    let framework = published.state.framework_id.as_ref().ok_or_else(unknown)?;
    // Earlier runs of an instance may have left their sandbox on the same agent.
    let file = format!("/frameworks/{framework}/executors/{task_id}/runs/latest/{name}");
    let offset = params.number("offset")?;
    let length = params.number("length")?.unwrap_or(MAX_LENGTH).min(MAX_LENGTH);
    let part = read(&http, task, &file, offset, length).await?;
    Ok(HttpResponse::Ok().json(part))
}

async fn read(
    http: &reqwest::Client,
    task: &Task,
    file: &str,
    offset: Option<u64>,
    length: u64,
) -> Result<FilePart, ApiError> {
    let offset = offset.map_or_else(|| "-1".to_owned(), |offset| offset.to_string());
    let url = format!("http://{}:{}/files/read", task.agent_address.ip, task.agent_address.port);
    let query = [("path", file), ("offset", &offset), ("length", &length.to_string())];
    let unreachable = |error: reqwest::Error| ApiError::unavailable(&error, "The agent of the task cannot be asked");
    let response = http.get(url).query(&query).timeout(PATIENCE).send().await.map_err(unreachable)?;
    match response.status().as_u16() {
        200 => response.json().await.map_err(unreachable),
        404 => Err(ApiError::not_found("The agent of the task does not have that file")),
        400..=499 => Err(ApiError::bad_request("The agent of the task refuses to read that file")),
        status => {
            tracing::warn!(agent.id = %task.agent_id, http.status = status, "an agent could not read a file");
            let status = actix_web::http::StatusCode::SERVICE_UNAVAILABLE;
            Err(ApiError::new(status, "The agent of the task cannot read that file"))
        }
    }
}
