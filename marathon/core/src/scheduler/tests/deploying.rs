//! Deployments from beginning to end.

use std::collections::BTreeMap;

use super::world::{World, app, deployment, path, put, secs};
use crate::{
    id::PathId,
    instance::Condition,
    scheduler::{Accepted, Command, Rejection, TreeChange},
};

fn commands<const N: usize>(expected: [(&str, usize); N]) -> BTreeMap<String, usize> {
    expected.into_iter().map(|(command, count)| (command.to_owned(), count)).collect()
}

#[test]
fn a_new_app_is_introduced_launched_and_told_of_in_order() {
    let mut world = World::new(1);
    world.put([app("/web", 1)]);
    let expected = [
        "registered",
        "changed /",
        "step Start /web",
        "done Start /web",
        "step Scale /web",
        "ic /web#01 Scheduled",
        "ic /web#01 Provisioned",
        "su /web#01 .1 TASK_RUNNING",
        "ic /web#01 Running",
        "done Scale /web",
        "deployed",
    ];
    assert_eq!(world.since(0), expected);
    assert!(world.state().deployments.is_empty() && world.state().locks.is_empty());
}

#[test]
fn an_app_with_a_check_is_deployed_when_it_is_healthy() {
    let mut world = World::new(1);
    world.manners.probe = false;
    world.put([app("/web", 1).checked()]);
    let last = ["su /web#01 .1 TASK_RUNNING", "ic /web#01 Running"];
    assert!(world.since(0).ends_with(&last.map(String::from)));
    assert_eq!(world.why(), "/web waits for 1 instance to become healthy: 0 failed a check");
    assert_eq!(world.probes.len(), 1, "probed as soon as it ran");
    world.manners.probe = true;
    let before = world.events.len();
    world.pass(secs(10));
    let expected = ["alive /web#01 true", "health /web#01 Some(true)", "done Scale /web", "deployed"].map(String::from);
    assert_eq!(world.since(before), expected);
}

#[test]
fn what_depends_waits_until_what_it_depends_on_is_up() {
    let mut world = World::new(3);
    world.manners.start = false;
    world.put([app("/db", 2), app("/api", 1).depends_on("/db"), app("/web", 1).depends_on("/api")]);
    assert_eq!((world.live("/db").len(), world.live("/api").len()), (2, 0));
    let tasks = world.live("/db");
    world.tell(&tasks[0], substrate_core::protocol::task::TaskState::TaskRunning);
    assert_eq!(world.live("/api").len(), 0, "one of two is not enough");
    assert_eq!(world.why(), "/db waits for 1 instance to start");
    world.manners.start = true;
    world.tell(&tasks[1], substrate_core::protocol::task::TaskState::TaskRunning);
    world.pass(secs(2));
    assert_eq!((world.live("/api").len(), world.live("/web").len()), (1, 1));
    let story = world.since(0);
    let at = |line: &str| story.iter().position(|other| other == line).unwrap_or_else(|| panic!("{line} in {story:?}"));
    assert!(at("done Scale /db") < at("ic /api#01 Scheduled") && at("done Scale /api") < at("ic /web#01 Scheduled"));
    assert!(world.state().deployments.is_empty());
}

#[test]
fn a_deleted_app_is_stopped_and_leaves_nothing_behind() {
    let mut world = World::new(1);
    world.put([app("/web", 2).checked()]);
    world.pass(secs(3));
    world.manners.die = false;
    let before = world.events.len();
    world.change(TreeChange::DeleteApp(path("/web"))).unwrap();
    let expected =
        ["changed /", "step Stop /web", "check- /web", "ic /web#01 Running", "ic /web#02 Running"].map(String::from);
    assert_eq!(world.since(before), expected);
    assert_eq!(world.why(), "/web waits for 2 instances to end");
    for task in world.live("/web") {
        world.tell(&task, substrate_core::protocol::task::TaskState::TaskKilled);
    }
    assert!(world.since(before).ends_with(&["terminated /web", "done Stop /web", "deployed"].map(String::from)));
    assert!(world.state().instances.is_empty());
}

