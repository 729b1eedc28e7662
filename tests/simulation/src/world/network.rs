//! Streams between scheduler and master, connections between agents and master.
//!
//! Both carry messages in order, each with a delay. What is on its way when a connection breaks is lost. Connections of agents
//! also lose and repeat single messages, which their numbers must make up for.

use std::collections::BTreeMap;

use marathon_time::Timestamp;
use substrate_core::{
    agent,
    master::{self, LinkId, StreamId},
    protocol::{
        agent::{FromAgent, Numbered, ToAgent},
        scheduler::{Call, Event},
        task::TaskStatus,
    },
};

use super::{Happening, World};
use crate::sabotage::Sabotage;

/// Everything that is open.
#[derive(Debug, Default)]
pub(super) struct Network {
    streams: BTreeMap<StreamId, Stream>,
    links: BTreeMap<LinkId, Link>,
    opened: u64,
}

#[derive(Debug)]
struct Stream {
    /// Nothing arrives any more, and nobody is told.
    mute: bool,
    last_call: Timestamp,
    last_event: Timestamp,
}

#[derive(Debug)]
struct Link {
    agent: usize,
    last_up: Timestamp,
    last_down: Timestamp,
    open_at_agent: bool,
    open_at_master: bool,
}

/// Streams.
impl World {
    /// A new stream for the scheduler; an old one is given up.
    pub(super) fn open_stream(&mut self) -> StreamId {
        if let Some(old) = self.scheduler.stream.take() {
            self.give_stream_up(old);
        }
        self.network.opened += 1;
        let id = StreamId(self.network.opened);
        self.network.streams.insert(id, Stream { mute: false, last_call: self.now, last_event: self.now });
        id
    }

    /// The scheduler's side is gone.
    pub(super) fn give_stream_up(&mut self, stream: StreamId) {
        if self.network.streams.remove(&stream).is_some_and(|stream| !stream.mute) {
            self.later(0, 200, Happening::StreamGoneAtMaster(stream));
        }
    }

    /// Both sides are told.
    pub(super) fn break_stream(&mut self, stream: StreamId) {
        if self.network.streams.remove(&stream).is_some() {
            self.later(0, 500, Happening::StreamGoneAtMaster(stream));
            self.later(0, 500, Happening::StreamGoneAtScheduler(stream));
        }
    }

    /// Nothing gets through, and nobody is told.
    pub(super) fn mute_stream(&mut self, stream: StreamId) {
        if let Some(stream) = self.network.streams.get_mut(&stream) {
            stream.mute = true;
        }
    }

    /// The master's side of everything is gone.
    pub(super) fn break_everything(&mut self) {
        for (stream, _) in std::mem::take(&mut self.network.streams) {
            self.later(0, 300, Happening::StreamGoneAtScheduler(stream));
        }
        for (id, link) in std::mem::take(&mut self.network.links) {
            if !self.agents[link.agent].partitioned {
                self.later(0, 300, Happening::LinkGoneAtAgent(id));
            } else if let Some(kept) = Some(link).filter(|link| link.open_at_agent) {
                self.network.links.insert(id, Link { open_at_master: false, ..kept });
            }
        }
    }

    pub(super) fn send_call(&mut self, id: StreamId, call: Box<Call>) {
        let delay = self.delay();
        let Some(stream) = self.network.streams.get_mut(&id) else { return };
        stream.last_call = stream.last_call.max(self.now + delay);
        let at = stream.last_call;
        self.at(at, Happening::CallArrives(id, call));
    }

    pub(super) fn call_arrives(&mut self, id: StreamId, call: Box<Call>) {
        if self.network.streams.get(&id).is_some_and(|stream| !stream.mute) {
            self.step_master(master::Input::Call { stream: id, call });
        }
    }

    pub(super) fn send_event(&mut self, id: StreamId, event: Box<Event>) {
        let delay = self.delay();
        let Some(stream) = self.network.streams.get_mut(&id) else { return };
        stream.last_event = stream.last_event.max(self.now + delay);
        let at = stream.last_event;
        self.at(at, Happening::EventArrives(id, event));
    }

    pub(super) fn event_arrives(&mut self, id: StreamId, mut event: Box<Event>) {
        if self.network.streams.get(&id).is_none_or(|stream| stream.mute) || self.scheduler.stream != Some(id) {
            return;
        }
        match &mut *event {
            Event::Update(status) if self.sabotage == Some(Sabotage::ForgetUpdate) && status.state.is_terminal() => {
                if let Some(acknowledge) = acknowledgement(status).filter(|_| self.dice.one_in(4)) {
                    self.note(format_args!("sabotage: {} is never heard of", status.task_id));
                    return self.send_call(id, Box::new(acknowledge));
                }
            }
            Event::Offers(offers) if self.sabotage == Some(Sabotage::OfferLies) => {
                for offer in offers {
                    offer.hostname = format!("nowhere-{}", self.dice.between(0, 1_000_000));
                }
            }
            Event::Update(_)
            | Event::Offers(_)
            | Event::Subscribed { .. }
            | Event::Rescind(_)
            | Event::Failure { .. }
            | Event::Error { .. }
            | Event::Heartbeat => {}
        }
        self.scheduler_hears(event);
    }

    /// The master wants to end a stream, after what it said.
    pub(super) fn end_stream(&mut self, id: StreamId) {
        if let Some(at) = self.network.streams.get(&id).map(|stream| stream.last_event) {
            self.at(at, Happening::StreamEnds(id));
        }
    }

