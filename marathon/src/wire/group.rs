//! Groups: updates inward, the tree outward.

use std::sync::Arc;

use marathon_core::{
    id::{InvalidPath, PathId},
    scheduler::GroupUpdate,
    spec::App,
    state::Root,
};
use marathon_openapi::{app::AppInfo, group as wire};

use super::app;

/// A checked update in the core's terms.
///
/// # Errors
/// An id that is not canonical: it did not come from the checks of `marathon-openapi`.
pub fn to_update(update: wire::GroupUpdate) -> Result<GroupUpdate, InvalidPath> {
    let apps = |apps: Vec<_>| apps.into_iter().map(|app| app::to_spec(app).map(Arc::new)).collect();
    let groups = |groups: Vec<_>| groups.into_iter().map(to_update).collect();
    let dependencies = |ids: Vec<String>| ids.iter().map(|id| id.parse()).collect();
    Ok(GroupUpdate {
        id: update.id.parse()?,
        apps: update.apps.map(apps).transpose()?,
        groups: update.groups.map(groups).transpose()?,
        dependencies: update.dependencies.map(dependencies).transpose()?,
    })
}

/// What is shown of a group.
#[derive(Clone, Copy, Debug)]
pub struct Shown {
    /// Its apps.
    pub apps: bool,
    /// The groups in it, with everything in them.
    pub groups: bool,
}

/// A group of `root` with what is in it; `describe` says what is shown of an app. `None`: there is no such group.
pub fn info(
    root: &Root,
    id: &PathId,
    shown: Shown,
    describe: &dyn Fn(&Arc<App>) -> AppInfo,
) -> Option<wire::GroupInfo> {
    let group = root.groups.get(id)?;
    let apps = if shown.apps { root.child_apps(id).map(|(_, app)| describe(app)).collect() } else { Vec::new() };
    let groups = if shown.groups {
        root.child_groups(id).filter_map(|(child, _)| info(root, child, shown, describe)).collect()
    } else {
        Vec::new()
    };
    let is_top_level = id.parent().is_some_and(|parent| parent.is_root());
    Some(wire::GroupInfo {
        id: id.to_string(),
        apps,
        pods: Vec::new(),
        groups,
        dependencies: group.dependencies.iter().map(ToString::to_string).collect(),
        version: Some(group.version),
        // Older clients know no such member, and while it is false they need not.
        enforce_role: (is_top_level && group.enforce_role).then_some(true),
    })
}