#[test]
fn scaling_keeps_what_runs_and_takes_the_youngest_away() {
    let mut world = World::new(2);
    world.put([app("/web", 2)]);
    let first = world.live("/web");
    world.pass(secs(5));
    world.put([app("/web", 4)]);
    assert_eq!(world.live("/web").len(), 4);
    world.put([app("/web", 2)]);
    assert_eq!(world.live("/web"), first);
    world.put([app("/web", 0)]);
    assert_eq!(world.live("/web").len(), 0);
    assert!(world.state().deployments.is_empty() && world.state().instances.is_empty());
}

#[test]
fn scaling_up_counts_as_done_when_the_added_instances_run() {
    let mut world = World::new(1);
    world.put([app("/web", 1)]);
    world.manners.offer = false;
    world.put([app("/web", 3)]);
    assert_eq!(world.why(), "/web waits for an offer for 2 instances: none came yet");
    world.manners.offer = true;
    world.settle();
    assert!(world.state().deployments.is_empty());
    assert_eq!(world.count("/web", Condition::Running), 3);
}

#[test]
fn an_upgrade_replaces_every_instance_and_never_falls_under_the_minimum() {
    for (instances, min, over) in [
        (1, 1.0, 1.0),
        (1, 1.0, 0.0),
        (1, 0.5, 0.0),
        (5, 1.0, 0.2),
        (5, 0.5, 0.0),
        (5, 0.0, 0.0),
        (3, 1.0, 0.0),
        (4, 0.9, 0.1),
        (7, 0.3, 0.7),
    ] {
        let mut world = World::new(3);
        world.put([app("/web", instances).upgrades(min, over).checked()]);
        world.pass(secs(5));
        let old = world.live("/web");
        world.put([app("/web", instances).upgrades(min, over).checked().runs("serve 2")]);
        world.pass(secs(120));
        assert!(world.state().deployments.is_empty(), "{instances} × {min}/{over}: {}", world.why());
        assert_eq!(world.commands("/web"), commands([("serve 2", instances as usize)]));
        assert!(old.iter().all(|task| world.tasks[task].state.is_terminal()));
        assert!(world.broken.is_empty());
    }
}

#[test]
fn the_total_of_an_upgrade_stays_within_the_capacity() {
    let mut world = World::new(3);
    world.put([app("/web", 5).upgrades(1.0, 0.2)]);
    world.manners.start = false;
    world.put([app("/web", 5).upgrades(1.0, 0.2).runs("serve 2")]);
    assert_eq!(world.commands("/web"), commands([("serve 1", 5), ("serve 2", 1)]));
    world.pass(secs(60));
    assert_eq!(world.commands("/web"), commands([("serve 1", 5), ("serve 2", 1)]), "nothing goes before one is up");
    assert_eq!(
        world.why(),
        "/web waits for 1 instance to start; for 5 instances of an earlier configuration to be replaced"
    );
}

#[test]
fn a_version_that_never_gets_healthy_leaves_the_old_one_in_place() {
    let mut world = World::new(3);
    world.put([app("/web", 4).upgrades(0.5, 0.0).checked()]);
    world.pass(secs(5));
    world.manners.sick.insert("serve 2".into());
    let id = world.put([app("/web", 4).upgrades(0.5, 0.0).checked().runs("serve 2")]);
    world.pass(secs(60));
    assert_eq!(world.commands("/web"), commands([("serve 1", 2), ("serve 2", 2)]));
    let why = world.why();
    assert!(why.contains("become healthy") || why.contains("to end"), "{why}");
    assert!(why.contains("2 instances of an earlier configuration"), "{why}");
    // Undone: what was not replaced yet stays.
    let old: Vec<_> = world
        .live("/web")
        .into_iter()
        .filter(|task| format!("{:?}", world.tasks[task].info).contains("serve 1"))
        .collect();
    let answer = world.ask(Command::CancelDeployment { id, force: false }).unwrap();
    assert_ne!(deployment(answer), id);
    world.pass(secs(60));
    assert!(world.state().deployments.is_empty());
    assert_eq!(world.commands("/web"), commands([("serve 1", 4)]));
    assert!(old.iter().all(|task| !world.tasks[task].state.is_terminal()));
    assert!(world.story().contains("failed: The upgrade has been cancelled\nchanged /"));
}

