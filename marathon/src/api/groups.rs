//! `/v2/groups`.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse, delete, get, patch, post, put,
    web::{Bytes, Path},
};
use marathon_core::{
    id::PathId,
    scheduler::{Accepted, Command, Rejection, TreeChange},
    spec::App,
    state::{Root, State},
};
use marathon_openapi::{
    app::AppInfo,
    deployment::{DeploymentResult, DryRun},
    error::Violations,
    group::{self as wire, GroupBody, GroupChange, GroupInfo},
    path,
};
use marathon_time::Timestamp;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    Scheduler,
    apps::{accepted, created, deploy, describe, result_of},
    error::ApiError,
    params::{Embed, Params},
};
use crate::{
    service::{Handle, clock},
    wire::{
        deployment,
        group::{self as convert, Shown},
    },
};

/// The only prefix under which embeds of apps are known on these endpoints.
const PREFIXES: &[&str] = &["group.apps."];

/// The endpoints, more specific ones first.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(root_apps)
        .service(root_versions)
        .service(root_version)
        .service(get_root)
        .service(post_root)
        .service(put_root)
        .service(delete_root)
        .service(group_apps)
        .service(group_version)
        .service(group_versions)
        .service(get_group)
        .service(post_group)
        .service(put_group)
        .service(patch_group)
        .service(delete_group);
}

/// An endpoint that shows the tree or a part of it: `$with`, given what the path of the URL says.
macro_rules! read {
    ($(#[$doc:meta])* $name:ident, $url:literal, $body:ty $(, $path:ident: $kind:ty)? => $with:ident($($arg:expr),*); $($param:tt)*) => {
        $(#[$doc])*
        #[utoipa::path(
            tag = "groups",
            params($($param)* ("embed" = Option<Vec<String>>, Query, description = "`group.groups`, `group.apps` and `group.apps.…`: `tasks`, `counts`, `deployments`, `lastTaskFailure`, `taskStats`, `readiness`; without any: `group.groups` and `group.apps`")),
            responses((status = 200, body = $body), ApiError)
        )]
        #[get($url)]
        async fn $name(scheduler: Scheduler $(, $path: Path<$kind>)?, params: Params) -> Result<HttpResponse, ApiError> {
            $(let $path = $path.into_inner();)?
            $with(&scheduler, &params, $($arg),*)
        }
    };
}

read!(
    /// Every app.
    root_apps, "/v2/groups/apps", Vec<AppInfo> => apps(PathId::root());
);
read!(
    /// Every app at or below a group.
    group_apps, "/v2/groups/{id:.*}/apps", Vec<AppInfo>, id: String => apps(group_id(&id)?);
    ("id" = String, Path, description = "Id of the group; may hold slashes"),
);
read!(
    /// The versions of the tree that are kept, newest first.
    root_versions, "/v2/groups/versions", Vec<String> => versions(PathId::root());
);
read!(
    /// The versions of the tree that are kept, newest first.
    group_versions, "/v2/groups/{id:.*}/versions", Vec<String>, id: String => versions(group_id(&id)?);
    ("id" = String, Path, description = "Id of the group; may hold slashes"),
);
read!(
    /// The tree as of a version.
    root_version, "/v2/groups/versions/{version}", GroupInfo, at: String => version(PathId::root(), &at);
    ("version" = String, Path, description = "A timestamp from the list of versions"),
);
read!(
    /// A group as of a version.
    group_version, "/v2/groups/{id:.*}/versions/{version}", GroupInfo, at: (String, String) => version(group_id(&at.0)?, &at.1);
    ("id" = String, Path, description = "Id of the group; may hold slashes"),
    ("version" = String, Path, description = "A timestamp from the list of versions"),
);
read!(
    /// The whole tree.
    get_root, "/v2/groups", GroupInfo => present(PathId::root());
);
read!(
    /// A group with what is in it.
    get_group, "/v2/groups/{id:.*}", GroupInfo, id: String => present(group_id(&id)?);
    ("id" = String, Path, description = "Id of the group; may hold slashes"),
);

fn apps(scheduler: &Handle, params: &Params, id: PathId) -> Result<HttpResponse, ApiError> {
    let published = scheduler.view();
    let state = &published.state;
    if !state.root.groups.contains_key(&id) {
        return Err(Rejection::UnknownGroup(id).into());
    }
    let (embed, now) = (Embed::default().with(params.all("embed"), PREFIXES), clock::now());
    let apps: Vec<AppInfo> = state.root.apps_within(&id).map(|(_, app)| describe(state, app, embed, now)).collect();
    Ok(HttpResponse::Ok().json(apps))
}

