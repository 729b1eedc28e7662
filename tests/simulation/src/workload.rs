//! What users do: a handful of apps in nested groups, created, changed, scaled, restarted, killed and deleted while other changes
//! are under way. Everything that is asked for can be had: it fits the smallest cluster with its constraints.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use health_core::{Check, PortRef, Protocol};
use marathon_core::{
    id::{InstanceId, PathId},
    scheduler::{Accepted, AppPut, Command, Expect, GroupUpdate, TreeChange},
    spec::{
        AppSpec, Backoff, Constraint, KillSelection, Needs, Operator, PortDefinition, UnreachableStrategy,
        UpgradeStrategy,
    },
    state::State,
};
use marathon_time::Timestamp;
use substrate_core::{protocol::task::Run, resources::Scalar};

use crate::{dice::Dice, world::World};

/// Paths, and what each depends on.
const POOL: [(&str, &[&str]); 8] = [
    ("/shop/db", &[]),
    ("/shop/api", &["/shop/db"]),
    ("/shop/web", &["/shop/api"]),
    ("/blog/site", &[]),
    ("/blog/in/cache", &["/data"]),
    ("/data/store", &[]),
    ("/data/jobs", &["/data/store"]),
    ("/solo", &[]),
];

/// `minimumHealthCapacity` and `maximumOverCapacity`.
const STRATEGIES: [(f64, f64); 8] =
    [(1.0, 1.0), (1.0, 0.0), (1.0, 0.2), (0.5, 0.0), (0.0, 0.0), (0.75, 0.5), (0.5, 0.2), (1.0, 0.5)];

/// What is remembered of what was asked.
#[derive(Debug, Default)]
pub struct Workload {
    operations: u64,
}

impl World {
    /// A user does something.
    pub(crate) fn operate(&mut self) {
        if self.is_calm() {
            return;
        }
        self.workload.operations += 1;
        let state = self.scheduler.committed.clone();
        let command = if self.workload.operations == 1 {
            first(&mut self.dice, self.workload.operations)
        } else {
            next(&mut self.dice, &state, self.workload.operations)
        };
        if let Some(command) = command {
            self.ask(command);
        }
        let pause = if self.dice.one_in(3) { (50, 2_000) } else { (1_000, 15_000) };
        self.pause_users(pause.0, pause.1);
    }
}

/// Several apps at once.
fn first(dice: &mut Dice, number: u64) -> Option<Command> {
    let mut puts = Vec::new();
    for (id, _) in POOL {
        if !dice.one_in(3) {
            puts.push(put(spec(dice, id, number)));
        }
    }
    Some(change(TreeChange::PutApps(puts), false))
}

fn next(dice: &mut Dice, state: &State, number: u64) -> Option<Command> {
    let force = dice.one_in(2);
    let any = *dice.pick(&POOL.map(|(id, _)| id));
    let apps: Vec<PathId> = state.root.apps.keys().cloned().collect();
    let app = if apps.is_empty() { None } else { Some(dice.pick(&apps).clone()) };
    let tree = |change: TreeChange| Some(self::change(change, force));
    match dice.between(0, 99) {
        0..30 => tree(TreeChange::PutApps(vec![put(spec(dice, any, number))])),
        30..45 => {
            let app = state.root.apps.get(&app?)?;
            let instances = dice.between(0, most_instances(&app.spec)) as u32;
            tree(TreeChange::PutApps(vec![put(AppSpec { instances, ..AppSpec::clone(&app.spec) })]))
        }
        45..50 => tree(TreeChange::CreateApp(Arc::new(spec(dice, any, number)))),
        50..57 => tree(TreeChange::RestartApp(app?)),
        57..62 => tree(TreeChange::DeleteApp(app?)),
        62..67 => tree(TreeChange::PutGroup(group(dice, number))),
        67..69 => tree(TreeChange::DeleteGroup(path(dice.pick::<&str>(&["/shop", "/blog", "/blog/in", "/data"])))),
        69..72 => {
            let (id, factor) = (path(dice.pick::<&str>(&["/", "/shop", "/data"])), *dice.pick(&[0.0, 0.5, 1.0]));
            tree(TreeChange::ScaleGroup { id, factor })
        }
        72..75 => {
            let versions: Vec<Timestamp> = state.roots.keys().copied().filter(|at| at.as_millis() > 0).collect();
            let id = path(dice.pick::<&str>(&["/", "/shop", "/blog"]));
            if versions.is_empty() {
                return None;
            }
            tree(TreeChange::RollbackGroup { id, version: *dice.pick(&versions) })
        }
        75..79 => tree(TreeChange::KillAndScale(victims(dice, state, &app?))),
        79..88 => Some(Command::KillInstances { instances: victims(dice, state, &app?), wipe: dice.one_in(4) }),
        88..95 => {
            let all: Vec<_> = state.deployments.keys().copied().collect();
            let id = if all.is_empty() { return None } else { *dice.pick(&all) };
            Some(Command::CancelDeployment { id, force })
        }
        95..98 => Some(Command::ResetDelay(app?)),
        _ => {
            let change = TreeChange::PutApps(vec![put(spec(dice, any, number))]);
            Some(Command::Change { change, force, dry_run: true, origin: None })
        }
    }
}

