//! What frameworks said not to offer them for a while.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use marathon_time::{Timers, Timestamp};

use crate::{
    protocol::{AgentId, FrameworkId},
    resources::Resources,
};

/// At most this many refusals are remembered of one framework and role about one agent; the one that ends first is forgotten.
/// A framework may then see an offer sooner than it asked for, which it has to expect anyway.
const MOST_PER_AGENT: usize = 8;

/// Refused resources, until when.
#[derive(Clone, Debug)]
struct Refusal {
    resources: Resources,
    until: Timestamp,
}

/// Agent, framework, role: agents first, because they are what becomes a candidate again.
type Key = (AgentId, FrameworkId, Arc<str>);

/// Refusals in force.
#[derive(Clone, Debug, Default)]
pub(super) struct Filters {
    refusals: BTreeMap<Key, Vec<Refusal>>,
    /// When the first refusal of a key ends.
    ends: Timers<Key>,
}

impl Filters {
    /// Do not offer `resources` or less until then.
    pub fn add(&mut self, key: Key, resources: Resources, until: Timestamp) {
        let refusals = self.refusals.entry(key.clone()).or_default();
        refusals.retain(|refusal| refusal.until > until || !resources.contains(&refusal.resources));
        refusals.push(Refusal { resources, until });
        refusals.sort_by_key(|refusal| refusal.until);
        if refusals.len() > MOST_PER_AGENT {
            refusals.remove(0);
        }
        self.ends.set(key, refusals[0].until);
    }

    /// Whether an offer of `resources` is refused.
    pub fn block(&self, key: &Key, resources: &Resources, now: Timestamp) -> bool {
        let refusals = self.refusals.get(key).map(Vec::as_slice).unwrap_or_default();
        refusals.iter().any(|refusal| refusal.until > now && refusal.resources.contains(resources))
    }

    /// Drops what has ended; tells which agents this was about.
    pub fn expire(&mut self, now: Timestamp) -> BTreeSet<AgentId> {
        let mut agents = BTreeSet::new();
        while let Some(key) = self.ends.pop_due(now) {
            let refusals = self.refusals.entry(key.clone()).or_default();
            refusals.retain(|refusal| refusal.until > now);
            agents.insert(key.0.clone());
            match refusals.first() {
                Some(next) => self.ends.set(key, next.until),
                None => drop(self.refusals.remove(&key)),
            }
        }
        agents
    }

    /// When the next refusal ends.
    pub fn next_end(&self) -> Option<Timestamp> {
        self.ends.next()
    }

    /// Drops what was said about an agent.
    pub fn forget_agent(&mut self, agent: &AgentId) {
        let first: Key = (agent.clone(), FrameworkId::new(""), "".into());
        let keys: Vec<Key> =
            self.refusals.range(first..).map(|(key, _)| key.clone()).take_while(|key| key.0 == *agent).collect();
        self.forget(keys);
    }

    /// Drops what a framework said, in the roles that `meant` names. Costs the number of all refusals.
    pub fn forget_framework(&mut self, framework: &FrameworkId, meant: impl Fn(&str) -> bool) {
        let keys: Vec<Key> = self.refusals.keys().filter(|key| key.1 == *framework && meant(&key.2)).cloned().collect();
        self.forget(keys);
    }

    fn forget(&mut self, keys: Vec<Key>) {
        for key in keys {
            self.refusals.remove(&key);
            self.ends.cancel(&key);
        }
    }
}
