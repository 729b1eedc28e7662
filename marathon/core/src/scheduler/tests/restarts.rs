//! The scheduler ends and begins again, at every point of a story and at random ones.

use proptest::prelude::*;
use substrate_core::protocol::task::TaskState;

use super::world::{World, app, path, secs};
use crate::{
    instance::Condition,
    scheduler::{Command, TreeChange},
};

#[test]
fn an_unfinished_deployment_goes_on_after_a_restart_at_any_point() {
    for stop in 0..40 {
        let mut world = World::new(3);
        world.put([app("/db", 1).checked(), app("/web", 4).upgrades(0.5, 0.25).checked().depends_on("/db")]);
        world.pass(secs(5));
        world.manners.start = false;
        world.manners.die = false;
        world.put([
            app("/db", 1).checked().runs("serve 2"),
            app("/web", 4).upgrades(0.5, 0.25).checked().depends_on("/db").runs("serve 2"),
        ]);
        for turn in 0..40 {
            if turn == stop {
                let before = world.events.len();
                world.restart();
                let told = world.since(before);
                assert!(!told.iter().any(|line| line.starts_with("step") || line.starts_with("check+")), "{told:?}");
            }
            one_task_moves_on(&mut world);
            world.pass(secs(1));
        }
        world.manners.start = true;
        world.manners.die = true;
        world.pass(secs(60));
        assert!(world.state().deployments.is_empty(), "stopped at {stop}: {}\n{}", world.why(), world.story());
        assert_eq!(world.commands("/web").get("serve 2"), Some(&4), "stopped at {stop}");
        assert_eq!((world.live("/web").len(), world.live("/db").len()), (4, 1));
        let steps = world.since(0).iter().filter(|line| line.starts_with("step Restart")).count();
        assert_eq!(steps, 2, "no step is begun twice");
    }
}

fn one_task_moves_on(world: &mut World) {
    let moving = world.tasks.iter().find_map(|(id, task)| {
        if task.state == TaskState::TaskStaging {
            Some((id.clone(), TaskState::TaskRunning))
        } else {
            (task.state == TaskState::TaskRunning && task.kills > 0).then(|| (id.clone(), TaskState::TaskKilled))
        }
    });
    if let Some((task, state)) = moving {
        world.tell(&task, state);
    }
}

#[test]
fn decommissioned_instances_are_killed_again_after_a_restart() {
    let mut world = World::new(1);
    world.put([app("/web", 2)]);
    world.manners.die = false;
    world.change(TreeChange::DeleteApp(path("/web"))).unwrap();
    world.manners.die = true;
    world.restart();
    assert_eq!(world.live("/web").len(), 0);
    assert!(world.state().deployments.is_empty());
    assert_eq!(world.since(0).iter().filter(|line| *line == "terminated /web").count(), 1);
}

#[test]
fn a_kill_that_was_promised_is_carried_out_by_the_next_scheduler() {
    let mut world = World::new(1);
    world.put([app("/web", 1)]);
    let (instance, task) = (world.instances("/web")[0].id.clone(), world.live("/web")[0].clone());
    world.manners.die = false;
    world.ask(Command::KillInstances { instances: [instance].into(), wipe: false }).unwrap();
    world.manners.die = true;
    world.restart();
    world.pass(secs(5));
    assert!(world.tasks[&task].state.is_terminal());
    assert_eq!(world.live("/web").len(), 1);
}

#[test]
fn a_launch_that_was_stored_but_never_sent_is_made_again() {
    let mut world = World::new(1);
    world.manners.offer = false;
    world.put([app("/web", 1)]);
    // As if the process had ended between the commit and the call.
    world.manners.offer = true;
    world.settle();
    let task = world.live("/web")[0].clone();
    world.tasks.remove(&task);
    let mut stored = world.stored.clone();
    let mut instance = (*stored.instances[0]).clone();
    instance.condition = Condition::Provisioned;
    instance.health.clear();
    let told = instance.task.as_mut().unwrap();
    (told.state, told.started_at) = (None, None);
    stored.instances[0] = instance.into();
    world.stored = stored;
    let config = world.config.clone();
    let seeds = crate::scheduler::Seeds { instances: 91, deployments: 92, ports: 93 };
    world.scheduler = crate::scheduler::Scheduler::new(config, world.stored.clone(), seeds, world.now);
    world.pass(secs(5));
    assert_eq!(world.live("/web").len(), 1);
    assert_eq!(world.instances("/web")[0].incarnation, 2);
}

#[test]
fn a_deployment_that_refers_to_what_is_missing_is_dropped_alone() {
    let mut world = World::new(2);
    world.put([app("/a", 1), app("/b", 1)]);
    world.manners.offer = false;
    world.put([app("/a", 1).runs("serve 2")]);
    world.put([app("/b", 2)]);
    let mut stored = world.stored.clone();
    let broken =
        stored.deployments.iter_mut().find(|deployment| deployment.plan.affected().contains(&path("/a"))).unwrap();
    std::sync::Arc::make_mut(broken).step = 7;
    let seeds = crate::scheduler::Seeds { instances: 91, deployments: 92, ports: 93 };
    world.stored = stored;
    world.scheduler = crate::scheduler::Scheduler::new(world.config.clone(), world.stored.clone(), seeds, world.now);
    let before = world.events.len();
    world.input(crate::scheduler::Input::Wakeup);
    assert!(
        world.since(before)[0].starts_with("failed: the deployment cannot be resumed"),
        "{:?}",
        world.since(before)
    );
    assert_eq!((world.state().deployments.len(), world.stored.deployments.len()), (1, 1));
    world.manners.offer = true;
    world.pass(secs(30));
    assert_eq!((world.live("/b").len(), world.live("/a").len()), (2, 1));
    assert!(world.state().deployments.is_empty() && world.state().locks.is_empty());
}

