use std::{collections::BTreeMap, time::Duration};

use health_core::{Check, PortRef, Protocol};
use marathon_time::Timestamp;
use proptest::prelude::*;
use substrate_core::{
    protocol::{AgentId, TaskId, offer::AgentAddress, task::Run},
    resources::Scalar,
};
use uuid::Uuid;

use super::*;
use crate::{
    deployment::limits,
    instance::{Condition, Task},
    spec::{AppSpec, Backoff, KillSelection, Needs, UnreachableStrategy, UpgradeStrategy},
};

const OLDEST: i64 = 1_000;
const OLD: i64 = 2_000;
const NEW: i64 = 3_000;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn version(version: i64, instances: u32, min: f64, over: f64) -> App {
    let check = Check {
        protocol: Protocol::Tcp { port: PortRef::Index(0) },
        grace_period: Duration::ZERO,
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        delay: Duration::ZERO,
        max_consecutive_failures: 3,
        ignore_http_1xx: false,
    };
    let spec = AppSpec {
        id: "/web".parse().unwrap(),
        run: Run::Shell("serve".into()),
        user: None,
        env: BTreeMap::new(),
        instances,
        resources: Needs { cpus: Scalar::ZERO, mem: Scalar::ZERO, disk: Scalar::ZERO },
        constraints: Vec::new(),
        fetch: Vec::new(),
        ports: Vec::new(),
        require_ports: false,
        backoff: Backoff { initial: Duration::ZERO, factor: 1.0, max: Duration::ZERO },
        kill_grace: None,
        dependencies: BTreeSet::new(),
        upgrade: UpgradeStrategy { minimum_health_capacity: min, maximum_over_capacity: over },
        labels: BTreeMap::new(),
        health_checks: vec![check],
        unreachable: UnreachableStrategy::Disabled,
        kill_selection: KillSelection::YoungestFirst,
    };
    let version = at(version);
    App { spec: Arc::new(spec), version, last_scaling_at: version, last_config_change_at: version }
}

fn instance(number: u128, version: i64, standing: Standing) -> Instance {
    let id = InstanceId { spec: "/web".parse().unwrap(), uuid: Uuid::from_u128(number) };
    let mut instance = Instance::scheduled(id, at(version), at(number as i64));
    let (goal, condition) = match standing {
        Standing::Waiting => (Goal::Running, Condition::Failed),
        Standing::Starting => (Goal::Running, Condition::Starting),
        Standing::Unready | Standing::Ready => (Goal::Running, Condition::Running),
        Standing::Unreachable => (Goal::Running, Condition::Unreachable),
        Standing::Inactive => (Goal::Running, Condition::UnreachableInactive),
        Standing::Ending => (Goal::Decommissioned, Condition::Running),
    };
    (instance.goal, instance.condition, instance.incarnation) = (goal, condition, 1);
    let mut health = health_core::State::default();
    if standing == Standing::Ready {
        health.last_success = Some(at(1));
    }
    instance.health = vec![health];
    instance.task = Some(Task {
        id: TaskId::new(format!("{}._app.1", instance.id)),
        agent_id: AgentId::new("S1"),
        host: "h".into(),
        agent_address: AgentAddress { ip: "127.0.0.1".into(), port: 5051 },
        domain: None,
        attributes: Vec::new(),
        ports: Vec::new(),
        ip_addresses: Vec::new(),
        staged_at: at(number as i64),
        started_at: Some(at(number as i64)),
        state: None,
        agent_health: None,
        unreachable_since: None,
        kill_requested_at: None,
    });
    instance
}

/// Instances of a spec that follow what [`reconcile`] says.
struct Set {
    apps: BTreeMap<i64, App>,
    instances: OrdMap<InstanceId, Arc<Instance>>,
    next: u128,
}

