//! Health checks, whoever runs them.

use health_core::{Check, Protocol};
use substrate_core::protocol::task::{TaskState, TaskStatus};

use super::world::{World, app, http_check, path, secs};
use crate::{instance::Condition, scheduler::ProbeTarget};

#[test]
fn an_unhealthy_instance_is_killed_and_comes_back() {
    let mut world = World::new(1);
    world.put([app("/web", 1).checked()]);
    world.pass(secs(3));
    let task = world.live("/web")[0].clone();
    let before = world.events.len();
    world.manners.sick.insert(task.as_str().to_owned());
    world.pass(secs(7));
    let expected = [
        "check failed /web#01",
        "alive /web#01 false",
        "health /web#01 Some(false)",
        "check failed /web#01",
        "check failed /web#01",
        "unhealthy /web#01: 503 Service Unavailable",
        "su /web#01 .1 TASK_KILLED",
        "ic /web#01 Killed",
        "ic /web#01 Provisioned",
        "su /web#01 .2 TASK_RUNNING",
        "ic /web#01 Running",
        "alive /web#01 true",
        "health /web#01 Some(true)",
    ];
    assert_eq!(world.since(before), expected);
    let failure = world.state().failures[&path("/web")].clone();
    assert_eq!((failure.state, failure.task.clone()), (TaskState::TaskKilled, task));
    assert!(failure.message.ends_with("503 Service Unavailable"));
}

#[test]
fn failures_in_the_grace_period_leave_no_trace() {
    let mut world = World::new(1);
    world.manners.sick.insert("serve 1".into());
    world.put([app("/web", 1).checked()]);
    let before = world.events.len();
    world.pass(secs(9));
    assert_eq!(world.since(before), Vec::<String>::new());
    assert_eq!(world.instances("/web")[0].health(), None);
    world.pass(secs(10));
    assert!(world.story().contains("unhealthy /web#01"));
}

#[test]
fn a_check_that_never_kills_only_tells() {
    let mut world = World::new(1);
    let mut spec = app("/web", 1).checked();
    spec.health_checks[0].max_consecutive_failures = 0;
    world.put([spec]);
    world.pass(secs(3));
    world.manners.sick.insert("serve 1".into());
    world.pass(secs(60));
    assert_eq!((world.instances("/web")[0].incarnation, world.instances("/web")[0].health()), (1, Some(false)));
}

#[test]
fn an_instance_out_of_reach_is_not_killed_for_its_health() {
    let mut world = World::new(1);
    world.put([app("/web", 1).checked().unreachable(600, 600)]);
    world.pass(secs(3));
    world.lose_agent(0);
    world.manners.sick.insert("serve 1".into());
    let probes = world.probes.len();
    world.pass(secs(60));
    assert_eq!((world.probes.len(), world.count("/web", Condition::Unreachable)), (probes, 1));
}

#[test]
fn what_the_agents_check_says_counts_like_a_probe() {
    let mut world = World::new(1);
    let mut spec = app("/web", 1);
    spec.health_checks = vec![Check { protocol: Protocol::Command { command: "true".into() }, ..http_check() }];
    world.put([spec.clone()]);
    world.pass(secs(60));
    assert!(world.probes.is_empty() && !world.state().deployments.is_empty(), "only the agent can know");
    let task = world.live("/web")[0].clone();
    assert_eq!(world.tasks[&task].info.health_check, Some(spec.health_checks[0].clone()));
    let before = world.events.len();
    world.tell_with(&task, TaskState::TaskRunning, |status| status.healthy = Some(true));
    world.settle();
    let expected = [
        "su /web#01 .1 TASK_RUNNING",
        "alive /web#01 true",
        "health /web#01 Some(true)",
        "done Scale /web",
        "deployed",
    ];
    assert_eq!(world.since(before), expected);
    world.tell_with(&task, TaskState::TaskRunning, |status| status.healthy = Some(false));
    world.settle();
    assert_eq!(world.instances("/web")[0].health(), Some(false));
}

