//! What is watched, and when. Each file states its rule.
//!
//! The checkers know the truth about every container, which the cores only hear of. Where a rule speaks of "ready" instances, an
//! instance counts if the scheduler holds it for ready and its container has really been: so a lie about health does not help, and a
//! container that fell ill a moment ago, unheard, is nobody's fault.

mod capacity;
mod constraints;
mod convergence;
mod durability;
mod resources;
mod steps;

use std::collections::{BTreeMap, BTreeSet};

use marathon_core::{
    event::Event,
    id::{InstanceId, PathId},
    instance::{Condition, Goal, Instance},
    scheduler::Change,
    state::{self, State},
};
use substrate_core::protocol::TaskId;

use crate::{
    violation::Invariant,
    world::{Truth, World},
};

/// What the checkers remember.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Position of the newest event stored.
    last_event: u64,
    /// How far deployments are.
    progress: steps::Progress,
    /// Apps whose instances may be of several configurations, as a deployment of theirs was stopped half-way.
    left_mixed: BTreeSet<PathId>,
}

impl World {
    /// After every step of the scheduler.
    pub(crate) fn check_step(
        &mut self,
        before: &State,
        after: &State,
        changes: &[Change],
        blameless: &BTreeSet<InstanceId>,
    ) {
        if changes.is_empty() {
            return;
        }
        if let Err(broken) = state::invariants::check(after) {
            self.violate(Invariant::State, broken.join("; "));
        }
        let mut found = Vec::new();
        capacity::check(&self.truths, before, after, changes, blameless, &mut found);
        steps::check(&self.truths, &mut self.ledger.progress, before, after, changes, &mut found);
        constraints::check(&self.agents, before, after, changes, &mut found);
        for (invariant, explanation) in found {
            self.violate(invariant, explanation);
        }
    }

    /// Before a change is stored.
    pub(crate) fn check_stored(&mut self, change: &Change) {
        let Change::Event(record) = change else { return };
        if record.seq != self.ledger.last_event + 1 {
            let explanation = format!("event {} follows event {}", record.seq, self.ledger.last_event);
            self.violate(Invariant::Events, explanation);
        }
        self.ledger.last_event = record.seq;
        self.check_told(&record.event);
    }

    fn check_told(&mut self, event: &Event) {
        match event {
            Event::DeploymentStepSuccess { plan, .. } => {
                *self.ledger.progress.stored.entry(plan.id).or_default() += 1;
            }
            Event::DeploymentFailed { plan, .. } => {
                self.ledger.left_mixed.extend(plan.affected().into_iter().cloned());
                self.count("deployment stopped");
            }
            Event::DeploymentSuccess { plan } => {
                self.ledger.healed_by(plan);
                self.count("deployment done");
            }
            Event::UnhealthyInstanceKill { .. } => self.count("health kill"),
            Event::InstanceChanged { condition, .. } => {
                if *condition == Condition::Unreachable {
                    self.count("unreachable");
                }
            }
            Event::ApiPost { .. }
            | Event::SchedulerRegistered { .. }
            | Event::SchedulerReregistered { .. }
            | Event::SchedulerDisconnected
            | Event::StreamAttached { .. }
            | Event::StreamDetached { .. }
            | Event::GroupChangeSuccess { .. }
            | Event::GroupChangeFailed { .. }
            | Event::DeploymentInfo { .. }
            | Event::AppTerminated { .. }
            | Event::StatusUpdate { .. }
            | Event::UnknownInstanceTerminated { .. }
            | Event::InstanceHealthChanged { .. }
            | Event::HealthCheckAdded { .. }
            | Event::HealthCheckRemoved { .. }
            | Event::HealthCheckFailed { .. }
            | Event::HealthStatusChanged { .. } => {}
        }
    }
}

/// An instance whose task is held for ready by the scheduler, and has really been.
fn is_surely_ready(truths: &BTreeMap<TaskId, Truth>, state: &State, instance: &Instance) -> bool {
    let Some(task) = instance.task.as_ref().filter(|task| task.kill_requested_at.is_none()) else { return false };
    if instance.goal != Goal::Running || instance.condition != Condition::Running {
        return false;
    }
    let Some(truth) = truths.get(&task.id) else { return false };
    if has_checks(state, instance) { instance.health() == Some(true) && truth.warm } else { truth.started }
}

fn has_checks(state: &State, instance: &Instance) -> bool {
    version_of(state, instance).is_some_and(|app| app.spec.has_health_checks())
}

fn version_of<'a>(state: &'a State, instance: &Instance) -> Option<&'a marathon_core::spec::App> {
    state.versions.get(&instance.id.spec)?.get(&instance.version).map(|app| &**app)
}

fn instance_of<'a>(state: &'a State, id: &InstanceId) -> Option<&'a Instance> {
    state.instances.get(&id.spec)?.get(id).map(|instance| &**instance)
}

fn instances_of<'a>(state: &'a State, spec: &PathId) -> impl Iterator<Item = &'a Instance> {
    state.instances.get(spec).into_iter().flat_map(|instances| instances.values()).map(|instance| &**instance)
}

fn changed_instances(changes: &[Change]) -> impl Iterator<Item = &InstanceId> {
    changes.iter().filter_map(|change| match change {
        Change::PutInstance(instance) => Some(&instance.id),
        Change::DropInstance(id) => Some(id),
        Change::Framework(_)
        | Change::PutVersion(_)
        | Change::DropVersion(..)
        | Change::PutRoot { .. }
        | Change::DropRootsBefore(_)
        | Change::PutDeployment(_)
        | Change::DropDeployment(_)
        | Change::PutFailure(_)
        | Change::DropFailure(_)
        | Change::Event(_)
        | Change::DropEventsUpTo(_) => None,
    })
}