fn versions(scheduler: &Handle, _: &Params, id: PathId) -> Result<HttpResponse, ApiError> {
    let published = scheduler.view();
    if !published.state.root.groups.contains_key(&id) {
        return Err(Rejection::UnknownGroup(id).into());
    }
    let with_group = published.state.roots.iter().rev().filter(|(_, root)| root.groups.contains_key(&id));
    let versions: Vec<Timestamp> = with_group.map(|(version, _)| *version).collect();
    Ok(HttpResponse::Ok().json(versions))
}

fn present(scheduler: &Handle, params: &Params, id: PathId) -> Result<HttpResponse, ApiError> {
    let published = scheduler.view();
    answer(&published.state, &published.state.root, &id, params)
}

fn version(scheduler: &Handle, params: &Params, id: PathId, version: &str) -> Result<HttpResponse, ApiError> {
    let version: Timestamp = version.parse().map_err(ApiError::unprocessable)?;
    let published = scheduler.view();
    let unknown = || ApiError::not_found(format!("Group '{id}' does not exist in version {version}"));
    let root = published.state.roots.get(&version).ok_or_else(unknown)?;
    answer(&published.state, root, &id, params)
}

fn answer(state: &State, root: &Root, id: &PathId, params: &Params) -> Result<HttpResponse, ApiError> {
    let asks = |what: &str| params.all("embed").any(|value| value == what);
    let is_default = params.all("embed").next().is_none();
    let shown = Shown { apps: is_default || asks("group.apps"), groups: is_default || asks("group.groups") };
    let (embed, now) = (Embed::default().with(params.all("embed"), PREFIXES), clock::now());
    let app = |app: &Arc<App>| describe(state, app, embed, now);
    let info = convert::info(root, id, shown, &app).ok_or(ApiError::from(Rejection::UnknownGroup(id.clone())))?;
    Ok(HttpResponse::Ok().json(info))
}

/// Creates a group.
#[utoipa::path(
    tag = "groups",
    request_body = GroupBody,
    params(("force" = Option<bool>, Query, description = "Cancel deployments that are in the way")),
    responses((status = 201, body = DeploymentResult, headers(("Marathon-Deployment-Id" = String), ("Location" = String))), ApiError)
)]
#[post("/v2/groups")]
async fn post_root(
    scheduler: Scheduler,
    request: HttpRequest,
    params: Params,
    body: Bytes,
) -> Result<HttpResponse, ApiError> {
    create(&scheduler, &request, PathId::root(), &params, &body).await
}

/// Creates a group.
#[utoipa::path(
    tag = "groups",
    request_body = GroupBody,
    params(
        ("id" = String, Path, description = "Id of the group, or of the one that it is created in"),
        ("force" = Option<bool>, Query, description = "Cancel deployments that are in the way"),
    ),
    responses((status = 201, body = DeploymentResult, headers(("Marathon-Deployment-Id" = String), ("Location" = String))), ApiError)
)]
#[post("/v2/groups/{id:.*}")]
async fn post_group(
    scheduler: Scheduler,
    request: HttpRequest,
    id: Path<String>,
    params: Params,
    body: Bytes,
) -> Result<HttpResponse, ApiError> {
    create(&scheduler, &request, group_id(&id)?, &params, &body).await
}

async fn create(
    scheduler: &Handle,
    request: &HttpRequest,
    base: PathId,
    params: &Params,
    body: &[u8],
) -> Result<HttpResponse, ApiError> {
    let change = match wire::parse_update(body, base.as_str())? {
        GroupChange::Update(update) => convert::to_update(update)?,
        GroupChange::ScaleBy(_) => return Err(only_for_put("scaleBy")),
        GroupChange::Rollback(_) => return Err(only_for_put("version")),
    };
    let id = change.id.clone();
    let change = TreeChange::CreateGroup(change);
    let result = deploy(scheduler, change, params.flag("force", false), None).await?;
    created(result, request, &id)
}

fn only_for_put(member: &str) -> ApiError {
    let mut violations = Violations::new();
    violations.add(format!("/{member}"), format!("{member} changes a group that is there: use PUT"));
    violations.into()
}

/// Creates groups and apps, or changes them: lists that are given become complete.
#[utoipa::path(
    tag = "groups",
    request_body = GroupBody,
    params(
        ("force" = Option<bool>, Query, description = "Cancel deployments that are in the way"),
        ("dryRun" = Option<bool>, Query, description = "Only tell the steps that would be taken"),
    ),
    responses((status = 200, description = "The deployment; with `dryRun` only `steps`", body = DeploymentResult, headers(("Marathon-Deployment-Id" = String))), ApiError)
)]
#[put("/v2/groups")]
async fn put_root(scheduler: Scheduler, params: Params, body: Bytes) -> Result<HttpResponse, ApiError> {
    replace(&scheduler, PathId::root(), &params, &body).await
}

