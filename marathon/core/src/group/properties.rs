//! What holds for any sequence of changes.

use std::{collections::BTreeMap, sync::Arc};

use proptest::prelude::*;

use super::{
    Changed, graph,
    testing::{World, path, spec, text},
};
use crate::{
    deployment::{ActionKind, Plan, plan::plan, revert},
    id::PathId,
    scheduler::{AppPut, Expect, GroupUpdate, Rejection, TreeChange},
    state::Root,
};

const APPS: [&str; 7] = ["/a", "/b", "/g/a", "/g/b", "/g/in/a", "/h/a", "/g/in"];
const GROUPS: [&str; 5] = ["/", "/g", "/g/in", "/h", "/a"];

fn app_id() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&APPS[..])
}

fn group_id() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&GROUPS[..])
}

fn dependencies() -> impl Strategy<Value = Vec<&'static str>> {
    let any = prop_oneof![app_id(), group_id()];
    prop_oneof![2 => Just(Vec::new()), 1 => prop::collection::vec(any, 1..3)]
}

fn definition() -> impl Strategy<Value = String> {
    let ports = prop::sample::select(&["", ":0", ":0,0", ":10001", ":7"][..]);
    let command = prop::sample::select(&["", "!v2"][..]);
    (0..4u32, command, ports, dependencies()).prop_map(|(instances, command, ports, dependencies)| {
        let arrow = if dependencies.is_empty() { "" } else { " <- " };
        format!("x{instances} {command} {ports}{arrow}{}", dependencies.join(" "))
    })
}

fn app() -> impl Strategy<Value = String> {
    (app_id(), definition()).prop_map(|(id, definition)| format!("{id} {definition}"))
}

fn children(group: &str, names: &[(usize, String)]) -> Vec<Arc<crate::spec::AppSpec>> {
    let base = group.trim_end_matches('/');
    names.iter().map(|(name, definition)| spec(&format!("{base}/{} {definition}", ["a", "b"][*name]))).collect()
}

fn group_update() -> impl Strategy<Value = GroupUpdate> {
    let apps = prop::option::of(prop::collection::vec((0..2usize, definition()), 0..3));
    let dependencies = prop::option::of(dependencies());
    (group_id(), apps, any::<bool>(), dependencies).prop_map(|(id, apps, no_groups, dependencies)| GroupUpdate {
        id: path(id),
        apps: apps.map(|apps| children(id, &apps)),
        groups: no_groups.then(Vec::new),
        dependencies: dependencies.map(|ids| ids.into_iter().map(path).collect()),
    })
}

fn change() -> impl Strategy<Value = TreeChange> {
    let put = |lines: Vec<String>| {
        let put = |line: &String| AppPut::Spec { spec: spec(line), expect: Expect::Any };
        TreeChange::PutApps(lines.iter().map(put).collect())
    };
    prop_oneof![
        6 => prop::collection::vec(app(), 1..4).prop_map(put),
        1 => app().prop_map(|line| TreeChange::CreateApp(spec(&line))),
        1 => app_id().prop_map(|id| TreeChange::DeleteApp(path(id))),
        1 => app_id().prop_map(|id| TreeChange::RestartApp(path(id))),
        3 => group_update().prop_map(TreeChange::PutGroup),
        1 => group_id().prop_map(|id| TreeChange::DeleteGroup(path(id))),
        1 => (group_id(), 0.0..2.0).prop_map(|(id, factor)| TreeChange::ScaleGroup { id: path(id), factor }),
        2 => (group_id(), 0..6i64).prop_map(|(id, version)| {
            TreeChange::RollbackGroup { id: path(id), version: super::testing::at(version) }
        }),
    ]
}

/// Whether the same change once more asks for what is there already.
fn is_idempotent(change: &TreeChange) -> bool {
    match change {
        TreeChange::PutApps(_) | TreeChange::PutGroup(_) | TreeChange::RollbackGroup { .. } => true,
        TreeChange::CreateApp(_)
        | TreeChange::DeleteApp(_)
        | TreeChange::RestartApp(_)
        | TreeChange::CreateGroup(_)
        | TreeChange::ScaleGroup { .. }
        | TreeChange::DeleteGroup(_)
        | TreeChange::KillAndScale(_) => false,
    }
}

fn is_well_formed(root: &Root) {
    assert!(root.groups.contains_key(&PathId::root()));
    assert_eq!(root.groups[&PathId::root()].version, root.version);
    for id in root.apps.keys().chain(root.groups.keys()) {
        assert!(id.ancestors().all(|group| root.groups.contains_key(&group)), "{id} has no parents");
        assert!(!(root.apps.contains_key(id) && root.groups.contains_key(id)), "{id} is both");
    }
    for (id, app) in &root.apps {
        assert_eq!(*id, app.spec.id);
        assert!(app.version <= root.version && app.spec.ports.iter().all(|definition| definition.port != 0));
    }
    assert!(!graph::leads_to_cycle(root, root.apps.keys()), "cyclic:\n{}", text(root));
}

