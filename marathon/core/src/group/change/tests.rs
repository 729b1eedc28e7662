use uuid::Uuid;

use super::*;
use crate::{
    group::testing::{World, at, path, paths, spec, steps, text},
    instance::Goal,
};

fn put(line: &str) -> TreeChange {
    TreeChange::PutApps(vec![expecting(line, Expect::Any)])
}

fn expecting(line: &str, expect: Expect) -> AppPut {
    AppPut::Spec { spec: spec(line), expect }
}

fn create(line: &str) -> TreeChange {
    TreeChange::CreateApp(spec(line))
}

fn update(id: &str) -> GroupUpdate {
    GroupUpdate { id: path(id), apps: None, groups: None, dependencies: None }
}

fn with_apps(id: &str, lines: &[&str]) -> GroupUpdate {
    GroupUpdate { apps: Some(lines.iter().map(|line| spec(line)).collect()), ..update(id) }
}

fn with_groups(id: &str, groups: &[GroupUpdate]) -> GroupUpdate {
    GroupUpdate { groups: Some(groups.to_vec()), ..update(id) }
}

fn depending(id: &str, dependencies: &str) -> GroupUpdate {
    GroupUpdate { dependencies: Some(paths(dependencies)), ..update(id) }
}

/// The tree and the steps after one change.
fn after(tree: &str, change: TreeChange) -> Result<(String, String), Rejection> {
    let (changed, plan) = World::with(tree).plan(&change)?;
    Ok((text(&changed.root), steps(&plan)))
}

fn refused(tree: &str, change: TreeChange) -> Rejection {
    after(tree, change.clone()).expect_err(&format!("{tree:?} {change:?}"))
}

fn invalid(path: &str, message: &str) -> Rejection {
    Rejection::Invalid(vec![Violation { path: path.into(), message: message.into() }])
}

const SHARED: &str = "Groups and Applications may not have the same identifier.";
const CYCLE: &str = "Dependency graph has cyclic dependencies.";

#[test]
fn apps_are_created_replaced_and_removed() {
    for (tree, change, expected, steps) in [
        ("", create("/g/in/a"), "/\n/g/\n/g/in/\n/g/in/a x1", "Start /g/in/a | Scale /g/in/a"),
        ("/a", put("/a x3"), "/\n/a x3", "Scale /a"),
        ("/a", put("/a"), "/\n/a x1", ""),
        ("/a", TreeChange::PutApps(vec![]), "/\n/a x1", ""),
        ("/g/a", TreeChange::DeleteApp(path("/g/a")), "/\n/g/", "Stop /g/a"), // its group stays
        ("/g/\n/g/in/", create("/g"), "/\n/g x1", "Start /g | Scale /g"),     // a group without apps gives way
        ("", create("/a :0"), "/\n/a x1 :10000", "Start /a | Scale /a"),
        ("/a :10007", put("/a :0"), "/\n/a x1 :10007", ""),
    ] {
        assert_eq!(after(tree, change.clone()), Ok((expected.into(), steps.into())), "{tree:?} {change:?}");
    }
}

#[test]
fn several_apps_are_put_in_one_change() {
    let puts = ["/a !v2", "/b", "/c", "/c x2"].map(|line| expecting(line, Expect::Any));
    let (tree, steps) = after("/a", TreeChange::PutApps(puts.to_vec())).unwrap();
    assert_eq!(tree, "/\n/a x1 !v2\n/b x1\n/c x2", "the later one of two counts");
    assert_eq!(steps, "Start /b /c | Scale /b /c, Restart /a");
}

