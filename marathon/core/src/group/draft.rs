//! A group tree while it is being changed: remembers what was touched, so that whatever follows costs what changed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use marathon_time::Timestamp;

use super::{Changed, rules};
use crate::{
    id::{InstanceId, PathId},
    scheduler::Rejection,
    spec::{App, AppSpec},
    state::{Group, Root, State},
};

/// A tree on its way from one version to the next.
///
/// Until [`Draft::settle`] was called, put apps and touched groups have no meaningful versions.
pub(crate) struct Draft<'a> {
    /// The tree before.
    pub(crate) base: &'a Root,
    /// The tree as it becomes. Every app's and group's parents are there at any time.
    pub(crate) root: Root,
    /// Apps that were put or removed.
    pub(super) apps: BTreeSet<PathId>,
    /// Groups that were created, changed or removed.
    pub(super) groups: BTreeSet<PathId>,
    restarted: BTreeSet<PathId>,
    /// Apps that come back with the version info that they had.
    restored: BTreeSet<PathId>,
}

impl<'a> Draft<'a> {
    /// Nothing changed yet. `version` is to be later than every version in `base`.
    pub(crate) fn new(base: &'a Root, version: Timestamp) -> Self {
        Self {
            base,
            root: Root { version, ..base.clone() },
            apps: BTreeSet::new(),
            groups: BTreeSet::new(),
            restarted: BTreeSet::new(),
            restored: BTreeSet::new(),
        }
    }

    /// Creates or replaces an app. Missing parents are created; a group of that id without any app below gives way.
    pub(crate) fn put_app(&mut self, spec: Arc<AppSpec>) {
        let version = self.root.version;
        self.place_app(Arc::new(App { spec, version, last_scaling_at: version, last_config_change_at: version }));
    }

    /// The same with an earlier version of the app, which keeps its version info: its instances may still run.
    pub(crate) fn restore_app(&mut self, app: Arc<App>) {
        self.restored.insert(app.spec.id.clone());
        self.place_app(app);
    }

    fn place_app(&mut self, app: Arc<App>) {
        let id = app.spec.id.clone();
        if self.root.groups.contains_key(&id) && self.root.apps_within(&id).next().is_none() {
            self.remove_group(&id);
        }
        if let Some(parent) = id.parent() {
            self.ensure_group(&parent);
        }
        self.root.apps.insert(id.clone(), app);
        self.apps.insert(id);
    }

    /// All instances of an app that exists are to be replaced.
    pub(crate) fn restart_app(&mut self, id: &PathId) {
        self.restarted.insert(id.clone());
        self.apps.insert(id.clone());
    }

    pub(crate) fn remove_app(&mut self, id: &PathId) {
        self.root.apps.remove(id);
        self.apps.insert(id.clone());
    }

    /// Creates the group and its parents where they are missing.
    pub(crate) fn ensure_group(&mut self, id: &PathId) {
        for group in std::iter::once(id.clone()).chain(id.ancestors()) {
            if self.root.groups.contains_key(&group) {
                return;
            }
            self.put_group(group, Group::default());
        }
    }

    /// Creates or replaces a group whose parents exist, without what is in it.
    pub(crate) fn put_group(&mut self, id: PathId, group: Group) {
        self.root.groups.insert(id.clone(), Arc::new(group));
        self.groups.insert(id);
    }

    /// Replaces the dependencies of a group that exists.
    pub(crate) fn set_dependencies(&mut self, id: &PathId, dependencies: BTreeSet<PathId>) {
        if let Some(group) = self.root.groups.get(id).filter(|group| group.dependencies != dependencies) {
            let group = Group { dependencies, ..Group::clone(group) };
            self.put_group(id.clone(), group);
        }
    }

    /// Removes a group and everything below. The root group stays, without anything in it and without dependencies.
    pub(crate) fn remove_group(&mut self, id: &PathId) {
        let apps: Vec<PathId> = self.root.apps_within(id).map(|(id, _)| id.clone()).collect();
        for app in &apps {
            self.remove_app(app);
        }
        let groups: Vec<PathId> = self.root.groups_within(id).map(|(id, _)| id.clone()).collect();
        for group in groups.into_iter().filter(|group| !group.is_root()) {
            self.root.groups.remove(&group);
            self.groups.insert(group);
        }
        if id.is_root() {
            self.set_dependencies(id, BTreeSet::new());
        }
    }

    /// Gives every touched app its version info, and every group in or below which something changed its version. The root
    /// group always has the version of the tree.
    pub(crate) fn settle(&mut self) {
        for id in &self.apps {
            if let Some(app) = self.root.apps.get(id).filter(|_| !self.restored.contains(id)) {
                let settled = settled(self.base.apps.get(id), app, self.restarted.contains(id), self.root.version);
                self.root.apps.insert(id.clone(), settled);
            }
        }
        let mut changed = BTreeSet::from([PathId::root()]);
        for id in self.apps.iter().filter(|id| self.app_changed(id)) {
            changed.extend(id.ancestors());
        }
        for id in self.groups.iter().filter(|id| self.group_changed(id)) {
            changed.extend(std::iter::once(id.clone()).chain(id.ancestors()));
        }
        for id in self.groups.union(&changed) {
            let Some(group) = self.root.groups.get(id) else { continue };
            let settled = match self.base.groups.get(id).filter(|_| !changed.contains(id)) {
                Some(as_before) => as_before.clone(),
                None => Arc::new(Group { version: self.root.version, ..Group::clone(group) }),
            };
            self.root.groups.insert(id.clone(), settled);
        }
        self.groups.append(&mut changed);
    }

