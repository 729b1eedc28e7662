//! The scheduler's state machine: everything that it can be told is an [`Input`], everything that it wants done is an [`Output`].
//!
//! Each input is handled in two parts. First the rooms for commands, statuses, offers, probes and time change what is known. Then
//! `settle` compares what is with what should be, for those specs that were touched and for nothing else, until no
//! difference is left that can be acted upon.

mod commands;
mod config;
mod deployments;
mod event_log;
mod health;
mod ids;
mod instances;
mod io;
mod killing;
mod launching;
mod offers;
mod recovered;
mod recovery;
mod retention;
mod statuses;
mod subscription;
mod timers;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use health_core::Schedule;
use marathon_time::Timestamp;
use substrate_core::protocol::{AgentId, TaskId, scheduler::Call};

use crate::{
    event::{Event, Record},
    id::{DeploymentId, InstanceId, PathId},
    instance::census::Census,
    state::State,
};

pub use config::Config;
pub use ids::Seeds;
pub use io::{
    Accepted, AppPut, Change, Command, Effect, Expect, GroupUpdate, Input, Origin, Output, Probe, ProbeTarget,
    Recovered, Rejection, Ticket, TreeChange, Violation,
};

use deployments::Work;
use event_log::Retention;
use ids::Ids;
use offers::Intake;
use subscription::Link;
use timers::{Timer, Timers};

/// A clock that is set back by less than this is taken to stand still until it has caught up.
const HOLD: Duration = Duration::from_secs(1);

/// The scheduler.
///
/// Cost of a step: what the input touches. Whatever is kept beside [`State`] is an index of it or in memory only.
#[derive(Debug)]
pub struct Scheduler {
    config: Config,
    state: State,
    ids: Ids,
    /// The moment of the step that is being made.
    now: Timestamp,
    /// What the step led to so far.
    out: Output,
    timers: Timers,
    link: Link,
    intake: Intake,
    /// Instances of every spec, counted.
    census: BTreeMap<PathId, Census>,
    /// What deployments do to the specs that they lock.
    work: BTreeMap<PathId, Work>,
    /// Specs whose part in the present step of a deployment is not done yet.
    pending: BTreeMap<DeploymentId, BTreeSet<PathId>>,
    /// Probes of every instance that is watched over the network: index of the check, and when.
    probes: BTreeMap<InstanceId, Vec<(usize, Schedule)>>,
    /// Health checks that were announced, by app and version.
    announced_checks: BTreeMap<PathId, BTreeMap<Timestamp, usize>>,
    /// Tasks that belong to no instance and are being killed.
    strays: BTreeMap<TaskId, Option<AgentId>>,
    /// The newest version ever given.
    last_version: Timestamp,
    /// How much of the event log is kept.
    events_kept: Retention,

    /// Specs to be reconciled.
    dirty: BTreeSet<PathId>,
    /// Deployments whose present step is done.
    finished_steps: BTreeSet<DeploymentId>,
    /// Specs of which other instances wait than before; true: more.
    queue_changed: BTreeMap<PathId, bool>,
    /// Instances to be stored, or to be deleted if they are gone.
    touched: BTreeSet<InstanceId>,
}

impl Scheduler {
    /// Applies one input at `now`. Never waits, never fails; whatever follows from it is in `out`.
    pub fn step(&mut self, now: Timestamp, input: Input, out: &mut Output) {
        self.set_clock(now);
        match input {
            Input::Command(ticket, command) => self.command(ticket, *command),
            Input::Master(event) => self.master_said(*event),
            Input::MasterLost => self.master_lost(),
            Input::Probed { probe, outcome } => self.probed(&probe, &outcome),
            Input::Wakeup => {}
        }
        while let Some(timer) = self.timers.pop_due(self.now) {
            self.ring(timer);
        }
        self.settle();
        self.store_touched();
        self.drop_old_events();
        out.changes.append(&mut self.out.changes);
        out.effects.append(&mut self.out.effects);
    }

