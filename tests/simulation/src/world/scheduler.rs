//! The scheduler: a core, a disk, and a commit between what it decides and what it does.
//!
//! What was decided while a commit is on its way waits for the next one, so that several inputs share a commit, as in production.

use std::collections::{BTreeMap, BTreeSet};

use marathon_core::{
    id::{InstanceId, TaskName},
    scheduler::{Change, Command, Config, Effect, Input, Output, Probe, Recovered, Scheduler, Seeds, Ticket},
    state::State,
};
use marathon_time::Timestamp;
use substrate_core::{
    master::StreamId,
    protocol::scheduler::{Call, Event, Operation},
};

use super::{Happening, Key, Truth, World, skewed};
use crate::{sabotage::Sabotage, violation::Invariant, workload};

/// Where the scheduler runs, or does not.
#[derive(Debug, Default)]
pub struct SchedulerSite {
    pub(crate) core: Option<Scheduler>,
    /// What is stored.
    pub(crate) disk: Recovered,
    /// What the core knew when it was last stored.
    pub(crate) committed: State,
    pub(super) stream: Option<StreamId>,
    boot: u64,
    /// How far its clock is ahead.
    pub(super) skew: i64,
    wake: Option<Key>,
    pending: Pending,
    commit: Option<Key>,
    /// Commands without an answer, and their kinds.
    pub(crate) asked: BTreeMap<Ticket, &'static str>,
    tickets: u64,
}

/// Decided, not stored.
#[derive(Debug, Default)]
struct Pending {
    changes: Vec<Change>,
    effects: Vec<Effect>,
    state: State,
}

impl SchedulerSite {
    fn clock(&self, now: Timestamp) -> Timestamp {
        skewed(now, self.skew)
    }
}

impl World {
    pub(super) fn start_scheduler(&mut self) {
        if self.scheduler.core.is_some() {
            return;
        }
        self.scheduler.boot += 1;
        let seeds = Seeds { instances: self.dice.number(), deployments: self.dice.number(), ports: self.dice.number() };
        let mut stored = self.scheduler.disk.clone();
        self.check_recovery();
        if self.sabotage == Some(Sabotage::SkipStep) {
            skip_steps(&mut stored);
        }
        let now = self.scheduler.clock(self.now);
        self.note(format_args!("scheduler starts"));
        self.scheduler.core = Some(Scheduler::new(scheduler_config(), stored, seeds, now));
        self.step_scheduler(Input::Wakeup);
    }

    pub(super) fn crash_scheduler(&mut self, how: &str) {
        if self.scheduler.core.take().is_none() {
            return;
        }
        self.note(format_args!("scheduler {how}"));
        self.count("scheduler crash");
        let site = &mut self.scheduler;
        site.pending = Pending::default();
        site.asked.clear();
        let (wake, commit, stream) = (site.wake.take(), site.commit.take(), site.stream.take());
        self.cancel(wake);
        self.cancel(commit);
        if let Some(stream) = stream {
            self.give_stream_up(stream);
        }
        let longest = if self.dice.one_in(5) { 40_000 } else { 6_000 };
        self.later(200, longest, Happening::StartScheduler);
    }

    pub(super) fn wake_scheduler(&mut self) {
        self.scheduler.wake = None;
        self.step_scheduler(Input::Wakeup);
    }

    pub(super) fn scheduler_hears(&mut self, event: Box<Event>) {
        self.step_scheduler(Input::Master(event));
    }

    pub(super) fn stream_gone_at_scheduler(&mut self, stream: StreamId) {
        if self.scheduler.stream == Some(stream) {
            self.scheduler.stream = None;
            self.step_scheduler(Input::MasterLost);
        }
    }

    /// A user wants something.
    pub(crate) fn ask(&mut self, command: Command) {
        if self.scheduler.core.is_none() {
            return; // nobody answers the telephone
        }
        let kind = workload::kind(&command);
        self.count(kind);
        self.scheduler.tickets += 1;
        let ticket = Ticket(self.scheduler.tickets);
        self.note(format_args!("{ticket:?}: {}", workload::describe(&command)));
        self.scheduler.asked.insert(ticket, kind);
        self.step_scheduler(Input::Command(ticket, Box::new(command)));
    }

