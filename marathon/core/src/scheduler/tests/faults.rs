//! The connection to the master, and clocks.

use std::time::Duration;

use substrate_core::protocol::{
    scheduler::{Call, Event as MasterEvent},
    task::TaskState,
};

use super::world::{World, app, secs};
use crate::scheduler::{Effect, Input, Output};

#[test]
fn a_lost_master_is_told_and_found_again() {
    let mut world = World::new(1);
    world.put([app("/web", 1)]);
    let before = world.events.len();
    world.disconnect();
    assert!(world.state().master.is_none());
    assert_eq!(world.since(before), ["disconnected"]);
    world.pass(secs(1));
    assert_eq!(world.since(before), ["disconnected", "reregistered"]);
    assert_eq!(world.live("/web").len(), 1);
}

#[test]
fn what_happened_unheard_is_found_out_at_the_next_subscription() {
    let mut world = World::new(2);
    world.put([app("/web", 3)]);
    let tasks = world.live("/web");
    world.disconnect();
    // One ended and nobody heard; one was never known to us.
    world.tasks.get_mut(&tasks[0]).unwrap().state = TaskState::TaskFailed;
    world.pass(secs(5));
    let live = world.live("/web");
    assert_eq!(live.len(), 3);
    assert!(!live.contains(&tasks[0]) && live.contains(&tasks[1]));
}

#[test]
fn a_silent_master_is_given_up() {
    let mut world = World::new(1);
    let later = world.now + secs(76);
    let mut out = Output::default();
    world.scheduler.step(later, Input::Wakeup, &mut out);
    assert!(world.state().master.is_none());
    world.scheduler.step(later + secs(1), Input::Wakeup, &mut out);
    let subscribed = out
        .effects
        .iter()
        .any(|effect| matches!(effect, Effect::Call(call) if matches!(**call, Call::Subscribe { .. })));
    assert!(subscribed);
}

#[test]
fn attempts_to_subscribe_become_rarer() {
    let mut world = World::new(0);
    world.disconnect();
    let begin = world.now;
    let mut attempts = Vec::new();
    for _ in 0..9 {
        world.now = world.scheduler.next_wakeup().unwrap();
        let mut out = Output::default();
        world.scheduler.step(world.now, Input::Wakeup, &mut out);
        attempts.push(world.now.since(begin).as_millis());
        world.scheduler.step(world.now, Input::MasterLost, &mut out);
    }
    assert_eq!(attempts, [100, 300, 700, 1500, 3100, 6300, 11300, 16300, 21300]);
}

#[test]
fn a_framework_that_was_removed_ends_the_process() {
    let mut world = World::new(0);
    world.input(Input::Master(Box::new(MasterEvent::Error { message: "Framework has been removed".into() })));
    assert_eq!(world.halted.as_deref(), Some("Framework has been removed"));
}

#[test]
fn the_framework_id_is_stored_before_it_is_used() {
    let mut world = World::new(0);
    assert_eq!(world.stored.framework_id, world.state().framework_id);
    world.restart();
    let first = world.calls.iter().rfind(|call| matches!(call, Call::Subscribe { .. })).unwrap().clone();
    let Call::Subscribe { framework, .. } = first else { unreachable!() };
    assert_eq!(framework.id, world.stored.framework_id);
    assert_eq!(world.since(0), ["registered", "registered"]);
}

#[test]
fn kills_asked_for_while_there_was_no_master_are_not_forgotten() {
    let mut world = World::new(1);
    world.put([app("/web", 2)]);
    world.disconnect();
    world.put([app("/web", 1)]);
    assert_eq!(world.live("/web").len(), 2);
    assert!(world.why().starts_with("/web waits for a master: none is connected"), "{}", world.why());
    world.pass(secs(1));
    assert_eq!(world.live("/web").len(), 1);
}

#[test]
fn a_clock_that_is_set_back_stops_nothing() {
    let mut world = World::new(1);
    world.put([app("/web", 1).checked()]);
    world.pass(secs(3));
    world.manners.crash.insert("serve 1".into());
    world.fail(&world.live("/web")[0].clone());
    world.now = world.now - Duration::from_secs(3600);
    world.manners.crash.clear();
    world.pass(secs(10));
    assert_eq!(world.live("/web").len(), 1);
    let probes = world.probes.len();
    world.pass(secs(10));
    assert!(world.probes.len() > probes + 2);
    assert_eq!(world.instances("/web")[0].health(), Some(true));
}

#[test]
fn a_deployment_rides_out_a_master_that_comes_and_goes() {
    let mut world = World::new(3);
    world.put([app("/web", 4).upgrades(0.5, 0.0).checked()]);
    world.pass(secs(5));
    world.put([app("/web", 4).upgrades(0.5, 0.0).checked().runs("serve 2")]);
    for _ in 0..5 {
        world.disconnect();
        world.pass(Duration::from_millis(700));
    }
    world.pass(secs(60));
    assert!(world.state().deployments.is_empty(), "{}", world.why());
}
