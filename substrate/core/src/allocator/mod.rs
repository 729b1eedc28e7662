//! Which framework is offered what: hierarchical dominant-resource fairness.
//!
//! Knows agents, roles, frameworks and amounts; knows nothing of tasks, offers as such, or connections. Whoever uses it says
//! what came and went, and asks for new grants with [`Allocator::allocate`]. Everything that was granted stays allocated to
//! its framework and role until it is given back with [`Allocator::recover`].
//!
//! Allocation is driven by events: only *candidates* are looked at, agents about which something changed that may lead to a
//! grant. All free agents become candidates when a framework comes, is activated or revives. An agent that is passed over, with
//! everybody inactive or refusing, is not looked at again before something changes; the end of a refusal is such a change.
//! Agents are visited in the order of their ids, each is granted as a whole to the first framework that may have it.
//!
//! Source of the rules: Mesos `HierarchicalAllocatorProcess`. What is different: no timer of one second; resources that were
//! given back may be granted again at once, except those declined without a refusal, which rest for [`Settings::pause`].

mod filters;
mod sorter;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
    sync::Arc,
    time::Duration,
};

use marathon_time::{Timers, Timestamp};

pub use self::sorter::{Pool, Quantities, Sorter};
use crate::{
    protocol::{AgentId, FrameworkId},
    resources::{Resources, Scalar},
};

/// The longest refusal: 365 days.
pub const LONGEST_REFUSAL: Duration = Duration::from_secs(365 * 24 * 3600);

/// What an operator may choose.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What is left on an agent is worth an offer if it contains the scalars of one of these; none: everything is.
    pub minimum: Vec<Quantities>,
    /// How long resources rest that were declined without a refusal, and the least time that a refusal lasts. Keeps a framework
    /// that declines everything from being offered everything without end.
    pub pause: Duration,
    /// Names of resources that count towards nobody's share.
    pub excluded: BTreeSet<String>,
}

impl Default for Settings {
    /// As Mesos has it: 0.01 cpus or 32 MiB, one second, none.
    fn default() -> Self {
        let alternative = |name: &str, amount| Quantities::from([(name.into(), amount)]);
        Self {
            minimum: vec![
                alternative("cpus", Scalar::from_thousandths(10)),
                alternative("mem", Scalar::from_units(32)),
            ],
            pause: Duration::from_secs(1),
            excluded: BTreeSet::new(),
        }
    }
}

/// Resources of one agent that a framework is to be offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Whom.
    pub framework_id: FrameworkId,
    /// In which of its roles.
    pub role: Arc<str>,
    /// Where.
    pub agent_id: AgentId,
    /// What.
    pub resources: Resources,
}

/// How resources are given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Return {
    /// They are free again, nothing was said about them: may be granted again at once, also to who had them.
    Freed,
    /// They are not wanted for so long; zero: for the moment.
    Refused(Duration),
}

#[derive(Clone, Debug)]
struct Agent {
    total: Resources,
    active: bool,
    held: BTreeMap<(FrameworkId, Arc<str>), Resources>,
    /// What nobody holds.
    free: Resources,
}

#[derive(Clone, Debug, Default)]
struct Framework {
    active: bool,
    /// Subscribed roles, and whether it wants no offers in them for now.
    roles: BTreeMap<Arc<str>, Suppressed>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Suppressed(bool);

/// See the module.
#[derive(Clone, Debug)]
pub struct Allocator {
    settings: Settings,
    pool: Pool,
    roles: Sorter,
    /// The frameworks of each role that subscribe to it or hold something in it.
    by_role: BTreeMap<Arc<str>, Sorter>,
    frameworks: BTreeMap<FrameworkId, Framework>,
    agents: BTreeMap<AgentId, Agent>,
    /// Active agents with enough left to be worth an offer.
    open: BTreeSet<AgentId>,
    candidates: BTreeSet<AgentId>,
    /// Agents that become candidates later.
    resting: Timers<AgentId>,
    filters: filters::Filters,
}

/// Agents.
impl Allocator {
    /// Without agents and frameworks.
    pub fn new(settings: Settings) -> Self {
        Self {
            pool: Pool::new(settings.excluded.clone()),
            settings,
            roles: Sorter::tree(),
            by_role: BTreeMap::new(),
            frameworks: BTreeMap::new(),
            agents: BTreeMap::new(),
            open: BTreeSet::new(),
            candidates: BTreeSet::new(),
            resting: Timers::default(),
            filters: filters::Filters::default(),
        }
    }