/// Creates a group, changes it, scales it, or goes back to a version of it.
#[utoipa::path(
    tag = "groups",
    request_body = GroupBody,
    params(
        ("id" = String, Path, description = "Id of the group; may hold slashes"),
        ("force" = Option<bool>, Query, description = "Cancel deployments that are in the way"),
        ("dryRun" = Option<bool>, Query, description = "Only tell the steps that would be taken"),
    ),
    responses((status = 200, description = "The deployment; with `dryRun` only `steps`", body = DeploymentResult, headers(("Marathon-Deployment-Id" = String))), ApiError)
)]
#[put("/v2/groups/{id:.*}")]
async fn put_group(
    scheduler: Scheduler,
    id: Path<String>,
    params: Params,
    body: Bytes,
) -> Result<HttpResponse, ApiError> {
    replace(&scheduler, group_id(&id)?, &params, &body).await
}

async fn replace(scheduler: &Handle, id: PathId, params: &Params, body: &[u8]) -> Result<HttpResponse, ApiError> {
    let change = match wire::parse_update(body, id.as_str())? {
        GroupChange::Update(update) => TreeChange::PutGroup(convert::to_update(update)?),
        GroupChange::ScaleBy(factor) => TreeChange::ScaleGroup { id, factor },
        GroupChange::Rollback(version) => TreeChange::RollbackGroup { id, version },
    };
    let dry_run = params.flag("dryRun", false);
    let command = Command::Change { change, force: params.flag("force", false), dry_run, origin: None };
    match scheduler.ask(command).await? {
        Accepted::Steps(steps) => Ok(HttpResponse::Ok().json(DryRun { steps: deployment::steps(&steps) })),
        other @ (Accepted::Deployment { .. } | Accepted::Killed(_) | Accepted::Attached { .. } | Accepted::Done) => {
            accepted(result_of(other)?)
        }
    }
}

/// Sets `enforceRole`, which this server does not support: anything but `false` is refused.
#[utoipa::path(
    tag = "groups",
    request_body = GroupBody,
    params(("id" = String, Path, description = "Id of the group; may hold slashes")),
    responses((status = 200, description = "Nothing to change"), ApiError)
)]
#[patch("/v2/groups/{id:.*}")]
async fn patch_group(scheduler: Scheduler, id: Path<String>, body: Bytes) -> Result<HttpResponse, ApiError> {
    let id = group_id(&id)?;
    wire::parse_patch(&body)?;
    if !scheduler.view().state.root.groups.contains_key(&id) {
        return Err(Rejection::UnknownGroup(id).into());
    }
    if !id.parent().is_some_and(|parent| parent.is_root()) {
        let mut violations = Violations::new();
        violations.add("/", "Path needs to be top-level");
        return Err(violations.into());
    }
    Ok(HttpResponse::Ok().finish())
}

/// Removes everything.
#[utoipa::path(
    tag = "groups",
    params(("force" = Option<bool>, Query, description = "Cancel deployments that are in the way")),
    responses((status = 200, body = DeploymentResult, headers(("Marathon-Deployment-Id" = String))), ApiError)
)]
#[delete("/v2/groups")]
async fn delete_root(scheduler: Scheduler, params: Params) -> Result<HttpResponse, ApiError> {
    let change = TreeChange::DeleteGroup(PathId::root());
    accepted(deploy(&scheduler, change, params.flag("force", false), None).await?)
}

/// Removes a group and everything below.
#[utoipa::path(
    tag = "groups",
    params(
        ("id" = String, Path, description = "Id of the group; may hold slashes"),
        ("force" = Option<bool>, Query, description = "Cancel deployments that are in the way"),
    ),
    responses((status = 200, body = DeploymentResult, headers(("Marathon-Deployment-Id" = String))), ApiError)
)]
#[delete("/v2/groups/{id:.*}")]
async fn delete_group(scheduler: Scheduler, id: Path<String>, params: Params) -> Result<HttpResponse, ApiError> {
    let change = TreeChange::DeleteGroup(group_id(&id)?);
    accepted(deploy(&scheduler, change, params.flag("force", false), None).await?)
}

fn group_id(text: &str) -> Result<PathId, ApiError> {
    Ok(path::from_url(text)?.parse()?)
}
