//! Agents: a core, a disk, and the containers of the machine, which do not depend on the core's life.

use std::collections::BTreeMap;

use marathon_time::Timestamp;
use substrate_core::{
    agent::{Agent, AgentConfig, Change, Checkpoint, Effect, Input, Output, Seeds},
    master::LinkId,
    protocol::{
        AgentId, ContainerId,
        agent::AgentInfo,
        offer::{AgentAddress, Attribute, AttributeValue},
    },
    resources::{Ranges, Resources, Scalar},
};

use super::{Container, Happening, Key, World, skewed};
use crate::{sabotage::Sabotage, violation::Invariant};

/// A machine.
#[derive(Debug)]
pub struct AgentSite {
    /// What it says it is.
    pub info: AgentInfo,
    /// What it really has.
    pub resources: Resources,
    pub(super) core: Option<Agent>,
    pub(super) boot: u64,
    pub(super) id: Option<AgentId>,
    /// Every id that it ever had.
    names: Vec<AgentId>,
    checkpoints: BTreeMap<ContainerId, Checkpoint>,
    /// Everything that was started on it and not forgotten.
    pub containers: BTreeMap<ContainerId, Container>,
    pub(super) link: Option<LinkId>,
    pub(super) partitioned: bool,
    skew: i64,
    wake: Option<Key>,
}

impl AgentSite {
    /// A machine that is not started yet.
    pub fn new(index: usize, sabotage: Option<Sabotage>) -> Self {
        let has = |cpus, mem| {
            Resources::new()
                .with_scalar("cpus", Scalar::from_thousandths(cpus))
                .with_scalar("mem", Scalar::from_units(mem))
                .with_scalar("disk", Scalar::from_units(10_000))
                .with_ports([(31_000, 31_099)].into_iter().collect::<Ranges>())
        };
        let text = |name: &str, value: String| Attribute { name: name.into(), value: AttributeValue::Text(value) };
        let lies = sabotage == Some(Sabotage::OverAllocate);
        Self {
            info: AgentInfo {
                hostname: format!("a{index}"),
                address: AgentAddress { ip: format!("10.0.0.{}", index + 1), port: 5051 },
                resources: has(4_000, 4_096),
                attributes: vec![text("rack", format!("r{}", index % 3)), text("zone", format!("z{}", index % 2))],
                domain: None,
            },
            resources: if lies { has(1_000, 1_024) } else { has(4_000, 4_096) },
            core: None,
            boot: 0,
            id: None,
            names: Vec::new(),
            checkpoints: BTreeMap::new(),
            containers: BTreeMap::new(),
            link: None,
            partitioned: false,
            skew: 0,
            wake: None,
        }
    }

    /// Every id that it ever had.
    pub fn names(&self) -> &[AgentId] {
        &self.names
    }

    fn clock(&self, now: Timestamp) -> Timestamp {
        skewed(now, self.skew)
    }

    /// Whether a probe from elsewhere gets through.
    pub(super) fn is_reachable(&self) -> bool {
        !self.partitioned
    }
}

impl World {
    pub(super) fn start_agent(&mut self, agent: usize) {
        if self.agents[agent].core.is_some() {
            return;
        }
        let seeds = Seeds { containers: self.dice.seed(), statuses: self.dice.seed() };
        let site = &mut self.agents[agent];
        site.boot += 1;
        let (boot, config) = (site.boot, AgentConfig { info: site.info.clone() });
        let checkpoints: Vec<Checkpoint> = site.checkpoints.values().cloned().collect();
        let known: Vec<ContainerId> = site.checkpoints.keys().chain(site.containers.keys()).cloned().collect();
        let now = site.clock(self.now);
        site.core = Some(Agent::recover(config, site.id.clone(), checkpoints, seeds, now));
        self.note(format_args!("agent a{agent} starts with {} containers", known.len()));
        for container in known {
            self.later(0, 50, Happening::FoundAgain(agent, boot, container));
        }
        self.later(0, 1_000, Happening::Dial(agent, boot));
        self.step_agent(agent, Input::Wakeup);
    }

    pub(super) fn crash_agent(&mut self, agent: usize) {
        if self.agents[agent].core.take().is_none() {
            return;
        }
        self.note(format_args!("agent a{agent} crashes"));
        self.count("agent crash");
        let wake = self.agents[agent].wake.take();
        self.cancel(wake);
        self.leave_link(agent);
        let longest = if self.dice.one_in(4) { 60_000 } else { 8_000 };
        self.later(100, longest, Happening::StartAgent(agent));
    }

