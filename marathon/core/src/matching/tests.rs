//! Rounds, one rule at a time.

use std::collections::BTreeSet;

use rand_chacha::rand_core::SeedableRng;
use substrate_core::{protocol::offer::Domain, resources::Scalar};

use super::{fixtures::*, *};
use crate::spec::{AppSpec, Constraint, Operator};

const LIMITS: Limits = Limits { max_instances_per_offer: 100, local_region: None };

fn placed(requests: &[Request<'_>], offers: &[Offer], limits: &Limits) -> Placed {
    place(requests, offers, limits, &mut ChaCha8Rng::seed_from_u64(1))
}

/// Number of placements per offer.
fn per_offer(placed: &Placed, offers: usize) -> Vec<usize> {
    let on = |offer: usize| placed.placements.iter().filter(|placement| placement.offer == offer).count();
    (0..offers).map(on).collect()
}

fn reasons_of(app: &App, offer: Offer, limits: &Limits) -> Vec<Reason> {
    let waiting = waiting("/a", 1);
    let offers = [offer];
    let round = placed(&[request(app, &waiting, &[])], &offers, limits);
    assert_eq!(round.placements.len() + round.outcomes[0].refusals.len(), 1);
    round.outcomes[0].refusals.first().map_or(vec![], |refusal| refusal.reasons.clone())
}

#[test]
fn instances_of_one_app_spread_over_agents() {
    let app = app("/a");
    let waiting = waiting("/a", 10);
    let offers = offers(4, "cpus:9;mem:9000");
    assert_eq!(per_offer(&placed(&[request(&app, &waiting, &[])], &offers, &LIMITS), 4), [3, 3, 2, 2]);
    let there = [running_on(20, "node-0"), running_on(21, "node-0"), running_on(22, "node-1")];
    assert_eq!(per_offer(&placed(&[request(&app, &waiting[..5], &there)], &offers, &LIMITS), 4), [0, 1, 2, 2]);
}

#[test]
fn the_first_instances_of_different_apps_do_not_meet_on_one_agent() {
    let apps: Vec<App> = (0..3).map(|number| app(&format!("/a{number}"))).collect();
    let waiting: Vec<Instance> = (0..3).map(|number| instance(&format!("/a{number}"), number)).collect();
    let requests: Vec<Request<'_>> =
        apps.iter().zip(&waiting).map(|(app, instance)| request(app, std::slice::from_ref(instance), &[])).collect();
    assert_eq!(per_offer(&placed(&requests, &offers(3, "cpus:9;mem:9000"), &LIMITS), 3), [1, 1, 1]);
}

#[test]
fn a_huge_app_does_not_starve_a_small_one() {
    let (huge, small) = (app("/a"), app("/b"));
    let (many, few) = (waiting("/a", 100), waiting("/b", 2));
    let requests = [request(&huge, &many, &[]), request(&small, &few, &[])];
    for seed in 0..20 {
        let round = place(&requests, &offers(1, "cpus:4;mem:9000"), &LIMITS, &mut ChaCha8Rng::seed_from_u64(seed));
        assert_eq!((round.outcomes[0].launched, round.outcomes[1].launched), (2, 2));
    }
    let first = |seed| {
        place(&requests, &offers(1, "cpus:1;mem:9000"), &LIMITS, &mut ChaCha8Rng::seed_from_u64(seed)).placements[0]
            .request
    };
    assert_eq!((0..20).map(first).collect::<BTreeSet<_>>().len(), 2, "nobody is always first");
}

#[test]
fn an_offer_too_small_is_refused_with_every_reason() {
    let limits = Limits { local_region: Some("eu".into()), ..LIMITS };
    let app = app_of("/a", |spec| {
        spec.resources.disk = Scalar::from_units(10);
        spec.ports = vec![port(0), port(0)];
        spec.constraints = vec![Constraint { field: "rack".into(), operator: Operator::Unique }];
    });
    let enough = "cpus:1;mem:100;disk:10;ports:[31000-31001]";
    use Reason::{
        DeclinedScarceResources, InsufficientCpus, InsufficientDisk, InsufficientMemory, InsufficientPorts,
        UnfulfilledConstraint, UnfulfilledRole,
    };
    for (resources, rack, region, expected) in [
        (enough, true, None, vec![]),
        (enough, true, Some("eu"), vec![]),
        (enough, true, Some("us"), vec![UnfulfilledConstraint]),
        (enough, false, None, vec![UnfulfilledConstraint]),
        ("cpus:0.999;mem:100;disk:10;ports:[31000-31001]", true, None, vec![InsufficientCpus]),
        ("cpus:1;mem:100;disk:10;ports:[31000-31000]", true, None, vec![InsufficientPorts]),
        ("cpus:1;mem:100;ports:[31000-31000]", true, None, vec![InsufficientDisk]),
        ("cpus:1;mem:100;disk:10;gpus:1;ports:[31000-31001]", true, None, vec![DeclinedScarceResources]),
        ("mem:1", false, None, vec![UnfulfilledConstraint, InsufficientCpus, InsufficientMemory, InsufficientDisk]),
        ("cpus(other):9", true, None, vec![UnfulfilledRole, InsufficientCpus, InsufficientMemory, InsufficientDisk]),
    ] {
        let mut offer = offer(0, resources);
        offer.attributes = if rack { vec![attribute("rack", "a")] } else { vec![] };
        offer.domain = region.map(|region| Domain { region: region.into(), zone: "z".into() });
        assert_eq!(reasons_of(&app, offer, &limits), expected, "{resources} {rack} {region:?}");
    }
}

#[test]
fn a_constraint_on_the_fault_domain_lets_an_app_leave_the_region_of_the_master() {
    let limits = Limits { local_region: Some("eu".into()), ..LIMITS };
    let mut abroad = offer(0, "cpus:1;mem:100");
    abroad.domain = Some(Domain { region: "us".into(), zone: "us-1".into() });
    let app = app_of("/a", |spec| {
        spec.constraints = vec![Constraint { field: "@region".into(), operator: Operator::Is("us".into()) }];
    });
    assert_eq!(reasons_of(&app, abroad, &limits), []);
}

#[test]
fn reserved_resources_are_taken_first_and_complemented() {
    let app = app_of("/a", |spec| spec.ports = vec![port(0), port(0)]);
    let waiting = waiting("/a", 1);
    let mut offer = offer(0, "cpus(dev):0.4;cpus:5;mem:500;ports(dev):[1000-1000];ports:[2000-2000];disk(other):1");
    offer.role = "dev".into();
    let round = placed(&[request(&app, &waiting, &[])], &[offer], &LIMITS);
    let expected = "cpus(dev):0.4;cpus:0.6;mem:100;ports(dev):[1000-1000];ports:[2000-2000]";
    assert_eq!(round.placements[0].resources, expected.parse().unwrap());
}

#[test]
fn no_more_instances_than_allowed_go_into_one_offer() {
    let app = app("/a");
    let waiting = waiting("/a", 10);
    let limits = Limits { max_instances_per_offer: 3, ..LIMITS };
    let round = placed(&[request(&app, &waiting, &[])], &offers(2, "cpus:9;mem:9000"), &limits);
    assert_eq!(per_offer(&round, 2), [3, 3]);
    assert_eq!((round.outcomes[0].launched, round.outcomes[0].left), (6, 4));
    assert_eq!(round.outcomes[0].refusals, [], "nothing speaks against the offers");
}

#[test]
fn a_refusal_shows_what_others_left_of_the_offer() {
    let (big, small) = (app_of("/a", |spec| spec.resources.cpus = Scalar::from_units(4)), app("/b"));
    let (wants_big, wants_small) = (waiting("/a", 1), waiting("/b", 1));
    let requests = [request(&big, &wants_big, &[]), request(&small, &wants_small, &[])];
    let round = placed(&requests, &offers(1, "cpus:3;mem:200"), &LIMITS);
    assert_eq!(round.outcomes[1].refusals, []);
    let refusal = &round.outcomes[0].refusals[0];
    assert_eq!(refusal.offer.resources, "cpus:2;mem:100".parse().unwrap());
    assert_eq!(refusal.reasons, [Reason::InsufficientCpus]);
}

#[test]
fn without_offers_nothing_is_placed_and_nothing_refused() {
    let app = app("/a");
    let waiting = waiting("/a", 2);
    let round = placed(&[request(&app, &waiting, &[])], &[], &LIMITS);
    assert_eq!(round.placements, []);
    assert_eq!((round.outcomes[0].launched, round.outcomes[0].left, round.outcomes[0].refusals.len()), (0, 2, 0));
}

#[test]
fn old_configurations_do_not_count_for_constraints_and_two_versions_see_each_other() {
    let unique = |spec: &mut AppSpec| {
        spec.constraints = vec![Constraint { field: "hostname".into(), operator: Operator::Unique }];
    };
    let mut app = app_of("/a", unique);
    (app.version, app.last_config_change_at) = (at(5), at(5));
    let there = [running_on(20, "node-0")];
    let mut wants = waiting("/a", 2);
    wants.iter_mut().for_each(|instance| instance.version = at(5));
    let offers = offers(1, "cpus:9;mem:9000");
    assert_eq!(placed(&[request(&app, &wants, &there)], &offers, &LIMITS).outcomes[0].launched, 1);
    let mut scaled = app.clone();
    scaled.version = at(6);
    let more = [instance("/a", 9)];
    let round = placed(&[request(&app, &wants, &there), request(&scaled, &more, &there)], &offers, &LIMITS);
    assert_eq!(round.placements.len(), 1, "one host, whichever version came first");
}

#[test]
fn group_by_is_filled_evenly_whatever_the_agents_hold() {
    // Three agents on rack a, one each on b and c; spread over agents alone would put three fifths on rack a.
    let racks = ["a", "a", "a", "b", "c"];
    let app = app_of("/a", |spec| {
        spec.instances = 9;
        spec.constraints = vec![Constraint { field: "rack".into(), operator: Operator::GroupBy(None) }];
    });
    let wants = waiting("/a", 9);
    let mut offers = offers(5, "cpus:9;mem:9000");
    for (offer, rack) in offers.iter_mut().zip(racks) {
        offer.attributes = vec![attribute("rack", rack)];
    }
    assert_eq!(per_offer(&placed(&[request(&app, &wants, &[])], &offers, &LIMITS), 5), [1, 1, 1, 3, 3]);
}

#[test]
fn two_offers_of_one_agent_never_give_the_same_port() {
    let app = app_of("/a", |spec| spec.ports = vec![port(0)]);
    let wants = waiting("/a", 4);
    let twice = [offer(0, "cpus:9;mem:900;ports:[1-3]"), offer(0, "cpus:9;mem:900;ports:[1-3]")];
    let round = placed(&[request(&app, &wants, &[])], &twice, &LIMITS);
    let ports: BTreeSet<u16> = round.placements.iter().flat_map(|placement| placement.ports.clone()).collect();
    assert_eq!((round.placements.len(), ports.len()), (3, 3));
}

#[test]
fn a_group_that_another_version_opened_becomes_usable() {
    let constrained = app_of("/a", |spec| {
        spec.instances = 9;
        spec.constraints = vec![Constraint { field: "hostname".into(), operator: Operator::GroupBy(Some(1)) }];
    });
    let free = app_of("/a", |spec| spec.resources.cpus = Scalar::ZERO);
    let wants = waiting("/a", 5);
    let requests = [request(&constrained, &wants[..3], &[]), request(&free, &wants[3..], &[])];
    let offers = offers(3, "cpus:1;mem:900");
    let rounds = (0..20).map(|seed| place(&requests, &offers, &LIMITS, &mut ChaCha8Rng::seed_from_u64(seed)));
    let mut constrained_first = rounds.filter(|round| round.placements[0].request == 0).peekable();
    assert!(constrained_first.peek().is_some());
    assert!(constrained_first.all(|round| round.outcomes[0].launched == 3));
}
