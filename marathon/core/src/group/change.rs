//! Carrying out a change of the group tree: the new tree, what it differs in, or why it is refused.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use imbl::ordmap::DiffItem;
use marathon_time::Timestamp;

use super::{draft::Draft, ports};
use crate::{
    id::{InstanceId, PathId},
    instance::{Condition, Goal, Instance},
    scheduler::{AppPut, Config, Expect, GroupUpdate, Rejection, TreeChange, Violation},
    spec::{App, AppSpec},
    state::{Group, Root, State},
};

/// What a change leads to; nothing of it has happened yet.
#[derive(Clone, Debug)]
pub struct Changed {
    /// The new tree.
    pub root: Root,
    /// App versions to be stored: every changed app whose version is not stored yet.
    pub put: Vec<Arc<App>>,
    /// Apps that differ, by id, with their versions; `None`: gone. As in [`crate::scheduler::Change::PutRoot`].
    pub apps: Vec<(PathId, Option<Timestamp>)>,
    /// Groups that differ, by id; `None`: gone. The root group is always among them, as it has the version of the tree.
    pub groups: Vec<(PathId, Option<Arc<Group>>)>,
    /// Instances that the user wants gone.
    pub kill: BTreeMap<PathId, BTreeSet<InstanceId>>,
    /// The group that `group_change_success` names.
    pub group: PathId,
}

/// The group that `group_change_success` and `group_change_failed` name: the parent of what is changed; `/` for several apps
/// and for kill and scale.
pub fn event_group(change: &TreeChange) -> PathId {
    let id = match change {
        TreeChange::CreateApp(spec) => &spec.id,
        TreeChange::PutApps(puts) => match puts.as_slice() {
            [AppPut::Spec { spec, .. }] => &spec.id,
            [AppPut::Version { id, .. }] => id,
            _ => return PathId::root(),
        },
        TreeChange::DeleteApp(id) | TreeChange::RestartApp(id) | TreeChange::DeleteGroup(id) => id,
        TreeChange::CreateGroup(update) | TreeChange::PutGroup(update) => &update.id,
        TreeChange::ScaleGroup { id, .. } | TreeChange::RollbackGroup { id, .. } => id,
        TreeChange::KillAndScale(_) => return PathId::root(),
    };
    id.parent().unwrap_or_else(PathId::root)
}

/// Applies `change` to the present tree. `version` names the new tree and all that changes in it; it is to be later than the
/// version of the present one.
///
/// What is asked for again, and is so already, changes nothing but the version of the tree: every app stays the same `Arc`.
///
/// # Errors
/// Why the change is refused: something does not exist or exists already, somebody else was faster, no service port is left, or
/// the tree would break a rule.
pub fn apply(state: &State, change: &TreeChange, version: Timestamp, config: &Config) -> Result<Changed, Rejection> {
    let mut draft = Draft::new(&state.root, version);
    let mut kill = BTreeMap::new();
    match change {
        TreeChange::CreateApp(spec) => create_app(&mut draft, spec)?,
        TreeChange::PutApps(puts) => put_apps(&mut draft, state, puts)?,
        TreeChange::DeleteApp(id) => {
            known_app(&state.root, id)?;
            draft.remove_app(id);
        }
        TreeChange::RestartApp(id) => {
            known_app(&state.root, id)?;
            draft.restart_app(id);
        }
        TreeChange::CreateGroup(update) => create_group(&mut draft, update)?,
        TreeChange::PutGroup(update) => put_group(&mut draft, update)?,
        TreeChange::ScaleGroup { id, factor } => scale_group(&mut draft, id, *factor)?,
        TreeChange::RollbackGroup { id, version } => roll_back_group(&mut draft, state, id, *version)?,
        TreeChange::DeleteGroup(id) => {
            known_group(&state.root, id)?;
            draft.remove_group(id);
        }
        TreeChange::KillAndScale(instances) => kill = kill_and_scale(&mut draft, state, instances)?,
    }
    ports::assign(&mut draft, config.local_ports)?;
    draft.settle();
    draft.finish(state, kill, event_group(change))
}

