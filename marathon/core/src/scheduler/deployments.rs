//! Deployments on their way: which spec has which target, when a step is done, what comes next.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use imbl::OrdMap;

use super::{Change, Scheduler};
use crate::{
    deployment::{
        ActionKind, Deployment, Plan, Step,
        reconcile::{InstanceSet, Target, reconcile},
    },
    event::Event,
    id::{DeploymentId, PathId},
    instance::census::{Census, Standing},
    spec::App,
};

/// Instances of one spec that wait for a launch at the same time; the rest is made when these are launched. So that a number that was
/// typed wrong costs no more memory than a large app.
const MAX_WAITING: u32 = 10_000;

/// The reason of `deployment_failed` when a deployment is stopped by a user.
const CANCELLED: &str = "The upgrade has been cancelled";

/// What a deployment does to a spec that it locks.
#[derive(Clone, Debug)]
pub(super) struct Work {
    deployment: DeploymentId,
    /// At which step what is done, in order.
    actions: Vec<(usize, ActionKind)>,
}

/// What should be of a spec now.
enum Aim {
    /// Whatever is there.
    Leave,
    Nothing,
    Count(Arc<App>),
    Replace(Arc<App>),
}

impl Scheduler {
    /// Compares one spec with its target and acts upon the difference.
    pub(super) fn reconcile_spec(&mut self, spec: &PathId) {
        let aim = self.aim(spec);
        let instances = self.state.instances.get(spec).cloned().unwrap_or_else(OrdMap::new);
        let nobody = Census::default();
        let census = self.census.get(spec).unwrap_or(&nobody);
        let none = BTreeSet::new();
        let (target, app) = match &aim {
            Aim::Leave => return self.target_met(spec),
            Aim::Nothing => (Target::Nothing, None),
            Aim::Count(app) => (Target::Count { app, sentenced: self.sentenced(spec).unwrap_or(&none) }, Some(app)),
            Aim::Replace(app) => (Target::Replace { app }, Some(app)),
        };
        let moves = reconcile(&target, InstanceSet { instances: &instances, census });
        let waiting = census.total().of(Standing::Waiting);
        for id in &moves.kill {
            self.decommission(id);
        }
        if let Some(app) = app {
            for _ in 0..moves.start.min(MAX_WAITING.saturating_sub(waiting)) {
                self.create(app);
            }
        }
        if moves.met {
            self.target_met(spec);
        }
    }

    /// What should be: outside deployments what the tree says; inside, what was before until the spec's turn comes.
    fn aim(&self, spec: &PathId) -> Aim {
        let wanted = || self.state.root.apps.get(spec).cloned();
        let steady = || wanted().map_or(Aim::Nothing, Aim::Count);
        let Some(work) = self.work.get(spec) else { return steady() };
        let Some(deployment) = self.state.deployments.get(&work.deployment) else { return steady() };
        let next = work.actions.iter().find(|(step, _)| *step >= deployment.step);
        match next {
            None => steady(),
            Some((step, kind)) if *step == deployment.step => match kind {
                ActionKind::Start => Aim::Leave,
                ActionKind::Stop => Aim::Nothing,
                ActionKind::Scale => steady(),
                ActionKind::Restart => wanted().map_or(Aim::Nothing, Aim::Replace),
            },
            Some(_) => {
                let before = self.state.roots.get(&deployment.plan.original);
                before.and_then(|root| root.apps.get(spec).cloned()).map_or(Aim::Leave, Aim::Count)
            }
        }
    }

    /// Instances that the deployment in charge of a spec is to kill.
    fn sentenced(&self, spec: &PathId) -> Option<&BTreeSet<crate::id::InstanceId>> {
        let work = self.work.get(spec)?;
        let deployment = self.state.deployments.get(&work.deployment)?;
        let acts_now = work.actions.iter().any(|(step, _)| *step == deployment.step);
        deployment.plan.kill.get(spec).filter(|_| acts_now)
    }

    /// The spec's part in the present step of its deployment is done, and stays so.
    fn target_met(&mut self, spec: &PathId) {
        let Some(id) = self.work.get(spec).map(|work| work.deployment) else { return };
        let Some(pending) = self.pending.get_mut(&id) else { return };
        if !pending.remove(spec) {
            return;
        }
        if pending.is_empty() {
            self.finished_steps.insert(id);
        }
        let stopped = self.state.deployments.get(&id).is_some_and(|deployment| {
            present_step(deployment).is_some_and(|step| {
                step.actions.iter().any(|action| action.kind == ActionKind::Stop && action.app == *spec)
            })
        });
        if stopped {
            self.app_terminated(spec);
        }
    }

