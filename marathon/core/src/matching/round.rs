//! One round of matching.
//!
//! Each request keeps its offers in a heap, best first. What makes an offer better or worse for a request only gets worse while the round
//! goes on (counts grow, leftovers shrink), so an entry that became stale is found when it comes to the top, and is put back with what
//! it is worth now. Nothing has to be searched when something changes.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, VecDeque},
    sync::Arc,
};

use rand_chacha::{ChaCha8Rng, rand_core::RngCore};
use substrate_core::protocol::{AgentId, offer::Offer};

use super::{
    Limits, Outcome, Placed, Placement, Refusal, Request,
    constraints::{Expressions, Position, Rules, Site, mention_fault_domain},
    is_considered,
    leftover::Leftover,
    ports::Wanted,
};
use crate::{id::PathId, instance::Instance, queue::Reason, spec::App};

pub(super) struct Round<'a> {
    requests: &'a [Request<'a>],
    /// The requests of each app; nearly always one.
    by_app: BTreeMap<&'a PathId, Vec<usize>>,
    offers: &'a [Offer],
    leftovers: Vec<Leftover>,
    /// Number of the agent of each offer.
    agents: Vec<usize>,
    agent_numbers: BTreeMap<&'a AgentId, usize>,
    /// The offers of each agent; nearly always one.
    by_agent: Vec<Vec<usize>>,
    limits: &'a Limits,
    expressions: Expressions,
    /// What each request knows; made at its first turn, missing while it has its turn.
    views: Vec<Option<View<'a>>>,
    placements: Vec<Placement>,
}

/// What one request knows of the offers.
struct View<'a> {
    app: &'a App,
    waiting: VecDeque<&'a Instance>,
    launched: u64,
    rules: Rules,
    ports: Wanted,
    /// Where each offer stands; `None`: a constraint rules it out for good.
    positions: Vec<Option<Position>>,
    /// Instances of the app that count, per agent.
    counted: Vec<u32>,
    /// Instances of the app that hold resources, per agent, in any version.
    present: Vec<u32>,
    /// Offers that may still be used, best first.
    heap: BinaryHeap<Reverse<(Worth, usize)>>,
    /// No offer can be used unless another version of the app changes something.
    stuck: bool,
}

/// How good an offer is for a request; the smallest is the best, and it never gets smaller during a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Worth {
    /// Instances in its fullest `GROUP_BY` group.
    crowding: u32,
    /// Instances that count on its agent.
    counted: u32,
    /// Instances on its agent.
    present: u32,
    /// How many more would fit: the fuller offer comes later.
    copies: Reverse<i64>,
}

