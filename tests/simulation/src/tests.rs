//! The simulator itself: it repeats itself exactly, it finds what it should, and it finds nothing where nothing is wrong.

use super::{Invariant, Options, Sabotage, run};

fn plain(seed: u64) -> Options {
    Options { seed, ..Options::default() }
}

#[test]
fn a_seed_runs_the_same_way_twice() {
    for seed in [1, 2, 3] {
        let (first, second) = (run(plain(seed)), run(plain(seed)));
        assert_eq!((first.hash, first.steps), (second.hash, second.steps), "seed {seed}");
    }
    assert_ne!(run(plain(1)).hash, run(plain(2)).hash);
}

#[test]
fn without_sabotage_nothing_is_broken() {
    for seed in 0..25 {
        let outcome = run(plain(seed));
        assert!(outcome.violation.is_none(), "seed {seed}: {:?}\n{}", outcome.violation, outcome.trace.join("\n"));
    }
}

/// Some seed of the first forty finds the planted fault by the first of these promises, and none finds anything else.
fn is_found(sabotage: Sabotage, by: &[Invariant]) {
    for seed in 0..40 {
        if let Some(violation) = run(Options { seed, trace: false, sabotage: Some(sabotage) }).violation {
            assert!(by.contains(&violation.invariant), "seed {seed}: {violation:?}");
            if violation.invariant == by[0] {
                return;
            }
        }
    }
    panic!("{sabotage:?} was not found");
}

#[test]
fn a_replacement_that_is_taken_for_healthy_too_early_is_found() {
    is_found(Sabotage::HealthLies, &[Invariant::Capacity, Invariant::Steps]);
}

#[test]
fn acting_before_the_commit_is_found() {
    is_found(Sabotage::ActBeforeCommit, &[Invariant::Durability, Invariant::Incarnations, Invariant::Liveness]);
}

#[test]
fn starting_recovered_containers_again_is_found() {
    is_found(Sabotage::RelaunchOnRecovery, &[Invariant::Incarnations]);
}

#[test]
fn a_kill_that_kills_nothing_is_found() {
    is_found(Sabotage::IgnoreKill, &[Invariant::Incarnations, Invariant::Resources]);
}

#[test]
fn an_agent_that_promises_more_than_it_has_is_found() {
    is_found(Sabotage::OverAllocate, &[Invariant::Resources]);
}

#[test]
fn a_step_that_is_left_out_after_a_restart_is_found() {
    is_found(Sabotage::SkipStep, &[Invariant::Steps, Invariant::Durability, Invariant::Convergence]);
}

#[test]
fn an_update_that_is_acknowledged_and_lost_is_found() {
    is_found(Sabotage::ForgetUpdate, &[Invariant::Durability]);
}

#[test]
fn a_store_that_loses_changes_is_found() {
    is_found(Sabotage::LossyStore, &[Invariant::Durability]);
}

#[test]
fn a_gap_in_the_events_is_found() {
    is_found(Sabotage::EventGap, &[Invariant::Events]);
}

#[test]
fn placements_by_wrong_names_are_found() {
    is_found(Sabotage::OfferLies, &[Invariant::Constraints]);
}
