//! The world of these tests. After every input it checks what must always hold.

mod checks;
mod master;
mod specs;
mod story;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use marathon_time::Timestamp;
use substrate_core::{
    protocol::{
        AgentId, OfferId, TaskId,
        scheduler::{Call, Event as MasterEvent},
        task::{Reason, Run, Source, TaskInfo, TaskState, TaskStatus},
    },
    resources::Resources,
};
use uuid::Uuid;

use crate::{
    event::Record,
    id::{DeploymentId, InstanceId, PathId},
    scheduler::{
        Accepted, AppPut, Change, Command, Config, Expect, Input, Output, Probe, Recovered, Rejection, Scheduler,
        Seeds, Ticket, TreeChange,
    },
    spec::AppSpec,
    state::State,
};
pub(super) use specs::{app, http_check, path, secs};

/// A task as its agent knows it.
#[derive(Clone, Debug)]
pub(super) struct FakeTask {
    pub info: TaskInfo,
    pub agent: usize,
    pub state: TaskState,
    /// Kills that were asked for.
    pub kills: usize,
}

/// What the world does by itself.
#[derive(Clone, Debug)]
pub(super) struct Manners {
    /// Launched tasks run at once.
    pub start: bool,
    /// Killed tasks end at once.
    pub die: bool,
    /// Offers are made.
    pub offer: bool,
    /// Probes are answered.
    pub probe: bool,
    /// Commands whose tasks answer their probes with an error.
    pub sick: BTreeSet<String>,
    /// Commands whose tasks fail instead of running.
    pub crash: BTreeSet<String>,
}

pub(super) struct World {
    pub config: Config,
    pub scheduler: Scheduler,
    pub stored: Recovered,
    pub now: Timestamp,
    pub manners: Manners,
    pub agents: Vec<Resources>,
    /// Agents that cannot be reached.
    pub lost: BTreeSet<usize>,
    pub tasks: BTreeMap<TaskId, FakeTask>,
    pub events: Vec<Record>,
    pub calls: Vec<Call>,
    pub replies: BTreeMap<u64, Result<Accepted, Rejection>>,
    pub probes: Vec<Probe>,
    pub halted: Option<String>,
    pub events_dropped: u64,
    inbox: VecDeque<Input>,
    subscribed: bool,
    wanting: bool,
    outstanding: BTreeMap<OfferId, usize>,
    filtered_until: BTreeMap<usize, Timestamp>,
    offers: u64,
    tickets: u64,
    updates: u128,
    starts: u64,
    /// Names of instances in the order in which they appeared.
    names: BTreeMap<InstanceId, String>,
    /// Instances that may be missing: those that the world itself broke, by app.
    pub broken: BTreeMap<PathId, u32>,
}

impl World {
    /// So many agents of 4 cores, 4096 MiB and ten ports.
    pub fn new(agents: usize) -> Self {
        Self::with(agents, patient(Config::default()))
    }

    pub fn with(agents: usize, config: Config) -> Self {
        let now = Timestamp::from_millis(1_772_600_000_000);
        let mut world = Self {
            scheduler: Scheduler::new(config.clone(), Recovered::default(), seeds(0), now),
            config,
            stored: Recovered::default(),
            now,
            manners: Manners {
                start: true,
                die: true,
                offer: true,
                probe: true,
                sick: BTreeSet::new(),
                crash: BTreeSet::new(),
            },
            agents: vec!["cpus:4;mem:4096;ports:[31000-31009]".parse().unwrap(); agents],
            lost: BTreeSet::new(),
            tasks: BTreeMap::new(),
            events: Vec::new(),
            calls: Vec::new(),
            replies: BTreeMap::new(),
            probes: Vec::new(),
            halted: None,
            events_dropped: 0,
            inbox: VecDeque::new(),
            subscribed: false,
            wanting: false,
            outstanding: BTreeMap::new(),
            filtered_until: BTreeMap::new(),
            offers: 0,
            tickets: 0,
            updates: 0,
            starts: 0,
            names: BTreeMap::new(),
            broken: BTreeMap::new(),
        };
        world.input(Input::Wakeup);
        world.settle();
        world
    }