    pub(super) fn step_scheduler(&mut self, input: Input) {
        let now = self.scheduler.clock(self.now);
        let Some(core) = &mut self.scheduler.core else { return };
        let before = core.snapshot();
        let blameless = blameless(&input);
        let mut out = Output::default();
        core.step(now, input, &mut out);
        let (after, next) = (core.snapshot(), core.next_wakeup());
        self.steps += 1;
        self.trace_changes(&out.changes);
        self.check_step(&before, &after, &out.changes, &blameless);
        let skew = self.scheduler.skew;
        let wake = self.scheduler.wake.take();
        self.cancel(wake);
        self.scheduler.wake = next.map(|at| self.at(skewed(at, -skew), Happening::WakeScheduler));

        let pending = &mut self.scheduler.pending;
        pending.changes.append(&mut out.changes);
        pending.effects.append(&mut out.effects);
        pending.state = after;
        if self.scheduler.commit.is_some() {
            return;
        }
        if self.scheduler.pending.changes.is_empty() {
            let effects = std::mem::take(&mut self.scheduler.pending.effects);
            return self.perform_all(effects);
        }
        let slowest = if self.dice.one_in(self.weather.slow_commit) { 1_000 } else { 4 };
        self.scheduler.commit = Some(self.later(0, slowest, Happening::Commit));
    }

    /// What was decided becomes durable, or not; then it is done.
    pub(super) fn commit(&mut self) {
        self.scheduler.commit = None;
        let Pending { changes, effects, state } = std::mem::take(&mut self.scheduler.pending);
        if self.dice.one_in(self.weather.commit_fails) {
            if self.sabotage == Some(Sabotage::ActBeforeCommit) {
                self.perform_all(effects);
            }
            return self.crash_scheduler("cannot commit");
        }
        for change in &changes {
            self.store(change);
        }
        self.scheduler.committed = state;
        if self.dice.one_in(self.weather.commit_unheard) {
            return self.crash_scheduler("does not hear of its commit");
        }
        self.perform_all(effects);
    }

    fn store(&mut self, change: &Change) {
        let lossy = self.sabotage == Some(Sabotage::LossyStore)
            && matches!(change, Change::PutInstance(_))
            && self.dice.one_in(20);
        let gap =
            self.sabotage == Some(Sabotage::EventGap) && matches!(change, Change::Event(_)) && self.dice.one_in(50);
        if lossy || gap {
            return self.note(format_args!("sabotage: a change is lost"));
        }
        self.check_stored(change);
        self.scheduler.disk.apply(change);
    }

    fn perform_all(&mut self, effects: Vec<Effect>) {
        let crash = !effects.is_empty() && self.dice.one_in(self.weather.crash_in_effects);
        let done = if crash { self.dice.between(0, effects.len() as u64 - 1) } else { u64::MAX };
        for (index, effect) in effects.into_iter().enumerate() {
            if index as u64 >= done {
                return self.crash_scheduler("crashes while it acts");
            }
            self.perform_for_scheduler(effect);
        }
    }

    fn perform_for_scheduler(&mut self, effect: Effect) {
        match effect {
            Effect::Call(call) => self.perform_call(call),
            Effect::Reply(ticket, answer) => {
                let short = match &answer {
                    Ok(accepted) => workload::outcome(accepted),
                    Err(rejection) => format!("refused: {rejection}"),
                };
                self.note(format_args!("{ticket:?}: {short}"));
                if answer.is_err() {
                    self.count("refused");
                }
                if self.scheduler.asked.remove(&ticket).is_none() {
                    self.violate(Invariant::Liveness, format!("{ticket:?} is answered and nobody asks"));
                }
            }
            Effect::Probe { probe, target: _, timeout } => {
                let answers = !self.dice.one_in(self.weather.probe_unanswered);
                let slowest = if answers { 300 } else { timeout.as_millis() as u64 };
                let boot = self.scheduler.boot;
                self.later(1, slowest, Happening::Probed { boot, probe: Box::new(probe), answers });
            }
            Effect::Halt { message } => {
                self.violate(Invariant::Liveness, format!("the scheduler was refused for good: {message}"));
            }
        }
    }

    fn perform_call(&mut self, call: Box<Call>) {
        if let Call::Subscribe { .. } = &*call {
            let stream = self.open_stream();
            self.note(format_args!("scheduler subscribes on stream {stream}"));
            self.scheduler.stream = Some(stream);
            if self.master_is_up() {
                self.send_call(stream, call);
            } else {
                self.break_stream(stream);
            }
            return;
        }
        self.trace_call(&call);
        self.check_call(&call);
        if let Some(stream) = self.scheduler.stream {
            self.send_call(stream, call);
        }
    }