    /// When to send [`Input::Wakeup`] if nothing else comes first.
    pub fn next_wakeup(&self) -> Option<Timestamp> {
        self.timers.next()
    }

    /// Everything that is known, for readers. Costs a handful of reference counts.
    pub fn snapshot(&self) -> State {
        self.state.clone()
    }

    /// Clocks are set back; nothing may wait until they catch up. A step back of less than [`HOLD`] is waited out.
    ///
    /// Costs the number of instances where it is set back, which is rare.
    fn set_clock(&mut self, now: Timestamp) {
        if now < self.now && self.now.since(now) < HOLD {
            return;
        }
        if now < self.now {
            self.timers.bring_forward(self.now.since(now));
            self.intake.clock_set_back(now);
            self.link.clock_set_back(now);
            self.events_kept.clock_set_back(now);
            self.forget_backoffs();
            self.now = now;
            self.instances_set_back();
            self.probes_set_back(now);
        }
        self.now = now;
    }

    fn ring(&mut self, timer: Timer) {
        match timer {
            Timer::Subscribe => self.subscribe(),
            Timer::Silence => self.check_silence(),
            Timer::Reconcile => self.reconcile_tasks(),
            Timer::Revive => {} // settling looks whether to revive
            Timer::Backoff(spec) => self.queue_touched(spec, false),
            Timer::Expiry => {
                self.state.queue.expire(self.now);
            }
            Timer::Launch(id) => self.launch_overdue(&id),
            Timer::Kill(id) => self.kill_again(&id),
            Timer::Stray(task) => self.kill_stray_again(task),
            Timer::Unreachable(id) => self.out_of_reach_for_long(&id),
            Timer::Probe(id) => self.probes_due(&id),
        }
    }

    /// Acts until what is and what should be differ in nothing that can be acted upon now.
    fn settle(&mut self) {
        loop {
            if let Some(spec) = self.dirty.pop_first() {
                self.reconcile_spec(&spec);
            } else if let Some(id) = self.finished_steps.pop_first() {
                self.finish_step(id);
            } else {
                break;
            }
        }
        self.refresh_queue();
        self.tell_demand();
    }

    /// Each touched instance once, however often it changed.
    fn store_touched(&mut self) {
        for id in std::mem::take(&mut self.touched) {
            let change = match self.instance(&id) {
                Some(instance) => Change::PutInstance(instance),
                None => Change::DropInstance(id),
            };
            self.out.changes.push(change);
        }
    }

    fn change(&mut self, change: Change) {
        self.out.changes.push(change);
    }

    /// Calls the master, if there is one to hear it.
    fn call(&mut self, call: Call) {
        if self.link.is_subscribed() {
            self.out.effects.push(Effect::Call(Box::new(call)));
        }
    }

    /// Numbers an event and logs it.
    fn emit(&mut self, event: Event) -> u64 {
        self.state.last_event += 1;
        let seq = self.state.last_event;
        self.change(Change::Event(Box::new(Record { seq, at: self.now, event })));
        seq
    }

    fn drop_old_events(&mut self) {
        let (max_events, max_age) = (self.config.max_events, self.config.max_event_age);
        if let Some(seq) = self.events_kept.drop_up_to(self.now, self.state.last_event, max_events, max_age) {
            self.change(Change::DropEventsUpTo(seq));
        }
    }

    /// A version greater than every one before.
    fn next_version(&self) -> Timestamp {
        self.now.max(Timestamp::from_millis(self.last_version.as_millis().saturating_add(1)))
    }

    /// A stored version of an app; if it is missing, the newest.
    fn version_of(&self, spec: &PathId, version: Timestamp) -> Option<Arc<crate::spec::App>> {
        let versions = self.state.versions.get(spec)?;
        versions.get(&version).or_else(|| versions.get_max().map(|(_, app)| app)).cloned()
    }
}
