//! Who goes when there are too many instances.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use super::{Condition, Goal, Instance};
use crate::{
    id::InstanceId,
    matching::constraints::Site,
    spec::{App, KillSelection, Operator},
};

/// The instances that have to go so that `target` remain, in the order in which they should go: decommission exactly these.
///
/// Counted, and chosen from, are those that are meant to run and are not out of reach for longer than the app accepts. `sentenced`
/// ones go in any case, even below the target. After them, as far as there are too many:
///
/// 1. instances for which nothing runs: those that wait for a launch, and those whose task is being killed;
/// 2. all others that are not ready (`is_ready`: it runs, and is healthy as far as its version can tell);
/// 3. ready ones from the fullest groups of the app's `GROUP_BY` constraints, while that leaves none less even;
/// 4. the other ready ones.
///
/// Within 2 and within 4: unreachable, provisioned, staging, starting, running ones, in this order. Among those of one kind the
/// unhealthy go before those of unknown health, and these before the healthy; then the app's kill selection decides by the time
/// since which they stage, start or run.
///
/// Evening out and the order of kinds are Marathon's (behaviour reference, "Which instances go"). But Marathon does not look at
/// health, and lets go of what waits only after all that runs: here, scaling down never costs a ready instance while there is one
/// that is not. Marathon also stops evening out where two groups are the fullest.
pub fn select(
    app: &App,
    instances: &[&Instance],
    target: usize,
    sentenced: &BTreeSet<InstanceId>,
    is_ready: impl Fn(&Instance) -> bool,
) -> Vec<InstanceId> {
    let counted =
        |instance: &&Instance| instance.goal == Goal::Running && instance.condition != Condition::UnreachableInactive;
    let mut candidates: Vec<&Instance> = instances.iter().copied().filter(counted).collect();
    candidates.sort_by_cached_key(|instance| order(app, instance));
    let (mut victims, candidates): (Vec<&Instance>, Vec<&Instance>) =
        candidates.into_iter().partition(|instance| sentenced.contains(&instance.id));
    let (ready, unready): (Vec<&Instance>, Vec<&Instance>) =
        candidates.into_iter().partition(|instance| rank(instance.condition) > 0 && is_ready(instance));

    let total = victims.len() + unready.len() + ready.len();
    let count = total.saturating_sub(target).max(victims.len());
    // Those for which nothing runs have the lowest rank, so they come first.
    victims.extend(unready.into_iter().take(count - victims.len()));
    let missing = count - victims.len();
    victims.extend(balanced(app, &ready, missing));
    victims.into_iter().map(|instance| instance.id.clone()).collect()
}

/// Kinds of instances from the one that is missed least to the one that is missed most; 0: nothing runs for it, or not for long.
fn rank(condition: Condition) -> u8 {
    match condition {
        Condition::Scheduled
        | Condition::Finished
        | Condition::Killed
        | Condition::Failed
        | Condition::Error
        | Condition::Gone
        | Condition::Dropped
        | Condition::Unknown
        | Condition::Killing => 0,
        Condition::Unreachable | Condition::UnreachableInactive => 1,
        Condition::Provisioned => 2,
        Condition::Staging => 3,
        Condition::Starting => 4,
        Condition::Running => 5,
    }
}

/// Sorts who goes first to the front. The id makes it a total order.
fn order(app: &App, instance: &Instance) -> (u8, u8, i64, InstanceId) {
    let health = match instance.health() {
        Some(false) => 0,
        None => 1,
        Some(true) => 2,
    };
    let task = instance.task.as_ref();
    let time = match instance.condition {
        Condition::Provisioned | Condition::Staging => task.map(|task| task.staged_at),
        Condition::Starting => Some(instance.since),
        Condition::Running | Condition::Unreachable | Condition::UnreachableInactive => {
            task.and_then(|task| task.started_at)
        }
        Condition::Scheduled
        | Condition::Killing
        | Condition::Finished
        | Condition::Killed
        | Condition::Failed
        | Condition::Error
        | Condition::Gone
        | Condition::Dropped
        | Condition::Unknown => Some(instance.scheduled_at),
    };
    let time = match (time, app.spec.kill_selection) {
        (None, _) => i64::MIN,
        (Some(time), KillSelection::YoungestFirst) => -time.as_millis(),
        (Some(time), KillSelection::OldestFirst) => time.as_millis(),
    };
    (rank(instance.condition), health, time, instance.id.clone())
}

