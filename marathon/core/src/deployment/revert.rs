//! Undoing a deployment although others may have changed the tree since.

use std::{collections::BTreeMap, sync::Arc};

use imbl::ordmap::DiffItem;
use marathon_time::Timestamp;

use crate::{
    group::{Changed, draft::Draft},
    id::PathId,
    scheduler::Rejection,
    spec::App,
    state::{Group, Root, State},
};

/// The present tree of `state` without what the deployment from `original` to `target` changed (Marathon behaviour reference, "Reverse
/// computation"). What others changed since stays, except in apps that the deployment touched.
///
/// Every app that differs between the two trees is as in `original` again; new ones are removed. If nobody else changed it, its
/// version info is the earlier one, too, so that instances which the deployment had not replaced yet stay. (Marathon gives it a
/// version of its own, which replaces all of them.) Otherwise it is a new version.
///
/// Groups get back what they depended on, apart from what others added or removed. A group that the deployment created goes if
/// nothing is in it and it depends on what the deployment said.
///
/// If nothing else changed, all is as in `original`, apart from the versions of the tree and of the groups.
///
/// # Errors
/// [`Rejection::Invalid`] if, together with what others changed since, the tree would break a rule.
pub fn changed(state: &State, original: &Root, target: &Root, version: Timestamp) -> Result<Changed, Rejection> {
    drafted(original, target, &state.root, version).finish(state, BTreeMap::new(), PathId::root())
}

fn drafted<'a>(original: &Root, target: &Root, current: &'a Root, version: Timestamp) -> Draft<'a> {
    let mut draft = Draft::new(current, version);
    for item in original.apps.diff(&target.apps) {
        match item {
            DiffItem::Remove(id, before) => put_back(&mut draft, id, before, None),
            DiffItem::Update { old: (id, before), new: (_, after) } => {
                put_back(&mut draft, id, before, Some(after));
            }
            DiffItem::Add(id, _) => draft.remove_app(id),
        }
    }
    // Innermost first: a group that goes makes room for the one around it to go, too.
    let groups: Vec<_> = original.groups.diff(&target.groups).collect();
    for item in groups.into_iter().rev() {
        match item {
            DiffItem::Remove(id, before) => put_group_back(&mut draft, id, before),
            DiffItem::Update { old: (id, before), new: (_, after) } => revert_group(&mut draft, id, before, after),
            DiffItem::Add(id, after) => take_group_away(&mut draft, id, after),
        }
    }
    draft.settle();
    draft
}

/// `after` is what the deployment made of the app; `None` if it removed it.
fn put_back(draft: &mut Draft<'_>, id: &PathId, before: &Arc<App>, after: Option<&Arc<App>>) {
    let untouched = draft.root.apps.get(id).map(|app| app.version) == after.map(|app| app.version);
    if untouched {
        draft.restore_app(before.clone());
    } else {
        draft.put_app(before.spec.clone());
    }
}

fn put_group_back(draft: &mut Draft<'_>, id: &PathId, before: &Group) {
    let others = draft.base.groups.get(id).map(|group| group.dependencies.clone()).unwrap_or_default();
    draft.ensure_group(id);
    let dependencies = before.dependencies.union(&others).cloned().collect();
    draft.put_group(id.clone(), Group { dependencies, ..before.clone() });
}

fn revert_group(draft: &mut Draft<'_>, id: &PathId, before: &Group, after: &Group) {
    let Some(present) = draft.root.groups.get(id).cloned() else { return };
    let mut dependencies = present.dependencies.clone();
    dependencies
        .retain(|dependency| before.dependencies.contains(dependency) || !after.dependencies.contains(dependency));
    dependencies.extend(before.dependencies.difference(&after.dependencies).cloned());
    let enforce_role =
        if present.enforce_role == after.enforce_role { before.enforce_role } else { present.enforce_role };
    let reverted = Group { dependencies, enforce_role, ..Group::clone(&present) };
    if reverted != *present {
        draft.put_group(id.clone(), reverted);
    }
}