impl Set {
    fn new(app: &App) -> Self {
        let mut apps: BTreeMap<i64, App> =
            [OLDEST, OLD].into_iter().map(|number| (number, version(number, 1, 1.0, 1.0))).collect();
        apps.insert(NEW, app.clone());
        Self { apps, instances: OrdMap::new(), next: 1 }
    }

    fn add(&mut self, version: i64, standing: Standing) {
        let instance = instance(self.next, version, standing);
        self.next += 1;
        self.instances.insert(instance.id.clone(), Arc::new(instance));
    }

    fn census(&self) -> Census {
        let mut census = Census::default();
        for instance in self.instances.values() {
            census.add(instance, self.apps.get(&instance.version.as_millis()));
        }
        census
    }

    fn moves(&self, target: &Target<'_>) -> Moves {
        reconcile(target, InstanceSet { instances: &self.instances, census: &self.census() })
    }

    fn follow(&mut self, moves: &Moves) {
        for _ in 0..moves.start {
            self.add(NEW, Standing::Waiting);
        }
        for id in &moves.kill {
            let mut instance = Instance::clone(&self.instances[id]);
            assert_eq!(instance.goal, Goal::Running, "nobody is let go twice");
            instance.goal = Goal::Decommissioned;
            if instance.has_live_task() {
                self.instances.insert(id.clone(), Arc::new(instance));
            } else {
                self.instances.remove(id);
            }
        }
    }

    /// One instance gets further: ends if it must, is launched, runs, becomes healthy. False: none can.
    fn one_gets_further(&mut self, choice: usize) -> bool {
        let census = self.census();
        let moving: Vec<_> = self
            .instances
            .values()
            .filter(|instance| match census.standing(instance) {
                Standing::Ending => true,
                Standing::Waiting | Standing::Starting => instance.version == at(NEW),
                Standing::Unready => instance.version == at(NEW),
                Standing::Ready | Standing::Unreachable | Standing::Inactive => false,
            })
            .cloned()
            .collect();
        if moving.is_empty() {
            return false;
        }
        let chosen = &moving[choice % moving.len()];
        let mut next = Instance::clone(chosen);
        match census.standing(chosen) {
            Standing::Ending => {
                self.instances.remove(&chosen.id);
                return true;
            }
            Standing::Waiting => next.condition = Condition::Starting,
            Standing::Starting => next.condition = Condition::Running,
            Standing::Unready => next.health[0].last_success = Some(at(1)),
            Standing::Ready | Standing::Unreachable | Standing::Inactive => unreachable!(),
        }
        self.instances.insert(next.id.clone(), Arc::new(next));
        true
    }

    fn ready(&self) -> u32 {
        self.census().total().of(Standing::Ready)
    }

    /// All that hold capacity: the new ones, and old ones that are up.
    fn total(&self) -> u32 {
        let (new, old) = self.census().by_config(at(NEW));
        new.held() + new.of(Standing::Ending) + old.live()
    }
}

fn standings() -> impl Strategy<Value = Vec<(i64, Standing)>> {
    let version = prop_oneof![1 => Just(OLDEST), 4 => Just(OLD), 2 => Just(NEW)];
    let standing = prop_oneof![
        1 => Just(Standing::Waiting),
        1 => Just(Standing::Starting),
        2 => Just(Standing::Unready),
        6 => Just(Standing::Ready),
        1 => Just(Standing::Inactive),
        1 => Just(Standing::Ending),
    ];
    proptest::collection::vec((version, standing), 0..14)
}