#[test]
fn given_lists_of_a_group_replace_what_is_there() {
    let tree = "/g/ <- /h\n/g/a\n/g/b\n/g/in/c\n/g/out/d";
    let same = "/\n/g/ <- /h\n/g/a x1\n/g/b x1\n/g/in/\n/g/in/c x1\n/g/out/\n/g/out/d x1";
    for (change, expected, steps) in [
        (update("/g"), same, ""),
        (
            with_apps("/g", &["/g/a x2", "/g/e"]),
            "/\n/g/ <- /h\n/g/a x2\n/g/e x1\n/g/in/\n/g/in/c x1\n/g/out/\n/g/out/d x1",
            "Stop /g/b | Start /g/e | Scale /g/a /g/e",
        ),
        (with_apps("/g", &[]), "/\n/g/ <- /h\n/g/in/\n/g/in/c x1\n/g/out/\n/g/out/d x1", "Stop /g/a /g/b"),
        // a group that is listed keeps what its own entry does not mention
        (with_groups("/g", &[update("/g/in")]), "/\n/g/ <- /h\n/g/a x1\n/g/b x1\n/g/in/\n/g/in/c x1", "Stop /g/out/d"),
        (
            with_groups("/g", &[with_apps("/g/in", &["/g/in/e"]), update("/g/new")]),
            "/\n/g/ <- /h\n/g/a x1\n/g/b x1\n/g/in/\n/g/in/e x1\n/g/new/",
            "Stop /g/in/c /g/out/d | Start /g/in/e | Scale /g/in/e",
        ),
        (with_groups("/g", &[]), "/\n/g/ <- /h\n/g/a x1\n/g/b x1", "Stop /g/in/c /g/out/d"),
        (depending("/g", ""), &same.replace(" <- /h", ""), ""),
        (depending("/g/in", "/g/out"), &same.replace("/g/in/\n", "/g/in/ <- /g/out\n"), ""),
        (with_apps("/x/y", &["/x/y/a"]), &format!("{same}\n/x/\n/x/y/\n/x/y/a x1"), "Start /x/y/a | Scale /x/y/a"),
        // an app in the place of a group that is no longer wanted, and the other way round
        (
            GroupUpdate { groups: Some(vec![]), ..with_apps("/g", &["/g/in"]) },
            "/\n/g/ <- /h\n/g/in x1",
            "Stop /g/a /g/b /g/in/c /g/out/d | Start /g/in | Scale /g/in",
        ),
        (
            GroupUpdate { groups: Some(vec![with_apps("/g/a", &["/g/a/x"])]), ..with_apps("/g", &[]) },
            "/\n/g/ <- /h\n/g/a/\n/g/a/x x1",
            "Stop /g/a /g/b /g/in/c /g/out/d | Start /g/a/x | Scale /g/a/x",
        ),
        (
            GroupUpdate { groups: Some(vec![]), ..with_apps("/", &["/a"]) },
            "/\n/a x1",
            "Stop /g/a /g/b /g/in/c /g/out/d | Start /a | Scale /a",
        ),
    ] {
        let outcome = after(tree, TreeChange::PutGroup(change.clone()));
        assert_eq!(outcome, Ok((expected.into(), steps.into())), "{change:?}");
    }
}

#[test]
fn what_a_group_lists_must_be_directly_in_it() {
    let inner = GroupUpdate { groups: Some(vec![update("/g/in/x/y")]), ..with_apps("/g/in", &["/g/in/b", "/g/c"]) };
    let outer = GroupUpdate { groups: Some(vec![update("/g"), inner]), ..with_apps("/g", &["/g/a", "/g", "/h/b"]) };
    let Rejection::Invalid(violations) = refused("", TreeChange::PutGroup(outer)) else { panic!("not a violation") };
    let texts: Vec<_> = violations.iter().map(|found| (found.path.as_str(), found.message.as_str())).collect();
    let (g, g_in) = ("Identifier is not child of '/g'", "Identifier is not child of '/g/in'");
    assert_eq!(
        texts,
        [
            ("/apps(1)/id", g),
            ("/apps(2)/id", g),
            ("/groups(0)/id", g),
            ("/groups(1)/apps(1)/id", g_in),
            ("/groups(1)/groups(0)/id", g_in),
        ]
    );
}

#[test]
fn a_group_is_scaled_rounding_up() {
    let tree = "/g/a x3\n/g/in/b x10\n/g/c x0\n/h/d x4";
    for (id, factor, expected, steps) in [
        ("/g", 1.5, "/g/a x5 /g/in/b x15 /g/c x0 /h/d x4", "Scale /g/a /g/in/b"),
        ("/g", 1.1, "/g/a x4 /g/in/b x11 /g/c x0 /h/d x4", "Scale /g/a /g/in/b"),
        ("/g", 0.0, "/g/a x0 /g/in/b x0 /g/c x0 /h/d x4", "Scale /g/a /g/in/b"),
        ("/g", 1.0, "/g/a x3 /g/in/b x10 /g/c x0 /h/d x4", ""),
        ("/", 0.1, "/g/a x1 /g/in/b x1 /g/c x0 /h/d x1", "Scale /g/a /g/in/b /h/d"),
        ("/h", 1e12, "/g/a x3 /g/in/b x10 /g/c x0 /h/d x2147483647", "Scale /h/d"),
    ] {
        let (changed, plan) = World::with(tree).plan(&TreeChange::ScaleGroup { id: path(id), factor }).unwrap();
        let instances = |id: &str| format!("{id} x{}", changed.root.apps[&path(id)].spec.instances);
        assert_eq!(["/g/a", "/g/in/b", "/g/c", "/h/d"].map(instances).join(" "), expected, "{id} {factor}");
        assert_eq!(crate::group::testing::steps(&plan), steps, "{id} {factor}");
    }
    for factor in [f64::NAN, f64::INFINITY, -1.0] {
        let refused = refused(tree, TreeChange::ScaleGroup { id: path("/g"), factor });
        assert_eq!(refused, invalid("/scaleBy", &format!("got {factor}, expected 0 or more")));
    }
}

