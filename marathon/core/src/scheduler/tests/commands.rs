//! Commands that are refused, and those that are not about the tree.

use std::collections::BTreeSet;

use substrate_core::protocol::task::TaskState;

use super::world::{World, app, deployment, path, patient, put, secs};
use crate::{
    instance::Condition,
    scheduler::{Accepted, AppPut, Command, Config, Expect, Origin, Rejection, TreeChange},
};

#[test]
fn a_refused_change_changes_nothing_and_is_told() {
    let mut world = World::new(1);
    world.put([app("/web", 1)]);
    world.manners.offer = false;
    world.put([app("/web", 2)]);
    let (before, state) = (world.events.len(), world.state());
    let id = *state.deployments.keys().next().unwrap();
    for (change, rejection) in [
        (put([app("/web", 3)]), Rejection::Locked { by: [id].into() }),
        (TreeChange::DeleteApp(path("/none")), Rejection::UnknownApp(path("/none"))),
        (TreeChange::CreateApp(app("/web", 1).into()), Rejection::AppExists(path("/web"))),
    ] {
        assert_eq!(world.change(change), Err(rejection.clone()));
        assert_eq!(world.since(world.events.len() - 1), [format!("refused /: {rejection}")]);
    }
    assert_eq!(world.events.len(), before + 3);
    let after = world.state();
    assert_eq!((after.root, after.roots, after.versions), (state.root, state.roots, state.versions));
    assert_eq!((after.deployments, after.locks), (state.deployments, state.locks));
}

#[test]
fn a_rehearsal_tells_the_steps_and_changes_nothing() {
    let mut world = World::new(1);
    let before = world.events.len();
    let command = Command::Change { change: put([app("/web", 1)]), force: false, dry_run: true, origin: None };
    let Accepted::Steps(steps) = world.ask(command).unwrap() else { panic!("no steps") };
    assert_eq!(steps.len(), 2);
    assert_eq!((world.events.len(), world.state().root.apps.len()), (before, 0));
}

#[test]
fn more_deployments_than_allowed_are_refused_unless_forced() {
    let mut world = World::with(1, patient(Config { max_running_deployments: 2, ..Config::default() }));
    world.manners.offer = false;
    world.put([app("/a", 1)]);
    world.put([app("/b", 1)]);
    assert_eq!(world.change(put([app("/c", 1)])), Err(Rejection::TooManyDeployments(2)));
    world.force([app("/c", 1)]);
    assert_eq!(world.state().deployments.len(), 3);
}

#[test]
fn versions_grow_even_when_the_clock_does_not() {
    let mut world = World::new(1);
    let mut versions = Vec::new();
    for instances in 1..5 {
        world.put([app("/web", instances)]);
        versions.push(world.state().root.version);
    }
    assert!(versions.is_sorted() && versions.iter().collect::<BTreeSet<_>>().len() == 4, "{versions:?}");
}

#[test]
fn a_single_app_that_was_posted_is_told_as_accepted() {
    let mut world = World::new(1);
    let origin = Some(Origin { client_ip: "10.0.0.9".into(), uri: "/v2/apps".into() });
    let change = TreeChange::CreateApp(app("/g/web", 1).into());
    world.ask(Command::Change { change, force: false, dry_run: false, origin }).unwrap();
    assert_eq!(world.since(1)[..2], ["changed /g", "post /v2/apps /g/web"]);
}

#[test]
fn a_write_that_was_overtaken_is_refused() {
    let mut world = World::new(1);
    world.put([app("/web", 1)]);
    let seen = world.state().root.apps[&path("/web")].version;
    world.put([app("/web", 2)]);
    let spec = app("/web", 3).into();
    let change = TreeChange::PutApps(vec![AppPut::Spec { spec, expect: Expect::Version(seen) }]);
    assert_eq!(world.change(change), Err(Rejection::Overtaken(path("/web"))));
}

#[test]
fn a_killed_instance_comes_back_as_itself_without_delay() {
    let mut world = World::new(2);
    world.put([app("/web", 2)]);
    let instance = world.instances("/web")[0].clone();
    let before = world.events.len();
    let command = Command::KillInstances { instances: [instance.id.clone()].into(), wipe: false };
    let Accepted::Killed(killed) = world.ask(command).unwrap() else { panic!("nothing killed") };
    assert_eq!(killed, std::slice::from_ref(&instance));
    world.pass(secs(1));
    let expected = [
        "su /web#01 .1 TASK_KILLED",
        "ic /web#01 Killed",
        "ic /web#01 Provisioned",
        "su /web#01 .2 TASK_RUNNING",
        "ic /web#01 Running",
    ];
    assert_eq!(world.since(before), expected);
    assert_eq!(world.instances("/web")[0].incarnation, 2);
    assert!(world.state().failures.is_empty());
}

#[test]
fn a_wiped_instance_is_replaced_by_another() {
    let mut world = World::new(1);
    world.put([app("/web", 1)]);
    let instance = world.instances("/web")[0].clone();
    let before = world.events.len();
    world.ask(Command::KillInstances { instances: [instance.id.clone()].into(), wipe: true }).unwrap();
    world.pass(secs(1));
    let told = world.since(before);
    assert_eq!(told[..3], ["ic /web#01 Running", "ic /web#01 Killed", "ic /web#02 Scheduled"].map(String::from));
    assert!(told.contains(&"unknown /web#01 Killed".to_owned()), "{told:?}");
    assert_eq!((world.live("/web").len(), world.instances("/web").len()), (1, 1));
}

