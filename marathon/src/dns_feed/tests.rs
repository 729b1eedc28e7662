use std::{collections::BTreeSet, time::Duration};

use dns::Settings;
use marathon_core::{
    id::TaskName,
    instance::Goal,
    spec::{App, Backoff, KillSelection, Needs, PortDefinition, UnreachableStrategy, UpgradeStrategy},
};
use substrate_core::{
    protocol::{FrameworkId, offer::AgentAddress, scheduler::MasterInfo, task::Run},
    resources::Scalar,
};

use super::*;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn feed() -> Feed {
    let zone = Zone::new(Settings::for_domain("mesos").unwrap(), 0);
    Feed::new(zone, "marathon".into(), vec![[127, 0, 0, 1].into()])
}

/// Records of the zone as lines; names with a task's hash in them are left out.
fn lines(feed: &Feed) -> BTreeSet<String> {
    let hashed = |name: &str| name.contains("-s1.") || name.contains("-s2.");
    let names = feed.zone.names().filter(|(name, _)| !hashed(name.as_str()));
    names.flat_map(|(name, records)| records.iter().map(move |data| format!("{name} {data}"))).collect()
}

fn has(feed: &Feed, line: &str) -> bool {
    lines(feed).contains(line)
}

fn app(id: &str) -> App {
    let port = PortDefinition {
        port: 10_000,
        protocol: "tcp,udp".into(),
        name: Some("http".into()),
        labels: Default::default(),
    };
    let spec = AppSpec {
        id: id.parse().unwrap(),
        run: Run::Shell("run".into()),
        user: None,
        env: Default::default(),
        instances: 2,
        resources: Needs { cpus: Scalar::from_units(1), mem: Scalar::from_units(1), disk: Scalar::ZERO },
        constraints: vec![],
        fetch: vec![],
        ports: vec![port],
        require_ports: false,
        backoff: Backoff { initial: Duration::ZERO, factor: 1.0, max: Duration::ZERO },
        kill_grace: None,
        dependencies: BTreeSet::new(),
        upgrade: UpgradeStrategy { minimum_health_capacity: 1.0, maximum_over_capacity: 1.0 },
        labels: Default::default(),
        health_checks: vec![],
        unreachable: UnreachableStrategy::Disabled,
        kill_selection: KillSelection::YoungestFirst,
    };
    App { spec: Arc::new(spec), version: at(1), last_scaling_at: at(1), last_config_change_at: at(1) }
}

/// Instance `number`, running on the agent of that number.
fn running(app: &str, number: u8) -> Instance {
    let id = InstanceId { spec: app.parse().unwrap(), uuid: uuid::Uuid::from_u128(number.into()) };
    Instance {
        goal: Goal::Running,
        version: at(1),
        incarnation: 1,
        condition: Condition::Running,
        since: at(2),
        scheduled_at: at(1),
        task: Some(instance::Task {
            id: TaskName { instance: id.clone(), incarnation: 1 }.task_id(),
            agent_id: AgentId::new(format!("m-S{number}")),
            host: format!("127.0.0.{number}"),
            agent_address: AgentAddress { ip: format!("127.0.0.{number}"), port: 5051 },
            domain: None,
            attributes: vec![],
            ports: vec![31_000 + u16::from(number)],
            ip_addresses: vec![],
            staged_at: at(1),
            started_at: Some(at(2)),
            state: None,
            agent_health: None,
            unreachable_since: None,
            kill_requested_at: None,
        }),
        health: vec![],
        id,
    }
}

fn put(state: &mut State, instance: Instance) {
    let instances = state.instances.entry(instance.id.spec.clone()).or_default();
    instances.insert(instance.id.clone(), Arc::new(instance));
}

fn state_with(instances: impl IntoIterator<Item = Instance>) -> State {
    let mut state = State::default();
    for instance in instances {
        let app = app(instance.id.spec.as_str());
        let versions = state.versions.entry(instance.id.spec.clone()).or_default();
        versions.insert(app.version, Arc::new(app));
        put(&mut state, instance);
    }
    state
}

fn health(succeeded: bool) -> health_core::State {
    let mut state = health_core::State::default();
    match succeeded {
        true => state.last_success = Some(at(3)),
        false => (state.last_failure, state.consecutive_failures) = (Some(at(3)), 1),
    }
    state
}