    pub(super) fn stream_ends(&mut self, id: StreamId) {
        if self.network.streams.remove(&id).is_some_and(|stream| !stream.mute) {
            self.stream_gone_at_scheduler(id);
        }
    }

    pub(super) fn stream_gone_at_master(&mut self, id: StreamId) {
        self.step_master(master::Input::StreamClosed(id));
    }
}

fn acknowledgement(status: &TaskStatus) -> Option<Call> {
    let (agent, uuid) = (status.agent_id.clone()?, status.uuid?);
    Some(Call::Acknowledge { agent, task: status.task_id.clone(), uuid })
}

/// Connections of agents.
impl World {
    /// An agent tries to reach the master.
    pub(super) fn dial(&mut self, agent: usize, boot: u64) {
        let site = &self.agents[agent];
        if site.boot != boot || site.core.is_none() || site.link.is_some() {
            return;
        }
        if site.partitioned || !self.master.is_up() {
            self.later(500, 5_000, Happening::Dial(agent, boot));
            return;
        }
        self.network.opened += 1;
        let id = LinkId(self.network.opened);
        let link = Link { agent, last_up: self.now, last_down: self.now, open_at_agent: true, open_at_master: true };
        self.network.links.insert(id, link);
        self.agents[agent].link = Some(id);
        self.step_agent(agent, agent::Input::Connected);
    }

    pub(super) fn send_up(&mut self, id: LinkId, message: Numbered<FromAgent>) {
        let Some(copies) = self.copies(id) else { return };
        for _ in 0..copies {
            let delay = self.delay();
            let Some(link) = self.network.links.get_mut(&id) else { return };
            link.last_up = link.last_up.max(self.now + delay);
            let at = link.last_up;
            self.at(at, Happening::ToMaster(id, Box::new(message.clone())));
        }
    }

    pub(super) fn send_down(&mut self, id: LinkId, message: Numbered<ToAgent>) {
        let Some(copies) = self.copies(id) else { return };
        for _ in 0..copies {
            let delay = self.delay();
            let Some(link) = self.network.links.get_mut(&id) else { return };
            link.last_down = link.last_down.max(self.now + delay);
            let at = link.last_down;
            self.at(at, Happening::ToAgent(id, Box::new(message.clone())));
        }
    }

    /// How often a message arrives.
    fn copies(&mut self, id: LinkId) -> Option<u32> {
        let agent = self.network.links.get(&id)?.agent;
        if self.agents[agent].partitioned {
            return None;
        }
        if self.dice.one_in(self.weather.message_lost) {
            self.note(format_args!("a message on link {id} is lost"));
            self.count("message lost");
            return None;
        }
        Some(if self.dice.one_in(self.weather.message_twice) { 2 } else { 1 })
    }

    fn delay(&mut self) -> std::time::Duration {
        if self.dice.one_in(self.weather.message_late) { self.dice.millis(0, 4_000) } else { self.dice.millis(0, 20) }
    }

    pub(super) fn agent_message_arrives(&mut self, id: LinkId, message: Box<Numbered<FromAgent>>) {
        let Some(link) = self.network.links.get(&id) else { return };
        if link.open_at_master && !self.agents[link.agent].partitioned {
            self.step_master(master::Input::Agent { link: id, message });
        }
    }

    pub(super) fn master_message_arrives(&mut self, id: LinkId, message: Box<Numbered<ToAgent>>) {
        let Some(link) = self.network.links.get(&id) else { return };
        let agent = link.agent;
        if link.open_at_agent && !self.agents[agent].partitioned {
            self.step_agent(agent, agent::Input::Master(message));
        }
    }

    /// The agent's side ended: it crashed, or gave the connection up.
    pub(super) fn leave_link(&mut self, agent: usize) {
        let Some(id) = self.agents[agent].link.take() else { return };
        if self.agents[agent].partitioned {
            if let Some(link) = self.network.links.get_mut(&id) {
                link.open_at_agent = false; // the master finds out by itself
            }
        } else if let Some(link) = self.network.links.remove(&id)
            && link.open_at_master
        {
            self.later(0, 300, Happening::LinkGoneAtMaster(id));
        }
    }

    /// The master's side ended, after what it said.
    pub(super) fn end_link(&mut self, id: LinkId) {
        let Some(link) = self.network.links.get_mut(&id) else { return };
        link.open_at_master = false;
        let (agent, at) = (link.agent, link.last_down);
        if !self.agents[agent].partitioned {
            self.at(at, Happening::LinkEnds(id));
        }
    }

    /// Both sides are told.
    pub(super) fn break_link(&mut self, agent: usize) {
        let Some(id) = self.agents[agent].link else { return };
        if let Some(link) = self.network.links.get_mut(&id) {
            (link.open_at_agent, link.open_at_master) = (false, false);
        }
        self.later(0, 500, Happening::LinkGoneAtMaster(id));
        self.later(0, 500, Happening::LinkGoneAtAgent(id));
    }

    pub(super) fn link_gone_at_master(&mut self, id: LinkId) {
        self.step_master(master::Input::LinkClosed(id));
    }

    pub(super) fn link_gone_at_agent(&mut self, id: LinkId) {
        let Some(agent) = self.agents.iter().position(|site| site.link == Some(id)) else { return };
        if self.agents[agent].partitioned {
            return; // finds out by itself
        }
        self.network.links.remove(&id);
        self.agents[agent].link = None;
        self.step_agent(agent, agent::Input::Disconnected);
        let boot = self.agents[agent].boot;
        self.later(100, 3_000, Happening::Dial(agent, boot));
    }
}
