//! What to do for a run spec: one function of what should be and what is, called again whenever something changed.
//!
//! Nothing is remembered between two calls. That is what makes a rolling upgrade go on after a restart of the scheduler, after a crash of an
//! instance or after a user's interference: there is no position that could be lost. Time does not appear either: what time alone
//! changes (an unreachable instance is given up, a back-off ends) changes an instance, and then this is asked again.

use std::{cmp::Reverse, collections::BTreeSet, sync::Arc};

use imbl::OrdMap;

use super::limits::{Situation, limits};
use crate::{
    id::InstanceId,
    instance::{
        Goal, Instance,
        census::{Census, Standing},
        victims,
    },
    spec::App,
};

/// What should be.
#[derive(Clone, Debug)]
pub enum Target<'a> {
    /// No instance at all.
    Nothing,
    /// So many instances as the app says, of whatever version.
    Count {
        /// The definition. New instances get its version.
        app: &'a App,
        /// Instances that the user wants gone, whoever else would be chosen.
        sentenced: &'a BTreeSet<InstanceId>,
    },
    /// So many instances as the app says, all of its configuration; the others are replaced within the limits of its upgrade strategy.
    Replace {
        /// The definition.
        app: &'a App,
    },
}

/// What is.
#[derive(Clone, Copy, Debug)]
pub struct InstanceSet<'a> {
    /// All instances of the spec.
    pub instances: &'a OrdMap<InstanceId, Arc<Instance>>,
    /// The same, counted.
    pub census: &'a Census,
}

/// What to do about the difference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moves {
    /// So many new instances.
    pub start: u32,
    /// These are no longer wanted.
    pub kill: Vec<InstanceId>,
    /// There is no difference.
    pub met: bool,
}

/// What to do for one run spec.
///
/// Costs the number of versions that have instances; only where victims must be chosen, all instances are looked at.
pub fn reconcile(target: &Target<'_>, set: InstanceSet<'_>) -> Moves {
    match target {
        Target::Nothing => nothing(set),
        Target::Count { app, sentenced } => count(app, sentenced, set),
        Target::Replace { app } => replace(app, set),
    }
}

fn nothing(set: InstanceSet<'_>) -> Moves {
    let total = set.census.total();
    let kill = if total.all() == total.of(Standing::Ending) { Vec::new() } else { set.ids(|_| true) };
    Moves { start: 0, kill, met: total.all() == 0 }
}

/// Marathon behaviour reference, "Scaling up and down".
fn count(app: &App, sentenced: &BTreeSet<InstanceId>, set: InstanceSet<'_>) -> Moves {
    let total = set.census.total();
    let held = total.held();
    let sentenced: BTreeSet<InstanceId> = sentenced.iter().filter(|id| set.holds(id)).cloned().collect();
    let gone = held.saturating_sub(app.spec.instances).max(sentenced.len() as u32);
    let start = app.spec.instances.saturating_sub(held - gone);
    let kill = if gone == 0 {
        Vec::new()
    } else {
        let instances: Vec<&Instance> = set.instances.values().map(|instance| &**instance).collect();
        let is_ready = |instance: &Instance| set.census.standing(instance) == Standing::Ready;
        victims::select(app, &instances, app.spec.instances as usize, &sentenced, is_ready)
    };
    let newest = set.census.of_version(app.version);
    let met =
        start == 0 && kill.is_empty() && total.of(Standing::Ending) == 0 && newest.held() == newest.of(Standing::Ready);
    Moves { start, kill, met }
}