#[test]
fn running_tasks_have_names_and_ports_and_so_have_their_agents() {
    let mut feed = feed();
    assert!(feed.follow(&state_with([running("/shop/web", 1), running("/shop/web", 2)])));
    for line in ["web.shop.marathon.mesos. 127.0.0.1", "web.shop.marathon.mesos. 127.0.0.2", "slave.mesos. 127.0.0.2"] {
        assert!(has(&feed, line), "{line} is not in {:#?}", lines(&feed));
    }
    let services: Vec<String> = lines(&feed).into_iter().filter(|line| line.starts_with("_http._web.shop._")).collect();
    for (protocol, port) in [("tcp", 31_001), ("tcp", 31_002), ("udp", 31_001), ("udp", 31_002)] {
        let start = format!("_http._web.shop._{protocol}.marathon.mesos.");
        let found = services.iter().any(|line| line.starts_with(&start) && line.ends_with(&format!(":{port}")));
        assert!(found, "{protocol} {port} is not in {services:#?}");
    }
}

#[test]
fn only_running_tasks_that_nobody_knows_to_be_unfit_have_names() {
    let name = "a.marathon.mesos. 127.0.0.1";
    for (condition, health, expected) in [
        (Condition::Running, vec![], true),
        (Condition::Running, vec![health(true)], true),
        (Condition::Running, vec![health(true), health_core::State::default()], false),
        (Condition::Running, vec![health_core::State::default()], false),
        (Condition::Running, vec![health(false)], false),
        (Condition::Staging, vec![], false),
        (Condition::Killing, vec![], false),
        (Condition::Unreachable, vec![health(true)], false),
        (Condition::Failed, vec![], false),
    ] {
        let mut feed = feed();
        let instance = Instance { condition, health: health.clone(), ..running("/a", 1) };
        feed.follow(&state_with([instance]));
        assert_eq!(has(&feed, name), expected, "{condition:?} {health:?}");
    }
}

#[test]
fn names_come_and_go_with_health() {
    let mut feed = feed();
    let mut state = state_with([running("/a", 1)]);
    feed.follow(&state);
    for (healthy, expected) in [(false, false), (true, true), (false, false)] {
        put(&mut state, Instance { health: vec![health(healthy)], ..running("/a", 1) });
        assert!(feed.follow(&state));
        assert_eq!(has(&feed, "a.marathon.mesos. 127.0.0.1"), expected);
    }
}

#[test]
fn when_the_last_task_is_gone_so_is_everything_that_came_with_it() {
    let mut feed = feed();
    let empty = lines(&feed);
    let mut state = state_with([running("/a", 1), running("/a", 2), running("/b", 2)]);
    feed.follow(&state);
    state.instances.remove(&"/a".parse::<PathId>().unwrap());
    assert!(feed.follow(&state));
    assert!(!has(&feed, "slave.mesos. 127.0.0.1") && has(&feed, "slave.mesos. 127.0.0.2"), "{:#?}", lines(&feed));
    assert!(feed.follow(&State::default()));
    assert_eq!(lines(&feed), empty);
    assert!(feed.agents.is_empty());
}

#[test]
fn a_relaunched_instance_keeps_only_the_name_of_its_new_task() {
    let mut feed = feed();
    let mut state = state_with([running("/a", 1)]);
    feed.follow(&state);
    let mut again = running("/a", 1);
    again.incarnation = 2;
    let (id, task) = (again.id.clone(), again.task.as_mut().unwrap());
    task.id = TaskName { instance: id, incarnation: 2 }.task_id();
    (task.agent_id, task.agent_address.ip) = (AgentId::new("m-S2"), "127.0.0.2".into());
    put(&mut state, again);
    assert!(feed.follow(&state));
    assert!(has(&feed, "a.marathon.mesos. 127.0.0.2") && !has(&feed, "a.marathon.mesos. 127.0.0.1"));
    assert_eq!(feed.zone.tasks().count(), 1);
    assert_eq!(feed.agents.keys().map(AgentId::as_str).collect::<Vec<_>>(), ["m-S2"]);
}

#[test]
fn what_does_not_concern_names_changes_nothing() {
    let mut feed = feed();
    let mut state = state_with([running("/a", 1)]);
    assert!(feed.follow(&state));
    assert!(!feed.follow(&state));
    put(&mut state, Instance { since: at(99), ..running("/a", 1) });
    state.last_event = 7;
    assert!(!feed.follow(&state));
}

#[test]
fn master_and_scheduler_have_names() {
    let mut feed = feed();
    let master = MasterInfo {
        id: "m".into(),
        hostname: "h".into(),
        ip: "10.0.0.9".into(),
        port: 5050,
        version: "1.11.0".into(),
    };
    let mut state = State { master: Some(master), framework_id: Some(FrameworkId::new("m-0000")), ..State::default() };
    assert!(feed.follow(&state));
    let named = lines(&feed);
    for line in ["leader.mesos. 10.0.0.9", "marathon.mesos. 127.0.0.1"] {
        assert!(named.contains(line), "{line} is not in {named:#?}");
    }
    // A master that is out of reach for a moment keeps its names.
    state.master = None;
    assert!(!feed.follow(&state));
    assert_eq!(lines(&feed), named);
}
