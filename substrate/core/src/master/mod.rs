//! Who has what, who is offered it, who runs what where: the state of a master.
//!
//! Nothing here is durable. A new master learns what runs from its agents, which register with everything they have, and from
//! its frameworks, which subscribe with the ids that they had. Until [`MasterConfig::agent_timeout`] after its start it does
//! not claim that a task is unknown, because the agent that runs it may not have come back yet.
//!
//! Bounds: agents and streams are bounded by connections; outstanding offers by agents × roles; tasks by the resources that
//! agents have; finished tasks by [`COMPLETED_TASKS`] per framework, removed frameworks by [`COMPLETED_FRAMEWORKS`],
//! unreachable agents by [`UNREACHABLE_AGENTS`].

mod accept;
mod agents;
mod frameworks;
mod io;
mod links;
mod offers;
mod reconcile;
mod registration;
mod state;
mod tasks;

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use marathon_time::{Timers, Timestamp};

use self::{
    agents::Agent,
    frameworks::{CompletedFramework, Framework},
    links::Links,
};
pub use self::{
    io::{Effect, Input, LinkId, Output, StreamId},
    state::{AgentState, AgentView, CompletedFrameworkView, FrameworkState, FrameworkView, StateView, TaskView},
};
use crate::{
    allocator::{Allocator, Settings},
    clock::{Monotone, Now},
    protocol::{
        AgentId, FrameworkId, OfferId,
        offer::Offer,
        scheduler::{Call, Event, MasterInfo},
    },
};

/// How often every stream gets [`Event::Heartbeat`].
pub const STREAM_HEARTBEAT_INTERVAL: Duration = Duration::from_secs(15);
/// So many finished tasks are remembered of a framework; the oldest is forgotten first.
pub const COMPLETED_TASKS: usize = 1000;
/// So many removed frameworks are remembered; the oldest is forgotten first.
pub const COMPLETED_FRAMEWORKS: usize = 50;
/// So many unreachable agents are remembered with their tasks; the one that was lost first is forgotten first. If it comes back
/// it is taken in like one that ran before this master was started.
pub const UNREACHABLE_AGENTS: usize = 10_000;

/// What a master is told at its start.
#[derive(Clone, Debug)]
pub struct MasterConfig {
    /// New at every start; the beginning of every id that this master gives.
    pub id: String,
    /// Host name.
    pub hostname: String,
    /// Numeric address.
    pub ip: String,
    /// TCP port.
    pub port: u16,
    /// Version text: digits and dots.
    pub version: String,
    /// Offers that were not used for so long are rescinded; `None`: never.
    pub offer_timeout: Option<Duration>,
    /// An agent without a connection for so long is unreachable; as long a new master waits for agents of its predecessor.
    pub agent_timeout: Duration,
    /// How resources are shared out.
    pub allocation: Settings,
}

impl MasterConfig {
    /// How long an agent may be without a connection: five pings of 15 s in Mesos.
    pub const AGENT_TIMEOUT: Duration = Duration::from_secs(75);

    /// With the defaults of everything that is not said.
    pub fn new(id: impl Into<String>, hostname: impl Into<String>, ip: impl Into<String>, port: u16) -> Self {
        Self {
            id: id.into(),
            hostname: hostname.into(),
            ip: ip.into(),
            port,
            version: "1.11.0".to_owned(),
            offer_timeout: None,
            agent_timeout: Self::AGENT_TIMEOUT,
            allocation: Settings::default(),
        }
    }