    fn app_terminated(&mut self, spec: &PathId) {
        self.state.queue.reset(spec);
        self.state.queue.forget(spec);
        if self.state.failures.remove(spec).is_some() {
            self.change(Change::DropFailure(spec.clone()));
        }
        self.emit(Event::AppTerminated { app: spec.clone() });
    }

    /// Stores and starts an accepted deployment.
    pub(super) fn start_deployment(&mut self, plan: Arc<Plan>) {
        let deployment = Arc::new(Deployment { plan, step: 0, started_at: self.now });
        self.lock(&deployment);
        self.put_deployment(deployment.clone());
        self.begin_step(&deployment);
    }

    fn put_deployment(&mut self, deployment: Arc<Deployment>) {
        self.state.deployments.insert(deployment.plan.id, deployment.clone());
        self.change(Change::PutDeployment(deployment));
    }

    /// Notes what a deployment locks, and what it does to it when.
    pub(super) fn lock(&mut self, deployment: &Deployment) {
        let id = deployment.plan.id;
        let mut actions: BTreeMap<&PathId, Vec<(usize, ActionKind)>> = BTreeMap::new();
        for (index, step) in deployment.plan.steps.iter().enumerate() {
            for action in &step.actions {
                actions.entry(&action.app).or_default().push((index, action.kind));
            }
        }
        for (app, actions) in actions {
            self.state.locks.entry(app.clone()).or_default().insert(id);
            self.work.insert(app.clone(), Work { deployment: id, actions });
        }
    }

    fn begin_step(&mut self, deployment: &Deployment) {
        let Some(step) = present_step(deployment) else { return };
        self.emit(Event::DeploymentInfo { plan: deployment.plan.clone(), step: step.clone() });
        for action in &step.actions {
            match action.kind {
                ActionKind::Stop => self.withdraw_checks(&action.app, |_, _| false),
                ActionKind::Start | ActionKind::Scale | ActionKind::Restart => {
                    if let Some(app) = self.state.root.apps.get(&action.app).cloned() {
                        self.announce_checks(&app);
                    }
                }
            }
            if action.kind == ActionKind::Restart {
                self.state.queue.reset(&action.app);
                self.queue_touched(action.app.clone(), false);
            }
        }
        self.await_step(deployment);
    }

    /// From now on the specs of the present step have their targets.
    pub(super) fn await_step(&mut self, deployment: &Deployment) {
        let Some(step) = present_step(deployment) else { return };
        let apps: BTreeSet<PathId> = step.actions.iter().map(|action| action.app.clone()).collect();
        self.dirty.extend(apps.iter().cloned());
        self.pending.insert(deployment.plan.id, apps);
    }

    /// Goes on to the next step, or ends the deployment.
    pub(super) fn finish_step(&mut self, id: DeploymentId) {
        let Some(deployment) = self.state.deployments.get(&id).cloned() else { return };
        let plan = deployment.plan.clone();
        if let Some(step) = present_step(&deployment) {
            self.emit(Event::DeploymentStepSuccess { plan: plan.clone(), step: step.clone() });
        }
        let next = Deployment { step: deployment.step + 1, ..Deployment::clone(&deployment) };
        if next.step < plan.steps.len() {
            let next = Arc::new(next);
            self.put_deployment(next.clone());
            self.begin_step(&next);
            return;
        }
        self.emit(Event::DeploymentSuccess { plan: plan.clone() });
        self.remove_deployment(&plan);
        for app in plan.affected() {
            self.withdraw_outdated_checks(app);
        }
    }

    /// Stops orchestrating: every instance keeps the goal that it has.
    pub(super) fn cancel_deployment(&mut self, id: DeploymentId) {
        let Some(deployment) = self.state.deployments.get(&id).cloned() else { return };
        self.emit(Event::DeploymentFailed { plan: deployment.plan.clone(), reason: CANCELLED.into() });
        self.remove_deployment(&deployment.plan);
    }

    fn remove_deployment(&mut self, plan: &Plan) {
        self.state.deployments.remove(&plan.id);
        self.change(Change::DropDeployment(plan.id));
        self.pending.remove(&plan.id);
        self.finished_steps.remove(&plan.id);
        for app in plan.affected() {
            let mut unlocked = false;
            if let Some(owners) = self.state.locks.get_mut(app) {
                owners.remove(&plan.id);
                unlocked = owners.is_empty();
            }
            if unlocked {
                self.state.locks.remove(app);
            }
            if self.work.get(app).is_some_and(|work| work.deployment == plan.id) {
                self.work.remove(app);
            }
            self.dirty.insert(app.clone());
        }
        self.forget_the_beginning();
    }
}

pub(super) fn present_step(deployment: &Deployment) -> Option<&Step> {
    deployment.plan.steps.get(deployment.step)
}
