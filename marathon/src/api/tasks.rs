//! `/v2/tasks` and the tasks of apps.

use std::{collections::BTreeSet, sync::Arc};

use actix_web::{
    HttpResponse, delete, get, post,
    web::{Bytes, Path},
};
use marathon_core::{
    id::{InstanceId, PathId, TaskName},
    instance::Instance,
    scheduler::{Accepted, Command, Rejection, TreeChange},
    state::State,
};
use marathon_openapi::task::{self as wire, TaskAnswer, TaskIds, TaskList};
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    Scheduler,
    apps::{accepted, app_id, apps_below, deploy, wildcard},
    error::ApiError,
    params::Params,
};
use crate::{service::Handle, wire::task};

/// The endpoints, more specific ones first.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(list_tasks).service(delete_tasks).service(kill_app_task).service(app_tasks).service(kill_app_tasks);
}

/// Lists the tasks of all apps.
#[utoipa::path(
    tag = "tasks",
    params(("status" = Option<Vec<String>>, Query, description = "`running` or `staging`; others are ignored")),
    responses((status = 200, body = TaskList), ApiError)
)]
#[get("/v2/tasks")]
async fn list_tasks(scheduler: Scheduler, params: Params) -> Result<HttpResponse, ApiError> {
    let known = |text: &str| match text.to_lowercase().as_str() {
        "running" => Some(wire::TaskState::TaskRunning),
        "staging" => Some(wire::TaskState::TaskStaging),
        _ => None,
    };
    let wanted: Vec<_> = params.all("status").chain(params.all("status[]")).filter_map(known).collect();
    let published = scheduler.view();
    let apps = published.state.root.apps.values();
    let tasks = apps.flat_map(|app| task::tasks_of(&published.state, app));
    let tasks = tasks.filter(|task| wanted.is_empty() || wanted.contains(&task.state)).collect();
    Ok(HttpResponse::Ok().json(TaskList { tasks }))
}

/// Kills tasks of any apps.
#[utoipa::path(
    tag = "tasks",
    request_body = TaskIds,
    params(
        ("scale" = Option<bool>, Query, description = "Reduce the apps' instances by those killed"),
        ("wipe" = Option<bool>, Query, description = "Forget the instances, too"),
        ("force" = Option<bool>, Query, description = "With `scale`: cancel deployments that are in the way"),
    ),
    responses((status = 200, description = "The tasks, or with `scale` a deployment", body = TaskList), ApiError)
)]
#[post("/v2/tasks/delete")]
async fn delete_tasks(scheduler: Scheduler, params: Params, body: Bytes) -> Result<HttpResponse, ApiError> {
    let mut instances = BTreeSet::new();
    for id in wire::parse_delete(&body)?.ids {
        let name: TaskName = id.parse().map_err(ApiError::bad_request)?;
        instances.insert(name.instance);
    }
    match kill(&scheduler, instances, &params).await? {
        Killed::Tasks(tasks) => Ok(HttpResponse::Ok().json(TaskList { tasks })),
        Killed::Scaled(response) => Ok(response),
    }
}

/// Lists the tasks of an app, or with `{group}/*` of all apps below a group.
#[utoipa::path(
    tag = "tasks",
    params(("id" = String, Path, description = "Id of the app, which may hold slashes; or a group's followed by `/*`")),
    responses((status = 200, body = TaskList), ApiError)
)]
#[get("/v2/apps/{id:.*}/tasks")]
async fn app_tasks(scheduler: Scheduler, id: Path<String>) -> Result<HttpResponse, ApiError> {
    let published = scheduler.view();
    let state = &published.state;
    let tasks = match wildcard(&id) {
        Some(group) => apps_below(state, group)?.into_iter().flat_map(|app| task::tasks_of(state, app)).collect(),
        None => {
            let id = app_id(&id)?;
            let app = state.root.apps.get(&id).ok_or(ApiError::from(Rejection::UnknownApp(id)))?;
            task::tasks_of(state, app)
        }
    };
    Ok(HttpResponse::Ok().json(TaskList { tasks }))
}