#[test]
fn groups_go_with_all_that_is_in_them() {
    let tree = "/g/a\n/g/in/b <- /g/a\n/g-x/c\n/h/";
    for (id, expected, steps) in [
        ("/g", "/\n/g-x/\n/g-x/c x1\n/h/", "Stop /g/in/b | Stop /g/a"),
        ("/g/in", "/\n/g/\n/g-x/\n/g-x/c x1\n/g/a x1\n/h/", "Stop /g/in/b"),
        ("/h", "/\n/g/\n/g-x/\n/g-x/c x1\n/g/a x1\n/g/in/\n/g/in/b x1 <- /g/a", ""),
        ("/", "/", "Stop /g-x/c /g/in/b | Stop /g/a"),
    ] {
        assert_eq!(after(tree, TreeChange::DeleteGroup(path(id))), Ok((expected.into(), steps.into())), "{id}");
    }
    let (changed, _) = World::with("/ <- /g\n/g/").plan(&TreeChange::DeleteGroup(path("/"))).unwrap();
    assert_eq!(text(&changed.root), "/", "the root group loses its dependencies, too");
}

#[test]
fn a_group_comes_back_as_it_was() {
    let mut world = World::with("/g/ <- /h\n/g/a\n/g/in/b x2\n/h/c");
    world.change(&put("/h/c !v2")).unwrap();
    world.change(&put("/g/new/d")).unwrap();
    world.change(&put("/g/in/b x5")).unwrap();
    world.change(&TreeChange::PutGroup(depending("/g", ""))).unwrap();
    world.change(&TreeChange::DeleteApp(path("/g/a"))).unwrap();
    let back = |id: &str, version| TreeChange::RollbackGroup { id: path(id), version: at(version) };

    let (changed, plan) = world.plan(&back("/g", 1)).unwrap();
    assert_eq!(text(&changed.root), "/\n/g/ <- /h\n/g/a x1\n/g/in/\n/g/in/b x2\n/h/\n/h/c x1 !v2");
    assert_eq!(steps(&plan), "Stop /g/new/d | Start /g/a | Scale /g/a /g/in/b");
    assert!(changed.put.iter().all(|app| app.version == at(7)), "a rollback makes new versions");
    let b = &changed.root.apps[&path("/g/in/b")];
    assert_eq!([b.last_scaling_at, b.last_config_change_at], [at(7), at(1)]);

    let (changed, plan) = world.plan(&back("/", 1)).unwrap();
    assert_eq!(text(&changed.root), text(&world.state.roots[&at(1)]));
    assert_eq!(steps(&plan), "Stop /g/new/d | Start /g/a | Restart /h/c | Scale /g/a /g/in/b");

    world.change(&TreeChange::DeleteGroup(path("/g"))).unwrap();
    let (changed, _) = world.plan(&back("/g", 3)).unwrap();
    assert_eq!(text(&changed.root), text(&world.state.roots[&at(3)]), "from nothing");

    for (id, version) in [("/g", 99), ("/nowhere", 1), ("/g/new", 1)] {
        let refused = world.plan(&back(id, version)).unwrap_err();
        assert_eq!(refused, Rejection::UnknownGroupVersion(path(id), at(version)));
    }
}

#[test]
fn an_app_comes_back_as_of_an_earlier_version() {
    let mut world = World::with("/a x2");
    world.change(&put("/a x3 !v2")).unwrap();
    let back = |id: &str, version| TreeChange::PutApps(vec![AppPut::Version { id: path(id), version: at(version) }]);
    let (changed, plan) = world.plan(&back("/a", 1)).unwrap();
    assert_eq!((text(&changed.root).as_str(), steps(&plan).as_str()), ("/\n/a x2", "Restart /a"));
    assert_eq!(changed.root.apps[&path("/a")].version, at(3));
    assert_eq!(steps(&world.plan(&back("/a", 2)).unwrap().1), "", "the present version");
    assert_eq!(world.plan(&back("/a", 9)).unwrap_err(), Rejection::UnknownAppVersion(path("/a"), at(9)));
    assert_eq!(world.plan(&back("/b", 1)).unwrap_err(), Rejection::UnknownApp(path("/b")));
}