    // What users do.

    pub fn ask(&mut self, command: Command) -> Result<Accepted, Rejection> {
        let answer = self.send(command);
        self.settle();
        answer
    }

    /// Without letting the world go on afterwards.
    pub fn send(&mut self, command: Command) -> Result<Accepted, Rejection> {
        self.tickets += 1;
        self.input(Input::Command(Ticket(self.tickets), Box::new(command)));
        self.replies.remove(&self.tickets).expect("every command is answered at once")
    }

    pub fn change(&mut self, change: TreeChange) -> Result<Accepted, Rejection> {
        self.ask(Command::Change { change, force: false, dry_run: false, origin: None })
    }

    pub fn put(&mut self, specs: impl IntoIterator<Item = AppSpec>) -> DeploymentId {
        deployment(self.change(put(specs)).unwrap())
    }

    pub fn force(&mut self, specs: impl IntoIterator<Item = AppSpec>) -> DeploymentId {
        let command = Command::Change { change: put(specs), force: true, dry_run: false, origin: None };
        deployment(self.ask(command).unwrap())
    }

    // What happens to tasks.

    /// Says something about a task, as its agent.
    pub fn tell(&mut self, task: &TaskId, state: TaskState) {
        self.tell_with(task, state, |_| {});
        self.settle();
    }

    pub fn tell_with(&mut self, task: &TaskId, state: TaskState, change: impl FnOnce(&mut TaskStatus)) {
        self.tasks.get_mut(task).expect("told of a task that was launched").state = state;
        let mut status = self.status(task, state, Source::SourceAgent, None);
        self.updates += 1;
        status.uuid = Some(Uuid::from_u128(self.updates));
        change(&mut status);
        self.inbox.push_back(Input::Master(Box::new(MasterEvent::Update(status))));
    }

    /// A task ends by itself.
    pub fn fail(&mut self, task: &TaskId) {
        let app = self.tasks[task].info.name.clone();
        *self.broken.entry(path(&format!("/{app}"))).or_default() += 1;
        self.tell(task, TaskState::TaskFailed);
    }

    pub fn lose_agent(&mut self, agent: usize) {
        self.lost.insert(agent);
        let tasks = self.live_on(agent);
        for (task, app) in tasks {
            *self.broken.entry(app).or_default() += 1;
            let status =
                self.status(&task, TaskState::TaskUnreachable, Source::SourceMaster, Some(Reason::ReasonAgentRemoved));
            self.inbox.push_back(Input::Master(Box::new(MasterEvent::Update(status))));
        }
        self.settle();
    }

    pub fn find_agent(&mut self, agent: usize) {
        self.lost.remove(&agent);
        for (task, _) in self.live_on(agent) {
            let state = self.tasks[&task].state;
            let status = self.status(&task, state, Source::SourceMaster, Some(Reason::ReasonAgentReregistered));
            self.inbox.push_back(Input::Master(Box::new(MasterEvent::Update(status))));
        }
        self.settle();
    }

    fn live_on(&self, agent: usize) -> Vec<(TaskId, PathId)> {
        let on = self.tasks.iter().filter(|(_, task)| task.agent == agent && !task.state.is_terminal());
        on.map(|(id, task)| (id.clone(), path(&format!("/{}", task.info.name)))).collect()
    }

    // Time and faults.