/// Kills the tasks of an app.
#[utoipa::path(
    tag = "tasks",
    params(
        ("id" = String, Path, description = "Id of the app; may hold slashes"),
        ("host" = Option<String>, Query, description = "Only tasks on this agent; `*`: all"),
        ("scale" = Option<bool>, Query, description = "Reduce the app's instances by those killed"),
        ("wipe" = Option<bool>, Query, description = "Forget the instances, too"),
        ("force" = Option<bool>, Query, description = "With `scale`: cancel deployments that are in the way"),
    ),
    responses((status = 200, description = "The tasks, or with `scale` a deployment", body = TaskList), ApiError)
)]
#[delete("/v2/apps/{id:.*}/tasks")]
async fn kill_app_tasks(scheduler: Scheduler, id: Path<String>, params: Params) -> Result<HttpResponse, ApiError> {
    let id = app_id(&id)?;
    let published = scheduler.view();
    if !published.state.root.apps.contains_key(&id) {
        // Scaling goes through the group tree, which has its own words for this.
        let scaled = params.flag("scale", false).then(|| ApiError::not_found(format!("Path '{id}' does not exist")));
        return Err(scaled.unwrap_or_else(|| Rejection::UnknownApp(id).into()));
    }
    let host = params.first("host").filter(|host| *host != "*");
    let on_host = |instance: &&Arc<Instance>| {
        let task = instance.task.as_ref();
        task.is_some_and(|task| host.is_none_or(|host| task.host == host))
    };
    let instances = instances_of(&published.state, &id).filter(on_host).map(|instance| instance.id.clone()).collect();
    match kill(&scheduler, instances, &params).await? {
        Killed::Tasks(tasks) => Ok(HttpResponse::Ok().json(TaskList { tasks })),
        Killed::Scaled(response) => Ok(response),
    }
}

/// Kills one task of an app.
#[utoipa::path(
    tag = "tasks",
    params(
        ("id" = String, Path, description = "Id of the app; may hold slashes"),
        ("task" = String, Path, description = "Id of the task, or of its instance"),
        ("scale" = Option<bool>, Query, description = "Reduce the app's instances by one"),
        ("wipe" = Option<bool>, Query, description = "Forget the instance, too"),
        ("force" = Option<bool>, Query, description = "With `scale`: cancel deployments that are in the way"),
    ),
    responses((status = 200, description = "The task, or with `scale` a deployment", body = TaskAnswer), ApiError)
)]
#[delete("/v2/apps/{id:.*}/tasks/{task}")]
async fn kill_app_task(
    scheduler: Scheduler,
    path: Path<(String, String)>,
    params: Params,
) -> Result<HttpResponse, ApiError> {
    let (id, task_id) = path.into_inner();
    let id = known_app(&scheduler, &id)?;
    let unknown = || ApiError::not_found(format!("Task '{task_id}' does not exist"));
    let name: TaskName = task_id.parse().map_err(|_| unknown())?;
    let published = scheduler.view();
    if !instances_of(&published.state, &id).any(|instance| instance.id == name.instance) {
        return Err(unknown());
    }
    match kill(&scheduler, BTreeSet::from([name.instance]), &params).await? {
        Killed::Tasks(tasks) => {
            let task = tasks.into_iter().next().ok_or_else(unknown)?;
            Ok(HttpResponse::Ok().json(TaskAnswer { task }))
        }
        Killed::Scaled(response) => Ok(response),
    }
}

/// What a kill led to.
enum Killed {
    /// These tasks were told to stop.
    Tasks(Vec<wire::Task>),
    /// A deployment was started.
    Scaled(HttpResponse),
}

async fn kill(scheduler: &Handle, instances: BTreeSet<InstanceId>, params: &Params) -> Result<Killed, ApiError> {
    let (scale, wipe) = (params.flag("scale", false), params.flag("wipe", false));
    if scale && wipe {
        return Err(ApiError::bad_request("You cannot use scale and wipe at the same time."));
    }
    if scale {
        let change = TreeChange::KillAndScale(instances);
        let result = deploy(scheduler, change, params.flag("force", false), None).await?;
        return Ok(Killed::Scaled(accepted(result)?));
    }
    match scheduler.ask(Command::KillInstances { instances, wipe }).await? {
        Accepted::Killed(instances) => {
            let published = scheduler.view();
            let killed = |instance: &Arc<Instance>| {
                let app = published.state.root.apps.get(&instance.id.spec)?;
                task::task(app, instance)
            };
            Ok(Killed::Tasks(instances.iter().filter_map(killed).collect()))
        }
        Accepted::Deployment { .. } | Accepted::Steps(_) | Accepted::Attached { .. } | Accepted::Done => {
            Ok(Killed::Tasks(Vec::new()))
        }
    }
}

fn instances_of<'a>(state: &'a State, id: &PathId) -> impl Iterator<Item = &'a Arc<Instance>> + use<'a> {
    state.instances.get(id).into_iter().flat_map(|instances| instances.values())
}

fn known_app(scheduler: &Handle, id: &str) -> Result<PathId, ApiError> {
    let id = app_id(id)?;
    match scheduler.view().state.root.apps.contains_key(&id) {
        true => Ok(id),
        false => Err(Rejection::UnknownApp(id).into()),
    }
}