    /// As frameworks are told.
    pub fn info(&self) -> MasterInfo {
        MasterInfo {
            id: self.id.clone(),
            hostname: self.hostname.clone(),
            ip: self.ip.clone(),
            port: self.port,
            version: self.version.clone(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// Show the agent that we live.
    LinkHeartbeat(LinkId),
    /// See whether the agent shows that it lives.
    LinkSilence(LinkId),
    /// Show the framework that we live.
    StreamHeartbeat(StreamId),
    /// The agent did not come back.
    AgentLost(AgentId),
    /// The framework did not come back.
    FrameworkLost(FrameworkId),
    /// The offer was not used.
    OfferTimeout(OfferId),
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Master {
    config: MasterConfig,
    clock: Monotone,
    /// First step, by the clock and by ticks.
    started: Option<Now>,
    timers: Timers<Timer>,
    allocator: Allocator,
    links: Links,
    agents: BTreeMap<AgentId, Agent>,
    /// Unreachable agents in the order in which they were lost.
    unreachable: VecDeque<AgentId>,
    streams: BTreeMap<StreamId, FrameworkId>,
    frameworks: BTreeMap<FrameworkId, Framework>,
    completed: VecDeque<CompletedFramework>,
    offers: BTreeMap<OfferId, Offer>,
    next_agent: u64,
    next_framework: u64,
    next_offer: u64,
}

impl Master {
    /// One that knows nobody yet.
    pub fn new(config: MasterConfig) -> Self {
        Self {
            allocator: Allocator::new(config.allocation.clone()),
            config,
            clock: Monotone::default(),
            started: None,
            timers: Timers::default(),
            links: Links::default(),
            agents: BTreeMap::new(),
            unreachable: VecDeque::new(),
            streams: BTreeMap::new(),
            frameworks: BTreeMap::new(),
            completed: VecDeque::new(),
            offers: BTreeMap::new(),
            next_agent: 0,
            next_framework: 0,
            next_offer: 0,
        }
    }

    /// Applies one input at `now`. Never waits, never fails; whatever follows from it is in `out`.
    pub fn step(&mut self, now: Timestamp, input: Input, out: &mut Output) {
        let now = self.clock.advance(now);
        self.started.get_or_insert(now);
        match input {
            Input::Call { stream, call } => self.called(now, stream, *call, out),
            Input::StreamClosed(stream) => self.stream_closed(now, stream, out),
            Input::Agent { link, message } => self.heard(now, link, *message, out),
            Input::LinkClosed(link) => self.link_closed(now, link, out),
            Input::Wakeup => {}
        }
        while let Some(timer) = self.timers.pop_due(now.tick) {
            self.fire(now, timer, out);
        }
        self.make_offers(now, out);
    }

    /// When to send [`Input::Wakeup`] if nothing else comes first.
    pub fn next_wakeup(&self) -> Option<Timestamp> {
        let next = self.timers.next().into_iter().chain(self.allocator.next_wakeup()).min();
        next.map(|tick| self.clock.wall(tick))
    }

    fn called(&mut self, now: Now, stream: StreamId, call: Call, out: &mut Output) {
        if let Call::Subscribe { framework, suppressed_roles } = call {
            return self.subscribe(now, stream, framework, suppressed_roles, out);
        }
        let Some(framework) = self.streams.get(&stream).cloned() else {
            return; // the stream was closed while the call was on its way
        };
        match call {
            Call::Subscribe { .. } => {}
            Call::Teardown => self.remove_framework(now, &framework, out),
            Call::Accept { offers, operations, filters } => {
                self.accept(now, &framework, offers, operations, filters, out);
            }
            Call::Decline { offers, filters } => self.decline(now, &framework, &offers, filters),
            Call::Revive { roles } => self.revive(&framework, &roles),
            Call::Suppress { roles } => self.suppress(&framework, &roles),
            Call::Kill { task, agent, grace } => self.kill(now, &framework, &task, agent.as_ref(), grace, out),
            Call::Acknowledge { agent, task, uuid } => self.acknowledge(&framework, &agent, &task, uuid, out),
            Call::Reconcile { tasks } => self.reconcile(now, &framework, tasks, out),
        }
    }

    fn fire(&mut self, now: Now, timer: Timer, out: &mut Output) {
        match timer {
            Timer::LinkHeartbeat(link) => self.link_heartbeat(now, link, out),
            Timer::LinkSilence(link) => self.link_silence(now, link, out),
            Timer::StreamHeartbeat(stream) => {
                out.effects.push(Effect::Tell(stream, Box::new(Event::Heartbeat)));
                self.timers.set(Timer::StreamHeartbeat(stream), now.tick + STREAM_HEARTBEAT_INTERVAL);
            }
            Timer::AgentLost(agent) => self.agent_lost(now, &agent, out),
            Timer::FrameworkLost(framework) => self.remove_framework(now, &framework, out),
            Timer::OfferTimeout(offer) => self.rescind(now, &offer, out),
        }
    }

    fn tell(&self, framework: &FrameworkId, event: Event, out: &mut Output) {
        if let Some(stream) = self.frameworks.get(framework).and_then(|framework| framework.stream) {
            out.effects.push(Effect::Tell(stream, Box::new(event)));
        }
    }
}

#[cfg(test)]
mod tests;