#[test]
fn a_forced_upgrade_over_a_stuck_one_replaces_both_versions() {
    let mut world = World::new(3);
    world.put([app("/web", 3).checked()]);
    world.pass(secs(5));
    world.manners.sick.insert("serve 2".into());
    world.put([app("/web", 3).checked().runs("serve 2")]);
    world.pass(secs(5));
    assert_eq!(world.commands("/web"), commands([("serve 1", 3), ("serve 2", 3)]));
    let refused = world.change(put([app("/web", 3).checked().runs("serve 3")]));
    assert!(matches!(refused, Err(Rejection::Locked { by }) if by.len() == 1));
    world.force([app("/web", 3).checked().runs("serve 3")]);
    assert!(
        !world.commands("/web").contains_key("serve 2"),
        "what never was ready goes first: {:?}",
        world.commands("/web")
    );
    world.pass(secs(60));
    assert_eq!(world.commands("/web"), commands([("serve 3", 3)]));
    assert!(world.state().deployments.is_empty());
}

#[test]
fn an_upgrade_of_an_app_that_is_not_healthy_moves_without_room() {
    // Marathon waits for ever: no capacity beyond the target, and nothing healthy that could go.
    let mut world = World::new(3);
    world.manners.sick.insert("serve 1".into());
    let mut broken = app("/web", 3).upgrades(1.0, 0.0).checked();
    broken.health_checks[0].max_consecutive_failures = 0;
    world.put([broken.clone()]);
    world.pass(secs(30));
    world.broken.insert(path("/web"), 3);
    world.force([broken.runs("serve 2")]);
    world.pass(secs(60));
    assert_eq!(world.commands("/web"), commands([("serve 2", 3)]));
    assert!(world.state().deployments.is_empty());
}

#[test]
fn an_upgrade_may_change_the_number_of_instances() {
    for (before, after, min, over) in
        [(5, 2, 1.0, 1.0), (2, 6, 1.0, 0.0), (4, 3, 0.5, 0.0), (3, 1, 1.0, 0.0), (1, 4, 0.0, 0.0)]
    {
        let mut world = World::new(3);
        world.put([app("/web", before).upgrades(min, over).checked()]);
        world.pass(secs(5));
        world.put([app("/web", after).upgrades(min, over).checked().runs("serve 2")]);
        world.pass(secs(120));
        assert_eq!(world.commands("/web"), commands([("serve 2", after as usize)]), "{before} → {after}");
        assert!(world.state().deployments.is_empty());
    }
}

#[test]
fn an_old_instance_that_dies_during_an_upgrade_is_replaced_by_a_new_one() {
    let mut world = World::new(3);
    world.put([app("/web", 3).upgrades(1.0, 0.0)]);
    world.manners.start = false;
    world.put([app("/web", 3).upgrades(1.0, 0.0).runs("serve 2")]);
    assert_eq!(world.commands("/web"), commands([("serve 1", 3), ("serve 2", 1)]));
    let old = world
        .live("/web")
        .into_iter()
        .find(|task| format!("{:?}", world.tasks[task].info).contains("serve 1"))
        .unwrap();
    world.fail(&old);
    world.pass(secs(5));
    assert_eq!(world.commands("/web").get("serve 1"), Some(&2), "not with the old definition");
    world.manners.start = true;
    for task in world.live("/web") {
        world.tell(&task, substrate_core::protocol::task::TaskState::TaskRunning);
    }
    world.pass(secs(10));
    assert_eq!(world.commands("/web"), commands([("serve 2", 3)]));
}

#[test]
fn an_unreachable_old_instance_does_not_hold_an_upgrade_up() {
    let mut world = World::new(3);
    let spec = app("/web", 3).unreachable(300, 600);
    world.put([spec.clone()]);
    let agent = world.tasks[&world.live("/web")[0]].agent;
    world.lose_agent(agent);
    assert_eq!(world.count("/web", Condition::Unreachable), 1);
    world.put([spec.runs("serve 2")]);
    world.pass(secs(10));
    assert!(world.state().deployments.is_empty(), "{}", world.why());
    world.find_agent(agent);
    assert_eq!(world.commands("/web"), commands([("serve 2", 3)]), "what came back late was killed");
}

#[test]
fn a_restart_replaces_instances_of_an_unchanged_definition() {
    let mut world = World::new(2);
    world.put([app("/web", 2)]);
    let old = world.live("/web");
    world.change(TreeChange::RestartApp(path("/web"))).unwrap();
    world.pass(secs(5));
    let new = world.live("/web");
    assert_eq!(new.len(), 2);
    assert!(old.iter().all(|task| !new.contains(task)));
}

