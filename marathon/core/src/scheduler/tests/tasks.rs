//! Tasks that fail, hang, get lost and come back.

use std::time::Duration;

use substrate_core::protocol::{
    scheduler::{Call, Event as MasterEvent},
    task::{Reason, Source, TaskState},
};

use super::world::{World, app, path, secs};
use crate::{instance::Condition, scheduler::Input, spec::UnreachableStrategy};

#[test]
fn a_failed_task_is_relaunched_under_its_instance_after_the_back_off() {
    let mut world = World::new(1);
    world.put([app("/web", 1)]);
    let (instance, before) = (world.instances("/web")[0].id.clone(), world.events.len());
    world.fail(&world.live("/web")[0].clone());
    assert_eq!(world.since(before), ["su /web#01 .1 TASK_FAILED", "ic /web#01 Failed"]);
    world.pass(secs(2));
    let expected = ["ic /web#01 Provisioned", "su /web#01 .2 TASK_RUNNING", "ic /web#01 Running"].map(String::from);
    assert_eq!(world.since(before + 2), expected);
    assert_eq!(world.instances("/web")[0].id, instance);
    assert_eq!(world.state().failures[&path("/web")].state, TaskState::TaskFailed);
}

#[test]
fn a_crashing_app_is_launched_ever_more_rarely() {
    let mut world = World::new(1);
    world.manners.crash.insert("serve 1".into());
    world.put([app("/web", 1)]);
    let begin = world.now;
    world.pass(secs(8));
    let launched: Vec<u64> = world
        .events
        .iter()
        .filter(|record| {
            matches!(record.event, crate::event::Event::InstanceChanged { condition: Condition::Provisioned, .. })
        })
        .map(|record| record.at.since(begin).as_millis() as u64)
        .collect();
    let expected = [0, 1000, 2150, 3473, 4994, 6744];
    for (launched, expected) in launched.iter().zip(expected) {
        assert!((expected..expected + 100).contains(launched), "{launched} instead of {expected}");
    }
    assert_eq!(launched.len(), expected.len());
    let why = world.why();
    assert!(why.contains("/web waits for the back-off of 1 instance until") && why.contains("exit status 1"), "{why}");
    // Scaling keeps the delay, an upgrade begins without.
    world.force([app("/web", 2)]);
    assert_eq!(world.live("/web").len(), 0);
    world.broken.insert(path("/web"), 1);
    world.force([app("/web", 1).runs("serve 2")]);
    world.pass(secs(1));
    assert_eq!(world.live("/web").len(), 1);
}

#[test]
fn every_update_is_confirmed_even_if_it_says_nothing_new() {
    let mut world = World::new(1);
    world.put([app("/web", 1)]);
    let task = world.live("/web")[0].clone();
    world.calls.clear();
    let before = world.events.len();
    for _ in 0..3 {
        world.tell(&task, TaskState::TaskRunning);
    }
    let confirmed = world.calls.iter().filter(|call| matches!(call, Call::Acknowledge { .. })).count();
    assert_eq!((confirmed, world.events.len()), (3, before));
}

#[test]
fn a_task_of_nobody_is_killed_until_it_is_gone() {
    let mut world = World::new(1);
    world.put([app("/web", 1)]);
    let task = world.live("/web")[0].clone();
    let mut foreign = world.tasks[&task].clone();
    foreign.info.id = substrate_core::protocol::TaskId::new("web.instance-7c2a1e60-0f6d-11ea-8f5e-70b3d5800001._app.1");
    foreign.info.resources = substrate_core::resources::Resources::new();
    let id = foreign.info.id.clone();
    world.tasks.insert(id.clone(), foreign);
    world.manners.die = false;
    world.tell(&id, TaskState::TaskRunning);
    assert_eq!(world.tasks[&id].kills, 1);
    world.pass(secs(65));
    assert_eq!(world.tasks[&id].kills, 3, "again every 30 s");
    world.tell(&id, TaskState::TaskKilled);
    assert_eq!(world.since(world.events.len() - 1), ["unknown ? Killed"]);
    world.pass(secs(65));
    assert_eq!(world.tasks[&id].kills, 3);
    assert!(!world.tasks[&task].state.is_terminal());
}

