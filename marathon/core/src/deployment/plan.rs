//! From two group trees to the ordered steps between them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use imbl::ordmap::DiffItem;

use super::{Action, ActionKind, Plan, Step};
use crate::{
    group::graph,
    id::{DeploymentId, InstanceId, PathId},
    spec::App,
    state::Root,
};

/// The deployment that leads from `original` to `target` (Marathon behaviour reference, "Building a deployment plan").
///
/// 1. Stop what disappears. Where such apps depend on each other, in `original` and directly or by way of others, there is a
///    step for each link of the chain, dependents first: nobody loses what it depends on while it still runs. Marathon stops all
///    of them at once; for a single app, or independent ones, this is one step here, too.
/// 2. Start, that is introduce, what is new.
/// 3. Scale or restart what is new or changed, a step for each level of the dependency graph of `target`: first what depends on
///    nothing. A level is the length of the longest chain of dependencies, including apps that do not change.
///
/// An app is restarted if its configuration differs or a restart was asked for, and any instance is to run; it is scaled if it is
/// new, or only the number of instances differs, or none is to run. Steps without actions are left out; no steps is a legal plan.
///
/// Costs what differs between the trees, and what that depends on.
pub fn plan(id: DeploymentId, original: &Root, target: &Root, kill: BTreeMap<PathId, BTreeSet<InstanceId>>) -> Plan {
    let mut gone = BTreeSet::new();
    let mut new = Vec::new();
    let mut changed = BTreeMap::new();
    for item in original.apps.diff(&target.apps) {
        match item {
            DiffItem::Remove(app, _) => {
                gone.insert(app.clone());
            }
            DiffItem::Add(app, _) => {
                new.push(app.clone());
                changed.insert(app.clone(), ActionKind::Scale);
            }
            DiffItem::Update { old: (_, before), new: (app, after) } => {
                changed.extend(action(before, after).map(|kind| (app.clone(), kind)));
            }
        }
    }
    let mut steps: Vec<Step> = Vec::new();
    if !gone.is_empty() {
        let waves = graph::dependents_first(original, &gone);
        steps.extend(waves.into_iter().map(|apps| same(ActionKind::Stop, apps)));
    }
    if !new.is_empty() {
        steps.push(same(ActionKind::Start, new));
    }
    steps.extend(by_level(target, changed));
    Plan { id, version: target.version, original: original.version, steps, kill }
}

fn action(before: &Arc<App>, after: &Arc<App>) -> Option<ActionKind> {
    let restart = before.last_config_change_at != after.last_config_change_at || !before.spec.same_config(&after.spec);
    if restart && after.spec.instances > 0 {
        return Some(ActionKind::Restart);
    }
    (restart || before.spec.instances != after.spec.instances).then_some(ActionKind::Scale)
}

fn same(kind: ActionKind, apps: Vec<PathId>) -> Step {
    Step { actions: apps.into_iter().map(|app| Action { kind, app }).collect() }
}