#[test]
fn what_is_asked_for_again_changes_nothing_but_the_version_of_the_tree() {
    let tree = "/g/ <- /h\n/g/a :10000 <- /b\n/b\n/h/";
    let again =
        TreeChange::PutGroup(GroupUpdate { dependencies: Some(paths("/h")), ..with_apps("/g", &["/g/a :0 <- /b"]) });
    let world = World::with(tree);
    let (changed, plan) = world.plan(&again).unwrap();
    assert!(plan.steps.is_empty() && changed.put.is_empty() && changed.apps.is_empty());
    let groups: Vec<_> =
        changed.groups.iter().map(|(id, group)| (id.as_str(), group.as_ref().unwrap().version)).collect();
    assert_eq!(groups, [("/", at(2))]);
    for (id, app) in &world.state.root.apps {
        assert!(Arc::ptr_eq(app, &changed.root.apps[id]), "{id}");
    }
}

#[test]
fn an_expectation_that_is_not_met_means_that_somebody_was_faster() {
    let puts = |line, expect| TreeChange::PutApps(vec![expecting("/x", Expect::Any), expecting(line, expect)]);
    for (line, expect, met) in [
        ("/a", Expect::Any, true),
        ("/b", Expect::Any, true),
        ("/a", Expect::Absent, false),
        ("/b", Expect::Absent, true),
        ("/a", Expect::Version(at(1)), true),
        ("/a", Expect::Version(at(2)), false),
        ("/b", Expect::Version(at(1)), false),
    ] {
        let outcome = after("/a", puts(line, expect)).map(|_| ());
        let expected = if met { Ok(()) } else { Err(Rejection::Overtaken(path(line))) };
        assert_eq!(outcome, expected, "{line} {expect:?}");
    }
}

#[test]
fn changes_of_what_is_not_there_or_there_already_are_refused() {
    let unknown = path("/x");
    for (change, expected) in [
        (create("/a"), Rejection::AppExists(path("/a"))),
        (TreeChange::DeleteApp(unknown.clone()), Rejection::UnknownApp(unknown.clone())),
        (TreeChange::DeleteApp(path("/g")), Rejection::UnknownApp(path("/g"))),
        (TreeChange::RestartApp(unknown.clone()), Rejection::UnknownApp(unknown.clone())),
        (TreeChange::CreateGroup(update("/g")), Rejection::GroupExists(path("/g"))),
        (TreeChange::CreateGroup(update("/")), Rejection::GroupExists(path("/"))),
        (TreeChange::CreateGroup(update("/a")), Rejection::AppInPlaceOfGroup(path("/a"))),
        (TreeChange::DeleteGroup(unknown.clone()), Rejection::UnknownGroup(unknown.clone())),
        (TreeChange::DeleteGroup(path("/a")), Rejection::UnknownGroup(path("/a"))),
        (TreeChange::ScaleGroup { id: unknown.clone(), factor: 1.0 }, Rejection::UnknownGroup(unknown)),
    ] {
        assert_eq!(refused("/a\n/g/b", change.clone()), expected, "{change:?}");
    }
}

#[test]
fn apps_and_groups_cannot_share_an_id() {
    let tree = "/a\n/g/b\n/g/in/c\n/h/in/d";
    for (change, path) in [
        (create("/g"), "/"),
        (create("/a/x"), "/"),
        (create("/"), "/"),
        (create("/h/in"), "/groups(1)"),
        (create("/g/in/c/x"), "/groups(0)/groups(0)"),
        (TreeChange::PutGroup(update("/a")), "/"),
        (TreeChange::CreateGroup(update("/g/b/x")), "/groups(0)"),
        (
            TreeChange::PutGroup(GroupUpdate { groups: Some(vec![update("/n/x")]), ..with_apps("/n", &["/n/x"]) }),
            "/groups(2)",
        ),
    ] {
        assert_eq!(refused(tree, change.clone()), invalid(path, SHARED), "{change:?}");
    }
}

