//! How far a rolling upgrade may go: how many must stay healthy, how many may exist.

use crate::spec::UpgradeStrategy;

/// Decimal shares have no exact binary form: 0.07 × 100 is a little more than 7. What is this close to a whole number is one.
const ROUNDING: f64 = 1e-9;

/// Where an upgrade stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Situation {
    /// Instances that there should be.
    pub target: u32,
    /// Ready instances of any version that are meant to run.
    pub healthy: u32,
    /// Instances that are to be replaced, and those that replace some already.
    pub total: u32,
    /// Whether there may be one instance more than `maximum_over_capacity` allows when nothing could move otherwise. Not for specs
    /// whose instances own volumes.
    pub can_go_over: bool,
}

/// What is allowed there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// So many stay healthy.
    pub min_healthy: u32,
    /// So many may exist at once.
    pub max_capacity: u32,
    /// So many of those to be replaced may go now, those that are not healthy first.
    pub kill_now: u32,
}

/// `⌈target × minimum_health_capacity⌉`
pub fn min_healthy(target: u32, upgrade: &UpgradeStrategy) -> u32 {
    // Within 0..=target, as the share is within 0..=1.
    (f64::from(target) * upgrade.minimum_health_capacity - ROUNDING).ceil().max(0.0) as u32
}

/// `⌊target × (1 + maximum_over_capacity)⌋`
pub fn max_capacity(target: u32, upgrade: &UpgradeStrategy) -> u32 {
    target.saturating_add((f64::from(target) * upgrade.maximum_over_capacity + ROUNDING).floor() as u32)
}

/// The limits of an upgrade. Source: Marathon behaviour reference, "Rolling upgrade", whose table of worked values is a test here.
pub fn limits(upgrade: &UpgradeStrategy, situation: Situation) -> Limits {
    let Situation { target, healthy, total, can_go_over } = situation;
    let min_healthy = min_healthy(target, upgrade);
    let mut max_capacity = max_capacity(target, upgrade);
    let mut kill_now = healthy.saturating_sub(min_healthy);
    if min_healthy == max_capacity && max_capacity <= healthy {
        // None may go and none may come: nothing would ever move.
        if can_go_over {
            max_capacity = max_capacity.saturating_add(1);
        } else {
            kill_now = (healthy - min_healthy).saturating_add(1);
        }
    }
    kill_now = kill_now.max(total.saturating_sub(target));
    Limits { min_healthy, max_capacity, kill_now }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn upgrade(min: f64, over: f64) -> UpgradeStrategy {
        UpgradeStrategy { minimum_health_capacity: min, maximum_over_capacity: over }
    }

    #[test]
    fn upgrade_limits_follow_the_capacities() {
        // target, min, over, healthy, total, resident => min healthy, max capacity, kill now
        for (target, min, over, healthy, total, resident, min_healthy, max_capacity, kill_now) in [
            (1, 0.5, 0.0, 1, 1, true, 1, 1, 1),
            (1, 0.5, 0.0, 0, 0, true, 1, 1, 0),
            (1, 0.5, 0.0, 0, 1, true, 1, 1, 0),
            (1, 0.5, 0.0, 1, 1, false, 1, 2, 0),
            (5, 0.5, 0.0, 5, 5, true, 3, 5, 2),
            (5, 1.0, 0.0, 7, 7, true, 5, 5, 3),
            (5, 1.0, 0.0, 3, 5, true, 5, 5, 0),
            (5, 1.0, 0.0, 5, 5, true, 5, 5, 1),
            (3, 0.5, 0.0, 3, 3, false, 2, 3, 1),
            (3, 1.0, 0.0, 3, 3, false, 3, 4, 0),
            (3, 1.0, 0.3, 3, 3, false, 3, 4, 0),
            (3, 1.0, 0.7, 3, 3, false, 3, 5, 0),
            (3, 0.0, 0.0, 3, 3, false, 0, 3, 3),
            (3, 1.0, 1.0, 3, 3, false, 3, 6, 0),
            (2, 1.0, 1.0, 3, 3, false, 2, 4, 1),
            (10, 0.75, 0.0, 10, 10, false, 8, 10, 2),
            // Beyond the reference: shares that have no exact binary form.
            (100, 0.07, 0.0, 100, 100, false, 7, 100, 93),
            (100, 1.0, 0.57, 100, 100, false, 100, 157, 0),
        ] {
            let situation = Situation { target, healthy, total, can_go_over: !resident };
            assert_eq!(
                limits(&upgrade(min, over), situation),
                Limits { min_healthy, max_capacity, kill_now },
                "{target} × {min}/{over}, {healthy} of {total} healthy, resident: {resident}"
            );
        }
    }

    proptest! {
        #[test]
        fn an_upgrade_of_healthy_instances_can_always_move(target in 1..300u32, min in 0.0..=1.0, over in 0.0..=1.0, over_too: bool) {
            let situation = Situation { target, healthy: target, total: target, can_go_over: over_too };
            let limits = limits(&upgrade(min, over), situation);
            prop_assert!(limits.kill_now > 0 || limits.max_capacity > target);
        }
    }
}