#[test]
fn a_deployment_that_is_only_stopped_leaves_everything_as_it_is() {
    let mut world = World::new(2);
    world.put([app("/web", 2)]);
    world.manners.offer = false;
    let id = world.put([app("/web", 2).runs("serve 2")]);
    let before = world.events.len();
    assert_eq!(world.ask(Command::CancelDeployment { id, force: true }), Ok(Accepted::Done));
    assert_eq!(world.since(before)[0], "failed: The upgrade has been cancelled");
    assert!(world.state().deployments.is_empty() && world.state().locks.is_empty());
    assert_eq!(
        world.commands("/web").get("serve 1"),
        Some(&2),
        "instances that wait are no reason to kill those that run"
    );
    assert_eq!(world.instances("/web").len(), 2);
    assert_eq!(world.ask(Command::CancelDeployment { id, force: true }), Err(Rejection::UnknownDeployment(id)));
}

#[test]
fn undoing_a_new_app_removes_it() {
    let mut world = World::new(1);
    world.manners.offer = false;
    let id = world.put([app("/g/web", 1)]);
    let undo = deployment(world.ask(Command::CancelDeployment { id, force: false }).unwrap());
    assert_ne!(undo, id);
    assert!(
        world.state().root.apps.is_empty()
            && world.state().instances.is_empty()
            && world.state().deployments.is_empty()
    );
}

#[test]
fn undoing_a_deletion_brings_the_app_back_as_it_was() {
    let mut world = World::new(1);
    world.put([app("/web", 2)]);
    let version = world.state().root.apps[&path("/web")].version;
    world.manners.die = false;
    let id = deployment(world.change(TreeChange::DeleteApp(path("/web"))).unwrap());
    world.ask(Command::CancelDeployment { id, force: false }).unwrap();
    world.manners.die = true;
    world.pass(secs(60));
    assert_eq!(world.state().root.apps[&path("/web")].version, version);
    assert_eq!((world.count("/web", Condition::Running), world.live("/web").len()), (2, 2));
}

#[test]
fn a_back_off_can_be_reset_where_something_waits() {
    let mut world = World::new(1);
    assert_eq!(world.ask(Command::ResetDelay(path("/web"))), Err(Rejection::NotQueued(path("/web"))));
    world.manners.crash.insert("serve 1".into());
    world.put([app("/web", 1)]);
    world.pass(secs(60));
    let launches = world.tasks.len();
    world.pass(std::time::Duration::from_millis(10));
    assert_eq!(world.tasks.len(), launches);
    assert_eq!(world.ask(Command::ResetDelay(path("/web"))), Ok(Accepted::Done));
    world.pass(secs(1));
    assert!(world.tasks.len() > launches);
}

#[test]
fn a_subscriber_is_told_where_its_own_event_is() {
    let mut world = World::new(0);
    let Accepted::Attached { seq } = world.ask(Command::Attach { remote_address: "10.0.0.9".into() }).unwrap() else {
        panic!()
    };
    assert_eq!(world.events.last().unwrap().seq, seq);
    world.ask(Command::Detach { remote_address: "10.0.0.9".into() }).unwrap();
    assert_eq!(world.since(1), ["attached 10.0.0.9", "detached 10.0.0.9"]);
}

#[test]
fn old_versions_are_forgotten_but_not_those_in_use() {
    let mut world = World::with(1, patient(Config { max_versions: 3, ..Config::default() }));
    world.put([app("/other", 1)]);
    world.put([app("/web", 1)]);
    for number in 0..10 {
        world.put([app("/web", 1 + number % 2)]);
    }
    let state = world.state();
    assert_eq!(state.roots.len(), 3);
    let versions = &state.versions[&path("/web")];
    let used: BTreeSet<_> = world.instances("/web").iter().map(|instance| instance.version).collect();
    assert!(used.iter().all(|version| versions.contains_key(version)));
    assert!(versions.len() <= 3 + used.len(), "{}", versions.len());
    assert_eq!(state.versions[&path("/other")].len(), 1);
    world.restart();
    world.change(TreeChange::DeleteApp(path("/web"))).unwrap();
    for number in 0..5 {
        world.put([app("/other", 1 + number % 2)]);
    }
    assert!(!world.state().versions.contains_key(&path("/web")), "gone with the last tree that had it");
    world.restart();
}

#[test]
fn events_are_dropped_in_steps() {
    let mut world = World::with(1, patient(Config { max_events: 20, ..Config::default() }));
    world.put([app("/web", 1)]);
    for _ in 0..10 {
        let task = world.live("/web")[0].clone();
        world.tell(&task, TaskState::TaskKilled);
        world.pass(secs(1));
    }
    let kept = world.events.len() as u64 - world.events_dropped;
    assert!(world.events.len() > 40 && (20..=22).contains(&kept), "{kept} of {}", world.events.len());
}