    /// Nothing is left of what the machine knew.
    pub(super) fn wipe_agent(&mut self, agent: usize) {
        let site = &mut self.agents[agent];
        site.id = None;
        site.checkpoints.clear();
        site.containers.clear();
    }

    pub(super) fn partition(&mut self, agent: usize) {
        if !self.agents[agent].partitioned {
            self.note(format_args!("agent a{agent} is cut off"));
            self.count("partition");
            self.agents[agent].partitioned = true;
            let longest = if self.dice.one_in(3) { 120_000 } else { 25_000 };
            self.later(1_000, longest, Happening::EndPartition(agent));
        }
    }

    pub(super) fn end_partition(&mut self, agent: usize) {
        if std::mem::take(&mut self.agents[agent].partitioned) {
            self.note(format_args!("agent a{agent} can be reached again"));
        }
    }

    pub(super) fn set_agent_clock(&mut self, agent: usize, skew: i64) {
        self.agents[agent].skew = skew;
    }

    pub(super) fn wake_agent(&mut self, agent: usize) {
        self.agents[agent].wake = None;
        self.step_agent(agent, Input::Wakeup);
    }

    pub(super) fn step_agent(&mut self, agent: usize, input: Input) {
        let site = &mut self.agents[agent];
        let now = site.clock(self.now);
        let Some(core) = &mut site.core else { return };
        let mut out = Output::default();
        core.step(now, input, &mut out);
        let (next, skew) = (core.next_wakeup(), site.skew);
        self.steps += 1;
        let anything = !out.changes.is_empty() || !out.effects.is_empty();
        let crash = anything && self.dice.one_in(self.weather.agent_crash_in_step);
        let mut left = if crash { self.dice.between(0, out.effects.len() as u64) } else { u64::MAX };
        if crash && self.dice.one_in(3) {
            return self.crash_agent(agent); // nothing was written down
        }
        for change in out.changes {
            self.write_down(agent, change);
        }
        for effect in out.effects {
            if left == 0 {
                break;
            }
            left -= 1;
            self.perform_for_agent(agent, effect);
        }
        if crash {
            return self.crash_agent(agent);
        }
        let wake = self.agents[agent].wake.take();
        self.cancel(wake);
        self.agents[agent].wake = next.map(|at| self.at(skewed(at, -skew), Happening::WakeAgent(agent)));
    }

    fn write_down(&mut self, agent: usize, change: Change) {
        let site = &mut self.agents[agent];
        match change {
            Change::Id(id) => {
                site.id = Some(id.clone());
                site.names.push(id.clone());
                self.note(format_args!("agent a{agent} is {id}"));
            }
            Change::Put(checkpoint) => {
                site.checkpoints.insert(checkpoint.container_id.clone(), *checkpoint);
            }
            Change::Remove(container) => {
                site.checkpoints.remove(&container);
            }
        }
    }

    fn perform_for_agent(&mut self, agent: usize, effect: Effect) {
        match effect {
            Effect::Send(message) => {
                if let Some(link) = self.agents[agent].link {
                    self.send_up(link, message);
                }
            }
            Effect::Reconnect => {
                self.note(format_args!("agent a{agent} gives its connection up"));
                self.leave_link(agent);
                let boot = self.agents[agent].boot;
                self.later(100, 3_000, Happening::Dial(agent, boot));
            }
            Effect::Launch(launch) => self.start_container(agent, *launch),
            Effect::Kill { container_id, grace } => self.kill_container(agent, &container_id, grace),
            Effect::Probe(container) => {
                let answers = !self.dice.one_in(self.weather.probe_unanswered);
                let boot = self.agents[agent].boot;
                self.later(1, 400, Happening::AgentProbed { agent, boot, container, answers });
            }
            Effect::Forget(container) => self.forget_container(agent, &container),
            Effect::Halt { message } => {
                self.violate(Invariant::Liveness, format!("agent a{agent} was refused for good: {message}"));
            }
        }
    }

    /// Tells a restarted agent how one of its containers is.
    pub(super) fn container_found_again(&mut self, agent: usize, boot: u64, id: &ContainerId) {
        if self.agents[agent].boot != boot || self.agents[agent].core.is_none() {
            return;
        }
        let Some(container) = self.agents[agent].containers.get(id) else {
            let message = "never started".to_owned();
            return self.step_agent(
                agent,
                Input::Container(id.clone(), substrate_core::agent::ContainerEvent::LaunchFailed { message }),
            );
        };
        if self.sabotage == Some(Sabotage::RelaunchOnRecovery) && container.is_running() {
            let launch = container.launch.clone();
            return self.start_container(agent, launch);
        }
        if let Some(event) = container.told() {
            self.step_agent(agent, Input::Container(id.clone(), event));
        }
    }
}