#[test]
fn a_task_that_its_agent_killed_for_its_health_is_the_last_failure() {
    let mut world = World::new(1);
    let mut spec = app("/web", 1);
    spec.health_checks = vec![Check { protocol: Protocol::Command { command: "true".into() }, ..http_check() }];
    world.put([spec]);
    world.pass(secs(5));
    let task = world.live("/web")[0].clone();
    let unhealthy = |cause: &'static str| {
        move |status: &mut TaskStatus| (status.healthy, status.message) = (Some(false), cause.to_owned())
    };
    world.tell_with(&task, TaskState::TaskKilling, unhealthy("Command exited with status 1"));
    world.tell_with(&task, TaskState::TaskKilled, unhealthy("Command terminated with signal SIGTERM"));
    world.settle();
    let failure = world.state().failures[&path("/web")].clone();
    assert_eq!((&failure.task, failure.state), (&task, TaskState::TaskKilled));
    assert_eq!(failure.message, "Task was killed since health check failed. Reason: Command exited with status 1");
    world.pass(secs(5));
    assert_ne!(world.live("/web"), [task], "another incarnation runs");
}

#[test]
fn probes_that_are_never_answered_count_as_failures() {
    let mut world = World::new(1);
    world.put([app("/web", 1).checked()]);
    world.pass(secs(3));
    world.manners.probe = false;
    world.pass(secs(30));
    assert!(world.story().contains("unhealthy /web#01: no answer within 1 s"), "{}", world.story());
}

#[test]
fn results_outlive_the_scheduler() {
    let mut world = World::new(1);
    world.put([app("/web", 2).checked()]);
    world.pass(secs(3));
    world.manners.probe = false;
    world.restart();
    let healthy = world.instances("/web").iter().filter(|instance| instance.health() == Some(true)).count();
    assert_eq!(healthy, 2);
    world.manners.probe = true;
    let before = (world.probes.len(), world.events.len());
    world.pass(secs(5));
    assert!(world.probes.len() >= before.0 + 4);
    assert_eq!(world.events.len(), before.1, "{:?}", world.since(before.1));
}

#[test]
fn checks_of_a_version_are_announced_once_and_withdrawn_with_it() {
    let mut world = World::new(1);
    world.put([app("/web", 1).checked()]);
    world.pass(secs(3));
    world.restart();
    let mut next = app("/web", 1).checked().runs("serve 2");
    next.health_checks.push(http_check());
    world.put([next]);
    world.pass(secs(10));
    let told: Vec<_> =
        world.since(0).into_iter().filter(|line| line.starts_with("check") || line == "deployed").collect();
    let expected =
        ["check+ /web", "deployed", "check+ /web", "check+ /web", "deployed", "check- /web"].map(String::from);
    assert_eq!(told, expected);
}

#[test]
fn probes_go_to_the_port_that_the_task_was_given() {
    use crate::scheduler::{Effect, Input, Output};
    let mut world = World::new(1);
    world.manners.probe = false;
    world.put([app("/web", 1).checked()]);
    let port = world.instances("/web")[0].task.as_ref().unwrap().ports[0];
    let mut out = Output::default();
    let later = world.now + secs(60);
    world.scheduler.step(later, Input::Wakeup, &mut out);
    let later = later + secs(60);
    world.scheduler.step(later, Input::Wakeup, &mut out);
    let targets: Vec<_> = out
        .effects
        .into_iter()
        .filter_map(|effect| match effect {
            Effect::Probe { target, .. } => Some(target),
            Effect::Call(_) | Effect::Reply(..) | Effect::Halt { .. } => None,
        })
        .collect();
    let url = format!("http://node-0:{port}/up");
    assert_eq!(targets.first(), Some(&ProbeTarget::Http { url, ignore_http_1xx: false }));
}