fn take_group_away(draft: &mut Draft<'_>, id: &PathId, after: &Group) {
    let Some(present) = draft.root.groups.get(id).cloned() else { return };
    if draft.root.is_empty_group(id) && present.dependencies == after.dependencies {
        draft.remove_group(id);
    } else {
        draft.set_dependencies(id, present.dependencies.difference(&after.dependencies).cloned().collect());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        group::testing::{World, at, path, paths, spec, steps, text},
        scheduler::{AppPut, Expect, GroupUpdate, TreeChange, Violation},
    };

    fn put(line: &str) -> TreeChange {
        TreeChange::PutApps(vec![AppPut::Spec { spec: spec(line), expect: Expect::Any }])
    }

    fn group(id: &str, dependencies: &str) -> TreeChange {
        let dependencies = Some(paths(dependencies));
        TreeChange::PutGroup(GroupUpdate { id: path(id), apps: None, groups: None, dependencies })
    }

    /// Deploys the first change, then the others, then undoes the first. The tree after that.
    fn undone(tree: &str, changes: &[TreeChange]) -> Result<(String, String), Rejection> {
        let mut world = World::with(tree);
        let plan = world.change(&changes[0]).unwrap();
        for change in &changes[1..] {
            world.change(change).unwrap();
        }
        let roots = &world.state.roots;
        let (original, target) = (&roots[&plan.original], &roots[&plan.version]);
        let changed = changed(&world.state, original, target, world.next_version())?;
        let plan = crate::deployment::plan::plan(plan.id, &world.state.root, &changed.root, BTreeMap::new());
        Ok((text(&changed.root), steps(&plan)))
    }

    #[test]
    fn what_a_deployment_did_is_undone_and_the_rest_stays() {
        let delete = |id: &str| TreeChange::DeleteApp(path(id));
        for (tree, changes, expected, steps) in [
            ("/a", vec![put("/a !v2")], "/\n/a x1", "Restart /a"),
            ("/a x2", vec![put("/a x3")], "/\n/a x2", "Scale /a"),
            ("/a", vec![delete("/a")], "/\n/a x1", "Start /a | Scale /a"),
            ("/a", vec![put("/b")], "/\n/a x1", "Stop /b"),
            ("/a", vec![put("/g/in/b")], "/\n/a x1", "Stop /g/in/b"),
            ("/g/a", vec![TreeChange::DeleteGroup(path("/g"))], "/\n/g/\n/g/a x1", "Start /g/a | Scale /g/a"),
            // by others, meanwhile
            ("/a\n/b", vec![put("/a !v2"), put("/b !v2"), put("/c")], "/\n/a x1\n/b x1 !v2\n/c x1", "Restart /a"),
            ("/a", vec![put("/a !v2"), put("/a !v3")], "/\n/a x1", "Restart /a"),
            ("/a", vec![put("/a !v2"), put("/a")], "/\n/a x1", ""),
            ("/a", vec![put("/a !v2"), delete("/a")], "/\n/a x1", "Start /a | Scale /a"),
            ("/a", vec![put("/g/b"), put("/g/c")], "/\n/a x1\n/g/\n/g/c x1", "Stop /g/b"),
            ("/a", vec![put("/g/b"), group("/g", "/h")], "/\n/a x1\n/g/ <- /h", "Stop /g/b"),
            ("/a", vec![group("/g", "/h")], "/\n/a x1", ""),
            ("/g/ <- /h /i", vec![group("/g", "/i /j"), group("/g", "/i /j /k")], "/\n/g/ <- /h /i /k", ""),
            ("/g/ <- /h /i", vec![group("/g", "/i /j"), group("/g", "/j")], "/\n/g/ <- /h", ""),
            ("/g/ <- /h", vec![TreeChange::DeleteGroup(path("/g")), group("/g", "/i")], "/\n/g/ <- /h /i", ""),
            ("/g/ <- /h", vec![group("/g", "/i"), TreeChange::DeleteGroup(path("/g"))], "/", ""),
        ] {
            let undone = undone(tree, &changes);
            assert_eq!(undone, Ok((expected.into(), steps.into())), "{tree:?} {changes:?}");
        }
    }

    #[test]
    fn instances_that_were_not_replaced_yet_may_stay() {
        let mut world = World::with("/a\n/b");
        let before = world.state.root.apps[&path("/a")].clone();
        let plan = world.change(&put("/a !v2")).unwrap();
        let original = world.state.roots[&plan.original].clone();
        let target = world.state.roots[&plan.version].clone();
        let changed = changed(&world.state, &original, &target, at(9)).unwrap();
        assert!(Arc::ptr_eq(&changed.root.apps[&path("/a")], &before));
        assert_eq!(changed.apps, [(path("/a"), Some(at(1)))]);
        assert!(changed.put.is_empty(), "that version is stored");
        assert_eq!((changed.root.version, changed.group.as_str()), (at(9), "/"));

        world.change(&put("/a !v3")).unwrap();
        let root = drafted(&original, &target, &world.state.root, at(9)).root;
        assert_eq!(root.apps[&path("/a")].version, at(9), "somebody else changed it: a new version");
        assert_eq!(root.apps[&path("/a")].spec, before.spec);
    }

    #[test]
    fn a_version_that_is_no_longer_stored_is_stored_again() {
        let mut world = World::with("/a");
        let plan = world.change(&put("/a !v2")).unwrap();
        let (original, target) = (&world.state.roots[&plan.original], &world.state.roots[&plan.version]);
        let mut state = world.state.clone();
        state.versions.remove(&path("/a"));
        let changed = changed(&state, original, target, at(9)).unwrap();
        assert_eq!(changed.put.iter().map(|app| app.version).collect::<Vec<_>>(), [at(1)]);
    }

    #[test]
    fn undoing_is_refused_where_it_no_longer_fits() {
        let violation = |path: &str, message: &str| Violation { path: path.into(), message: message.into() };
        let cycle = violation("/", "Dependency graph has cyclic dependencies.");
        let refused = undone("/a <- /b\n/b", &[put("/a"), put("/b <- /a")]);
        assert_eq!(refused, Err(Rejection::Invalid(vec![cycle])));

        let shared = violation("/", "Groups and Applications may not have the same identifier.");
        let refused = undone("/a", &[TreeChange::DeleteApp(path("/a")), put("/a/b")]);
        assert_eq!(refused, Err(Rejection::Invalid(vec![shared])));
    }
}
