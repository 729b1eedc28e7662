//! The world of these tests. After every input it checks what must always hold.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use health_core::{Check, Outcome, PortRef, Protocol};
use marathon_time::Timestamp;
use substrate_core::{
    protocol::{
        AgentId, FrameworkId, OfferId, TaskId,
        offer::{AgentAddress, Offer},
        scheduler::{Call, Event as MasterEvent, MasterInfo, Operation},
        task::{Reason, Run, Source, TaskInfo, TaskState, TaskStatus},
    },
    resources::{Resources, Scalar},
};
use uuid::Uuid;

use crate::{
    deployment::{ActionKind, Step, blockers::blockers, limits},
    event::{Event, Record},
    id::{DeploymentId, InstanceId, PathId},
    instance::{Condition, Goal, Instance, census::Standing},
    scheduler::{
        Accepted, AppPut, Change, Command, Config, Effect, Expect, Input, Output, Probe, Recovered, Rejection,
        Scheduler, Seeds, Ticket, TreeChange,
    },
    spec::{App, AppSpec, Backoff, KillSelection, Needs, PortDefinition, UnreachableStrategy, UpgradeStrategy},
    state::{State, invariants},
};

pub(super) fn path(text: &str) -> PathId {
    text.parse().unwrap()
}

pub(super) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// `instances` of a small app with one port, one upgrade at a time allowed over, replaced as soon as they are out of reach.
pub(super) fn app(id: &str, instances: u32) -> AppSpec {
    AppSpec {
        id: path(id),
        run: Run::Shell("serve 1".into()),
        user: None,
        env: BTreeMap::new(),
        instances,
        resources: Needs { cpus: Scalar::from_f64(0.1), mem: Scalar::from_units(32), disk: Scalar::ZERO },
        constraints: Vec::new(),
        fetch: Vec::new(),
        ports: vec![PortDefinition { port: 0, protocol: "tcp".into(), name: None, labels: BTreeMap::new() }],
        require_ports: false,
        backoff: Backoff { initial: secs(1), factor: 1.15, max: secs(300) },
        kill_grace: None,
        dependencies: BTreeSet::new(),
        upgrade: UpgradeStrategy { minimum_health_capacity: 1.0, maximum_over_capacity: 1.0 },
        labels: BTreeMap::new(),
        health_checks: Vec::new(),
        unreachable: UnreachableStrategy::After { inactive: Duration::ZERO, expunge: Duration::ZERO },
        kill_selection: KillSelection::YoungestFirst,
    }
}

impl AppSpec {
    pub(super) fn depends_on(mut self, id: &str) -> Self {
        self.dependencies.insert(path(id));
        self
    }

    pub(super) fn runs(mut self, command: &str) -> Self {
        self.run = Run::Shell(command.into());
        self
    }

    pub(super) fn upgrades(mut self, min: f64, over: f64) -> Self {
        self.upgrade = UpgradeStrategy { minimum_health_capacity: min, maximum_over_capacity: over };
        self
    }

    pub(super) fn checked(mut self) -> Self {
        self.health_checks.push(http_check());
        self
    }

    pub(super) fn unreachable(mut self, inactive: u64, expunge: u64) -> Self {
        self.unreachable = UnreachableStrategy::After { inactive: secs(inactive), expunge: secs(expunge) };
        self
    }
}