    /// An active agent with nothing in use, or new totals of one that is there: then refusals about it are dropped.
    pub fn add_agent(&mut self, id: &AgentId, total: Resources) {
        match self.agents.get_mut(id) {
            Some(agent) => {
                self.pool.shrink(&agent.total);
                agent.total = total.clone();
                self.filters.forget_agent(id);
            }
            None => {
                let agent = Agent { free: total.clone(), total: total.clone(), active: true, held: BTreeMap::new() };
                self.agents.insert(id.clone(), agent);
            }
        }
        self.pool.grow(&total);
        self.review(id);
        self.look_at(id);
    }

    /// Whether resources of the agent are granted. Those already granted stay so.
    pub fn set_agent_active(&mut self, id: &AgentId, active: bool) {
        if let Some(agent) = self.agents.get_mut(id) {
            agent.active = active;
            self.review(id);
            self.look_at(id);
        }
    }

    /// Removes an agent and what is held there.
    pub fn remove_agent(&mut self, id: &AgentId) {
        let Some(agent) = self.agents.remove(id) else { return };
        for ((framework, role), resources) in &agent.held {
            self.unaccount(framework, role, resources);
        }
        for (framework, role) in agent.held.keys() {
            self.leave_if_idle(framework, role);
        }
        self.pool.shrink(&agent.total);
        self.filters.forget_agent(id);
        self.open.remove(id);
        self.candidates.remove(id);
        self.resting.cancel(id);
    }

    /// What nobody holds of an agent; nothing of one that is not known.
    pub fn free(&self, id: &AgentId) -> Resources {
        self.agents.get(id).map(|agent| agent.free.clone()).unwrap_or_default()
    }

    /// What a framework holds on an agent in a role.
    pub fn held(&self, agent: &AgentId, framework: &FrameworkId, role: &str) -> Resources {
        let held = self.agents.get(agent).and_then(|agent| agent.held.get(&(framework.clone(), role.into())));
        held.cloned().unwrap_or_default()
    }

    /// Brings `free` and the set of open agents up to date.
    fn review(&mut self, id: &AgentId) {
        let Some(agent) = self.agents.get_mut(id) else { return };
        let mut free = agent.total.clone();
        for resources in agent.held.values() {
            free = free.minus(resources); // more may be held than there is, when an agent came back smaller
        }
        agent.free = free;
        if agent.active && is_enough(&self.settings.minimum, &agent.free) {
            self.open.insert(id.clone());
        } else {
            self.open.remove(id);
        }
    }

    fn look_at(&mut self, id: &AgentId) {
        if self.open.contains(id) {
            self.candidates.insert(id.clone());
        }
    }
}

/// Frameworks.
impl Allocator {
    /// A framework, inactive at first, or new roles and suppressions of one that is there. What it holds in a role that it left
    /// it keeps.
    pub fn set_framework(&mut self, id: &FrameworkId, roles: &[String], suppressed: &[String]) {
        let roles: BTreeMap<Arc<str>, Suppressed> =
            roles.iter().map(|role| (role.as_str().into(), Suppressed(suppressed.contains(role)))).collect();
        let framework = self.frameworks.entry(id.clone()).or_default();
        let before = std::mem::replace(&mut framework.roles, roles);
        let now: Vec<Arc<str>> = framework.roles.keys().cloned().collect();
        for role in &now {
            self.enter(id, role);
            self.refresh(id, role);
        }
        for role in before.keys().filter(|role| !now.contains(*role)) {
            self.filters.forget_framework(id, |other| other == &**role);
            self.refresh(id, role);
            self.leave_if_idle(id, role);
        }
    }

    /// Whether a framework is offered anything; when it is not any more, its refusals are dropped.
    pub fn set_framework_active(&mut self, id: &FrameworkId, active: bool) {
        let Some(framework) = self.frameworks.get_mut(id) else {
            return;
        };
        framework.active = active;
        let roles: Vec<Arc<str>> = framework.roles.keys().cloned().collect();
        for role in &roles {
            self.refresh(id, role);
        }
        if !active {
            self.filters.forget_framework(id, |_| true);
        }
    }

    /// Removes a framework and whatever it still holds. Costs the number of agents.
    pub fn remove_framework(&mut self, id: &FrameworkId) {
        self.set_framework_active(id, false);
        let Some(framework) = self.frameworks.remove(id) else {
            return;
        };
        let mut roles: BTreeSet<Arc<str>> = framework.roles.into_keys().collect();
        let mut touched = Vec::new();
        for (agent_id, agent) in &mut self.agents {
            let mine: Vec<_> = agent.held.keys().filter(|(framework, _)| framework == id).cloned().collect();
            for key in mine {
                agent.held.remove(&key);
                touched.push(agent_id.clone());
                roles.insert(key.1);
            }
        }
        for agent in touched {
            self.review(&agent);
            self.look_at(&agent);
        }
        for role in roles {
            self.drop_client(id, &role);
        }
    }

