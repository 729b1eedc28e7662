//! (2) Enough ready instances, and not too many of all.
//!
//! **Floor.** A step of the scheduler may turn a ready instance's goal from running to anything else, or forget it, only if at least
//! `⌈instances × minimumHealthCapacity⌉` ready ones are left. `instances` and the share are those of the definition in charge: the tree's,
//! or, while a deployment has not come to the app yet, the smaller floor of that and the earlier tree's. Free of the rule are
//! instances that a user named (kill, kill and scale), those whose own status or probe is what the step is about, and apps that are not
//! in the tree any more. Kills for bad health, time limits
//! and crashes do not turn goals.
//!
//! **Ceiling.** A step may create instances only if afterwards no more than `instances + ⌊instances × maximumOverCapacity⌋` exist,
//! one more if the floor is not below that (nothing could move otherwise). During a restart step every instance counts except those
//! given up as unreachable; otherwise those that are on their way out do not count either.

use std::collections::{BTreeMap, BTreeSet};

use marathon_core::{
    deployment::ActionKind,
    id::{InstanceId, PathId},
    instance::{Condition, Goal, Instance},
    scheduler::Change,
    spec::App,
    state::State,
};
use substrate_core::protocol::TaskId;

use super::{changed_instances, has_checks, instance_of, instances_of, is_surely_ready};
use crate::{violation::Invariant, world::Truth};

pub(super) fn check(
    truths: &BTreeMap<TaskId, Truth>,
    before: &State,
    after: &State,
    changes: &[Change],
    blameless: &BTreeSet<InstanceId>,
    found: &mut Vec<(Invariant, String)>,
) {
    let mut ended: BTreeMap<&PathId, Vec<&InstanceId>> = BTreeMap::new();
    let mut created: BTreeSet<&PathId> = BTreeSet::new();
    for id in changed_instances(changes) {
        match (instance_of(before, id), instance_of(after, id)) {
            (Some(old), new) => {
                let goes = new.is_none_or(|new| new.goal != Goal::Running && seems_well(after, new));
                if goes
                    && is_surely_ready(truths, before, old)
                    && !blameless.contains(id)
                    && !is_sentenced(after, before, id)
                {
                    ended.entry(&id.spec).or_default().push(id);
                }
            }
            (None, Some(_)) => {
                created.insert(&id.spec);
            }
            (None, None) => {}
        }
    }
    for (spec, ended) in ended {
        let Some(floor) = floor_in_charge(after, spec) else { continue };
        let left = instances_of(after, spec).filter(|instance| is_surely_ready(truths, after, instance)).count();
        if (left as u64) < u64::from(floor) {
            let was = instances_of(before, spec).filter(|instance| is_surely_ready(truths, before, instance)).count();
            let mode = if present_action(after, spec).0 { "restart" } else { "scale, or outside deployments" };
            let explanation = format!(
                "{spec} ({mode}): {} of {was} ready instances are ended by the scheduler itself, {left} are left, {floor} are to stay; \
                 before there were {}",
                ended.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
                listed(truths, before, spec)
            );
            found.push((Invariant::Capacity, explanation));
        }
    }
    for spec in created {
        if let Some(explanation) = too_many(after, spec) {
            found.push((Invariant::Capacity, explanation));
        }
    }
}

/// The instances of an app, in short.
fn listed(truths: &BTreeMap<TaskId, Truth>, state: &State, spec: &PathId) -> String {
    let one = |instance: &Instance| {
        let checks = if has_checks(state, instance) { "checked" } else { "unchecked" };
        let ready = if is_surely_ready(truths, state, instance) { ", ready" } else { "" };
        let (uuid, goal, condition, health) = (instance.id.uuid, instance.goal, instance.condition, instance.health());
        let version = instance.version.as_millis() % 10_000_000;
        format!("{uuid} (v{version} {checks} {goal:?} {condition:?} {health:?}{ready})")
    };
    instances_of(state, spec).map(one).collect::<Vec<_>>().join(", ")
}

/// Nothing bad was heard of it before it was decided to end it.
fn seems_well(state: &State, instance: &Instance) -> bool {
    instance.condition == Condition::Running && (!has_checks(state, instance) || instance.health() == Some(true))
}

/// Instances that a user wants gone by kill and scale.
fn is_sentenced(after: &State, before: &State, id: &InstanceId) -> bool {
    let named = |state: &State| {
        let plans = state.deployments.values().map(|deployment| &deployment.plan);
        plans.into_iter().any(|plan| plan.kill.get(&id.spec).is_some_and(|kill| kill.contains(id)))
    };
    named(after) || named(before)
}

fn floor(app: &App) -> u32 {
    (f64::from(app.spec.instances) * app.spec.upgrade.minimum_health_capacity - 1e-9).ceil().max(0.0) as u32
}

fn floor_in_charge(state: &State, spec: &PathId) -> Option<u32> {
    let wanted = state.root.apps.get(spec).map(|app| floor(app))?;
    let originals = state.deployments.values().filter(|deployment| deployment.plan.affected().contains(spec));
    let earlier = originals
        .filter_map(|deployment| state.roots.get(&deployment.plan.original)?.apps.get(spec))
        .map(|app| floor(app))
        .min();
    Some(earlier.map_or(wanted, |earlier| earlier.min(wanted)))
}

fn too_many(state: &State, spec: &PathId) -> Option<String> {
    let app = state.root.apps.get(spec)?;
    let (restarting, waits) = present_action(state, spec);
    if waits {
        return None; // the earlier tree is in charge; its number is not checked here
    }
    let target = app.spec.instances;
    let mut most = target + (f64::from(target) * app.spec.upgrade.maximum_over_capacity + 1e-9).floor() as u32;
    if floor(app) >= most {
        most += 1;
    }
    let counts = |instance: &&Instance| {
        instance.condition != Condition::UnreachableInactive && (restarting || instance.goal == Goal::Running)
    };
    let all = instances_of(state, spec).filter(counts).count();
    (all as u64 > u64::from(most))
        .then(|| format!("{spec}: {all} instances exist after some were created, and {most} may (target {target})"))
}

/// Whether the app is being restarted now, and whether a deployment has not come to it yet.
fn present_action(state: &State, spec: &PathId) -> (bool, bool) {
    for deployment in state.deployments.values() {
        let steps = deployment.plan.steps.iter().enumerate();
        let mut mine = steps.flat_map(|(index, step)| {
            step.actions.iter().filter(|action| action.app == *spec).map(move |action| (index, action.kind))
        });
        if let Some((index, kind)) = mine.find(|(index, _)| *index >= deployment.step) {
            return (index == deployment.step && kind == ActionKind::Restart, index > deployment.step);
        }
    }
    (false, false)
}