fn share() -> impl Strategy<Value = f64> {
    prop_oneof![Just(0.0), Just(0.5), Just(1.0), Just(0.2), 0.0..=1.0]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn an_upgrade_keeps_its_limits_from_every_state_and_always_ends(
        standings in standings(), target in 0..9u32, min in share(), over in share(),
        choices in proptest::collection::vec(any::<usize>(), 1..20),
    ) {
        let app = version(NEW, target, min, over);
        let (floor, ceiling) = (limits::min_healthy(target, &app.spec.upgrade), limits::max_capacity(target, &app.spec.upgrade));
        let mut set = Set::new(&app);
        for (version, standing) in standings {
            set.add(version, standing);
        }
        let goal = Target::Replace { app: &app };
        for turn in 0..400 {
            let moves = set.moves(&goal);
            if moves.met {
                prop_assert_eq!((moves.start, moves.kill.len()), (0, 0));
                prop_assert_eq!(set.ready(), target);
                return Ok(());
            }
            let ready = set.ready();
            set.follow(&moves);
            prop_assert!(set.ready() >= ready.min(floor), "{} of {} ready, at least {}", set.ready(), ready, floor);
            if moves.start > 0 {
                prop_assert!(set.total() <= ceiling + 1, "{} exist, at most {} + 1", set.total(), ceiling);
                prop_assert!(set.total() <= ceiling || floor == ceiling);
            }
            let again = set.moves(&goal);
            let moved = set.one_gets_further(choices[turn % choices.len()]);
            prop_assert!(moved || !moves.kill.is_empty() || again != moves, "stuck at {:?}", set.census());
        }
        prop_assert!(false, "does not end: {:?}", set.census());
    }

    #[test]
    fn scaling_ends_with_the_number_that_was_asked_for(standings in standings(), target in 0..9u32) {
        let app = version(NEW, target, 1.0, 1.0);
        let mut set = Set::new(&app);
        for (version, standing) in standings {
            set.add(version, standing);
        }
        let nobody = BTreeSet::new();
        let goal = Target::Count { app: &app, sentenced: &nobody };
        for turn in 0..400 {
            let moves = set.moves(&goal);
            if moves.met {
                let held = set.census().total().held();
                prop_assert_eq!((moves.start, moves.kill.len(), held), (0, 0, target));
                return Ok(());
            }
            let ready = set.ready();
            set.follow(&moves);
            prop_assert!(set.ready() >= ready.min(target), "who is ready stays as long as others can go");
            set.one_gets_further(turn);
        }
        prop_assert!(false, "does not end: {:?}", set.census());
    }
}

#[test]
fn the_sentenced_go_whoever_else_would() {
    let app = version(NEW, 2, 1.0, 1.0);
    let mut set = Set::new(&app);
    for _ in 0..4 {
        set.add(NEW, Standing::Ready);
    }
    set.add(NEW, Standing::Waiting);
    let oldest = set.instances.keys().next().unwrap().clone();
    let sentenced = BTreeSet::from([oldest.clone()]);
    let goal = Target::Count { app: &app, sentenced: &sentenced };
    let moves = set.moves(&goal);
    assert!(moves.kill.contains(&oldest) && moves.kill.len() == 3, "{moves:?}");
    set.follow(&moves);
    assert_eq!(set.moves(&goal), Moves::default(), "waits for them to end");
    while set.one_gets_further(0) {}
    assert!(set.moves(&goal).met);
}

#[test]
fn planning_twice_changes_nothing() {
    let app = version(NEW, 4, 0.5, 0.25);
    let mut set = Set::new(&app);
    for _ in 0..4 {
        set.add(OLD, Standing::Ready);
    }
    let goal = Target::Replace { app: &app };
    let moves = set.moves(&goal);
    assert_eq!((moves.start, moves.kill.len()), (1, 2));
    set.follow(&moves);
    assert_eq!(set.moves(&goal), Moves::default());
}

#[test]
fn what_is_no_longer_wanted_goes_completely() {
    let app = version(NEW, 4, 0.5, 0.25);
    let mut set = Set::new(&app);
    for standing in [Standing::Ready, Standing::Waiting, Standing::Inactive, Standing::Ending] {
        set.add(OLD, standing);
    }
    let moves = set.moves(&Target::Nothing);
    assert_eq!((moves.kill.len(), moves.met), (3, false));
    set.follow(&moves);
    while set.one_gets_further(0) {}
    assert!(set.moves(&Target::Nothing).met);
}
