//! `/v2/apps`.

use std::{collections::BTreeSet, sync::Arc};

use actix_web::{
    HttpRequest, HttpResponse, delete, get,
    http::{StatusCode, header},
    patch, post, put,
    web::{Bytes, Path},
};
use marathon_core::{
    id::PathId,
    scheduler::{Accepted, AppPut, Command, Expect, Origin, Rejection, TreeChange},
    spec::App,
    state::State,
};
use marathon_openapi::{
    app::{self as wire, AppChange, AppInfo, AppList, AppSubtree, VersionList},
    deployment::DeploymentResult,
    error::DeploymentRef,
    path,
    selector::LabelSelector,
};
use marathon_time::Timestamp;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    Scheduler,
    error::ApiError,
    headers::DEPLOYMENT_ID,
    params::{Embed, Params},
};
use crate::{
    service::{AskError, Handle, Published, clock},
    wire::{app as convert, task},
};

/// Prefixes under which embeds of apps are known on these endpoints.
const PREFIXES: &[&str] = &["group.apps.", "apps.", "app.", ""];
/// How often a partial update is merged again because somebody else changed the app in between.
const MERGES: usize = 10;

/// The endpoints, more specific ones first.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(list_apps)
        .service(create_app)
        .service(put_apps)
        .service(patch_apps)
        .service(restart_app)
        .service(app_version)
        .service(app_versions)
        .service(get_app)
        .service(put_app)
        .service(patch_app)
        .service(delete_app);
}

/// Lists apps.
#[utoipa::path(
    tag = "apps",
    params(
        ("id" = Option<String>, Query, description = "Part of the id, any case"),
        ("cmd" = Option<String>, Query, description = "Part of the command, any case"),
        ("label" = Option<String>, Query, description = "Label selector: `key`, `key==value`, `key!=value`, `key in (a, b)`, `key notin (a, b)`, joined with commas"),
        ("embed" = Option<Vec<String>>, Query, description = "`apps.tasks`, `apps.lastTaskFailure`, `apps.failures`, `apps.taskStats`, `apps.readiness`"),
    ),
    responses((status = 200, body = AppList), ApiError)
)]
#[get("/v2/apps")]
async fn list_apps(scheduler: Scheduler, params: Params) -> Result<HttpResponse, ApiError> {
    let embed = Embed::LIST.with(params.all("embed"), PREFIXES);
    let selector = params.first("label").map(LabelSelector::parse).transpose().map_err(ApiError::unprocessable)?;
    let (id, command) = (params.first("id").map(str::to_lowercase), params.first("cmd").map(str::to_lowercase));
    let published = scheduler.view();
    let wanted = |app: &&Arc<App>| {
        let runs = |part: &String| match &app.spec.run {
            substrate_core::protocol::task::Run::Shell(text) => text.to_lowercase().contains(part),
            substrate_core::protocol::task::Run::Exec(_) => false,
        };
        id.as_ref().is_none_or(|part| app.spec.id.as_str().to_lowercase().contains(part))
            && command.as_ref().is_none_or(runs)
            && selector.as_ref().is_none_or(|selector| selector.matches(&app.spec.labels))
    };
    let now = clock::now();
    let apps = published.state.root.apps.values().filter(wanted);
    let apps = apps.map(|app| describe(&published.state, app, embed, now)).collect();
    Ok(HttpResponse::Ok().json(AppList { apps }))
}