/// `count` of the instances, which come in the order in which they should go: first those that keep `GROUP_BY` groups even, then the rest.
fn balanced<'a>(app: &App, instances: &[&'a Instance], count: usize) -> Vec<&'a Instance> {
    let mut fields: Vec<Groups<'a>> = app
        .spec
        .constraints
        .iter()
        .filter(|constraint| matches!(constraint.operator, Operator::GroupBy(_)))
        .map(|constraint| Groups::new(&constraint.field, instances))
        .collect();
    let mut gone = vec![false; instances.len()];
    let mut victims = Vec::with_capacity(count);
    while victims.len() < count {
        let Some(next) = most_crowded(&fields, &gone) else { break };
        gone[next] = true;
        victims.push(instances[next]);
        for field in &mut fields {
            field.remove(next);
        }
    }
    let rest = instances.iter().zip(&gone).filter(|(_, gone)| !**gone).map(|(instance, _)| *instance);
    let missing = count - victims.len();
    victims.extend(rest.take(missing));
    victims
}

/// The first instance of a largest group of the most uneven field possible, without which no field is less even than now.
fn most_crowded(fields: &[Groups<'_>], gone: &[bool]) -> Option<usize> {
    let mut by_spread: Vec<&Groups<'_>> = fields.iter().collect();
    by_spread.sort_by_key(|field| std::cmp::Reverse(field.spread()));
    by_spread.into_iter().find_map(|field| {
        let candidates = (0..gone.len()).filter(|index| !gone[*index] && field.is_in_largest(*index));
        candidates.into_iter().find(|index| fields.iter().all(|field| field.stays_even_without(*index)))
    })
}

/// How instances lie over the values of one field. Instances without a value are in no group.
struct Groups<'a> {
    /// Value of each instance.
    values: Vec<Option<Cow<'a, str>>>,
    /// Instances that are left, per value; values without any stay.
    sizes: BTreeMap<Cow<'a, str>, usize>,
    /// How many groups have which size.
    histogram: BTreeMap<usize, usize>,
}

