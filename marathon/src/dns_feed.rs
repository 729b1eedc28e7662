//! Keeps the names in DNS in step with the scheduler's view: what changed between two views changes the zone, nothing is polled.
//!
//! Running instances have records; with health checks only once all of them say that the instance is healthy.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use arc_swap::ArcSwap;
use dns::{Agent, Discovery, DiscoveryPort, Framework, Masters, Task, TaskAddresses, Zone};
use imbl::{OrdMap, ordmap::DiffItem};
use marathon_core::{
    id::{InstanceId, PathId},
    instance::{self, Condition, Instance},
    matching::task::discovery,
    spec::AppSpec,
    state::State,
};
use marathon_time::Timestamp;
use substrate_core::protocol::{AgentId, task};
use tracing::debug;

use crate::service::{Handle, clock};

/// The zone, and the view that it stands for.
pub struct Feed {
    zone: Zone,
    framework: String,
    scheduler_addresses: Vec<IpAddr>,
    state: State,
    /// Agents of present tasks, and how many those are.
    agents: BTreeMap<AgentId, Lodging>,
}

/// An agent that tasks with records are on.
struct Lodging {
    agent: Agent,
    tasks: usize,
}

/// Follows the scheduler's view until the scheduler is gone; puts every change of the zone in service.
pub async fn run(mut feed: Feed, scheduler: Arc<Handle>, served: Arc<ArcSwap<Zone>>) {
    let mut changes = scheduler.watch();
    loop {
        changes.borrow_and_update();
        if feed.follow(&scheduler.view().state) {
            feed.zone.publish(&served, unix_seconds(clock::now()));
            debug!(zone.serial = feed.zone.serial(), "names changed");
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// For serial numbers; past 2106 they go on by ones.
pub fn unix_seconds(now: Timestamp) -> u32 {
    u32::try_from(now.as_millis() / 1000).unwrap_or(u32::MAX)
}

impl Feed {
    /// A feed for `zone`, which has no tasks yet. The scheduler is called `framework` and runs at `scheduler_addresses`.
    pub fn new(zone: Zone, framework: String, scheduler_addresses: Vec<IpAddr>) -> Self {
        Self { zone, framework, scheduler_addresses, state: State::default(), agents: BTreeMap::new() }
    }

    /// Makes the zone stand for `state`; whether any record changed. Costs what differs from the state before.
    pub fn follow(&mut self, state: &State) -> bool {
        let before = std::mem::replace(&mut self.state, state.clone());
        let mut changed = self.follow_master(&before, state);
        changed |= self.follow_framework(&before, state);
        for difference in before.instances.diff(&state.instances) {
            changed |= match difference {
                DiffItem::Add(_, instances) => self.follow_app(&OrdMap::new(), instances),
                DiffItem::Remove(_, instances) => self.follow_app(instances, &OrdMap::new()),
                DiffItem::Update { old: (_, old), new: (_, new) } => self.follow_app(old, new),
            };
        }
        changed
    }

    fn follow_master(&mut self, before: &State, now: &State) -> bool {
        if before.master == now.master {
            return false;
        }
        // While there is no master the last one keeps its names: it may be about to return.
        let Some(master) = &now.master else { return false };
        let Ok(ip) = master.ip.parse::<IpAddr>() else { return false };
        let leader = SocketAddr::new(ip, master.port);
        self.zone.set_masters(&Masters { leader: Some(leader), known: vec![leader] })
    }

    fn follow_framework(&mut self, before: &State, now: &State) -> bool {
        if before.framework_id == now.framework_id {
            return false;
        }
        let gone = before.framework_id.as_ref().is_some_and(|id| self.zone.remove_framework(id.as_str()));
        let come = now.framework_id.as_ref().is_some_and(|id| {
            self.zone.set_framework(Framework {
                id: id.to_string(),
                name: self.framework.clone(),
                addresses: self.scheduler_addresses.clone(),
                port: None,
            })
        });
        gone || come
    }

    fn follow_app(
        &mut self,
        before: &OrdMap<InstanceId, Arc<Instance>>,
        now: &OrdMap<InstanceId, Arc<Instance>>,
    ) -> bool {
        let mut changed = false;
        for difference in before.diff(now) {
            let (old, new) = match difference {
                DiffItem::Add(_, new) => (None, Some(new)),
                DiffItem::Remove(_, old) => (Some(old), None),
                DiffItem::Update { old: (_, old), new: (_, new) } => (Some(old), Some(new)),
            };
            changed |= self.follow_instance(old, new);
        }
        changed
    }

    fn follow_instance(&mut self, old: Option<&Arc<Instance>>, new: Option<&Arc<Instance>>) -> bool {
        let (old, new) = (old.and_then(|old| findable(old)), new.and_then(|new| findable(new).map(|task| (new, task))));
        let mut changed = false;
        if let Some((instance, task)) = new {
            changed |= self.lodge(task);
            let described = self.describe(instance, task);
            changed |= self.zone.set_task(described);
        }
        if let Some(old) = old {
            if new.is_none_or(|(_, task)| task.id != old.id) {
                changed |= self.zone.remove_task(old.id.as_str());
            }
            changed |= self.move_out(&old.agent_id);
        }
        changed
    }

    /// One more task on its agent.
    fn lodge(&mut self, task: &instance::Task) -> bool {
        let address = &task.agent_address;
        let agent = Agent {
            id: task.agent_id.to_string(),
            addresses: address.ip.parse().into_iter().collect(),
            port: address.port,
        };
        if let Some(lodging) = self.agents.get_mut(&task.agent_id) {
            lodging.tasks += 1;
            if lodging.agent == agent {
                return false;
            }
            lodging.agent = agent.clone();
        } else {
            self.agents.insert(task.agent_id.clone(), Lodging { agent: agent.clone(), tasks: 1 });
        }
        self.zone.set_agent(agent)
    }

    /// One task less; an agent without any is forgotten.
    fn move_out(&mut self, agent: &AgentId) -> bool {
        let Some(lodging) = self.agents.get_mut(agent) else { return false };
        lodging.tasks -= 1;
        if lodging.tasks > 0 {
            return false;
        }
        self.agents.remove(agent);
        self.zone.remove_agent(agent.as_str())
    }

    fn describe(&self, instance: &Instance, task: &instance::Task) -> Task {
        let spec = self.spec_of(&instance.id.spec, instance.version);
        let name = instance.id.spec.host_name();
        let ports = spec.map_or_else(Vec::new, |spec| discovery(spec, &task.ports).ports);
        Task {
            id: task.id.to_string(),
            name: name.clone(),
            framework: self.framework.clone(),
            agent_id: task.agent_id.to_string(),
            running: true,
            healthy: instance.health(),
            host_ports: task.ports.clone(),
            discovery: Some(Discovery { name, ports: ports.into_iter().map(discovery_port).collect() }),
            addresses: TaskAddresses { net_info: task.ip_addresses.clone(), ..TaskAddresses::default() },
        }
    }

    /// The definition that the instance was made from.
    fn spec_of(&self, id: &PathId, version: Timestamp) -> Option<&AppSpec> {
        let app = self.state.versions.get(id)?.get(&version)?;
        Some(&app.spec)
    }
}

/// The task of an instance that should be found: running, and healthy as far as anybody checks.
fn findable(instance: &Instance) -> Option<&instance::Task> {
    let found =
        instance.condition == Condition::Running && (instance.health.is_empty() || instance.health() == Some(true));
    instance.task.as_ref().filter(|_| found)
}

fn discovery_port(port: task::DiscoveryPort) -> DiscoveryPort {
    DiscoveryPort { number: port.number, name: port.name, protocol: Some(port.protocol) }
}

#[cfg(test)]
mod tests;