/// Creates an app.
#[utoipa::path(
    tag = "apps",
    request_body = wire::AppUpdate,
    params(("force" = Option<bool>, Query, description = "Cancel deployments that are in the way")),
    responses((status = 201, body = AppInfo, headers(("Marathon-Deployment-Id" = String), ("Location" = String))), ApiError)
)]
#[post("/v2/apps")]
async fn create_app(
    scheduler: Scheduler,
    request: HttpRequest,
    params: Params,
    body: Bytes,
) -> Result<HttpResponse, ApiError> {
    let spec = convert::to_spec(wire::parse_create(&body)?)?;
    let id = spec.id.clone();
    let change = TreeChange::CreateApp(Arc::new(spec));
    let deployment = deploy(&scheduler, change, params.flag("force", false), origin(&request)).await?;
    let published = scheduler.view();
    let app = published.state.root.apps.get(&id).ok_or(ApiError::from(Rejection::UnknownApp(id.clone())))?;
    let mut created = AppInfo::from(convert::definition(app));
    // The answer shows what was asked for, without what only later changes can tell.
    created.app.version_info = None;
    created.deployments = Some(vec![DeploymentRef { id: deployment.deployment_id.clone() }]);
    created.tasks_staged = Some(0);
    created.tasks_running = Some(0);
    created.tasks_healthy = Some(0);
    created.tasks_unhealthy = Some(0);
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, location(&request, &id)))
        .insert_header((DEPLOYMENT_ID, deployment.deployment_id))
        .json(created))
}

/// Creates or updates several apps in one deployment.
#[utoipa::path(
    tag = "apps",
    request_body = Vec<wire::AppUpdate>,
    params(
        ("force" = Option<bool>, Query, description = "Cancel deployments that are in the way"),
        ("partialUpdate" = Option<bool>, Query, description = "Whether members that are not given keep their values (the default)"),
    ),
    responses((status = 200, body = DeploymentResult, headers(("Marathon-Deployment-Id" = String))), ApiError)
)]
#[put("/v2/apps")]
async fn put_apps(scheduler: Scheduler, params: Params, body: Bytes) -> Result<HttpResponse, ApiError> {
    let force = params.flag("force", false);
    if params.flag("partialUpdate", true) {
        return update_many(&scheduler, &body, force, true).await;
    }
    let mut puts = Vec::new();
    for app in wire::parse_replacements(&body)? {
        puts.push(AppPut::Spec { spec: Arc::new(convert::to_spec(app)?), expect: Expect::Any });
    }
    accepted(deploy(&scheduler, TreeChange::PutApps(puts), force, None).await?)
}

/// Updates several existing apps in one deployment.
#[utoipa::path(
    tag = "apps",
    request_body = Vec<wire::AppUpdate>,
    params(("force" = Option<bool>, Query, description = "Cancel deployments that are in the way")),
    responses((status = 200, body = DeploymentResult, headers(("Marathon-Deployment-Id" = String))), ApiError)
)]
#[patch("/v2/apps")]
async fn patch_apps(scheduler: Scheduler, params: Params, body: Bytes) -> Result<HttpResponse, ApiError> {
    update_many(&scheduler, &body, params.flag("force", false), false).await
}

async fn update_many(scheduler: &Handle, body: &[u8], force: bool, create: bool) -> Result<HttpResponse, ApiError> {
    let updates = wire::parse_updates(body)?;
    let merge = |published: &Published| {
        updates
            .iter()
            .map(|(id, change)| merged(published, &id.parse()?, change, create))
            .collect::<Result<Vec<_>, ApiError>>()
    };
    accepted(merge_and_deploy(scheduler, merge, force, None).await?)
}

/// Replaces all instances of an app.
#[utoipa::path(
    tag = "apps",
    params(
        ("id" = String, Path, description = "Id of the app; may hold slashes"),
        ("force" = Option<bool>, Query, description = "Cancel deployments that are in the way"),
    ),
    responses((status = 200, body = DeploymentResult, headers(("Marathon-Deployment-Id" = String))), ApiError)
)]
#[post("/v2/apps/{id:.*}/restart")]
async fn restart_app(scheduler: Scheduler, id: Path<String>, params: Params) -> Result<HttpResponse, ApiError> {
    let change = TreeChange::RestartApp(app_id(&id)?);
    accepted(deploy(&scheduler, change, params.flag("force", false), None).await?)
}

