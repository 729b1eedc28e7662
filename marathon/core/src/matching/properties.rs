//! Any rounds, judged by an oracle that counts everything anew.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use rand_chacha::rand_core::SeedableRng;
use substrate_core::{
    protocol::{
        AgentId, OfferId,
        offer::{Attribute, AttributeValue, Domain},
    },
    resources::{Ranges, Scalar},
};

use super::{constraints::Site, fixtures::*, *};
use crate::{
    instance::Condition,
    spec::{AppSpec, Constraint, Operator, PortDefinition},
};

/// Whether another instance may go to `site`, written down once more from the reference, with everything counted anew.
fn oracle(spec: &AppSpec, others: &[Site<'_>], site: Site<'_>) -> bool {
    spec.constraints.iter().all(|constraint| {
        let value = site.value(&constraint.field);
        let values: Vec<_> = others.iter().filter_map(|other| other.value(&constraint.field)).collect();
        let Some(value) = value else {
            return matches!(constraint.operator, Operator::Unlike(_));
        };
        let count = |value: &str| values.iter().filter(|other| **other == value).count();
        let distinct: BTreeSet<&str> = values.iter().map(|value| &**value).collect();
        match &constraint.operator {
            Operator::Unique => count(&value) == 0,
            Operator::Cluster(Some(wanted)) if !wanted.is_empty() => value == *wanted,
            Operator::Cluster(_) => values.first().is_none_or(|first| *first == value),
            Operator::Like(text) => regex::Regex::new(&format!("^(?:{text})$")).unwrap().is_match(&value),
            Operator::Unlike(text) => !regex::Regex::new(&format!("^(?:{text})$")).unwrap().is_match(&value),
            Operator::Is(wanted) => value == *wanted,
            Operator::MaxPer(most) => count(&value) < *most as usize,
            Operator::GroupBy(Some(groups)) if *groups > 0 && !distinct.contains(&*value) => {
                distinct.len() < *groups as usize
            }
            Operator::GroupBy(Some(groups)) if *groups > 0 => {
                let per = (spec.instances / groups) as usize;
                let rem = (spec.instances % groups) as usize;
                let used: usize = distinct.iter().map(|group| count(group).saturating_sub(per)).sum();
                count(&value) < per || (count(&value) == per && rem > used)
            }
            Operator::GroupBy(_) => distinct.iter().all(|group| count(&value) == 0 || count(&value) <= count(group)),
        }
    })
}

fn any_constraint() -> impl Strategy<Value = Constraint> {
    let field = prop_oneof![Just("hostname"), Just("rack"), Just("@zone"), Just("size")];
    let operator = prop_oneof![
        Just(Operator::Unique),
        Just(Operator::Cluster(None)),
        Just(Operator::Cluster(Some("a".into()))),
        proptest::option::of(0..5u32).prop_map(Operator::GroupBy),
        Just(Operator::Like("a|b|node-[0-2]".into())),
        Just(Operator::Unlike("a|1.*".into())),
        (0..4u32).prop_map(Operator::MaxPer),
        prop_oneof![Just("a"), Just("2")].prop_map(|text| Operator::Is(text.into())),
    ];
    (field, operator).prop_map(|(field, operator)| Constraint { field: field.into(), operator })
}

fn any_offer(number: usize) -> impl Strategy<Value = Offer> {
    (0..6usize, 0..5i64, 0..500i64, 0..40i64, 0..9u64, 0..9u64, 0..4usize, any::<[bool; 4]>()).prop_map(
        move |(agent, cpus, mem, disk, first, length, rack, [shared, gpus, domain, size])| {
            // Mostly one offer for each agent.
            let agent = if shared { agent } else { 10 + number };
            let mut offer = offer(agent, "cpus(dev):0.5;ports(dev):[41000-41001]");
            offer.role = "dev".into();
            offer.id = OfferId::new(format!("offer-{number}"));
            let first = first + 20 * number as u64;
            offer.resources = offer
                .resources
                .with_scalar("cpus", Scalar::from_units(cpus))
                .with_scalar("mem", Scalar::from_units(mem))
                .with_scalar("disk", Scalar::from_units(disk))
                .with_scalar("gpus", Scalar::from_units(i64::from(gpus && shared)))
                .with_ports([(first, first + length)].into_iter().collect());
            offer.attributes = ["a", "b", "c"].get(rack).map(|rack| attribute("rack", rack)).into_iter().collect();
            if size {
                let value = AttributeValue::Scalar(Scalar::from_units(2));
                offer.attributes.push(Attribute { name: "size".into(), value });
            }
            offer.domain = domain.then(|| Domain { region: "eu".into(), zone: "b".into() });
            offer
        },
    )
}

#[derive(Clone, Debug)]
struct Wish {
    app: App,
    waiting: Vec<Instance>,
    placed: Vec<Instance>,
}

fn any_wish(name: &'static str) -> impl Strategy<Value = Wish> {
    let needs = (0..2_500i64, 0..200i64, 0..20i64, 0..3usize, any::<bool>());
    let constraints = proptest::collection::vec(any_constraint(), 0..3);
    let there = proptest::collection::vec((0..14usize, 0..3usize, 0..3i64, any::<bool>()), 0..4);
    (needs, constraints, 0..8u128, there, 0..3i64).prop_map(move |(needs, constraints, count, there, changed)| {
        let (cpus, mem, disk, ports, require) = needs;
        let mut app = app_of(name, |spec| {
            spec.resources.cpus = Scalar::from_thousandths(cpus);
            spec.resources.mem = Scalar::from_units(mem);
            spec.resources.disk = Scalar::from_units(disk);
            spec.ports = [port(0), port(25), port(45)][..ports].to_vec();
            spec.require_ports = require;
            spec.constraints = constraints;
            spec.instances = 5;
        });
        (app.version, app.last_config_change_at) = (at(2), at(changed));
        let mut waiting = waiting(name, count);
        waiting.iter_mut().for_each(|instance| instance.version = at(2));
        let placed = there.into_iter().zip(100..).map(|((agent, rack, version, runs), number)| {
            let mut instance = running_on(number, &format!("node-{agent}"));
            instance.id.spec = name.parse().unwrap();
            instance.version = at(version);
            instance.condition = if runs { Condition::Running } else { Condition::Unreachable };
            instance.task.as_mut().unwrap().attributes = vec![attribute("rack", ["a", "b", "c"][rack])];
            instance
        });
        Wish { app, waiting, placed: placed.collect() }
    })
}

fn any_offers() -> impl Strategy<Value = Vec<Offer>> {
    (0..9usize).prop_flat_map(|count| (0..count).map(any_offer).collect::<Vec<_>>())
}

/// Whether one more would fit, constraints aside; `used` are the ports of the agent that were given out in this round.
fn fits(spec: &AppSpec, left: &Resources, used: Option<&BTreeSet<u16>>) -> bool {
    let ports: BTreeSet<u64> = left.ports().iter().filter(|port| (1..65_536).contains(port)).collect();
    let free = |port: u64| ports.contains(&port) && !used.is_some_and(|used| used.contains(&(port as u16)));
    let exact = |definition: &PortDefinition| spec.require_ports && definition.port != 0;
    left.scalar("gpus").is_zero()
        && left.scalar("cpus") >= spec.resources.cpus
        && left.scalar("mem") >= spec.resources.mem
        && left.scalar("disk") >= spec.resources.disk
        && spec.ports.iter().all(|definition| !exact(definition) || free(u64::from(definition.port)))
        && ports.iter().filter(|port| free(**port)).count() >= spec.ports.len()
}

/// Instances that count on the agent of an offer; in these tests host names are as distinct as agents.
fn crowd(sites: &[Site<'_>], offer: &Offer) -> usize {
    sites.iter().filter(|site| site.value("hostname").as_deref() == Some(&*offer.hostname)).count()
}

fn grouped(spec: &AppSpec) -> bool {
    spec.constraints.iter().any(|constraint| matches!(constraint.operator, Operator::GroupBy(_)))
}

/// Everything that must hold for a round, checked against nothing but its inputs.
fn check_round(wishes: &[Wish], offers: &[Offer], limits: &Limits, round: &Placed) -> Result<(), TestCaseError> {
    let mut left: Vec<Resources> = offers.iter().map(|offer| offer.resources.clone()).collect();
    let mut launches = vec![0; offers.len()];
    let mut launched = vec![0; wishes.len()];
    let mut seen = BTreeSet::new();
    let mut ports_of: BTreeMap<&AgentId, BTreeSet<u16>> = BTreeMap::new();
    let mut sites: Vec<Vec<Site<'_>>> = wishes
        .iter()
        .map(|wish| {
            let counting = wish.placed.iter().filter(|instance| {
                instance.condition == Condition::Running && instance.version >= wish.app.last_config_change_at
            });
            counting.map(|instance| Site::from(instance.task.as_ref().unwrap())).collect()
        })
        .collect();
    for placement in &round.placements {
        let (wish, offer) = (&wishes[placement.request], &offers[placement.offer]);
        let spec = &wish.app.spec;
        prop_assert!(seen.insert(&placement.instance));
        prop_assert_eq!(&wish.waiting[launched[placement.request]].id, &placement.instance, "launch order");
        let fitting = (0..offers.len()).filter(|index| {
            launches[*index] < limits.max_instances_per_offer
                && fits(spec, &left[*index], ports_of.get(&offers[*index].agent_id))
                && oracle(spec, &sites[placement.request], Site::from(&offers[*index]))
        });
        let better = fitting.map(|index| crowd(&sites[placement.request], &offers[index])).min();
        let taken = &placement.resources;
        prop_assert!(taken.iter().all(|(kind, _)| kind.role.is_none_or(|role| &*role == "dev")));
        prop_assert_eq!(taken.scalar("cpus"), spec.resources.cpus);
        prop_assert_eq!(taken.scalar("mem"), spec.resources.mem);
        prop_assert_eq!(taken.scalar("disk"), spec.resources.disk);
        prop_assert_eq!(taken.ports(), Ranges::from_values(placement.ports.iter().map(|port| u64::from(*port))));
        prop_assert_eq!(placement.ports.len(), spec.ports.len());
        left[placement.offer] = left[placement.offer].try_subtract(taken).expect("more than the offer holds");
        for (port, definition) in placement.ports.iter().zip(&spec.ports) {
            prop_assert!(!spec.require_ports || definition.port == 0 || definition.port == *port);
            prop_assert!(ports_of.entry(&offer.agent_id).or_default().insert(*port), "twice {}", port);
        }
        prop_assert!(oracle(spec, &sites[placement.request], Site::from(offer)), "{:?} {:?}", spec.constraints, offer);
        let chosen = crowd(&sites[placement.request], offer);
        if let Some(better) = better.filter(|count| *count < chosen) {
            prop_assert!(grouped(spec), "{} on its agent, but there was one with {}", chosen, better);
        }
        prop_assert!(offer.resources.scalar("gpus").is_zero());
        for (other, sites) in wishes.iter().zip(&mut sites) {
            if other.app.spec.id == spec.id && wish.app.version >= other.app.last_config_change_at {
                sites.push(Site::from(offer));
            }
        }
        launches[placement.offer] += 1;
        launched[placement.request] += 1;
    }
    prop_assert!(launches.iter().all(|count| *count <= limits.max_instances_per_offer));
    // Whoever is left over was refused by every offer that takes more, for reasons that are true.
    prop_assert_eq!(round.outcomes.len(), wishes.len());
    for (index, (outcome, wish)) in round.outcomes.iter().zip(wishes).enumerate() {
        prop_assert_eq!(outcome.launched, launched[index] as u64);
        prop_assert_eq!(outcome.left, (wish.waiting.len() - launched[index]) as u64);
        let open = launches.iter().filter(|count| **count < limits.max_instances_per_offer).count();
        prop_assert_eq!(outcome.refusals.len(), if outcome.left == 0 { 0 } else { open });
        for refusal in &outcome.refusals {
            let number = offers.iter().position(|offer| offer.id == refusal.offer.id).unwrap();
            prop_assert_eq!(&refusal.offer.resources, &left[number]);
            check_reasons(&wish.app.spec, &sites[index], &refusal.offer, &refusal.reasons)?;
            let fits = fits(&wish.app.spec, &left[number], ports_of.get(&refusal.offer.agent_id));
            prop_assert!(!fits || refusal.reasons == [Reason::UnfulfilledConstraint]);
        }
    }
    Ok(())
}

fn check_reasons(spec: &AppSpec, sites: &[Site<'_>], offer: &Offer, reasons: &[Reason]) -> Result<(), TestCaseError> {
    prop_assert!(!reasons.is_empty() && reasons.is_sorted());
    let has = |reason: Reason| reasons.contains(&reason);
    prop_assert_eq!(has(Reason::UnfulfilledConstraint), !oracle(spec, sites, Site::from(offer)));
    prop_assert_eq!(has(Reason::InsufficientCpus), offer.resources.scalar("cpus") < spec.resources.cpus);
    prop_assert_eq!(has(Reason::InsufficientMemory), offer.resources.scalar("mem") < spec.resources.mem);
    prop_assert_eq!(has(Reason::InsufficientDisk), offer.resources.scalar("disk") < spec.resources.disk);
    prop_assert_eq!(has(Reason::DeclinedScarceResources), !offer.resources.scalar("gpus").is_zero());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_round_is_sound_and_complete(
        first in any_wish("/a"), second in any_wish("/b"), third in any_wish("/c"),
        offers in any_offers(), most in 1..5usize, seed in any::<u64>(),
    ) {
        let wishes = [first, second, third];
        let limits = Limits { max_instances_per_offer: most, local_region: None };
        let requests: Vec<Request<'_>> =
            wishes.iter().map(|wish| request(&wish.app, &wish.waiting, &wish.placed)).collect();
        let round = place(&requests, &offers, &limits, &mut ChaCha8Rng::seed_from_u64(seed));
        check_round(&wishes, &offers, &limits, &round)?;
        let again = place(&requests, &offers, &limits, &mut ChaCha8Rng::seed_from_u64(seed));
        prop_assert_eq!(round, again, "same inputs, same outputs");
    }

    #[test]
    fn two_versions_of_one_app_obey_constraints_together(
        first in any_wish("/a"), second in any_wish("/a"), offers in any_offers(), changed in 1..4i64, seed in any::<u64>(),
    ) {
        let mut wishes = [first, second];
        (wishes[1].app.version, wishes[1].app.last_config_change_at) = (at(changed.max(2)), at(changed));
        wishes[1].placed = wishes[0].placed.clone();
        for (number, instance) in (50..).zip(&mut wishes[1].waiting) {
            instance.id = instance_id("/a", number);
            instance.version = wishes[1].app.version;
        }
        let limits = Limits { max_instances_per_offer: 4, local_region: None };
        let requests: Vec<Request<'_>> =
            wishes.iter().map(|wish| request(&wish.app, &wish.waiting, &wish.placed)).collect();
        let round = place(&requests, &offers, &limits, &mut ChaCha8Rng::seed_from_u64(seed));
        check_round(&wishes, &offers, &limits, &round)?;
    }
}