#[test]
fn a_change_that_closes_a_cycle_is_refused() {
    for (tree, change) in [
        ("", put("/a <- /a")),
        ("/a\n/b <- /a", put("/a <- /b")),
        ("/a <- /b", put("/b <- /a")), // named before it existed
        ("/g/ <- /h\n/h/b <- /g", put("/g/a")),
        ("/g/ <- /h\n/g/a", put("/h/b <- /g/a")),
        ("/g/ <- /h\n/g/a\n/h/b", TreeChange::PutGroup(depending("/h", "/g"))),
        ("/g/a <- /h\n/h/b", TreeChange::PutGroup(depending("/h", "/g"))),
        ("/x <- /g\n/g/a", put("/g/in/b <- /x")),
    ] {
        assert_eq!(refused(tree, change.clone()), invalid("/", CYCLE), "{tree:?} {change:?}");
    }
    for (tree, change) in [
        ("/a <- /b", put("/b <- /c")),
        ("/g/ <- /h\n/h/ <- /g\n/g/a", put("/x <- /g")),
        ("/a <- /b\n/b <- /c\n/c", put("/a <- /b /c")),
    ] {
        assert!(after(tree, change.clone()).is_ok(), "{tree:?} {change:?}");
    }
}

#[test]
fn a_tree_without_free_service_ports_refuses_those_who_want_one() {
    let mut world = World::with("/a :10");
    world.config.local_ports = (10, 11);
    world.change(&put("/b :0")).unwrap();
    assert_eq!(world.change(&put("/c :0")), Err(Rejection::NoServicePortLeft(10, 11)));
    assert_eq!(text(&world.state.root), "/\n/a x1 :10\n/b x1 :11");
}

fn instance(app: &str, number: u128, goal: Goal, condition: Condition) -> Instance {
    Instance {
        id: InstanceId { spec: path(app), uuid: Uuid::from_u128(number) },
        goal,
        version: at(1),
        incarnation: 1,
        condition,
        since: at(1),
        scheduled_at: at(1),
        task: None,
        health: Vec::new(),
    }
}

#[test]
fn killed_instances_lower_their_apps_by_those_that_count() {
    let mut world = World::with("/a x5\n/b x1\n/c x2");
    let instances = [
        instance("/a", 1, Goal::Running, Condition::Running),
        instance("/a", 2, Goal::Running, Condition::Staging),
        instance("/a", 3, Goal::Running, Condition::Killing),
        instance("/a", 4, Goal::Decommissioned, Condition::Running),
        instance("/a", 5, Goal::Running, Condition::Scheduled),
        instance("/b", 6, Goal::Running, Condition::Running),
        instance("/b", 7, Goal::Running, Condition::Unreachable),
        instance("/c", 8, Goal::Running, Condition::Failed),
    ];
    for instance in &instances {
        let of_app = world.state.instances.entry(instance.id.spec.clone()).or_default();
        of_app.insert(instance.id.clone(), Arc::new(instance.clone()));
    }
    let mut asked: BTreeSet<InstanceId> = instances.iter().map(|instance| instance.id.clone()).collect();
    asked.insert(InstanceId { spec: path("/a"), uuid: Uuid::from_u128(99) });
    let (changed, plan) = world.plan(&TreeChange::KillAndScale(asked)).unwrap();
    assert_eq!(text(&changed.root), "/\n/a x3\n/b x0\n/c x2");
    assert_eq!(steps(&plan), "Scale /a /b");
    let ids = |range: &[usize]| range.iter().map(|index| instances[*index].id.clone()).collect::<BTreeSet<_>>();
    assert_eq!(plan.kill, BTreeMap::from([(path("/a"), ids(&[0, 1])), (path("/b"), ids(&[5, 6]))]));
    assert_eq!(changed.group, PathId::root());

    let stranger = InstanceId { spec: path("/x"), uuid: Uuid::from_u128(1) };
    let refused = world.plan(&TreeChange::KillAndScale([stranger].into())).unwrap_err();
    assert_eq!(refused, Rejection::UnknownApp(path("/x")));
}

#[test]
fn events_name_the_group_around_what_changes() {
    let two = TreeChange::PutApps(["/g/a", "/g/b"].map(|line| expecting(line, Expect::Any)).to_vec());
    for (change, expected) in [
        (create("/a"), "/"),
        (create("/g/in/a"), "/g/in"),
        (put("/g/a"), "/g"),
        (two, "/"),
        (TreeChange::DeleteApp(path("/g/a")), "/g"),
        (TreeChange::RestartApp(path("/g/a")), "/g"),
        (TreeChange::PutGroup(update("/g/in")), "/g"),
        (TreeChange::CreateGroup(update("/g")), "/"),
        (TreeChange::PutGroup(update("/")), "/"),
        (TreeChange::DeleteGroup(path("/g/in")), "/g"),
        (TreeChange::ScaleGroup { id: path("/g/in"), factor: 2.0 }, "/g"),
        (TreeChange::KillAndScale(BTreeSet::new()), "/"),
    ] {
        assert_eq!(event_group(&change).as_str(), expected, "{change:?}");
    }
}
