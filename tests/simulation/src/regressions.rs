//! Seeds that once broke a promise, named after what was wrong.

use super::{Options, run};

fn passes(seed: u64) {
    let outcome = run(Options { seed, ..Options::default() });
    assert!(outcome.violation.is_none(), "seed {seed}: {:?}\n{}", outcome.violation, outcome.trace.join("\n"));
}

#[test]
fn too_many_instances_cost_no_ready_one_without_checks_while_a_checked_one_is_not_ready() {
    passes(14);
    passes(34);
}

#[test]
fn too_many_instances_cost_no_ready_one_while_one_is_being_killed() {
    passes(382);
    passes(408);
}

#[test]
fn evenness_over_zones_costs_no_ready_instance_while_another_is_starting() {
    passes(143);
    passes(590);
}

#[test]
fn a_silent_master_is_noticed_although_the_clock_was_set_back() {
    passes(11);
    passes(115);
}

#[test]
fn an_unreachable_instance_is_given_up_although_the_clock_was_set_back() {
    passes(443);
}

#[test]
fn a_grace_period_ends_although_the_clock_was_set_back() {
    passes(451);
}

#[test]
fn a_task_whose_end_was_not_told_is_unreachable_when_its_machine_is_replaced() {
    passes(1824);
}