fn by_level(target: &Root, changed: BTreeMap<PathId, ActionKind>) -> impl Iterator<Item = Step> {
    let levels = graph::levels(target, changed.keys());
    let mut steps: BTreeMap<u32, Vec<Action>> = BTreeMap::new();
    for (app, kind) in changed {
        let level = levels.get(&app).copied().unwrap_or(1);
        steps.entry(level).or_default().push(Action { kind, app });
    }
    steps.into_values().map(|actions| Step { actions })
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{
        group::{
            draft::Draft,
            testing::{at, path, root, spec, steps},
        },
        scheduler::{AppPut, Expect, TreeChange},
    };

    /// What leads from one tree to another, changed apps getting new versions.
    fn between(original: &str, target: &str) -> String {
        let original = root(original);
        let wanted = root(target);
        let mut draft = Draft::new(&original, at(2));
        let gone: Vec<PathId> = original.apps.keys().filter(|id| !wanted.apps.contains_key(*id)).cloned().collect();
        gone.iter().for_each(|id| draft.remove_app(id));
        for (id, group) in &wanted.groups {
            draft.ensure_group(id);
            draft.set_dependencies(id, group.dependencies.clone());
        }
        wanted.apps.values().for_each(|app| draft.put_app(app.spec.clone()));
        draft.settle();
        steps(&made(&original, &draft.root))
    }

    fn made(original: &Root, target: &Root) -> Plan {
        plan(DeploymentId(Uuid::from_u128(1)), original, target, BTreeMap::new())
    }

    #[test]
    fn steps_follow_from_what_differs() {
        for (original, target, expected) in [
            ("", "/a", "Start /a | Scale /a"),
            ("", "/a x0", "Start /a | Scale /a"),
            ("/a", "", "Stop /a"),
            ("/a", "/a x2", "Scale /a"),
            ("/a x2", "/a", "Scale /a"),
            ("/a", "/a !other", "Restart /a"),
            ("/a x2", "/a x3 !other", "Restart /a"),
            ("/a", "/a x0 !other", "Scale /a"), // nothing is left to restart
            ("/a x0", "/a x0 !other", "Scale /a"),
            ("/a x0", "/a x2 !other", "Restart /a"),
            ("/a", "/a <- /b", "Restart /a"), // a dependency is configuration, too
            ("/a", "/a", ""),
            ("/a\n/b", "/a !other\n/b !other", "Restart /a /b"),
            ("/a\n/b", "/c\n/d", "Stop /a /b | Start /c /d | Scale /c /d"),
            ("/a\n/b\n/c", "/b !other\n/c x2\n/d", "Stop /a | Start /d | Scale /c /d, Restart /b"),
            ("/g/ <- /h", "/g/ <- /i", ""), // no app, nothing to do
        ] {
            assert_eq!(between(original, target), expected, "{original:?} to {target:?}");
        }
    }

    #[test]
    fn dependencies_come_first() {
        let shop = "/db\n/api <- /db\n/web <- /api";
        for (original, target, expected) in [
            ("", shop, "Start /api /db /web | Scale /db | Scale /api | Scale /web"),
            (shop, "/db !v2\n/api !v2 <- /db\n/web !v2 <- /api", "Restart /db | Restart /api | Restart /web"),
            (shop, "/db\n/api <- /db\n/web !v2 <- /api", "Restart /web"),
            // the level counts apps that do not change
            (shop, "/db x2\n/api <- /db\n/web x2 <- /api\n/x", "Start /x | Scale /db /x | Scale /web"),
            // what is new waits for what changes, and the other way round
            ("/db", "/db !v2\n/api <- /db", "Start /api | Restart /db | Scale /api"),
            ("/api <- /db", "/db\n/api !v2 <- /db", "Start /db | Scale /db | Restart /api"),
            ("", "/g/ <- /h\n/g/a\n/h/b\n/h/c", "Start /g/a /h/b /h/c | Scale /h/b /h/c | Scale /g/a"),
            ("", "/a <- /g\n/g/in/b\n/g/c <- /g/in/b", "Start /a /g/c /g/in/b | Scale /g/in/b | Scale /g/c | Scale /a"),
        ] {
            assert_eq!(between(original, target), expected, "{original:?} to {target:?}");
        }
    }

    #[test]
    fn what_disappears_is_stopped_dependents_first() {
        for (original, target, expected) in [
            ("/db\n/api <- /db\n/web <- /api", "", "Stop /web | Stop /api | Stop /db"),
            ("/db\n/api <- /db\n/web <- /api", "/api <- /db", "Stop /web | Stop /db"),
            ("/db\n/api <- /db\n/web <- /api\n/x", "/db", "Stop /web /x | Stop /api"),
            ("/db\n/api <- /db", "/db", "Stop /api"),
            ("/db\n/api <- /db", "/new", "Stop /api | Stop /db | Start /new | Scale /new"),
            ("/g/ <- /h\n/g/a\n/h/b", "", "Stop /g/a | Stop /h/b"),
        ] {
            assert_eq!(between(original, target), expected, "{original:?} to {target:?}");
        }
    }

    #[test]
    fn a_restart_on_request_restarts_though_nothing_differs() {
        let mut world = crate::group::testing::World::with("/a x2\n/b x0");
        let plan = world.change(&TreeChange::RestartApp(path("/a"))).unwrap();
        assert_eq!((steps(&plan).as_str(), plan.original, plan.version), ("Restart /a", at(1), at(2)));
        assert_eq!(steps(&world.change(&TreeChange::RestartApp(path("/b"))).unwrap()), "Scale /b");
        let again = AppPut::Spec { spec: spec("/a x2"), expect: Expect::Any };
        assert_eq!(steps(&world.change(&TreeChange::PutApps(vec![again])).unwrap()), "");
    }

    #[test]
    fn broken_trees_with_cycles_still_give_a_plan() {
        let plan = made(&Root::default(), &root("/a <- /b\n/b <- /a"));
        assert_eq!(plan.affected(), BTreeSet::from([&path("/a"), &path("/b")]));
        let plan = made(&root("/a <- /b\n/b <- /a"), &Root::default());
        assert_eq!(plan.affected().len(), 2);
    }
}