    /// Lets time pass, with everything that happens meanwhile.
    pub fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            self.settle();
            let beat = self.now + secs(5);
            let next = self.scheduler.next_wakeup().unwrap_or(end).min(self.unfiltered_at()).min(beat).min(end);
            let stuck = next <= self.now;
            self.now = if stuck { self.now + Duration::from_millis(1) } else { next };
            if self.now >= end {
                self.now = end;
            }
            if self.subscribed && self.now >= beat {
                self.inbox.push_back(Input::Master(Box::new(MasterEvent::Heartbeat)));
            }
            self.inbox.push_back(Input::Wakeup);
            if self.now >= end {
                return self.settle();
            }
        }
    }

    fn unfiltered_at(&self) -> Timestamp {
        let end = Timestamp::from_millis(i64::MAX);
        if !self.wanting {
            return end;
        }
        self.filtered_until.values().copied().filter(|until| *until > self.now).min().unwrap_or(end)
    }

    /// The process ends and starts again from what is stored. What it was waiting for is lost.
    pub fn restart(&mut self) {
        let before = self.scheduler.snapshot();
        self.inbox.clear();
        self.subscribed = false;
        self.starts += 1;
        self.scheduler = Scheduler::new(self.config.clone(), self.stored.clone(), seeds(self.starts), self.now);
        let after = self.scheduler.snapshot();
        assert_eq!((&after.root, &after.versions, &after.roots), (&before.root, &before.versions, &before.roots));
        assert_eq!((&after.deployments, &after.locks), (&before.deployments, &before.locks));
        assert_eq!((&after.failures, after.last_event), (&before.failures, before.last_event));
        let unhealthy = |state: &State| {
            let all = state.instances.values().flat_map(|of_spec| of_spec.values());
            all.map(|instance| (instance.id.clone(), instance.health())).collect::<Vec<_>>()
        };
        assert_eq!(unhealthy(&after), unhealthy(&before));
        self.input(Input::Wakeup);
        self.settle();
    }

    /// The connection to the master breaks.
    pub fn disconnect(&mut self) {
        self.subscribed = false;
        self.input(Input::MasterLost);
    }

    /// Goes on until nothing is to be delivered and no offer to be made.
    pub fn settle(&mut self) {
        for _ in 0..100_000 {
            if let Some(input) = self.inbox.pop_front() {
                self.input(input);
            } else if !self.offer_round() {
                return;
            }
        }
        panic!("the world does not come to rest");
    }

    /// One input, with all that must hold afterwards.
    pub fn input(&mut self, input: Input) {
        let mut out = Output::default();
        let before = self.state();
        let wiped = matches!(&input, Input::Command(_, command) if matches!(**command, Command::KillInstances { .. }));
        self.scheduler.step(self.now, input, &mut out);
        if !wiped {
            self.check_own_doing(&before, &self.state());
        }
        for change in &out.changes {
            self.stored.apply(change);
            if let Change::DropEventsUpTo(seq) = change {
                self.events_dropped = *seq;
            }
            if let Change::Event(record) = change {
                assert_eq!(
                    record.seq,
                    self.events.last().map_or(0, |last| last.seq) + 1,
                    "events are numbered without gaps"
                );
                self.name(&record.event);
                self.events.push((**record).clone());
            }
        }
        self.check();
        for effect in out.effects {
            self.perform(effect);
        }
    }
}

pub(super) fn put(specs: impl IntoIterator<Item = AppSpec>) -> TreeChange {
    let spec = |spec| AppPut::Spec { spec: Arc::new(spec), expect: Expect::Any };
    TreeChange::PutApps(specs.into_iter().map(spec).collect())
}

pub(super) fn deployment(accepted: Accepted) -> DeploymentId {
    match accepted {
        Accepted::Deployment { id, .. } => id,
        other @ (Accepted::Steps(_) | Accepted::Killed(_) | Accepted::Attached { .. } | Accepted::Done) => {
            panic!("no deployment: {other:?}")
        }
    }
}

/// Offers come as often as they are asked for.
pub(super) fn patient(config: Config) -> Config {
    Config { min_revive_offers_interval: Duration::ZERO, ..config }
}

fn seeds(start: u64) -> Seeds {
    Seeds { instances: 10 * start, deployments: 10 * start + 1, ports: 10 * start + 2 }
}

fn agent_id(agent: usize) -> AgentId {
    AgentId::new(format!("S{agent}"))
}

fn command(info: &TaskInfo) -> &str {
    match &info.command.run {
        Run::Shell(command) => command,
        Run::Exec(arguments) => &arguments[0],
    }
}
