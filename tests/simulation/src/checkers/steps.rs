//! (3) A step is done when its targets are met, and the next begins only then.
//!
//! At every `deployment_step_success`, for each of its apps, at that moment or at an earlier one of the same step (as in Marathon, what
//! was up once is taken for up until the step is done): of what was stopped nothing is left; of what was scaled or restarted there are
//! exactly as many instances as the tree says, those of the newest version (scale) or all, in the newest configuration (restart),
//! really ready. A deployment is at step *n* only after *n* such events. No instance of the target version is created before the app's step,
//! and none of an app that waits for its `Start`.

use std::collections::{BTreeMap, BTreeSet};

use marathon_core::{
    deployment::{ActionKind, Deployment},
    event::Event,
    id::{DeploymentId, PathId},
    instance::{Condition, Goal},
    scheduler::Change,
    state::State,
};
use substrate_core::protocol::TaskId;

use super::{instance_of, instances_of, is_surely_ready, version_of};
use crate::{
    violation::Invariant,
    world::{Truth, World},
};

/// How far deployments are.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    /// Steps done, by the events of the present scheduler and what it found stored.
    done: BTreeMap<DeploymentId, usize>,
    /// Steps done, by the events that were stored.
    pub stored: BTreeMap<DeploymentId, usize>,
    /// Apps whose part in a step was done at some moment.
    met: BTreeSet<(DeploymentId, usize, PathId)>,
}

pub(super) fn check(
    truths: &BTreeMap<TaskId, Truth>,
    progress: &mut Progress,
    before: &State,
    after: &State,
    changes: &[Change],
    found: &mut Vec<(Invariant, String)>,
) {
    for change in changes {
        match change {
            Change::Event(record) => {
                let Event::DeploymentStepSuccess { plan, step } = &record.event else { continue };
                let done = progress.done.entry(plan.id).or_default();
                let index = *done;
                *done += 1;
                if after.root.version != plan.version
                    && changes.iter().any(|change| matches!(change, Change::PutRoot { .. }))
                {
                    continue; // a newer tree came in the same step
                }
                for action in &step.actions {
                    if progress.met.contains(&(plan.id, index, action.app.clone())) {
                        continue;
                    }
                    if let Some(explanation) = unmet(truths, after, &action.app, action.kind) {
                        found.push((Invariant::Steps, format!("deployment {}: {explanation}", plan.id)));
                    }
                }
            }
            Change::PutDeployment(deployment) => {
                let done = progress.done.get(&deployment.plan.id).copied().unwrap_or(0);
                if done != deployment.step {
                    let (id, step) = (deployment.plan.id, deployment.step);
                    found.push((
                        Invariant::Steps,
                        format!("deployment {id} goes to step {step} after {done} were done"),
                    ));
                }
            }
            Change::PutInstance(instance) if instance_of(before, &instance.id).is_none() => {
                let spec = &instance.id.spec;
                let Some(deployment) = waits_for(after, spec) else { continue };
                let target = after.roots.get(&deployment.plan.version).and_then(|root| root.apps.get(spec));
                if target.is_some_and(|app| app.version == instance.version) {
                    let explanation = format!("{} is created before the step of {spec}", instance.id);
                    found.push((Invariant::Steps, format!("deployment {}: {explanation}", deployment.plan.id)));
                }
            }
            Change::Framework(_)
            | Change::PutVersion(_)
            | Change::DropVersion(..)
            | Change::PutRoot { .. }
            | Change::DropRootsBefore(_)
            | Change::PutInstance(_)
            | Change::DropInstance(_)
            | Change::DropDeployment(_)
            | Change::PutFailure(_)
            | Change::DropFailure(_)
            | Change::DropEventsUpTo(_) => {}
        }
    }
    for (id, deployment) in &after.deployments {
        for action in deployment.plan.steps.get(deployment.step).into_iter().flat_map(|step| &step.actions) {
            if unmet(truths, after, &action.app, action.kind).is_none() {
                progress.met.insert((*id, deployment.step, action.app.clone()));
            }
        }
    }
}

/// The deployment that has not come to scaling or restarting an app yet.
fn waits_for<'a>(state: &'a State, spec: &PathId) -> Option<&'a Deployment> {
    let mut all = state.deployments.values();
    let found = all.find(|deployment| {
        let later = deployment.plan.steps.iter().skip(deployment.step + 1);
        later
            .flat_map(|step| &step.actions)
            .any(|action| action.app == *spec && matches!(action.kind, ActionKind::Scale | ActionKind::Restart))
    });
    found.map(|deployment| &**deployment)
}

fn unmet(truths: &BTreeMap<TaskId, Truth>, state: &State, spec: &PathId, kind: ActionKind) -> Option<String> {
    match kind {
        ActionKind::Start => None,
        ActionKind::Stop => {
            let left = instances_of(state, spec).count();
            (left > 0).then(|| format!("{spec} is taken for stopped, and {left} instances are left"))
        }
        ActionKind::Scale | ActionKind::Restart => {
            let app = state.root.apps.get(spec)?;
            let held: Vec<_> = instances_of(state, spec)
                .filter(|instance| {
                    instance.goal == Goal::Running && instance.condition != Condition::UnreachableInactive
                })
                .collect();
            let target = app.spec.instances as usize;
            if held.len() != target {
                return Some(format!("{spec} is taken for done with {} of {target} instances", held.len()));
            }
            let matters = |instance: &&&marathon_core::instance::Instance| {
                kind == ActionKind::Restart || instance.version == app.version
            };
            let unready = held.iter().filter(matters).find(|instance| {
                let current = version_of(state, instance)
                    .is_some_and(|version| version.last_config_change_at == app.last_config_change_at);
                !(is_surely_ready(truths, state, instance) && current)
            });
            unready.map(|instance| {
                format!(
                    "{spec} is taken for done, and {} is not ready or not current: {:?}",
                    instance.id, instance.condition
                )
            })
        }
    }
}

impl World {
    /// A scheduler begins again: what was not stored has not happened.
    pub(super) fn forget_unstored_steps(&mut self) {
        self.ledger.progress.done = self.ledger.progress.stored.clone();
    }
}