impl<'a> Groups<'a> {
    fn new(field: &str, instances: &[&'a Instance]) -> Self {
        let value = |instance: &&'a Instance| instance.task.as_ref().and_then(|task| Site::from(task).value(field));
        let values: Vec<Option<Cow<'a, str>>> = instances.iter().map(value).collect();
        let mut sizes = BTreeMap::new();
        for value in values.iter().flatten() {
            *sizes.entry(value.clone()).or_insert(0) += 1;
        }
        let mut histogram = BTreeMap::new();
        for size in sizes.values() {
            *histogram.entry(*size).or_insert(0) += 1;
        }
        Self { values, sizes, histogram }
    }

    fn size_around(&self, index: usize) -> Option<usize> {
        self.values[index].as_ref().map(|value| self.sizes[value])
    }

    fn largest(&self) -> usize {
        self.histogram.last_key_value().map_or(0, |(size, _)| *size)
    }

    fn smallest(&self) -> usize {
        self.histogram.first_key_value().map_or(0, |(size, _)| *size)
    }

    fn spread(&self) -> usize {
        self.largest() - self.smallest()
    }

    fn is_in_largest(&self, index: usize) -> bool {
        self.size_around(index).is_some_and(|size| size == self.largest())
    }

    fn stays_even_without(&self, index: usize) -> bool {
        let Some(size) = self.size_around(index) else {
            return true;
        };
        let alone = size == self.largest() && self.histogram[&size] == 1;
        // The group that shrinks is next to the old maximum, so that nothing is left between.
        let largest = if alone { size - 1 } else { self.largest() };
        let spread = largest - self.smallest().min(size - 1);
        spread <= self.spread().max(1)
    }

    fn remove(&mut self, index: usize) {
        let Some(value) = &self.values[index] else { return };
        let size = self.sizes.get_mut(value).expect("every value has a group");
        if let Some(groups) = self.histogram.get_mut(size) {
            *groups -= 1;
            if *groups == 0 {
                self.histogram.remove(size);
            }
        }
        *size -= 1;
        *self.histogram.entry(*size).or_insert(0) += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        matching::fixtures::{app, at, healthy, instance, instance_id, running_on, unhealthy},
        spec::Constraint,
    };

    fn group_by(app: &mut App, fields: &[&str]) {
        let constraint = |field: &&str| Constraint { field: (*field).into(), operator: Operator::GroupBy(None) };
        Arc::make_mut(&mut app.spec).constraints = fields.iter().map(constraint).collect();
    }

    fn in_condition(number: u128, condition: Condition) -> Instance {
        let mut instance = running_on(number, "node-1");
        instance.condition = condition;
        instance
    }

    fn numbers(app: &App, instances: &[Instance], target: usize, sentenced: &[u128]) -> Vec<u128> {
        let sentenced = sentenced.iter().map(|number| instance_id("/a", *number)).collect();
        let instances: Vec<&Instance> = instances.iter().collect();
        let is_ready =
            |instance: &Instance| instance.condition == Condition::Running && instance.health() != Some(false);
        select(app, &instances, target, &sentenced, is_ready).into_iter().map(|id| id.uuid.as_u128()).collect()
    }

    #[test]
    fn what_is_missed_least_goes_first() {
        let mut inactive = in_condition(9, Condition::UnreachableInactive);
        inactive.goal = Goal::Running;
        let mut leaving = in_condition(8, Condition::Running);
        leaving.goal = Goal::Decommissioned;
        let instances = [
            in_condition(1, Condition::Running),
            in_condition(2, Condition::Starting),
            in_condition(3, Condition::Staging),
            in_condition(4, Condition::Provisioned),
            in_condition(5, Condition::Unreachable),
            in_condition(6, Condition::Killing),
            instance("/a", 7),
            leaving,
            inactive,
        ];
        let app = app("/a");
        assert_eq!(numbers(&app, &instances, 0, &[]), [6, 7, 5, 4, 3, 2, 1]);
        assert_eq!(numbers(&app, &instances, 6, &[]), [6]);
        assert_eq!(numbers(&app, &instances, 7, &[]), [0; 0]);
        assert_eq!(numbers(&app, &instances, 70, &[]), [0; 0]);
    }

    #[test]
    fn sentenced_instances_go_first_and_even_below_the_target() {
        let instances: Vec<Instance> = (1..=4).map(|number| running_on(number, "node-1")).collect();
        let app = app("/a");
        assert_eq!(numbers(&app, &instances, 2, &[1]), [1, 4]);
        assert_eq!(numbers(&app, &instances, 4, &[1, 3, 77]), [3, 1]);
    }

    #[test]
    fn the_kill_selection_decides_among_equals() {
        let mut instances: Vec<Instance> = (1..=3).map(|number| running_on(number, "node-1")).collect();
        instances.push(running_on(4, "node-1"));
        instances[3].task.as_mut().unwrap().started_at = None;
        let mut app = app("/a");
        assert_eq!(numbers(&app, &instances, 0, &[]), [4, 3, 2, 1]);
        Arc::make_mut(&mut app.spec).kill_selection = KillSelection::OldestFirst;
        assert_eq!(numbers(&app, &instances, 0, &[]), [4, 1, 2, 3]);
        for instance in &mut instances {
            instance.condition = Condition::Staging;
            let number = instance.id.uuid.as_u128() as i64;
            instance.task.as_mut().unwrap().staged_at = at(100 - number);
        }
        assert_eq!(numbers(&app, &instances, 0, &[]), [4, 3, 2, 1], "by the time of staging");
        for instance in &mut instances {
            instance.condition = Condition::Starting;
            instance.since = at((instance.id.uuid.as_u128() as i64 * 7) % 4);
        }
        assert_eq!(numbers(&app, &instances, 0, &[]), [4, 3, 2, 1], "by the time of the condition");
    }

    #[test]
    fn the_unhealthy_go_before_the_healthy() {
        let mut instances: Vec<Instance> = (1..=3).map(|number| running_on(number, "node-1")).collect();
        instances[0].health = vec![unhealthy()];
        instances[2].health = vec![healthy()];
        assert_eq!(numbers(&app("/a"), &instances, 0, &[]), [1, 2, 3]);
    }

    #[test]
    fn no_ready_instance_goes_for_the_sake_of_evenness_while_there_is_one_that_is_not() {
        let mut instances: Vec<Instance> =
            ["a", "a", "a", "b"].iter().zip(1..).map(|(host, number)| running_on(number, host)).collect();
        let mut app = app("/a");
        group_by(&mut app, &["hostname"]);
        assert_eq!(numbers(&app, &instances, 3, &[]), [3], "all are ready: from the fullest group");
        instances[3].health = vec![unhealthy()];
        assert_eq!(numbers(&app, &instances, 3, &[]), [4], "its group is the smallest, but it is not ready");
        instances[3].health.clear();
        instances[3].condition = Condition::Starting;
        assert_eq!(numbers(&app, &instances, 3, &[]), [4]);
    }

    #[test]
    fn groups_stay_even() {
        let on = |hosts: &[&str]| -> Vec<Instance> {
            hosts.iter().zip(1..).map(|(host, number)| running_on(number, host)).collect()
        };
        let instances = on(&["a", "b", "c", "a", "b", "c", "c", "c", "c"]);
        let mut app = app("/a");
        assert_eq!(numbers(&app, &instances, 4, &[]), [9, 8, 7, 6, 5]);
        group_by(&mut app, &["hostname"]);
        assert_eq!(numbers(&app, &instances, 3, &[]), [9, 8, 7, 6, 5, 4]);
        assert_eq!(numbers(&app, &on(&["c", "c", "c", "a", "b"]), 3, &[]), [3, 2]);
        assert_eq!(numbers(&app, &on(&["c", "c", "c", "a", "b"]), 0, &[]).len(), 5);
        assert_eq!(numbers(&app, &on(&["c", "c", "c", "a", "a", "a", "b"]), 3, &[]), [6, 3, 5, 2]);
    }

    proptest! {
        #[test]
        fn exactly_the_surplus_goes_and_groups_end_as_even_as_they_can(
            hosts in proptest::collection::vec(0..4u8, 0..20), target in 0..20usize,
        ) {
            let mut app = app("/a");
            group_by(&mut app, &["hostname"]);
            let instances: Vec<Instance> = hosts.iter().zip(1..)
                .map(|(host, number)| running_on(number, &format!("node-{host}"))).collect();
            let gone = numbers(&app, &instances, target, &[]);
            prop_assert_eq!(gone.len(), hosts.len().saturating_sub(target));
            prop_assert_eq!(gone.iter().collect::<BTreeSet<_>>().len(), gone.len());
            let sizes = |gone: &[u128]| {
                let mut sizes = BTreeMap::new();
                for (host, number) in hosts.iter().zip(1u128..) {
                    *sizes.entry(*host).or_insert(0usize) += usize::from(!gone.contains(&number));
                }
                sizes
            };
            // The best that removing can do: cut every group down to a common level.
            let (before, after) = (sizes(&[]), sizes(&gone));
            if let (Some(smallest), Some(largest)) = (after.values().min(), after.values().max()) {
                let originally_smallest = *before.values().min().unwrap();
                prop_assert!(largest - smallest <= 1 || *smallest == originally_smallest);
            }
        }

        #[test]
        fn two_fields_never_become_less_even_than_the_order_alone_would_leave_them(
            places in proptest::collection::vec((0..3u8, 0..3u8), 1..15), target in 0..15usize,
        ) {
            let mut app = app("/a");
            group_by(&mut app, &["hostname", "rack"]);
            let instances: Vec<Instance> = places.iter().zip(1..).map(|((host, rack), number)| {
                let mut instance = running_on(number, &format!("node-{host}"));
                instance.task.as_mut().unwrap().attributes = vec![crate::matching::fixtures::attribute("rack", &rack.to_string())];
                instance
            }).collect();
            let gone = numbers(&app, &instances, target, &[]);
            prop_assert_eq!(gone.len(), places.len().saturating_sub(target));
            prop_assert_eq!(gone.iter().collect::<BTreeSet<_>>().len(), gone.len());
        }
    }
}
