//! What must hold after every input.

use std::{collections::BTreeMap, sync::Arc};

use substrate_core::protocol::task::TaskState;

use super::World;
use crate::{
    deployment::{ActionKind, blockers::blockers, limits},
    instance::{Condition, Goal, Instance, census::Standing},
    state::{State, invariants},
};

impl World {
    pub(super) fn check(&self) {
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
    pub(super) fn check_own_doing(&self, before: &State, after: &State) {
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
}

fn is_ready(state: &State, instance: &Instance) -> bool {
    let version = state.versions.get(&instance.id.spec).and_then(|versions| versions.get(&instance.version));
    let checked = version.is_some_and(|app| app.spec.has_health_checks());
    Standing::of(instance, checked) == Standing::Ready
}