#[test]
fn a_kill_is_repeated_until_the_task_is_gone() {
    let mut world = World::new(1);
    world.put([app("/web", 2)]);
    world.manners.die = false;
    world.put([app("/web", 1)]);
    let victim = world.tasks.iter().find(|(_, task)| task.kills > 0).map(|(id, _)| id.clone()).unwrap();
    world.pass(secs(65));
    assert_eq!(world.tasks[&victim].kills, 3);
    world.tell(&victim, TaskState::TaskKilled);
    world.pass(secs(65));
    assert_eq!(world.tasks[&victim].kills, 3);
    assert!(world.state().deployments.is_empty());
}

#[test]
fn a_launch_without_a_word_is_killed_before_it_is_tried_again() {
    let mut world = World::new(1);
    world.manners.start = false;
    world.manners.die = false;
    world.put([app("/web", 1)]);
    let task = world.live("/web")[0].clone();
    assert_eq!(world.instances("/web")[0].condition, Condition::Provisioned);
    world.tell_with(&task, TaskState::TaskStaging, |_| {});
    world.settle();
    world.pass(secs(299));
    assert_eq!(world.tasks[&task].kills, 0);
    world.pass(secs(2));
    assert_eq!((world.tasks[&task].kills, world.live("/web").len()), (1, 1));
    world.tell(&task, TaskState::TaskKilled);
    world.pass(secs(1));
    assert_eq!((world.live("/web").len(), world.instances("/web")[0].incarnation), (1, 2));
}

#[test]
fn a_launch_that_never_arrived_is_made_again_at_once() {
    let mut world = World::new(2);
    world.put([app("/web", 1)]);
    // The offers were rescinded meanwhile: the master drops what is launched with them.
    world.manners.start = false;
    world.force([app("/web", 2)]);
    let task = world.live("/web").into_iter().find(|task| world.tasks[task].state == TaskState::TaskStaging).unwrap();
    world.tasks.get_mut(&task).unwrap().state = TaskState::TaskDropped;
    let status = world.status(&task, TaskState::TaskDropped, Source::SourceMaster, Some(Reason::ReasonInvalidOffers));
    world.input(Input::Master(Box::new(MasterEvent::Update(status))));
    world.pass(Duration::from_millis(600));
    assert_eq!(world.live("/web").len(), 2);
}

#[test]
fn an_instance_out_of_reach_is_replaced_and_forgotten_as_its_app_says() {
    // inactive, expunge => replaced after, forgotten after (seconds)
    for (inactive, expunge) in [(0, 0), (0, 60), (30, 60)] {
        let mut world = World::new(2);
        world.put([app("/web", 1).unreachable(inactive, expunge)]);
        let agent = world.tasks[&world.live("/web")[0]].agent;
        world.lose_agent(agent);
        for second in 0..90 {
            let replaced = world.count("/web", Condition::Running) == 1;
            let kept =
                world.count("/web", Condition::Unreachable) + world.count("/web", Condition::UnreachableInactive) == 1;
            assert_eq!((replaced, kept), (second >= inactive, second < expunge), "{inactive}/{expunge} at {second}");
            world.pass(secs(1));
        }
        // The task is killed when its agent comes back.
        world.find_agent(agent);
        assert_eq!(world.live("/web").len(), 1);
        assert!(world.story().contains("unknown /web#01 Killed"));
    }
}

#[test]
fn an_instance_that_comes_back_in_time_is_taken_back_and_the_surplus_goes() {
    let mut world = World::new(2);
    world.put([app("/web", 1).unreachable(0, 600)]);
    let (first, agent) = (world.live("/web")[0].clone(), world.tasks[&world.live("/web")[0]].agent);
    world.pass(secs(1));
    world.lose_agent(agent);
    world.pass(secs(10));
    assert_eq!(world.live("/web").len(), 2);
    world.find_agent(agent);
    assert_eq!(world.live("/web"), [first], "the youngest goes");
}

