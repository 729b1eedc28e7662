//! (8) When the faults have stopped, within [`crate::world::CONVERGENCE_BOUND`] and from then on: every app has exactly its
//! instances, running, really healthy, of the present configuration; no deployment is left; nothing waits; no container lives that is
//! not an instance's present task (5); no request is without an answer; the store holds what memory holds.
//!
//! What users ask for in a run can always be had, so a deployment that is left over is wrong even if it says why.
//! Apps whose deployment was stopped half-way are restarted first, as their users would.

use std::collections::BTreeSet;

use marathon_core::{
    deployment::{ActionKind, Plan},
    id::PathId,
    instance::{Condition, Goal, Instance},
    scheduler::{Command, TreeChange},
    state::State,
};
use substrate_core::protocol::TaskId;

use super::{Ledger, has_checks, instances_of, version_of};
use crate::world::World;

impl Ledger {
    /// A deployment is done: what it restarted, started or stopped is of one configuration.
    pub(super) fn healed_by(&mut self, plan: &Plan) {
        for action in plan.steps.iter().flat_map(|step| &step.actions) {
            match action.kind {
                ActionKind::Restart | ActionKind::Stop => {
                    self.left_mixed.remove(&action.app);
                }
                ActionKind::Start | ActionKind::Scale => {}
            }
        }
    }
}

impl World {
    /// Users restart what was left of several configurations.
    pub(crate) fn restart_what_was_left(&mut self) {
        let Some(core) = &self.scheduler.core else { return };
        let state = core.snapshot();
        self.ledger.left_mixed.retain(|app| state.root.apps.get(app).is_some_and(|app| app.spec.instances > 0));
        let free = self.ledger.left_mixed.iter().filter(|app| !state.locks.contains_key(*app));
        let Some(app) = free.min().cloned() else { return };
        let change = TreeChange::RestartApp(app);
        self.ask(Command::Change { change, force: false, dry_run: false, origin: None });
    }

    /// What is not as it should be.
    pub(crate) fn what_is_wrong(&self) -> Vec<String> {
        let Some(core) = &self.scheduler.core else { return vec!["the scheduler is down".into()] };
        let state = core.snapshot();
        let mut wrong = Vec::new();
        for (id, deployment) in &state.deployments {
            wrong.push(format!("deployment {id} is at step {} of {}", deployment.step, deployment.plan.steps.len()));
        }
        let strange: Vec<&PathId> =
            state.instances.keys().filter(|spec| !state.root.apps.contains_key(*spec)).collect();
        if !strange.is_empty() {
            wrong.push(format!("instances of {strange:?}, which do not exist"));
        }
        let mut tasks = BTreeSet::new();
        for (spec, app) in &state.root.apps {
            let all: Vec<&Instance> = instances_of(&state, spec).collect();
            if all.len() != app.spec.instances as usize {
                wrong.push(format!("{spec} has {} instances of {}", all.len(), app.spec.instances));
            }
            for instance in all {
                tasks.extend(instance.task.as_ref().map(|task| task.id.clone()));
                if let Some(why) = self.instance_is_wrong(&state, instance) {
                    wrong.push(format!("{} {why}", instance.id));
                }
            }
        }
        wrong.extend(self.strays(&tasks));
        wrong.extend(self.scheduler.asked.values().map(|kind| format!("no answer to: {kind}")));
        wrong.extend(self.ledger.left_mixed.iter().map(|app| format!("{app} is to be restarted")));
        wrong
    }

    fn instance_is_wrong(&self, state: &State, instance: &Instance) -> Option<String> {
        if instance.goal != Goal::Running || instance.condition != Condition::Running {
            return Some(format!("should be {:?} and is {:?}", instance.goal, instance.condition));
        }
        let app = state.root.apps.get(&instance.id.spec)?;
        if version_of(state, instance).is_none_or(|version| version.last_config_change_at != app.last_config_change_at)
        {
            return Some("is of an earlier configuration".into());
        }
        let checked = has_checks(state, instance);
        if checked && instance.health() != Some(true) {
            return Some(format!("has health {:?}", instance.health()));
        }
        let truth = instance.task.as_ref().and_then(|task| self.truths.get(&task.id));
        let well = truth.is_some_and(|truth| if checked { truth.is_well() } else { truth.live && truth.started });
        (!well).then(|| format!("is believed to be well, and in truth {truth:?}"))
    }

    /// Live containers that are no instance's present task.
    fn strays(&self, tasks: &BTreeSet<TaskId>) -> Option<String> {
        let live = self.truths.iter().filter(|(_, truth)| truth.live).map(|(task, _)| task);
        let strays: Vec<&str> = live.filter(|task| !tasks.contains(*task)).map(TaskId::as_str).collect();
        (!strays.is_empty()).then(|| format!("nobody wants {strays:?}, and they live"))
    }
}