/// Lists the versions of an app that are kept, newest first.
#[utoipa::path(
    tag = "apps",
    params(("id" = String, Path, description = "Id of the app; may hold slashes")),
    responses((status = 200, body = VersionList), ApiError)
)]
#[get("/v2/apps/{id:.*}/versions")]
async fn app_versions(scheduler: Scheduler, id: Path<String>) -> Result<HttpResponse, ApiError> {
    let id = app_id(&id)?;
    let published = scheduler.view();
    if !published.state.root.apps.contains_key(&id) {
        return Err(Rejection::UnknownApp(id).into());
    }
    let versions = published.state.versions.get(&id).map(|versions| versions.keys().rev().copied().collect());
    Ok(HttpResponse::Ok().json(VersionList { versions: versions.unwrap_or_default() }))
}

/// An app as of a version.
#[utoipa::path(
    tag = "apps",
    params(
        ("id" = String, Path, description = "Id of the app; may hold slashes"),
        ("version" = String, Path, description = "A timestamp from the list of versions"),
    ),
    responses((status = 200, body = wire::App), ApiError)
)]
#[get("/v2/apps/{id:.*}/versions/{version}")]
async fn app_version(scheduler: Scheduler, path: Path<(String, String)>) -> Result<HttpResponse, ApiError> {
    let (id, version) = path.into_inner();
    let id = app_id(&id)?;
    let version: Timestamp = version.parse().map_err(ApiError::unprocessable)?;
    let published = scheduler.view();
    let app = published.state.versions.get(&id).and_then(|versions| versions.get(&version));
    let app = app.ok_or(ApiError::from(Rejection::UnknownAppVersion(id, version)))?;
    Ok(HttpResponse::Ok().json(convert::definition(app)))
}

/// An app with its tasks; `{group}/*` lists all apps below a group.
#[utoipa::path(
    tag = "apps",
    params(
        ("id" = String, Path, description = "Id of the app, which may hold slashes; or a group's followed by `/*`"),
        ("embed" = Option<Vec<String>>, Query, description = "`apps.taskStats`, `apps.readiness`"),
    ),
    responses((status = 200, body = wire::AppAnswer), ApiError)
)]
#[get("/v2/apps/{id:.*}")]
async fn get_app(scheduler: Scheduler, id: Path<String>, params: Params) -> Result<HttpResponse, ApiError> {
    let embed = Embed::SINGLE.with(params.all("embed"), PREFIXES);
    let published = scheduler.view();
    let now = clock::now();
    if id.ends_with("/restart") {
        // A reserved word: not the end of an id, but an endpoint that knows other methods.
        return Err(ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed"));
    }
    if let Some(group) = wildcard(&id) {
        let apps = apps_below(&published.state, group)?;
        let apps = apps.into_iter().map(|app| describe(&published.state, app, embed, now)).collect();
        return Ok(HttpResponse::Ok().json(AppSubtree { apps }));
    }
    let id = app_id(&id)?;
    let app = published.state.root.apps.get(&id).ok_or(ApiError::from(Rejection::UnknownApp(id)))?;
    Ok(HttpResponse::Ok().json(wire::AppAnswer { app: describe(&published.state, app, embed, now) }))
}

/// Creates an app, updates it, or (with only `version` in the body) goes back to a version of it.
#[utoipa::path(
    tag = "apps",
    request_body = wire::AppUpdate,
    params(
        ("id" = String, Path, description = "Id of the app; may hold slashes"),
        ("force" = Option<bool>, Query, description = "Cancel deployments that are in the way"),
        ("partialUpdate" = Option<bool>, Query, description = "Whether members that are not given keep their values (the default)"),
    ),
    responses(
        (status = 200, description = "Updated", body = DeploymentResult, headers(("Marathon-Deployment-Id" = String))),
        (status = 201, description = "Created", body = DeploymentResult, headers(("Marathon-Deployment-Id" = String), ("Location" = String))),
        ApiError
    )
)]
#[put("/v2/apps/{id:.*}")]
async fn put_app(
    scheduler: Scheduler,
    request: HttpRequest,
    id: Path<String>,
    params: Params,
    body: Bytes,
) -> Result<HttpResponse, ApiError> {
    let (id, force) = (app_id(&id)?, params.flag("force", false));
    let existed = scheduler.view().state.root.apps.contains_key(&id);
    let result = if params.flag("partialUpdate", true) && existed {
        let change = wire::parse_update(&body)?;
        let merge = |published: &Published| Ok(vec![merged(published, &id, &change, true)?]);
        merge_and_deploy(&scheduler, merge, force, origin(&request)).await?
    } else {
        let spec = Arc::new(convert::to_spec(wire::parse_replace(&body, id.as_str())?)?);
        let expect = if existed { Expect::Any } else { Expect::Absent };
        let put = TreeChange::PutApps(vec![AppPut::Spec { spec, expect }]);
        deploy(&scheduler, put, force, origin(&request)).await?
    };
    if existed { accepted(result) } else { created(result, &request, &id) }
}