/// Marathon behaviour reference, "Rolling upgrade", without its position in a script:
///
/// - What is not up (waiting, out of reach) of an earlier configuration goes at once: it holds nothing and must not come back.
/// - Of those that are up, so many go as are ready beyond the minimum, or are too many together with the ready new ones, those that
///   are not ready first; never so many of the ready ones that the minimum is lost. (Marathon: as many as are beyond it at the start,
///   then one for each new one that becomes ready.)
/// - Those that are not ready also go if new ones find no room otherwise. Marathon waits for ever there.
/// - New ones start as far as there is room.
fn replace(app: &App, set: InstanceSet<'_>) -> Moves {
    use Standing::{Inactive, Ready, Starting, Unreachable, Unready, Waiting};
    let target = app.spec.instances;
    let (new, old) = set.census.by_config(app.last_config_change_at);
    let ending = new.of(Standing::Ending) + old.of(Standing::Ending);
    let surplus = new.held().saturating_sub(target);
    let old_up = old.of(Starting) + old.of(Unready) + old.of(Ready);
    let old_not_ready = old.of(Starting) + old.of(Unready);
    let old_lost = old.of(Waiting) + old.of(Unreachable) + old.of(Inactive);
    // Of too many new ones those go first that are not ready.
    let replaced = new.of(Ready).min(target);
    let healthy = replaced + old.of(Ready);
    let situation = Situation { target, healthy, total: replaced + old_up, can_go_over: true };
    let limits = limits(&app.spec.upgrade, situation);

    let beyond_minimum = healthy.saturating_sub(limits.min_healthy);
    let mut kill_not_ready = limits.kill_now.min(old_not_ready);
    let kill_ready = (limits.kill_now - kill_not_ready).min(beyond_minimum).min(old.of(Ready));
    let wanted = target.saturating_sub(new.held());
    let room = limits.max_capacity.saturating_sub(new.held() + old_up + ending);
    let without_room = wanted.saturating_sub(room + ending + kill_not_ready + kill_ready);
    kill_not_ready += without_room.min(old_not_ready - kill_not_ready);

    let mut kill = Vec::new();
    if surplus > 0 {
        kill.extend(set.new_ones_too_many(app, surplus as usize));
    }
    if old_lost + kill_not_ready + kill_ready > 0 {
        kill.extend(set.old_ones(app, kill_not_ready as usize, kill_ready as usize));
    }
    let met = new.held() == target && new.of(Ready) == target && old.all() == 0 && ending == 0;
    Moves { start: wanted.min(room), kill, met }
}

impl InstanceSet<'_> {
    fn ids(self, wanted: impl Fn(&Instance) -> bool) -> Vec<InstanceId> {
        let meant_to_run = self.instances.values().filter(|instance| instance.goal == Goal::Running);
        meant_to_run.filter(|instance| wanted(instance)).map(|instance| instance.id.clone()).collect()
    }

    fn holds(self, id: &InstanceId) -> bool {
        self.instances.get(id).is_some_and(|instance| match self.census.standing(instance) {
            Standing::Waiting | Standing::Starting | Standing::Unready | Standing::Ready | Standing::Unreachable => {
                true
            }
            Standing::Inactive | Standing::Ending => false,
        })
    }

    /// Of too many instances of the new configuration: the least advanced, among equals the youngest.
    fn new_ones_too_many(self, app: &App, surplus: usize) -> Vec<InstanceId> {
        let standings =
            [Standing::Waiting, Standing::Unreachable, Standing::Starting, Standing::Unready, Standing::Ready];
        let mut held: Vec<_> = self
            .instances
            .values()
            .filter(|instance| self.census.is_current(instance, app.last_config_change_at))
            .filter_map(|instance| {
                let rank = standings.iter().position(|standing| *standing == self.census.standing(instance))?;
                Some((rank, Reverse(instance.scheduled_at), &instance.id))
            })
            .collect();
        held.sort();
        held.into_iter().take(surplus).map(|(_, _, id)| id.clone()).collect()
    }

    /// Of earlier configurations: everything that is not up, and so many of those that are, oldest versions first.
    fn old_ones(self, app: &App, not_ready: usize, ready: usize) -> Vec<InstanceId> {
        let mut lost = Vec::new();
        let (mut unready_ones, mut ready_ones) = (Vec::new(), Vec::new());
        for instance in self.instances.values() {
            if self.census.is_current(instance, app.last_config_change_at) {
                continue;
            }
            let key = (instance.version, instance.scheduled_at, &instance.id);
            match self.census.standing(instance) {
                Standing::Waiting | Standing::Unreachable | Standing::Inactive => lost.push(instance.id.clone()),
                Standing::Unready => unready_ones.push((0, key)),
                Standing::Starting => unready_ones.push((1, key)),
                Standing::Ready => ready_ones.push((0, key)),
                Standing::Ending => {}
            }
        }
        for (mut candidates, take) in [(unready_ones, not_ready), (ready_ones, ready)] {
            candidates.sort();
            lost.extend(candidates.into_iter().take(take).map(|(_, (_, _, id))| id.clone()));
        }
        lost
    }
}

#[cfg(test)]
#[path = "reconcile_tests.rs"]
mod tests;