fn change(change: TreeChange, force: bool) -> Command {
    Command::Change { change, force, dry_run: false, origin: None }
}

fn put(spec: AppSpec) -> AppPut {
    AppPut::Spec { spec: Arc::new(spec), expect: Expect::Any }
}

fn path(text: &str) -> PathId {
    text.parse().expect("the paths of the workload are absolute and normalized")
}

fn victims(dice: &mut Dice, state: &State, app: &PathId) -> BTreeSet<InstanceId> {
    let all =
        state.instances.get(app).map(|instances| instances.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
    if all.is_empty() {
        return BTreeSet::new();
    }
    (0..dice.between(1, 2)).map(|_| dice.pick(&all).clone()).collect()
}

fn group(dice: &mut Dice, number: u64) -> GroupUpdate {
    let update = |id: &str| GroupUpdate { id: path(id), apps: None, groups: None, dependencies: None };
    match dice.between(0, 2) {
        0 => {
            let apps = ["/shop/db", "/shop/api", "/shop/web"].map(|id| Arc::new(spec(dice, id, number)));
            let kept = dice.between(1, 3) as usize;
            GroupUpdate { apps: Some(apps.into_iter().take(kept).collect()), ..update("/shop") }
        }
        1 => {
            let cache = Arc::new(spec(dice, "/blog/in/cache", number));
            let inner = GroupUpdate { apps: Some(vec![cache]), ..update("/blog/in") };
            let dependencies = if dice.one_in(2) { BTreeSet::from([path("/data")]) } else { BTreeSet::new() };
            GroupUpdate { groups: Some(vec![inner]), dependencies: Some(dependencies), ..update("/blog") }
        }
        _ => {
            let apps = ["/data/store", "/data/jobs"].map(|id| Arc::new(spec(dice, id, number)));
            GroupUpdate { apps: Some(apps.into()), ..update("/data") }
        }
    }
}

/// As many as three machines can always take.
fn most_instances(spec: &AppSpec) -> u64 {
    if spec.constraints.is_empty() { 5 } else { 3 }
}

fn spec(dice: &mut Dice, id: &str, number: u64) -> AppSpec {
    let dependencies = POOL.iter().find(|(name, _)| *name == id).map_or(&[][..], |(_, dependencies)| *dependencies);
    let ports = dice.between(0, 2);
    let check = match dice.between(0, 2) {
        0 => None,
        1 if ports > 0 => Some(Protocol::Http { path: None, port: PortRef::Index(0) }),
        _ => Some(Protocol::Command { command: "answers".into() }),
    };
    let (minimum_health_capacity, maximum_over_capacity) = *dice.pick(&STRATEGIES);
    let mut spec = AppSpec {
        id: path(id),
        run: Run::Shell(format!("serve {number}")),
        user: None,
        env: BTreeMap::new(),
        instances: 0,
        resources: Needs {
            cpus: Scalar::from_thousandths(dice.between(100, 200) as i64),
            mem: Scalar::from_units(dice.between(16, 96) as i64),
            disk: Scalar::from_units(0),
        },
        constraints: constraints(dice),
        fetch: Vec::new(),
        ports: (0..ports).map(|index| port(id, index)).collect(),
        require_ports: false,
        backoff: Backoff {
            initial: dice.millis(100, 2_000),
            factor: 1.15 + dice.between(0, 100) as f64 / 100.0,
            max: Duration::from_secs(30),
        },
        kill_grace: if dice.one_in(2) { None } else { Some(dice.millis(500, 8_000)) },
        dependencies: dependencies.iter().map(|id| path(id)).collect(),
        upgrade: UpgradeStrategy { minimum_health_capacity, maximum_over_capacity },
        labels: BTreeMap::new(),
        health_checks: check.map(|protocol| checks(dice, protocol)).unwrap_or_default(),
        unreachable: unreachable(dice),
        kill_selection: if dice.one_in(2) { KillSelection::YoungestFirst } else { KillSelection::OldestFirst },
    };
    spec.instances = dice.between(0, most_instances(&spec)) as u32;
    spec
}

fn constraints(dice: &mut Dice) -> Vec<Constraint> {
    let one = |field: &str, operator| vec![Constraint { field: field.into(), operator }];
    match dice.between(0, 9) {
        0 | 1 => one("hostname", Operator::Unique),
        2 => one("rack", Operator::MaxPer(2)),
        3 => one("zone", Operator::GroupBy(None)),
        4 => one("rack", Operator::Like("r[01]".into())),
        5 => one("hostname", Operator::MaxPer(1)),
        _ => Vec::new(),
    }
}

fn port(app: &str, index: u64) -> PortDefinition {
    let number = POOL.iter().position(|(id, _)| *id == app).unwrap_or(0) as u16;
    PortDefinition {
        port: 10_000 + number * 10 + index as u16,
        protocol: "tcp".into(),
        name: None,
        labels: BTreeMap::new(),
    }
}

fn checks(dice: &mut Dice, protocol: Protocol) -> Vec<Check> {
    vec![Check {
        protocol,
        grace_period: dice.millis(15_000, 40_000),
        interval: dice.millis(1_000, 5_000),
        timeout: dice.millis(500, 3_000),
        delay: Duration::ZERO,
        max_consecutive_failures: dice.between(2, 4) as u32,
        ignore_http_1xx: false,
    }]
}

fn unreachable(dice: &mut Dice) -> UnreachableStrategy {
    let inactive = dice.millis(0, 40_000);
    UnreachableStrategy::After { inactive, expunge: inactive + dice.millis(0, 60_000) }
}

/// What kind of command it is.
pub fn kind(command: &Command) -> &'static str {
    match command {
        Command::Change { dry_run: true, .. } => "dry run",
        Command::Change { change, .. } => match change {
            TreeChange::CreateApp(_) => "create app",
            TreeChange::PutApps(_) => "put app",
            TreeChange::DeleteApp(_) => "delete app",
            TreeChange::RestartApp(_) => "restart app",
            TreeChange::CreateGroup(_) => "create group",
            TreeChange::PutGroup(_) => "put group",
            TreeChange::ScaleGroup { .. } => "scale group",
            TreeChange::RollbackGroup { .. } => "roll back group",
            TreeChange::DeleteGroup(_) => "delete group",
            TreeChange::KillAndScale(_) => "kill and scale",
        },
        Command::KillInstances { wipe: true, .. } => "kill and wipe",
        Command::KillInstances { wipe: false, .. } => "kill",
        Command::CancelDeployment { force: true, .. } => "stop deployment",
        Command::CancelDeployment { force: false, .. } => "roll back deployment",
        Command::ResetDelay(_) => "reset delay",
        Command::Attach { .. } => "attach",
        Command::Detach { .. } => "detach",
    }
}