fn known_app<'a>(root: &'a Root, id: &PathId) -> Result<&'a Arc<App>, Rejection> {
    root.apps.get(id).ok_or_else(|| Rejection::UnknownApp(id.clone()))
}

fn known_group(root: &Root, id: &PathId) -> Result<(), Rejection> {
    if root.groups.contains_key(id) { Ok(()) } else { Err(Rejection::UnknownGroup(id.clone())) }
}

fn create_app(draft: &mut Draft<'_>, spec: &Arc<AppSpec>) -> Result<(), Rejection> {
    if draft.base.apps.contains_key(&spec.id) {
        return Err(Rejection::AppExists(spec.id.clone()));
    }
    draft.put_app(spec.clone());
    Ok(())
}

/// One after the other: of two puts of one app the later one counts.
fn put_apps(draft: &mut Draft<'_>, state: &State, puts: &[AppPut]) -> Result<(), Rejection> {
    for put in puts {
        match put {
            AppPut::Spec { spec, expect } => {
                if !is_met(*expect, draft.base.apps.get(&spec.id)) {
                    return Err(Rejection::Overtaken(spec.id.clone()));
                }
                draft.put_app(spec.clone());
            }
            AppPut::Version { id, version } => {
                let present = known_app(&state.root, id)?;
                let stored = state.versions.get(id).and_then(|versions| versions.get(version));
                let wanted = stored.or((present.version == *version).then_some(present));
                let wanted = wanted.ok_or_else(|| Rejection::UnknownAppVersion(id.clone(), *version))?;
                draft.put_app(wanted.spec.clone());
            }
        }
    }
    Ok(())
}

fn is_met(expect: Expect, present: Option<&Arc<App>>) -> bool {
    match expect {
        Expect::Any => true,
        Expect::Absent => present.is_none(),
        Expect::Version(version) => present.is_some_and(|app| app.version == version),
    }
}

fn create_group(draft: &mut Draft<'_>, update: &GroupUpdate) -> Result<(), Rejection> {
    if draft.base.groups.contains_key(&update.id) {
        return Err(Rejection::GroupExists(update.id.clone()));
    }
    if draft.base.apps.contains_key(&update.id) {
        return Err(Rejection::AppInPlaceOfGroup(update.id.clone()));
    }
    put_group(draft, update)
}

fn put_group(draft: &mut Draft<'_>, update: &GroupUpdate) -> Result<(), Rejection> {
    let mut strangers = Vec::new();
    find_strangers(update, "", &mut strangers);
    if !strangers.is_empty() {
        return Err(Rejection::Invalid(strangers));
    }
    merge_group(draft, update);
    Ok(())
}

/// Everything listed in a group that is not directly below it.
fn find_strangers(update: &GroupUpdate, path: &str, strangers: &mut Vec<Violation>) {
    let mut check = |id: &PathId, path: String| {
        if id.parent().as_ref() != Some(&update.id) {
            strangers.push(Violation { path, message: format!("Identifier is not child of '{}'", update.id) });
        }
    };
    for (index, spec) in update.apps.iter().flatten().enumerate() {
        check(&spec.id, format!("{path}/apps({index})/id"));
    }
    for (index, group) in update.groups.iter().flatten().enumerate() {
        check(&group.id, format!("{path}/groups({index})/id"));
    }
    for (index, group) in update.groups.iter().flatten().enumerate() {
        find_strangers(group, &format!("{path}/groups({index})"), strangers);
    }
}

/// Lists that are given become the whole content. Apps come first, so that one of them can only take the place of a group that
/// is not listed as well.
fn merge_group(draft: &mut Draft<'_>, update: &GroupUpdate) {
    draft.ensure_group(&update.id);
    if let Some(dependencies) = &update.dependencies {
        draft.set_dependencies(&update.id, dependencies.clone());
    }
    if let Some(specs) = &update.apps {
        let listed: BTreeSet<&PathId> = specs.iter().map(|spec| &spec.id).collect();
        let present: Vec<PathId> = draft.root.child_apps(&update.id).map(|(id, _)| id.clone()).collect();
        for id in present.iter().filter(|id| !listed.contains(id)) {
            draft.remove_app(id);
        }
        for spec in specs {
            draft.put_app(spec.clone());
        }
    }
    if let Some(groups) = &update.groups {
        let listed: BTreeSet<&PathId> = groups.iter().map(|group| &group.id).collect();
        let present: Vec<PathId> = draft.root.child_groups(&update.id).map(|(id, _)| id.clone()).collect();
        for id in present.iter().filter(|id| !listed.contains(id)) {
            draft.remove_group(id);
        }
        for group in groups {
            merge_group(draft, group);
        }
    }
}

