//! Small trees written as text, and a world in which changes follow each other.
//!
//! A line is an app, `/g/a x2 !command :10,0 <- /b /h`: two instances, what it executes, its ports, what must be up before it;
//! or, with a slash at its end, a group: `/g/ <- /h`, `/ <- /g`.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use marathon_time::Timestamp;
use substrate_core::{protocol::task::Run, resources::Scalar};
use uuid::Uuid;

use super::change::{self, Changed};
use super::draft::Draft;
use crate::{
    deployment::{Plan, plan::plan},
    id::{DeploymentId, PathId},
    scheduler::{Config, Rejection, TreeChange},
    spec::{AppSpec, Backoff, KillSelection, Needs, PortDefinition, UnreachableStrategy, UpgradeStrategy},
    state::{Group, Root, State},
};

pub(crate) fn path(text: &str) -> PathId {
    text.parse().unwrap()
}

pub(crate) fn paths(text: &str) -> BTreeSet<PathId> {
    text.split_whitespace().map(path).collect()
}

pub(crate) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

pub(crate) fn spec(line: &str) -> Arc<AppSpec> {
    let (definition, dependencies) = line.split_once(" <- ").unwrap_or((line, ""));
    let mut words = definition.split_whitespace();
    let mut spec = bare(path(words.next().unwrap()));
    spec.dependencies = paths(dependencies);
    for word in words {
        match word.split_at(1) {
            ("x", instances) => spec.instances = instances.parse().unwrap(),
            ("!", command) => spec.run = Run::Shell(command.into()),
            (":", ports) => spec.ports = ports.split(',').map(|port| port_definition(port.parse().unwrap())).collect(),
            _ => panic!("what is {word}?"),
        }
    }
    Arc::new(spec)
}

fn port_definition(port: u16) -> PortDefinition {
    PortDefinition { port, protocol: "tcp".into(), name: None, labels: BTreeMap::new() }
}

fn bare(id: PathId) -> AppSpec {
    AppSpec {
        id,
        run: Run::Shell("run".into()),
        user: None,
        env: BTreeMap::new(),
        instances: 1,
        resources: Needs { cpus: Scalar::ZERO, mem: Scalar::ZERO, disk: Scalar::ZERO },
        constraints: Vec::new(),
        fetch: Vec::new(),
        ports: Vec::new(),
        require_ports: false,
        backoff: Backoff { initial: Duration::from_secs(1), factor: 1.15, max: Duration::from_secs(300) },
        kill_grace: None,
        dependencies: BTreeSet::new(),
        upgrade: UpgradeStrategy { minimum_health_capacity: 1.0, maximum_over_capacity: 1.0 },
        labels: BTreeMap::new(),
        health_checks: Vec::new(),
        unreachable: UnreachableStrategy::Disabled,
        kill_selection: KillSelection::YoungestFirst,
    }
}

/// A tree of version 1.
pub(crate) fn root(text: &str) -> Root {
    let empty = Root::default();
    let mut draft = Draft::new(&empty, at(1));
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let id = line.split_whitespace().next().unwrap();
        match id.strip_suffix('/') {
            Some(id) => {
                let id = path(if id.is_empty() { "/" } else { id });
                let dependencies = paths(line.split_once(" <- ").map_or("", |(_, dependencies)| dependencies));
                draft.ensure_group(&id);
                draft.put_group(id, Group { dependencies, ..Group::default() });
            }
            None => draft.put_app(spec(line)),
        }
    }
    draft.settle();
    draft.root
}

/// The whole tree in the notation of this module, in order of ids; without version info.
pub(crate) fn text(root: &Root) -> String {
    let dependencies = |ids: &BTreeSet<PathId>| -> String {
        ids.iter().enumerate().map(|(index, id)| format!("{}{id}", if index == 0 { " <- " } else { " " })).collect()
    };
    let mut lines = BTreeMap::new();
    for (id, group) in &root.groups {
        let slash = if id.is_root() { "" } else { "/" };
        lines.insert(id, format!("{id}{slash}{}", dependencies(&group.dependencies)));
    }
    for (id, app) in &root.apps {
        let command = match &app.spec.run {
            Run::Shell(command) if command == "run" => String::new(),
            Run::Shell(command) => format!(" !{command}"),
            Run::Exec(arguments) => format!(" {arguments:?}"),
        };
        let ports: Vec<String> = app.spec.ports.iter().map(|definition| definition.port.to_string()).collect();
        let ports = if ports.is_empty() { String::new() } else { format!(" :{}", ports.join(",")) };
        let instances = app.spec.instances;
        lines.insert(id, format!("{id} x{instances}{command}{ports}{}", dependencies(&app.spec.dependencies)));
    }
    lines.into_values().collect::<Vec<_>>().join("\n")
}

/// Steps as `Stop /a | Start /b /c | Scale /b, Restart /d`.
pub(crate) fn steps(plan: &Plan) -> String {
    let step = |step: &crate::deployment::Step| {
        let mut kinds: BTreeMap<_, Vec<&str>> = BTreeMap::new();
        for action in &step.actions {
            kinds.entry(action.kind).or_default().push(action.app.as_str());
        }
        kinds.iter().map(|(kind, apps)| format!("{kind:?} {}", apps.join(" "))).collect::<Vec<_>>().join(", ")
    };
    plan.steps.iter().map(step).collect::<Vec<_>>().join(" | ")
}

/// A state to which changes are applied as the scheduler does, at 1 ms, 2 ms and so on.
pub(crate) struct World {
    pub(crate) state: State,
    pub(crate) config: Config,
}

impl World {
    pub(crate) fn new() -> Self {
        let mut state = State::default();
        state.roots.insert(state.root.version, state.root.clone());
        Self { state, config: Config::default() }
    }

    /// With these apps and groups, put at 1 ms.
    pub(crate) fn with(text: &str) -> Self {
        let mut world = Self::new();
        let root = root(text);
        for (id, app) in &root.apps {
            world.state.versions.entry(id.clone()).or_default().insert(app.version, app.clone());
        }
        world.state.roots.insert(root.version, root.clone());
        world.state.root = root;
        world
    }

    pub(crate) fn next_version(&self) -> Timestamp {
        Timestamp::from_millis(self.state.root.version.as_millis() + 1)
    }

    pub(crate) fn plan(&self, change: &TreeChange) -> Result<(Changed, Plan), Rejection> {
        let changed = change::apply(&self.state, change, self.next_version(), &self.config)?;
        let id = DeploymentId(Uuid::from_u128(1));
        let plan = plan(id, &self.state.root, &changed.root, changed.kill.clone());
        Ok((changed, plan))
    }

    pub(crate) fn change(&mut self, change: &TreeChange) -> Result<Plan, Rejection> {
        let (changed, plan) = self.plan(change)?;
        self.accept(changed);
        Ok(plan)
    }

    pub(crate) fn accept(&mut self, changed: Changed) {
        for app in changed.put {
            self.state.versions.entry(app.spec.id.clone()).or_default().insert(app.version, app);
        }
        self.state.roots.insert(changed.root.version, changed.root.clone());
        self.state.root = changed.root;
    }
}
