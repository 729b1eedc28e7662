//! (4) Nothing acknowledged is lost or undone.
//!
//! - A restarted scheduler knows exactly what was stored: tree, versions, instances (but for health, which is found out again),
//!   deployments, locks, failures, events. As answers and events leave only after their commit, nothing that anybody was told is lost.
//! - No task is asked for that is not stored as such.
//! - When an agent forgets a task because its end was acknowledged, the store knows that it ended.

use std::collections::BTreeMap;

use marathon_core::{
    id::{InstanceId, TaskName},
    instance::Instance,
    scheduler::{Scheduler, Seeds},
    state::State,
};
use marathon_time::Timestamp;
use substrate_core::protocol::{
    TaskId,
    scheduler::{Call, Operation},
};

use crate::{
    violation::Invariant,
    world::{World, scheduler_config},
};

impl World {
    /// Compares what a scheduler would begin with to what the last one had stored.
    pub(crate) fn check_recovery(&mut self) {
        self.forget_unstored_steps();
        let seeds = Seeds { instances: 0, deployments: 0, ports: 0 };
        let recovered = Scheduler::new(scheduler_config(), self.scheduler.disk.clone(), seeds, self.now).snapshot();
        if let Some(lost) = difference(&self.scheduler.committed, &recovered, self.now) {
            self.violate(Invariant::Durability, format!("after a restart {lost}"));
        }
    }

    /// The same at the end of a run, and with what is in memory.
    pub(crate) fn check_a_last_recovery(&mut self) {
        self.check_recovery();
        let Some(core) = &self.scheduler.core else { return };
        if let Some(lost) = difference(&core.snapshot(), &self.scheduler.committed, self.now) {
            self.violate(Invariant::Durability, format!("in the store {lost}"));
        }
    }

    /// A call leaves: what it starts must be stored.
    pub(crate) fn check_call(&mut self, call: &Call) {
        let Call::Accept { operations, .. } = call else { return };
        let tasks: Vec<TaskId> = operations
            .iter()
            .flat_map(|Operation::Launch { tasks }| tasks)
            .map(|task| task.id.clone())
            .filter(|task| self.stored_instance(task).is_none())
            .collect();
        if let Some(task) = tasks.first() {
            self.violate(Invariant::Durability, format!("{task} is asked for before it is stored"));
        }
    }

    /// The end of a task was acknowledged.
    pub(crate) fn check_known_as_over(&mut self, task: &TaskId) {
        let believed = self.stored_instance(task).filter(|instance| instance.condition.is_active());
        if let Some(condition) = believed.map(|instance| instance.condition) {
            let explanation = format!("the end of {task} was acknowledged, and it is stored as {condition:?}");
            self.violate(Invariant::Durability, explanation);
        }
    }

    /// The stored instance whose present task this is.
    fn stored_instance(&self, task: &TaskId) -> Option<&Instance> {
        let name: TaskName = task.as_str().parse().ok()?;
        let stored = self.scheduler.disk.instances.iter().find(|instance| instance.id == name.instance)?;
        (stored.task.as_ref()?.id == *task).then_some(&**stored)
    }
}

/// The first thing in which two states differ at `now`.
fn difference(was: &State, is: &State, now: Timestamp) -> Option<String> {
    if was.root.version != is.root.version && was.last_event > 0 {
        return Some(format!("the tree is of {} instead of {}", is.root.version, was.root.version));
    }
    if was.root.apps != is.root.apps || was.root.groups != is.root.groups && was.last_event > 0 {
        return Some("the tree is another".into());
    }
    let (old, new) = (instances(was, now), instances(is, now));
    for (id, instance) in &old {
        match new.get(id) {
            None => return Some(format!("{id} is missing")),
            Some(other) if other != instance => return Some(format!("{instance:?} became {other:?}")),
            Some(_) => {}
        }
    }
    if let Some(id) = new.keys().find(|id| !old.contains_key(*id)) {
        return Some(format!("{id} came from nowhere"));
    }
    let kept =
        |state: &State| state.roots.keys().copied().filter(|version| version.as_millis() > 0).collect::<Vec<_>>();
    let others = [
        ("deployments are others", was.deployments != is.deployments),
        ("locks are others", was.locks != is.locks),
        ("versions of apps are others", was.versions != is.versions),
        ("earlier trees are others", kept(was) != kept(is)),
        ("failures are others", was.failures != is.failures),
        ("the framework id is another", was.framework_id != is.framework_id),
        ("the last event is another", was.last_event != is.last_event),
    ];
    others.into_iter().find(|(_, differs)| *differs).map(|(what, _)| what.to_owned())
}

/// Without what is found out again, and with nothing in the future: that is moved to the present at a start.
fn instances(state: &State, now: Timestamp) -> BTreeMap<&InstanceId, Instance> {
    let all = state.instances.values().flat_map(|of_spec| of_spec.iter());
    let comparable = |instance: &Instance| {
        let mut instance = Instance { health: Vec::new(), ..Instance::clone(instance) };
        instance.happened_until(now);
        instance
    };
    all.map(|(id, instance)| (id, comparable(instance))).collect()
}