#[test]
fn asking_for_what_is_already_so_succeeds_at_once_and_stores_nothing() {
    let mut world = World::new(1);
    world.put([app("/web", 1)]);
    let (before, stored) = (world.events.len(), world.stored.clone());
    world.put([app("/web", 1)]);
    assert_eq!(world.since(before), ["changed /", "deployed"]);
    assert_eq!((world.stored.roots.len(), world.stored.versions.len()), (stored.roots.len(), stored.versions.len()));
}

#[test]
fn until_its_turn_comes_an_app_stays_as_it_was() {
    let mut world = World::new(3);
    world.put([app("/db", 1), app("/web", 2).depends_on("/db")]);
    world.pass(secs(1));
    world.manners.start = false;
    world.put([app("/db", 1).runs("serve 2"), app("/web", 4).depends_on("/db").runs("serve 2")]);
    let task = world.live("/web")[0].clone();
    world.manners.start = true;
    // The web is kept at two although its turn has not come: one of it is out of reach.
    let agent = world.tasks[&task].agent;
    world.manners.start = true;
    world.lose_agent(agent);
    world.pass(secs(2));
    let story = world.story();
    assert!(story.contains("step Restart /db"), "{story}");
    for task in world.live("/db") {
        if world.tasks[&task].state == substrate_core::protocol::task::TaskState::TaskStaging
            && world.tasks[&task].agent != agent
        {
            world.tell(&task, substrate_core::protocol::task::TaskState::TaskRunning);
        }
    }
    world.pass(secs(10));
    assert!(world.state().deployments.is_empty(), "{}\n{}", world.why(), world.story());
    assert_eq!(world.commands("/web").get("serve 2"), Some(&4));
}

#[test]
fn kill_and_scale_takes_the_instances_that_were_named() {
    let mut world = World::new(2);
    world.put([app("/web", 4)]);
    let victims: std::collections::BTreeSet<_> =
        [0, 2].map(|index| world.instances("/web")[index].id.clone()).into_iter().collect();
    world.change(TreeChange::KillAndScale(victims.clone())).unwrap();
    assert_eq!(world.state().root.apps[&path("/web")].spec.instances, 2);
    let left = world.instances("/web");
    assert_eq!(left.len(), 2);
    assert!(left.iter().all(|instance| !victims.contains(&instance.id)));
}

#[test]
fn a_group_of_independent_apps_comes_up_together() {
    let mut world = World::new(3);
    let answer = world.change(put((0..8).map(|number| app(&format!("/g/a{number}"), 1)))).unwrap();
    assert!(matches!(answer, Accepted::Deployment { .. }));
    assert!(world.state().deployments.is_empty());
    world.change(TreeChange::DeleteGroup(path("/g"))).unwrap();
    assert!(world.state().instances.is_empty() && world.state().root.apps.is_empty());
    assert_eq!(world.state().root.groups.keys().cloned().collect::<Vec<_>>(), [PathId::root()]);
}

#[test]
fn undoing_an_upgrade_is_not_blocked_by_what_it_undoes() {
    // Every agent holds an instance of the version that is undone, and none may go before another one is up.
    let mut world = World::new(3);
    let mut spec = app("/web", 3).upgrades(1.0, 1.0);
    spec.constraints
        .push(crate::spec::Constraint { field: "hostname".into(), operator: crate::spec::Operator::Unique });
    world.put([spec.clone()]);
    let mut next = spec.runs("serve 2").checked();
    next.health_checks[0].grace_period = secs(3600);
    world.manners.sick.insert("serve 2".into());
    world.broken.insert(path("/web"), 3);
    let id = world.put([next]);
    world.pass(secs(5));
    assert_eq!(world.commands("/web"), commands([("serve 1", 3), ("serve 2", 3)]));
    let mut old = world.live("/web");
    old.retain(|task| format!("{:?}", world.tasks[task].info).contains("serve 1"));
    for task in old {
        world.fail(&task);
    }
    world.ask(Command::CancelDeployment { id, force: false }).unwrap();
    world.pass(secs(10));
    assert_eq!(world.commands("/web"), commands([("serve 1", 3)]), "{}", world.why());
    assert!(world.state().deployments.is_empty());
}