impl<'a> Round<'a> {
    pub(super) fn new(requests: &'a [Request<'a>], offers: &'a [Offer], limits: &'a Limits) -> Self {
        let mut by_app: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for (index, request) in requests.iter().enumerate() {
            by_app.entry(&request.app.spec.id).or_default().push(index);
        }
        let mut agent_numbers = BTreeMap::new();
        let mut by_agent: Vec<Vec<usize>> = Vec::new();
        let mut agents = Vec::with_capacity(offers.len());
        for (index, offer) in offers.iter().enumerate() {
            let number = *agent_numbers.entry(&offer.agent_id).or_insert(by_agent.len());
            if number == by_agent.len() {
                by_agent.push(Vec::new());
            }
            by_agent[number].push(index);
            agents.push(number);
        }
        Self {
            requests,
            by_app,
            offers,
            leftovers: offers.iter().map(Leftover::new).collect(),
            agents,
            agent_numbers,
            by_agent,
            limits,
            expressions: Expressions::default(),
            views: requests.iter().map(|_| None).collect(),
            placements: Vec::new(),
        }
    }

    pub(super) fn run(mut self, random: &mut ChaCha8Rng) -> Placed {
        if self.offers.is_empty() {
            return self.finish();
        }
        let wanting = |index: &usize| !self.requests[*index].waiting.is_empty();
        let mut order: Vec<usize> = (0..self.requests.len()).filter(wanting).collect();
        shuffle(&mut order, random);
        loop {
            let before = self.placements.len();
            for request in &order {
                self.turn(*request, random);
            }
            if self.placements.len() == before {
                return self.finish();
            }
        }
    }

    /// Looks for a place for one instance of the request.
    fn turn(&mut self, request: usize, random: &mut ChaCha8Rng) {
        let mut view = match self.views[request].take() {
            Some(view) => view,
            None => self.prepare(request),
        };
        if let Some(instance) = view.waiting.front().copied()
            && !view.stuck
        {
            match self.best(&mut view) {
                Some(offer) => {
                    self.launch(request, &mut view, instance, offer, random);
                    view.waiting.pop_front();
                    view.launched += 1;
                }
                None => view.stuck = true,
            }
            if view.waiting.is_empty() {
                // What is only needed to find more places, and takes room.
                (view.heap, view.positions) = (BinaryHeap::new(), Vec::new());
            }
        }
        self.views[request] = Some(view);
    }

    /// Compares the request with every offer.
    fn prepare(&mut self, index: usize) -> View<'a> {
        let request = &self.requests[index];
        let spec = &request.app.spec;
        let counting = request.placed.iter().filter(|instance| is_considered(request.app, instance));
        let sites = counting.filter_map(|instance| instance.task.as_ref()).map(Site::from);
        let mut view = View {
            app: request.app,
            waiting: request.waiting.iter().copied().collect(),
            launched: 0,
            rules: Rules::new(&spec.constraints, spec.instances, sites, &mut self.expressions),
            ports: Wanted::new(spec),
            positions: Vec::new(),
            counted: vec![0; self.by_agent.len()],
            present: vec![0; self.by_agent.len()],
            heap: BinaryHeap::new(),
            stuck: false,
        };
        for instance in &request.placed {
            let agent = instance.task.as_ref().and_then(|task| self.agent_numbers.get(&task.agent_id));
            if let Some(agent) = agent {
                view.counted[*agent] += u32::from(is_considered(request.app, instance));
                view.present[*agent] += u32::from(instance.condition.is_active());
            }
        }
        if self.by_app[&spec.id].len() > 1 {
            for placement in &self.placements {
                let other = self.requests[placement.request].app;
                if other.spec.id == spec.id {
                    view.add(other, &self.offers[placement.offer], self.agents[placement.offer]);
                }
            }
        }
        view.positions = self.positions(request.app, &mut view.rules);
        let usable = (0..self.offers.len()).filter(|offer| self.is_usable(&view, *offer));
        view.heap = usable.map(|offer| Reverse((self.worth(&view, offer), offer))).collect();
        view
    }

    fn positions(&self, app: &App, rules: &mut Rules) -> Vec<Option<Position>> {
        let stays = !mention_fault_domain(&app.spec.constraints);
        let home = self.limits.local_region.as_ref().filter(|_| stays);
        let within =
            |offer: &Offer| offer.domain.as_ref().zip(home).is_none_or(|(domain, home)| domain.region == *home);
        self.offers.iter().map(|offer| if within(offer) { rules.locate(Site::from(offer)) } else { None }).collect()
    }

    /// The best offer that satisfies everything now. What can never be used again leaves the heap.
    fn best(&self, view: &mut View<'a>) -> Option<usize> {
        let mut later = Vec::new();
        let mut best = None;
        while let Some(Reverse((stored, offer))) = view.heap.pop() {
            if !self.is_usable(view, offer) {
                continue;
            }
            let entry = Reverse((self.worth(view, offer), offer));
            if entry.0.0 > stored {
                view.heap.push(entry);
                continue;
            }
            if view.accepts(offer) {
                later.push(entry);
                best = Some(offer);
                break;
            }
            if view.rules.may_accept_later() {
                later.push(entry);
            }
        }
        view.heap.extend(later);
        best
    }

    /// Whether all holds that, once it does not, never holds again in this round.
    fn is_usable(&self, view: &View<'a>, offer: usize) -> bool {
        let leftover = &self.leftovers[offer];
        view.positions[offer].is_some()
            && !leftover.was_empty()
            && !leftover.holds_gpus()
            && !self.is_full(offer)
            && leftover.copies(&view.app.spec.resources) > 0
            && view.ports.fits(leftover.ports())
    }

    fn is_full(&self, offer: usize) -> bool {
        self.leftovers[offer].launches() >= self.limits.max_instances_per_offer.max(1)
    }

    fn worth(&self, view: &View<'a>, offer: usize) -> Worth {
        let agent = self.agents[offer];
        Worth {
            crowding: view.positions[offer].as_ref().map_or(0, |position| view.rules.crowding(position)),
            counted: view.counted[agent],
            present: view.present[agent],
            copies: Reverse(self.leftovers[offer].copies(&view.app.spec.resources)),
        }
    }

    fn launch(
        &mut self,
        request: usize,
        view: &mut View<'a>,
        instance: &Instance,
        offer: usize,
        random: &mut ChaCha8Rng,
    ) {
        let leftover = &mut self.leftovers[offer];
        let ports = view.ports.choose(leftover.ports(), random).expect("an offer is only chosen if its ports fit");
        let resources = leftover.take(&view.app.spec.resources, &ports);
        let agent = self.agents[offer];
        for other in self.by_agent[agent].iter().filter(|other| **other != offer) {
            self.leftovers[*other].without_ports(&ports);
        }
        view.add(view.app, &self.offers[offer], agent);
        for sibling in &self.by_app[&view.app.spec.id] {
            if let Some(sibling) = &mut self.views[*sibling] {
                sibling.add(view.app, &self.offers[offer], agent);
            }
        }
        self.placements.push(Placement { request, offer, instance: instance.id.clone(), ports, resources });
    }

    fn finish(mut self) -> Placed {
        let mut shared = vec![None; self.offers.len()];
        let mut outcomes = Vec::with_capacity(self.requests.len());
        for (index, request) in self.requests.iter().enumerate() {
            let app = request.app.spec.id.clone();
            outcomes.push(match self.views[index].take() {
                Some(view) => Outcome {
                    app,
                    launched: view.launched,
                    left: view.waiting.len() as u64,
                    refusals: self.refusals(&view, &mut shared),
                },
                None => Outcome { app, launched: 0, left: request.waiting.len() as u64, refusals: Vec::new() },
            });
        }
        Placed { placements: self.placements, outcomes }
    }

    /// Why each offer was of no (more) use, if instances are left over.
    fn refusals(&self, view: &View<'a>, shared: &mut [Option<Arc<Offer>>]) -> Vec<Refusal> {
        if view.waiting.is_empty() {
            return Vec::new();
        }
        let mut refusals = Vec::new();
        for (index, offer) in self.offers.iter().enumerate().filter(|(index, _)| !self.is_full(*index)) {
            let reasons = self.reasons(view, index);
            if !reasons.is_empty() {
                let offer = shared[index].get_or_insert_with(|| Arc::new(self.leftovers[index].of(offer))).clone();
                refusals.push(Refusal { offer, reasons });
            }
        }
        refusals
    }

    /// In the order of [`Reason::ALL`]. Ports are only named when nothing else is wrong with the resources and the agent.
    fn reasons(&self, view: &View<'a>, offer: usize) -> Vec<Reason> {
        let leftover = &self.leftovers[offer];
        let mut reasons = Vec::new();
        if leftover.was_empty() {
            reasons.push(Reason::UnfulfilledRole);
        }
        if !view.accepts(offer) {
            reasons.push(Reason::UnfulfilledConstraint);
        }
        reasons.extend(leftover.shortages(&view.app.spec.resources));
        if leftover.holds_gpus() {
            reasons.push(Reason::DeclinedScarceResources);
        }
        if reasons.is_empty() && !view.ports.fits(leftover.ports()) {
            reasons.push(Reason::InsufficientPorts);
        }
        reasons
    }
}

impl View<'_> {
    fn accepts(&self, offer: usize) -> bool {
        self.positions[offer].as_ref().is_some_and(|position| self.rules.accept(position))
    }

    /// An instance of this app in version `version` was given a place.
    fn add(&mut self, version: &App, offer: &Offer, agent: usize) {
        self.present[agent] += 1;
        if version.version >= self.app.last_config_change_at {
            self.counted[agent] += 1;
            self.rules.add(Site::from(offer));
        }
        self.stuck = false;
    }
}

/// Every order is equally likely, but for what 2⁶⁴ is no multiple of.
fn shuffle(items: &mut [usize], random: &mut ChaCha8Rng) {
    for last in (1..items.len()).rev() {
        let other = random.next_u64() % (last as u64 + 1);
        items.swap(last, usize::try_from(other).expect("not above an index"));
    }
}