/// Updates an existing app.
#[utoipa::path(
    tag = "apps",
    request_body = wire::AppUpdate,
    params(
        ("id" = String, Path, description = "Id of the app; may hold slashes"),
        ("force" = Option<bool>, Query, description = "Cancel deployments that are in the way"),
    ),
    responses((status = 200, body = DeploymentResult, headers(("Marathon-Deployment-Id" = String))), ApiError)
)]
#[patch("/v2/apps/{id:.*}")]
async fn patch_app(
    scheduler: Scheduler,
    request: HttpRequest,
    id: Path<String>,
    params: Params,
    body: Bytes,
) -> Result<HttpResponse, ApiError> {
    let id = app_id(&id)?;
    let change = wire::parse_update(&body)?;
    let merge = |published: &Published| Ok(vec![merged(published, &id, &change, false)?]);
    accepted(merge_and_deploy(&scheduler, merge, params.flag("force", false), origin(&request)).await?)
}

/// Removes an app and everything that runs for it.
#[utoipa::path(
    tag = "apps",
    params(
        ("id" = String, Path, description = "Id of the app; may hold slashes"),
        ("force" = Option<bool>, Query, description = "Cancel deployments that are in the way (the default)"),
    ),
    responses((status = 200, body = DeploymentResult, headers(("Marathon-Deployment-Id" = String))), ApiError)
)]
#[delete("/v2/apps/{id:.*}")]
async fn delete_app(scheduler: Scheduler, id: Path<String>, params: Params) -> Result<HttpResponse, ApiError> {
    let change = TreeChange::DeleteApp(app_id(&id)?);
    accepted(deploy(&scheduler, change, params.flag("force", true), None).await?)
}

/// Starts a deployment and waits until it is durable.
pub(super) async fn deploy(
    scheduler: &Handle,
    change: TreeChange,
    force: bool,
    origin: Option<Origin>,
) -> Result<DeploymentResult, ApiError> {
    let command = Command::Change { change, force, dry_run: false, origin };
    result_of(scheduler.ask(command).await?)
}

/// The deployment that an accepted command started.
pub(super) fn result_of(accepted: Accepted) -> Result<DeploymentResult, ApiError> {
    match accepted {
        Accepted::Deployment { id, version } => Ok(DeploymentResult { version, deployment_id: id.to_string() }),
        other @ (Accepted::Steps(_) | Accepted::Killed(_) | Accepted::Attached { .. } | Accepted::Done) => {
            tracing::error!(answer = ?other, "a change was answered with something else than a deployment");
            Err(ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "The answer makes no sense"))
        }
    }
}

/// 200 with the deployment.
pub(super) fn accepted(result: DeploymentResult) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().insert_header((DEPLOYMENT_ID, result.deployment_id.clone())).json(result))
}

/// 201 with the deployment, and where to find what it creates.
pub(super) fn created(result: DeploymentResult, request: &HttpRequest, id: &PathId) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, location(request, id)))
        .insert_header((DEPLOYMENT_ID, result.deployment_id.clone()))
        .json(result))
}