#[test]
fn an_instance_whose_app_waits_for_ever_is_never_replaced() {
    let mut world = World::new(2);
    let mut spec = app("/web", 1);
    spec.unreachable = UnreachableStrategy::Disabled;
    world.put([spec]);
    let task = world.live("/web")[0].clone();
    let agent = world.tasks[&task].agent;
    world.lose_agent(agent);
    world.pass(secs(3600));
    assert_eq!(world.instances("/web").len(), 1);
    // Nor does it hold up its own deletion.
    world.change(crate::scheduler::TreeChange::DeleteApp(path("/web"))).unwrap();
    assert!(world.state().deployments.is_empty() && world.state().instances.is_empty());
    world.find_agent(agent);
    assert!(world.tasks[&task].state.is_terminal());
}

#[test]
fn a_task_that_the_master_does_not_know_is_replaced_and_killed_if_it_shows_up() {
    let mut world = World::new(2);
    world.put([app("/web", 1)]);
    let task = world.live("/web")[0].clone();
    let status = world.status(&task, TaskState::TaskUnknown, Source::SourceMaster, Some(Reason::ReasonReconciliation));
    world.input(Input::Master(Box::new(MasterEvent::Update(status))));
    world.pass(secs(1));
    assert_eq!(world.instances("/web")[0].incarnation, 2);
    world.tell(&task, TaskState::TaskRunning);
    assert!(world.tasks[&task].state.is_terminal());
    assert_eq!(world.live("/web").len(), 1);
}

#[test]
fn offers_are_asked_for_only_while_something_waits() {
    let mut world = World::new(1);
    let demands = |world: &World| {
        let name = |call: &Call| match call {
            Call::Revive { .. } => Some("revive"),
            Call::Suppress { .. } => Some("suppress"),
            Call::Subscribe { .. }
            | Call::Teardown
            | Call::Accept { .. }
            | Call::Decline { .. }
            | Call::Kill { .. }
            | Call::Acknowledge { .. }
            | Call::Reconcile { .. } => None,
        };
        world.calls.iter().filter_map(name).collect::<Vec<_>>()
    };
    world.calls.clear();
    world.put([app("/web", 1)]);
    assert_eq!(demands(&world), ["revive", "suppress"]);
    world.calls.clear();
    let mut large = app("/large", 1);
    large.resources.cpus = substrate_core::resources::Scalar::from_units(100);
    world.put([large]);
    world.pass(secs(100));
    assert_eq!(demands(&world)[0], "revive");
    assert!(!demands(&world).contains(&"suppress"));
    let why = world.why();
    assert!(
        why.starts_with("/large waits for an offer for 1 instance: of ") && why.contains("InsufficientCpus"),
        "{why}"
    );
    // A second app is served although the first one still waits.
    world.put([app("/small", 1)]);
    world.pass(secs(1));
    assert_eq!(world.live("/small").len(), 1);
}

#[test]
fn offers_are_not_asked_for_more_often_than_configured() {
    let mut world = World::with(1, crate::scheduler::Config::default());
    world.calls.clear();
    for number in 0..5 {
        world.put([app(&format!("/a{number}"), 1)]);
    }
    let revives = |world: &World| world.calls.iter().filter(|call| matches!(call, Call::Revive { .. })).count();
    assert_eq!(revives(&world), 1, "the first at once");
    world.pass(Duration::from_millis(499));
    assert_eq!(revives(&world), 1);
    world.pass(Duration::from_millis(1));
    assert_eq!(revives(&world), 2);
    assert!(world.state().deployments.is_empty());
}

#[test]
fn an_absurd_number_of_instances_is_approached_step_by_step() {
    let mut world = World::new(0);
    world.scheduler.step(
        world.now,
        Input::Command(
            crate::scheduler::Ticket(1),
            Box::new(crate::scheduler::Command::Change {
                change: super::world::put([app("/web", 4_000_000_000)]),
                force: false,
                dry_run: false,
                origin: None,
            }),
        ),
        &mut crate::scheduler::Output::default(),
    );
    assert_eq!(world.instances("/web").len(), 10_000);
}