    fn master_is_up(&self) -> bool {
        self.master.is_up()
    }

    pub(super) fn probe_answered(&mut self, boot: u64, probe: &Probe, answers: bool) {
        if self.scheduler.boot != boot {
            return;
        }
        let truth = self.truths.get(&probe.task);
        let reachable = truth.is_some_and(|truth| self.agents[truth.agent].is_reachable());
        let outcome = self.outcome(&probe.task, answers && reachable && truth.is_some_and(Truth::is_well));
        self.step_scheduler(Input::Probed { probe: probe.clone(), outcome });
    }

    fn trace_changes(&mut self, changes: &[Change]) {
        for change in changes {
            match change {
                Change::PutInstance(instance) => {
                    let id = &instance.id;
                    let (condition, goal, health) = (instance.condition, instance.goal, instance.health());
                    let run = instance.incarnation;
                    let version = instance.version.as_millis() % 10_000_000;
                    self.note(format_args!("  {id} #{run} v{version} {goal:?} {condition:?} {health:?}"));
                }
                Change::DropInstance(id) => self.note(format_args!("  {id} is forgotten")),
                Change::PutDeployment(deployment) => {
                    let (id, step, steps) = (deployment.plan.id, deployment.step, deployment.plan.steps.len());
                    self.note(format_args!("  deployment {id} is at step {step} of {steps}"));
                }
                Change::DropDeployment(id) => self.note(format_args!("  deployment {id} is over")),
                Change::PutRoot { version, apps, .. } => {
                    let version = version.as_millis() % 10_000_000;
                    self.note(format_args!("  tree v{version} changes {} apps", apps.len()));
                }
                Change::Framework(_)
                | Change::PutVersion(_)
                | Change::DropVersion(..)
                | Change::DropRootsBefore(_)
                | Change::PutFailure(_)
                | Change::DropFailure(_)
                | Change::Event(_)
                | Change::DropEventsUpTo(_) => {}
            }
        }
    }

    fn trace_call(&mut self, call: &Call) {
        match call {
            Call::Accept { operations, .. } => {
                for Operation::Launch { tasks } in operations {
                    for task in tasks {
                        self.note(format_args!("-> launch {} on {}", task.id, task.agent_id));
                    }
                }
            }
            Call::Kill { task, .. } => self.note(format_args!("-> kill {task}")),
            Call::Reconcile { tasks } => self.note(format_args!("-> reconcile {}", tasks.len())),
            Call::Teardown => self.note(format_args!("-> teardown")),
            Call::Subscribe { .. }
            | Call::Decline { .. }
            | Call::Revive { .. }
            | Call::Suppress { .. }
            | Call::Acknowledge { .. } => {}
        }
    }
}

/// Instances whose end by this very input is nobody's decision but a user's or their own.
fn blameless(input: &Input) -> BTreeSet<InstanceId> {
    match input {
        Input::Command(_, command) => match &**command {
            Command::KillInstances { instances, .. } => instances.clone(),
            Command::Change { .. }
            | Command::CancelDeployment { .. }
            | Command::ResetDelay(_)
            | Command::Attach { .. }
            | Command::Detach { .. } => BTreeSet::new(),
        },
        Input::Master(event) => match &**event {
            Event::Update(status) => {
                status.task_id.as_str().parse::<TaskName>().into_iter().map(|name| name.instance).collect()
            }
            Event::Subscribed { .. }
            | Event::Offers(_)
            | Event::Rescind(_)
            | Event::Failure { .. }
            | Event::Error { .. }
            | Event::Heartbeat => BTreeSet::new(),
        },
        Input::Probed { probe, .. } => BTreeSet::from([probe.instance.clone()]),
        Input::MasterLost | Input::Wakeup => BTreeSet::new(),
    }
}

/// Few versions are kept, so that dropping them is exercised.
pub(crate) fn scheduler_config() -> Config {
    Config { max_versions: 6, max_events: 500, ..Config::default() }
}

fn skip_steps(stored: &mut Recovered) {
    for deployment in &mut stored.deployments {
        if deployment.step + 1 < deployment.plan.steps.len() {
            let mut further = marathon_core::deployment::Deployment::clone(deployment);
            further.step += 1;
            *deployment = std::sync::Arc::new(further);
        }
    }
}