/// The same with what it is about.
pub fn describe(command: &Command) -> String {
    let kind = kind(command);
    match command {
        Command::Change { change, force, .. } => {
            let about = match change {
                TreeChange::CreateApp(spec) => brief(spec),
                TreeChange::PutApps(puts) => puts
                    .iter()
                    .map(|put| match put {
                        AppPut::Spec { spec, .. } => brief(spec),
                        AppPut::Version { id, version } => format!("{id} {version}"),
                    })
                    .collect::<Vec<_>>()
                    .join(", "),
                TreeChange::DeleteApp(id) | TreeChange::RestartApp(id) | TreeChange::DeleteGroup(id) => id.to_string(),
                TreeChange::CreateGroup(update) | TreeChange::PutGroup(update) => format!(
                    "{}: {}",
                    update.id,
                    update.apps.iter().flatten().map(|spec| brief(spec)).collect::<Vec<_>>().join(", ")
                ),
                TreeChange::ScaleGroup { id, factor } => format!("{id} × {factor}"),
                TreeChange::RollbackGroup { id, version } => format!("{id} to {version}"),
                TreeChange::KillAndScale(instances) => format!("{instances:?}"),
            };
            format!("{kind} {about}{}", if *force { " (force)" } else { "" })
        }
        Command::KillInstances { instances, .. } => {
            format!("{kind} {}", instances.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
        }
        Command::CancelDeployment { id, .. } => format!("{kind} {id}"),
        Command::ResetDelay(id) => format!("{kind} {id}"),
        Command::Attach { remote_address } | Command::Detach { remote_address } => format!("{kind} {remote_address}"),
    }
}

fn brief(spec: &AppSpec) -> String {
    let UpgradeStrategy { minimum_health_capacity: min, maximum_over_capacity: over } = spec.upgrade;
    let check = match spec.health_checks.first().map(|check| &check.protocol) {
        None => "unchecked",
        Some(Protocol::Command { .. }) => "command",
        Some(Protocol::Http { .. } | Protocol::Https { .. } | Protocol::Tcp { .. }) => "http",
    };
    let constraint =
        spec.constraints.first().map(|constraint| format!(" {} {:?}", constraint.field, constraint.operator));
    format!("{} ×{} {min}/{over} {check}{}", spec.id, spec.instances, constraint.unwrap_or_default())
}

/// What an answer says.
pub fn outcome(accepted: &Accepted) -> String {
    match accepted {
        Accepted::Deployment { id, version } => format!("deployment {id} of v{}", version.as_millis() % 10_000_000),
        Accepted::Steps(steps) => format!("{} steps", steps.len()),
        Accepted::Killed(instances) => format!("{} killed", instances.len()),
        Accepted::Attached { seq } => format!("attached at {seq}"),
        Accepted::Done => "done".into(),
    }
}