/// Merges an update over what is there and deploys it; again, if somebody else was faster.
async fn merge_and_deploy(
    scheduler: &Handle,
    merge: impl Fn(&Published) -> Result<Vec<AppPut>, ApiError>,
    force: bool,
    origin: Option<Origin>,
) -> Result<DeploymentResult, ApiError> {
    let mut overtaken = None;
    for _ in 0..MERGES {
        let change = TreeChange::PutApps(merge(&scheduler.view())?);
        let command = Command::Change { change, force, dry_run: false, origin: origin.clone() };
        match scheduler.ask(command).await {
            Err(AskError::Rejected(rejection @ Rejection::Overtaken(_))) => overtaken = Some(rejection),
            Err(error) => return Err(error.into()),
            Ok(accepted) => return result_of(accepted),
        }
    }
    Err(overtaken.map_or_else(|| ApiError::bad_request("nothing to do"), ApiError::from))
}

/// An update over the present definition of one app.
fn merged(published: &Published, id: &PathId, change: &AppChange, create: bool) -> Result<AppPut, ApiError> {
    let current = published.state.root.apps.get(id);
    match (change, current) {
        (AppChange::Rollback(version), Some(_)) => Ok(AppPut::Version { id: id.clone(), version: *version }),
        (AppChange::Update(update), Some(current)) => {
            let app = update.as_ref().clone().merge_into(&convert::definition(current))?;
            let expect = Expect::Version(current.version);
            Ok(AppPut::Spec { spec: Arc::new(convert::to_spec(app)?), expect })
        }
        (AppChange::Update(update), None) if create => {
            let app = update.as_ref().clone().create(id.as_str())?;
            Ok(AppPut::Spec { spec: Arc::new(convert::to_spec(app)?), expect: Expect::Absent })
        }
        (AppChange::Update(_) | AppChange::Rollback(_), None) => Err(Rejection::UnknownApp(id.clone()).into()),
    }
}

/// An app with what is to be embedded.
pub(super) fn describe(state: &State, app: &Arc<App>, embed: Embed, now: Timestamp) -> AppInfo {
    let mut info = AppInfo::from(convert::definition(app));
    if embed.counts {
        let counts = task::counts(task::instances(state, app));
        info.tasks_staged = Some(counts.staged);
        info.tasks_running = Some(counts.running);
        info.tasks_healthy = Some(counts.healthy);
        info.tasks_unhealthy = Some(counts.unhealthy);
    }
    if embed.deployments {
        let none = BTreeSet::new();
        let locks = state.locks.get(&app.spec.id).unwrap_or(&none);
        info.deployments = Some(locks.iter().map(|id| DeploymentRef { id: id.to_string() }).collect());
    }
    if embed.tasks {
        info.tasks = Some(task::tasks_of(state, app));
    }
    if embed.readiness {
        info.readiness_check_results = Some(Vec::new());
    }
    if embed.last_task_failure {
        info.last_task_failure = state.failures.get(&app.spec.id).map(|failure| task::failure(failure));
    }
    if embed.task_stats {
        info.tasks_stats = Some(task::stats(state, app, now));
    }
    info
}

/// The group of a path that ends in `*`.
pub(super) fn wildcard(path: &str) -> Option<&str> {
    let path = path.strip_suffix('*')?;
    (path.is_empty() || path.ends_with('/')).then_some(path)
}

/// All apps at or below a group.
pub(super) fn apps_below<'a>(state: &'a State, group: &str) -> Result<Vec<&'a Arc<App>>, ApiError> {
    let group: PathId = path::from_url(group)?.parse()?;
    if !state.root.groups.contains_key(&group) {
        return Err(Rejection::UnknownGroup(group).into());
    }
    Ok(state.root.apps_within(&group).map(|(_, app)| app).collect())
}

/// The id in a URL.
pub(super) fn app_id(text: &str) -> Result<PathId, ApiError> {
    Ok(path::from_url(text)?.parse()?)
}

fn origin(request: &HttpRequest) -> Option<Origin> {
    let client_ip = request.peer_addr().map(|address| address.ip().to_string()).unwrap_or_default();
    Some(Origin { client_ip, uri: request.path().to_owned() })
}

/// Where Marathon says that something created is: at the server's root, as it always said.
fn location(request: &HttpRequest, id: &PathId) -> String {
    format!("http://{}{id}", request.connection_info().host())
}