pub(super) fn http_check() -> Check {
    Check {
        protocol: Protocol::Http { path: Some("/up".into()), port: PortRef::Index(0) },
        grace_period: secs(10),
        interval: secs(2),
        timeout: secs(1),
        delay: secs(15),
        max_consecutive_failures: 3,
        ignore_http_1xx: false,
    }
}

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

    fn check(&self) {
        let state = self.scheduler.snapshot();
        assert_eq!(invariants::check(&state), Ok(()), "{}", self.story());
        let stored: BTreeMap<_, _> = self.stored.instances.iter().map(|instance| (&instance.id, instance)).collect();
        let known: Vec<&Arc<Instance>> = state.instances.values().flat_map(|of_spec| of_spec.values()).collect();
        assert_eq!(stored.len(), known.len(), "what is known is stored");
        for instance in known {
            let stored = stored[&instance.id];
            let facts = |instance: &Instance| {
                (
                    instance.goal,
                    instance.condition,
                    instance.incarnation,
                    instance.version,
                    instance.task.clone(),
                    instance.health(),
                )
            };
            assert_eq!(facts(stored), facts(instance), "what is known is stored");
        }
        for deployment in state.deployments.values() {
            let blockers = blockers(&state, deployment);
            assert!(!blockers.is_empty(), "a deployment that waits says why: {deployment:?}");
            assert!(blockers.iter().all(|blocker| blocker.to_string().starts_with(blocker.app.as_str())));
        }
        self.check_capacity(&state);
    }

    /// Whoever was let go in this step, although ready, was not needed; and whoever was added had room.
    fn check_own_doing(&self, before: &State, after: &State) {
        for (id, of_spec) in &before.instances {
            let Some(app) = after.root.apps.get(id) else { continue };
            let now = |instance: &Instance| after.instances.get(id).and_then(|of_spec| of_spec.get(&instance.id));
            let let_go =
                |instance: &&Arc<Instance>| now(instance).is_some_and(|instance| instance.goal != Goal::Running);
            let ready = |state: &State| {
                let of_spec = state.instances.get(id).cloned().unwrap_or_default();
                of_spec.values().filter(|instance| is_ready(state, instance)).count() as u32
            };
            let restarted = after.deployments.values().any(|deployment| {
                let step = &deployment.plan.steps[deployment.step];
                step.actions.iter().any(|action| action.kind == ActionKind::Restart && action.app == *id)
            });
            let floor =
                if restarted { limits::min_healthy(app.spec.instances, &app.spec.upgrade) } else { app.spec.instances };
            let sentenced = after
                .deployments
                .values()
                .chain(before.deployments.values())
                .any(|deployment| !deployment.plan.kill.is_empty());
            let waits = after.locks.contains_key(id) && !restarted;
            let let_go = of_spec.values().filter(|instance| is_ready(before, instance)).filter(let_go).count() as u32;
            if let_go > 0 && !sentenced && !waits {
                let kept = ready(after);
                assert!(
                    kept >= floor.min(kept + let_go),
                    "{let_go} let go, {kept} left, {floor} needed\n{}",
                    self.story()
                );
            }
            let held = |state: &State| {
                let of_spec = state.instances.get(id).cloned().unwrap_or_default();
                let counts = |instance: &&Arc<Instance>| {
                    !matches!(instance.condition, Condition::Unreachable | Condition::UnreachableInactive)
                        && instance.goal == Goal::Running
                };
                of_spec.values().filter(counts).count() as u32
            };
            let added =
                after.instances.get(id).is_some_and(|now| now.keys().any(|instance| !of_spec.contains_key(instance)));
            if added && restarted {
                let ceiling = limits::max_capacity(app.spec.instances, &app.spec.upgrade) + 1;
                assert!(held(after) <= ceiling, "{} instances, at most {ceiling}\n{}", held(after), self.story());
            }
        }
    }

    /// Ready instances stay above the floor unless the world broke them; all instances stay below the ceiling.
    fn check_capacity(&self, state: &State) {
        for deployment in state.deployments.values() {
            let Some(step) = deployment.plan.steps.get(deployment.step) else { continue };
            for action in step.actions.iter().filter(|action| action.kind == ActionKind::Restart) {
                let spec = &state.root.apps[&action.app].spec;
                let before = &state.roots[&deployment.plan.original].apps[&action.app].spec;
                let live = self.tasks.values().filter(|task| task.info.name == action.app.host_name());
                let live = live.filter(|task| !task.state.is_terminal() && !self.lost.contains(&task.agent));
                let ready = live
                    .filter(|task| task.state == TaskState::TaskRunning && !self.is_sick(&task.info))
                    .count() as u32;
                let floor = limits::min_healthy(spec.instances.min(before.instances), &spec.upgrade);
                let broken = self.broken.get(&action.app).copied().unwrap_or(0);
                assert!(
                    ready + broken >= floor,
                    "{ready} of {} ready, at least {floor} must be\n{}",
                    spec.instances,
                    self.story()
                );
            }
        }
    }

    // The master.

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Call(call) => {
                self.calls.push((*call).clone());
                self.called(*call);
            }
            Effect::Reply(ticket, answer) => {
                self.replies.insert(ticket.0, answer);
            }
            Effect::Probe { probe, .. } => self.probed(probe),
            Effect::Halt { message } => self.halted = Some(message),
        }
    }

    fn probed(&mut self, probe: Probe) {
        self.probes.push(probe.clone());
        if self.manners.probe {
            let task = &self.tasks[&probe.task];
            let outcome =
                if self.is_sick(&task.info) { Outcome::unhealthy("503 Service Unavailable") } else { Outcome::Healthy };
            self.inbox.push_back(Input::Probed { probe, outcome });
        }
    }

    fn is_sick(&self, info: &TaskInfo) -> bool {
        self.manners.sick.contains(command(info)) || self.manners.sick.contains(info.id.as_str())
    }

    fn called(&mut self, call: Call) {
        if let Call::Subscribe { framework, suppressed_roles } = call {
            self.outstanding.clear();
            self.filtered_until.clear();
            self.subscribed = true;
            self.wanting = suppressed_roles.is_empty();
            let framework_id = framework.id.unwrap_or_else(|| FrameworkId::new("F"));
            return self.inbox.push_back(Input::Master(Box::new(MasterEvent::Subscribed {
                framework_id,
                heartbeat_interval: secs(15),
                master: MasterInfo {
                    id: "M".into(),
                    hostname: "master.example".into(),
                    ip: "10.0.0.1".into(),
                    port: 5050,
                    version: "1.11.0".into(),
                },
            })));
        }
        if !self.subscribed {
            return;
        }
        match call {
            Call::Subscribe { .. } | Call::Teardown | Call::Acknowledge { .. } => {}
            Call::Accept { offers, operations, .. } => self.accepted(&offers, operations),
            Call::Decline { offers, filters } => {
                for offer in offers {
                    let agent = self.outstanding.remove(&offer).expect("an offer is declined once");
                    self.filtered_until.insert(agent, self.now + filters.refuse);
                }
            }
            Call::Revive { .. } => {
                self.wanting = true;
                self.filtered_until.clear();
            }
            Call::Suppress { .. } => self.wanting = false,
            Call::Kill { task, .. } => self.killed(&task),
            Call::Reconcile { tasks } => self.reconciled(tasks),
        }
    }

    fn accepted(&mut self, offers: &[OfferId], operations: Vec<Operation>) {
        let agent = offers.iter().map(|offer| self.outstanding.remove(offer)).next().unwrap();
        for Operation::Launch { tasks } in operations {
            for info in tasks {
                let Some(agent) = agent.filter(|agent| !self.lost.contains(agent)) else {
                    self.refuse(info);
                    continue;
                };
                assert!(self.free(agent).contains(&info.resources), "an agent is never overcommitted");
                assert!(!self.tasks.contains_key(&info.id), "a task id is used once");
                let (id, crash) = (info.id.clone(), self.manners.crash.contains(command(&info)));
                self.tasks.insert(id.clone(), FakeTask { info, agent, state: TaskState::TaskStaging, kills: 0 });
                if crash {
                    self.tell_with(&id, TaskState::TaskFailed, |status| status.message = "exit status 1".into());
                } else if self.manners.start {
                    self.tell_with(&id, TaskState::TaskRunning, |_| {});
                }
            }
        }
    }

    fn refuse(&mut self, info: TaskInfo) {
        let task = FakeTask { info, agent: usize::MAX, state: TaskState::TaskDropped, kills: 0 };
        let id = task.info.id.clone();
        self.tasks.insert(id.clone(), task);
        let status = self.status(&id, TaskState::TaskDropped, Source::SourceMaster, Some(Reason::ReasonInvalidOffers));
        self.inbox.push_back(Input::Master(Box::new(MasterEvent::Update(status))));
    }

    fn killed(&mut self, id: &TaskId) {
        let Some(task) = self.tasks.get_mut(id) else {
            let status = self.status(id, TaskState::TaskGone, Source::SourceMaster, Some(Reason::ReasonReconciliation));
            return self.inbox.push_back(Input::Master(Box::new(MasterEvent::Update(status))));
        };
        task.kills += 1;
        if self.manners.die && !task.state.is_terminal() && !self.lost.contains(&task.agent) {
            self.tell_with(&id.clone(), TaskState::TaskKilled, |_| {});
        }
    }

    fn reconciled(&mut self, asked: Vec<(TaskId, Option<AgentId>)>) {
        let ids: Vec<TaskId> = if asked.is_empty() {
            self.tasks.iter().filter(|(_, task)| !task.state.is_terminal()).map(|(id, _)| id.clone()).collect()
        } else {
            asked.into_iter().map(|(id, _)| id).collect()
        };
        for id in ids {
            let state = match self.tasks.get(&id) {
                Some(task) if self.lost.contains(&task.agent) => TaskState::TaskUnreachable,
                Some(task) => task.state,
                None => TaskState::TaskGone,
            };
            let status = self.status(&id, state, Source::SourceMaster, Some(Reason::ReasonReconciliation));
            self.inbox.push_back(Input::Master(Box::new(MasterEvent::Update(status))));
        }
    }

    pub fn status(&self, id: &TaskId, state: TaskState, source: Source, reason: Option<Reason>) -> TaskStatus {
        let agent = self.tasks.get(id).map(|task| agent_id(task.agent));
        TaskStatus {
            task_id: id.clone(),
            state,
            agent_id: agent.or_else(|| Some(agent_id(0))),
            timestamp: self.now,
            source,
            reason,
            message: String::new(),
            uuid: None,
            healthy: None,
            container_id: None,
            ip_addresses: Vec::new(),
            unreachable_time: (state == TaskState::TaskUnreachable).then_some(self.now),
        }
    }

    /// What no living task and no outstanding offer holds.
    fn free(&self, agent: usize) -> Resources {
        let held = self.tasks.values().filter(|task| task.agent == agent && !task.state.is_terminal());
        held.fold(self.agents[agent].clone(), |free, task| free.minus(&task.info.resources))
    }

    /// Offers what is free on every agent. False: there was nothing to offer.
    fn offer_round(&mut self) -> bool {
        if !self.subscribed || !self.wanting || !self.manners.offer {
            return false;
        }
        let mut offers = Vec::new();
        for agent in 0..self.agents.len() {
            let filtered = self.filtered_until.get(&agent).is_some_and(|until| *until > self.now);
            let outstanding = self.outstanding.values().any(|other| *other == agent);
            if filtered || outstanding || self.lost.contains(&agent) {
                continue;
            }
            self.offers += 1;
            let id = OfferId::new(format!("O{}", self.offers));
            self.outstanding.insert(id.clone(), agent);
            offers.push(Offer {
                id,
                framework_id: FrameworkId::new("F"),
                agent_id: agent_id(agent),
                hostname: format!("node-{agent}"),
                agent_address: AgentAddress { ip: "10.0.0.1".into(), port: 5051 },
                domain: None,
                role: "*".into(),
                resources: self.free(agent),
                attributes: Vec::new(),
            });
        }
        if offers.is_empty() {
            return false;
        }
        self.input(Input::Master(Box::new(MasterEvent::Offers(offers))));
        true
    }

    // Looking around.

    pub fn state(&self) -> State {
        self.scheduler.snapshot()
    }

    pub fn instances(&self, id: &str) -> Vec<Arc<Instance>> {
        let state = self.state();
        let mut instances: Vec<_> =
            state.instances.get(&path(id)).into_iter().flat_map(|map| map.values().cloned()).collect();
        instances.sort_by_key(|instance| self.names.get(&instance.id).cloned());
        instances
    }

    pub fn count(&self, id: &str, condition: Condition) -> usize {
        self.instances(id).iter().filter(|instance| instance.condition == condition).count()
    }

    /// Tasks of an app that live, as agents see it.
    pub fn live(&self, id: &str) -> Vec<TaskId> {
        let name = path(id).host_name();
        let live = self.tasks.iter().filter(|(_, task)| task.info.name == name && !task.state.is_terminal());
        live.map(|(id, _)| id.clone()).collect()
    }

    /// Live tasks of an app by what they execute.
    pub fn commands(&self, id: &str) -> BTreeMap<String, usize> {
        let mut commands = BTreeMap::new();
        for task in self.live(id) {
            *commands.entry(command(&self.tasks[&task].info).to_owned()).or_default() += 1;
        }
        commands
    }

    pub fn why(&self) -> String {
        let state = self.state();
        let all = state.deployments.values().flat_map(|deployment| blockers(&state, deployment));
        all.map(|blocker| blocker.to_string()).collect::<Vec<_>>().join("\n")
    }

    /// Events since the beginning, or since they were last forgotten, one per line.
    pub fn story(&self) -> String {
        self.events.iter().map(|record| self.line(&record.event)).collect::<Vec<_>>().join("\n")
    }

    /// The events from here on.
    pub fn since(&self, event: usize) -> Vec<String> {
        self.events[event..].iter().map(|record| self.line(&record.event)).collect()
    }

    fn name(&mut self, event: &Event) {
        if let Event::InstanceChanged { instance, .. } = event
            && !self.names.contains_key(instance)
        {
            let number = self.names.keys().filter(|other| other.spec == instance.spec).count() + 1;
            self.names.insert(instance.clone(), format!("{}#{number:02}", instance.spec));
        }
    }

    pub fn named(&self, instance: &InstanceId) -> String {
        self.names.get(instance).cloned().unwrap_or_else(|| "?".into())
    }

    fn line(&self, event: &Event) -> String {
        let step = |step: &Step| {
            let actions = step.actions.iter().map(|action| format!("{:?} {}", action.kind, action.app));
            actions.collect::<Vec<_>>().join(", ")
        };
        match event {
            Event::ApiPost { uri, app, .. } => format!("post {uri} {}", app.spec.id),
            Event::SchedulerRegistered { .. } => "registered".into(),
            Event::SchedulerReregistered { .. } => "reregistered".into(),
            Event::SchedulerDisconnected => "disconnected".into(),
            Event::StreamAttached { remote_address } => format!("attached {remote_address}"),
            Event::StreamDetached { remote_address } => format!("detached {remote_address}"),
            Event::GroupChangeSuccess { group, .. } => format!("changed {group}"),
            Event::GroupChangeFailed { group, reason, .. } => format!("refused {group}: {reason}"),
            Event::DeploymentInfo { step: this, .. } => format!("step {}", step(this)),
            Event::DeploymentStepSuccess { step: this, .. } => format!("done {}", step(this)),
            Event::DeploymentSuccess { .. } => "deployed".into(),
            Event::DeploymentFailed { reason, .. } => format!("failed: {reason}"),
            Event::AppTerminated { app } => format!("terminated {app}"),
            Event::StatusUpdate { task, state, .. } => {
                let name: crate::id::TaskName = task.as_str().parse().unwrap();
                format!("su {} .{} {}", self.named(&name.instance), name.incarnation, state.as_str())
            }
            Event::InstanceChanged { instance, condition, .. } => format!("ic {} {condition:?}", self.named(instance)),
            Event::UnknownInstanceTerminated { instance, condition } => {
                format!("unknown {} {condition:?}", self.named(instance))
            }
            Event::InstanceHealthChanged { instance, healthy, .. } => {
                format!("health {} {healthy:?}", self.named(instance))
            }
            Event::HealthCheckAdded { app, .. } => format!("check+ {app}"),
            Event::HealthCheckRemoved { app } => format!("check- {app}"),
            Event::HealthCheckFailed { instance, .. } => format!("check failed {}", self.named(instance)),
            Event::HealthStatusChanged { instance, alive, .. } => format!("alive {} {alive}", self.named(instance)),
            Event::UnhealthyInstanceKill { instance, reason, .. } => {
                format!("unhealthy {}: {reason}", self.named(instance))
            }
        }
    }
}

fn is_ready(state: &State, instance: &Instance) -> bool {
    let version = state.versions.get(&instance.id.spec).and_then(|versions| versions.get(&instance.version));
    let checked = version.is_some_and(|app| app.spec.has_health_checks());
    Standing::of(instance, checked) == Standing::Ready
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

#[allow(dead_code, reason = "for tests that look at a stored definition")]
pub(super) fn definition(world: &World, id: &str) -> Arc<App> {
    world.state().root.apps[&path(id)].clone()
}
