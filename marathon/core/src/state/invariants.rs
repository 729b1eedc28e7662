//! What must hold for every state between two steps, whatever happened.
//!
//! That no port is given twice on an agent is not among it: the master may offer a port again before the scheduler hears of the end
//! of its last user. It must hold on the agent.

use std::collections::{BTreeMap, BTreeSet};

use super::State;
use crate::{
    id::{DeploymentId, PathId, TaskName},
    instance::{Condition, Goal, Instance},
};

/// Looks at everything once. Meant for tests and the simulator, after every step.
///
/// # Errors
/// One sentence for each rule that is broken.
pub fn check(state: &State) -> Result<(), Vec<String>> {
    let mut broken = Vec::new();
    check_tree(state, &mut broken);
    check_instances(state, &mut broken);
    check_deployments(state, &mut broken);
    if broken.is_empty() { Ok(()) } else { Err(broken) }
}

fn check_tree(state: &State, broken: &mut Vec<String>) {
    let root = &state.root;
    for id in root.apps.keys().chain(root.groups.keys()) {
        if id.parent().is_some_and(|parent| !root.groups.contains_key(&parent)) {
            broken.push(format!("{id} is in the tree, and its group is not"));
        }
    }
    for (id, app) in &root.apps {
        if app.spec.id != *id {
            broken.push(format!("{id} is in the tree with the definition of {}", app.spec.id));
        }
        if state.versions.get(id).and_then(|versions| versions.get(&app.version)) != Some(app) {
            broken.push(format!("{id} is in the tree in version {}, which is not stored", app.version));
        }
        if app.last_config_change_at > app.version {
            broken.push(format!("{id} changed its configuration after its own version"));
        }
    }
    match state.roots.get_max() {
        Some((version, newest)) if *version == root.version && newest == root => {}
        Some(_) | None => broken.push(format!("the tree of version {} is not the newest one kept", root.version)),
    }
}

fn check_instances(state: &State, broken: &mut Vec<String>) {
    for (spec, of_spec) in &state.instances {
        if of_spec.is_empty() {
            broken.push(format!("{spec} has an entry for no instances"));
        }
        for (id, instance) in of_spec {
            if *id != instance.id || id.spec != *spec {
                broken.push(format!("{} is kept under {spec} as {id}", instance.id));
            }
            check_instance(state, instance, broken);
        }
    }
}

fn check_instance(state: &State, instance: &Instance, broken: &mut Vec<String>) {
    let id = &instance.id;
    let known = state.versions.get(&id.spec).is_some_and(|versions| versions.contains_key(&instance.version));
    if !known {
        broken.push(format!("{id} has version {}, which is not stored", instance.version));
    }
    if instance.task.is_some() != (instance.incarnation > 0) {
        broken.push(format!("{id} was launched {} times and its task says otherwise", instance.incarnation));
    }
    if let Some(task) = &instance.task {
        let name = TaskName { instance: id.clone(), incarnation: instance.incarnation };
        if task.id != name.task_id() {
            broken.push(format!("{id} in incarnation {} has task {}", instance.incarnation, task.id));
        }
        let out_of_reach = instance.condition.is_out_of_reach();
        if out_of_reach != task.unreachable_since.is_some() {
            broken
                .push(format!("{id} is {:?}, and out of reach since {:?}", instance.condition, task.unreachable_since));
        }
    }
    if instance.condition == Condition::Scheduled && instance.task.is_some() {
        broken.push(format!("{id} waits for its first launch, and has a task"));
    }
    if instance.goal == Goal::Decommissioned && !instance.has_live_task() {
        broken.push(format!("{id} is over and not forgotten: {:?}", instance.condition));
    }
}

fn check_deployments(state: &State, broken: &mut Vec<String>) {
    let mut locks: BTreeMap<&PathId, BTreeSet<DeploymentId>> = BTreeMap::new();
    for (id, deployment) in &state.deployments {
        if *id != deployment.plan.id {
            broken.push(format!("deployment {} is kept as {id}", deployment.plan.id));
        }
        if deployment.step >= deployment.plan.steps.len() {
            broken.push(format!("deployment {id} is over and still there"));
        }
        for version in [deployment.plan.original, deployment.plan.version] {
            if !state.roots.contains_key(&version) {
                broken.push(format!("deployment {id} refers to the tree of {version}, which is not kept"));
            }
        }
        for app in deployment.plan.affected() {
            locks.entry(app).or_default().insert(*id);
        }
    }
    for (app, owners) in &locks {
        if owners.len() > 1 {
            broken.push(format!("{app} is changed by {} deployments", owners.len()));
        }
    }
    if !state.locks.iter().eq(locks.iter().map(|(app, owners)| (*app, owners))) {
        broken.push(format!("locks are {:?}, and deployments affect {locks:?}", state.locks));
    }
}