/// ⌈instances × factor⌉ of every app below, at most what fits a signed 32-bit number, as on the wire.
fn scale_group(draft: &mut Draft<'_>, id: &PathId, factor: f64) -> Result<(), Rejection> {
    known_group(draft.base, id)?;
    if !factor.is_finite() || factor < 0.0 {
        let message = format!("got {factor}, expected 0 or more");
        return Err(Rejection::Invalid(vec![Violation { path: "/scaleBy".into(), message }]));
    }
    for (_, app) in draft.base.apps_within(id) {
        let scaled = (f64::from(app.spec.instances) * factor).ceil().min(f64::from(i32::MAX));
        draft.put_app(with_instances(&app.spec, scaled as u32));
    }
    Ok(())
}

fn with_instances(spec: &AppSpec, instances: u32) -> Arc<AppSpec> {
    Arc::new(AppSpec { instances, ..spec.clone() })
}

/// Costs what differs between the two trees.
fn roll_back_group(draft: &mut Draft<'_>, state: &State, id: &PathId, version: Timestamp) -> Result<(), Rejection> {
    let unknown = || Rejection::UnknownGroupVersion(id.clone(), version);
    let wanted = state.roots.get(&version).filter(|root| root.groups.contains_key(id)).ok_or_else(unknown)?;
    let base = draft.base;
    for item in base.groups.diff(&wanted.groups) {
        if let DiffItem::Remove(group, _) = item
            && group.is_within(id)
        {
            draft.remove_group(group);
        }
    }
    for item in base.apps.diff(&wanted.apps) {
        match item {
            DiffItem::Remove(app, _) if app.is_within(id) => draft.remove_app(app),
            DiffItem::Add(app, then) | DiffItem::Update { new: (app, then), .. } if app.is_within(id) => {
                draft.put_app(then.spec.clone());
            }
            DiffItem::Remove(..) | DiffItem::Add(..) | DiffItem::Update { .. } => {}
        }
    }
    for item in base.groups.diff(&wanted.groups) {
        if let DiffItem::Add(group, then) | DiffItem::Update { new: (group, then), .. } = item
            && group.is_within(id)
        {
            draft.ensure_group(group);
            draft.put_group(group.clone(), Group::clone(then));
        }
    }
    Ok(())
}

/// Lowers each app by the number of those of its `instances` that count, and tells which these are.
fn kill_and_scale(
    draft: &mut Draft<'_>,
    state: &State,
    instances: &BTreeSet<InstanceId>,
) -> Result<BTreeMap<PathId, BTreeSet<InstanceId>>, Rejection> {
    let mut kill: BTreeMap<PathId, BTreeSet<InstanceId>> = BTreeMap::new();
    for id in instances {
        known_app(&state.root, &id.spec)?;
        let found = state.instances.get(&id.spec).and_then(|instances| instances.get(id));
        if found.is_some_and(|instance| counts_for_scaling(instance)) {
            kill.entry(id.spec.clone()).or_default().insert(id.clone());
        }
    }
    for (id, instances) in &kill {
        let app = known_app(&state.root, id)?;
        let killed = u32::try_from(instances.len()).unwrap_or(u32::MAX);
        draft.put_app(with_instances(&app.spec, app.spec.instances.saturating_sub(killed)));
    }
    Ok(kill)
}

/// Active, and not on its way out already (Marathon behaviour reference, "Kill API").
fn counts_for_scaling(instance: &Instance) -> bool {
    instance.condition.is_active() && instance.condition != Condition::Killing && instance.goal != Goal::Decommissioned
}

#[cfg(test)]
mod tests;