    /// No offers in these roles; all of the framework's if none is named.
    pub fn suppress(&mut self, id: &FrameworkId, roles: &[String]) {
        self.set_suppressed(id, roles, Suppressed(true));
    }

    /// Offers in these roles again, refusals forgotten; all of the framework's if none is named.
    pub fn revive(&mut self, id: &FrameworkId, roles: &[String]) {
        self.set_suppressed(id, roles, Suppressed(false));
        self.filters.forget_framework(id, |role| roles.is_empty() || roles.iter().any(|meant| meant == role));
        self.candidates.extend(self.open.iter().cloned());
    }

    /// Sets the weight of a role path; it must be positive and finite. Seen by the next grants.
    pub fn set_weight(&mut self, role: &str, weight: f64) {
        self.roles.set_weight(role, weight);
    }

    fn set_suppressed(&mut self, id: &FrameworkId, meant: &[String], suppressed: Suppressed) {
        let Some(framework) = self.frameworks.get_mut(id) else {
            return;
        };
        let mut changed = Vec::new();
        for (role, state) in &mut framework.roles {
            if meant.is_empty() || meant.iter().any(|other| **other == **role) {
                *state = suppressed;
                changed.push(role.clone());
            }
        }
        for role in changed {
            self.refresh(id, &role);
        }
    }

    /// Makes the framework a client of the role.
    fn enter(&mut self, framework: &FrameworkId, role: &Arc<str>) {
        self.roles.add(role);
        self.by_role.entry(role.clone()).or_insert_with(Sorter::flat).add(framework.as_str());
    }

    /// Brings the sorters up to date with whether the framework wants offers in the role. If it begins to, all is looked at.
    fn refresh(&mut self, id: &FrameworkId, role: &Arc<str>) {
        let wanted = self
            .frameworks
            .get(id)
            .is_some_and(|framework| framework.active && framework.roles.get(role) == Some(&Suppressed(false)));
        let Some(sorter) = self.by_role.get_mut(role) else {
            return;
        };
        match (sorter.is_active(id.as_str()), wanted) {
            (false, true) => {
                sorter.activate(id.as_str(), &self.pool);
                self.roles.activate(role, &self.pool);
                self.candidates.extend(self.open.iter().cloned());
            }
            (true, false) => {
                sorter.deactivate(id.as_str(), &self.pool);
                if sorter.active() == 0 {
                    self.roles.deactivate(role, &self.pool);
                }
            }
            (true, true) | (false, false) => {}
        }
    }

    /// Ends the framework's part in a role that it neither subscribes to nor holds anything in.
    fn leave_if_idle(&mut self, id: &FrameworkId, role: &Arc<str>) {
        let subscribed = self.frameworks.get(id).is_some_and(|framework| framework.roles.contains_key(role));
        let key = (id.clone(), role.clone());
        if !subscribed && !self.agents.values().any(|agent| agent.held.contains_key(&key)) {
            self.drop_client(id, role);
        }
    }

    fn drop_client(&mut self, id: &FrameworkId, role: &Arc<str>) {
        let Some(sorter) = self.by_role.get_mut(role) else {
            return;
        };
        let held = sorter.held(id.as_str());
        sorter.remove(id.as_str(), &self.pool);
        self.roles.give_back(role, &held, &self.pool);
        if sorter.active() == 0 {
            self.roles.deactivate(role, &self.pool);
        }
        if sorter.is_empty() {
            self.by_role.remove(role);
            self.roles.remove(role, &self.pool);
        }
    }
}

/// Grants.
impl Allocator {
    /// The framework uses these resources without having been granted them: it was there before this allocator was.
    pub fn hold(&mut self, agent_id: &AgentId, framework: &FrameworkId, role: &str, resources: &Resources) {
        let role: Arc<str> = role.into();
        let Some(agent) = self.agents.get_mut(agent_id) else {
            return;
        };
        agent.held.entry((framework.clone(), role.clone())).or_default().add(resources);
        self.enter(framework, &role);
        self.account(framework, &role, resources);
        self.review(agent_id);
    }