    pub(super) fn app_changed(&self, id: &PathId) -> bool {
        match (self.base.apps.get(id), self.root.apps.get(id)) {
            (Some(before), Some(now)) => !Arc::ptr_eq(before, now) && before != now,
            (None, None) => false,
            (Some(_), None) | (None, Some(_)) => true,
        }
    }

    fn group_changed(&self, id: &PathId) -> bool {
        let content = |root: &Root| root.groups.get(id).map(|group| (group.dependencies.clone(), group.enforce_role));
        content(self.base) != content(&self.root)
    }

    /// Checks the settled tree and tells what differs from the one before. `group` is the one that events name.
    pub(crate) fn finish(
        self,
        state: &State,
        kill: BTreeMap<PathId, BTreeSet<InstanceId>>,
        group: PathId,
    ) -> Result<Changed, Rejection> {
        let violations = rules::violations(&self);
        if !violations.is_empty() {
            return Err(Rejection::Invalid(violations));
        }
        let mut changed =
            Changed { root: self.root.clone(), put: Vec::new(), apps: Vec::new(), groups: Vec::new(), kill, group };
        for id in self.apps.iter().filter(|id| self.app_changed(id)) {
            let app = self.root.apps.get(id);
            changed.apps.push((id.clone(), app.map(|app| app.version)));
            changed.put.extend(app.filter(|app| !is_stored(state, app)).cloned());
        }
        for id in &self.groups {
            let group = self.root.groups.get(id);
            if group != self.base.groups.get(id) {
                changed.groups.push((id.clone(), group.cloned()));
            }
        }
        Ok(changed)
    }
}

fn is_stored(state: &State, app: &App) -> bool {
    state.versions.get(&app.spec.id).is_some_and(|versions| versions.contains_key(&app.version))
}

/// Version info of an app compared with what was there before (Marathon behaviour reference, "Version info of an app").
fn settled(before: Option<&Arc<App>>, app: &Arc<App>, restarted: bool, now: Timestamp) -> Arc<App> {
    let version = |last_scaling_at, last_config_change_at| {
        Arc::new(App { spec: app.spec.clone(), version: now, last_scaling_at, last_config_change_at })
    };
    let Some(before) = before.filter(|before| before.spec.same_config(&app.spec)) else {
        return version(now, now);
    };
    let scaled = before.spec.instances != app.spec.instances;
    let last_scaling_at = if scaled { now } else { before.last_scaling_at };
    if restarted {
        return version(last_scaling_at, now);
    }
    if scaled {
        return version(last_scaling_at, before.last_config_change_at);
    }
    before.clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::testing::{at, path, root, spec};

    #[test]
    fn the_version_info_tells_what_changed() {
        let base = root("/a x2");
        // change => version, last scaling, last change of the configuration; the tree before is of 1
        type Edit = fn(&mut Draft<'_>);
        let cases: [(Edit, [i64; 3]); 6] = [
            (|draft| draft.put_app(spec("/a x2")), [1, 1, 1]),
            (|draft| draft.put_app(spec("/a x3")), [7, 7, 1]),
            (|draft| draft.put_app(spec("/a x2 !other")), [7, 7, 7]),
            (|draft| draft.put_app(spec("/a x3 !other")), [7, 7, 7]),
            (|draft| draft.restart_app(&path("/a")), [7, 1, 7]),
            (
                |draft| {
                    draft.remove_app(&path("/a"));
                    draft.put_app(spec("/a x2"));
                },
                [1, 1, 1],
            ),
        ];
        for (number, (edit, expected)) in cases.into_iter().enumerate() {
            let mut draft = Draft::new(&base, at(7));
            edit(&mut draft);
            draft.settle();
            let app = &draft.root.apps[&path("/a")];
            assert_eq!(
                [app.version, app.last_scaling_at, app.last_config_change_at],
                expected.map(at),
                "case {number}"
            );
        }
        let mut draft = Draft::new(&base, at(7));
        draft.put_app(spec("/b"));
        draft.settle();
        let app = &draft.root.apps[&path("/b")];
        assert_eq!([app.version, app.last_scaling_at, app.last_config_change_at], [7, 7, 7].map(at));
    }

    #[test]
    fn groups_carry_the_version_of_the_last_change_in_or_below_them() {
        let base = root("/g/in/a\n/g/out/b\n/h/c");
        let mut draft = Draft::new(&base, at(7));
        draft.put_app(spec("/g/in/a !other"));
        draft.put_app(spec("/h/c"));
        draft.settle();
        let versions: Vec<_> = draft.root.groups.iter().map(|(id, group)| (id.as_str(), group.version)).collect();
        let expected = [("/", 7), ("/g", 7), ("/g/in", 7), ("/g/out", 1), ("/h", 1)];
        assert_eq!(versions, expected.map(|(id, version)| (id, at(version))));
    }
}