/// The delta, applied as a store would, gives the new tree.
fn delta_is_complete(world: &World, changed: &Changed) {
    let mut versions = world.state.versions.clone();
    for app in &changed.put {
        let before = versions.entry(app.spec.id.clone()).or_default().insert(app.version, app.clone());
        assert_eq!(before, None, "stored twice");
    }
    let mut root = Root { version: changed.root.version, ..world.state.root.clone() };
    for (id, version) in &changed.apps {
        match version {
            Some(version) => root.apps.insert(id.clone(), versions[id][version].clone()),
            None => root.apps.remove(id),
        };
    }
    for (id, group) in &changed.groups {
        match group {
            Some(group) => root.groups.insert(id.clone(), group.clone()),
            None => root.groups.remove(id),
        };
    }
    assert_eq!(root, changed.root);
}

/// Place of each app's last action, by step.
fn places(plan: &Plan) -> BTreeMap<&PathId, (usize, ActionKind)> {
    let actions = plan.steps.iter().enumerate();
    actions
        .flat_map(|(index, step)| step.actions.iter().map(move |action| (&action.app, (index, action.kind))))
        .collect()
}

fn order_respects_every_edge(original: &Root, target: &Root, plan: &Plan) {
    let places = places(plan);
    for (app, (place, kind)) in &places {
        match kind {
            ActionKind::Stop => {
                for dependency in graph::dependencies_of(original, app) {
                    if let Some((other, ActionKind::Stop)) = places.get(&dependency) {
                        assert!(place < other, "{app} must be stopped before {dependency}");
                    }
                }
            }
            ActionKind::Start | ActionKind::Scale | ActionKind::Restart => {
                for dependency in graph::dependencies_of(target, app) {
                    assert!(
                        places.get(&dependency).is_none_or(|(other, _)| other < place),
                        "{app} before {dependency}"
                    );
                }
            }
        }
    }
}

fn steps_are_sound(plan: &Plan) {
    for step in &plan.steps {
        assert!(!step.actions.is_empty());
        let mut apps: Vec<_> = step.actions.iter().map(|action| &action.app).collect();
        apps.dedup();
        assert_eq!(apps.len(), step.actions.len(), "an app twice in one step");
    }
}

fn contents(root: &Root) -> Vec<(String, std::collections::BTreeSet<PathId>, bool)> {
    root.groups.iter().map(|(id, group)| (id.to_string(), group.dependencies.clone(), group.enforce_role)).collect()
}

fn revert_restores(world: &World, original: &Root, deployed: &Plan) {
    let target = &world.state.root;
    let changed = revert::changed(&world.state, original, target, world.next_version()).unwrap();
    assert_eq!(changed.root.apps, original.apps, "version info included");
    assert_eq!(contents(&changed.root), contents(original));
    is_well_formed(&changed.root);
    delta_is_complete(world, &changed);
    let back = plan(deployed.id, target, &changed.root, BTreeMap::new());
    assert_eq!(back.affected(), deployed.affected());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_changes_keeps_the_tree_sound(changes in prop::collection::vec(change(), 1..10)) {
        let mut world = World::new();
        for change in &changes {
            let original = world.state.root.clone();
            let (changed, plan) = match world.plan(change) {
                Ok(accepted) => accepted,
                Err(Rejection::Invalid(violations)) => {
                    prop_assert!(!violations.is_empty());
                    continue;
                }
                Err(_) => continue,
            };
            is_well_formed(&changed.root);
            delta_is_complete(&world, &changed);
            steps_are_sound(&plan);
            order_respects_every_edge(&original, &changed.root, &plan);
            world.accept(changed);

            let target = &world.state.root;
            prop_assert!(crate::deployment::plan::plan(plan.id, target, target, BTreeMap::new()).steps.is_empty());
            if is_idempotent(change) {
                let again = world.plan(change).map(|(_, plan)| plan.steps);
                prop_assert_eq!(again, Ok(Vec::new()), "again: {:?}", change);
            }
            revert_restores(&world, &original, &plan);
        }
    }

    #[test]
    fn undoing_leaves_what_others_did(first in change(), second in app(), third in change()) {
        let mut world = World::with("/a x2\n/g/a x1\n/g/in/a x1 <- /a\n/h/b x3");
        let original = world.state.root.clone();
        if world.change(&first).is_err() {
            return Ok(());
        }
        let target = world.state.root.clone();
        let mine = |id: &PathId| original.apps.get(id) != target.apps.get(id);
        let put = TreeChange::PutApps(vec![AppPut::Spec { spec: spec(&second), expect: Expect::Any }]);
        let _refused = (world.change(&put), world.change(&third));
        if let Ok(changed) = revert::changed(&world.state, &original, &target, world.next_version()) {
            is_well_formed(&changed.root);
            delta_is_complete(&world, &changed);
            let ids = original.apps.keys().chain(target.apps.keys()).chain(world.state.root.apps.keys());
            for id in ids {
                let expected = if mine(id) { original.apps.get(id) } else { world.state.root.apps.get(id) };
                let spec = |app: Option<&Arc<crate::spec::App>>| app.map(|app| app.spec.clone());
                prop_assert_eq!(spec(changed.root.apps.get(id)), spec(expected), "{}", id);
            }
        }
    }
}