#[test]
fn an_instance_whose_version_is_missing_goes_on_with_the_newest_or_is_forgotten() {
    let mut world = World::new(2);
    world.put([app("/a", 1), app("/b", 1)]);
    let b = world.live("/b")[0].clone();
    let mut stored = world.stored.clone();
    for instance in &mut stored.instances {
        if instance.id.spec == path("/a") {
            std::sync::Arc::make_mut(instance).version = marathon_time::Timestamp::from_millis(5);
        }
    }
    stored.versions.retain(|version| version.spec.id != path("/b"));
    let seeds = crate::scheduler::Seeds { instances: 91, deployments: 92, ports: 93 };
    world.stored = stored;
    world.scheduler = crate::scheduler::Scheduler::new(world.config.clone(), world.stored.clone(), seeds, world.now);
    world.pass(secs(5));
    assert_eq!(world.instances("/a")[0].version, world.state().root.apps[&path("/a")].version);
    assert_eq!(world.live("/a").len(), 1);
    assert!(world.tasks[&b].state.is_terminal() && world.instances("/b").is_empty());
}

/// What can happen in a random story.
#[derive(Clone, Debug)]
enum Turn {
    Put { instances: u32, version: u8, min: f64, over: f64 },
    Fail(usize),
    Kill(usize),
    Lose(usize),
    Find(usize),
    Restart,
    Disconnect,
    Pass(u64),
    Cancel { force: bool },
    Delete,
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let share = prop_oneof![Just(0.0), Just(0.5), Just(1.0), 0.0..=1.0];
    let share2 = prop_oneof![Just(0.0), Just(0.25), Just(1.0), 0.0..=1.0];
    let turn = prop_oneof![
        5 => (0..6u32, 0..3u8, share, share2).prop_map(|(instances, version, min, over)| Turn::Put { instances, version, min, over }),
        2 => (0..8usize).prop_map(Turn::Fail),
        1 => (0..8usize).prop_map(Turn::Kill),
        1 => (0..3usize).prop_map(Turn::Lose),
        2 => (0..3usize).prop_map(Turn::Find),
        2 => Just(Turn::Restart),
        1 => Just(Turn::Disconnect),
        5 => (0..20u64).prop_map(Turn::Pass),
        1 => any::<bool>().prop_map(|force| Turn::Cancel { force }),
        1 => Just(Turn::Delete),
    ];
    proptest::collection::vec(turn, 1..25)
}

fn take(world: &mut World, turn: &Turn) {
    match turn {
        Turn::Put { instances, version, min, over } => {
            let spec = app("/web", *instances)
                .runs(&format!("serve {version}"))
                .upgrades(*min, *over)
                .checked()
                .unreachable(5, 20);
            // What a forced change finds may be less than the new minimum.
            world.broken.insert(path("/web"), 1000);
            world.force([spec]);
        }
        Turn::Fail(index) => {
            if let Some(task) =
                world.live("/web").get(*index).cloned().filter(|task| !world.lost.contains(&world.tasks[task].agent))
            {
                world.fail(&task);
            }
        }
        Turn::Kill(index) => {
            if let Some(instance) = world.instances("/web").get(*index) {
                let command = Command::KillInstances { instances: [instance.id.clone()].into(), wipe: index % 2 == 0 };
                world.ask(command).unwrap();
            }
        }
        Turn::Lose(agent) => world.lose_agent(*agent),
        Turn::Find(agent) => world.find_agent(*agent),
        Turn::Restart => world.restart(),
        Turn::Disconnect => world.disconnect(),
        Turn::Pass(seconds) => world.pass(secs(*seconds)),
        Turn::Cancel { force } => {
            if let Some(id) = world.state().deployments.keys().next().copied() {
                let _ = world.ask(Command::CancelDeployment { id, force: *force });
            }
        }
        Turn::Delete => {
            let change = TreeChange::DeleteApp(path("/web"));
            let _ = world.ask(Command::Change { change, force: true, dry_run: false, origin: None });
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, max_shrink_iters: 2000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_world_becomes_what_was_asked_for(turns in turns()) {
        let mut world = World::new(3);
        for turn in &turns {
            take(&mut world, turn);
        }
        for agent in 0..3 {
            world.find_agent(agent);
        }
        world.pass(secs(400));
        let state = world.state();
        prop_assert!(state.deployments.is_empty(), "{}", world.why());
        let wanted = state.root.apps.get(&path("/web")).map_or(0, |app| app.spec.instances as usize);
        prop_assert_eq!(world.live("/web").len(), wanted, "{}", world.story());
        prop_assert_eq!(world.instances("/web").len(), wanted);
        prop_assert!(world.instances("/web").iter().all(|instance| instance.condition == Condition::Running));
    }
}