    /// The framework gives resources back. What it does not hold is ignored.
    pub fn recover(
        &mut self,
        now: Timestamp,
        agent_id: &AgentId,
        framework: &FrameworkId,
        role: &str,
        resources: &Resources,
        how: Return,
    ) {
        let role: Arc<str> = role.into();
        let Some(agent) = self.agents.get_mut(agent_id) else {
            return;
        };
        let key = (framework.clone(), role.clone());
        let Some(held) = agent.held.get_mut(&key) else { return };
        let left = held.minus(resources);
        let returned = held.minus(&left);
        *held = left;
        let nothing_left = held.is_empty();
        if nothing_left {
            agent.held.remove(&key);
        }
        self.unaccount(framework, &role, &returned);
        self.review(agent_id);
        if nothing_left && !self.subscribes(framework, &role) {
            self.leave_if_idle(framework, &role);
        }
        match how {
            Return::Freed => self.look_at(agent_id),
            Return::Refused(Duration::ZERO) => self.resting.set(agent_id.clone(), now + self.settings.pause),
            Return::Refused(refuse) => {
                let until = now + refuse.clamp(self.settings.pause, LONGEST_REFUSAL);
                if self.subscribes(framework, &role) && !returned.is_empty() {
                    self.filters.add((agent_id.clone(), framework.clone(), role), returned, until);
                }
                self.look_at(agent_id);
            }
        }
    }

    /// Grants what the candidates have left, and allocates it.
    pub fn allocate(&mut self, now: Timestamp) -> Vec<Grant> {
        for agent in self.filters.expire(now) {
            self.look_at(&agent);
        }
        while let Some(agent) = self.resting.pop_due(now) {
            self.look_at(&agent);
        }
        let mut grants = Vec::new();
        while let Some(agent_id) = self.candidates.pop_first() {
            if !self.open.contains(&agent_id) {
                continue;
            }
            for grant in self.grants_of(&agent_id, now) {
                self.apply(&grant);
                grants.push(grant);
            }
        }
        grants
    }

    /// When [`Allocator::allocate`] may grant something that it would not grant now.
    pub fn next_wakeup(&self) -> Option<Timestamp> {
        self.filters.next_end().into_iter().chain(self.resting.next()).min()
    }

    fn grants_of(&mut self, agent_id: &AgentId, now: Timestamp) -> Vec<Grant> {
        let Self { settings, pool, roles, by_role, agents, filters, .. } = self;
        let Some(agent) = agents.get(agent_id) else {
            return Vec::new();
        };
        let mut left = agent.free.clone();
        let mut grants = Vec::new();
        roles.visit(pool, |role| {
            let usable = left.usable_by(role);
            let Some(sorter) = by_role.get_mut(role).filter(|_| is_enough(&settings.minimum, &usable)) else {
                return ControlFlow::Continue(());
            };
            sorter.visit(pool, |framework| {
                let framework_id = FrameworkId::new(framework.clone());
                let key = (agent_id.clone(), framework_id, role.clone());
                if filters.block(&key, &usable, now) {
                    return ControlFlow::Continue(());
                }
                left = left.minus(&usable);
                let (agent_id, framework_id, role) = key;
                grants.push(Grant { framework_id, role, agent_id, resources: usable.clone() });
                ControlFlow::Break(())
            });
            if left.is_empty() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        grants
    }

    fn apply(&mut self, grant: &Grant) {
        let agent = self.agents.get_mut(&grant.agent_id).expect("grants are of known agents");
        assert!(agent.free.contains(&grant.resources), "a grant exceeds what agent {} has free", grant.agent_id);
        agent.held.entry((grant.framework_id.clone(), grant.role.clone())).or_default().add(&grant.resources);
        self.account(&grant.framework_id, &grant.role, &grant.resources);
        self.review(&grant.agent_id);
    }

    fn subscribes(&self, framework: &FrameworkId, role: &str) -> bool {
        self.frameworks.get(framework).is_some_and(|framework| framework.roles.contains_key(role))
    }

    fn account(&mut self, framework: &FrameworkId, role: &Arc<str>, resources: &Resources) {
        self.roles.allocated(role, resources, &self.pool);
        if let Some(sorter) = self.by_role.get_mut(role) {
            sorter.allocated(framework.as_str(), resources, &self.pool);
        }
    }

    fn unaccount(&mut self, framework: &FrameworkId, role: &Arc<str>, resources: &Resources) {
        self.roles.unallocated(role, resources, &self.pool);
        if let Some(sorter) = self.by_role.get_mut(role) {
            sorter.unallocated(framework.as_str(), resources, &self.pool);
        }
    }
}

fn is_enough(minimum: &[Quantities], resources: &Resources) -> bool {
    if resources.is_empty() {
        return false;
    }
    let contains = |wanted: &Quantities| wanted.iter().all(|(name, amount)| resources.scalar(name) >= *amount);
    minimum.is_empty() || minimum.iter().any(contains)
}

#[cfg(test)]
mod tests;
